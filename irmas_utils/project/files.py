"""Writes that either happen entirely or not at all, locks, and digests of content."""

import fcntl
import hashlib
import json
import os
import secrets
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from irmas_utils.project.errors import DiskError, IrmasError


@contextmanager
def replacing(target: str | Path, sync: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `target` that takes its place if the block succeeds.

    It is of an empty file with the target's suffix. The bytes reach the disk before the rename,
    unless `sync` is False, so a reader sees the old file or the whole new one, also after a power
    cut. What a killed process has left is removed by the next write in its folder. Raises
    DiskError, an OSError, if the folder cannot be made or written, the disk is full, or the target
    is there and no file: a device would be replaced.
    """
    target = Path(target)
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not target.is_file():
            raise OSError("a folder, pipe or device is there")
        for left in target.parent.glob(".tmp-*"):
            with suppress(OSError), left.open() as file:  # unless its writer holds it
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()
        temporary = target.with_name(f".tmp-{secrets.token_hex(6)}{target.suffix}")
        with temporary.open("x") as file:  # others may read it, if the umask lets them
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                temporary.touch()  # in case somebody removed it before it was locked
                yield temporary
                if sync:
                    _sync(temporary)
                temporary.replace(target)
                if sync:
                    _sync(target.parent)
            finally:
                temporary.unlink(missing_ok=True)


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Raise DiskError, which names `target`, where the block raises OSError, or as libsndfile."""
    try:
        yield
    except (OSError, getattr(sys.modules.get("soundfile"), "LibsndfileError", OSError)) as error:
        if isinstance(error, DiskError):
            raise
        found = f"a failed write ({getattr(error, 'strerror', None) or error})"
        variables = "IRMAS_DATA, IRMAS_CACHE or IRMAS_RESULTS"
        remedy = f"Make room, or name another place: {variables}, or an option."
        raise DiskError(target, found, "a folder of yours with room", remedy) from error


def require_writable(target: str | Path) -> None:
    """Raise DiskError unless `target` can be written: for what takes hours to make."""
    with writing(Path(target)):
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=Path(target).parent).close()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(target: str | Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with replacing(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(target: str | Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically. NaN and infinity are refused (ValueError)."""
    write_text(target, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str | Path) -> dict[str, Any]:
    """Return the object in a JSON file; of one that is damaged or not there, an empty one."""
    with suppress(OSError, ValueError, RecursionError):
        found = json.loads(Path(path).read_bytes())
        return found if isinstance(found, dict) else {}
    return {}


def write_sealed(target: str | Path, value: Any) -> None:
    """Write `value` as `write_json` does, with its digest, which `read_sealed` checks."""
    write_json(target, {"digest": seal(value), "content": value})


def read_sealed(path: str | Path) -> Any:
    """Return what `write_sealed` wrote; OSError if it is not there, ValueError if it is damaged."""
    try:
        kept = json.loads(Path(path).read_bytes())
        if kept["digest"] == seal(kept["content"]):
            return kept["content"]
    except (ValueError, LookupError, TypeError, RecursionError):
        pass
    raise ValueError(f"{path} is not what was written")


def seal(value: Any) -> str:
    """Return the digest of a value that is plain JSON."""
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=16).hexdigest()


def require(
    path: str | Path, kind: type[IrmasError], expected: str, other: str = "a folder, pipe or device"
) -> None:
    """Raise an error of a kind unless `path` is a file: a pipe would be waited for."""
    try:
        found = "" if stat.S_ISREG(os.stat(path).st_mode) else other
    except FileNotFoundError:
        found = "no such file"
    except (OSError, ValueError) as error:
        found = f"no readable file ({error})"
    if found:
        raise kind(path, found, expected, "Check the path.")


def suffixed(path: str | Path, suffix: str) -> Path:
    """Return a path with a suffix at its end: dots before it are part of the name."""
    path = Path(path)
    return path if path.suffix == suffix else path.with_name(path.name + suffix)


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(path: str | Path) -> str:
    """Return the BLAKE2b hash of a file's content as 32 hexadecimal digits: faster than SHA-256."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def kept(path: Path, make: Callable[[Path], Any]) -> Path:
    """Return `path` if it is what ``make(path)`` wrote; else it is written again, which is said."""
    seal = path.with_name(f"{path.name}.digest")
    with suppress(OSError):
        if seal.read_bytes() == digest(path).encode():
            return path
        print(f"{path} is made again: it is not what was written.", file=sys.stderr)
    with replacing(path, sync=False) as temporary, replacing(seal, sync=False) as sealed:
        make(temporary)
        sealed.write_text(digest(temporary))
    return path


@contextmanager
def locked(path: str | Path, waiting: str = "") -> Iterator[None]:
    """Hold the lock file `path`; print `waiting` while another process holds it.

    Child processes inherit the lock, so it lasts until the last of them has ended, also when this
    process is killed; the system frees it then, so a lock is never left behind.
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Read only: of a cache that is shared the lock may be another user's.
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o666)
    with open(descriptor) as file:
        os.set_inheritable(file.fileno(), True)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting:
                print(waiting, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
