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

from irmas_utils import metrics
from irmas_utils.audio import io
from irmas_utils.audio.features import label_matrix
from irmas_utils.data import published
from irmas_utils.data.corpus import Splits, content
from irmas_utils.metrics import evaluation, tables
from irmas_utils.project import parallel, runs, sources
from irmas_utils.project.records import Record
from irmas_utils.project.settings import Settings
from irmas_utils.project.vocabulary import INSTRUMENT_NAMES, INSTRUMENTS
from irmas_utils.systems.bosch import experiments, streams
from irmas_utils.systems.bosch.experiments import EXPERIMENTS, Heard


class Listened(NamedTuple):
    """What the trained models say of the mixtures and of the testing clips, and what it took.

    Attributes
    ----------
    mixtures, testing : Heard
    facts : dict
        ``seconds`` that training all models took, ``n_descriptors``, ``n_models``, and
        ``seconds_a_clip`` of processor time to describe one training excerpt.
    """

    mixtures: Heard
    testing: Heard
    facts: dict[str, Any]


class Baseline(NamedTuple):
    """One experiment, trained and scored on the testing set.

    Attributes
    ----------
    system : irmas_utils.systems.bosch.experiments.System
    scores : numpy.ndarray, (n_testing_clips, 11)
    evaluation : dict
        See `metrics.evaluate`.
    """

    system: experiments.System
    scores: np.ndarray
    evaluation: dict[str, Any]


def listen(parts: Splits, mixed: pd.DataFrame, settings: Settings) -> Listened:
    """Train one classifier a stream and let each hear what some experiment gives it.

    Descriptors are taken from the cache where they are there, and all of it from the runs that
    are stored (`project.runs`) where nothing that it depends on has changed.

    Parameters
    ----------
    parts : Splits
    mixed : pandas.DataFrame
        Of `systems.mixtures.make`, from validation recordings.
    settings : Settings
        Its ``bosch.separator`` and ``seed`` are used.

    Raises
    ------
    AudioError, SettingsError
        As `streams.extract`.
    TrainingError
        If too few classes can be learnt.
    """
    used = {"fitting": parts.fitting, "mixtures": mixed, "testing": parts.testing}
    made_from = {
        "separator": settings.bosch.separator,
        "seed": settings.seed,
        "clips": {name: content(clips) for name, clips in used.items()},
        "recordings": list(parts.fitting["recording"]),
        "code": sources.digest_of(experiments.__name__, streams.__name__),
    }
    arrays, facts, _ = runs.once("bosch", made_from, lambda _: _listen(parts, mixed, settings))
    return Listened(*(_unpacked(arrays, part) for part in ("mixtures", "testing")), facts)


def _listen(parts: Splits, mixed: pd.DataFrame, settings: Settings) -> runs.Outcome:
    options = {"separator": settings.bosch.separator, "jobs": parallel.cores()}
    fitting = streams.extract(parts.fitting["path"], streams.TRAINING_STREAMS, **options)
    started = time.perf_counter()
    models = experiments.fit_models(
        fitting,
        parts.fitting["labels"].str[0].to_numpy(dtype=str),
        parts.fitting["recording"].to_numpy(),
        seed=settings.seed,
        jobs=parallel.cores(),
    )
    facts = {
        "seconds": time.perf_counter() - started,
        "n_descriptors": next(iter(fitting.streams.values())).shape[1],
        "n_models": len(models),
        "seconds_a_clip": _seconds_a_clip(parts.fitting["path"].iloc[0], options["separator"]),
    }
    arrays = {}
    for part, clips in (("mixtures", mixed), ("testing", parts.testing)):
        heard = experiments.hear(models, streams.extract(clips["path"], **options))
        arrays[f"{part}|clip"] = heard.clip
        arrays |= {f"{part}|{s}|{m}": found for (s, m), found in heard.probabilities.items()}
    return runs.Outcome(arrays, facts)


def _unpacked(arrays: Mapping[str, np.ndarray], part: str) -> Heard:
    own = {name.removeprefix(f"{part}|"): a for name, a in arrays.items() if name.startswith(part)}
    clip = own.pop("clip")
    return Heard({tuple(name.split("|")): found for name, found in own.items()}, clip)


def _seconds_a_clip(path: str, separator: str) -> float:
    """Processor time to describe one clip's training streams, past the cache [s]."""
    samples, rate = io.read(path)

    def seconds() -> float:
        started = time.process_time()
        streams.describe_clip(samples, rate, streams=streams.TRAINING_STREAMS, separator=separator)
        return time.process_time() - started

    return min(seconds() for _ in range(2))


def run(
    heard: Listened, parts: Splits, mixed: pd.DataFrame, settings: Settings
) -> dict[int, Baseline]:
    """Set up the five experiments on the mixtures and score the testing set: by number."""
    labels = label_matrix(mixed["labels"])
    results = {}
    for number in EXPERIMENTS:
        system = experiments.build(number, heard.mixtures, labels, settings.bosch.aggregation)
        scores = system.predict(heard.testing)
        result = evaluation.score(parts.testing, scores, settings, system.threshold)
        results[number] = Baseline(system, scores, result)
    return results


def results_table(baselines: Mapping[int, Baseline]) -> pd.DataFrame:
    """Return a row an experiment: what it hears, the published micro F1, and ours."""
    facts = published.load("bosch2012")["experiments"]
    rows = []
    for number, (system, _, result) in baselines.items():
        row = {
            "experiment": number,
            "name": facts[number]["name"],
            "streams": ", ".join(system.streams),
            "published micro F1": facts[number]["micro_f1"],
        }
        row |= tables.score_row(result, ("micro_f1", "macro_f1"))
        rows.append(row | {"threshold": system.threshold})
    return pd.DataFrame(rows)


def stream_f1(
    heard: Listened, mixed: pd.DataFrame, testing: pd.DataFrame, how: str = "mean"
) -> pd.DataFrame:
    """Score each stream by itself, with the model that hears it in experiments 2, 4 and 5.

    Each stream's threshold is the one of its best micro F1 on the mixtures.

    Returns
    -------
    pandas.DataFrame
        F1 on the testing set: a row a stream, a column an instrument, by name.
    """
    truth, labels = label_matrix(testing["labels"]), label_matrix(mixed["labels"])
    model_of = EXPERIMENTS[5] | EXPERIMENTS[2]
    rows = {}
    for stream in streams.ALL_STREAMS:
        alone = {stream: model_of[stream]}
        system = experiments.with_threshold(alone, heard.mixtures, labels, how)
        decisions = metrics.binarize(system.predict(heard.testing), system.threshold)
        rows[stream] = metrics.f1(truth, decisions)
    return pd.DataFrame(rows, index=[INSTRUMENT_NAMES[code] for code in INSTRUMENTS]).T


def write(
    record: Record, baselines: Mapping[int, Baseline], testing: pd.DataFrame, seconds: float
) -> None:
    """Record predictions and metrics of each experiment as ``bosch-1`` to ``bosch-5``.

    Parameters
    ----------
    record : Record
    baselines : mapping
        Of `run`.
    testing : pandas.DataFrame
        Rows of the index.
    seconds : float
        That training all models took.
    """
    seed, history = record.settings.seed, pd.DataFrame({"seconds": [seconds]})
    for number, (system, scores, result) in baselines.items():
        decisions = metrics.binarize(scores, system.threshold)
        record.save_predictions(testing, scores, decisions, f"bosch-{number}")
        facts = {
            "streams": list(system.streams),
            "threshold": system.threshold,
            "settings": record.settings.bosch.model_dump(),
        }
        summary = evaluation.summary({seed: result}, {seed: decisions}, history, **facts)
        record.save_metrics(summary, f"bosch-{number}")
