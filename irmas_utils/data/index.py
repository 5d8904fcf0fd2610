"""The data set as one table, a row a clip. Notebook: 01_data_analysis.ipynb.

Columns: ``split`` (training or testing), ``path``, ``name`` (file name without suffix),
``recording`` (clips of one value must stay together in a split), ``labels`` (tuple of codes, in the
vocabulary's order), ``genre``, ``drums``, ``duration`` [s], ``sample_rate`` [Hz], ``channels``,
``part`` (of the testing set).
"""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from irmas_utils.audio import io
from irmas_utils.data import names
from irmas_utils.project.errors import AudioError, DataError
from irmas_utils.project.vocabulary import IRMAS

PARTS = {"IRMAS-TrainingData": "training"} | {
    f"{start}Part{n}": f"Part{n}"
    for start in ("IRMAS-TestingData-", "IRTestingData-", "")
    for n in (1, 2, 3)
}
"""What is in a folder of a name that archives, or folders in them, have."""
COLUMNS = ("split", "path", "name", "recording", "labels", "genre", "drums", "duration",
           "sample_rate", "channels", "part")  # fmt: skip
LEFT_OUT = "left out"
"""The split of clips that are of no use to any: nothing is trained or scored on them."""


class Problem(NamedTuple):
    """One bad clip."""

    path: Path
    found: str
    expected: str


def load_index(root: str | Path, *, skip_bad_clips: bool = False) -> pd.DataFrame:
    """Read a folder in the IRMAS layout, or a part of one: a row a clip, by split, part and name.

    DataError if there is nothing in the IRMAS layout, or if a clip's file, name or labels are bad
    and it may not be skipped: up to twenty are listed at once.
    """
    index, problems = scan(root)
    if len(problems) and not skip_bad_clips:
        told = problems[:20].itertuples()
        lines = "".join(f"\n  {p.path}: {p.found}; expected {p.expected}" for p in told)
        found = f"{len(problems)} bad clip{'s' if len(problems) > 1 else ''}:{lines}\n"
        remedy = ("Restore these files or remove them, or set corpus.skip_bad_clips to true to "
                  "go on without them; `make data` restores what is missing.")  # fmt: skip
        raise DataError(root, found, "clips that can all be read", remedy)
    return index


def folders(root: str | Path) -> list[Path]:
    """Find each folder of `PARTS` once, up to three folders deep; two of one part are copies."""
    found, level = [], [Path(root)]
    for _ in range(3):
        # Names that start with a dot or an underscore are left by archives and the system.
        inner = sorted(path for folder in level for path in folder.glob("[!._]*/"))
        found += [folder for folder in inner if folder.name in PARTS]
        level = [folder for folder in inner if folder.name not in PARTS]
    return sorted({os.path.realpath(folder): folder for folder in found[::-1]}.values())


def scan(root: str | Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read a folder as `load_index` does: the good clips, and a `Problem` a row for the others."""
    root = Path(root)
    if not (within := folders(root)):
        found = "no folder of the IRMAS data set" if root.is_dir() else "no such folder"
        remedy = ("Set IRMAS_DATA to the folder that holds them, fetch the data with "
                  "`make data`, or use the sample profile, which needs no data.")  # fmt: skip
        expected = "IRMAS-TrainingData, IRMAS-TestingData-Part1 and so on"
        raise DataError(root, found, expected, remedy)
    rows, problems = {}, []
    for row in (row for folder in within for row in _rows(folder)):
        if isinstance(row, Problem):
            problems.append(row)
        elif first := rows.get(key := (row["split"] != "training", row["part"] or "", row["name"])):
            found = f"a clip that is also {first['path']}"
            problems.append(Problem(Path(row["path"]), found, "one copy"))
        else:
            rows[key] = row
    # Training comes first everywhere, as it does in the paper.
    index = pd.DataFrame([rows[key] for key in sorted(rows)], columns=list(COLUMNS))
    return index, pd.DataFrame(problems, columns=list(Problem._fields))


def _rows(folder: Path) -> Iterator[dict[str, Any] | Problem]:
    paths, problems = below(folder)
    yield from problems
    clips = [path for path in paths if path.suffix.lower() == ".wav"]
    if PARTS[folder.name] == "training":
        yield from map(_training_row, clips)
        return
    every = pd.Series([path for path in paths if path.suffix.lower() == ".txt"], dtype=object)
    twice = every.map(lambda path: path.with_suffix("")).duplicated(keep=False)
    yield from (Problem(path, "one of two label files of a clip", "one") for path in every[twice])
    texts = [*every[~twice]]
    # A label file lies beside its clip and has its name, if need be in other Unicode.
    beside = {path.with_name(names.readable(path.stem)): path for path in texts}
    beside |= {path.with_suffix(""): path for path in texts}
    known = {"readme", "Readme", "README"}
    for path in clips:
        known.add(name := names.readable(path.stem))
        text = beside.get(path.with_suffix("")) or beside.get(path.with_name(name))
        yield _testing_row(path, name, text, PARTS[folder.name])
    orphans = [path for path in texts if names.readable(path.stem) not in known]
    yield from (Problem(path, "no audio file beside it", f"{path.stem}.wav") for path in orphans)


def _training_row(path: Path) -> dict[str, Any] | Problem:
    name = names.readable(path.stem)
    try:
        about = names.parse_training_name(name)
        if path.parent.name != (code := about.pop("instrument")):
            raise ValueError(f"instrument {code} in folder {path.parent.name}")
    except ValueError as error:
        return Problem(path, str(error), "NNN__[instrument][drums][genre]NNNN__N.wav by class")
    return _row(path, split="training", name=name, labels=(code,), **about)


def _testing_row(path: Path, name: str, text: Path | None, part: str) -> dict[str, Any] | Problem:
    if text is None:
        return Problem(path, "no label file beside it", f"{name}.txt")
    try:
        if text.stat().st_size > 2**12:
            raise ValueError("more than any label file has")
        labels = names.parse_labels(text.read_bytes())
    except (ValueError, OSError) as error:
        return Problem(text, str(error)[:200], f"one of {' '.join(IRMAS.codes)} a line")
    song = names.song_of(name)
    return _row(path, split="testing", name=name, recording=song, labels=labels, part=part)


def below(folder: str | Path) -> tuple[list[Path], list[Problem]]:
    """Find the files below a folder, links followed, dot names not, and what cannot be read."""
    found, problems = [], []

    def fail(error: OSError) -> None:
        problems.append(Problem(Path(error.filename), str(error.strerror), "a readable folder"))

    for base, inner, files in os.walk(folder, onerror=fail, followlinks=True):
        real = Path(os.path.realpath(base))
        shown = [name for name in inner if not name.startswith(".")]
        loops = [name for name in shown if real.is_relative_to(os.path.realpath(real / name))]
        inner[:] = sorted({*shown} - {*loops})
        paths = [Path(base, name) for name in [*files, *loops] if not name.startswith(".")]
        found += (path for path in paths if os.path.isfile(path))
        odd = (path for path in paths if not os.path.isfile(path))
        problems += (Problem(p, "a pipe, device or dead or looping link", "a file") for p in odd)
    return sorted(found), problems


def _row(path: Path, **fields: Any) -> dict[str, Any] | Problem:
    try:
        return dict.fromkeys(COLUMNS) | {"path": str(path)} | fields | io.header(path)
    except AudioError as error:
        return Problem(path, error.found, "a readable audio file")


def split_validation(
    training: pd.DataFrame, fraction: float, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split off a `fraction`, up to half, of each class by recording; DataError if that is none."""
    n_splits = round(1 / fraction) if 1e-9 < fraction <= 0.5 else 0
    if not 2 <= n_splits <= training["recording"].nunique():
        found = f"{fraction} of {training['recording'].nunique()} recordings"
        expected = "a fraction of at most 0.5 that is at least one recording"
        remedy = "Change evaluation.validation_fraction or --fraction, or use more clips."
        raise DataError("validation_fraction", found, expected, remedy)
    held_out = folds(training, n_splits, seed) == 0
    return training[~held_out], training[held_out]


def folds(clips: pd.DataFrame, n_folds: int, seed: int) -> np.ndarray:
    """Deal recordings to folds by their clips' first labels: (n_clips,). DataError if too few."""
    from sklearn.model_selection import StratifiedGroupKFold  # seconds that few need

    classes = clips["labels"].str[0].to_numpy(dtype=str)
    found = np.full(len(clips), -1)
    try:
        dealt = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # of rare labels
            for fold, (_, held) in enumerate(dealt.split(classes, classes, clips["recording"])):
                found[held] = fold
    except ValueError as error:
        expected = "2 folds or more, and for one label as many clips"
        remedy = "Change --folds, --fraction (1 / folds) or --seed, or use more clips."
        found = f"{n_folds} folds of {clips['recording'].nunique()} recordings ({error})"
        raise DataError("folds", found, expected, remedy) from error
    return found
