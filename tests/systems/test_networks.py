from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile

from irmas_utils.audio.features import label_matrix
from irmas_utils.data.corpus import Splits
from irmas_utils.models import han
from irmas_utils.project import records, settings
from irmas_utils.project.backend import keras, set_determinism
from irmas_utils.project.errors import SettingsError
from irmas_utils.project.vocabulary import INSTRUMENTS
from irmas_utils.systems import predict
from irmas_utils.systems.networks import (
    assessment,
    variants,
)
from irmas_utils.systems.networks import (
    fine_tuning as recognition,
)
from irmas_utils.systems.networks import (
    registry as networks,
)
from irmas_utils.systems.networks import (
    results as network_results,
)
from irmas_utils.systems.networks.assessment import Scores
from irmas_utils.systems.recognizer import Recognizer, describe

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
def train(clips, tmp_path_factory):
    """Train Han et al.'s network, or go on where the last call ended."""
    folder = tmp_path_factory.mktemp("checkpoints")
    parts = Splits(clips, clips, clips)
    return lambda: networks.train(
        "han", parts, CFG, weights=None, checkpoint_dir=lambda seed: folder / str(seed)
    )


@pytest.fixture(scope="module")
def trained(train):
    return train()


def test_a_change_reaches_network_plan_and_recipe():
    options, plan = networks.configure("han", CFG, {"width": 2.0, "balance": 0.5, "pan": 0.1})
    assert options == {"width": 2 * CFG.networks.han.width}
    assert (plan.balance, plan.recipe.pan) == (0.5, 0.1)
    assert plan.recipe.sources == networks.HAN.recipe.sources
    _, plan = networks.configure("mn04", CFG, {"sources": [1.0], "ema": None})
    assert (plan.recipe.sources, plan.ema) == ((1.0,), None)
    assert plan.epochs == CFG.networks.mn04.epochs


@pytest.mark.parametrize("name", sorted(variants.VARIANTS))
def test_every_variant_differs_from_its_network(name):
    network, change, _ = variants.variant(name)
    assert networks.configure(network, CFG, change) != networks.configure(network, CFG, {})


def test_an_unknown_change_is_named():
    with pytest.raises(SettingsError, match="unknown key masks"):
        networks.configure("han", CFG, {"masks": False})


def test_one_network_a_seed_and_all_in_one(trained, clips):
    assert list(trained.members) == [0, 1]
    assert trained.history["seed"].tolist() == [0, 1]
    x = np.random.default_rng(0).normal(size=(3, han.WINDOW)).astype(np.float32)
    each = [member.model(x).numpy() for member in trained.members.values()]
    assert np.abs(each[0] - each[1]).max() > 1e-4
    joined = trained.recognizer.model(x).numpy()
    np.testing.assert_allclose(joined, recognition.ensemble(each), atol=1e-5)


def test_a_finished_training_is_read_and_not_repeated(train, trained):
    again = train()
    pd.testing.assert_frame_equal(again.history, trained.history)  # the seconds, too
    x = np.random.default_rng(0).normal(size=(3, han.WINDOW)).astype(np.float32)
    np.testing.assert_array_equal(again.recognizer.model(x), trained.recognizer.model(x))


def test_one_recognizer_alone_is_left_as_it_is(trained):
    assert recognition.joined([trained.members[0]]) is trained.members[0]


def test_assessment_and_records(trained, clips):
    parts = Splits(clips, clips, clips)
    systems = assessment.assess({"han": trained}, clips, clips, CFG)
    assert list(systems) == ["han"]
    assert assessment.best(systems) == "han"
    record = records.Record(variants.NOTEBOOK, CFG)
    network_results.write(record, systems, clips, without_weights=True)
    result = records.load_metrics("smoke", "han")
    assert result["seeds"] == [0, 1]
    assert result["n_parameters"] == trained.recognizer.model.count_params()
    _, scores, decisions = records.load_predictions("smoke", "han")
    np.testing.assert_array_equal(decisions, scores > systems["han"].judged.threshold)

    path = network_results.save(record, systems["han"], trained, "han", parts)
    loaded = predict.default_recognizer()
    assert set(loaded.thresholds) == {systems["han"].judged.threshold}
    np.testing.assert_allclose(loaded.score_files(clips["path"]), scores, atol=1e-6)
    assert "Han et al. CNN" in path.with_suffix(".md").read_text()
    assert describe(path)["provenance"]["data"] == "sample corpus, not IRMAS"


def test_thresholds_come_from_the_mixtures_alone(clips):
    rng = np.random.default_rng(0)
    scores = Scores(rng.uniform(size=(11, 11)), rng.uniform(size=(11, 11)), {}, 0.0)
    other = replace(scores, testing=rng.uniform(size=(11, 11)))
    judged = [assessment.judge(s, clips, clips, CFG) for s in (scores, other)]
    assert judged[0].threshold == judged[1].threshold
    np.testing.assert_array_equal(judged[0].thresholds, judged[1].thresholds)
    assert judged[0].on_testing != judged[1].on_testing


def test_the_best_is_chosen_on_mixtures_among_networks_trained_here(trained, clips):
    good, bad = label_matrix(clips["labels"]), np.full((11, 11), 0.5)
    history = pd.DataFrame({"epoch": [1], "seconds": [0.0], "seed": [0]})

    def system(mixtures, testing):
        scores = Scores(mixtures, testing, {}, 0.0)
        judged = assessment.judge(scores, clips, clips, CFG)
        return assessment.System(scores, judged, {0: judged}, history, 1)

    systems = {"zero-shot": system(good, good), "han": system(bad, good), "mn04": system(good, bad)}
    assert assessment.best(systems) == "mn04"


def test_without_weights_older_results_that_need_them_go(clips):
    for run in ("mn04", "han-wide", "mn04-alone"):
        records.Record(variants.NOTEBOOK, CFG, run=run).save_metrics({}, run)
    network_results.write(records.Record(variants.NOTEBOOK, CFG), {}, clips, without_weights=True)
    assert not records.exists("smoke", "mn04")
    assert records.exists("smoke", "mn04-alone")  # an execution of its own
    for run in ("han-wide", "mn04-alone"):
        record = records.Record(variants.NOTEBOOK, CFG, run=run)
        network_results.write(record, {}, clips, without_weights=True)
    assert records.exists("smoke", "han-wide")
    assert not records.exists("smoke", "mn04-alone")


def test_a_joined_network_can_be_saved(tmp_path):
    def member(seed):
        set_determinism(seed)
        plan = recognition.Plan(han.SAMPLE_RATE, 1.0, 0.5)
        return recognition.recognizer(han.build(1 / 16, filters=(32, 64), mask_bands=4), plan)

    joined = recognition.joined([member(0), member(1)])
    loaded = Recognizer.load(joined.save(tmp_path / "joined"))
    x = np.random.default_rng(0).normal(size=50_000).astype(np.float32)
    np.testing.assert_array_equal(loaded.score(x), joined.score(x))
    assert isinstance(joined.model, keras.Model)
