"""A training run on disk: every variable, the epoch and the history, in one ``.npz`` file.

The file is replaced atomically, so a killed process or a full disk leaves the epoch before; the
zip's own checksums tell a damaged file.
"""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from irmas_utils.project import files
from irmas_utils.project.backend import keras
from irmas_utils.project.errors import CheckpointError, DiskError, TrainingError

_ROOM = 2**24  # for the history and the headers of the arrays [bytes]
_unfit = partial(CheckpointError, remedy="Delete the file to start afresh.")


def save(
    path: str | Path,
    run: dict[str, Any],
    variables: Sequence[keras.Variable],
    history: list[dict[str, float]],
) -> None:
    """Write a checkpoint in place of the one before.

    `run` is what the run depends on, as plain JSON, and `load` insists on the same; the variables
    are of the model, its random generators and the optimizer; the history has a dict an epoch.
    TrainingError if the file cannot be written: the checkpoint before is still there.
    """
    arrays = {str(number): variable.value.numpy() for number, variable in enumerate(variables)}
    try:
        with files.replacing(path) as temporary:
            np.savez(temporary, meta=json.dumps({"run": run, "history": history}), **arrays)
    except DiskError as error:
        size = sum(array.nbytes for array in arrays.values()) / 2**20
        found = f"{error.found} after epoch {len(history)}"
        expected = f"room for {size:.0f} MiB beside the checkpoint there is"
        remedy = f"Make room and run again: it goes on after epoch {len(history) - 1}."
        raise TrainingError(path, found, expected, remedy) from error


def load(
    path: str | Path, run: dict[str, Any], variables: Sequence[keras.Variable]
) -> list[dict[str, float]]:
    """Read a checkpoint into `variables` and return its history; parameters as for `save`.

    If the file is damaged or of a run with other settings or another model, it raises a
    `CheckpointError` and assigns nothing.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            unpacked = sum(member.file_size for member in archive.zip.infolist())
            values = (variable.value for variable in variables)
            if unpacked > sum(v.dtype.size * v.shape.num_elements() for v in values) + _ROOM:
                raise ValueError(f"{unpacked} bytes, more than its variables take")
            meta = json.loads(str(archive["meta"]))
            _check_run(path, meta["run"], run)
            values = [archive[str(number)] for number in range(len(variables))]
            history = list(meta["history"])
    except CheckpointError:
        raise
    except Exception as error:  # a damaged file can fail in any way at all
        expected = "a file that training has written whole"
        raise _unfit(path, f"a damaged checkpoint ({error})", expected) from error
    for variable, value in zip(variables, values, strict=True):
        if value.shape != (shape := tuple(variable.shape)) or value.dtype.kind not in "fiu":
            found = f"{variable.path} of shape {value.shape} and type {value.dtype}"
            raise _unfit(path, found, f"numbers of shape {shape}")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return history


def _check_run(path: str | Path, found: dict[str, Any], expected: dict[str, Any]) -> None:
    differing = sorted(k for k in found.keys() | expected.keys() if found.get(k) != expected.get(k))
    if differing:
        values = [
            ", ".join(f"{k} = {of.get(k, 'nothing')!r}" for k in differing)
            for of in (found, expected)
        ]
        raise _unfit(path, f"a checkpoint of {values[0]}", values[1])
