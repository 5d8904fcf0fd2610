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
from irmas_utils.metrics import tables as experiment
from irmas_utils.metrics.tables import Splits, interval
from irmas_utils.project import parallel
from irmas_utils.project.records import Record
from irmas_utils.project.settings import Settings
from irmas_utils.systems.bosch import experiments as bosch
from irmas_utils.systems.bosch import separation, streams
from irmas_utils.systems.bosch.streams import StreamFeatures


class Described(NamedTuple):
    """Descriptors of the clips to fit on, of the mixtures and of the testing clips."""

    fitting: StreamFeatures
    mixtures: StreamFeatures
    testing: StreamFeatures


class Baseline(NamedTuple):
    """One experiment, trained and scored on the testing set.

    Attributes
    ----------
    system : irmas_utils.systems.bosch.experiments.System
    scores : numpy.ndarray, (n_testing_clips, 11)
    evaluation : dict
        See `metrics.evaluate`.
    """

    system: bosch.System
    scores: np.ndarray
    evaluation: dict[str, Any]


def describe(parts: Splits, mixed: pd.DataFrame, settings: Settings) -> Described:
    """Describe all streams of all clips, on every core, from the cache where they are there.

    Parameters
    ----------
    parts : Splits
    mixed : pandas.DataFrame
        Of `systems.mixtures.make`, from validation recordings.
    settings : Settings
        Its `bosch.separator` is used.

    Raises
    ------
    AudioError
        If a file cannot be read.
    SettingsError
        If there is no such separator, or it is not installed.
    """
    wanted = (
        (parts.fitting, streams.TRAINING_STREAMS),
        (mixed, streams.ALL_STREAMS),
        (parts.testing, streams.ALL_STREAMS),
    )
    options = {"separator": settings.bosch.separator, "jobs": parallel.cores()}
    return Described(*(streams.extract(clips["path"], s, **options) for clips, s in wanted))


def fit(described: Described, parts: Splits, settings: Settings) -> dict[str, Any]:
    """Train one classifier a stream. Raises TrainingError if too few classes can be learnt."""
    return bosch.fit_models(
        described.fitting,
        parts.fitting["labels"].str[0].to_numpy(dtype=str),
        parts.fitting["recording"].to_numpy(),
        seed=settings.seed,
        jobs=parallel.cores(),
    )


def run(
    described: Described,
    models: Mapping[str, Any],
    parts: Splits,
    mixed: pd.DataFrame,
    settings: Settings,
) -> dict[int, Baseline]:
    """Set up the five experiments on the mixtures and score the testing set: by number."""
    labels = label_matrix(mixed["labels"])
    results = {}
    for number in bosch.EXPERIMENTS:
        system = bosch.build(number, models, described.mixtures, labels, settings.bosch.aggregation)
        scores = system.predict(described.testing)
        evaluation = experiment.score(parts.testing, scores, settings, system.threshold)
        results[number] = Baseline(system, scores, evaluation)
    return results


def results_table(baselines: Mapping[int, Baseline]) -> pd.DataFrame:
    """Return a row an experiment: what it hears, the published micro F1, and ours."""
    facts = published.load("bosch2012")["experiments"]
    rows = []
    for number, baseline in baselines.items():
        micro, macro = (baseline.evaluation[average]["f1"] for average in ("micro", "macro"))
        rows.append(
            {
                "experiment": number,
                "name": facts[number]["name"],
                "streams": ", ".join(baseline.system.models),
                "published micro F1": facts[number]["micro_f1"],
                "our micro F1": micro["value"],
                "95 % interval": interval(micro),
                "our macro F1": macro["value"],
                "macro interval": interval(macro),
                "LRAP": baseline.evaluation["lrap"]["value"],
                "threshold": baseline.system.threshold,
            }
        )
    return pd.DataFrame(rows)


def stream_f1(
    described: Described,
    models: Mapping[str, Any],
    mixed: pd.DataFrame,
    testing: pd.DataFrame,
    how: str = "mean",
) -> pd.DataFrame:
    """Score each stream by itself, with the model that hears it in experiments 2, 4 and 5.

    Each stream's threshold is the one of its best micro F1 on the mixtures.

    Returns
    -------
    pandas.DataFrame
        F1 on the testing set: a row a stream, a column an instrument, by name.
    """
    truth, labels = label_matrix(testing["labels"]), label_matrix(mixed["labels"])
    heard = bosch.assign(5, dict(models)) | bosch.assign(2, dict(models))
    rows = {}
    for stream, model in heard.items():
        on_mixtures, on_testing = (
            bosch.aggregate(
                bosch.stream_probabilities({stream: model}, features).values(),
                features.clip,
                features.n_clips,
                how,
            )
            for features in (described.mixtures, described.testing)
        )
        threshold, _ = bosch.choose_threshold(on_mixtures, labels)
        rows[stream] = metrics.f1(truth, metrics.binarize(on_testing, threshold))
    names = [INSTRUMENT_NAMES[code] for code in INSTRUMENTS]
    order = [stream for stream in streams.ALL_STREAMS if stream in rows]
    return pd.DataFrame(rows, index=names).T.loc[order]


def separation_quality(
    true: Mapping[str, Mapping[str, np.ndarray]], rate: int, separator: str
) -> pd.DataFrame:
    """Compare separated stems with true ones.

    Parameters
    ----------
    true : mapping
        Name of a clip to its true stems, each (n_samples, 2).
    rate : int
        In hertz.
    separator : str
        As in `systems.bosch.separation.load`.

    Returns
    -------
    pandas.DataFrame
        A row a clip and stem: clip, stem, SI-SDR of the separated stem and of the mixture as
        its estimate, and the improvement of one over the other, all in dB.
    """
    separate = separation.load(separator)
    rows = []
    for clip, stems in true.items():
        found = separation.compare(separate(sum(stems.values()), rate), dict(stems))
        rows += [{"clip": clip, "stem": stem, **scores} for stem, scores in found.items()]
    return pd.DataFrame(rows, columns=["clip", "stem", "si_sdr", "mixture", "improvement"])


def seconds_a_clip(samples: np.ndarray, rate: int, separator: str) -> float:
    """Processor time to describe one clip's training streams, past the cache [s]."""
    started = time.process_time()
    streams.describe_clip(samples, rate, streams=streams.TRAINING_STREAMS, separator=separator)
    return time.process_time() - started


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
    for number, baseline in baselines.items():
        name, seed = f"bosch-{number}", record.settings.seed
        decisions = metrics.binarize(baseline.scores, baseline.system.threshold)
        record.save_predictions(testing, baseline.scores, decisions, name)
        facts = {
            "streams": list(baseline.system.models),
            "threshold": baseline.system.threshold,
            "settings": record.settings.bosch.model_dump(),
        }
        history = pd.DataFrame({"seconds": [seconds]})
        summary = experiment.summary(
            {seed: baseline.evaluation}, {seed: decisions.astype(float)}, history, **facts
        )
        record.save_metrics(summary, name)
