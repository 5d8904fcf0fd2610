"""The data set that a profile names: the real IRMAS, or the built-in sample corpus."""

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from irmas_utils.data import integrity, sample
from irmas_utils.data.index import fingerprint, load_index
from irmas_utils.project import files, paths
from irmas_utils.project.errors import SettingsError
from irmas_utils.project.settings import Settings


def load(settings: Settings) -> pd.DataFrame:
    """Return the index of the profile's data set, rendering the sample corpus on first use.

    Clips that are the same byte for byte share a recording key, so that no split separates them.

    Raises
    ------
    DataError
        As `data.index.load_index`, or if the set is incomplete and may not be.
    SettingsError
        If ``corpus_source`` is unknown.
    """
    root = folder(settings)
    index = load_index(root, skip_bad_clips=settings.corpus_skip_bad_clips)
    if not settings.corpus_allow_incomplete:
        integrity.require_complete(root, index)
    return index.assign(recording=_recordings(index))


def _recordings(index: pd.DataFrame) -> list[str]:
    """Recording key of each clip, the same for byte-identical ones.

    Every notebook asks, and looking for twins reads from every file: the answer is kept until a
    file is added, removed or changed.
    """
    entry = paths.cache_root() / "recordings" / f"{_stamp(index)}.json"
    if not entry.is_file():
        joined = integrity.join_duplicates(index, integrity.find_duplicates(index))
        files.write_json(entry, joined["recording"].tolist())
    return json.loads(entry.read_text(encoding="utf-8"))


def _stamp(index: pd.DataFrame) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for path, recording in zip(index["path"], index["recording"], strict=True):
        status = os.stat(path)
        digest.update(repr((path, recording, status.st_size, status.st_mtime_ns)).encode())
    return digest.hexdigest()


def folder(settings: Settings) -> Path:
    """Return the folder in the IRMAS layout that the profile's data is in. Raises as `load`."""
    if settings.corpus_source == "irmas":
        return paths.data_root()
    if settings.corpus_source == "sample":
        return sample.ensure(
            training_clips=settings.corpus_training_clips,
            testing_clips=settings.corpus_testing_clips,
            seed=settings.seed,
            soundfont=settings.corpus_soundfont,
            progress=sys.stderr.isatty(),
        )
    raise SettingsError(
        "corpus_source",
        found=repr(settings.corpus_source),
        expected="sample or irmas",
        remedy="Correct the profile.",
    )


def name(settings: Settings) -> str:
    """Return what figures and tables call the data set."""
    return "IRMAS" if settings.corpus_source == "irmas" else "sample corpus, not IRMAS"


def describe(settings: Settings) -> dict[str, Any]:
    """Return what the data set is, as JSON: name, folder, fingerprint, clips a split, gaps."""
    index = load(settings)
    return {
        "name": name(settings),
        "folder": str(folder(settings)),
        "fingerprint": fingerprint(index),
        "clips": index["split"].value_counts().to_dict(),
        "missing": [] if settings.corpus_source == "sample" else integrity.missing(index),
    }


def version(settings: Settings) -> list[str]:
    """Return something that changes when clips are added to or removed from the real data."""
    if settings.corpus_source != "irmas":
        return []
    folders = [paths.data_root(), *sorted(paths.data_root().glob("IRMAS-*/*/"))]
    return [f"{path} {path.stat().st_mtime_ns}" for path in folders if path.is_dir()]
