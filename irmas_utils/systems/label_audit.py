"""Which training clips carry a doubtful label: confident learning on out-of-fold answers.

A clip is doubtful if a classifier that has heard none of its recording is surer of another label
than it usually is of clips that carry that one (Northcutt, Jiang, Chuang 2021: Confident learning,
Journal of Artificial Intelligence Research 70). The classifier errs as well: what comes out is a
list to listen to. Notebook: 01_data_analysis.ipynb.
"""

import numpy as np
import pandas as pd
import threadpoolctl
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import average_precision_score
from sklearn.model_selection import PredefinedSplit, cross_val_predict

from irmas_utils.data.index import folds
from irmas_utils.project import parallel
from irmas_utils.systems.bosch import streams

N_FOLDS = 5


def describe(clips: pd.DataFrame) -> np.ndarray:
    """Return the descriptors of each training excerpt's mono mix, (n_clips, n_descriptors)."""
    found = streams.extract(clips["path"], ["mono"], jobs=parallel.cores())
    first = np.unique(found.clip, return_index=True)[1]
    return found.streams["mono"][first]


def doubts(clips: pd.DataFrame, features: np.ndarray, seed: int) -> pd.DataFrame:
    """Rank clips of one label each by how doubtful it is, the most doubtful first.

    Columns: name, recording, label, suspected (the label that fits better), margin (how much more
    probable it is than the clip's own) and doubtful (bool). DataError as `data.index.folds`.
    """
    labels = clips["labels"].str[0].to_numpy(dtype=str)
    codes, own = np.unique(labels, return_inverse=True)
    # Shrunk (Ledoit and Wolf), for there may be more descriptors than clips.
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    split = PredefinedSplit(folds(clips, N_FOLDS, seed))
    with threadpoolctl.threadpool_limits(1):  # more take longer, for matrices as small
        heard = cross_val_predict(model, features, own, cv=split, method="predict_proba")
    usual = np.array([heard[own == k, k].mean() for k in range(len(codes))])
    rows = np.arange(len(labels))
    sure = np.where(heard >= usual, heard, 0.0)
    doubtful = (sure.max(axis=1) > 0) & (sure.argmax(axis=1) != own)
    others = heard.copy()
    others[rows, own] = -1
    suspected = np.where(doubtful, sure.argmax(axis=1), others.argmax(axis=1))
    margin = heard[rows, suspected] - heard[rows, own]
    table = clips[["name", "recording"]].assign(label=labels, suspected=codes[suspected])
    table = table.assign(margin=margin, doubtful=doubtful)
    return table.sort_values(["doubtful", "margin"], ascending=False, kind="stable")


def plant(clips: pd.DataFrame, share: float, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    """Give a share of the clips a wrong label; return them, and which were changed (bool)."""
    rng, labels = np.random.default_rng(seed), clips["labels"].str[0].to_numpy(dtype=str)
    codes, own = np.unique(labels, return_inverse=True)
    wrong = np.isin(np.arange(len(own)), rng.permutation(len(own))[: round(share * len(own))])
    shifted = (own + rng.integers(1, len(codes), len(own))) % len(codes)
    changed = [(str(code),) for code in codes[np.where(wrong, shifted, own)]]
    labels = pd.Series(changed, index=clips.index)
    return clips.assign(labels=labels), pd.Series(wrong, index=clips.index)


def measure(ranked: pd.DataFrame, wrong: pd.Series) -> dict[str, float]:
    """Score a ranking against what is known to be wrong, bool by the index of the clips.

    Keys: ``wrong`` and ``doubtful`` (shares of all clips); ``precision`` and ``recall`` of the
    doubtful ones; ``precision_at_wrong`` of as many, from the top, as are wrong; and
    ``average_precision``.
    """
    hits, doubtful = wrong[ranked.index].to_numpy(), ranked["doubtful"].to_numpy()
    return {
        "wrong": float(hits.mean()),
        "doubtful": float(doubtful.mean()),
        "precision": float(hits[doubtful].mean()) if doubtful.any() else 0.0,
        "recall": float(doubtful[hits].mean()),
        "precision_at_wrong": float(hits[: hits.sum()].mean()),
        "average_precision": float(average_precision_score(hits, -np.arange(len(hits)))),
    }


def trial(clips: pd.DataFrame, features: np.ndarray, share: float, seed: int) -> dict[str, float]:
    """Plant errors in a share of the clips, five times over: the mean of `measure`."""
    trials = (plant(clips, share, seed + n) for n in range(5))
    found = [measure(doubts(changed, features, seed), wrong) for changed, wrong in trials]
    return pd.DataFrame(found).mean().to_dict()
