"""Doubtful labels: those planted come first, and what the measures say is by hand."""

import numpy as np
import pandas as pd
import pytest

from irmas_utils.project.errors import DataError
from irmas_utils.systems import label_audit


def fake_clips(n_recordings=40, spread=0.4, seed=0):
    """Three clips a recording of four classes, and descriptors that tell these apart."""
    rng = np.random.default_rng(seed)
    codes = ("cel", "flu", "pia", "voi")
    recording = np.repeat(np.arange(n_recordings), 3)
    names = [f"{r}__{n % 3 + 1}" for n, r in enumerate(recording)]
    labels = [(codes[r % 4],) for r in recording]
    clips = pd.DataFrame({"name": names, "recording": recording.astype(str), "labels": labels})
    clips.index += 7  # rows of an index need not begin at 0
    centres = rng.normal(size=(4, 12))
    return clips, centres[recording % 4] + spread * rng.normal(size=(len(clips), 12))


def test_planted_errors_come_first():
    clips, features = fake_clips()
    changed, wrong = label_audit.plant(clips, 0.1, seed=0)
    assert wrong.sum() == 12
    assert ((changed["labels"] != clips["labels"]) == wrong).all()
    ranked = label_audit.doubts(changed, features, seed=0)
    assert sorted(ranked["name"]) == sorted(clips["name"])
    top = ranked.iloc[:12]
    assert wrong[top.index].all()
    assert top["doubtful"].all()
    right = clips["labels"].str[0][top.index]
    assert (top["suspected"] == right).all()
    assert (top["margin"] > 0).all()


def test_clean_labels_that_are_easily_told_are_not_doubted():
    ranked = label_audit.doubts(*fake_clips(spread=0.1), seed=0)
    assert not ranked["doubtful"].any()


def test_without_anything_to_hear_a_ranking_is_as_good_as_chance():
    clips, features = fake_clips(n_recordings=100)
    noise = np.random.default_rng(0).normal(size=features.shape)
    found = label_audit.trial(clips, noise, 0.2, seed=0)
    assert found["average_precision"] == pytest.approx(0.2, abs=0.08)
    assert found["wrong"] == pytest.approx(0.2)


def test_no_clip_is_judged_by_what_has_heard_its_recording():
    clips, _ = fake_clips()
    one_hot = np.eye(40)[clips["recording"].astype(int)]  # tells recordings, and nothing else
    ranked = label_audit.doubts(clips, one_hot, seed=0)
    own = ranked["label"] == ranked["suspected"]
    assert not own.any()
    assert ranked["margin"].abs().max() < 0.2


def test_measures_by_hand():
    ranked = pd.DataFrame({"doubtful": [True, True, False, False]}, index=[3, 1, 0, 2])
    wrong = pd.Series([True, False, False, True])
    assert label_audit.measure(ranked, wrong) == {
        "wrong": 0.5,
        "doubtful": 0.5,
        "precision": 0.5,
        "recall": 0.5,
        "precision_at_wrong": 0.5,
        "average_precision": pytest.approx((1 + 2 / 3) / 2),
    }


def test_too_few_recordings_are_told():
    clips, features = fake_clips(n_recordings=3)
    with pytest.raises(DataError, match="5 folds of 3 recordings"):
        label_audit.doubts(clips, features, seed=0)
