"""Features on disk, a file a clip, found again by content.

The key of an entry is the hash of the clip's bytes; the folder's name holds the hash of the
function's name, code and parameters. So a changed parameter, function or file means a new entry,
moving the data set means none, and duplicates share one. Entries appear whole or not at all, and
one whose checksum is wrong is made again.
"""

import functools
import hashlib
import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from irmas_utils.audio.io import load_mono, read, resample
from irmas_utils.project import paths, sources
from irmas_utils.project.errors import DiskError
from irmas_utils.project.files import digest, replacing

_HEADER = struct.Struct("<4sII")  # what it is, checksum of all that follows, number of axes
_MAGIC = b"IRM2"
_ROW = 4099  # words; prime, so that no two pages of a disk take part in it alike


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
        **parameters: Any,
    ) -> None:
        self.function, self.mono, self.sample_rate = function, mono, sample_rate
        self.parameters = parameters
        key = json.dumps([name, _code(function), sample_rate, parameters], sort_keys=True)
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
        content = _digest(str(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        return self.folder / content[:2] / f"{content}.f32"

    def __call__(self, path: str | Path) -> np.ndarray:
        """Return the feature of one clip, from the cache if it is there."""
        entry = self.entry(path)
        try:
            return _read(entry)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, struct.error) as error:
            print(f"{entry} is made again: {error}")
        feature = np.asarray(self.compute(path), np.float32)
        try:
            _store(entry, feature)
        except DiskError:  # another run that ends takes the folder away: `trim`
            _store(entry, feature)
        return feature


def trim(limit: int = 400 * 2**20) -> None:
    """Remove the largest features until those left take `limit` bytes at the most.

    For the end of a run, which keeps what it has trained: large features are those that are made
    again as quickly as they are read, or nearly so.
    """
    sizes = {
        folder: sum(file.stat().st_size for file in folder.glob("*/*.f32"))
        for folder in (paths.cache_root() / "features").glob("*")
    }
    for folder in sorted(sizes, key=sizes.get, reverse=True):
        if sum(sizes.values()) > limit:
            shutil.rmtree(folder, ignore_errors=True)
            del sizes[folder]


def _code(function: Callable) -> str:
    """Return a digest of the modules of ours that a function is from or reaches, and `_text`."""
    text = _text(function, ours := set(), set())
    return sources.digest_of(__name__, *sorted(ours)) + text


def _text(value: Any, ours: set[str], told: set[CodeType]) -> str:
    """Say what a value is: a function by its code, its defaults and what both name, or as ours."""
    if isinstance(value, functools.partial):
        return f"{_text(value.func, ours, told)} {value.args} {value.keywords}"
    function = value if isinstance(value, FunctionType) else vars(type(value)).get("__call__")
    if not isinstance(function, FunctionType):
        return repr(value)
    code, names = function.__code__, function.__globals__
    if paths.PACKAGE in Path(code.co_filename).parents:
        ours.add(function.__module__)
    if function.__module__ in ours or code in told:
        return function.__qualname__
    told.add(code)
    codes = [*_nested(code)]
    used = sorted({name for each in codes for name in each.co_names} & names.keys())
    reached = [function.__defaults__, function.__kwdefaults__, *(names[name] for name in used)]
    reached += [cell.cell_contents for cell in function.__closure__ or ()]
    constants = [c for each in codes for c in each.co_consts if not isinstance(c, CodeType)]
    written = [(each.co_code.hex(), each.co_names) for each in codes]
    return repr((written, constants, [_text(each, ours, told) for each in reached]))


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _nested(inner)


@functools.lru_cache(maxsize=100_000)
def _digest(path: str, *stamp: int) -> str:
    return digest(path)


def _read(entry: Path) -> np.ndarray:
    # Not np.load: it parses its header with `ast`, which Python 3.11 cannot do in several threads
    # at a time ("AST constructor recursion depth mismatch", CPython issue 106905).
    with entry.open("rb") as file:
        magic, checksum, n_axes = _HEADER.unpack(file.read(_HEADER.size))
        axes = file.read(8 * n_axes) if magic == _MAGIC and n_axes <= 32 else b""
        values = np.fromfile(file, "<f4")
    if _checksum(axes, values) != checksum:
        raise ValueError("its checksum is wrong")
    return values.reshape(struct.unpack(f"<{n_axes}q", axes))


def _store(entry: Path, feature: np.ndarray) -> None:
    # Not synced: an entry lost in a power cut is made again, and syncing thousands of small files
    # costs more than making them.
    axes = struct.pack(f"<{feature.ndim}q", *feature.shape)
    values = np.ascontiguousarray(feature, "<f4").ravel()
    header = _HEADER.pack(_MAGIC, _checksum(axes, values), feature.ndim)
    with replacing(entry, sync=False) as temporary:
        temporary.write_bytes(header + axes + values.tobytes())


def _checksum(axes: bytes, values: np.ndarray) -> int:
    """Return the CRC-32 of the sum of the payload's rows: damage within 16 kB cannot pass.

    Ten times as fast as the CRC of all, which would take longer than reading does.
    """
    words = values.view("<u4")
    whole = len(words) // _ROW * _ROW
    rows = np.add.reduce(words[:whole].reshape(-1, _ROW), 0, dtype=np.uint32)
    return zlib.crc32(words[whole:], zlib.crc32(rows, zlib.crc32(axes, len(axes))))
