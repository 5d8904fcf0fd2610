"""Read the tensors of a PyTorch ``.pt`` file, without PyTorch and without running its code.

A ``.pt`` file is an uncompressed zip: ``<name>/data.pkl`` is a pickle of a dict from parameter
names to tensors, and ``<name>/data/<key>`` are the raw numbers that the tensors point into. A
pickle is a program, so the unpickler here knows the few instructions that PyTorch uses, and of
names three kinds: the ordered dict, the function that rebuilds a tensor (replaced by `_rebuild`)
and the storage types. No more is read or copied than twice what the file holds. For the format see
``torch/serialization.py`` and ``torch/_utils.py`` (PyTorch 2).
"""

import io
import math
import os
import pickle
import pickletools
import zipfile
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np

from irmas_utils.project.errors import ModelError

_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
}
_INSTRUCTIONS = """
    PROTO FRAME STOP MARK REDUCE BUILD GLOBAL STACK_GLOBAL BINPERSID SETITEM SETITEMS
    EMPTY_DICT EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 BINUNICODE SHORT_BINUNICODE BININT BININT1
    BININT2 LONG1 NEWFALSE NEWTRUE NONE BINPUT LONG_BINPUT MEMOIZE BINGET LONG_BINGET
"""
_PICKLE_BYTES = 2**18  # seven times what a network of 300 tensors takes


def read(path: str | Path) -> dict[str, np.ndarray]:
    """Read what ``torch.save(model.state_dict(), path)`` wrote: parameter names to arrays.

    Raises ModelError if the file is missing, damaged, in another format than PyTorch's zip (1.6 and
    later) or big-endian, or if its pickle asks for anything but tensors, which is never executed.
    """
    if not os.path.isfile(path):
        _refuse(path, "no such file")
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
    if order in archive.namelist() and _stored(archive, order, 6) != b"little":
        _refuse("", "big-endian numbers")
    content = _stored(archive, pickles[0], _PICKLE_BYTES)
    tensors = _TensorUnpickler(content, archive, prefix).load()
    if not isinstance(tensors, dict) or not tensors:
        _refuse("", f"a pickled {type(tensors).__name__} instead of a dict of tensors")
    for name, value in tensors.items():
        if not isinstance(value, np.ndarray):
            _refuse("", f"an entry {name!r} of type {type(value).__name__}")
    return tensors


def _stored(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    member = archive.getinfo(name)
    if member.compress_type != zipfile.ZIP_STORED or member.file_size > limit:
        _refuse("", f"{name} compressed, which PyTorch does not do, or over {limit} bytes")
    return archive.read(member)


class _TensorUnpickler(pickle._Unpickler):
    """Unpickle dicts of tensors and nothing else.

    Built on Python's own implementation: the C one allocates as much memory as a memo index says.
    """

    def __init__(self, content: bytes, archive: zipfile.ZipFile, prefix: str) -> None:
        super().__init__(io.BytesIO(content))
        self._archive, self._prefix = archive, prefix
        self._left = 2 * os.fstat(archive.fp.fileno()).st_size

    def find_class(self, module: str, name: str) -> Any:
        """Resolve the few names of the format; the real modules are never imported."""
        if (module, name) == ("collections", "OrderedDict"):
            return lambda: {}
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda *how: self._counted(_rebuild(*how))
        if module == "torch" and name in _DTYPES:
            return name
        _refuse("", f"a pickle that asks for {module}.{name}")

    def persistent_load(self, pid: tuple[str, str, str, str, int]) -> np.ndarray:
        """Return the numbers that ``('storage', type, key, device, length)`` stands for."""
        _, storage_type, key, _, length = pid
        _require_texts([storage_type, key])
        content = _stored(self._archive, f"{self._prefix}data/{key}", self._left)
        values = np.frombuffer(content, _DTYPES[storage_type])
        if len(values) != length:
            _refuse("", f"a storage {key} of {len(values)} numbers")
        return self._counted(values)

    def _counted(self, values: np.ndarray) -> np.ndarray:
        self._left -= values.nbytes
        if self._left < 0:
            _refuse("", "tensors that share their numbers many times")
        return values

    def load_setitems(self) -> None:
        """Enter all keys and values above the mark."""
        _require_texts(self.stack[::2])
        super().load_setitems()

    def load_setitem(self) -> None:
        """Enter the value on top of the stack under the key below it."""
        _require_texts(self.stack[-2:-1])
        super().load_setitem()

    def load_build(self) -> None:
        """Drop what a dict has besides its entries."""
        self.stack.pop()

    dispatch: ClassVar = {
        code: load
        for code, load in pickle._Unpickler.dispatch.items()
        if pickletools.code2op[chr(code)].name in _INSTRUCTIONS.split()
    }
    dispatch[pickle.SETITEM[0]], dispatch[pickle.SETITEMS[0]] = load_setitem, load_setitems
    dispatch[pickle.BUILD[0]] = load_build


def _require_texts(names: list[Any]) -> None:
    # Tuples in tuples take for ever to hash, or the stack of the process.
    if not all(isinstance(name, str) for name in names):
        _refuse("", "a name that is no text")


def _rebuild(storage: np.ndarray, offset: int, shape: tuple, strides: tuple, *_: Any) -> np.ndarray:
    """Copy a strided view out of `storage`; strides and offset are in elements."""
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    inside = offset >= 0 and all(step >= 0 for step in strides) and last < len(storage)
    if not inside or min(shape, default=1) < 1 or math.prod(shape) > len(storage):
        _refuse("", f"a tensor of shape {shape} that its storage of {len(storage)} cannot fill")
    in_bytes = [step * storage.itemsize for step in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, in_bytes).copy()


def _refuse(path: str | Path, found: str) -> NoReturn:
    expected = "a dict of tensors in PyTorch's zip format"
    remedy = "Fetch the file again from where it was published."
    raise ModelError(path, found[:300], expected, remedy) from None
