"""Evaluate systems on the clips of a data set, and see whether they listen at all."""

import resource
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from irmas_utils import metrics
from irmas_utils.audio.features import label_matrix
from irmas_utils.data.corpus import Splits
from irmas_utils.metrics.tables import scores_of
from irmas_utils.project.settings import Settings
from irmas_utils.project.vocabulary import INSTRUMENTS


def score(
    clips: pd.DataFrame, scores: np.ndarray, settings: Settings, threshold: ArrayLike = 0.5
) -> dict[str, Any]:
    """Return `metrics.evaluate` of scores, (n_clips, 11), of rows of the index, by recording."""
    decisions = metrics.binarize(scores, threshold)
    return _resampled(metrics.evaluate, clips, settings, decisions, scores)


def by_duration(
    clips: pd.DataFrame, scores: np.ndarray, settings: Settings
) -> dict[str, dict[str, float | None]]:
    """Return micro F1, cut at 0.5, of the "shortest", "middle" and "longest" third of the clips.

    Scores are (n_clips, 11). Each third has seconds (their mean), clips (how many), value, low and
    high; clips of one length stay together, so that there may be less than three.
    """
    thirds, names = pd.qcut(clips["duration"], 3, duplicates="drop"), ["middle", "longest"]
    clips, found = clips.reset_index(drop=True), {}
    parts = [part for _, part in clips.groupby(thirds.to_numpy(), observed=True)]
    for name, part in zip(["shortest", *names[3 - len(parts) :]], parts, strict=False):
        f1 = score(part, scores[part.index], settings)["micro"]["f1"]
        found[name] = {"seconds": part["duration"].mean(), "clips": len(part)} | f1
    return found


def _resampled(metric: Callable, clips: pd.DataFrame, settings: Settings, *answers: Any) -> Any:
    """Apply what draws recordings to the clips' labels and some answers, (n_clips, 11) each."""
    labels, groups = label_matrix(clips["labels"]), list(clips["recording"])
    return metric(labels, *answers, groups, settings.evaluation.bootstrap_samples, settings.seed)


def constants(splits: Splits) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return `metrics.trivial_predictors` of the training set for the clips of the testing set."""
    training = pd.concat([splits.fitting, splits.validation])
    return metrics.trivial_predictors(label_matrix(training["labels"]), len(splits.testing))


def trivial(splits: Splits, settings: Settings) -> dict[str, dict[str, Any]]:
    """Evaluate what does not listen, `constants`, on the testing set: name to evaluation."""
    return {
        name: _resampled(metrics.evaluate, splits.testing, settings, *said)
        for name, said in constants(splits).items()
    }


def strongest(evaluations: Mapping[str, dict[str, Any]]) -> tuple[str, float]:
    """Return which of some systems has the highest micro F1, and that score."""
    f1 = {name: found["micro"]["f1"]["value"] for name, found in evaluations.items()}
    best = max(f1, key=f1.get)
    return best, f1[best]


def listens(clips: pd.DataFrame, scores: np.ndarray, settings: Settings) -> dict[str, float]:
    """Return `metrics.dependence` of scores, (n_clips, 11): whether they depend on what sounds."""
    return _resampled(metrics.dependence, clips, settings, scores)


def lead(clips: pd.DataFrame, decisions: np.ndarray, settings: Settings) -> dict[str, dict]:
    """Return `metrics.precision_lead` of decisions, bool (n_clips, 11), by instrument code."""
    found = _resampled(metrics.precision_lead, clips, settings, decisions)
    return dict(zip(INSTRUMENTS, found, strict=True))


def answers(decisions: dict[int, np.ndarray]) -> pd.DataFrame:
    """Say of decisions by seed, bool (n_clips, 11), how many different ones there are.

    A row a seed: seed, answers (how many), commonest (its codes) and share (of the clips with it).
    """
    rows = []
    for seed, decided in decisions.items():
        found, counts = np.unique(decided, axis=0, return_counts=True)
        first = int(np.argmax(counts))
        codes = " ".join(c for c, on in zip(INSTRUMENTS, found[first], strict=True) if on)
        rows.append((seed, len(found), codes or "none", float(counts[first] / len(decided))))
    return pd.DataFrame(rows, columns=["seed", "answers", "commonest", "share"])


def summary(
    clips: pd.DataFrame,
    whole: dict[str, Any],
    by_seed: dict[int, tuple[np.ndarray, float]],
    history: pd.DataFrame,
    **facts: Any,
) -> dict[str, Any]:
    """Collect what a run's metrics file holds.

    `whole` is the evaluation of all seeds in one, `by_seed` the scores of each alone,
    (n_clips, 11), with their threshold; `history` has a column ``seconds``, `facts` are JSON
    values.
    """
    labels, songs = label_matrix(clips["labels"]), list(clips["recording"])
    decisions = {seed: metrics.binarize(*each) for seed, each in by_seed.items()}
    rows = [
        scores_of(metrics.evaluate(labels, decisions[seed], scores, songs, n_bootstrap=0))
        for seed, (scores, _) in by_seed.items()
    ]
    over_seeds = {}
    for key in (key for key, leaf in rows[0].items() if leaf):
        values = [row[key]["value"] for row in rows]
        highest = len(INSTRUMENTS) if key == "labels_per_clip" else 1
        over_seeds[key] = {"values": values, **metrics.mean_interval(values, 0, highest)}
    return {
        "memory_peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        **facts,
        "seeds": list(by_seed),
        "over_seeds": over_seeds,
        "answers": answers(decisions).to_dict("records"),
        "seconds_per_epoch": float(history["seconds"].median()),
        "evaluation": whole,
    }
