"""What "predominant" means to a system: from which level on does it name an instrument?

One instrument is mixed with one or more others, and its level is swept against theirs. All come
from recordings that no system was trained on: of the sample corpus the rendered stem of the
labelled player alone, of real clips the whole excerpt, in which others may play unlabelled.
Notebooks: 07 to 09.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from irmas_utils.audio import io
from irmas_utils.data import corpus, sample
from irmas_utils.project import runs, sources
from irmas_utils.project.settings import Settings, Sweep
from irmas_utils.project.vocabulary import INSTRUMENTS

RATE = 22050  # of the example [Hz]
SECONDS = 3.0  # of a mixture: as long as a training excerpt
KEYS = ["instrument", "excerpt", "others"]


Source = Callable[[int, int], np.ndarray]
"""From a position and a rate [Hz] to the samples of an instrument, (n_samples,)."""


class Listener(NamedTuple):
    """A system: it scores clips at `rate` [Hz], float32 (n_clips, n_samples), as (n_clips, 11)."""

    rate: int
    score: Callable[[np.ndarray], np.ndarray]
    made_from: Any  # JSON: what tells it from every other


def plan(clips: pd.DataFrame, sweep: Sweep, seed: int) -> pd.DataFrame:
    """Choose what is swept against what: a row an excerpt and number of others.

    Excerpts of different recordings come first; the others are of different classes. Columns:
    `KEYS`, ``target`` and ``with``, positions in `clips`, which are training rows of the index.
    """
    rng, classes = np.random.default_rng(seed), clips["labels"].str[0].to_numpy(str)
    turn = clips.groupby("recording").cumcount().to_numpy()
    order = np.lexsort((rng.random(len(clips)), turn))
    chosen = {
        str(code): order[classes[order] == code][: sweep.excerpts].tolist()
        for code in np.intersect1d(INSTRUMENTS, classes)
    }
    rows = []
    for code, targets in chosen.items():
        for excerpt, target in enumerate(targets):
            rivals = rng.permutation([other for other in chosen if other != code]).tolist()
            drawn = [int(rng.choice(chosen[rival])) for rival in rivals]
            numbers = [n for n in sweep.others if n <= len(drawn)]
            rows += [(code, excerpt, n, target, tuple(drawn[:n])) for n in numbers]
    return pd.DataFrame(rows, columns=[*KEYS, "target", "with"])


def mixtures(row: Any, load: Source, rate: int, decibels: Sequence[float]) -> np.ndarray:
    """Mix a row of `plan` at each level: float32, (n_levels, n_samples), with a peak of 0.9.

    A level is the instrument's RMS against that of the sum of the others, which are equally loud.
    Minus infinity leaves the instrument out.
    """
    others = _unit(np.sum([load(position, rate) for position in row[-1]], axis=0))
    gains = 10 ** (np.asarray(decibels, dtype=float) / 20)
    mixed = others + gains[:, None] * load(row[-2], rate)
    peaks = np.maximum(np.abs(mixed).max(axis=1, keepdims=True), 1e-6)  # an excerpt may be silent
    return (0.9 * mixed / peaks).astype(np.float32)


def source(clips: pd.DataFrame, settings: Settings) -> Source:
    """Return what loads an instrument, mono, at unit RMS, and as long as `SECONDS`."""

    @functools.cache
    def alone(position: int) -> np.ndarray:
        if settings.corpus.source == "sample":
            return io.mono(sample.stems(settings, clips["name"].iloc[position])["melody"])
        return io.load_mono(clips["path"].iloc[position])

    def load(position: int, rate: int) -> np.ndarray:
        samples = io.resample(alone(position), clips["sample_rate"].iloc[position], rate)
        return _unit(np.resize(samples, round(SECONDS * rate)))

    return load


def _unit(samples: np.ndarray) -> np.ndarray:
    return samples / max(float(np.sqrt(np.mean(np.square(samples)))), 1e-6)


def scores(
    name: str, heard: Listener, load: Source, clips: pd.DataFrame, settings: Settings
) -> np.ndarray:
    """Let a system hear all mixtures of a `source`, absent first: (n_rows, 1 + n_levels, 11)."""
    levels = [-np.inf, *settings.sweep.decibels]
    made_from = {
        "sweep": settings.sweep.model_dump(),
        "seed": settings.seed,
        "clips": corpus.content(clips),
        "system": heard.made_from,
        "code": sources.digest_of(__name__),
    }

    def make(_: Any) -> runs.Outcome:
        rows = plan(clips, settings.sweep, settings.seed).itertuples(index=False)
        found = [heard.score(mixtures(row, load, heard.rate, levels)) for row in rows]
        return runs.Outcome({"scores": np.stack(found)}, {})

    return runs.once(f"levels-{name}", made_from, make).arrays["scores"]


def answers(
    system: str, found: np.ndarray, threshold: float, clips: pd.DataFrame, settings: Settings
) -> pd.DataFrame:
    """Say at which levels a system names the instrument, out of `scores`: 0 or 1 a level.

    Columns: system, `KEYS`, "absent", and a level each; `metrics.levels` makes curves of them.
    """
    rows = plan(clips, settings.sweep, settings.seed)
    column = rows["instrument"].map(INSTRUMENTS.index).to_numpy()
    named = np.take_along_axis(found, column[:, None, None], axis=2)[..., 0] > threshold
    levels = ["absent", *(f"{level:g}" for level in settings.sweep.decibels)]
    table = pd.concat([rows[KEYS], pd.DataFrame(named.astype(int), columns=levels)], axis=1)
    return table.assign(system=system)[["system", *KEYS, *levels]]


def example(load: Source, clips: pd.DataFrame, settings: Settings) -> tuple[str, np.ndarray]:
    """Return an instrument's code and a second at each level, the lowest first, at `RATE`."""
    rows = plan(clips, settings.sweep, settings.seed)
    row = rows[rows["others"] == rows["others"].min()].iloc[-1]
    mixed = mixtures(tuple(row), load, RATE, settings.sweep.decibels)
    return row["instrument"], mixed[:, :RATE].ravel()
