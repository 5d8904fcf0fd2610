import sys

import numpy as np
import pandas as pd
import pytest
import soundfile

from irmas_utils.audio.features import label_matrix
from irmas_utils.data.corpus import Splits
from irmas_utils.models import han as han_network
from irmas_utils.project import records, settings
from irmas_utils.project.errors import DataError, SettingsError
from irmas_utils.project.runs import Outcome
from irmas_utils.project.vocabulary import INSTRUMENTS
from irmas_utils.systems.networks import assessment, fine_tuning, han, registry, training
from irmas_utils.systems.networks.fine_tuning import Data
from irmas_utils.systems.networks.registry import Entry
from irmas_utils.systems.networks.training import Trained
from irmas_utils.systems.recognizer import Recognizer

CFG = settings.load("smoke", networks={"seeds": [0, 1]}, evaluation={"bootstrap_samples": 10})


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A clip an instrument, a tone each."""
    folder, rows = tmp_path_factory.mktemp("tones"), []
    for k, code in enumerate(INSTRUMENTS):
        tone = np.sin(2 * np.pi * (220 + 330 * k) * np.arange(22050) / 22050)
        path = folder / f"{code}.wav"
        soundfile.write(path, 0.5 * tone, 22050)
        rows.append((str(path), code, (code,), code))
    return pd.DataFrame(rows, columns=["path", "name", "labels", "recording"])


@pytest.fixture(scope="module")
def data(clips):
    return Data(Splits(clips, clips, clips), clips)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def trained(data, cache):
    """Han et al.'s network, trained on two seeds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IRMAS_CACHE", str(cache))
        return training.train("han", data, CFG, None)


def test_a_profile_and_a_change_reach_a_networks_plan():
    plan = training.configure("han", CFG, {"width": 2.0, "balance": 0.5, "pan": 0.1})
    assert plan.width == 2 * CFG.networks.plans["han"]["width"]
    assert (plan.balance, plan.pan) == (0.5, 0.1)
    assert plan.sources == han.PLAN.sources
    plan = training.configure("mn04", CFG, {"sources": [1], "ema": None, "masks": False})
    assert (plan.masks, plan.published) == (False, True)
    assert (plan.sources, plan.ema) == ((1.0,), None)
    assert plan.epochs == CFG.networks.plans["mn04"]["epochs"]
    assert plan.batch_size == CFG.networks.batch_size
    assert training.configure("probe", CFG, {"strength": 1}).model_dump() == {"strength": 1.0}


@pytest.mark.parametrize("name", sorted(registry.VARIANTS))
def test_every_variant_differs_from_its_network(name):
    network, change, _ = registry.variant(name)
    assert training.configure(network, CFG, change) != training.configure(network, CFG)


@pytest.mark.parametrize(
    ("plans", "said"),
    [
        ({"han": {"widht": 1.0}}, r"networks\.plans\.han\.widht: found an unknown key.*width"),
        ({"han": {"masks": False}}, r"networks\.plans\.han\.masks: found an unknown key"),
        ({"han": {"epochs": 0}}, r"networks\.plans\.han\.epochs: found 0.*greater than 0"),
        ({"han": {"epochs": "3"}}, r"networks\.plans\.han\.epochs: found '3'.*integer"),
        ({"han": {"sources": [None]}}, r"networks\.plans\.han\.sources: found \[None\]"),
        ({"han": {"sources": []}}, r"han\.sources: found \[\];.*whose sum is 1"),
        ({"han": {"sources": [0]}}, r"han\.sources: found \[0\];.*whose sum is 1"),
        ({"han": {"sources": [1, 1]}}, r"han\.sources: found \[1, 1\];.*whose sum is 1"),
        ({"han": {"sources": [-0.5, 1.5]}}, r"han\.sources: .*greater than or equal to 0"),
        ({"han": {"sources": [float("nan")]}}, r"han\.sources: found \[nan\]"),
        ({"han": {"below_db": -1}}, r"han\.below_db: found -1;.*greater than or equal to 0"),
        ({"han": {"below_db": float("inf")}}, r"han\.below_db: found inf;.*or equal to 100"),
        ({"han": {"pan": 50}}, r"han\.pan: found 50;.*less than or equal to 0\.5"),
        ({"han": {"pan": float("nan")}}, r"han\.pan: found nan"),
        ({"han": {"negative": 5}}, r"han\.negative: found 5;.*less than or equal to 1"),
        ({"han": {"width": 0.01}}, r"han\.width: found 0\.01"),
        ({"han": {"batch_size": 200_000}}, r"han\.batch_size: .*less than or equal to 256"),
        ({"han": {"sample_rate": 192_000, "window": 60.0}}, r"han\.window: .*4194304 samples"),
        ({"hann": {"epochs": 3}}, r"networks\.plans: found 'hann'.*han, zero-shot"),
    ],
)
def test_a_wrong_plan_is_named(plans, said):
    with pytest.raises(SettingsError, match=said):
        training.configure("han", settings.load("smoke", networks={"plans": plans}))


def test_a_wrong_change_is_named():
    with pytest.raises(SettingsError, match=r"change\.epochs: found an unknown key.*strength"):
        training.configure("probe", CFG, {"epochs": 3})
    with pytest.raises(SettingsError, match=r"change\.width: found 0\.00625; .*0\.03125"):
        training.configure("han", CFG, {"width": 0.05})  # of an eighth, in this profile
    with pytest.raises(SettingsError, match=r"networks\.batch_size = 200000 .*256"):
        settings.load("smoke", networks={"batch_size": 200_000})


@pytest.mark.parametrize("profile", ["smoke", "sample", "real", "full"])
def test_profiles_name_variants_and_networks_that_there_are(profile):
    cfg = settings.load(profile)
    for name in cfg.networks.variants:
        assert name.startswith(registry.variant(name).network)
    for name in registry.NETWORKS:
        training.configure(name, cfg)


def test_unknown_names_are_said():
    with pytest.raises(SettingsError, match=r"han-huge.*han-wide"):
        registry.variant("han-huge")
    with pytest.raises(SettingsError, match=r"train: found 'hann'; expected one of han"):
        training.train_all(["hann"], None, CFG)


def test_what_needs_weights_is_left_out_without_them(monkeypatch):
    needing = [run for run in (*registry.titles(), "han-wide", "mn04-alone", "fft")
               if registry.needs_weights(run)]  # fmt: skip
    assert needing == ["zero-shot", "probe", "mn04", "ensemble", "mn04-alone"]
    assert registry.recorded(CFG, registry.titles()) == ["han"]
    records.Record(registry.NOTEBOOK, CFG).save_metrics({}, "probe")
    assert registry.recorded(CFG, registry.titles()) == ["han", "probe"]
    monkeypatch.setitem(registry.NETWORKS, "other", Entry("Other", "other"))
    assert not registry.needs_weights("ensemble")  # there are two without


def test_one_network_a_seed_and_all_in_one(trained, clips):
    assert list(trained.by_seed) == [0, 1]
    assert trained.history["seed"].tolist() == [0, 1]
    assert trained.setup["width"] == CFG.networks.plans["han"]["width"]
    each = [outcome.arrays["testing"] for outcome in trained.by_seed.values()]
    assert np.abs(each[0] - each[1]).max() > 1e-4
    whole = Recognizer.load(trained.whole.folder / "recognizer")
    np.testing.assert_array_equal(whole.score_files(clips["path"]), trained.whole.arrays["testing"])
    x = np.random.default_rng(0).normal(size=(3, han_network.WINDOW)).astype(np.float32)
    members = [Recognizer.load(o.folder / "recognizer").model(x) for o in trained.by_seed.values()]
    logits = np.mean([np.log(y / (1 - y)) for y in map(np.array, members)], axis=0)
    np.testing.assert_allclose(whole.model(x), 1 / (1 + np.exp(-logits)), atol=1e-5)
    sizes = [outcome.facts["n_parameters"] for outcome in trained.by_seed.values()]
    assert trained.whole.facts["n_parameters"] == sum(sizes)


def test_a_finished_run_is_read_and_another_is_trained(trained, data, cache, monkeypatch):
    monkeypatch.setenv("IRMAS_CACHE", str(cache))
    made = []
    monkeypatch.setattr(fine_tuning, "run", lambda *args: made.append(args) or Outcome({}, {
        "history": {"seconds": [0.0]}}))  # fmt: skip
    again = training.train("han", data, CFG, None)
    pd.testing.assert_frame_equal(again.history, trained.history)  # the seconds, too
    np.testing.assert_array_equal(again.whole.arrays["testing"], trained.whole.arrays["testing"])
    assert not made
    monkeypatch.setattr(fine_tuning, "run_joined", lambda *args: Outcome({}, {}))
    for change in ({"width": 2.0}, {"below_db": 3.0}, {"balance": 0.5}):
        training.train("han", data, CFG, None, change)
    reordered = Data(data.parts, data.mixed[::-1])
    training.train("han", reordered, CFG, None)
    assert len(made) == 2 * 4  # each of the four on two seeds


MODULE = '''
"""Two dense layers on the mean log-mel spectrum of a second."""

from irmas_utils.models import layers
from irmas_utils.models.front_ends import LogMel
from irmas_utils.project.backend import keras
from irmas_utils.systems.networks import fine_tuning


class Plan(fine_tuning.Plan):
    units: int = 64  # width of the hidden layer

    def build(self, seed, weights) -> keras.Model:
        waveform = keras.Input((None,), name="waveform")  # (batch, samples)
        x = LogMel(22050, name="mel")(waveform)  # (batch, bands, frames, 1)
        x = keras.layers.Permute((3, 2, 1))(x)  # (batch, 1, frames, bands)
        x = keras.layers.GlobalAveragePooling2D(name="mean")(x)  # (batch, bands)
        x = keras.layers.BatchNormalization(name="norm")(x)
        x = keras.layers.Dense(self.units, "relu", name="hidden")(x)
        return keras.Model(waveform, layers.scores(x), name="spectrum")


PLAN = Plan(sample_rate=22050, window=1.0, hop=0.5, epochs=20, learning_rate=0.003)
'''


def test_adding_a_network_is_a_file_and_a_line(data, tmp_path, monkeypatch, capsys):
    (tmp_path / "spectrum.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("IRMAS_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(training.fetch, "available", lambda: (None, "No network."))
    monkeypatch.setitem(registry.NETWORKS, "spectrum", Entry("mean spectrum", "spectrum"))
    cfg = settings.load("smoke", networks={"plans": {"spectrum": {"units": 4, "epochs": 2}}},
                        evaluation={"bootstrap_samples": 10})  # fmt: skip
    trained = training.train_all(None, data, cfg)
    assert "Left out: mn04 zero-shot, mn04 linear probe, mn04 fine-tuned" in capsys.readouterr().out
    assert list(trained) == ["han", "spectrum"]
    assert trained["spectrum"].history["epoch"].tolist() == [1, 2]
    assert trained["spectrum"].setup["units"] == 4
    systems = assessment.assess(trained, data, cfg)
    assert list(systems) == ["han", "spectrum", "ensemble"]
    assert registry.best(_on_mixtures(systems)) in ("han", "spectrum")
    recognizer = Recognizer.load(trained["spectrum"].whole.folder / "recognizer")
    assert recognizer.score_files(data.mixed["path"][:2]).shape == (2, 11)
    sys.modules.pop("spectrum")


def _on_mixtures(systems):
    return {name: system.on_mixtures for name, system in systems.items()}


def _network(mixtures, testing):
    facts = {"n_parameters": 1, "clip_seconds": 0.0, "memory_peak_mib": 1.0}
    outcome = Outcome({"mixtures": mixtures, "testing": testing}, facts)
    history = pd.DataFrame({"epoch": [1], "seconds": [2.0], "seed": [0]})
    return Trained(outcome, {0: outcome}, history, {})


def test_thresholds_come_from_the_mixtures_alone(data):
    rng = np.random.default_rng(0)
    mixtures, *testing = rng.uniform(size=(3, 11, 11))
    judged = [assessment.judge(_network(mixtures, scores), data, CFG) for scores in testing]
    assert judged[0].threshold == judged[1].threshold
    assert judged[0].on_testing != judged[1].on_testing


def test_the_best_is_chosen_on_mixtures_among_networks_trained_here(data, clips):
    good, bad = label_matrix(clips["labels"]) * 0.8 + 0.1, np.full((11, 11), 0.5)
    trained = {"zero-shot": _network(good, good), "han": _network(bad, good),
               "mn04": _network(good, bad)}  # fmt: skip
    systems = assessment.assess(trained, data, CFG)
    mixed = _on_mixtures(systems)
    assert registry.best(mixed) == "mn04"
    assert registry.best({"zero-shot": mixed["zero-shot"]}) is None
    joined = systems["ensemble"].trained
    logits = np.log(good / (1 - good)) / 2  # the other's are 0
    np.testing.assert_allclose(joined.whole.arrays["testing"], 1 / (1 + np.exp(-logits)))
    assert joined.whole.facts["n_parameters"] == 2
    assert joined.history["seconds"].tolist() == [4.0]


def test_a_run_without_weights_has_to_be_there():
    with pytest.raises(DataError, match="han"):
        records.load_metrics("smoke", registry.recorded(CFG, ["han", "mn04"])[0])


def test_a_listener_scores_as_its_network_and_hears_every_level(trained, data):
    listener = assessment.listener(trained)
    network = Recognizer.load(trained.whole.folder / "recognizer")
    noise = np.random.default_rng(0).normal(0, 0.1, (3, 44100)).astype(np.float32)
    assert network.hop < network.window  # so that of two whole windows there is one between
    for length in (22050, 33075, 44100):  # one window, and not a whole number of them, and two
        expected = [network.score(clip) for clip in noise[:, :length]]
        np.testing.assert_allclose(listener.score(noise[:, :length]), expected, atol=1e-5)
    cfg = settings.load("smoke", corpus={"source": "rebuilt"})
    clips = data.parts.validation.assign(sample_rate=22050)
    systems = assessment.assess({"han": trained, "mn04": trained}, data, CFG)
    table = assessment.levels(systems, clips, cfg)
    assert table.groupby("system").size().to_dict() == {
        "Han et al. CNN": 11, "ensemble of networks": 11, "mn04 fine-tuned": 11,
    }  # fmt: skip
    assert list(table)[4:] == ["absent", "-24", "0", "12"]
