"""How long the jobs of a run took: read from its results, and kept in its manifest."""

import collections
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from irmas_utils.project import files, records


def took(folder: Path) -> dict[str, float]:
    """Return the seconds that each job really took, its trainings included, as far as known."""
    found, trained = {}, collections.Counter()
    for made in files.read_json(folder / "manifest.json").values():
        found |= {_job(made): made["seconds"]} if made.get("seconds") else {}
    for file, made in records.outputs(folder).items():
        if file.endswith("_history.csv") and "ensemble" not in file:
            with contextlib.suppress(OSError, ValueError, KeyError):  # made again, if damaged
                trained[_job(made)] += pd.read_csv(folder / file)["seconds"].sum()
    for path in folder.glob("notebooks/**/*.ipynb"):
        metadata = files.read_json(path).get("metadata", {})
        if seconds := metadata.get("papermill", {}).get("duration"):
            before = trained[path.stem]
            found[path.stem] = seconds + (before if before > seconds else 0)
    return found


def _job(made: Mapping[str, Any]) -> str:
    """Return the name of the job that made an entry of a manifest."""
    return records.executed(Path(), made["notebook"], made["run"]).stem


def enter(manifest: dict[str, Any], folder: Path) -> None:
    """Write to a profile's manifest how long what made each file took, in seconds."""
    known = took(folder)
    whole = {file: made | {"seconds": known.get(_job(made))} for file, made in manifest.items()}
    files.write_json(folder / "manifest.json", whole)
