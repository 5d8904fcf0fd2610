"""From a clip to the descriptors of its streams, window by window.

A stream is a mono signal derived from a clip: its mono mix-down, its left, right, mid and side,
a separated stem, or a sum of stems. Each is cut into windows as long as a training excerpt, and
each window is described by `systems.bosch.descriptors`.

Notebooks: 08_bosch_baselines.ipynb, and 04_fft_model.ipynb where it reads streams.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from irmas_utils.audio import io as audio
from irmas_utils.audio.cache import FeatureCache
from irmas_utils.audio.features import fft_magnitude
from irmas_utils.project import parallel
from irmas_utils.systems.bosch import descriptors, separation

WINDOW_SECONDS = 3.0  # the length of a training excerpt
SIDES = ("left", "right", "mid", "side")
STEMS = separation.STEMS
# Sums of stems that the fifth experiment may choose from. The published one adds such streams
# too; which ones is not available to us.
COMBINATIONS = {
    "pitched": ("bass", "melody", "other"),
    "lead": ("melody", "other"),
    "backing": ("drums", "bass", "other"),
}
TRAINING_STREAMS = ("mono", *STEMS, *COMBINATIONS)
ALL_STREAMS = ("mono", *SIDES, *STEMS, *COMBINATIONS)


@dataclass(frozen=True)
class StreamFeatures:
    """Descriptors of every window of every stream of some clips.

    Attributes
    ----------
    streams : dict of str to ndarray, shape (n_windows, n_descriptors)
        The windows of all clips one after another; a silent window is all zero.
    clip : ndarray of int, shape (n_windows,)
        Which clip each window belongs to, from 0, ascending.
    """

    streams: dict[str, np.ndarray]
    clip: np.ndarray

    @property
    def n_clips(self) -> int:
        """Number of clips; every clip has at least one window."""
        return int(self.clip[-1]) + 1 if len(self.clip) else 0


def windows(n_samples: int, length: int) -> list[slice]:
    """Cover `n_samples` evenly by the fewest windows of `length` samples.

    The first starts at the beginning and the last ends at the end, so that windows of a clip
    whose length is no multiple of theirs overlap. A clip shorter than one window is one.
    """
    count = max(1, -(-n_samples // length))
    starts = np.linspace(0, max(n_samples - length, 0), count).round().astype(int)
    return [slice(start, start + length) for start in starts.tolist()]


def split(
    samples: np.ndarray, rate: int, streams: Iterable[str], separator: str = "spectral"
) -> dict[str, np.ndarray]:
    """Derive mono streams from a clip.

    Parameters
    ----------
    samples : ndarray, shape (n, n_channels)
        One or two channels.
    rate : int
        Sampling rate [Hz].
    streams : iterable of str
        Names out of `ALL_STREAMS`.
    separator : str
        As in `separation.load`; not run unless a stream needs it.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        In the order of `streams`.

    Raises
    ------
    AudioError
        If there are more than two channels.
    SettingsError
        If there is no such separator, or it is not installed.
    """
    streams = tuple(streams)
    found = {"mono": audio.mono(samples)} | separation.streams(samples)
    if not found.keys() >= set(streams):
        stems = separation.load(separator)(samples, rate)
        found |= {stem: audio.mono(signal) for stem, signal in stems.items()}
        found |= {name: sum(found[part] for part in parts) for name, parts in COMBINATIONS.items()}
    return {name: found[name] for name in streams}


def describe_clip(
    samples: np.ndarray,
    rate: int,
    *,
    streams: Sequence[str],
    separator: str = "spectral",
    seconds: float = WINDOW_SECONDS,
) -> np.ndarray:
    """Describe every window of every stream of a clip.

    Returns
    -------
    ndarray of float32, shape (n_streams, n_windows, n_descriptors)
        Parameters, order and errors as in `split`.
    """
    cuts = windows(len(samples), round(seconds * rate))
    described: dict[str, np.ndarray] = {}
    for name, signal in split(samples, rate, streams, separator).items():
        # Mid is mono at another level, which descriptors do not see.
        twin = {"mid": "mono", "mono": "mid"}.get(name)
        described[name] = (
            described[twin]
            if twin in described
            else np.stack([descriptors.describe(signal[cut], rate) for cut in cuts])
        )
    return np.stack([described[name] for name in streams])


def spectra(
    samples: np.ndarray, rate: int, *, streams: Sequence[str], length: int, separator: str
) -> np.ndarray:
    """Transform every stream of a clip by itself, in as many numbers as the mono mix has.

    The paper's outlook (section 7): separate first, "then applying the FFT to each stream". So
    that a network of the same size reads them, each stream keeps one magnitude, the root mean
    square, of as many neighbouring bins as there are streams. A training excerpt of 3 s, padded
    to 20, has spectra so much finer than its own resolution that four bins say what one says.

    Parameters
    ----------
    samples, rate, streams, separator
        As in `split`.
    length : int
        Padded length in samples, as in `audio.features.fft_magnitude`.

    Returns
    -------
    ndarray of float32, shape (length // 2 // n_streams * n_streams,)
        The streams one after another. Errors as in `split`; AudioError too if the clip is longer
        than `length`.
    """
    n_kept = length // 2 // len(streams)
    pooled = []
    for signal in split(samples, rate, streams, separator).values():
        bins = fft_magnitude(signal, length)[: n_kept * len(streams)]
        pooled.append(np.sqrt(np.square(bins).reshape(n_kept, -1).mean(axis=1)))
    return np.concatenate(pooled)


def spectra_cache(streams: Sequence[str], length: int, separator: str = "spectral") -> FeatureCache:
    """Return `spectra` as a function of a file that keeps its results on disk."""
    parameters = {"streams": list(streams), "length": length, "separator": separator}
    return _ClipCache("spectra", spectra, **parameters)


class _ClipCache(FeatureCache):
    """A cache for functions of all channels at the file's own rate."""

    def compute(self, path: str | Path) -> np.ndarray:
        samples, rate = audio.read(path)
        return self.function(samples, rate, **self.parameters)


def stems(path: str | Path, separator: str = "spectral") -> dict[str, np.ndarray]:
    """Return the stems of a file, each (n, n_channels), from the cache if they are there.

    Raises
    ------
    AudioError
        If the file cannot be read or has more than two channels.
    SettingsError
        If there is no such separator, or it is not installed.
    """
    cache = _ClipCache("stems", _stacked_stems, separator=separator)
    return dict(zip(separation.load(separator).stems, cache(path), strict=True))


def _stacked_stems(samples: np.ndarray, rate: int, separator: str) -> np.ndarray:
    return np.stack(list(separation.load(separator)(samples, rate).values()))


def extract(
    paths: Iterable[str | Path],
    streams: Sequence[str] = ALL_STREAMS,
    *,
    separator: str = "spectral",
    jobs: int = 1,
) -> StreamFeatures:
    """Describe files, on several cores and from the cache where they are there.

    Parameters
    ----------
    paths : iterable of str or Path
    streams : sequence of str
        Names out of `ALL_STREAMS`; the training set needs only `TRAINING_STREAMS`.
    separator : str
        As in `separation.load`.
    jobs : int
        Number of processes. The result does not depend on it.

    Returns
    -------
    StreamFeatures
        The clips in the order of `paths`.

    Raises
    ------
    AudioError
        If a file cannot be read or has more than two channels.
    SettingsError
        If there is no such separator, or it is not installed.
    """
    cache = _ClipCache("streams", describe_clip, streams=list(streams), separator=separator)
    clips = list(parallel.run(cache, paths, jobs))
    owner = np.repeat(np.arange(len(clips)), [clip.shape[1] for clip in clips])
    stacked = np.concatenate(clips, axis=1) if clips else np.zeros((len(streams), 0, 0))
    return StreamFeatures(dict(zip(streams, stacked, strict=True)), owner)
