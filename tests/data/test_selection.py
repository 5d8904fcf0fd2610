import numpy as np
import pandas as pd

from irmas_utils.data import selection

LABELS = ["cel"] * 30 + ["voi"] * 60
CLIPS = pd.DataFrame({
    "labels": [(code,) for code in LABELS],
    "recording": [f"song {k // 3}" for k in range(90)],
})  # fmt: skip


def test_a_part_is_of_whole_recordings_of_every_class_and_nested():
    half, quarter = (selection.part(CLIPS, f, 0) for f in (0.5, 0.25))
    assert half["labels"].value_counts().tolist() == [30, 15]
    assert half.groupby("recording").size().eq(3).all()
    assert set(quarter["recording"]) < set(half["recording"])
    assert selection.part(CLIPS, 1, 0).equals(CLIPS)


def test_fewer_recordings_are_as_many_steps():
    half = selection.fewer(CLIPS, 0.5, 0)
    assert len(half) == len(CLIPS)
    assert half.index.nunique() == 45
    assert half.index.value_counts().eq(2).all()
    assert selection.fewer(CLIPS, 1, 0) is CLIPS


def test_balanced_classes_are_equally_many():
    found = selection.balanced(CLIPS, 0)
    assert found["labels"].value_counts().tolist() == [45, 45]
    assert len(found) == len(CLIPS)
    assert np.unique(found.index).size == 30 + 45
