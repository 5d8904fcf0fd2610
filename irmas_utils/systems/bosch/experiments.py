"""The five systems of Bosch et al. (2012), which the paper compares with and did not run.

1. One support vector machine on the mono mix-down.
2. Four streams, left, right, mid and side; the model of 1; labels aggregated.
3. Four separated stems, bass, drums, melody and other; the model of 1.
4. The same stems; a model a stream, trained on separated training excerpts.
5. As 4, with streams that are sums of others; which streams take part is chosen on validation.

Published and ours
------------------
The five arrangements are published. How test clips are cut into windows, the decision
threshold and the separator (they had FASST) are not available, so these are ours: windows of
3 s, one threshold for all classes, `systems.bosch.separation`. They aggregated labels over the
streams, the union of what each stream alone would yield. That is ``how="max"`` here; the mean
of the probabilities is our default. Threshold and streams are chosen on multi-label mixtures
of held-out training recordings (`systems.mixtures`), never on test data.

J. J. Bosch, J. Janer, F. Fuhrmann, P. Herrera, "A comparison of sound segregation techniques for
predominant instrument recognition in musical audio signals", ISMIR 2012, pages 559-564.

Notebook: 08_bosch_baselines.ipynb
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from irmas_utils.project.errors import SettingsError
from irmas_utils.systems.bosch import svm
from irmas_utils.systems.bosch.streams import COMBINATIONS, SIDES, STEMS, StreamFeatures

EXPERIMENTS = (1, 2, 3, 4, 5)
# What the fifth may combine. "mono", the sum of all stems, is one of them.
CANDIDATES = (*STEMS, *COMBINATIONS, "mono")


@dataclass(frozen=True)
class System:
    """One experiment, ready to predict.

    Attributes
    ----------
    experiment : int
    models : dict
        Stream to the classifier that hears it.
    how : str
        ``"mean"`` or ``"max"``: how probabilities of streams and windows become one score.
    threshold : float
        An instrument whose score reaches it is predicted.
    """

    experiment: int
    models: dict[str, Any]
    how: str
    threshold: float

    def predict(self, features: StreamFeatures) -> np.ndarray:
        """Return the score of every clip and instrument, float (n_clips, 11) in [0, 1].

        A clip that is silent in all streams scores zero.
        """
        heard = stream_probabilities(self.models, features)
        return aggregate(heard.values(), features.clip, features.n_clips, self.how)


def fit_models(
    training: StreamFeatures,
    classes: np.ndarray,
    recordings: np.ndarray,
    *,
    seed: int = 0,
    jobs: int = 1,
) -> dict[str, Any]:
    """Train one classifier a stream; all five experiments are made of these.

    Parameters
    ----------
    training : StreamFeatures
        Of `systems.bosch.streams.TRAINING_STREAMS`.
    classes, recordings : ndarray, shape (n_clips,)
        The instrument code and the recording of every clip.
    seed, jobs : int
        As in `systems.bosch.svm.fit`.

    Returns
    -------
    dict
        Stream to classifier.

    Raises
    ------
    TrainingError
        If fewer than two classes have enough recordings.
    """
    classes, recordings = (np.asarray(x)[training.clip] for x in (classes, recordings))
    return {
        stream: svm.fit(features, classes, recordings, seed=seed, jobs=jobs)
        for stream, features in training.streams.items()
    }


def assign(experiment: int, models: dict[str, Any]) -> dict[str, Any]:
    """Say which model hears which stream in an experiment; for the fifth, all candidates.

    Raises
    ------
    SettingsError
        If there is no such experiment.
    """
    if experiment not in EXPERIMENTS:
        raise SettingsError(
            "experiment",
            found=repr(experiment),
            expected="one of 1 to 5",
            remedy="Choose one of the five systems of Bosch et al.",
        )
    if experiment <= 3:
        heard = {1: ("mono",), 2: SIDES, 3: STEMS}[experiment]
        return dict.fromkeys(heard, models["mono"])
    return {stream: models[stream] for stream in {4: STEMS, 5: CANDIDATES}[experiment]}


def build(
    experiment: int,
    models: dict[str, Any],
    validation: StreamFeatures,
    labels: np.ndarray,
    how: str = "mean",
) -> System:
    """Set up an experiment: choose its threshold and, in the fifth, its streams.

    Parameters
    ----------
    experiment : int
        1 to 5.
    models : dict
        From `fit_models`.
    validation : StreamFeatures
        Of `systems.bosch.streams.ALL_STREAMS`, of multi-label mixtures of recordings that the
        models have not seen.
    labels : ndarray of 0 and 1, shape (n_clips, 11)
        Their labels.
    how : str
        ``"mean"`` or ``"max"``.

    Returns
    -------
    System

    Raises
    ------
    SettingsError
        If there is no such experiment.
    """
    heard = assign(experiment, models)
    probabilities = stream_probabilities(heard, validation)
    if experiment == 5:
        chosen = choose_streams(probabilities, validation.clip, labels, how)
        heard = {stream: heard[stream] for stream in chosen}
        probabilities = {stream: probabilities[stream] for stream in chosen}
    scores = aggregate(probabilities.values(), validation.clip, len(labels), how)
    threshold, _ = choose_threshold(scores, labels)
    return System(experiment, heard, how, threshold)


def stream_probabilities(models: dict[str, Any], features: StreamFeatures) -> dict[str, np.ndarray]:
    """Let each model hear its stream: stream to (n_windows, 11), zero where silent."""
    return {
        stream: svm.probabilities(model, features.streams[stream])
        for stream, model in models.items()
    }


def aggregate(
    probabilities: Iterable[np.ndarray], clip: np.ndarray, n_clips: int, how: str = "mean"
) -> np.ndarray:
    """Join the windows and streams of each clip.

    Parameters
    ----------
    probabilities : iterable of ndarray, shape (n_windows, 11)
        One array a stream.
    clip : ndarray of int, shape (n_windows,)
        Which clip each window belongs to.
    n_clips : int
    how : str
        ``"mean"`` over all that sounds, or ``"max"``: then the instruments above a threshold
        are the union of those above it in each window of each stream.

    Returns
    -------
    ndarray, shape (n_clips, 11)
        Zero for a clip that is silent throughout. Silence does not count in a mean.
    """
    stacked = list(probabilities)
    clip, values = np.tile(clip, len(stacked)), np.concatenate(stacked)
    joined = np.zeros((n_clips, values.shape[1]))
    if how == "max":
        np.maximum.at(joined, clip, values)
        return joined
    np.add.at(joined, clip, values)
    sounding = np.bincount(clip[values.any(axis=1)], minlength=n_clips)
    return joined / np.maximum(sounding, 1)[:, None]


def choose_threshold(scores: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return the threshold with the highest micro F1, and that F1.

    Parameters
    ----------
    scores, labels : ndarray, shape (n_clips, 11)

    Returns
    -------
    threshold, f1 : float
        The threshold lies midway between the score that it lets through and the next lower.
    """
    order = np.argsort(-scores, axis=None, kind="stable")
    ranked, hits = scores.ravel()[order], np.cumsum(labels.ravel()[order])
    f1 = 2 * hits / (np.arange(1, len(ranked) + 1) + hits[-1])
    f1[:-1][ranked[:-1] == ranked[1:]] = 0  # a threshold cannot part equal scores
    best = int(f1.argmax())
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float((ranked[best] + below) / 2), float(f1[best])


def choose_streams(
    probabilities: dict[str, np.ndarray], clip: np.ndarray, labels: np.ndarray, how: str = "mean"
) -> list[str]:
    """Start from the stems, and add or drop the stream that helps most while micro F1 grows.

    Parameters
    ----------
    probabilities : dict of str to ndarray, shape (n_windows, 11)
        Every stem and the other candidates, on validation clips.
    clip, labels, how
        As in `aggregate` and `choose_threshold`.

    Returns
    -------
    list of str
        At least one, in the order of `probabilities`. Ties go to the first candidate.
    """

    def score(streams: list[str]) -> float:
        joined = aggregate([probabilities[s] for s in streams], clip, len(labels), how)
        return choose_threshold(joined, labels)[1]

    chosen, best = list(STEMS), score(list(STEMS))
    while True:
        steps = [[s for s in probabilities if (s in chosen) != (s == one)] for one in probabilities]
        steps = [streams for streams in steps if streams]
        scores = [score(streams) for streams in steps]
        if max(scores) <= best:
            return chosen
        chosen, best = steps[int(np.argmax(scores))], max(scores)
