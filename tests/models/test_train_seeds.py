import numpy as np
import pytest
from conftest import write_irmas

from irmas_utils.data import corpus
from irmas_utils.data.index import load_index
from irmas_utils.models import fft, lstm, training
from irmas_utils.project import settings
from irmas_utils.project.backend import set_determinism

SMALL = {"epochs": 2, "batch_size": 8, "dense": [4], "seeds": [3, 5]}
CFG = settings.load(
    "smoke", fft=SMALL | {"samples": 8840, "learning_rate": 0.01}, lstm=SMALL | {"units": 2}
)


@pytest.fixture
def parts(tiny_irmas):
    return corpus.split(load_index(tiny_irmas), CFG)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Clips on which the network of FFTs is trained already, and the cache that knows it."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IRMAS_CACHE", str(folder / "cache"))
        parts = corpus.split(load_index(write_irmas(folder / "irmas")), CFG)
        training.train_seeds(fft.Network(CFG.fft), parts)
    return parts, folder / "cache"


@pytest.fixture
def counted(monkeypatch):
    """How often a network was trained."""
    seeds, fit = [], training.fit

    def counting(*arguments, seed, **options):
        seeds.append(seed)
        return fit(*arguments, seed=seed, **options)

    monkeypatch.setattr(training, "fit", counting)
    return seeds


def test_each_seed_is_trained_once_and_read_back(parts, counted):
    first, second = (training.train_seeds(fft.Network(CFG.fft), parts) for _ in range(2))
    assert counted == [3, 5]
    assert first.history["seed"].tolist() == [3, 3, 5, 5]
    assert first.history.equals(second.history)
    assert first.scores[3].shape == (3, 11)
    assert np.array_equal(first.scores[3], second.scores[3])
    assert not np.array_equal(first.scores[3], first.scores[5])


def test_a_seed_gives_the_same_bits_alone_and_after_another(parts, monkeypatch, tmp_path):
    both = training.train_seeds(fft.Network(CFG.fft), parts)
    monkeypatch.setenv("IRMAS_CACHE", str(tmp_path))
    alone = CFG.fft.model_copy(update={"seeds": [5]})
    assert np.array_equal(training.train_seeds(fft.Network(alone), parts).scores[5], both.scores[5])


@pytest.mark.parametrize(
    ("section", "change", "again"),
    [
        ("fft", {"learning_rate": 0.02}, True),
        ("fft", {"epochs": 1}, True),
        ("lstm", {"epochs": 1}, False),
        ("evaluation", {"bootstrap_samples": 10}, False),
        ("study", {"seeds": [9]}, False),
    ],
)
def test_only_its_own_settings_train_a_network_again(
    trained, counted, monkeypatch, section, change, again
):
    parts, cache = trained
    monkeypatch.setenv("IRMAS_CACHE", str(cache))
    training.train_seeds(fft.Network(CFG.fft), parts)
    assert not counted
    other = CFG.model_dump()
    other[section] |= change
    cfg = settings.Settings.model_validate(other)
    training.train_seeds(fft.Network(cfg.fft), parts)
    assert counted == ([3, 5] if again else [])


def test_the_trained_gradient_is_kept_and_other_audio_of_the_same_names_trains_again(
    parts, counted
):
    network = lstm.Network(CFG.lstm, CFG.seed)
    kept, again = (training.train_seeds(network, parts).looks for _ in range(2))
    assert counted == [3, 5]
    norms = {seed: looked["gradient"] for seed, looked in kept.items()}
    assert all(np.array_equal(norms[seed], again[seed]["gradient"]) for seed in norms)
    set_determinism(3)
    untrained = network.gradient(network.build(), parts.fitting)
    assert untrained.shape == norms[3].shape == norms[5].shape
    assert not np.array_equal(norms[3], norms[5])
    assert not np.array_equal(norms[3], untrained)
    first, second = parts.fitting["path"].iloc[:2]
    with open(first, "rb") as source, open(second, "wb") as target:
        target.write(source.read())
    training.train_seeds(network, parts)
    assert counted == [3, 5, 3, 5]


def test_it_is_heard_where_the_gradient_is_above_a_thousandth_of_its_greatest():
    network = lstm.Network(CFG.lstm.model_copy(update={"decimation": 441}), CFG.seed)
    assert network.heard(np.array([0, 1e-4, 2e-3, 1])) == 0.02
    assert network.heard(np.zeros(4)) == 0
