"""Scores with intervals, and tests between systems; resampling is by group of clips."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from irmas_utils.metrics import scores
from irmas_utils.metrics.constancy import clip_gain
from irmas_utils.project.vocabulary import INSTRUMENTS

LEVEL = 0.95
_BLOCK = 500  # resamples drawn at a time, so that memory stays small for any number of groups

_OF_SCORES = {"lrap": lambda true, score, _: scores.clip_lrap(true, score), "gain": clip_gain}
"""Metrics of scores and not of decisions: labels, scores and groups to a number a clip."""

# A statistic is a function of sums over clips, (..., k) -> (...); resampling touches sums only.
Statistic = Callable[[NDArray], NDArray]


def evaluate(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    y_score: ArrayLike | None = None,
    groups: Sequence[Any] | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
    codes: Sequence[str] = INSTRUMENTS,
) -> dict[str, Any]:
    """All scores of one system, with 95 % bootstrap intervals.

    Parameters
    ----------
    y_true, y_pred, y_score : array (n_clips, 11)
        As in the conventions of `metrics`; without scores "lrap" is None.
    groups : sequence (n_clips,), optional
        Recording or song of each clip. Without it each clip is its own group, and the intervals
        are too narrow if clips share recordings.
    n_bootstrap : int
        Resamples; 0 leaves the intervals out.

    Returns
    -------
    dict
        "micro", "macro" and "weighted", each with "precision", "recall" and "f1"; "lrap";
        "per_label" by instrument code with the three, "support" (clips with the label),
        "predicted" (clips given it) and "base_rate" (share of clips with it);
        "labels_per_clip" with "true" and "predicted"; "n_clips"; "n_groups". Each score is
        ``{"value", "low", "high"}``; low and high are None where there is no interval.

    Notes
    -----
    A resample that has drawn no clip of a label says nothing of that label, and must not count as
    a score of 0: it takes no part in the label's own interval, and in the macro averages the
    label's score on all clips stands in for it.
    """
    scores.validate(y_true, y_pred, y_score, groups, len(codes))
    members = scores.members(groups, len(y_true))
    counts = _group_sums(scores.clip_counts(y_true, y_pred), members)
    total, drawn = counts.sum(axis=0), _bootstrap(counts, n_bootstrap, seed)
    result = {average: _leaves(total, drawn, average) for average in scores.AVERAGES}
    result["lrap"] = None
    if y_score is not None:
        sums = _group_sums(_of_clips("lrap", y_true, y_score, groups), members)
        result["lrap"] = _leaf(_mean(sums.sum(axis=0)), _mean(_bootstrap(sums, n_bootstrap, seed)))
    result["per_label"] = _per_label(total, drawn, len(y_true), codes)
    labels = {"true": np.asarray(y_true, bool), "predicted": np.asarray(y_pred, bool)}
    result["labels_per_clip"] = {k: float(y.sum(axis=1).mean()) for k, y in labels.items()}
    return result | {"n_clips": len(y_true), "n_groups": len(counts)}


def precision_lead(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    groups: Sequence[Any] | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> list[dict[str, float | None]]:
    """By how much each label's precision exceeds its base rate, which naming it always would reach.

    Arguments are as for `evaluate`. Both are of the same resample of groups; where one does not
    name the label, its lead is 0. Returns ``{"value", "low", "high"}`` a label, in intervals of
    which all hold together with 95 % (Bonferroni).
    """
    members = scores.members(groups, len(y_true))
    counts = scores.clip_counts(y_true, y_pred)
    sums = _group_sums(np.concatenate([counts, np.ones_like(counts[:, :1])], axis=1), members)

    def leads(totals: NDArray) -> NDArray:
        tp, fp, fn, n = np.moveaxis(totals, -2, 0)
        return np.where(tp + fp > 0, tp / np.maximum(tp + fp, 1) - (tp + fn) / n, 0)

    drawn, level = leads(_bootstrap(sums, n_bootstrap, seed)), 1 - (1 - LEVEL) / sums.shape[-1]
    pairs = zip(leads(sums.sum(axis=0)), drawn.T, strict=True)
    return [_leaf(value, own, level) for value, own in pairs]


def paired_test(
    y_true: ArrayLike,
    pred_a: ArrayLike,
    pred_b: ArrayLike,
    groups: Sequence[Any] | None = None,
    metric: str = "micro_f1",
    n_resamples: int = 5000,
    seed: int = 0,
) -> dict[str, float | None]:
    """Test whether system A and system B differ on the same clips.

    The p-value is that of approximate randomisation (Noreen 1989): if the systems are the same,
    swapping their answers on a random half of the groups changes nothing, so the observed
    difference is compared with those after `n_resamples` such swaps. The interval of the difference
    comes from as many draws of the paired bootstrap, both systems scored on the same draw.

    The predictions are (n_clips, 11), or scores where `metric` is "lrap" or "gain"
    (`metrics.clip_gain`); else it is an average and a quantity: "micro_f1". Groups are as for
    `evaluate`. Returns "a" and "b" (the two scores), "difference" (a - b), its "low" and "high",
    and the two-sided "p_value", which is 1 / (n_resamples + 1) at the least.
    """
    statistic, members = _statistic(metric), scores.members(groups, len(y_true))
    of_clips = [_of_clips(metric, y_true, answers, groups) for answers in (pred_a, pred_b)]
    sums = np.stack([_group_sums(each, members) for each in of_clips], axis=1)
    total, drawn = sums.sum(axis=0), _bootstrap(sums, n_resamples, seed)
    if metric.startswith("macro"):
        drawn = _with_all_labels(drawn, total)
    a, b = statistic(total).tolist()
    swapped = _swapped(sums, n_resamples, seed + 1)
    drawn, swapped = (statistic(t[:, 0]) - statistic(t[:, 1]) for t in (drawn, swapped))
    # Rounding must not turn an equal difference into a smaller one.
    as_extreme = np.sum(np.abs(swapped) >= abs(a - b) - 1e-12)
    return {
        "a": a,
        "b": b,
        "difference": a - b,
        **_bounds(drawn),
        "p_value": float((1 + as_extreme) / (1 + n_resamples)),
    }


def holm(p_values: ArrayLike) -> NDArray:
    """Adjust p-values, (n,), so that a family errs as seldom as one (Holm 1979); NaN is no test."""
    adjusted = np.array(p_values, dtype=float)
    tests = np.flatnonzero(~np.isnan(adjusted))
    order = tests[np.argsort(adjusted[tests])]
    times = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(times * adjusted[order]), 1)
    return adjusted


def mean_interval(
    values: ArrayLike, low: float = -math.inf, high: float = math.inf
) -> dict[str, float | None]:
    """Mean of repeated runs and its 95 % Student t interval in [low, high]; one run has none."""
    values = np.asarray(values, dtype=float)
    mean = float(values.mean())
    if len(values) < 2:
        return {"value": mean, "low": None, "high": None}
    error = values.std(ddof=1) / math.sqrt(len(values))
    half = float(special.stdtrit(len(values) - 1, 0.5 + LEVEL / 2) * error)
    return {"value": mean, "low": max(mean - half, low), "high": min(mean + half, high)}


def _group_sums(values: NDArray, members: NDArray) -> NDArray:
    """Sum (n_clips, ...) over the clips of each group, (n_groups, ...)."""
    sums = np.zeros((members.max() + 1, *values.shape[1:]))
    np.add.at(sums, members, values)
    return sums


def _blocks(total: int) -> list[int]:
    return [min(_BLOCK, total - done) for done in range(0, total, _BLOCK)]


def _bootstrap(sums: NDArray, n_resamples: int, seed: int) -> NDArray:
    """Total of each resample of the groups, (n_groups, ...) -> (n_resamples, ...)."""
    rng, n_groups = np.random.default_rng(seed), len(sums)
    flat = sums.reshape(n_groups, -1)
    drawn = [np.empty((0, flat.shape[1]))]
    for size in _blocks(n_resamples if n_groups > 1 else 0):
        picks = rng.integers(n_groups, size=(size, n_groups)) + n_groups * np.arange(size)[:, None]
        times = np.bincount(picks.ravel(), minlength=size * n_groups).reshape(size, n_groups)
        drawn.append(times @ flat)
    return np.concatenate(drawn).reshape(-1, *sums.shape[1:])


def _swapped(sums: NDArray, n_resamples: int, seed: int) -> NDArray:
    """Totals of two systems, swapped on random groups: (n_groups, 2, ...) -> (n_resamples, ...)."""
    rng, n_groups = np.random.default_rng(seed), len(sums)
    total_a, total_b = sums.sum(axis=0)
    gain = (sums[:, 1] - sums[:, 0]).reshape(n_groups, -1)
    swaps = (rng.integers(2, size=(size, n_groups)) for size in _blocks(n_resamples))
    moved = [(swap.astype(float) @ gain).reshape(-1, *total_a.shape) for swap in swaps]
    moved = np.concatenate(moved)
    return np.stack([total_a + moved, total_b - moved], axis=1)


def _statistic(metric: str) -> Statistic:
    """The metric as a function of sums of `_of_clips`."""
    average, _, quantity = metric.partition("_")
    if metric in _OF_SCORES:
        return _mean
    if average not in scores.AVERAGES or quantity not in scores.QUANTITIES:
        raise ValueError(f"metric is {metric!r}; expected 'lrap', 'gain' or one like 'micro_f1'")
    return lambda counts: scores.from_counts(counts, average)[quantity]


def _of_clips(
    metric: str, y_true: ArrayLike, answers: ArrayLike, groups: Sequence[Any] | None
) -> NDArray:
    """Each clip's part in a metric, (n_clips, ...): its counts, or its score and a one."""
    if metric not in _OF_SCORES:
        scores.validate(y_true, answers, groups=groups)
        return scores.clip_counts(y_true, answers)
    scores.validate(y_true, y_score=answers, groups=groups)
    own = _OF_SCORES[metric](y_true, answers, groups)
    return np.stack([own, np.ones_like(own)], axis=1)


def _mean(sums: NDArray) -> NDArray:
    return sums[..., 0] / sums[..., 1]


def _leaf(value: float, drawn: NDArray, level: float = LEVEL) -> dict[str, float | None]:
    return {"value": float(value), **_bounds(drawn, level)}


def _bounds(drawn: NDArray, level: float = LEVEL) -> dict[str, float | None]:
    if len(drawn) == 0:
        return {"low": None, "high": None}
    low, high = np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2]).tolist()
    return {"low": low, "high": high}


def _with_all_labels(drawn: NDArray, total: NDArray) -> NDArray:
    """Put a label's counts on all clips, (..., 3, 11), where a resample has no clip of it."""
    lacking = drawn[..., 0, :] + drawn[..., 2, :] == 0
    return np.where(lacking[..., None, :], total, drawn)


def _leaves(total: NDArray, drawn: NDArray, average: str) -> dict[str, dict[str, float | None]]:
    if average == "macro":
        drawn = _with_all_labels(drawn, total)
    values, resampled = scores.from_counts(total, average), scores.from_counts(drawn, average)
    return {quantity: _leaf(values[quantity], resampled[quantity]) for quantity in values}


def _per_label(
    total: NDArray, drawn: NDArray, n_clips: int, codes: Sequence[str]
) -> dict[str, dict[str, Any]]:
    found = {}
    for i, code in enumerate(codes):
        tp, fp, fn = total[:, i].astype(int).tolist()
        numbers = {"support": tp + fn, "predicted": tp + fp, "base_rate": (tp + fn) / n_clips}
        own = drawn[..., [i]]
        if tp + fn:  # of a label that no clip has, every resample counts: 0 by convention
            own = own[own[:, 0, 0] + own[:, 2, 0] > 0]
        # The micro average over one label is the label's own score.
        found[code] = _leaves(total[:, [i]], own, "micro") | numbers
    return found
