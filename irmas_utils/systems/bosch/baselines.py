"""The five systems of Bosch et al. on a profile's data (08): described, trained, scored."""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from irmas_utils import metrics
from irmas_utils.audio.features import label_matrix
from irmas_utils.data import published
from irmas_utils.data.corpus import Splits, content
from irmas_utils.metrics import evaluation, tables
from irmas_utils.project import sources
from irmas_utils.project.records import Record
from irmas_utils.project.settings import Settings
from irmas_utils.project.vocabulary import INSTRUMENT_NAMES
from irmas_utils.systems.bosch import experiments, streams
from irmas_utils.systems.bosch.listening import Listened
from irmas_utils.systems.predominance import Listener


class Baseline(NamedTuple):
    """An experiment, its scores of the testing clips, (n_clips, 11), and their evaluation."""

    system: experiments.System
    scores: np.ndarray
    evaluation: dict[str, Any]


def run(
    heard: Listened, parts: Splits, mixed: pd.DataFrame, settings: Settings, how: str
) -> dict[int, Baseline]:
    """Set up the five experiments on the mixtures and score the testing set: by number.

    `how` is as in `experiments.aggregate`.
    """
    labels = label_matrix(mixed["labels"])
    results = {}
    for number in experiments.EXPERIMENTS:
        system = experiments.build(number, heard.mixtures, labels, how)
        scores = system.predict(heard.testing)
        result = evaluation.score(parts.testing, scores, settings, system.threshold)
        results[number] = Baseline(system, scores, result)
    return results


def results_table(baselines: Mapping[int, Baseline]) -> pd.DataFrame:
    """Return a row an experiment: what it hears, the published micro F1, and ours."""
    facts = published.load("bosch2012")["experiments"]
    return pd.DataFrame(
        {
            "experiment": number,
            "name": facts[number]["name"],
            "streams": ", ".join(system.streams),
            "published micro F1": facts[number]["micro_f1"],
            "micro P": result["micro"]["precision"]["value"],
            "micro R": result["micro"]["recall"]["value"],
            **tables.score_row(result, ("micro_f1", "macro_f1")),
            "threshold": system.threshold,
        }
        for number, (system, _, result) in baselines.items()
    )


def stream_f1(
    heard: Listened, mixed: pd.DataFrame, testing: pd.DataFrame, how: str = "mean"
) -> pd.DataFrame:
    """Score each stream by itself, with the model that hears it in experiments 2, 4 and 5.

    Returns F1 on the testing set, a row a stream, a column an instrument, by name. Each stream's
    threshold is the one of its best micro F1 on the mixtures.
    """
    truth, labels = label_matrix(testing["labels"]), label_matrix(mixed["labels"])
    model_of = experiments.EXPERIMENTS[5] | experiments.EXPERIMENTS[2]
    rows = {}
    for stream in streams.ALL_STREAMS:
        alone = {stream: model_of[stream]}
        system = experiments.with_threshold(alone, heard.mixtures, labels, how)
        decisions = metrics.binarize(system.predict(heard.testing), system.threshold)
        rows[stream] = metrics.f1(truth, decisions)
    return pd.DataFrame(rows, index=list(INSTRUMENT_NAMES.values())).T


def listener(baseline: Baseline, parts: Splits, settings: Settings) -> Listener:
    """Let an experiment listen to any clips; its models are fitted when the first come."""
    system, separator = baseline.system, settings.bosch.separator
    options = {"streams": list(system.streams), "separator": separator}
    rate = int(parts.fitting["sample_rate"].iloc[0])

    @functools.cache
    def models() -> dict[str, Any]:
        files, wanted = parts.fitting["path"], streams.TRAINING_STREAMS
        training = streams.extract(files, wanted, separator=separator)
        used = {name: training.streams[name] for name in {*system.streams.values()}}
        training = training._replace(streams=used)
        return experiments.fit_models(training, parts.fitting, seed=settings.seed)

    def score(clips: np.ndarray) -> np.ndarray:
        described = [streams.describe_clip(clip[:, None], rate, **options) for clip in clips]
        stacked = np.concatenate(described, axis=1)
        owner = np.repeat(np.arange(len(clips)), [each.shape[1] for each in described])
        features = streams.StreamFeatures(dict(zip(system.streams, stacked, strict=True)), owner)
        return system.predict(experiments.hear(models(), features))

    made_from = [system._asdict(), separator, content(parts.fitting), sources.digest_of(__name__)]
    return Listener(rate, score, made_from)


def write(
    record: Record, baselines: Mapping[int, Baseline], testing: pd.DataFrame, seconds: float
) -> None:
    """Record each experiment as ``bosch-1`` to ``bosch-5``; `seconds` is of training all models."""
    seed, history = record.settings.seed, pd.DataFrame({"seconds": [seconds]})
    for number, (system, scores, result) in baselines.items():
        decisions = metrics.binarize(scores, system.threshold)
        record.save_predictions(testing, scores, decisions, f"bosch-{number}")
        facts = {
            "streams": list(system.streams),
            "threshold": system.threshold,
            "settings": record.settings.bosch.model_dump(),
        }
        said = {seed: (scores, system.threshold)}
        summary = evaluation.summary(testing, result, said, history, **facts)
        record.save_metrics(summary, f"bosch-{number}")
