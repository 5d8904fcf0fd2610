"""From scores to labels, and the predictors that every system has to beat."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from irmas_utils.metrics import scores
from irmas_utils.project.vocabulary import INSTRUMENTS

THRESHOLD = 0.5
"""The paper's threshold (section 3.3.4)."""

NEAR = 1e-6  # from a half: beside it, and still so in float32

PAPER_CONSTANT = ("gel", "org", "pia", "sax", "voi")
"""The labels that the paper's LSTM gave to nearly every clip (section 5.1.1)."""

RANKED = "prior, ranked"
"""The trivial predictor that ranks the labels by their frequency in training."""


def binarize(y_score: ArrayLike, threshold: ArrayLike = THRESHOLD) -> NDArray:
    """Predict the labels whose score is larger than the threshold: one for all, or one each."""
    return np.asarray(y_score) > np.asarray(threshold)


def relative(y_score: ArrayLike, threshold: ArrayLike) -> NDArray:
    """Shift scores, (..., 11), on the logistic scale so that the threshold or each becomes 0.5.

    What is predicted stays the same. All is kept 1e-7 away from 0 and 1 before; what that, or
    rounding, would bring over to the other side of its threshold lies just beside it.
    """
    score, cut = (
        special.logit(np.clip(np.asarray(values, dtype=float), 1e-7, 1 - 1e-7))
        for values in (y_score, threshold)
    )
    moved, named = special.expit(score - cut), binarize(y_score, threshold)
    beside = np.where(named, 0.5 + NEAR, 0.5 - NEAR)
    return np.where((moved > 0.5) == named, moved, beside)


def threshold_curve(y_true: ArrayLike, y_score: ArrayLike) -> dict[str, NDArray]:
    """Micro precision, recall and F1 at every threshold that matters, for any shape of labels.

    Arrays (n_thresholds,): "threshold" (falling, one between each two neighbouring scores and one
    below all of them), "precision", "recall" and "f1", which are exact for ``score > threshold``.
    """
    true = np.asarray(y_true, dtype=bool).ravel()
    rising, place = np.unique(np.asarray(y_score, dtype=float).ravel(), return_inverse=True)
    upper, predicted = rising[::-1], np.cumsum(np.bincount(place)[::-1])
    tp = np.cumsum(np.bincount(place, true)[::-1])
    counts = np.stack([tp, predicted - tp, true.sum() - tp], axis=1)[:, :, None]
    lower = np.append(upper[1:], np.nextafter(0, -1))
    middle = (upper + lower) / 2
    threshold = np.where(middle < upper, middle, lower)  # neighbouring floats have no middle
    return {"threshold": threshold, **scores.from_counts(counts, "micro")}


def choose_threshold(y_true: ArrayLike, y_score: ArrayLike, per_label: bool = False) -> NDArray:
    """Threshold of the highest micro F1, (), or `per_label` of each label's own F1, (11,).

    Give it validation data only, best of multi-label clips like those of the test set: a threshold
    chosen on single-label clips predicts too few labels there. Of thresholds with the same F1 the
    highest is returned; a label without a true clip gets the common one.
    """
    scores.validate(y_true, y_score=y_score)
    true, score = np.asarray(y_true, dtype=bool), np.asarray(y_score, dtype=float)
    common = _best(true, score)
    if not per_label:
        return np.array(common)
    columns = zip(true.T, score.T, strict=True)
    return np.array([_best(t, s) if t.any() else common for t, s in columns])


def _best(y_true: NDArray, y_score: NDArray) -> float:
    curve = threshold_curve(y_true, y_score)
    return float(curve["threshold"][np.argmax(curve["f1"])])


def trivial_predictors(
    training_labels: ArrayLike, n_clips: int, codes: Sequence[str] = INSTRUMENTS
) -> dict[str, tuple[NDArray, NDArray]]:
    """Systems that never listen: name to decisions and scores, the same for every clip.

    Both are (n_clips, n_labels). From the training labels, (n_training_clips, n_labels), they know
    how frequent each label is. All but `RANKED` name labels and rank none: their LRAP is that of
    ties. It names the three most frequent and ranks all labels by frequency, so its LRAP is what
    the frequencies alone are worth. Of another vocabulary's `codes` the paper has no constant.
    """
    scores.validate(training_labels, n_labels=len(codes))
    frequency = np.asarray(training_labels, dtype=int).sum(axis=0)
    places = np.argsort(np.argsort(-frequency, kind="stable"))
    of_irmas = tuple(codes) == INSTRUMENTS
    constants = {
        "prior top-1": prior_top(frequency, 1),
        "prior top-3": prior_top(frequency, 3),
        "all eleven" if of_irmas else "all labels": np.ones(len(codes), dtype=bool),
        **({"paper's constant": np.isin(codes, PAPER_CONSTANT)} if of_irmas else {}),
        "softmax prior": prior_only_labels(frequency),
    }
    found = {name: (labels, labels.astype(float)) for name, labels in constants.items()}
    found[RANKED] = constants["prior top-3"], 1 - places / len(places)
    return {name: tuple(np.tile(x, (n_clips, 1)) for x in both) for name, both in found.items()}


def prior_top(frequency: ArrayLike, k: int) -> NDArray:
    """The k most frequent labels, bool (n_labels,). Ties: the earlier in IRMAS order."""
    frequency = np.asarray(frequency)
    return np.isin(np.arange(len(frequency)), np.argsort(-frequency, kind="stable")[:k])


def prior_only_labels(frequency: ArrayLike) -> NDArray:
    """Labels, bool (n_labels,), that a network knowing only the prior predicts: a limit.

    Softmax cross-entropy is the same for logits z and z + c, so it fixes the logits of a network
    that ignores its input only up to c: z = log frequency + c. Plain gradient descent leaves their
    mean where it starts, near zero; cut at sigmoid(z) = 0.5, the labels more frequent than the
    geometric mean are predicted. Adam does so only with large batches: at the paper's batch of 2 it
    moves the mean, and chance decides which stay above the cut (`models.prior`).
    """
    with np.errstate(divide="ignore"):
        logits = np.log(np.asarray(frequency, dtype=float))
    # Equally frequent labels all lie at the mean, whatever the rounding: none is predicted.
    return logits > logits.mean() + 1e-9
