"""The five systems of Bosch et al. on a profile's data: described, trained, scored.

Thresholds, and the streams of the fifth, are chosen on mixtures of validation recordings
(`systems.mixtures`); the testing set is scored and has no say. Notebook:
08_bosch_baselines.ipynb.
"""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from irmas_utils import INSTRUMENT_NAMES, INSTRUMENTS, metrics
from irmas_utils.audio.features import label_matrix
from irmas_utils.data import published
from irmas_utils.metrics import tables
from irmas_utils.metrics.tables import Splits, interval
from irmas_utils.project import parallel
from irmas_utils.project.records import Record
from irmas_utils.project.settings import Settings
from irmas_utils.systems.bosch import experiments, streams
from irmas_utils.systems.bosch.experiments import EXPERIMENTS, Heard
from irmas_utils.systems.bosch.streams import StreamFeatures


class Described(NamedTuple):
    """Descriptors of the clips to fit on, of the mixtures and of the testing clips."""

    fitting: StreamFeatures
    mixtures: StreamFeatures
    testing: StreamFeatures


class Baseline(NamedTuple):
    """One experiment, its scores of the testing clips, (n_clips, 11), and their evaluation."""

    system: experiments.System
    scores: np.ndarray
    evaluation: dict[str, Any]


def describe(parts: Splits, mixed: pd.DataFrame, settings: Settings) -> Described:
    """Describe all streams of all clips, on every core, from the cache where they are there.

    `mixed` is of `systems.mixtures.make`, from validation recordings. Raises as `streams.extract`.
    """
    wanted = (
        (parts.fitting, streams.TRAINING_STREAMS),
        (mixed, streams.ALL_STREAMS),
        (parts.testing, streams.ALL_STREAMS),
    )
    options = {"separator": settings.bosch_separator, "jobs": parallel.cores()}
    return Described(*(streams.extract(clips["path"], s, **options) for clips, s in wanted))


def fit(described: Described, parts: Splits, settings: Settings) -> dict[str, Any]:
    """Train one classifier a stream. Raises TrainingError if too few classes can be learnt."""
    return experiments.fit_models(
        described.fitting,
        parts.fitting["labels"].str[0].to_numpy(dtype=str),
        parts.fitting["recording"].to_numpy(),
        seed=settings.seed,
        jobs=parallel.cores(),
    )


def hear(described: Described, models: Mapping[str, Any]) -> tuple[Heard, Heard]:
    """Let the models hear the mixtures and the testing clips: for `run` and `stream_f1`."""
    return tuple(experiments.hear(models, f) for f in (described.mixtures, described.testing))


def run(
    heard: tuple[Heard, Heard], parts: Splits, mixed: pd.DataFrame, settings: Settings
) -> dict[int, Baseline]:
    """Set up the five experiments on the mixtures and score the testing set: by number."""
    on_mixtures, on_testing = heard
    labels = label_matrix(mixed["labels"])
    results = {}
    for number in EXPERIMENTS:
        system = experiments.build(number, on_mixtures, labels, settings.bosch_aggregation)
        scores = system.predict(on_testing)
        evaluation = tables.score(parts.testing, scores, settings, system.threshold)
        results[number] = Baseline(system, scores, evaluation)
    return results


def results_table(baselines: Mapping[int, Baseline]) -> pd.DataFrame:
    """Return a row an experiment: what it hears, the published micro F1, and ours."""
    facts = published.load("bosch2012")["experiments"]
    rows = []
    for number, (system, _, evaluation) in baselines.items():
        micro, macro = (evaluation[average]["f1"] for average in ("micro", "macro"))
        rows.append(
            {
                "experiment": number,
                "name": facts[number]["name"],
                "streams": ", ".join(system.streams),
                "published micro F1": facts[number]["micro_f1"],
                "our micro F1": micro["value"],
                "95 % interval": interval(micro),
                "our macro F1": macro["value"],
                "macro interval": interval(macro),
                "LRAP": evaluation["lrap"]["value"],
                "threshold": system.threshold,
            }
        )
    return pd.DataFrame(rows)


def stream_f1(
    heard: tuple[Heard, Heard], mixed: pd.DataFrame, testing: pd.DataFrame, how: str = "mean"
) -> pd.DataFrame:
    """Score each stream by itself, with the model that hears it in experiments 2, 4 and 5.

    Each stream's threshold is the one of its best micro F1 on the mixtures.

    Returns
    -------
    pandas.DataFrame
        F1 on the testing set: a row a stream, a column an instrument, by name.
    """
    on_mixtures, on_testing = heard
    truth, labels = label_matrix(testing["labels"]), label_matrix(mixed["labels"])
    model_of = EXPERIMENTS[5] | EXPERIMENTS[2]
    rows = {}
    for stream in streams.ALL_STREAMS:
        alone = {stream: model_of[stream]}
        system = experiments.with_threshold(alone, on_mixtures, labels, how)
        decisions = metrics.binarize(system.predict(on_testing), system.threshold)
        rows[stream] = metrics.f1(truth, decisions)
    return pd.DataFrame(rows, index=[INSTRUMENT_NAMES[code] for code in INSTRUMENTS]).T


def seconds_a_clip(samples: np.ndarray, rate: int, separator: str) -> float:
    """Processor time to describe one clip's training streams, past the cache [s]."""
    started = time.process_time()
    streams.describe_clip(samples, rate, streams=streams.TRAINING_STREAMS, separator=separator)
    return time.process_time() - started


def write(
    record: Record, baselines: Mapping[int, Baseline], testing: pd.DataFrame, seconds: float
) -> None:
    """Record predictions and metrics of each experiment as ``bosch-1`` to ``bosch-5``.

    `seconds` is what training all models took.
    """
    seed, history = record.settings.seed, pd.DataFrame({"seconds": [seconds]})
    for number, (system, scores, evaluation) in baselines.items():
        decisions = metrics.binarize(scores, system.threshold)
        record.save_predictions(testing, scores, decisions, f"bosch-{number}")
        facts = {
            "streams": list(system.streams),
            "threshold": system.threshold,
            "settings": record.settings.section("bosch_"),
        }
        summary = tables.summary(
            {seed: evaluation}, {seed: decisions.astype(float)}, history, **facts
        )
        record.save_metrics(summary, f"bosch-{number}")
