"""What is wrong with a copy of the data set (01): bad clips, missing parts, duplicates."""

import os
from pathlib import Path

import pandas as pd

from irmas_utils.data import published
from irmas_utils.project import files, paths
from irmas_utils.project.errors import DataError


def missing(index: pd.DataFrame) -> list[str]:
    """Say what the full IRMAS set has and `index` has not: "training cel: 18 of 388 clips"."""
    expected = published.load("irmas")
    of = {split: index[index["split"] == split]["labels"] for split in ("training", "testing")}

    def gaps(what: str, found: pd.Series, wanted: dict[str, int]) -> list[str]:
        got = found.value_counts().reindex(wanted, fill_value=0).items()
        return [f"{what} {k}: {n} of {wanted[k]} clips" for k, n in got if n < wanted[k]]

    lacking = gaps("training", of["training"].str[0], expected["training"]["clips"])
    lacking += gaps("testing", index["part"], expected["testing"]["parts"])
    labels = expected["testing"]["clips"]
    return lacking or gaps("testing label", of["testing"].explode(), labels)


def require_complete(root: str | Path, index: pd.DataFrame) -> None:
    """Raise DataError unless `index`, read from `root`, is the full IRMAS set."""
    if gaps := missing(index):
        found = f"an incomplete IRMAS: {'; '.join(gaps)}"
        remedy = "Fetch the rest with `make data`, or set corpus.allow_incomplete to true."
        raise DataError(root, found, "all 6705 training and 2874 testing clips", remedy)


def digests(clips: pd.DataFrame) -> pd.Series:
    """Return the hash of each clip's content, kept in the cache until a file is changed."""
    kept = paths.cache_root() / "digests.json"
    known = _known(kept)
    stamps = {path: _stamp(path) for path in clips["path"]}
    new = {stamp: files.digest(path) for path, stamp in stamps.items() if stamp not in known}
    if new:
        with files.locked(kept.with_name(".digests.lock")):  # another may have added some
            files.write_sealed(kept, _known(kept) | new)
    return clips["path"].map(stamps).map(known | new)


def _known(kept: Path) -> dict[str, str]:
    try:
        return files.read_sealed(kept)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        print(f"{kept} is made again: {error}")
        kept.unlink(missing_ok=True)
        return {}


def _stamp(path: str) -> str:
    status = os.stat(path)
    # Names on disk need not be UTF-8.
    return f"{path!a} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def find_duplicates(index: pd.DataFrame) -> pd.DataFrame:
    """Find clips whose files are the same byte for byte, a row each.

    Columns: ``group`` (the same number for the same content), ``path``, ``name``, ``split``,
    ``recording``, ``labels``, and ``conflict`` (whether labels in the group differ).
    """
    content = digests(index)
    twins = index[content.duplicated(keep=False)]
    table = twins[["path", "name", "split", "recording", "labels"]]
    table = table.assign(group=pd.factorize(content[twins.index])[0])
    conflict = table.groupby("group")["labels"].transform("nunique") > 1
    return table.assign(conflict=conflict.astype(bool)).sort_values(["group", "path"])


def join_duplicates(index: pd.DataFrame) -> pd.DataFrame:
    """Give recordings that share a byte-identical clip one key, so that no split separates it."""
    content, joined = digests(index), index["recording"]
    while True:
        least = joined.groupby(content).transform("min")
        least = least.groupby(index["recording"]).transform("min")
        if least.equals(joined):
            return index.assign(recording=joined)
        joined = least
