import numpy as np
import pytest

from irmas_utils.audio import features
from irmas_utils.audio import io as audio
from irmas_utils.data.index import load_index
from irmas_utils.metrics import tables
from irmas_utils.project import records, settings
from irmas_utils.systems.bosch import outlook


def test_spectra_of_stems_are_as_long_as_that_of_the_mix_and_as_loud():
    clip = np.random.default_rng(0).normal(0, 0.1, (4410, 2)).astype(np.float32)
    mono = audio.mono(clip)
    whole = outlook.spectra(clip, 44100, streams=["mono"], length=8840, separator="spectral")
    np.testing.assert_array_equal(whole, features.fft_magnitude(mono, 8840))
    stems = ["drums", "bass", "melody", "other"]
    parts = outlook.spectra(clip, 44100, streams=stems, length=8840, separator="spectral")
    assert parts.shape == whole.shape
    twice = outlook.spectra(clip, 44100, streams=["mono", "mid"], length=8840, separator="spectral")
    first, second = np.split(twice, 2)
    assert np.square(first).mean() == pytest.approx(np.square(whole).mean(), rel=1e-4)
    np.testing.assert_allclose(second, first, rtol=1e-4)  # mid is the mono mix


def test_the_network_is_trained_once_a_seed_and_recorded(tiny_irmas):
    cfg = settings.load("smoke", fft_samples=8840, study_seeds=[3, 4], bootstrap_samples=10)
    parts = tables.split(load_index(tiny_irmas, allow_incomplete=True), cfg)
    record = records.Record("08_bosch_baselines", cfg)
    history, scores, n_parameters = outlook.train(parts, cfg, record.checkpoint_dir)
    assert set(history["seed"]) == set(scores) == {3, 4}
    outlook.write(record, parts.testing, history, scores, n_parameters)
    _, kept, decisions = records.load_predictions("smoke", "fft-separated")
    np.testing.assert_array_equal(kept, scores[3])
    np.testing.assert_array_equal(decisions, scores[3] > 0.5)
    metrics = records.load_metrics("smoke", "fft-separated")
    assert metrics["seeds"] == [3, 4]
    assert metrics["n_parameters"] > 4420 * cfg.study.fft.base.dense[0]
