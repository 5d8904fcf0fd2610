"""What is reproduced of experiments 3 and 5."""

import numpy as np
import pandas as pd
import pytest
from conftest import write_clip

from irmas_utils.metrics import evaluation
from irmas_utils.paper import reproduction
from irmas_utils.project import settings
from irmas_utils.project.vocabulary import INSTRUMENTS
from irmas_utils.systems.bosch.baselines import Baseline
from irmas_utils.systems.bosch.experiments import Heard, System


def table(third, fifth, mono):
    """Compare systems that give the labels with a chance, and others with another."""
    cfg, rng, n = settings.load("smoke"), np.random.default_rng(0), 120
    labels = rng.random((n, 11)) < 0.2
    labels[~labels.any(axis=1), 0] = True
    codes = [tuple(np.array(INSTRUMENTS)[row].tolist()) for row in labels]
    clips = pd.DataFrame({"labels": codes, "recording": np.arange(n) // 3})
    heard = {(str(k), "x"): rng.random((n, 11)) for k in (1, 3, 5)}
    joined = {}
    for number, (hit, false) in {1: mono, 3: third, 5: fifth}.items():
        scores = (rng.random((n, 11)) < np.where(labels, hit, false)).astype(float)
        system = System({str(number): "x"}, "max", 0.5)
        joined[number] = Baseline(system, scores, evaluation.score(clips, scores, cfg))
    mixed = (clips, Heard(heard, np.arange(n)))
    return reproduction.table({"union": joined}, mixed, clips, cfg)


def test_low_precision_and_a_gain_are_reproduced_where_they_are_there():
    found = table(third=(0.8, 0.4), fifth=(0.9, 0.05), mono=(0.8, 0.1))
    assert found["experiment"].tolist() == [3] * 3 + [5] * 3
    by = found.set_index(["experiment", "score"])
    assert by.loc[(3, "precision"), "verdict"] == "worse"
    assert by.loc[(3, "F1"), "published"] == pytest.approx(-0.023)
    assert by.loc[(5, "F1"), "published"] == pytest.approx(0.125)
    third, fifth = reproduction.answers(found)
    assert "low precision is reproduced" in third
    assert "the gain is reproduced" in fifth
    assert "it comes with the union" in reproduction.conclusion(found)


def test_precision_that_falls_less_than_recall_is_told():
    third, _ = reproduction.answers(table(third=(0.4, 0.1), fifth=(0.8, 0.1), mono=(0.9, 0.1)))
    assert "in part: it falls, but recall falls more" in third
    third, _ = reproduction.answers(table(third=(0.4, 0.07), fifth=(0.8, 0.1), mono=(0.9, 0.1)))
    assert "low precision is not shown: it may fall, but recall falls more" in third


def test_they_are_not_where_precision_is_high_or_nothing_is_gained():
    found = table((0.3, 0.01), (0.5, 0.3), (0.8, 0.1))
    assert "nothing that joining could explain" in reproduction.conclusion(found)
    third, fifth = reproduction.answers(found)
    assert "low precision is not reproduced" in third
    assert "the gain is not reproduced" in fifth


def test_the_separation_is_measured_once(tmp_path, monkeypatch):
    path = write_clip(tmp_path / "a.wav", seconds=0.5)
    clips = pd.DataFrame({"name": ["a"], "path": [str(path)], "labels": [("pia",)]})
    drums, melody = np.random.default_rng(0).normal(size=(2, 22050, 2)).astype(np.float32)
    monkeypatch.setattr(
        reproduction.sample, "stems", lambda cfg, name: {"drums": drums, "melody": melody}
    )
    found = reproduction.separated(clips, 44100, settings.load("smoke"))
    assert found[["clip", "stem"]].to_numpy().tolist() == [["a", "drums"], ["a", "melody"]]
    monkeypatch.delattr(reproduction.separation, "quality")
    again = reproduction.separated(clips, 44100, settings.load("smoke"))
    pd.testing.assert_frame_equal(again, found)
