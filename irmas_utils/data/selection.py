"""Parts of the training set, for studies, learning curves and balanced classes."""

import math

import numpy as np
import pandas as pd


def part(fitting: pd.DataFrame, fraction: float, seed: int) -> pd.DataFrame:
    """Return a part of the recordings of each class, in order; a smaller lies within a larger."""
    rng, kept = np.random.default_rng(seed), []
    for _, clips in fitting.groupby(fitting["labels"].str[0]):
        recordings = rng.permutation(clips["recording"].unique())
        kept += [*recordings[: math.ceil(fraction * len(recordings))]]
    return fitting[fitting["recording"].isin(kept)]


def fewer(fitting: pd.DataFrame, fraction: float, seed: int) -> pd.DataFrame:
    """Return `part`, repeated to as many clips as there were: as many steps of training."""
    if fraction == 1:
        return fitting
    rows = np.random.default_rng(seed).permutation(len(found := part(fitting, fraction, seed)))
    return found.iloc[np.resize(rows, len(fitting))]


def balanced(fitting: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return as many clips of each class, and in all, as there were: some twice, some left out."""
    rng, kept = np.random.default_rng(seed), []
    classes = fitting["labels"].str[0].to_numpy()
    codes = np.unique(classes)
    for code in codes:
        rows = rng.permutation(np.flatnonzero(classes == code))
        kept.append(np.resize(rows, math.ceil(len(fitting) / len(codes))))
    return fitting.iloc[np.stack(kept, axis=1).ravel()[: len(fitting)]]
