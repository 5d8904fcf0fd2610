import numpy as np
import pandas as pd
import pytest

from irmas_utils.paper import claims, study_claims
from irmas_utils.project import settings


def history(accuracy, val_loss=None, seeds=3):
    """The same curve for each seed, a hair apart."""
    accuracy = np.asarray(accuracy, dtype=float)
    loss = 2 - accuracy
    curve = {"epoch": np.arange(1, len(accuracy) + 1), "accuracy": accuracy, "loss": loss}
    curve |= {"val_accuracy": accuracy, "val_loss": loss if val_loss is None else val_loss}
    runs = [pd.DataFrame(curve).assign(seed=seed) for seed in range(seeds)]
    return pd.concat([run.assign(loss=run["loss"] + 1e-4 * run["seed"]) for run in runs])


def table(**scores):
    rows = [(float(v.strip("_")), s, f) for v, fs in scores.items() for s, f in enumerate(fs)]
    return pd.DataFrame(rows, columns=["value", "seed", "micro F1"])


FLAT_AFTER = np.minimum(np.arange(1, 101) / 50, 1)
RISING = np.arange(1, 101) / 100


def test_first_epochs():
    quick, slow = np.minimum(np.arange(1, 16) / 4, 1), np.arange(1, 16) / 15
    assert study_claims.first_epochs(history(quick)).holds
    assert not study_claims.first_epochs(history(slow)).holds
    assert study_claims.first_epochs(history(quick[:5])) is None


def test_no_overfitting():
    same = np.full(4, 0.5)
    assert study_claims.no_overfitting(history(same)).holds
    assert not study_claims.no_overfitting(history(same, val_loss=[1.5, 1.5, 1.6, 1.7])).holds


def test_plateau():
    assert study_claims.plateau(history(FLAT_AFTER)).holds
    assert not study_claims.plateau(history(RISING)).holds
    assert study_claims.plateau(history(RISING[:75])) is None


def test_diverging_loss():
    falling, turning = [2, 1.5, 1.2], [2, 1, 3]
    assert not study_claims.diverging_loss(history([0, 0, 0], falling)).holds
    assert study_claims.diverging_loss(history([0, 0, 0], turning)).holds


def test_scores_that_differ_by_less_than_the_seeds_do_are_the_same():
    noise = table(_1=[0.3, 0.5, 0.4], _2=[0.5, 0.3, 0.4])
    apart = table(_1=[0.30, 0.31, 0.32], _2=[0.40, 0.42, 0.41])
    assert study_claims.same_score(noise, 1, 2).holds
    assert not study_claims.same_score(apart, 1, 2).holds
    assert study_claims.same_score(apart, 1, 4) is None


def test_enough():
    assert study_claims.enough(table(_4=[0.4, 0.5, 0.6], _8=[0.5, 0.4, 0.6]), 4).holds
    assert not study_claims.enough(table(_4=[0.1, 0.2, 0.3], _8=[0.4, 0.5, 0.61]), 4).holds
    assert study_claims.enough(table(_2=[0.4], _4=[0.4]), 4) is None


def test_unlearning_is_accuracy_that_falls_again():
    steady, falling = history([0.1, 0.2, 0.3]), history([0.1, 0.4, 0.15])
    assert study_claims.setback(falling).tolist() == pytest.approx([0.25] * 3)
    assert study_claims.unlearning({1e-2: falling, 1e-4: steady}).holds
    assert not study_claims.unlearning({1e-2: steady, 1e-4: steady}).holds
    assert study_claims.unlearning({1e-4: steady}) is None


def test_verdicts_need_irmas_itself():
    finding = study_claims.diverging_loss(history([0, 0, 0], [2, 1, 3]))
    assert finding.low is not None
    found = {"fft-diverging-loss": finding}
    for is_irmas, verdict in ((False, claims.NOT_ON_SAMPLE), (True, claims.CONFIRMED)):
        checked = claims.check(findings=found, is_irmas=is_irmas).set_index("id")
        assert checked.loc["fft-diverging-loss", "verdict"] == verdict


@pytest.fixture
def results(monkeypatch):
    """Studies that have run with the full profile's values."""
    scores = table(_1=[0.1, 0.2], _2=[0.1, 0.2], _4=[0.3, 0.4], _8=[0.3, 0.4])
    leaf = {"value": 0.16, "low": 0.15, "high": 0.17}
    metrics = {"evaluation": {"micro": {"f1": leaf}}}
    monkeypatch.setattr(study_claims.studies, "history", lambda *_: history(RISING))
    monkeypatch.setattr(study_claims.studies, "table", lambda *_: scores)
    monkeypatch.setattr(study_claims.records, "load_metrics", lambda *_: metrics)


@pytest.mark.parametrize("model", ["lstm", "fft"])
def test_every_claim_about_training_is_judged_on_irmas(results, model):
    checked = study_claims.check(settings.load("full"), model)
    assert tuple(checked["id"]) == study_claims.IDS[model]
    assert set(checked["verdict"]) <= {claims.CONFIRMED, claims.REFUTED}


@pytest.mark.parametrize("model", ["lstm", "fft"])
def test_no_claim_about_irmas_is_judged_elsewhere(results, model):
    checked = study_claims.check(settings.load("sample"), model)
    assert set(checked["verdict"]) == {claims.NOT_ON_SAMPLE}
    assert checked["here"].str.contains("%|by|above").any()
