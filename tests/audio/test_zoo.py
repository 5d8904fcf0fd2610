"""Every odd file that a person might have: a right result, or one error that says what is wrong."""

import os
import re
import socket
import struct
import tracemalloc
from io import BytesIO

import numpy as np
import pytest
import soundfile

from irmas_utils.audio import containers, io
from irmas_utils.project.errors import AudioError

RATE = 44100
TONE = 0.4 * np.sin(2 * np.pi * 440 * np.arange(RATE // 2) / RATE)
SECONDS = len(TONE) / RATE
CUT = r"only the first 0\.[1-4] s can be read: the file ends early"
GOES_ON = r"only the first 0\.[1-5] s can be read: the file goes on"


def tone(path, format="WAV", subtype=None, rate=RATE, samples=TONE, **options):
    soundfile.write(path, samples, rate, format=format, subtype=subtype, **options)
    return bytearray(path.read_bytes())


def patched(content, place, *values):
    """Return a file with 32-bit numbers put in at `place`."""
    content = bytearray(content)
    for position, value in zip(np.atleast_1d(place), values, strict=True):
        struct.pack_into("<I", content, position, value)
    return content


def pitch(samples):
    """Return the frequency of a tone, in periods a sample."""
    return np.abs(np.fft.rfft(samples)).argmax() / len(samples)


# Whole files: what must come out is the tone.

WHOLE = {
    **{f"{subtype} {format}": {"format": format, "subtype": subtype}
       for format, subtypes in {
           "WAV": ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW",
                   "IMA_ADPCM", "MS_ADPCM"],
           "WAVEX": ["PCM_16", "PCM_24", "FLOAT"], "RF64": ["PCM_16"], "W64": ["PCM_16", "FLOAT"],
           "AIFF": ["PCM_16", "PCM_24", "FLOAT"], "AU": ["PCM_16"], "CAF": ["PCM_16", "ALAC_16"],
           "FLAC": ["PCM_16", "PCM_24"], "OGG": ["VORBIS"], "MP3": ["MPEG_LAYER_III"],
       }.items() for subtype in subtypes},
    "Opus": {"format": "OGG", "subtype": "OPUS", "rate": 48000},
    **{f"{rate} Hz": {"rate": rate} for rate in (8000, 11025, 22050, 48000, 96000, 192000)},
    **{f"{n} channels": {"samples": np.tile(TONE[:, None], n)} for n in (2, 3, 6, 8)},
    "5.1 with its layout": {"format": "WAVEX", "samples": np.tile(TONE[:, None], 6)},
    "MP3, variable": {"format": "MP3", "bitrate_mode": "VARIABLE", "compression_level": 0.5},
    "MP3, constant": {"format": "MP3", "bitrate_mode": "CONSTANT", "compression_level": 0.5},
    "MP3 whose last frame holds nothing": {"format": "MP3", "samples": TONE[: 19 * 1152 + 13]},
}  # fmt: skip


@pytest.mark.parametrize("kind", WHOLE)
def test_whole_files(tmp_path, kind):
    path = tmp_path / "tone.wav"
    rate = WHOLE[kind].get("rate", RATE)
    samples = np.asarray(WHOLE[kind].get("samples", TONE))
    tone(path, **WHOLE[kind])
    about, loaded = io.header(path), io.load_mono(path)
    assert about["duration"] == pytest.approx(len(samples) / rate, abs=0.06)
    assert about["sample_rate"] == rate
    assert about["channels"] == (samples.shape[1] if samples.ndim > 1 else 1)
    assert len(loaded) / rate == about["duration"]
    assert pitch(loaded) * RATE == pytest.approx(440, abs=3)
    if about["duration"] == SECONDS:
        np.testing.assert_allclose(loaded, TONE, atol=0.1)
    points, density = io.outline(path)
    assert len(points) / density == pytest.approx(about["duration"], abs=0.03)


def id3(content, size=70_000):
    """Put a tag before a file, with a picture in it as it were."""
    return (
        b"ID3\3\0\0" + bytes([0, size >> 14, size >> 7 & 127, size & 127]) + bytes(size) + content
    )


def without_xing(content):
    """Remove the first frame of an MP3, which tells how many follow."""
    head = content[:2]
    return content[content.index(head, max(content.find(b"Xing"), content.find(b"Info"))) :]


def told(n_frames):
    """Return what makes the first frame of an MP3 tell of so many."""

    def change(content):
        place = max(content.find(b"Xing"), content.find(b"Info")) + 8
        return content[:place] + struct.pack(">I", n_frames) + content[place + 4 :]

    return change


ODD = {
    "an ID3 tag": ("MP3", id3),
    "tags at the end": ("MP3", lambda x: x + b"APETAGEX" + bytes(3000) + b"TAG" + bytes(125)),
    "zeros at the end of MP3": ("MP3", lambda x: x + bytes(3000)),
    "MP3 that does not tell its length": ("MP3", without_xing),
    "MP3 that tells a length beyond all bounds": ("MP3", told(2**32 - 1)),
    "streamed FLAC": ("FLAC", lambda x: x[:21] + bytes([x[21] & 0xF0]) + bytes(4) + x[26:]),
    "a tag at the end of Ogg": ("OGG", lambda x: x + b"TAG" + bytes(125)),
    "sizes that a pipe left open": ("WAV", lambda x: patched(x, [4, 40], 2**32 - 1, 2**32 - 1)),
    "sizes as sox leaves them": ("WAV", lambda x: patched(x, [4, 40], 0x7FFFF024, 0x7FFFF000)),
    "RIFF size = file size": ("WAV", lambda x: patched(x, 4, len(x))),
    "RIFF size 0": ("WAV", lambda x: patched(x, 4, 0)),
    "some bytes too many told of": ("WAV", lambda x: patched(x, [4, 40], len(x), len(x) - 36)),
    "an odd chunk": ("WAV", lambda x: x[:36] + b"odd \3\0\0\0abc\0" + x[36:]),
    "a chunk after the samples": ("WAV", lambda x: x + b"LIST\x0a\0\0\0INFOxxxxxx"),
    "zeros at the end": ("WAV", lambda x: x + bytes(3000)),
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
def test_odd_files_that_are_whole(tmp_path, kind):
    path = tmp_path / "tone.wav"
    format, change = ODD[kind]
    options = {"bitrate_mode": "CONSTANT", "compression_level": 0.5} if format == "MP3" else {}
    path.write_bytes(change(bytes(tone(path, format, **options))))
    assert io.header(path)["duration"] == pytest.approx(SECONDS, abs=0.06)
    assert pitch(io.load_mono(path)) * RATE == pytest.approx(440, abs=3)


@pytest.mark.parametrize("n_samples", [264_600, 66_150, 48_000])
def test_a_whole_file_whose_last_chunk_has_an_odd_size(tmp_path, n_samples):
    path = tmp_path / "speech.wav"
    soundfile.write(path, np.zeros(n_samples), 44_100, "GSM610", format="WAV")
    assert io.header(path)["duration"] == pytest.approx(n_samples / 44_100, abs=0.01)


NOISE = np.random.default_rng(0).bytes(30_000)  # what a picture looks like
APE = b"APETAGEX" + struct.pack("<4I", 2000, 30_032, 1, 0) + bytes(8)
TAGS = {
    "nothing": b"",
    "ID3v1": b"TAG" + NOISE[:125],
    "ID3v2": b"ID3\3\0\0\0\1\x6a\x30" + NOISE,
    "APE": APE + NOISE + APE,
    "APE without a header, and ID3v1": NOISE + APE + b"TAG" + bytes(125),
    "lyrics": b"LYRICSBEGIN" + NOISE + b"030011LYRICS200",
    "lines": b"\r\n\r\n",
    "zeros": bytes(9000),
}
ENDIAN = {"AIFF": ">I", "CAF": ">Q"}


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("format", ["WAV", "AIFF", "AU", "CAF", "FLAC", "OGG", "MP3"])
def test_tags_after_the_sound_are_no_sound(tmp_path, format, tag):
    for n_samples in (998, 21_901):
        content = bytes(tone(tmp_path / "a", format, samples=TONE[:n_samples]))
        (tmp_path / "a").write_bytes(content + TAGS[tag])
        assert io.header(tmp_path / "a")["duration"] == pytest.approx(n_samples / RATE, abs=0.06)
        assert len(io.read(tmp_path / "a")[0]) >= n_samples


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "FLOAT", "DWVW_16", "GSM610"])
@pytest.mark.parametrize("format", ["WAV", "WAVEX", "RF64", "AIFF", "CAF"])
def test_chunks_after_the_sound_are_no_sound(tmp_path, format, subtype):
    if not soundfile.check_format(format, subtype):
        return
    content = bytes(tone(tmp_path / "a", format, subtype, samples=TONE[:20_999]))
    for size in (0, 1, 29_999):
        chunk = b"ID3 " + struct.pack(ENDIAN.get(format, "<I"), size) + NOISE[:size]
        (tmp_path / "a").write_bytes(content + 2 * (chunk + bytes(size % 2)))
        duration = io.header(tmp_path / "a")["duration"]
        assert duration == pytest.approx(20_999 / RATE, abs=0.01)


# Files that are not whole: how much there is, in the same words everywhere.


def half(content):
    return content[: len(content) * 6 // 10]


def twice(content):
    return content * 2


def lie(content, place, value):
    return content[:place] + struct.pack(">I", value) + content[place + 4 :]


FORMATS = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "VOC", "MAT4", "MP3", "NIST", "AVR",
           "MAT5", "MPC2K")  # fmt: skip
PARTIAL = {
    **{f"half a {format}": (format, half, CUT) for format in FORMATS},
    **{f"{format} and another": (format, twice, GOES_ON)
       for format in ("RF64", "AU", "CAF", "MAT4", "MP3", "FLAC", "OGG")},
    "MP3 and FLAC": ("MP3", lambda x: x + b"fLaC\0\0\0\x22" + bytes(400), GOES_ON),
    "MP3 and Ogg": ("MP3", lambda x: x + b"OggS\0\2" + bytes(400), GOES_ON),
    "two Ogg streams": ("OGG", lambda x: x + re.sub(rb"(OggS.{10}).{4}", rb"\1abcd", x), GOES_ON),
    "MP3 that tells of too few frames": ("MP3", told(5), GOES_ON),
    "MP3 that tells of none": ("MP3", told(0), GOES_ON),
    "MP3 of a length that libsndfile guesses too small": ("MP3", without_xing, GOES_ON),
    **{f"{kind} with {tag} between": (kind, lambda x, tag=tag: x + TAGS[tag] + x, GOES_ON)
       for kind in ("RF64", "AU", "CAF", "AIFF", "FLAC", "MP3", "OGG") for tag in TAGS
       if (kind, tag) != ("AIFF", "nothing")},
    **{f"{kind} and {name}": (kind, lambda x, start=start: x + start + NOISE, GOES_ON)
       for kind in ("RF64", "AU", "CAF", "AIFF", "FLAC", "MP3", "OGG")
       for name, start in (("MP3", b"\xff\xfb\x90\0"), ("WAV", b"RIFF\0\1\0\0WAVE"))},
    "FLAC that tells of a third": ("FLAC", lambda x: lie(x, 22, 7350), GOES_ON),
    "AU that tells of a third": ("AU", lambda x: lie(x, 8, 14_700), GOES_ON),
    "CAF that tells of a third": ("CAF", lambda x: lie(x, x.find(b"data") + 8, 14_700), GOES_ON),
    "a size of half the samples": ("WAV", lambda x: patched(x, 40, (len(x) - 44) // 2), GOES_ON),
}  # fmt: skip


@pytest.mark.parametrize("kind", PARTIAL)
def test_what_a_file_does_not_give_is_said(tmp_path, kind):
    path = tmp_path / "tone.wav"
    noise = np.random.default_rng(0).uniform(-0.4, 0.4, len(TONE))
    format, change, word = PARTIAL[kind]
    path.write_bytes(change(bytes(tone(path, format, samples=noise))))
    for read in (io.header, io.read, io.load_mono):
        with pytest.raises(AudioError, match=word):
            read(path)
    with io.opened(path) as file:
        n_samples = sum(map(len, io.stream(file, RATE)))
        assert re.match(word, file.shortfall())
    points, density = io.outline(path)
    assert 0.05 < len(points) / density == pytest.approx(n_samples / RATE, abs=0.03)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("missing", [1, 300, 9000])
def test_ogg_that_is_cut(tmp_path, subtype, missing):
    path = tmp_path / "noise.ogg"
    noise = np.random.default_rng(0).uniform(-0.4, 0.4, 4 * 48000)
    path.write_bytes(tone(path, "OGG", subtype, 48000, noise)[:-missing])
    with pytest.raises(AudioError, match=r"only the first [123]\.\d s can be read: the file ends"):
        io.load_mono(path)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_ogg_that_is_damaged(tmp_path, subtype):
    path = tmp_path / "noise.ogg"
    noise = np.random.default_rng(0).uniform(-0.4, 0.4, 9 * 48000)
    content = bytes(tone(path, "OGG", subtype, 48000, noise))
    bounds = [page[0] for page in containers.ogg_pages(content)]
    a, b, c = bounds[4:7]
    flips = [(place, content[place] ^ 1) for place in range(bounds[2] + 9, bounds[-2], 9999)]
    damaged = [content[:place] + bytes([value]) + content[place + 1 :] for place, value in flips]
    exchanged = content[:a] + content[b:c] + content[a:b] + content[c:]
    for changed in (*damaged, exchanged, content[:a] + content[b:]):
        path.write_bytes(changed)
        with pytest.raises(AudioError, match=r"only the first \d\.\d s can be read: .* is damaged"):
            io.load_mono(path)


# Files that cannot be used.


def write(samples, rate=RATE, subtype="FLOAT"):
    return lambda path: soundfile.write(path, samples, rate, format="WAV", subtype=subtype)


def swapped(path):
    samples = TONE.astype(">f4").view("<f4")
    soundfile.write(path, np.nan_to_num(samples, posinf=0, neginf=0), RATE, subtype="FLOAT")


def listening(path):
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(path.parent)  # the path of a socket is at most 107 bytes
        server.bind(path.name)


BAD = {
    "nothing": (lambda path: path.write_bytes(b""), "unreadable"),
    "no such file": (lambda path: None, "No such file"),
    "text": (lambda path: path.write_text("no audio"), "unreadable"),
    "a pointer to git LFS": (
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        "unreadable",
    ),
    "half a FLAC": (lambda path: path.write_bytes(half(tone(path, "FLAC"))), "unreadable"),
    "no samples": (write(np.zeros(0)), "a size of 0 in the header"),
    "a header that tells of no samples": (
        lambda path: path.write_bytes(patched(tone(path), [4, 40], 0, 0)),
        "a size of 0 in the header, and 44144 bytes",
    ),
    "NaN": (write(np.full(100, np.nan)), "NaN"),
    "one NaN": (write(np.r_[TONE, np.nan]), "NaN"),
    "infinity": (write(np.full(100, -np.inf)), "infinite"),
    "16-bit numbers as floats": (write(TONE * 32768), "up to 1310[0-9] .* divide them by 32768"),
    "bytes the wrong way round": (swapped, "up to 3.*e.38 times .* Restore the file"),
    "1 Hz": (write(TONE[:100], 1), "a sample rate of 1 Hz"),
    "20 MHz": (write(TONE, 20_000_000), "a sample rate of 20000000 Hz"),
    "a pipe": (os.mkfifo, "not a file"),
    "a socket": (listening, "not a file"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "not a file"),
    "a folder": (lambda path: path.mkdir(), "not a file"),
    "a loop of links": (lambda path: path.symlink_to(path.name), "symbolic links"),
    "a link to nothing": (lambda path: path.symlink_to("nothing"), "No such file"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_bad_files_are_one_error(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bad.wav"
    make, word = BAD[kind]
    make(path)
    for read in (io.read, io.load_mono, io.outline):
        with pytest.raises(AudioError, match=rf"bad\.wav: found .*{word}"):
            read(path)


@pytest.mark.parametrize("name", ["\0.wav", "x" * 300 + ".wav"])
def test_names_that_no_file_can_have(tmp_path, name):
    with pytest.raises(AudioError, match="no readable file"):
        io.read(tmp_path / name)


# Signals and names that are right as they are.

SIGNALS = {
    "silence": np.zeros(4410),
    "clipped": np.sign(TONE),
    "DC": np.full(4410, 0.9),
    "6 dB over": TONE * 5,
}


@pytest.mark.parametrize("kind", SIGNALS)
def test_any_signal(tmp_path, kind):
    tone(tmp_path / "a.wav", subtype="FLOAT", samples=SIGNALS[kind])
    loaded = io.load_mono(tmp_path / "a.wav")
    np.testing.assert_array_equal(loaded, SIGNALS[kind].astype(np.float32))
    assert np.isfinite(io.load_mono(tmp_path / "a.wav", 32000)).all()


def test_one_sample(tmp_path):
    tone(tmp_path / "a.wav", samples=[0.5], rate=192000)
    assert io.load_mono(tmp_path / "a.wav").tolist() == [0.5]
    with pytest.raises(AudioError, match=r"too few samples \(1\)"):
        io.load_mono(tmp_path / "a.wav", 32000)


NAMES = ["#1 hit.wav", "a b'c\".wav", "$(x)`y`;&{1}.wav", "-p.wav", "new\nline.wav", "Sólo ♫.wav",
         "take.raw", "take.RAW", "take.txt", "take", "take.mp3", b"S\xf3lo.wav"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_any_name(tmp_path, name):
    tone(tmp_path / "plain.wav")
    path = tmp_path / os.fsdecode(name)
    (tmp_path / "plain.wav").rename(path)
    assert io.header(path)["duration"] == SECONDS
    assert len(io.load_mono(path)) == len(TONE)


@pytest.mark.parametrize("format", ["MP3", "OGG", "FLAC", "WAV"])
@pytest.mark.parametrize("n_frames", [1000, 4410])
def test_reading_in_pieces_gives_the_whole(tmp_path, format, n_frames):
    noise = np.random.default_rng(0).uniform(-0.4, 0.4, RATE)
    tone(tmp_path / "a", format, samples=noise)
    with io.opened(tmp_path / "a") as file:
        pieces = np.concatenate(list(file.rest(n_frames)))
    np.testing.assert_array_equal(pieces, io.read(tmp_path / "a")[0])
    expected = soundfile.read(tmp_path / "a", dtype="float32", always_2d=True)[0]
    np.testing.assert_allclose(pieces, expected, atol=1e-6)


def test_a_header_that_tells_of_too_much_takes_no_memory(tmp_path):
    path = tmp_path / "a.mp3"
    path.write_bytes(told(2**31)(bytes(tone(path, "MP3"))))
    tracemalloc.start()
    for read in (io.header, io.read, io.load_mono, io.outline):
        read(path)
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e10, -1e30])
def test_a_player_survives_any_samples(value):
    samples = TONE.copy()
    samples[1000:2000] = value
    played = soundfile.read(BytesIO(io.player(samples, RATE).data))[0]
    assert np.isfinite(played).all()


def test_a_file_that_is_made_to_be_waited_for_is_not(tmp_path, monkeypatch):
    path, looks = tmp_path / "tone.wav", []
    soundless = containers.soundless
    monkeypatch.setattr(containers, "soundless", lambda *at: looks.append(at) or soundless(*at))
    path.write_bytes(bytes(tone(path, "WAV")) + b"abcd\0\0\0\0" * 30_000)
    with pytest.raises(AudioError, match="goes on"):
        io.header(path)
    assert len(looks) == 1000
    bad = bytes(tone(path, "OGG")) + b"OggS\0" * 30_000
    monkeypatch.setattr(containers.zlib, "crc32", lambda *_: looks.append(_) or 0)
    assert not [*containers.ogg_pages(bad)]
    assert len(looks) == 2000
