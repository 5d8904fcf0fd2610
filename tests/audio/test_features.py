import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irmas_utils.audio import features
from irmas_utils.project.errors import AudioError
from irmas_utils.project.vocabulary import INSTRUMENTS


def test_labels_become_ones_in_the_fixed_order():
    matrix = features.label_matrix([("voi", "cel"), ("pia",)])
    assert matrix.shape == (2, 11)
    assert matrix.dtype == np.float32
    assert [INSTRUMENTS[i] for i in np.flatnonzero(matrix[0])] == ["cel", "voi"]


def test_exactly_442000_features_of_884000_samples():
    assert features.fft_magnitude(np.ones(132_300, np.float32)).shape == (442_000,)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 1000))
def test_padding_position_does_not_change_the_magnitude(seed, n_samples):
    rng = np.random.default_rng(seed)
    clip = rng.uniform(-1, 1, n_samples).astype(np.float32)
    at_start = features.fft_magnitude(clip, 2000)
    elsewhere = features.fft_magnitude(clip, 2000, rng)
    assert np.allclose(at_start, elsewhere, atol=1e-5)


def test_a_tone_is_one_peak_with_the_energy_of_the_samples():
    tone = np.sin(2 * np.pi * 50 * np.arange(1000) / 1000).astype(np.float32)
    magnitude = features.fft_magnitude(tone, 1000)
    assert np.argmax(magnitude) == 50
    assert np.sum(magnitude**2) == pytest.approx(np.sum(tone**2) / 2, rel=1e-5)


def test_a_clip_longer_than_the_window_is_an_error():
    with pytest.raises(AudioError, match="at most 100"):
        features.fft_magnitude(np.ones(101, np.float32), 100)


def test_log_mel_range_and_silence():
    noise = np.random.default_rng(0).normal(size=22050).astype(np.float32)
    spectrogram = features.log_mel(noise, 22050)
    assert spectrogram.shape == (128, 44)
    assert spectrogram.max() == 0
    assert spectrogram.min() >= -80
    assert (features.log_mel(np.zeros(22050, np.float32), 22050) == -80).all()


def test_waveform_is_padded_at_a_place_of_its_own():
    clips = np.random.default_rng(0).normal(size=(20, 10)).astype(np.float32)
    assert np.array_equal(features.waveform(clips[0]), clips[0])
    starts = [np.flatnonzero(features.waveform(clip, 100, seed=1))[0] for clip in clips]
    assert len(set(starts)) > 10
    assert starts == [np.flatnonzero(features.waveform(c, 100, seed=1))[0] for c in clips]
    assert starts != [np.flatnonzero(features.waveform(c, 100, seed=2))[0] for c in clips]
