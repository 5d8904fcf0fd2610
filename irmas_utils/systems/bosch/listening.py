"""Train a classifier a stream and keep what each says of the clips (08): what takes long."""

import time
import timeit
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from irmas_utils.audio import io
from irmas_utils.data.corpus import Splits, content
from irmas_utils.project import parallel, runs, sources
from irmas_utils.project.settings import Settings
from irmas_utils.systems.bosch import experiments, streams
from irmas_utils.systems.bosch.experiments import PAIRS, Heard


class Listened(NamedTuple):
    """What the trained models say of the mixtures and of the testing clips, and what it took.

    ``seconds`` is of training all models, ``seconds_a_clip`` of describing a training excerpt.
    """

    mixtures: Heard
    testing: Heard
    facts: dict[str, Any]


def listen(parts: Splits, mixed: pd.DataFrame, settings: Settings) -> Listened:
    """Train one classifier a stream and let each hear what some experiment gives it; stored.

    The mixtures are of validation recordings. Errors as `streams.extract` and `svm.fit`.
    """
    used = {"fitting": parts.fitting, "mixtures": mixed, "testing": parts.testing}
    made_from = {
        "separator": settings.bosch.separator,
        "seed": settings.seed,
        "clips": {name: content(clips) for name, clips in used.items()},
        "recordings": list(parts.fitting["recording"]),
        "code": sources.digest_of(__name__),
    }
    arrays, facts, _ = runs.once("bosch", made_from, lambda _: _listen(parts, mixed, settings))
    heard = (
        Heard(dict(zip(PAIRS, arrays[part], strict=True)), arrays[f"{part} clip"])
        for part in ("mixtures", "testing")
    )
    return Listened(*heard, facts)


def _listen(parts: Splits, mixed: pd.DataFrame, settings: Settings) -> runs.Outcome:
    options = {"separator": settings.bosch.separator, "jobs": parallel.cores()}
    fitting = streams.extract(parts.fitting["path"], streams.TRAINING_STREAMS, **options)
    started = time.perf_counter()
    models = experiments.fit_models(
        fitting, parts.fitting, seed=settings.seed, jobs=parallel.cores()
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
        arrays[f"{part} clip"] = heard.clip
        arrays[part] = np.stack([heard.probabilities[pair] for pair in PAIRS])
    return runs.Outcome(arrays, facts)


def _seconds_a_clip(path: str, separator: str) -> float:
    """Processor time to describe one clip's training streams, past the cache [s]."""
    options = {"streams": streams.TRAINING_STREAMS, "separator": separator}
    describe = partial(streams.describe_clip, *io.read(path), **options)
    return min(timeit.repeat(describe, timer=time.process_time, number=1, repeat=2))
