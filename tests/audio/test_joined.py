"""Joined files are read whole, to the sample or a frame of MP3 a part."""

import numpy as np
import pytest
from test_zoo import RATE, TAGS, TONE, id3, told, tone, twice, without_xing

from irmas_utils.audio import io, joined
from irmas_utils.project.errors import DiskError

NOISE = np.random.default_rng(0).uniform(-0.4, 0.4, len(TONE))
LOUD_FIRST = np.concatenate([NOISE, 0.1 * TONE, 0.1 * TONE])
SECONDS = len(TONE) / RATE


JOINED = {
    "MP3 and another": ("MP3", twice, NOISE, 2),
    "MP3 with tags, and another": ("MP3", lambda x: twice(id3(x)), NOISE, 2),
    "three MP3 of which none tells": ("MP3", lambda x: without_xing(x) * 3, NOISE, 3),
    "MP3 that tells of too few frames": ("MP3", told(5), NOISE, 1),
    "MP3 that tells of none": ("MP3", told(0), NOISE, 1),
    "MP3 that begins loud": ("MP3", without_xing, LOUD_FIRST, 3),
    "MP3, APE and another": ("MP3", lambda x: x + TAGS["APE"] + x, NOISE, 2),
    "MP3, a line and another": ("MP3", lambda x: x + b"\r\n" + x, NOISE, 2),
    "Ogg, a tag and another": ("OGG", lambda x: x + TAGS["ID3v1"] + x, NOISE, 2),
    "Ogg and another": ("OGG", twice, NOISE, 2),
}


@pytest.mark.parametrize("kind", JOINED)
@pytest.mark.parametrize("rate", [RATE, 22050])
@pytest.mark.parametrize("channels", [1, 2])
def test_joined_files_are_read_whole(tmp_path, kind, rate, channels):
    path = tmp_path / "joined"
    format, change, samples, times = JOINED[kind]
    samples = np.tile(samples[:, None], channels)
    path.write_bytes(change(bytes(tone(path, format, samples=samples, rate=rate))))
    with pytest.raises(io.AudioError, match="only the first"):
        io.read(path)
    found, found_rate = io.read(joined.whole(path))
    assert (found_rate, found.shape[1]) == (rate, channels)
    assert len(found) == pytest.approx(times * len(TONE), abs=2500 * times)
    part = len(found) // times
    levels = [np.std(found[k * part : (k + 1) * part]) for k in range(times)]
    assert levels[0] > 0.1
    assert min(levels) > 0.003
    assert joined.whole(path) == joined.whole(path)


def test_parts_of_another_rate_follow_in_time(tmp_path):
    path = tmp_path / "a.ogg"
    first = bytes(tone(path, "OGG"))
    second = bytes(tone(path, "OGG", rate=22050, samples=np.tile(TONE[::2, None], 2)))
    path.write_bytes(first + second)
    found, rate = io.read(joined.whole(path))
    assert (rate, found.shape[1]) == (RATE, 1)
    spectrum = np.abs(np.fft.rfft(found[-len(TONE) :, 0]))
    assert spectrum.argmax() / SECONDS == pytest.approx(440, abs=3)
    assert len(found) == pytest.approx(2 * len(TONE), abs=1000)


@pytest.mark.parametrize(
    "change",
    [
        bytes,
        lambda x: x[: len(x) * 6 // 10],
        lambda x: x + b"RIFF" + bytes(400),
        lambda _: b"no audio",
    ],
)
@pytest.mark.parametrize("format", ["WAV", "MP3", "OGG"])
def test_others_are_left_as_they_are(tmp_path, format, change):
    path = tmp_path / "a"
    path.write_bytes(change(bytes(tone(path, format, samples=NOISE))))
    assert joined.whole(path) == path
    assert joined.whole(tmp_path / "gone") == tmp_path / "gone"


def test_no_damage_is_more_than_one_error(tmp_path):
    path, rng = tmp_path / "a", np.random.default_rng(0)
    for number in range(200):
        content = bytearray(twice(tone(path, ["MP3", "OGG"][number % 2], samples=NOISE)))
        for place in rng.integers(len(content), size=rng.integers(1, 20)):
            content[place] = rng.integers(256)
        path.write_bytes(content)
        assert joined.whole(path)


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(twice(tone(path, "OGG", samples=NOISE)))
    write = joined.soundfile.SoundFile.write
    monkeypatch.setattr(joined.soundfile.SoundFile, "write", lambda file, x: (
        write(file, x), joined.soundfile._error_check(2)))  # fmt: skip
    with pytest.raises(DiskError, match=r"joined/.*: found a failed write .*Make room"):
        joined.whole(path)


@pytest.mark.parametrize("format", ["MP3", "OGG"])
def test_a_part_that_cannot_be_read_is_told(tmp_path, format):
    path = tmp_path / "a"
    content = bytes(tone(path, format, samples=NOISE))
    path.write_bytes(twice(content) + bytes(tone(path, "FLAC", samples=NOISE)))
    assert joined.whole(path) == path
