"""The data set that a profile names: the real IRMAS, or the built-in sample corpus."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from irmas_utils.data import integrity, sample
from irmas_utils.data.index import LEFT_OUT, folders, folds, load_index, split_validation
from irmas_utils.project import paths
from irmas_utils.project.errors import DataError
from irmas_utils.project.settings import Settings


def load(settings: Settings) -> pd.DataFrame:
    """Return the index of the profile's data set, rendering the sample corpus on first use.

    Clips that are the same byte for byte share a recording key, so that no split separates them.
    DataError as `data.index.load_index`, or if the set is incomplete and may not be.
    """
    root = folder(settings)
    index = load_index(root, skip_bad_clips=settings.corpus.skip_bad_clips)
    if not settings.corpus.allow_incomplete:
        integrity.require_complete(root, index)
    return integrity.join_duplicates(index)


class Splits(NamedTuple):
    """Clips to fit on, to watch while fitting, and to report on; rows of the index."""

    fitting: pd.DataFrame
    validation: pd.DataFrame
    testing: pd.DataFrame

    def sizes(self) -> str:
        """Say how many clips and recordings there are in each part, as a Markdown table."""
        parts = self._asdict().items()
        rows = [(part, len(clips), clips["recording"].nunique()) for part, clips in parts]
        return pd.DataFrame(rows, columns=["part", "clips", "recordings"]).to_markdown(index=False)


def split(index: pd.DataFrame, settings: Settings) -> Splits:
    """Split the training set by recording and put the testing set beside it.

    DataError if one of them is empty, or the training set too small for the validation fraction.
    """
    parts = {name: index[index["split"] == name] for name in ("training", "testing")}
    if empty := [name for name, clips in parts.items() if clips.empty]:
        found = f"no {' and no '.join(empty)} clips"
        expected = "both sets: models are fitted on one and scored on the other"
        raise DataError("data set", found, expected, "Fetch the missing archives with `make data`.")
    fraction = settings.evaluation.validation_fraction
    fitting, validation = split_validation(parts["training"], fraction, settings.seed)
    return Splits(fitting, validation, parts["testing"])


def split_table(index: pd.DataFrame, fraction: float, seed: int, n_folds: int) -> pd.DataFrame:
    """Return splits for others to use, a row a clip: clip, file, recording, labels, split, fold.

    Recordings stay together, and clips that are the same byte for byte count as of one. A
    `fraction` of the training clips is the validation set. An index without splits is first split
    into training and testing; where there are some, training clips of a recording that is tested
    are ``left out``, as is what was so before. Folds, from 0 to ``n_folds - 1``, are of the
    training and validation clips. DataError as `split_validation`.
    """
    index = integrity.join_duplicates(index)
    testing = index[index["split"] == "testing"]
    rest = index[~index["split"].isin(["testing", LEFT_OUT])]
    if index["split"].isna().all():
        rest, testing = split_validation(index, fraction, seed)
    leaks = rest["recording"].isin({*testing["recording"]})
    fitting, validation = split_validation(rest[~leaks], fraction, seed)
    table = index.assign(split=LEFT_OUT, fold=pd.NA)
    parts = {"training": fitting, "validation": validation, "testing": testing}
    for name, clips in parts.items():
        table.loc[clips.index, "split"] = name
    table.loc[rest[~leaks].index, "fold"] = folds(rest[~leaks], n_folds, seed)
    table["labels"] = table["labels"].map(" ".join)
    named = table.rename(columns={"name": "clip", "path": "file"})
    return named[["clip", "file", "recording", "labels", "split", "fold"]]


def content(clips: pd.DataFrame) -> str:
    """Return a hash of the clips' audio and labels, in their order, whatever the files' names."""
    return _hash(zip(integrity.digests(clips), clips["labels"], strict=True), 16)


def fingerprint(index: pd.DataFrame) -> str:
    """Return a short hash of each clip's split, name, labels and content, wherever it lies."""
    told = index[["split", "name", "labels"]].assign(content=integrity.digests(index))
    return _hash(told.itertuples(index=False, name=None), 8)


def _hash(rows: Iterable[tuple], size: int) -> str:
    return hashlib.blake2b("".join(map(repr, rows)).encode(), digest_size=size).hexdigest()


def folder(settings: Settings) -> Path:
    """Return the folder in the IRMAS layout that the profile's data is in. Raises as `load`."""
    if settings.corpus.source != "sample":
        return paths.data_root()
    return sample.ensure(settings)


def mend(settings: Settings) -> None:
    """Render the sample corpus again if some of it is damaged, but not where all of it is gone."""
    if settings.corpus.source == "sample" and (paths.cache_root() / "sample").is_dir():
        folder(settings)


NAMES = {
    "irmas": "IRMAS",
    "sample": "sample corpus, not IRMAS",
    "rebuilt": "real clips rebuilt from spectrograms and mixed, not IRMAS",
}
"""What figures and tables call the data set, by its source."""


def name(settings: Settings) -> str:
    """Return what figures and tables call the data set."""
    return NAMES[settings.corpus.source]


def describe(settings: Settings) -> dict[str, Any]:
    """Return what the data set is, as JSON: name, folder, fingerprint, clips a split, gaps."""
    index = load(settings)
    return {
        "name": name(settings),
        "folder": str(folder(settings)),
        "fingerprint": fingerprint(index),
        "clips": index["split"].value_counts().to_dict(),
        "missing": integrity.missing(index) if settings.corpus.source == "irmas" else [],
    }


def version(settings: Settings) -> list[str]:
    """Return something that changes when clips are added to or removed from the real data."""
    if settings.corpus.source == "sample":
        return []
    parts = folders(paths.data_root())
    inner = [path for folder in parts for path in sorted(folder.glob("*/"))]
    return [f"{path} {path.stat().st_mtime_ns}" for path in [*parts, *inner]]
