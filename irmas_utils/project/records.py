"""What a notebook leaves behind: figures, tables, metrics, predictions, and where each came from.

Everything lands in ``results/<profile>/``, and each file gets an entry in the manifest. Notebooks
run side by side, so each writes one of its own; `merge_manifests` joins them when all are done.
"""

import contextlib
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from irmas_utils.project import files, paths, pictures
from irmas_utils.project.errors import DataError, SettingsError
from irmas_utils.project.settings import Settings
from irmas_utils.project.vocabulary import INSTRUMENTS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REAL = "make reference-real"
"""The command that computes what is missing on real clips."""
OWN = (None, "lstm", "fft")
"""Runs of notebooks that are executed whole; others are those of studies."""
PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn", "matplotlib", "pandas")


@dataclass
class Record:
    """The results of one execution of one notebook.

    `notebook` is its name, for example ``"04_fft_model"``; `run` tells executions with different
    parameters apart; `data` is the fingerprint from `data.corpus.fingerprint`.
    """

    notebook: str
    settings: Settings
    run: str | None = None
    data: str | None = None
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise SettingsError if a run's name cannot be a file's."""
        if self.run is not None and not re.fullmatch(r"\w[\w.+-]{,60}", self.run):
            expected = "letters, digits, and . + - within"
            raise SettingsError("run", repr(self.run)[:200], expected, "Rename it.")

    @property
    def folder(self) -> Path:
        """Where this profile's results lie."""
        return results_dir(self.settings.profile)

    def save_figure(self, figure: "Figure", name: str) -> None:
        """Write a figure as PNG (for screens) and PDF (for print)."""
        for suffix, picture in {"png": pictures.png, "pdf": pictures.pdf}.items():
            file = f"figures/{name}.{suffix}"
            with files.replacing(self.folder / file) as temporary:
                temporary.write_bytes(picture(figure))
            self.enter(file)

    def save_table(self, table: pd.DataFrame, name: str) -> None:
        """Write a table as CSV (all digits), and as Markdown and LaTeX (three decimals)."""
        self._save(f"tables/{name}.csv", table.to_csv(index=False))
        self._save(f"tables/{name}.md", markdown(table) + "\n")
        wide = [any(len(str(value)) > 40 for value in table[column]) for column in table]
        kinds = ["r" if pd.api.types.is_numeric_dtype(kind) else "l" for kind in table.dtypes]
        columns = "".join("p{6cm}" if w else kind for w, kind in zip(wide, kinds, strict=True))
        plain = {"index": False, "float_format": "%.3f", "na_rep": "", "escape": True}
        self._save(f"tables/{name}.tex", table.to_latex(column_format=columns, **plain))

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
            **_made_with(),
            "digest": files.digest(self.folder / file),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        name = manifest_name(self.notebook, self.run)
        files.write_sealed(self.folder / "manifests" / f"{name}.json", self.entries)


def markdown(table: pd.DataFrame, form: str = ".3f") -> str:
    """Write a table in Markdown: floats as `form` says, a dash for what is not there.

    Texts are shown as they are, also those of digits.
    """
    shown = table.astype(object).where(table.notna(), None)
    texts = [n for n, key in enumerate(shown) if any(isinstance(v, str) for v in shown[key])]
    options = {"index": False, "floatfmt": form, "missingval": "–"}
    return shown.to_markdown(disable_numparse=texts, **options)


def manifest_name(notebook: str, run: str | None) -> str:
    """Return the name of the manifest that one execution of a notebook writes, less its suffix."""
    return f"{notebook}-{run}" if run else notebook


def of_manifest(name: str) -> tuple[str, str | None]:
    """Return the notebook and the run whose `manifest_name` a name is."""
    notebook, _, run = name.partition("-")
    return notebook, run or None


def executed(folder: Path, notebook: str, run: str | None) -> Path:
    """Return where the executed notebook lies that records a run, below a profile's results."""
    inside = notebook if run in OWN else f"studies/{run}"
    return folder / "notebooks" / f"{inside}.ipynb"


def _columns(what: str) -> list[str]:
    return [f"{what}_{code}" for code in INSTRUMENTS]


def results_dir(profile: str) -> Path:
    """Folder of one profile's results."""
    return paths.results_root() / profile


def exists(profile: str, name: str) -> bool:
    """Say whether a run's metrics have been written."""
    file = f"metrics/{name}.json"
    return (_folder(profile, file) / file).is_file()


def discard(profile: str, name: str) -> None:
    """Remove a run's metrics and predictions, if there are any."""
    for file in (f"metrics/{name}.json", f"predictions/{name}.csv"):
        (results_dir(profile) / file).unlink(missing_ok=True)


def load_metrics(profile: str, name: str) -> dict[str, Any]:
    """Read metrics of an earlier notebook; DataError if they are missing or not as recorded."""
    return _read(profile, f"metrics/{name}.json")


def load_table(profile: str, name: str) -> pd.DataFrame:
    """Read a table of an earlier notebook; as `load_metrics`."""
    return _read(profile, f"tables/{name}.csv")


def real_metrics(settings: Settings, name: str) -> dict[str, Any] | None:
    """Read a run's metrics on real clips: the profile's own where its data is real.

    Else those committed in ``results/reference/real``, or None where there are none yet: a
    reader is told of `REAL`, which computes them.
    """
    return _real(settings, f"metrics/{name}.json")


def real_table(settings: Settings, name: str) -> pd.DataFrame | None:
    """Read a table on real clips, as `real_metrics`."""
    return _real(settings, f"tables/{name}.csv")


def _real(settings: Settings, file: str) -> Any:
    if settings.corpus.source != "sample":
        return _read(settings.profile, file)
    path = paths.reference_dir("real") / file
    return _parse(path) if path.is_file() else None


def load_predictions(
    profile: str, name: str, clips: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Read what `Record.save_predictions` wrote; as `load_metrics`.

    Returns the clips (name, recording, labels as a tuple of codes), scores and decisions, float32
    and bool, (n_clips, 11): in the order of `clips`, if given. DataError if these are others.
    """
    file = f"predictions/{name}.csv"
    found, scores, decisions = _read(profile, file)
    if clips is None:
        return found, scores, decisions
    order = _keys(found).get_indexer(_keys(clips))
    if len(order) != len(found) or (order < 0).any():
        raise _unfit(profile, file, "other clips than those of the other systems")
    return found.loc[order].reset_index(drop=True), scores[order], decisions[order]


def read_predictions(file: Path) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Read predictions as `load_predictions`, whatever is recorded; ValueError for other values."""
    text = dict.fromkeys(["name", "recording", "labels"], str)  # also where they look like numbers
    table = pd.read_csv(file, dtype=text, keep_default_na=False, lineterminator="\n")
    clips = table[["name", "recording"]].assign(labels=table["labels"].str.split().map(tuple))
    scores, decisions = (table[_columns(w)].to_numpy(np.float32) for w in ("score", "decision"))
    bounded = ((scores >= 0) & (scores <= 1)).all()
    if table.empty or not (bounded and np.isin(decisions, (0, 1)).all()):
        raise ValueError("no rows, scores outside [0, 1], or decisions other than 0 and 1")
    return clips, scores, decisions.astype(bool)


def _keys(clips: pd.DataFrame) -> pd.MultiIndex:
    """Return what tells the clips apart; of those that are alike, each has a number."""
    told = clips[["name", "recording", "labels"]]
    return pd.MultiIndex.from_frame(told.assign(number=told.groupby(list(told)).cumcount()))


def _read(profile: str, file: str) -> Any:
    path = (folder := _folder(profile, file)) / file
    if not path.is_file():
        raise _unfit(profile, file, "no such result")
    entry = outputs(folder).get(file)
    if entry and entry["digest"] != files.digest(path):
        # Without the executed notebook `make paper` makes its results again.
        executed(folder, entry["notebook"], entry["run"]).unlink(missing_ok=True)
        raise _unfit(profile, file, "something else than what was recorded")
    try:
        return _parse(path)
    except (OSError, ValueError, KeyError, RecursionError) as error:
        raise _unfit(profile, file, f"a damaged file ({error})") from error


def _parse(path: Path) -> Any:
    if path.suffix == ".json":
        return json.loads(path.read_bytes())
    return (read_predictions if path.parent.name == "predictions" else pd.read_csv)(path)


def _folder(profile: str, file: str) -> Path:
    """Return the folder to read a result from; who is lent what is committed is told so."""
    own, committed = results_dir(profile), paths.reference_dir(profile)
    if not lends or (own / file).is_file() or not (committed / file).is_file():
        return own
    _say_once(f"What this profile's own run has not made is read from {committed}, a finished run.")
    return committed


lends = False
"""Whether what is missing is read from what is committed: so that a notebook can be worked with."""

_say_once = functools.cache(print)


def _unfit(profile: str, file: str, found: str) -> DataError:
    """Return the error of an unfit result; the committed sample run knows who makes it."""
    committed = files.read_json(paths.reference_dir("sample") / "manifest.json")
    notebook = committed.get(file, {}).get("notebook", "an earlier notebook")
    remedy = f"Run {notebook} first, or `make paper PROFILE={profile}` (or its path)."
    return DataError(results_dir(profile) / file, found, f"what {notebook} writes", remedy)


def outputs(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the manifest's entry of each recorded file, but for damaged manifests."""
    return {file: made for _, part in manifests(folder) for file, made in (part or {}).items()}


def manifests(folder: Path) -> Iterator[tuple[str, dict[str, dict[str, Any]] | None]]:
    """Yield each manifest's name and its entries by file, sorted; None stands for a damaged one."""
    for part in sorted((folder / "manifests").glob("*.json")):
        try:
            yield part.stem, files.read_sealed(part)
        except (OSError, ValueError):
            yield part.stem, None


def merge_manifests(profile: str) -> dict[str, Any]:
    """Join the notebooks' manifests into ``manifest.json``. DataError if one is damaged."""
    folder, merged = results_dir(profile), {}
    for name, entries in manifests(folder):
        if entries is None:
            executed(folder, *of_manifest(name)).unlink(missing_ok=True)
            raise _unfit(profile, f"manifests/{name}.json", "something else than what was recorded")
        merged |= entries
    files.write_json(folder / "manifest.json", merged := dict(sorted(merged.items())))
    return merged


@functools.cache
def source_hash() -> str:
    """Return a short hash of the package's source and of the notebooks."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted([*paths.PACKAGE.rglob("*.py"), *paths.NOTEBOOKS.glob("*.ipynb")]):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


@functools.cache
def _made_with() -> dict[str, Any]:
    """Return what a result is made with here; the commit is None without git."""
    commit, processor = None, platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        command = ["git", "-C", str(paths.ROOT), "rev-parse", "--short=12", "HEAD"]
        # An archive that was unpacked inside another repository is not of that one's commit.
        alone = os.environ | {"GIT_CEILING_DIRECTORIES": str(paths.ROOT.parent)}
        done = subprocess.run(command, capture_output=True, text=True, env=alone)
        commit = done.stdout.strip() or None
    with contextlib.suppress(OSError, StopIteration):
        names = re.finditer(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        processor = next(names)[1]
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"source": source_hash(), "commit": commit, "versions": versions, "processor": processor}
