"""What a notebook leaves behind: figures, tables, metrics, predictions, and where each came from.

Everything lands in ``results/<profile>/``. Each file gets an entry in the manifest: notebook,
parameters, data fingerprint, package versions, source hash, seed and time. Notebooks run side by
side, so each writes a manifest of its own; `merge_manifests` joins them when all are done.
"""

import functools
import hashlib
import importlib.metadata
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from irmas_utils.project import files, paths
from irmas_utils.project.errors import DataError
from irmas_utils.project.settings import Settings
from irmas_utils.project.vocabulary import INSTRUMENTS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn", "matplotlib", "pandas")


@dataclass
class Record:
    """The results of one execution of one notebook.

    `notebook` is its name, for example ``"04_fft_model"``; `run` tells executions with different
    parameters apart; `data` is the fingerprint from `data.index.fingerprint`.
    """

    notebook: str
    settings: Settings
    run: str | None = None
    data: str | None = None
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where this profile's results lie."""
        return results_dir(self.settings.profile)

    def save_figure(self, figure: "Figure", name: str) -> None:
        """Write a figure as PNG (for screens) and PDF (for print)."""
        # Without a date the same figure is the same file, byte for byte.
        for suffix, dateless in {"png": "Software", "pdf": "CreationDate"}.items():
            file, dpi = f"figures/{name}.{suffix}", 150 if suffix == "png" else "figure"
            with files.replacing(self.folder / file) as temporary:
                figure.savefig(temporary, dpi=dpi, bbox_inches="tight", metadata={dateless: None})
            self.enter(file)

    def save_table(self, table: pd.DataFrame, name: str) -> None:
        """Write a table as CSV (all digits) and Markdown (three decimals)."""
        self._save(f"tables/{name}.csv", table.to_csv(index=False))
        self._save(f"tables/{name}.md", table.to_markdown(index=False, floatfmt=".3f") + "\n")

    def save_metrics(self, metrics: dict[str, Any], name: str) -> None:
        """Write metrics as JSON; NaN is refused (ValueError)."""
        files.write_json(self.folder / "metrics" / f"{name}.json", metrics)
        self.enter(f"metrics/{name}.json")

    def save_predictions(
        self, clips: pd.DataFrame, scores: np.ndarray, decisions: np.ndarray, name: str
    ) -> None:
        """Write what a system said of each clip: rows of the index, and two (n_clips, 11)."""
        table = clips[["name", "recording"]].reset_index(drop=True)
        table["labels"] = [" ".join(labels) for labels in clips["labels"]]
        table[_columns("score")] = scores.astype(np.float32)
        table[_columns("decision")] = decisions.astype(int)
        # Nine digits bring a float32 back exactly.
        self._save(f"predictions/{name}.csv", table.to_csv(index=False, float_format="%.9g"))

    def _save(self, file: str, text: str) -> None:
        files.write_text(self.folder / file, text)
        self.enter(file)

    def enter(self, file: str) -> None:
        """Add a file that lies in the results to the manifest; the ``save_`` methods do."""
        self.entries[file] = {
            "notebook": self.notebook,
            "run": self.run,
            "profile": self.settings.profile,
            "seed": self.settings.seed,
            "data": self.data,
            "source": source_hash(),
            "versions": _versions(),
            "digest": files.digest(self.folder / file),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        part = self.folder / "manifests" / f"{manifest_name(self.notebook, self.run)}.json"
        files.write_json(part, self.entries)


def manifest_name(notebook: str, run: str | None) -> str:
    """Return the name of the manifest that one execution of a notebook writes, less its suffix."""
    return f"{notebook}-{run}" if run else notebook


def _columns(what: str) -> list[str]:
    return [f"{what}_{code}" for code in INSTRUMENTS]


def results_dir(profile: str) -> Path:
    """Folder of one profile's results."""
    return paths.results_root() / profile


def exists(profile: str, name: str) -> bool:
    """Say whether a run's metrics have been written."""
    return (results_dir(profile) / "metrics" / f"{name}.json").is_file()


def discard(profile: str, name: str) -> None:
    """Remove a run's metrics and predictions, if there are any."""
    for file in (f"metrics/{name}.json", f"predictions/{name}.csv"):
        (results_dir(profile) / file).unlink(missing_ok=True)


def load_metrics(profile: str, name: str) -> dict[str, Any]:
    """Read metrics of an earlier notebook; DataError says what makes them, if they are missing."""
    return json.loads(_existing(profile, f"metrics/{name}.json").read_text(encoding="utf-8"))


def load_table(profile: str, name: str) -> pd.DataFrame:
    """Read a table of an earlier notebook; as `load_metrics`."""
    return pd.read_csv(_existing(profile, f"tables/{name}.csv"))


def load_predictions(profile: str, name: str) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Read what `Record.save_predictions` wrote; as `load_metrics`.

    Returns
    -------
    clips : pandas.DataFrame
        Columns name, recording and labels (tuple of codes).
    scores, decisions : numpy.ndarray, float32 and bool, (n_clips, 11)
    """
    texts = dict.fromkeys(("name", "recording", "labels"), str)  # also where they are all digits
    file = _existing(profile, f"predictions/{name}.csv")
    table = pd.read_csv(file, keep_default_na=False, dtype=texts)
    clips = table[["name", "recording"]].assign(labels=table["labels"].str.split().map(tuple))
    scores = table[_columns("score")].to_numpy(np.float32)
    return clips, scores, table[_columns("decision")].to_numpy(bool)


def _existing(profile: str, file: str) -> Path:
    path = results_dir(profile) / file
    if not path.is_file():
        raise DataError(
            path,
            found="no such result",
            expected="a file that an earlier notebook writes",
            remedy=f"Run `make paper PROFILE={profile}`, or the notebook that writes it.",
        )
    return path


def merge_manifests(profile: str) -> dict[str, Any]:
    """Join the notebooks' manifests into ``manifest.json`` and return it, sorted by file."""
    folder = results_dir(profile)
    merged: dict[str, Any] = {}
    for part in sorted((folder / "manifests").glob("*.json")):
        merged |= json.loads(part.read_text(encoding="utf-8"))
    merged = dict(sorted(merged.items()))
    files.write_json(folder / "manifest.json", merged)
    return merged


@functools.cache
def source_hash() -> str:
    """Return a short hash of the package's source and of the notebooks."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted([*paths.PACKAGE.rglob("*.py"), *paths.NOTEBOOKS.glob("*.ipynb")]):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


@functools.cache
def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in PACKAGES}
