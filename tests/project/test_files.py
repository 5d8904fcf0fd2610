import os
import pickle
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from irmas_utils.project import files
from irmas_utils.project.errors import DiskError, IrmasError


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_whoever_the_umask_lets_may_read_what_is_written(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        files.write_text(tmp_path / "a.txt", "x")
        with files.locked(tmp_path / "lock"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == mode
    assert (tmp_path / "lock").stat().st_mode & 0o777 == mode


def test_a_lock_that_another_user_made_need_not_be_written(tmp_path, monkeypatch):
    opened, plain = [], os.open
    monkeypatch.setattr(os, "open", lambda p, how, *a: opened.append(how) or plain(p, how, *a))
    with files.locked(tmp_path / "lock"):
        pass
    assert opened[0] & os.O_ACCMODE == os.O_RDONLY


KILLED = """
import os, signal, sys
from irmas_utils.project import files
with files.replacing(sys.argv[1]) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_goes_and_what_is_being_written_stays(tmp_path):
    target = tmp_path / "a.json"
    done = subprocess.run([sys.executable, "-c", KILLED, target], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".tmp-")
    with files.replacing(target) as mine:
        assert not left.exists()
        files.write_text(tmp_path / "b.json", "other")
        assert mine.exists()
        mine.write_text("whole")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "b.json"]
    assert target.read_text() == "whole"


def test_a_write_that_fails_is_one_error_that_says_what_to_do(tmp_path):
    (tmp_path / "file").touch()
    for target in (tmp_path / "file" / "a.json", "/proc/none/a.json"):
        with pytest.raises(DiskError, match=r"a failed write \(.*Make room.*IRMAS_CACHE") as caught:
            files.write_json(target, 1)
        with pytest.raises(DiskError):
            files.locked(target).__enter__()
    assert isinstance(caught.value, OSError)
    assert isinstance(caught.value, IrmasError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_what_is_no_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # a device is told by the same test, and less easily made again
    (tmp_path / "folder").mkdir()
    for target in (tmp_path / "pipe", tmp_path / "folder", ""):
        with pytest.raises(DiskError, match="a folder, pipe or device is there"):
            files.write_text(target, "x")
    assert (tmp_path / "pipe").is_fifo()
    assert len([*tmp_path.iterdir()]) == 2


def test_what_is_kept_is_made_once_and_again_when_damaged(tmp_path, capsys):
    made, target = [], tmp_path / "folder" / "a.bin"

    def make(path):
        made.append(path)
        path.write_bytes(bytes(range(40)))

    for _ in range(3):
        assert files.kept(target, make) == target
    assert len(made) == 1
    seal = target.with_name("a.bin.digest")
    for path in (target, seal):
        for bit in range(0, 8 * path.stat().st_size, 4):
            content = bytearray(path.read_bytes())
            content[bit // 8] ^= 1 << bit % 8
            path.write_bytes(content)
            files.kept(target, make)
            assert target.read_bytes() == bytes(range(40))
    said = capsys.readouterr().err.splitlines()
    assert len(said) == len(made) - 1 == 2 * (40 + 32)
    for path in (target, seal):
        path.unlink()
        files.kept(target, make)
        assert target.read_bytes() == bytes(range(40))
    assert capsys.readouterr() == ("", "")


VALUE = {"ü": [1, 2.5, None, True, "\u2028"], "b": {"c": 1e-300}}


def test_what_is_sealed_comes_back_or_not_at_all(tmp_path):
    files.write_sealed(tmp_path / "a.json", VALUE)
    whole = (tmp_path / "a.json").read_bytes()
    assert files.read_sealed(tmp_path / "a.json") == VALUE
    for bit in range(8 * len(whole)):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        (tmp_path / "a.json").write_bytes(content)
        with suppress(ValueError):  # or it is 1E-300, say
            assert files.read_sealed(tmp_path / "a.json") == VALUE


@pytest.mark.parametrize("content", [b"", b"{}", b"null", b"[]", b"[" * 100_000, b"\xff", b"3"])
def test_what_is_not_sealed_is_not_read(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError, match="not what was written"):
        files.read_sealed(tmp_path / "a.json")
    with pytest.raises(FileNotFoundError):
        files.read_sealed(tmp_path / "b.json")


@pytest.mark.parametrize(
    ("path", "expected"),
    [("mn04", "mn04.keras"), ("mn04-lr0.001", "mn04-lr0.001.keras"), ("a.keras", "a.keras"),
     ("mn04.v2", "mn04.v2.keras"), ("x/a.keras.keras", "x/a.keras.keras")],
)  # fmt: skip
def test_a_dot_in_a_name_is_no_suffix(path, expected):
    assert str(files.suffixed(path, ".keras")) == expected
