"""One function a metric. The conventions stand in `metrics`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

AVERAGES = ("micro", "macro", "weighted")
QUANTITIES = ("precision", "recall", "f1")


def validate(
    y_true: ArrayLike,
    y_pred: ArrayLike | None = None,
    y_score: ArrayLike | None = None,
    groups: Sequence[Any] | None = None,
    n_labels: int | None = None,
) -> None:
    """Raise a ValueError that names the argument unless all obey the conventions of `metrics`."""
    n_clips, width = np.shape(y_true) if np.ndim(y_true) == 2 else (0, 0)
    shape = (n_clips, n_labels or width)
    for name, matrix in {"y_true": y_true, "y_pred": y_pred, "y_score": y_score}.items():
        if matrix is None:
            continue
        if np.shape(matrix) != shape or n_clips == 0:
            raise ValueError(f"{name} has shape {np.shape(matrix)}; expected {shape}, not empty")
        if name == "y_score":
            if not np.all((np.asarray(matrix) >= 0) & (np.asarray(matrix) <= 1)):
                raise ValueError("y_score has values outside [0, 1]")
        elif not np.isin(matrix, (0, 1)).all():
            raise ValueError(f"{name} has values other than 0 and 1")
    if groups is not None and len(groups) != n_clips:
        raise ValueError(f"groups has {len(groups)} entries; expected one a clip, {n_clips}")


def members(groups: Sequence[Any] | None, n_clips: int) -> NDArray:
    """Number of the group that each clip belongs to, (n_clips,); without groups its own."""
    labels = np.arange(n_clips) if groups is None else [str(group) for group in groups]
    return np.unique(labels, return_inverse=True)[1]


def f1(y_true: ArrayLike, y_pred: ArrayLike, average: str | None = None) -> Any:
    """Harmonic mean of precision and recall: (n_labels,) array, or a float with an `average`."""
    validate(y_true, y_pred)
    value = from_counts(clip_counts(y_true, y_pred).sum(axis=0), average)["f1"]
    return value if average is None else float(value)


def from_counts(counts: NDArray, average: str | None = None) -> dict[str, NDArray]:
    """Precision, recall and F1 from TP, FP and FN of each label, (..., 3, n_labels).

    The values are (..., n_labels), or (...) with an `average`, one of `AVERAGES`.
    """
    if average not in (None, *AVERAGES):
        raise ValueError(f"average is {average!r}; expected None or one of {AVERAGES}")
    counts = np.asarray(counts, dtype=float)
    if average == "micro":
        counts = counts.sum(axis=-1, keepdims=True)
    tp, fp, fn = np.moveaxis(counts, -2, 0)
    values = {
        "precision": _ratio(tp, tp + fp),
        "recall": _ratio(tp, tp + fn),
        "f1": _ratio(2 * tp, 2 * tp + fp + fn),
    }
    if average is None:
        return values
    weight = tp + fn if average == "weighted" else np.ones_like(tp)
    return {k: _ratio((v * weight).sum(-1), weight.sum(-1)) for k, v in values.items()}


def _ratio(numerator: NDArray, denominator: NDArray) -> NDArray:
    zeros = np.zeros(np.shape(denominator))
    return np.divide(numerator, denominator, out=zeros, where=denominator > 0)


def clip_counts(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray:
    """TP, FP and FN of each clip and label, (n_clips, 3, n_labels)."""
    true, pred = np.asarray(y_true, dtype=bool), np.asarray(y_pred, dtype=bool)
    return np.stack([true & pred, ~true & pred, true & ~pred], axis=1).astype(float)


def clip_lrap(y_true: ArrayLike, y_score: ArrayLike) -> NDArray:
    """Label ranking average precision of each clip, (n_clips,); LRAP is the mean.

    For each true label, the share of true labels among those scored at least as high; then the
    mean over the clip's true labels. A clip without a true label has 1, as in scikit-learn. Of
    scores that are the same for every clip it tells their one arbitrary ranking and no more.
    """
    true, score = np.asarray(y_true, dtype=bool), np.asarray(y_score)
    above = score[:, None, :] >= score[:, :, None]  # (clip, label, labels ranked no lower)
    share = (above & true[:, None, :]).sum(axis=2) / above.sum(axis=2)
    n_true = true.sum(axis=1)
    return np.where(n_true > 0, _ratio((share * true).sum(axis=1), n_true), 1.0)


def cooccurrence(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray:
    """Clips with the true label of the row and the predicted label of the column, int (11, 11)."""
    validate(y_true, y_pred)
    return np.asarray(y_true, dtype=int).T @ np.asarray(y_pred, dtype=int)
