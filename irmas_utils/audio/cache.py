"""Features on disk, a file a clip, found again by content.

The key of an entry is the hash of the clip's bytes; the folder's name holds the hash of the
function's name, parameters and version. So a changed parameter or file means a new entry, moving
the data set means none, and duplicates share one. Entries appear whole or not at all.
"""

import functools
import hashlib
import json
import os
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from irmas_utils.audio.io import load_mono, read, resample
from irmas_utils.project import paths
from irmas_utils.project.files import digest

_MAGIC = b"IRM1"


class FeatureCache:
    """Wrap a function of a clip so that its results are kept on disk, in a folder of that name.

    Parameters
    ----------
    function : callable
        ``function(samples, **parameters) -> numpy.ndarray``, with samples ``(n_samples,)``, or
        without `mono` ``function(samples, rate, **parameters)``, with samples
        ``(n_samples, n_channels)``; what it returns is kept as float32.
    sample_rate : int, optional
        Rate in hertz that clips are resampled to; their own when None.
    version : int
        Raise it when `function` changes what it returns.
    **parameters
        JSON values passed to `function`; part of the key.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., np.ndarray],
        *,
        mono: bool = True,
        sample_rate: int | None = None,
        version: int = 1,
        **parameters: Any,
    ) -> None:
        self.function, self.mono, self.sample_rate = function, mono, sample_rate
        self.parameters = parameters
        key = json.dumps([name, version, sample_rate, parameters], sort_keys=True)
        suffix = hashlib.blake2b(key.encode(), digest_size=6).hexdigest()
        self.folder = paths.cache_root() / "features" / f"{name}-{suffix}"

    def compute(self, path: str | Path) -> np.ndarray:
        """Compute the feature of one clip, past the cache."""
        if self.mono:
            return self.function(load_mono(path, self.sample_rate), **self.parameters)
        samples, own_rate = read(path)
        rate = self.sample_rate or own_rate
        return self.function(resample(samples, own_rate, rate), rate, **self.parameters)

    def entry(self, path: str | Path) -> Path:
        """Where the feature of one clip is kept, whether or not it is there yet."""
        status = os.stat(path)
        content = _digest(str(path), status.st_size, status.st_mtime_ns)
        return self.folder / content[:2] / f"{content}.f32"

    def __call__(self, path: str | Path) -> np.ndarray:
        """Return the feature of one clip, from the cache if it is there."""
        entry = self.entry(path)
        try:
            return _read(entry)
        except (FileNotFoundError, ValueError, struct.error):
            # A file that a power cut left short is as good as none.
            feature = np.asarray(self.compute(path), np.float32)
            _store(entry, feature)
            return feature


@functools.lru_cache(maxsize=100_000)
def _digest(path: str, size: int, modified: int) -> str:
    return digest(path)


def _read(entry: Path) -> np.ndarray:
    # Not np.load: it parses its header with `ast`, which Python 3.11 cannot do in several threads
    # at a time ("AST constructor recursion depth mismatch", CPython issue 106905).
    with entry.open("rb") as file:
        magic, n_axes = struct.unpack("<4sI", file.read(8))
        if magic != _MAGIC:
            raise ValueError(f"{entry} is no feature")
        shape = struct.unpack(f"<{n_axes}q", file.read(8 * n_axes))
        return np.fromfile(file, "<f4").reshape(shape)


def _store(entry: Path, feature: np.ndarray) -> None:
    # Renamed into place like `files.replacing`, but not synced: an entry lost in a power cut
    # is made again, and syncing thousands of small files costs more than making them.
    entry.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=entry.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(struct.pack(f"<4sI{feature.ndim}q", _MAGIC, feature.ndim, *feature.shape))
            file.write(np.ascontiguousarray(feature, "<f4").tobytes())
        os.replace(temporary, entry)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
