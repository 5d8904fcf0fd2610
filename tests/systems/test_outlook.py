import numpy as np
import pytest

from irmas_utils.audio import features, io
from irmas_utils.data import corpus
from irmas_utils.data.index import load_index
from irmas_utils.models import training
from irmas_utils.project import settings
from irmas_utils.systems.bosch import outlook


def test_spectra_of_stems_are_as_long_as_that_of_the_mix_and_as_loud():
    clip = np.random.default_rng(0).normal(0, 0.1, (4410, 2)).astype(np.float32)
    mono = io.mono(clip)
    whole = outlook.spectra(clip, 44100, streams=["mono"], length=8840, separator="spectral")
    np.testing.assert_array_equal(whole, features.fft_magnitude(mono, 8840))
    stems = ["drums", "bass", "melody", "other"]
    parts = outlook.spectra(clip, 44100, streams=stems, length=8840, separator="spectral")
    assert parts.shape == whole.shape
    twice = outlook.spectra(clip, 44100, streams=["mono", "mid"], length=8840, separator="spectral")
    first, second = np.split(twice, 2)
    assert np.square(first).mean() == pytest.approx(np.square(whole).mean(), rel=1e-4)
    np.testing.assert_allclose(second, first, rtol=1e-4)  # mid is the mono mix


def test_the_network_is_trained_once_a_seed_on_the_streams_spectra(tiny_irmas):
    study = {"seeds": [3, 4], "fft": {"base": {"dense": [4]}}}
    cfg = settings.load("smoke", fft={"samples": 8840}, study=study)
    parts = corpus.split(load_index(tiny_irmas), cfg)
    network = outlook.network(cfg)
    (x, _), *_ = network.batches(parts.testing)
    assert x.shape[1] == network.n_features == 4420
    trained = training.train_seeds(network, parts)
    assert set(trained.history["seed"]) == set(trained.scores) == {3, 4}
    assert trained.facts["n_parameters"] == 4420 * 4 + 4 + 5 * 11
    again = training.train_seeds(network, parts)
    np.testing.assert_array_equal(again.scores[3], trained.scores[3])
