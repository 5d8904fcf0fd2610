"""Multi-label mixtures of single-label excerpts: a stand-in for the test set.

A decision threshold chosen on excerpts of one label fails on test clips of one to five, which must
not choose anything. So recordings held out of the training set are mixed: one for each label, as
many labels as test clips have, in the published proportions.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import soundfile

from irmas_utils.audio import io
from irmas_utils.data import published
from irmas_utils.data.corpus import content
from irmas_utils.project import paths, sources
from irmas_utils.project.files import kept, seal
from irmas_utils.project.vocabulary import INSTRUMENTS

SEGMENTS = (2, 6)  # a segment is one excerpt long, so 6 to 18 s of IRMAS
GAIN_RANGE_DB = 6.0


class Mixture(NamedTuple):
    """Which excerpts sound together: of one recording for each label, a row for each segment."""

    labels: tuple[str, ...]
    sources: tuple[tuple[int, ...], ...]  # repeated where a recording has too few
    gains: tuple[float, ...]  # of each source [dB], relative to unit RMS


def plan(table: pd.DataFrame, n_mixtures: int, rng: np.random.Generator) -> list[Mixture]:
    """Choose what to mix of held-out rows: classes as often as recordings, each once a mixture."""
    classes = table["labels"].str[0].to_numpy(dtype=str)
    rows = pd.DataFrame({"class": classes, "row": np.arange(len(table))})
    grouped = rows.groupby(["class", table["recording"].to_numpy()])["row"].apply(tuple)
    recordings = {code: list(part) for code, part in grouped.groupby(level=0)}
    counts = published.load("irmas")["testing"]["clips_by_number_of_labels"]
    share = np.array(list(counts.values())) / sum(counts.values())
    wanted = rng.choice(list(counts), size=n_mixtures, p=share)
    return [_draw(recordings, min(int(n), len(recordings)), rng) for n in wanted]


def _draw(
    recordings: dict[str, list[tuple[int, ...]]], n_labels: int, rng: np.random.Generator
) -> Mixture:
    frequency = np.array([len(found) for found in recordings.values()], float)
    drawn = rng.choice(list(recordings), n_labels, replace=False, p=frequency / frequency.sum())
    labels = sorted(drawn.tolist(), key=INSTRUMENTS.index)
    n_segments = int(rng.integers(SEGMENTS[0], SEGMENTS[1] + 1))
    chosen = [recordings[label][rng.integers(len(recordings[label]))] for label in labels]
    return Mixture(
        labels=tuple(labels),
        sources=tuple(tuple(np.resize(rows, n_segments).tolist()) for rows in chosen),
        gains=tuple(rng.uniform(-GAIN_RANGE_DB, 0, n_labels).tolist()),
    )


def render(mixture: Mixture, files: list[str]) -> tuple[np.ndarray, int]:
    """Mix excerpts, out of the paths of all rows that `plan` was given. Raises AudioError.

    Returns float32, (n, 2), with a peak of 0.9 and as long as the shortest source, at the rate [Hz]
    of the first excerpt, and the rate. A mono file goes to both channels.
    """
    _, rate = io.read(files[mixture.sources[0][0]])
    sources = [
        np.concatenate([_excerpt(files[row], rate) for row in rows]) * 10 ** (gain / 20)
        for rows, gain in zip(mixture.sources, mixture.gains, strict=True)
    ]
    length = min(len(source) for source in sources)
    mixed = sum(source[:length] for source in sources)
    return (0.9 * mixed / max(np.abs(mixed).max(), 1e-9)).astype(np.float32), rate


def _excerpt(file: str, rate: int) -> np.ndarray:
    """Return one file at unit RMS, in stereo at `rate`."""
    samples, own_rate = io.read(file)
    samples = io.resample(samples[:, [0, -1]], own_rate, rate)
    return samples / max(np.sqrt(np.mean(samples**2)), 1e-9)


def make(table: pd.DataFrame, n_mixtures: int, seed: int) -> pd.DataFrame:
    """Write mixtures of excerpts that no model is trained on to the cache, unless they are there.

    `table` has training rows of the index. Returns a row a mixture, with the index's columns
    ``path`` (16-bit WAV), ``name``, ``labels`` and ``recording``, here that of the first label.
    Raises AudioError if a file cannot be read.
    """
    files, recordings = list(table["path"]), list(table["recording"])
    made_from = [content(table), sources.digest_of(__name__)]
    rows = []
    for mixture in plan(table, n_mixtures, np.random.default_rng(seed)):
        name = f"{'-'.join(mixture.labels)}-{seal([made_from, mixture])[:20]}.wav"
        path = kept(
            paths.cache_root() / "mixtures" / name,
            lambda file, mixture=mixture: soundfile.write(file, *render(mixture, files), "PCM_16"),
        )
        recording = recordings[mixture.sources[0][0]]
        rows.append((str(path), path.stem, mixture.labels, recording))
    return pd.DataFrame(rows, columns=["path", "name", "labels", "recording"])
