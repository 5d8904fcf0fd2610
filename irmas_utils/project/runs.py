"""Results that take long, computed once: a *run* is stored under what made it.

A run's parts are everything that it depends on: content of the data, settings, code, versions of
libraries, seed. The hash of the parts names its folder; the parts themselves lie in the folder's
``record.json`` with a digest of each file, so that a later run can say what has changed, and
damage is noticed. What is damaged is made again.
"""

import functools
import hashlib
import importlib.metadata
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from irmas_utils.project import files, paths
from irmas_utils.project.errors import CheckpointError


class Outcome(NamedTuple):
    """What a run gives: arrays by name, facts that are plain JSON, and its folder with its files.

    `once` sets the folder.
    """

    arrays: dict[str, np.ndarray]
    facts: dict[str, Any]
    folder: Path | None = None


def once(name: str, parts: Mapping[str, Any], make: Callable[[Path], Outcome]) -> Outcome:
    """Return the stored outcome of a run, or make it and store it; DiskError if that fails.

    `name`, a file name, is for people: runs of one name and different `parts` are kept apart. The
    parts are plain JSON, what the outcome depends on besides the libraries' versions.
    ``make(folder)`` may leave files in its folder, which are kept with the outcome, and checkpoints
    in ``folder / "unfinished"``, which are not.
    """
    parts = json.loads(json.dumps({**parts, "libraries": versions()}, sort_keys=True))
    folder = _folder(name, parts)
    with files.locked(folder.with_suffix(".lock"), f"Waiting for another training of {name} …"):
        outcome = _stored(folder, parts)
        if outcome is None:
            if changed := _changed(folder, parts):
                print(f"{name} is computed anew, since this has changed: {', '.join(changed)}")
            try:
                outcome = make(folder)
            except CheckpointError as error:
                print(f"{name} begins anew: {error.where} holds {error.found}")
                shutil.rmtree(folder / "unfinished", ignore_errors=True)
                outcome = make(folder)
            _store(folder, parts, outcome)
    return outcome._replace(folder=folder)


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions of the libraries that trained numbers depend on."""
    return {name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "numpy")}


def _folder(name: str, parts: Mapping[str, Any]) -> Path:
    text = json.dumps(parts, sort_keys=True).encode()
    return paths.cache_root() / "runs" / name / hashlib.blake2b(text, digest_size=8).hexdigest()


def _store(folder: Path, parts: dict[str, Any], outcome: Outcome) -> None:
    with files.replacing(folder / "outcome.npz") as temporary:
        np.savez(temporary, **outcome.arrays)
    files.write_json(folder / "facts.json", outcome.facts)
    shutil.rmtree(folder / "unfinished", ignore_errors=True)
    digests = {path.name: files.digest(path) for path in sorted(folder.iterdir())}
    # Written last: a folder without it is of a run that was cut short.
    files.write_json(folder / "record.json", {"parts": parts, "digests": digests})


def _stored(folder: Path, parts: dict[str, Any]) -> Outcome | None:
    try:
        record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
        if record["parts"] != parts:
            raise ValueError("it is of other parts")
        for name in {"outcome.npz", "facts.json", *record["digests"]}:
            if files.digest(folder / name) != record["digests"][name]:
                raise ValueError(f"{name} is damaged")
        with np.load(folder / "outcome.npz", allow_pickle=False) as arrays:
            facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
            return Outcome(dict(arrays), facts)
    except FileNotFoundError:
        return None
    except Exception as error:  # a damaged file can fail in any way at all
        print(f"{folder} is computed anew, since it cannot be read back: {error}")
        (folder / "record.json").unlink(missing_ok=True)
        return None


def _changed(folder: Path, parts: dict[str, Any]) -> list[str]:
    """Name the parts in which the latest run of the same name differs."""
    others = sorted(folder.parent.glob("*/record.json"), key=lambda path: path.stat().st_mtime)
    latest = files.read_json(others[-1]).get("parts") if others else None
    if not isinstance(latest, dict) or not latest:
        return []
    before, now = dict(_leaves(latest)), dict(_leaves(parts))
    return sorted(k for k in before.keys() | now.keys() if before.get(k) != now.get(k))


def _leaves(value: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{above}.{key}".lstrip("."))
    else:
        yield above, value
