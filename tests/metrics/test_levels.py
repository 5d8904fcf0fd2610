"""From which level on a system names an instrument."""

import numpy as np
import pandas as pd
import pytest

from irmas_utils.metrics import levels

LEVELS = np.array([-12.0, 0.0, 12.0])


def answers(*rows):
    columns = ["system", "instrument", "excerpt", "others", "absent", "-12", "0", "12"]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.parametrize(
    ("shares", "at"),
    [
        ((0.0, 0.25, 0.75), 6),
        ((0.0, 0.5, 1.0), 0),
        ((0.9, 0.2, 0.8), 6),  # what it names lower down and then not again does not count
        ((0.6, 0.6, 0.6), -np.inf),
        ((0.6, 0.6, 0.4), np.inf),
        ((0.0, 0.0, 0.0), np.inf),
    ],
)
def test_the_threshold_is_where_a_curve_rises_above_half_and_stays_there(shares, at):
    assert levels.crossing(np.array(shares), LEVELS) == pytest.approx(at)
    stacked = levels.crossing(np.array([shares, (0.0, 0.0, 1.0)]), LEVELS)
    assert stacked.tolist() == pytest.approx([at, 6])


def test_curves_and_thresholds_by_group_and_over_excerpts():
    table = answers(
        ("one", "cel", 0, 1, 0, 0, 0, 1),
        ("one", "cel", 1, 1, 0, 0, 1, 1),
        ("one", "cel", 0, 3, 0, 0, 0, 0),
        ("two", "cel", 0, 1, 1, 1, 1, 1),
    )
    curve = levels.curves(table, ["system", "others"], 200, 0)
    assert curve["value"].tolist() == [0, 0.5, 1, 0, 0, 0, 1, 1, 1]
    assert (curve["low"] <= curve["value"]).all()
    found = levels.thresholds(table, ["system", "others"], 200, 0)
    assert found["threshold"].tolist() == [0, np.inf, -np.inf]
    assert found["absent"].tolist() == [0, 0, 1]
    assert found["excerpts"].tolist() == [2, 1, 1]
    assert (found["low"][0], found["high"][0]) == (-6, 6)  # of either excerpt alone
    words = levels.in_words(found, levels.levels_of(table))
    assert words["named from [dB]"].tolist() == ["+0.0", "> +12", "< -12"]
    assert words["95 % interval"][0] == "-6.0 to +6.0"
