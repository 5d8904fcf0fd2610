"""Read the tensors of a PyTorch ``.pt`` file, without PyTorch and without running its code.

A ``.pt`` file is an uncompressed zip: ``<name>/data.pkl`` is a pickle of a dict from parameter
names to tensors, and ``<name>/data/<key>`` are the raw numbers that the tensors point into. A
pickle is a program, so the unpickler here refuses every name but three kinds: the ordered dict,
the function that rebuilds a tensor (replaced by `_rebuild`) and the storage types.

References
----------
.. [1] ``torch/serialization.py`` and ``torch/_utils.py`` (PyTorch 2) for the format.
"""

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from irmas_utils.project.errors import ModelError

_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
}


def read(path: str | Path) -> dict[str, np.ndarray]:
    """Read what ``torch.save(model.state_dict(), path)`` wrote: parameter names to arrays.

    Raises
    ------
    ModelError
        If the file is missing, damaged, in another format than PyTorch's zip (1.6 and later) or
        big-endian, or if its pickle asks for anything but tensors, which is never executed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_archive(archive)
    except ModelError as error:
        _refuse(path, error.found)
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        _refuse(path, f"no whole zip archive ({error})")
    except Exception as error:  # a damaged pickle can fail in any way at all
        _refuse(path, f"a damaged pickle ({type(error).__name__}: {error})")


def _read_archive(archive: zipfile.ZipFile) -> dict[str, np.ndarray]:
    pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        _refuse("", f"{len(pickles)} files named data.pkl in the archive")
    prefix = pickles[0].removesuffix("data.pkl")
    order = f"{prefix}byteorder"
    if order in archive.namelist() and archive.read(order) != b"little":
        _refuse("", "big-endian numbers")
    content = io.BytesIO(archive.read(pickles[0]))
    tensors = _TensorUnpickler(content, archive, prefix).load()
    if not isinstance(tensors, dict) or not tensors:
        _refuse("", f"a pickled {type(tensors).__name__} instead of a dict of tensors")
    for name, value in tensors.items():
        if not isinstance(name, str) or not isinstance(value, np.ndarray):
            _refuse("", f"an entry {name!r} of type {type(value).__name__}")
    return dict(tensors)


class _TensorUnpickler(pickle._Unpickler):
    """Unpickle dicts of tensors and nothing else.

    Built on Python's own implementation: the C one allocates as much memory as a memo index says.
    """

    def __init__(self, file: io.BytesIO, archive: zipfile.ZipFile, prefix: str) -> None:
        super().__init__(file)
        self._archive, self._prefix = archive, prefix

    def find_class(self, module: str, name: str) -> Any:
        """Resolve the few names of the format; the real modules are never imported."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if module == "torch" and name in _DTYPES:
            return name
        _refuse("", f"a pickle that asks for {module}.{name}")

    def persistent_load(self, pid: tuple[str, str, str, str, int]) -> np.ndarray:
        """Return the numbers that ``('storage', type, key, device, length)`` stands for."""
        _, storage_type, key, _, length = pid
        member = self._archive.getinfo(f"{self._prefix}data/{key}")
        if member.compress_type != zipfile.ZIP_STORED:
            _refuse("", "compressed numbers, which PyTorch does not write")
        values = np.frombuffer(self._archive.read(member), _DTYPES[storage_type])
        if len(values) != length:
            _refuse("", f"a storage {key} of {len(values)} numbers instead of {length}")
        return values


def _rebuild(storage: np.ndarray, offset: int, shape: tuple, strides: tuple, *_: Any) -> np.ndarray:
    """Copy a strided view out of `storage`; strides and offset are in elements."""
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    inside = offset >= 0 and all(step >= 0 for step in strides) and last < len(storage)
    if not inside or min(shape, default=1) < 1 or math.prod(shape) > len(storage):
        _refuse("", f"a tensor of shape {shape} that its storage of {len(storage)} cannot fill")
    in_bytes = [step * storage.itemsize for step in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, in_bytes).copy()


def _refuse(path: str | Path, found: str) -> NoReturn:
    raise ModelError(
        path,
        found=found,
        expected="a dict of tensors in PyTorch's zip format",
        remedy="Fetch the file again from where it was published.",
    ) from None
