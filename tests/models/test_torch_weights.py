import io
import os
import pickle
import zipfile

import numpy as np
import pytest
from conftest import SHARED
from hypothesis import given, settings
from hypothesis import strategies as st
from limits import bounded

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


def _pickled(path, content, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("m/data.pkl", content)
        archive.writestr("m/data/0", bytes(4 * 50_000))
    return path


def _memo(number):
    return b"r" + number.to_bytes(4, "little")


STORAGE = b"((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0%bX\x03\0\0\0cpuJ\x50\xc3\0\0tQ"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
DEEP = b"(" * 100_000 + b"t" * 100_000
# A tuple of two, of two, … of itself: 40 levels deep it has 2**40 leaves.
DOUBLED = b")" + b"".join(_memo(n) + b"h" + bytes([n]) + b"\x86" for n in range(40))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\x80\x02}(" + DEEP + b"K\x01u.", id="deep key"),
        pytest.param(b"\x80\x02}" + DEEP + b"K\x01s.", id="deep key, alone"),
        pytest.param(b"\x80\x02}(" + DOUBLED + b"K\x01u.", id="key that doubles"),
        pytest.param(b"\x80\x02}(X\x01\0\0\0a" + DOUBLED + b"u.", id="value that doubles"),
        pytest.param(b"\x80\x02(" + DOUBLED + b"K\x01d.", id="dict of pairs"),
        pytest.param(b"\x80\x04\x8f(" + DOUBLED + b"\x90.", id="set"),
        pytest.param(b"\x80\x02ccollections\nOrderedDict\n((" + DOUBLED + b"K\x01ttR.", id="call"),
        pytest.param(b"\x80\x02(" + DOUBLED + b"K\x01K\x01K\x01K\x01tQ.", id="storage"),
        pytest.param(
            b"\x80\x02" + REBUILD + STORAGE % b"0" + b"K\0" + DOUBLED + b")tR.", id="shape"
        ),
        pytest.param(b"\x80\x02L" + b"9" * 200_000 + b"L\n.", id="long number"),
        pytest.param(b"\x80\x02" + b"(l" * 100_000 + b".", id="lists"),
        pytest.param(b"\x80\x04\x95\xff\xff\xff\xff\0\0\0\0.", id="frame"),
        pytest.param(b"\x80\x02X\xff\xff\xff\x7f.", id="text"),
        pytest.param(b"\x80\x02}(X\x01\0\0\0a" + b"K\x01\x85" * 10 + b"b.", id="state"),
        pytest.param(b"\x80\x02" + bytes(300_000), id="large"),
    ],
)
def test_a_hostile_pickle_is_one_error_at_once(tmp_path, content):
    with bounded(), pytest.raises(ModelError):
        torch_weights.read(_pickled(tmp_path / "a.pt", content))


def test_numbers_read_or_copied_many_times_are_refused(tmp_path):
    tensor = REBUILD + b"%bK\0(J\x50\xc3\0\0t(K\x01ttR"
    one = tensor % STORAGE.replace(b"%b", b"0").replace(b"((", b"(", 1)
    names = [b"X\x02\0\0\0" + bytes([65 + n % 26, 65 + n // 26]) for n in range(300)]
    alone = b"\x80\x02}(" + names[0] + one.replace(REBUILD, REBUILD + b"(") + b"u."
    assert torch_weights.read(_pickled(tmp_path / "a.pt", alone))["AA"].shape == (50_000,)
    many = b"".join(name + one.replace(REBUILD, REBUILD + b"(") for name in names)
    with pytest.raises(ModelError, match="many times|over 66432 bytes"):
        torch_weights.read(_pickled(tmp_path / "b.pt", b"\x80\x02}(" + many + b"u."))


def test_what_unpacks_to_more_than_it_is_is_refused(tmp_path):
    bomb = _pickled(tmp_path / "a.pt", bytes(50 << 20), zipfile.ZIP_DEFLATED)
    with bounded(megabytes=20), pytest.raises(ModelError, match="compressed"):
        torch_weights.read(bomb)


@pytest.mark.parametrize("name", ["pipe", "folder", "x" * 300, "loop"])
def test_what_is_no_file_is_one_error(tmp_path, name):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(ModelError):
        torch_weights.read(tmp_path / name)


def test_a_zip_of_another_version_or_locked_is_one_error(tmp_path):
    whole = _floats(tmp_path / "a.pt").read_bytes()
    central = whole.index(b"PK\x01\x02")
    for place, value in ((6, 99), (8, 1), (10, 12), (10, 99)):
        content = bytearray(whole)
        content[central + place] = value
        (tmp_path / "b.pt").write_bytes(content)
        with pytest.raises(ModelError):
            torch_weights.read(tmp_path / "b.pt")


@settings(deadline=None, max_examples=300)
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
