import io
import os
import pickle
import zipfile

import numpy as np
import pytest
from conftest import SHARED
from hypothesis import given, settings
from hypothesis import strategies as st

from irmas_utils.models import torch_weights
from irmas_utils.project.errors import ModelError

WEIGHTS = SHARED / "weights" / "mn04_as_mAP_432.pt"


class _Global:
    """Pickles as a reference to a name that need not exist here."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class _Call:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments


class _Storage:
    def __init__(self, kind, key, length):
        self.pid = ("storage", _Global("torch", kind), key, "cpu", length)


class _Pickler(pickle._Pickler):
    """Writes what PyTorch writes, without PyTorch."""

    def persistent_id(self, obj):
        return obj.pid if isinstance(obj, _Storage) else None

    def save(self, obj, *args, **kwargs):
        if isinstance(obj, _Global):
            self.write(f"c{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, _Call):
            self.save(obj.function)
            self.save(obj.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(obj, *args, **kwargs)


def _tensor(storage, offset, shape, strides):
    rebuild = _Global("torch._utils", "_rebuild_tensor_v2")
    hooks = _Call(_Global("collections", "OrderedDict"))
    return _Call(rebuild, storage, offset, shape, strides, False, hooks)


def _write(path, content, storages, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=2).dump(content)
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", buffer.getvalue())
        for key, values in storages.items():
            archive.writestr(f"archive/data/{key}", values.tobytes())
    return path


def _floats(path, shape=(2, 3), strides=(3, 1), offset=0, n=6, **kwargs):
    storage = _Storage("FloatStorage", "0", n)
    content = {"weight": _tensor(storage, offset, shape, strides)}
    return _write(path, content, {"0": np.arange(6, dtype="<f4")}, **kwargs)


def test_reads_strided_tensors(tmp_path):
    plain = torch_weights.read(_floats(tmp_path / "a.pt"))["weight"]
    np.testing.assert_array_equal(plain, np.arange(6, dtype=np.float32).reshape(2, 3))
    transposed = torch_weights.read(_floats(tmp_path / "b.pt", (3, 2), (1, 3)))["weight"]
    np.testing.assert_array_equal(transposed, plain.T)
    offset = torch_weights.read(_floats(tmp_path / "c.pt", (2,), (1,), offset=4))["weight"]
    np.testing.assert_array_equal(offset, [4, 5])


def test_reads_integers_and_scalars(tmp_path):
    content = {"steps": _tensor(_Storage("LongStorage", "7", 1), 0, (), ())}
    found = torch_weights.read(_write(tmp_path / "a.pt", content, {"7": np.array([42], "<i8")}))
    assert found["steps"].shape == ()
    assert found["steps"] == 42


@pytest.mark.parametrize(
    "changed",
    [
        {"shape": (3, 3)},
        {"strides": (3, 2)},
        {"strides": (3, -1)},
        {"offset": -1},
        {"n": 7},
        {"shape": (10**12,), "strides": (0,)},
        {"shape": (0, 3)},
        {"compression": zipfile.ZIP_DEFLATED},
    ],
    ids=str,
)
def test_refuses_tensors_outside_their_storage(tmp_path, changed):
    with pytest.raises(ModelError):
        torch_weights.read(_floats(tmp_path / "a.pt", **changed))


@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("posix", "system"), ("builtins", "eval"), ("torch", "load")],
)
def test_code_is_refused_and_not_run(tmp_path, module, name):
    witness = tmp_path / "witness"
    content = {"weight": _Call(_Global(module, name), f"touch {witness}")}
    with pytest.raises(ModelError, match=f"{module}.{name}"):
        torch_weights.read(_write(tmp_path / "evil.pt", content, {}))
    assert not witness.exists()


def test_python_objects_are_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    with zipfile.ZipFile(tmp_path / "evil.pt", "w") as archive:
        archive.writestr("x/data.pkl", pickle.dumps({"weight": Evil()}))
    with pytest.raises(ModelError, match="mkdir"):
        torch_weights.read(tmp_path / "evil.pt")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("value", [[1, 2], {}, {"weight": 3.0}, {3: "weight"}, "text"])
def test_other_contents_are_refused(tmp_path, value):
    with pytest.raises(ModelError):
        torch_weights.read(_write(tmp_path / "a.pt", value, {}))


def test_a_huge_memo_index_takes_no_memory(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("x/data.pkl", b"\x80\x02}r\xff\xff\xff\xff.")
    with pytest.raises(ModelError):
        torch_weights.read(tmp_path / "a.pt")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"gone\.pt"):
        torch_weights.read(tmp_path / "gone.pt")


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_damage_is_an_error_or_harmless(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "a.pt"
    content = bytearray(_floats(path).read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(content))
    try:
        found = torch_weights.read(path)
    except ModelError as error:
        assert str(path) in str(error)  # noqa: PT017
    else:
        assert all(isinstance(value, np.ndarray) for value in found.values())


@pytest.mark.skipif(not WEIGHTS.is_file(), reason="no weights at hand")
def test_reads_the_published_file():
    tensors = torch_weights.read(WEIGHTS)
    assert len(tensors) == 312
    assert tensors["features.0.0.weight"].shape == (8, 1, 3, 3)
    assert tensors["classifier.5.weight"].shape == (527, 512)
    assert tensors["features.16.1.num_batches_tracked"].dtype == np.int64
