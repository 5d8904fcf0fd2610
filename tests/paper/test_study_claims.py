import json

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


def verdict(claim_id, found):
    table = claims.check(findings={claim_id: found}, is_irmas=True, ids=[claim_id])
    return table["verdict"].item()


def test_first_epochs():
    quick, slow = np.minimum(np.arange(1, 16) / 4, 1), np.arange(1, 16) / 15
    of = study_claims.first_epochs
    assert verdict("lstm-first-epochs", of(history(quick))) == "confirmed"
    assert verdict("lstm-first-epochs", of(history(slow))) == "refuted"
    assert of(history(quick[:5])) is None
    assert "of 15 in which it moves by 42.85%" in of(history(quick)).comment


def test_no_overfitting():
    same, of = np.full(4, 0.5), study_claims.no_overfitting
    assert verdict("lstm-no-overfitting", of(history(same))) == "confirmed"
    apart = history(same, val_loss=[1.5, 1.5, 1.6, 1.7])
    assert verdict("lstm-no-overfitting", of(apart)) == "refuted"


def test_plateau():
    of = study_claims.plateau
    assert verdict("fft-plateau", of(history(FLAT_AFTER))) == "confirmed"
    assert verdict("fft-plateau", of(history(RISING))) == "refuted"
    assert of(history(RISING[:75])) is None


def test_diverging_loss():
    falling, turning, of = [2, 1.5, 1.2], [2, 1, 3], study_claims.diverging_loss
    assert verdict("fft-diverging-loss", of(history([0, 0, 0], falling))) == "refuted"
    assert verdict("fft-diverging-loss", of(history([0, 0, 0], turning))) == "confirmed"


def test_noise_around_a_level_is_no_divergence():
    noise = np.random.default_rng(0).normal(2, 0.1, (40, 60))
    runs = [history(np.zeros(60), loss, seeds=1).assign(seed=s) for s, loss in enumerate(noise)]
    found = study_claims.diverging_loss(pd.concat(runs))
    assert found.low < 0 < found.high  # each one's own lowest point lies a quarter below its end


def test_few_seeds_that_scatter_confirm_no_likeness():
    noise = table(_1=[0.3, 0.5, 0.4], _2=[0.5, 0.3, 0.4])
    apart = table(_1=[0.30, 0.31, 0.32], _2=[0.40, 0.42, 0.41])
    alike = table(_1=[0.400, 0.405, 0.395], _2=[0.405, 0.402, 0.398])
    of, name = study_claims.same_score, "lstm-batch-size"
    assert verdict(name, of(noise, 1, 2)) == "inconclusive"
    assert verdict(name, of(apart, 1, 2)) == "refuted"
    assert verdict(name, of(alike, 1, 2)) == "confirmed"
    assert verdict(name, of(apart[apart["seed"] == 0], 1, 2)) == "inconclusive"
    assert of(apart, 1, 4) is None


def test_enough():
    of, name = study_claims.enough, "fft-batch-size"
    less = table(_4=[0.4, 0.5, 0.6], _8=[0.3, 0.41, 0.5], _16=[0.1, 0.2, 0.3])
    assert verdict(name, of(less, 4)) == "confirmed"
    assert verdict(name, of(table(_4=[0.4, 0.5, 0.6], _8=[0.5, 0.4, 0.6]), 4)) == "inconclusive"
    more = table(_4=[0.1, 0.2, 0.3], _8=[0.4, 0.5, 0.61], _16=[0.1, 0.2, 0.3])
    assert verdict(name, of(more, 4)) == "refuted"
    assert of(table(_2=[0.4], _4=[0.4]), 4) is None


def test_unlearning_is_accuracy_that_falls_again():
    steady, falling = history([0.1, 0.2, 0.3]), history([0.1, 0.4, 0.15])
    assert study_claims.setback(falling).tolist() == pytest.approx([0.25] * 3)
    of, name = study_claims.unlearning, "fft-learning-rate"
    assert verdict(name, of({1e-2: falling, 1e-4: steady})) == "confirmed"
    assert verdict(name, of({1e-2: steady, 1e-4: steady})) == "refuted"
    assert of({1e-4: steady}) is None


def test_verdicts_need_irmas_itself():
    found = {"fft-diverging-loss": study_claims.diverging_loss(history([0, 0, 0], [2, 1, 3]))}
    for is_irmas, expected in ((False, "cannot tell"), (True, "confirmed")):
        checked = claims.check(findings=found, is_irmas=is_irmas).set_index("id")
        assert checked.loc["fft-diverging-loss", "verdict"] == expected


def test_a_committed_change_on_real_clips_decides_a_claim(tmp_path, monkeypatch):
    monkeypatch.setattr(study_claims.paths, "reference_dir", lambda what: tmp_path / what)
    assert study_claims.on_real_clips() == {}
    (tmp_path / "real" / "tables").mkdir(parents=True)
    row = "idea,difference,low,high,verdict\n"
    for name, rows in {
        "lstm_causes": "frames: units 66,0.2,0.1,0.3,supported\n"
        "frames: fraction 0.5,0.01,0.001,0.1,inconclusive\n",
        "fft_causes": ",,,,\nwaveform at half its rate,-0.2,-0.3,-0.1,inconclusive\n",
    }.items():
        (tmp_path / "real" / "tables" / f"{name}.csv").write_text(row + rows)
    found = study_claims.on_real_clips()
    assert {name: verdict(name, finding) for name, finding in found.items()} == {
        "lstm-larger": "confirmed",
        "lstm-more-data": "refuted",
        "spectrum-more-relevant": "confirmed",
    }


def test_committed_scores_on_real_clips_decide_a_claim(tmp_path, monkeypatch):
    monkeypatch.setattr(study_claims.paths, "reference_dir", lambda what: tmp_path / what)
    (tmp_path / "real" / "metrics").mkdir(parents=True)

    def score(value):
        return {"value": value, "low": value - 0.1, "high": value + 0.1}

    def found(precision, recall):
        run = {"evaluation": {"micro": {"precision": score(precision), "recall": score(recall)}}}
        (tmp_path / "real" / "metrics" / "bosch-3.json").write_text(json.dumps(run))
        (said,) = study_claims.on_real_clips().items()  # the others' runs are not there
        return said

    name, finding = found(0.3, 0.6)
    assert name == "bosch-fasst-precision"
    assert verdict(name, finding) == "confirmed"
    assert finding.comment.startswith("0.300 less 0.600; 95 % interval -0.500 to -0.100. Of the")
    assert verdict(*found(0.6, 0.3)) == "refuted"
    assert verdict(*found(0.5, 0.5)) == "inconclusive"


def test_what_is_committed_on_real_clips_decides_these_claims():
    found = study_claims.on_real_clips()
    said = {name: verdict(name, finding) for name, finding in found.items()}
    assert said["bosch-fasst-precision"] == "confirmed"
    assert said["fft-not-overfitting"] == "refuted"
    assert said["streams-fft"] == said["combined-results"] == "inconclusive"
    assert said["fft-more-indicative"] == "confirmed"
    assert found["fft-more-indicative"].comment.startswith(
        "Shown to listen: 1 of 1 seeds, and 0 of 3."
    )


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([1, 1], [0, 0], "confirmed"),
        ([0], [1], "refuted"),
        ([1, 0], [0], "inconclusive"),
        ([1], [0, 1], "inconclusive"),
        ([0], [0], "inconclusive"),
    ],
)
def test_which_of_two_listens_decides_a_claim(tmp_path, monkeypatch, first, second, expected):
    monkeypatch.setattr(study_claims.paths, "reference_dir", lambda what: tmp_path / what)
    (tmp_path / "real" / "metrics").mkdir(parents=True)
    for name, seeds in (("fft", first), ("lstm", second)):
        assert "fft-more-indicative" not in study_claims.on_real_clips()  # it needs both
        answers = [{"information": 0.1 + heard, "detectable": 0.2} for heard in seeds]
        run = tmp_path / "real" / "metrics" / f"{name}.json"
        run.write_text(json.dumps({"answers": answers}))
    found = study_claims.on_real_clips()["fft-more-indicative"]
    assert verdict("fft-more-indicative", found) == expected


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
    assert set(checked["id"]) == set(study_claims.IDS[model])
    assert "cannot tell" not in set(checked["verdict"])


@pytest.mark.parametrize("model", ["lstm", "fft"])
def test_no_claim_about_irmas_is_judged_elsewhere(results, model):
    checked = study_claims.check(settings.load("sample"), model)
    assert set(checked["verdict"]) == {"cannot tell"}
    assert checked["here"].str.contains("%|by|above").any()


def test_values_that_score_otherwise_than_the_base_are_told_apart():
    scores = {"1": (0.3, 0.3, 0.3), "2": (0.4, 0.41, 0.42), "4": (0.2, 0.31, 0.4),
              "8": (0.1, 0.11, 0.12), "16": (0.2, 0.2, 0.2)}  # fmt: skip
    runs = table(**{f"_{value}": found for value, found in scores.items()})
    runs["base"], runs["share"] = runs["value"] == 1, np.where(runs["value"].isin([1, 16]), 1, 0.5)
    said = study_claims.answer(runs)
    assert "better than the base: 2.0; worse: 8.0; cannot tell, but more seeds would: 4.0" in said
    assert said.endswith("all constant, but a base that hears would: 16.0.**")
    assert "better than the base: batch 2.0" in study_claims.answer({"batch": runs})
    one = study_claims.answer(runs[runs["seed"] == 0])  # one seed decides nothing
    assert "better than the base: none; worse: none; cannot tell, but more seeds would: 2.0" in one
