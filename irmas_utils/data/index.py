"""The data set as one table, a row a clip.

Columns: ``split`` (training or testing), ``path``, ``name`` (file name without suffix),
``recording`` (clips with the same value come from one recording and must stay together in a
split), ``labels`` (tuple of codes, in the vocabulary's order), ``genre``,
``drums``, ``duration`` [s], ``sample_rate`` [Hz], ``channels``, ``part`` (of the testing set).

Only file headers are read. Notebook: 01_data_analysis.ipynb.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from irmas_utils.audio import io
from irmas_utils.data import names
from irmas_utils.project.errors import AudioError, DataError
from irmas_utils.project.vocabulary import IRMAS

TRAINING_FOLDER = "IRMAS-TrainingData"
TESTING_FOLDERS = {f"Part{n}": f"IRMAS-TestingData-Part{n}" for n in (1, 2, 3)}
COLUMNS = ("split", "path", "name", "recording", "labels", "genre", "drums", "duration",
           "sample_rate", "channels", "part")  # fmt: skip


class Problem(NamedTuple):
    """One bad clip: the file, what was found in it, what was expected."""

    path: Path
    found: str
    expected: str


def load_index(root: str | Path, *, skip_bad_clips: bool = False) -> pd.DataFrame:
    """Read a folder in the IRMAS layout, or a part of one: `integrity.missing` names the gaps.

    Returns
    -------
    pandas.DataFrame
        A row a clip, sorted by split, part and name; columns as in the module's docstring.

    Raises
    ------
    DataError
        If there is nothing in the IRMAS layout, or if a clip's file, name or labels are bad and
        it may not be skipped: all are listed at once.
    """
    index, problems = scan(root)
    if problems and not skip_bad_clips:
        lines = "".join(f"\n  {p.path}: {p.found}; expected {p.expected}" for p in problems)
        raise DataError(
            root,
            found=f"{len(problems)} bad clip{'s' if len(problems) > 1 else ''}:{lines}\n",
            expected="clips that can all be read",
            remedy="Restore these files, or set corpus.skip_bad_clips to true to go on without "
            "them.",
        )
    return index


def scan(root: str | Path) -> tuple[pd.DataFrame, list[Problem]]:
    """Read a folder as `load_index` does: the good clips, and what is wrong with the others."""
    root = Path(root)
    folders = [TRAINING_FOLDER, *TESTING_FOLDERS.values()]
    if not any((root / folder).is_dir() for folder in folders):
        raise DataError(
            root,
            found="no folder of the IRMAS data set" if root.is_dir() else "no such folder",
            expected=" or ".join(folders),
            remedy="Set IRMAS_DATA to the folder that holds them, fetch the data with "
            "`python -m irmas_utils download`, or use the sample profile, which needs no data.",
        )
    rows, problems = [], []
    for row in [*_training_rows(root), *_testing_rows(root)]:
        (problems if isinstance(row, Problem) else rows).append(row)
    index = pd.DataFrame(rows, columns=list(COLUMNS))
    order = index.assign(part=index["part"].fillna("")).sort_values(["split", "part", "name"])
    # Training comes first everywhere, as it does in the paper.
    order = order.sort_values("split", key=lambda s: s != "training", kind="stable")
    return index.loc[order.index].reset_index(drop=True), problems


def _training_rows(root: Path) -> Iterator[dict[str, Any] | Problem]:
    folder = root / TRAINING_FOLDER
    for path in _files(folder, ".wav"):
        name = names.readable(path.stem)
        try:
            parsed = names.parse_training_name(name)
            if path.parent.name != parsed.instrument:
                raise ValueError(f"instrument {parsed.instrument} in folder {path.parent.name}")
        except ValueError as error:
            yield Problem(path, str(error), "NNN__[instrument][drums][genre]NNNN__N.wav by class")
            continue
        about = {"recording": parsed.recording, "genre": parsed.genre, "drums": parsed.drums}
        yield _row(path, split="training", name=name, labels=(parsed.instrument,), **about)


def _testing_rows(root: Path) -> Iterator[dict[str, Any] | Problem]:
    for part, folder in TESTING_FOLDERS.items():
        label_files = {names.readable(p.stem): p for p in _files(root / folder, ".txt")}
        for path in _files(root / folder, ".wav"):
            name = names.readable(path.stem)
            label_file = label_files.pop(name, None)
            if label_file is None:
                yield Problem(path, "no label file beside it", f"{name}.txt")
                continue
            try:
                labels = names.parse_labels(label_file.read_bytes())
            except (ValueError, OSError) as error:
                yield Problem(label_file, str(error), f"one of {' '.join(IRMAS.codes)} a line")
                continue
            song = names.song_of(name)
            yield _row(path, split="testing", name=name, recording=song, labels=labels, part=part)
        for name, label_file in label_files.items():
            if name.lower() != "readme":
                yield Problem(label_file, "no audio file beside it", f"{name}.wav")


def _files(folder: Path, suffix: str) -> list[Path]:
    found = (Path(base) / name for base, _, files in os.walk(folder) for name in files)
    # Names that start with a dot are left by macOS archives and are no clips.
    return sorted(p for p in found if p.suffix.lower() == suffix and not p.name.startswith("."))


def _row(path: Path, **fields: Any) -> dict[str, Any] | Problem:
    try:
        return dict.fromkeys(COLUMNS) | {"path": str(path)} | fields | io.header(path)
    except AudioError as error:
        return Problem(path, error.found, "a readable audio file")


def fingerprint(index: pd.DataFrame) -> str:
    """Return a short hash of what the table says of each clip, wherever the files lie."""
    digest = hashlib.blake2b(digest_size=8)
    told = index[["split", "name", "labels", "duration", "sample_rate"]]
    for row in told.itertuples(index=False, name=None):
        digest.update(repr(row).encode())
    return digest.hexdigest()


def split_validation(
    training: pd.DataFrame, fraction: float, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Hold recordings out for validation, class by class as evenly as whole recordings allow.

    Returns the clips to fit on and a `fraction`, above 0 and at most 0.5, of those with one label
    each; no recording is in both. DataError if there are fewer recordings than parts.
    """
    n_splits = round(1 / fraction) if 0 < fraction <= 0.5 else 0
    if not 2 <= n_splits <= training["recording"].nunique():
        raise DataError(
            "evaluation.validation_fraction",
            found=f"{fraction} of {training['recording'].nunique()} recordings",
            expected="a fraction above 0 and at most 0.5 that is at least one recording",
            remedy="Change it in the profile, or use more training clips.",
        )
    from sklearn.model_selection import StratifiedGroupKFold  # seconds that few need

    folds = StratifiedGroupKFold(n_splits, shuffle=True, random_state=seed)
    classes = training["labels"].str[0].to_numpy(dtype=str)
    fit, held_out = next(folds.split(np.zeros(len(training)), classes, training["recording"]))
    return training.iloc[fit], training.iloc[held_out]
