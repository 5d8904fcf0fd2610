"""A training run on disk: every variable, the epoch and the history, in one file.

The file is an uncompressed zip of ``.npy`` arrays, one a variable, and ``run.json``. It is
replaced atomically, so a killed process or a full disk leaves the epoch before; the zip's own
checksums tell a damaged file.
"""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from irmas_utils.project import files as atomic
from irmas_utils.project.backend import keras
from irmas_utils.project.errors import TrainingError

_META = "run.json"
_RESTART = "Delete the file or pass `resume=False` to start afresh, or name another folder."


def save(
    path: str | Path,
    run: dict[str, Any],
    variables: Sequence[keras.Variable],
    history: list[dict[str, float]],
) -> None:
    """Write a checkpoint in place of the one before.

    Parameters
    ----------
    path : str or Path
        The file; needs room for a second copy of itself while it is written.
    run : dict
        What the run depends on, plain JSON values; `load` insists on the same.
    variables : sequence of keras.Variable
        Of the model, its random generators and the optimizer.
    history : list of dict
        A dict an epoch finished.

    Raises
    ------
    TrainingError
        If the file cannot be written, for example because the disk is full. The checkpoint
        before is still there.
    """
    try:
        with (
            atomic.replacing(path) as temporary,
            zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
        ):
            for number, variable in enumerate(variables):
                _write_array(archive, f"{number}.npy", variable.value.numpy())
            archive.writestr(_META, json.dumps({"run": run, "history": history}))
    except OSError as error:
        size = sum(int(np.prod(v.shape)) * 4 for v in variables) / 2**20
        raise TrainingError(
            path,
            found=f"a failed write ({error.strerror or error}) after epoch {len(history)}",
            expected=f"room for {size:.0f} MiB beside the checkpoint there is",
            remedy=f"Make room and run again: it goes on after epoch {len(history) - 1}.",
        ) from error


def load(
    path: str | Path, run: dict[str, Any], variables: Sequence[keras.Variable]
) -> list[dict[str, float]]:
    """Read a checkpoint into `variables` and return its history; parameters as for `save`.

    Nothing is assigned unless the whole file is sound.

    Raises
    ------
    TrainingError
        If the file is damaged or belongs to a run with other settings or another model.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            meta = json.loads(archive.read(_META))
            _check_run(path, meta["run"], run)
            values = [_read_array(archive, f"{number}.npy") for number in range(len(variables))]
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            path,
            found=f"a damaged checkpoint ({error})",
            expected="a file that training has written whole",
            remedy=_RESTART,
        ) from error
    for variable, value in zip(variables, values, strict=True):
        _check_shape(path, variable, value)
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return meta["history"]


def _write_array(archive: zipfile.ZipFile, name: str, value: np.ndarray) -> None:
    # One array at a time, so that memory holds a copy of one and not of all of them.
    with archive.open(name, "w", force_zip64=True) as file:
        np.lib.format.write_array(file, value, allow_pickle=False)


def _read_array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(name) as file:
        value = np.lib.format.read_array(file, allow_pickle=False)
        file.read()  # the checksum is compared at the end of the member
        return value


def _check_run(path: str | Path, found: dict[str, Any], expected: dict[str, Any]) -> None:
    differing = sorted(k for k in found.keys() | expected.keys() if found.get(k) != expected.get(k))
    if differing:
        raise TrainingError(
            path,
            found="a checkpoint of "
            + ", ".join(f"{k} = {found.get(k, 'nothing')!r}" for k in differing),
            expected=", ".join(f"{k} = {expected.get(k, 'nothing')!r}" for k in differing),
            remedy=_RESTART,
        )


def _check_shape(path: str | Path, variable: keras.Variable, value: np.ndarray) -> None:
    if value.shape != tuple(variable.shape):
        raise TrainingError(
            path,
            found=f"{variable.path} of shape {value.shape}",
            expected=f"shape {tuple(variable.shape)}",
            remedy=_RESTART,
        )
