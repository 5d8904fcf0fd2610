"""From a clip to the descriptors of its streams, window by window.

A stream is a mono signal derived from a clip: its mono mix-down, its left, right, mid and side,
a separated stem, or a sum of stems.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from irmas_utils.audio import io
from irmas_utils.audio.cache import FeatureCache
from irmas_utils.project import parallel
from irmas_utils.systems.bosch import descriptors
from irmas_utils.systems.bosch.separation import STEMS, check_channels, separate

WINDOW_SECONDS = 3.0  # the length of a training excerpt
SIDES = ("left", "right", "mid", "side")
# Sums of stems that the fifth experiment may choose from. The published one adds such streams
# too; which ones is not available to us.
COMBINATIONS = {
    "pitched": ("bass", "melody", "other"),
    "lead": ("melody", "other"),
    "backing": ("drums", "bass", "other"),
}
TRAINING_STREAMS = ("mono", *STEMS, *COMBINATIONS)
ALL_STREAMS = ("mono", *SIDES, *STEMS, *COMBINATIONS)


class StreamFeatures(NamedTuple):
    """Descriptors of every window of every stream of some clips, one clip after another."""

    streams: dict[str, np.ndarray]  # (n_windows, n_descriptors) each; a silent window is all zero
    clip: np.ndarray  # int, (n_windows,): of which clip, from 0; each has at least one window


def windows(n_samples: int, length: int) -> list[slice]:
    """Cover `n_samples` evenly by the fewest windows of `length`; they may overlap.

    A clip shorter than one window is one.
    """
    count = max(1, -(-n_samples // length))
    starts = np.linspace(0, max(n_samples - length, 0), count).round().astype(int)
    return [slice(start, start + length) for start in starts.tolist()]


def split(
    samples: np.ndarray, rate: int, streams: Sequence[str], separator: str = "spectral"
) -> dict[str, np.ndarray]:
    """Derive mono streams, each (n,), out of `ALL_STREAMS` from a clip.

    Parameters and errors as `separation.separate`, which runs only where a stream needs it.
    """
    check_channels(samples)
    left, right = samples[:, 0], samples[:, -1]
    # Published are M = L + R and S = L - R; descriptors do not depend on the level.
    found = {"mono": io.mono(samples), "left": left, "right": right}
    found |= {"mid": (left + right) / 2, "side": (left - right) / 2}
    if not found.keys() >= set(streams):
        stems = separate(samples, rate, separator)
        found |= {stem: io.mono(signal) for stem, signal in stems.items()}
        found |= {name: sum(found[part] for part in parts) for name, parts in COMBINATIONS.items()}
    return {name: found[name] for name in streams}


def describe_clip(
    samples: np.ndarray, rate: int, *, streams: Sequence[str], separator: str = "spectral"
) -> np.ndarray:
    """Describe every window of each stream: float32, (n_streams, n_windows, n_descriptors)."""
    cuts = windows(len(samples), round(WINDOW_SECONDS * rate))
    described: dict[str, np.ndarray] = {}
    for name, signal in split(samples, rate, streams, separator).items():
        # Mid is mono at another level, which descriptors do not see.
        twin = described.get({"mid": "mono", "mono": "mid"}.get(name))
        if twin is None:
            twin = np.stack([descriptors.describe(signal[cut], rate) for cut in cuts])
        described[name] = twin
    return np.stack(list(described.values()))


def extract(
    paths: Iterable[str | Path],
    streams: Sequence[str] = ALL_STREAMS,
    *,
    separator: str = "spectral",
    jobs: int = 1,
) -> StreamFeatures:
    """Describe files, on several cores and from the cache where they are there.

    The clips are in the order of `paths`, whatever the number of processes, `jobs`. The training
    set needs only `TRAINING_STREAMS`. Errors as `separation.separate`.
    """
    options = {"streams": list(streams), "separator": separator}
    cache = FeatureCache("streams", describe_clip, mono=False, **options)
    paths = list(paths)
    missing = [path for path in paths if not cache.entry(path).exists()]
    made = dict(zip(missing, parallel.run(cache, missing, jobs), strict=True))
    clips = [made[path] if path in made else cache(path) for path in paths]
    owner = np.repeat(np.arange(len(clips)), [clip.shape[1] for clip in clips])
    stacked = np.concatenate(clips, axis=1) if clips else np.zeros((len(streams), 0, 0))
    return StreamFeatures(dict(zip(streams, stacked, strict=True)), owner)
