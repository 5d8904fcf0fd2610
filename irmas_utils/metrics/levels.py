"""From which level on a system names an instrument: curves, thresholds, their intervals.

The tables are of `systems.predominance.answers`, of several systems one below the other: columns
system, instrument, excerpt, others, "absent", and a level in decibels each, which hold 0 or 1.
Resampling is by excerpt. Notebook: 09_comparison.ipynb.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from irmas_utils.metrics.uncertainty import LEVEL

ABSENT = "absent"
_ENDS = (0.5 - LEVEL / 2, 0.5 + LEVEL / 2)


def curves(table: pd.DataFrame, by: Sequence[str], n_bootstrap: int, seed: int) -> pd.DataFrame:
    """Share of the excerpts that are named at each level, with intervals over excerpts.

    Columns: `by`, level [dB], value, low, high, and absent: the share named where they are not.
    """
    levels, rows = levels_of(table), []
    for keys, _, whole, drawn in _resampled(table, by, n_bootstrap, seed):
        low, high = np.quantile(drawn[:, 1:], _ENDS, axis=0)
        columns = {"level": levels, "value": whole[1:], "low": low, "high": high}
        rows.append(pd.DataFrame(columns).assign(absent=whole[0], **keys))
    return pd.concat(rows, ignore_index=True)[[*by, "level", "value", "low", "high", "absent"]]


def thresholds(table: pd.DataFrame, by: Sequence[str], n_bootstrap: int, seed: int) -> pd.DataFrame:
    """From which level on half of the excerpts are named, with intervals over excerpts.

    Columns: `by`, threshold, low and high [dB] (see `crossing`), absent as in `curves`, and
    excerpts, how many they are.
    """
    levels, rows = levels_of(table), []
    for keys, excerpts, whole, drawn in _resampled(table, by, n_bootstrap, seed):
        crossed = crossing(drawn[:, 1:], levels)
        # Infinite ends cannot be averaged: an end is one of what was drawn.
        low, high = np.quantile(crossed, _ENDS, method="inverted_cdf")
        at = {"threshold": float(crossing(whole[1:], levels)), "low": low, "high": high}
        rows.append(keys | at | {"absent": whole[0], "excerpts": excerpts})
    return pd.DataFrame(rows)


def in_words(found: pd.DataFrame, levels: NDArray) -> pd.DataFrame:
    """Write `thresholds` for people; what lies beyond the `levels` that were tried says so."""

    def text(decibels: float) -> str:
        if np.isinf(decibels):
            return f"> {levels[-1]:+.0f}" if decibels > 0 else f"< {levels[0]:+.0f}"
        return f"{decibels:+.1f}"

    found = found.copy()
    threshold, low, high = (found.pop(key).map(text) for key in ("threshold", "low", "high"))
    return found.assign(**{"named from [dB]": threshold, "95 % interval": low + " to " + high})


def levels_of(table: pd.DataFrame) -> NDArray:
    """Return the levels that were tried [dB]."""
    return np.array([*table.loc[:, ABSENT:]][1:], dtype=float)


def crossing(shares: NDArray, levels: NDArray) -> NDArray:
    """Level above which shares, (..., n_levels), stay at half or more, between levels by a line.

    Minus infinity where they never lie below, infinity where the last one does.
    """
    below = shares < 0.5
    last = len(levels) - 1 - np.argmax(below[..., ::-1], axis=-1)
    before = np.minimum(last, len(levels) - 2)
    a, b = (np.take_along_axis(shares, at[..., None], -1)[..., 0] for at in (before, before + 1))
    part = (0.5 - a) / np.where(b > a, b - a, 1)
    between = levels[before] + part * (levels[before + 1] - levels[before])
    at = np.where(last == len(levels) - 1, np.inf, between)
    return np.where(below.any(axis=-1), at, -np.inf)


def _resampled(
    table: pd.DataFrame, by: Sequence[str], n_bootstrap: int, seed: int
) -> Iterator[tuple[dict[str, Any], int, NDArray, NDArray]]:
    """Yield by group: keys, how many excerpts, shares at absent and each level, and resampled."""
    tried = [*table.loc[:, ABSENT:]]
    for keys, group in table.groupby(list(by), sort=False):
        each = group.groupby(["instrument", "excerpt"])[tried].mean().to_numpy()
        rng = np.random.default_rng(seed)
        times = rng.multinomial(len(each), np.full(len(each), 1 / len(each)), n_bootstrap)
        named = dict(zip(by, keys, strict=True))
        yield named, len(each), each.mean(axis=0), times @ each / len(each)
