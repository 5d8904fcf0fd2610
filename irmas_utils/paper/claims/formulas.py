"""Scores and sizes that follow from published numbers alone."""

import itertools

import numpy as np
from numpy.typing import ArrayLike, NDArray

from irmas_utils import metrics
from irmas_utils.data import published
from irmas_utils.project.vocabulary import INSTRUMENTS


def label_counts(split: str) -> NDArray:
    """Clips with each label in the training or testing set of IRMAS, int (11,)."""
    counts = published.load("irmas")[split]["clips"]
    return np.array([counts[code] for code in INSTRUMENTS])


def codes(labels: ArrayLike) -> str:
    """Write a label vector, bool (11,), as its codes."""
    return " ".join(np.array(INSTRUMENTS)[np.asarray(labels, dtype=bool)])


def constant_scores(labels: ArrayLike) -> dict[str, float]:
    """Scores of giving every clip of the IRMAS test set the same labels, bool (11,).

    Follows from the set's label counts: "precision", "recall" and "f1" (micro), and "macro_f1".
    """
    counts, on = label_counts("testing"), np.asarray(labels, dtype=bool)
    n_clips = published.load("irmas")["testing"]["n_clips"]
    tp = np.where(on, counts, 0)
    table = np.stack([tp, np.where(on, n_clips - counts, 0), counts - tp])
    micro = {k: float(v) for k, v in metrics.from_counts(table, "micro").items()}
    return micro | {"macro_f1": float(metrics.from_counts(table, "macro")["f1"])}


def f1_from(precision: float, recall: float, half_unit: float = 0.005) -> tuple[float, ...]:
    """F1 of a precision and a recall, and its low and high bounds given their rounding."""
    steps = np.array([0, -half_unit, half_unit])
    p, r = precision + steps, recall + steps
    return tuple((2 * p * r / (p + r)).tolist())


def dense_parameters(sizes: tuple[int, ...]) -> int:
    """Weights and biases of dense layers from the first size to the last."""
    return sum(a * b + b for a, b in itertools.pairwise(sizes))


def lstm_parameters(sizes: tuple[int, ...]) -> int:
    """Parameters of an LSTM of ``sizes[0]`` units on one input, and dense layers after it."""
    units = sizes[0]
    return 4 * units * (1 + units + 1) + dense_parameters(sizes)
