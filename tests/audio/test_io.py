from io import BytesIO

import numpy as np
import pytest
import soundfile
from conftest import write_clip
from hypothesis import given
from hypothesis import strategies as st

from irmas_utils.audio import io
from irmas_utils.project.errors import AudioError


def test_read_gives_float_samples_in_range(tmp_path):
    samples, rate = io.read(write_clip(tmp_path / "clip.wav"))
    assert samples.shape == (4410, 2)
    assert samples.dtype == np.float32
    assert rate == 44100
    assert np.abs(samples).max() <= 1


def test_mono_is_the_mean_of_the_channels():
    assert io.mono(np.array([[1, 0], [0.5, 0.5]], np.float32)).tolist() == [0.5, 0.5]


def test_resampling_keeps_a_tone():
    tone = np.sin(2 * np.pi * 440 * np.arange(44100) / 44100).astype(np.float32)
    halved = io.resample(tone, 44100, 22050)
    expected = np.sin(2 * np.pi * 440 * np.arange(22050) / 22050)
    assert np.abs(halved - expected)[200:-200].max() < 1e-3
    assert io.resample(tone, 44100, 44100) is tone


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 11127])
def test_a_player_holds_the_sound_small(rate):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(5 * rate) / rate).astype(np.float32)
    shown = io.player(tone, rate)
    samples, played = soundfile.read(BytesIO(shown.data))
    assert len(samples) / played == pytest.approx(5, abs=0.1)
    pitch = np.abs(np.fft.rfft(samples)).argmax() * played / len(samples)
    assert pitch == pytest.approx(440, abs=1)
    assert len(shown.data) < 5 * io.PLAYED_RATE * 2 / 4
    assert 'src="data:audio/mpeg;base64,' in shown._repr_html_()


@given(st.integers(0, 50), st.integers(0, 50), st.none() | st.integers(0, 100))
def test_padding_keeps_the_clip_whole(n_samples, spare, seed):
    clip = np.arange(1, n_samples + 1, dtype=np.float32)
    rng = None if seed is None else np.random.default_rng(seed)
    padded = io.pad(clip, n_samples + spare, rng)
    assert len(padded) == n_samples + spare
    assert padded[padded > 0].tolist() == clip.tolist()
    if seed is None:
        assert padded[:n_samples].tolist() == clip.tolist()


def test_every_position_of_the_clip_occurs():
    rng = np.random.default_rng(0)
    starts = {int(np.argmax(io.pad(np.ones(2), 5, rng))) for _ in range(100)}
    assert starts == {0, 1, 2, 3}


def test_a_clip_that_is_too_long_is_an_error():
    with pytest.raises(AudioError, match=r"found 5 samples.*at most 4"):
        io.pad(np.ones(5), 4)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"no audio at all" * 10])
def test_unreadable_files_are_named(tmp_path, content):
    (tmp_path / "bad.wav").write_bytes(content)
    with pytest.raises(AudioError, match=r"bad\.wav"):
        io.read(tmp_path / "bad.wav")


def test_missing_empty_and_nan_files_are_named(tmp_path):
    with pytest.raises(AudioError, match=r"gone\.wav"):
        io.read(tmp_path / "gone.wav")
    with pytest.raises(AudioError, match="no samples"):
        io.read(write_clip(tmp_path / "empty.wav", seconds=0))
    soundfile.write(str(tmp_path / "nan.wav"), np.array([0, np.nan]), 44100, subtype="FLOAT")
    with pytest.raises(AudioError, match="NaN"):
        io.read(tmp_path / "nan.wav")


@pytest.mark.parametrize("channels", [1, 2, 3, 5, 6])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_loading_mono_is_reading_and_mixing(tmp_path, channels, subtype):
    noise = np.random.default_rng(0).uniform(-1, 1, (1000, channels))
    soundfile.write(str(tmp_path / "clip.wav"), noise, 44100, subtype=subtype)
    expected = io.mono(io.read(tmp_path / "clip.wav")[0])
    assert np.array_equal(io.load_mono(tmp_path / "clip.wav"), expected)


@pytest.mark.parametrize("rate", [8000, 11025, 44100])
def test_outline_holds_every_extreme(tmp_path, rate):
    samples = np.zeros((round(2.05 * rate), 2))
    samples[rate // 2] = 0.5
    samples[rate] = -1, 0.5
    soundfile.write(tmp_path / "clip.wav", samples, rate, subtype="FLOAT")
    points, density = io.outline(tmp_path / "clip.wav")
    assert len(points) / density == pytest.approx(2.05, abs=0.021)
    assert (points.min(), points.max()) == (-0.25, 0.5)
    assert points.argmax() / density == pytest.approx(0.5, abs=0.02)
    assert points.argmin() / density == pytest.approx(1, abs=0.02)


def test_outline_of_files_that_cannot_be_drawn(tmp_path):
    with pytest.raises(AudioError, match=r"gone\.wav"):
        io.outline(tmp_path / "gone.wav")
    soundfile.write(tmp_path / "empty.wav", np.zeros((0, 2)), 44100)
    with pytest.raises(AudioError, match=r"empty\.wav.*no samples"):
        io.outline(tmp_path / "empty.wav")
    soundfile.write(tmp_path / "nan.wav", np.full(4410, np.nan), 44100, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"nan\.wav.*NaN"):
        io.outline(tmp_path / "nan.wav")


def test_beginning_is_short_and_mono(tmp_path):
    path = write_clip(tmp_path / "clip.wav", seconds=0.5)
    samples, rate = io.beginning(path, 0.1)
    assert (samples.shape, rate) == ((4410,), 44100)
    np.testing.assert_allclose(samples, io.load_mono(path)[:4410], atol=1e-7)
    assert len(io.beginning(path, 60)[0]) == 22050
    with pytest.raises(AudioError, match=r"gone\.wav"):
        io.beginning(tmp_path / "gone.wav", 1)
