"""What differs between two finished runs, and whether their scores do: ``irmas diff A B``.

A run is a results folder, the name of a profile, or a commit, which stands for the sample run that
it holds (`paths.reference_dir`). Nothing in either is changed.
"""

import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from irmas_utils import metrics
from irmas_utils.audio.features import label_matrix
from irmas_utils.metrics import tables
from irmas_utils.metrics.scorer import METRICS
from irmas_utils.project import files, paths, records
from irmas_utils.project.errors import DataError

_CODE = ("irmas_utils", "notebooks", "profiles", "requirements.lock")
_MADE_FROM = ("profile", "seed", "data", "source")


class Run(NamedTuple):
    """A results folder, the digests recorded of its files, and the commit if it is one's."""

    folder: Path
    made: dict[str, str | None]
    commit: str | None = None


def diff(a: str, b: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare two runs. DataError if there is no such run, or a file of its results is damaged.

    Returns what differs in settings, versions, data and code, and a row a system and score: a and b
    with their intervals, and where both have predictions of the same clips, paired over recordings,
    the difference with its interval and p (adjusted after Holm). Systems that are the same have
    none.
    """
    with tempfile.TemporaryDirectory() as scratch:
        runs = [_find(name, Path(scratch, str(n))) for n, name in enumerate((a, b))]
        facts = [dict(_facts(run)) for run in runs]
        named = [key for key in facts[0] | facts[1] if facts[0].get(key) != facts[1].get(key)]
        rows = [(key, *(each.get(key, "–") for each in facts)) for key in named]
        rows += _code(*runs)
        return pd.DataFrame(rows, columns=["what", "a", "b"]), _scores(*runs)


def _find(name: str, scratch: Path) -> Run:
    for folder in (Path(name), records.results_dir(name)):
        if any((folder / "metrics").glob("*.json")):
            return Run(folder, _recorded(folder))
    inside = paths.reference_dir().relative_to(paths.ROOT).as_posix()
    try:
        packed = io.BytesIO(_git("archive", "--end-of-options", name, inside))
        with tarfile.open(fileobj=packed) as archive:
            archive.extractall(scratch, filter="data")
    except (OSError, subprocess.CalledProcessError) as error:
        expected = "a results folder with metrics, a profile that has run, or a commit"
        raise DataError(name, "no results", expected, "Check the name.") from error
    return Run(scratch / inside, _recorded(scratch / inside), name)


def _recorded(folder: Path) -> dict[str, str | None]:
    """Return each recorded file's digest; what is committed has no manifest but the whole one."""
    whole = files.read_json(folder / "manifest.json").items()
    committed = {file: made.get("digest") for file, made in whole if isinstance(made, dict)}
    return committed | {file: made["digest"] for file, made in records.outputs(folder).items()}


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    try:
        whole = json.loads((run.folder / "manifest.json").read_text(encoding="utf-8"))
        for key in _MADE_FROM:
            values = {str(each[key]) for each in whole.values() if each[key] is not None}
            yield key, ", ".join(sorted(values))
        versions = {pair for each in whole.values() for pair in each["versions"].items()}
        yield from ((f"version of {name}", version) for name, version in sorted(versions))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        yield "manifest", "none that can be read"
    for name, (settings, _) in _metrics(run).items():
        yield from ((f"{name}: {key}", json.dumps(value)) for key, value in settings.items())
        yield name, "there"
        if (run.folder / f"predictions/{name}.csv").is_file():
            yield f"predictions of {name}", "there"


def _metrics(run: Run) -> dict[str, tuple[dict[str, Any], dict[str, Any] | None]]:
    """Return the settings of each run of notebooks, and the scores of those that were evaluated."""
    names = sorted(file.stem for file in run.folder.glob("metrics/*.json"))
    return {name: _read(run, f"metrics/{name}.json", _parsed) for name in names}


def _parsed(file: Path) -> tuple[dict[str, Any], dict[str, Any] | None]:
    found = json.loads(file.read_bytes())
    scores = tables.scores_of(found["evaluation"]) if "evaluation" in found else None
    if scores and not all(0 <= scores[key]["value"] <= 1 for key in METRICS):
        raise ValueError("scores outside [0, 1]")
    return dict(found.get("settings", {})), scores


def _read(run: Run, file: str, parse: Callable[[Path], Any]) -> Any:
    path = run.folder / file
    try:
        if run.made.get(file) not in (None, files.digest(path)):
            raise ValueError("not what was recorded")
        return parse(path)
    except Exception as error:  # whatever stands in it instead
        found = f"a damaged file ({error})"[:300]
        raise DataError(path, found, "results", "Run that profile again.") from error


def _code(a: Run, b: Run) -> list[tuple[str, str, str]]:
    """List the files of code that differ between two commits: added and deleted lines."""
    if not (a.commit and b.commit):
        return []
    said = _git("diff", "--numstat", a.commit, b.commit, "--", *_CODE).decode()
    changed = [line.split("\t") for line in said.splitlines()]
    return [(file, f"-{deleted}", f"+{added}") for added, deleted, file in changed]


def _git(*arguments: str) -> bytes:
    command = ["git", "-C", str(paths.ROOT), *arguments]
    return subprocess.run(command, capture_output=True, check=True).stdout


def _scores(a: Run, b: Run) -> pd.DataFrame:
    pair, rows = (_metrics(a), _metrics(b)), []
    for name in sorted(pair[0].keys() & pair[1].keys()):
        leaves = [each[name][1] for each in pair]
        if None in leaves:
            continue
        file, answers = f"predictions/{name}.csv", []
        if all((run.folder / file).is_file() for run in (a, b)):
            answers = [_read(run, file, records.read_predictions) for run in (a, b)]
            same = all(map(np.array_equal, *answers))
        else:
            same = a.made.get(file) == b.made.get(file)
        if leaves[0] != leaves[1] or not same:
            rows += [_row(name, key, leaves, answers) for key in METRICS]
    columns = ["run", "score", "a", "b", "difference", "95 % interval", "p"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(**{"p, Holm": metrics.holm(table["p"].astype(float))})


def _row(name: str, key: str, leaves: list[dict[str, Any]], answers: list[Any]) -> tuple:
    texts = [f"{leaf[key]['value']:.3f} ({tables.interval(leaf[key])})" for leaf in leaves]
    shown = leaves[0][key]["value"] - leaves[1][key]["value"], None, None
    if answers and answers[0][0].equals(answers[1][0]):
        clips, pair = answers[0][0], [each[1 if key == "lrap" else 2] for each in answers]
        test = metrics.paired_test(label_matrix(clips["labels"]), *pair, [*clips["recording"]], key)
        shown = test["difference"], tables.interval(test), test["p_value"]
    return name, tables.TITLES[key], *texts, *shown
