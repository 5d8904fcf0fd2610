"""The five systems of Bosch et al. (2012), which the paper compares with and did not run.

1. One support vector machine on the mono mix-down.
2. Four streams, left, right, mid and side; the model of 1; labels aggregated.
3. Four separated stems, bass, drums, melody and other; the model of 1.
4. The same stems; a model a stream, trained on separated training excerpts.
5. As 4, with streams that are sums of others; which streams take part is chosen on validation.

The five arrangements are published. Windows of 3 s, one threshold for all classes and the
separator (theirs was FASST) are ours. They took the union of what each stream alone would yield:
``how="max"`` here; the mean of the probabilities is our default.

J. J. Bosch, J. Janer, F. Fuhrmann, P. Herrera, "A comparison of sound segregation techniques for
predominant instrument recognition in musical audio signals", ISMIR 2012, pages 559-564.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from irmas_utils import metrics
from irmas_utils.systems.bosch import svm
from irmas_utils.systems.bosch.streams import COMBINATIONS, SIDES, STEMS, StreamFeatures

# Experiment to the streams that it hears, each with the stream whose model hears it. Of the
# fifth's these are the candidates; "mono", the sum of all stems, is one of them.
EXPERIMENTS: dict[int, dict[str, str]] = {
    1: {"mono": "mono"},
    2: dict.fromkeys(SIDES, "mono"),
    3: dict.fromkeys(STEMS, "mono"),
    4: {stem: stem for stem in STEMS},
    5: {stream: stream for stream in (*STEMS, *COMBINATIONS, "mono")},
}
PAIRS = sorted({pair for streams in EXPERIMENTS.values() for pair in streams.items()})


class Heard(NamedTuple):
    """What the models say of every window of some clips; `clip` as in `StreamFeatures`."""

    # By stream and the stream whose model heard it, (n_windows, 11); zero where it is silent.
    probabilities: dict[tuple[str, str], np.ndarray]
    clip: np.ndarray

    def scores(self, streams: Mapping[str, str], how: str) -> np.ndarray:
        """Join some streams, each heard by a model: (n_clips, 11); see `aggregate`."""
        return aggregate([self.probabilities[pair] for pair in streams.items()], self.clip, how)


class System(NamedTuple):
    """One experiment, ready to predict: which model hears which stream, joined in which way."""

    streams: dict[str, str]
    how: str
    threshold: float

    def predict(self, heard: Heard) -> np.ndarray:
        """Return the score of every clip and instrument: (n_clips, 11), in [0, 1]."""
        return heard.scores(self.streams, self.how)


def fit_models(
    training: StreamFeatures, clips: pd.DataFrame, *, seed: int = 0, jobs: int = 1
) -> dict[str, Any]:
    """Train one classifier a stream, of which all five experiments are made, as `svm.fit` does.

    `clips` are the rows of the index that `training` describes.
    """
    rows = clips.iloc[training.clip]
    classes, recordings = rows["labels"].str[0].to_numpy(str), rows["recording"].to_numpy()
    return {
        stream: svm.fit(features, classes, recordings, seed=seed, jobs=jobs)
        for stream, features in training.streams.items()
    }


def hear(models: Mapping[str, Any], features: StreamFeatures) -> Heard:
    """Let every model hear the streams that some experiment gives it, each once."""
    found = {
        (stream, model): svm.probabilities(models[model], features.streams[stream])
        for stream, model in PAIRS
        if stream in features.streams and model in models
    }
    return Heard(found, features.clip)


def build(experiment: int, heard: Heard, labels: np.ndarray, how: str = "mean") -> System:
    """Set up an experiment: choose its threshold and, in the fifth, its streams.

    `heard` and `labels`, (n_clips, 11), are of multi-label mixtures of recordings that the
    models have not seen.
    """
    chosen = choose_streams(heard, labels, how) if experiment == 5 else EXPERIMENTS[experiment]
    return with_threshold(chosen, heard, labels, how)


def with_threshold(
    streams: dict[str, str], heard: Heard, labels: np.ndarray, how: str = "mean"
) -> System:
    """Return the system that hears `streams`, at its threshold of the highest micro F1."""
    threshold = float(metrics.choose_threshold(labels, heard.scores(streams, how)))
    return System(streams, how, threshold)


def aggregate(
    probabilities: Iterable[np.ndarray], clip: np.ndarray, how: str = "mean"
) -> np.ndarray:
    """Join the windows and streams of each clip, an array (n_windows, 11) a stream: (n_clips, 11).

    `how` is ``"mean"``, over all that sounds, or ``"max"``: then the instruments above a threshold
    are the union of those above it in each window of each stream. A silent clip scores zero.
    """
    stacked, n_clips = list(probabilities), int(clip.max(initial=-1)) + 1
    clip, values = np.tile(clip, len(stacked)), np.concatenate(stacked)
    joined = np.zeros((n_clips, values.shape[1]))
    if how == "max":
        np.maximum.at(joined, clip, values)
        return joined
    np.add.at(joined, clip, values)
    sounding = np.bincount(clip[values.any(axis=1)], minlength=n_clips)
    return joined / np.maximum(sounding, 1)[:, None]


def choose_streams(heard: Heard, labels: np.ndarray, how: str = "mean") -> dict[str, str]:
    """Start from the stems, and add or drop the stream that helps most while micro F1 grows.

    At least one of the fifth experiment's candidates is left. Ties go to the first.
    """
    candidates = EXPERIMENTS[5]

    def score(streams: Iterable[str]) -> float:
        chosen = {stream: candidates[stream] for stream in streams}
        return float(metrics.threshold_curve(labels, heard.scores(chosen, how))["f1"].max())

    chosen, best = list(STEMS), score(STEMS)
    while True:
        steps = [[s for s in candidates if (s in chosen) != (s == one)] for one in candidates]
        steps = [streams for streams in steps if streams]
        scores = [score(streams) for streams in steps]
        if max(scores) <= best:
            return {stream: candidates[stream] for stream in chosen}
        chosen, best = steps[int(np.argmax(scores))], max(scores)
