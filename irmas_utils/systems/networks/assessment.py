"""Score networks, choose their thresholds, and say which of them is the best.

Thresholds and the choice of the best come from mixtures of validation recordings
(`systems.mixtures`); the testing set is scored and has no say. Notebook:
07_other_networks.ipynb.
"""

import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from irmas_utils import metrics
from irmas_utils.audio.features import label_matrix
from irmas_utils.metrics import tables as experiment
from irmas_utils.project.settings import Settings
from irmas_utils.systems.networks import fine_tuning as recognition
from irmas_utils.systems.networks.registry import Trained
from irmas_utils.systems.recognizer import Recognizer


@dataclass(frozen=True)
class Scores:
    """What a system says of the mixtures and of the testing clips.

    Attributes
    ----------
    mixtures, testing : numpy.ndarray, (n_clips, 11)
    by_seed : dict
        Seed to the `Scores` of that seed's network alone; empty in those.
    clip_seconds : float
        To read and score one testing clip.
    """

    mixtures: np.ndarray
    testing: np.ndarray
    by_seed: "dict[int, Scores]"
    clip_seconds: float


@dataclass(frozen=True)
class Judged:
    """Thresholds, chosen on mixtures, and how good scores are with them.

    Attributes
    ----------
    threshold : float
        One for all instruments, of the best micro F1 on the mixtures.
    thresholds : numpy.ndarray, (11,)
        One for each, of its own best F1 there.
    on_mixtures, on_testing, per_label : dict
        Evaluations (`metrics.evaluate`): on the mixtures and on the testing set with
        `threshold`, and on the testing set with `thresholds`.
    """

    threshold: float
    thresholds: np.ndarray
    on_mixtures: dict[str, Any]
    on_testing: dict[str, Any]
    per_label: dict[str, Any]


@dataclass(frozen=True)
class System:
    """What is known of a network, or of several joined, after training and scoring.

    Attributes
    ----------
    scores : Scores
    judged : Judged
    by_seed : dict
        Seed to what is judged of that seed's network alone.
    history : pandas.DataFrame
        As in `Trained`.
    n_parameters : int
        Of everything that a prediction needs.
    """

    scores: Scores
    judged: Judged
    by_seed: dict[int, Judged]
    history: pd.DataFrame
    n_parameters: int


def assess(
    trained: Mapping[str, Trained],
    mixed: pd.DataFrame,
    testing: pd.DataFrame,
    settings: Settings,
) -> dict[str, System]:
    """Score and judge every network, and those trained here as an ``ensemble`` if several are.

    Parameters
    ----------
    trained : mapping
        Name of a network to what `train` returned.
    mixed : pandas.DataFrame
        Mixtures of validation recordings, to choose thresholds on.
    testing : pandas.DataFrame
        Rows of the index.
    settings : Settings
    """
    finish = functools.partial(_system, mixed=mixed, testing=testing, settings=settings)
    systems = {
        name: finish(
            _scores(network, mixed, testing),
            history=network.history,
            n_parameters=network.recognizer.model.count_params(),
        )
        for name, network in trained.items()
    }
    members = [system for name, system in systems.items() if name != "zero-shot"]
    if len(members) > 1:
        seconds = sum(member.history["seconds"].sum() for member in members)
        systems["ensemble"] = finish(
            joined := ensemble([member.scores for member in members]),
            history=pd.DataFrame({"epoch": 1, "seconds": seconds, "seed": [*joined.by_seed]}),
            n_parameters=sum(member.n_parameters for member in members),
        )
    return systems


def _system(
    scores: Scores, *, mixed: pd.DataFrame, testing: pd.DataFrame, settings: Settings, **facts: Any
) -> System:
    by_seed = {seed: judge(s, mixed, testing, settings) for seed, s in scores.by_seed.items()}
    return System(scores, judge(scores, mixed, testing, settings), by_seed, **facts)


def _scores(trained: Trained, mixed: pd.DataFrame, testing: pd.DataFrame) -> Scores:
    """Score with each seed's network, and with all in one."""
    by_seed = {seed: _score(member, mixed, testing) for seed, member in trained.members.items()}
    if len(by_seed) == 1:
        return replace(*by_seed.values(), by_seed=by_seed)
    return replace(_score(trained.recognizer, mixed, testing), by_seed=by_seed)


def _score(recognizer: Recognizer, mixed: pd.DataFrame, testing: pd.DataFrame) -> Scores:
    on_mixtures = recognizer.score_files(mixed["path"])
    started = time.perf_counter()  # the network is compiled by now
    on_testing = recognizer.score_files(testing["path"])
    seconds = (time.perf_counter() - started) / len(testing)
    return Scores(on_mixtures, on_testing, {}, seconds)


def ensemble(members: Sequence[Scores]) -> Scores:
    """Join several systems' scores by their mean on the logistic scale."""
    mixtures, testing = (
        recognition.ensemble([getattr(scores, part) for scores in members])
        for part in ("mixtures", "testing")
    )
    joined = Scores(mixtures, testing, {}, sum(scores.clip_seconds for scores in members))
    return replace(joined, by_seed={next(iter(members[0].by_seed)): joined})


def judge(scores: Scores, mixed: pd.DataFrame, testing: pd.DataFrame, settings: Settings) -> Judged:
    """Choose thresholds on the mixtures and evaluate with them."""
    labels = label_matrix(mixed["labels"])
    threshold = float(metrics.choose_threshold(labels, scores.mixtures))
    thresholds = metrics.choose_threshold(labels, scores.mixtures, per_label=True)
    return Judged(
        threshold,
        thresholds,
        experiment.score(mixed, scores.mixtures, settings, threshold),
        experiment.score(testing, scores.testing, settings, threshold),
        experiment.score(testing, scores.testing, settings, thresholds),
    )


def best(systems: Mapping[str, System]) -> str:
    """Name the network of the highest micro F1 on the mixtures; the testing set has no say.

    Only what was trained here, and is one network, is asked.
    """
    asked = [name for name in systems if name not in ("zero-shot", "ensemble")]
    return max(asked, key=lambda name: systems[name].judged.on_mixtures["micro"]["f1"]["value"])
