"""What is wrong with a copy of the data set: bad clips, missing parts, duplicates.

Notebook: 01_data_analysis.ipynb.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

from irmas_utils.data import published
from irmas_utils.data.index import Problem
from irmas_utils.project.errors import DataError
from irmas_utils.project.files import digest


def report(problems: list[Problem]) -> pd.DataFrame:
    """Return the problems as a table with the columns path, found and expected."""
    return pd.DataFrame(problems, columns=list(Problem._fields)).astype(str)


def missing(index: pd.DataFrame) -> list[str]:
    """Say what the full IRMAS set has and `index` has not.

    Returns
    -------
    list of str
        One phrase a gap, for example ``"training cel: 18 of 388 clips"``; empty when complete.
    """
    expected = published.load("irmas")
    training = index[index["split"] == "training"]["labels"].str[0].value_counts()
    parts = index["part"].value_counts()
    gaps = [("training " + code, training.get(code, 0), clips)
            for code, clips in expected["training"]["clips"].items()]  # fmt: skip
    gaps += [("testing " + part, parts.get(part, 0), clips)
             for part, clips in expected["testing"]["parts"].items()]  # fmt: skip
    return [f"{what}: {got} of {all_} clips" for what, got, all_ in gaps if got < all_]


def require_complete(root: str | Path, index: pd.DataFrame) -> None:
    """Raise DataError unless `index`, read from `root`, is the full IRMAS set."""
    if gaps := missing(index):
        raise DataError(
            root,
            found="an incomplete IRMAS: " + "; ".join(gaps),
            expected="all 6705 training and 2874 testing clips",
            remedy="Fetch the rest with `python -m irmas_utils download`, or set "
            "corpus.allow_incomplete to true.",
        )


def find_duplicates(index: pd.DataFrame) -> pd.DataFrame:
    """Find clips whose files are the same byte for byte.

    Files are compared by size, then by a block from their middle, and hashed whole only where
    both agree, so that little of the set is read.

    Returns
    -------
    pandas.DataFrame
        A row a clip that has a twin: ``group`` (the same number for the same content), ``path``,
        ``name``, ``split``, ``labels``, and ``conflict`` (whether labels in the group differ).
    """
    groups = [list(index["path"])]
    for key in (_size, _middle, digest):
        groups = [twins for group in groups for twins in _partition(group, key)]
    number = {path: n for n, group in enumerate(groups) for path in group}
    twins = index[index["path"].isin(number.keys())]
    table = twins[["path", "name", "split", "recording", "labels"]].assign(
        group=twins["path"].map(number)
    )
    conflict = table.groupby("group")["labels"].transform("nunique") > 1
    return table.assign(conflict=conflict.astype(bool)).sort_values(["group", "path"])


def join_duplicates(index: pd.DataFrame, duplicates: pd.DataFrame) -> pd.DataFrame:
    """Give recordings that share a byte-identical clip one recording key.

    Without this, the same audio under two names could be on both sides of a split.
    """
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while key in parent:
            key = parent[key]
        return key

    for _, twins in duplicates.groupby("group"):
        first, *others = sorted({root(key) for key in twins["recording"]})
        parent.update(dict.fromkeys(others, first))
    return index.assign(recording=[root(key) for key in index["recording"]])


def _partition(paths: Iterable[str], key: Callable[[str], object]) -> list[list[str]]:
    parts = defaultdict(list)
    for path in paths:
        parts[key(path)].append(path)
    return [part for part in parts.values() if len(part) > 1]


def _size(path: str) -> int:
    return Path(path).stat().st_size


def _middle(path: str) -> bytes:
    with Path(path).open("rb") as file:
        file.seek(_size(path) // 2)
        return file.read(4096)
