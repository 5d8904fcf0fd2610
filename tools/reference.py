"""The committed copy of a finished sample run, and the comparison of a new run with it.

``python -m tools.reference refresh`` copies the light part of ``results/sample``;
``python -m tools.reference check`` fails when a metric of a fresh run is further from the
copy than `TOLERANCE`, a score than twice that. The same machine gives the same metrics bit for bit;
processors that sum in another order do not, and training magnifies the difference.
"""

import argparse
import json
import math
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from irmas_utils.project import paths, records
from irmas_utils.project.errors import DataError
from irmas_utils.project.files import write_text
from irmas_utils.systems.networks import registry

PROFILE = "sample"
PAGES = paths.ROOT / "docs"
TOLERANCE = 0.05
LIGHT = ("figures/*.png", "figures/*.pdf", "metrics/*.json", "tables/*", "predictions/*.csv",
         "notebooks/[0-9]*.ipynb", "manifest.json")  # fmt: skip
# Times and memory differ from run to run, intervals say nothing that their scores do not, and what
# counts single clips, or lies between the scores of two, jumps where another processor rounds
# another way. A weak network's F1 is flat along the threshold, so the best one may jump from end to
# end: precision, recall and the number of labels follow it all the way, F1 a little. Which network
# is kept, and how many tests a family has, depends on whether published weights are there.
NOT_COMPARED = ("seconds", "memory", "low", "high", "p_value", "per_label", "answers",
                "threshold", "precision", "recall", "labels_per_clip", "labels a clip",
                "values", "p_adjusted", "verdict", "kept", "hypothesis", "accuracy",
                "dependence", "heard_trained")  # fmt: skip
# One training of the dense network, summed in another order, ends with an LRAP of up to .09 away,
# as it does with another seed; its mean over seeds stays.
SWAYED = re.compile(r"^comparison\.|f1|lrap|mixtures|difference", re.IGNORECASE)
# A loss that rises by more than a fifth over that of the first epoch: then rounding alone decides
# where a training ends, and nothing of it is compared.
DIVERGED = 1.2


def refresh() -> int:
    """Replace the committed copy by the light part of the finished run; returns the file count.

    Raises DataError if the run was made without the published weights and the copy was not.
    """
    source, target = records.results_dir(PROFILE), paths.reference_dir()
    _expect_pretrained(source, target)
    shutil.rmtree(target, ignore_errors=True)
    files = [path for pattern in LIGHT for path in sorted(source.glob(pattern))]
    for path in files:
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".ipynb":
            write_text(copy, _without_paths(path.read_text(encoding="utf-8")))
        else:
            shutil.copyfile(path, copy)
    _fill("results", "results", (target / "tables" / "comparison.md").read_text(encoding="utf-8"))
    if (real := paths.reference_dir("real") / "README.md").is_file():
        scores = real.read_text("utf-8").partition("## Scores so far\n\n")[2]
        _fill("results", "real", scores.partition("\n## ")[0])
    return len(files)


def _expect_pretrained(source: Path, target: Path) -> None:
    had, has = ({f.stem for f in folder.glob("metrics/*.json")} for folder in (target, source))
    lost = sorted(filter(registry.needs_weights, had - has))
    if lost:
        raise DataError(
            source,
            found=f"no results of {', '.join(lost)}, which the copy in {target} has",
            expected="a run with the published weights",
            remedy="Run with IRMAS_WEIGHTS naming their folder, or delete the copy first.",
        )


def _without_paths(notebook: str) -> str:
    """Shorten the paths that papermill notes down to file names: they say nothing elsewhere."""
    return re.sub(r'("(?:in|out)put_path": ")[^"]*/', r"\1", notebook)


def show_benchmarks() -> int:
    """Put the benchmarks' tables into the pages; returns how many there are."""
    files = sorted(paths.reference_dir("benchmarks").glob("*.md"))
    tables = {f.stem: f.read_text(encoding="utf-8") for f in files}
    # Of scores and not of speed, so they have places of their own.
    for scores in ("networks", "ablations"):
        _fill("results", scores, tables.pop(scores, ""))
    tables.pop("prior_only", None)  # an outcome, which the ledger of claims tells
    measured = [f"`benchmarks/{name}.py`\n\n{table}" for name, table in tables.items()]
    _fill("speed", "benchmarks", "\n".join(measured))
    return len(files)


def _fill(page: str, what: str, text: str) -> None:
    """Replace what a page shows between the two marks of that name."""
    file = PAGES / f"{page}.md"
    marks = rf"(<!-- {what}: .*? -->\n).*?(<!-- end of {what} -->)"
    filled = re.sub(marks, lambda m: f"{m[1]}\n{text}\n{m[2]}", file.read_text("utf-8"), flags=re.S)
    write_text(file, filled)


def differences(fresh: Path, reference: Path, tolerance: float = TOLERANCE) -> list[str]:
    """Compare the metrics in two folders: one line each that is missing, new or too far off.

    What needs published weights may be missing: not every machine has them. `tolerance` is the
    greatest difference that counts as the same: absolute, and beyond 1 relative; for a score, or a
    difference of two, twice that.
    """
    ours, theirs = _all_metrics(fresh), _all_metrics(reference)
    for optional in filter(_needs_weights, ours.keys() ^ theirs.keys()):
        ours.pop(optional, None), theirs.pop(optional, None)
    lines = [f"{key}: only in {reference}" for key in sorted(theirs.keys() - ours.keys())]
    lines += [f"{key}: only in {fresh}" for key in sorted(ours.keys() - theirs.keys())]
    aside = (*_diverged(fresh), *_diverged(reference))
    for key in sorted(key for key in ours.keys() & theirs.keys() if not key.startswith(aside)):
        allowed = 2 * tolerance if SWAYED.search(key) else tolerance
        if not _close(ours[key], theirs[key], allowed):
            lines.append(f"{key}: {ours[key]} instead of {theirs[key]}")
    return lines


def _diverged(folder: Path) -> Iterator[str]:
    """Yield what the metrics of runs begin with that diverged, and of their rows in a study."""
    for path in folder.glob("tables/*_history.csv"):
        history = pd.read_csv(path)
        losses = history.groupby("seed")["loss"] if "loss" in history else None
        if losses is not None and (losses.max() > DIVERGED * losses.first()).any():
            name = path.stem.removesuffix("_history")
            yield f"{name}."
            if name.count("-") > 1:
                yield "{}_studies.{}.{}.".format(*name.split("-", 2))


def _close(a: Any, b: Any, tolerance: float) -> bool:
    if isinstance(a, float) or isinstance(b, float):
        # Relative beyond 1: that is where numbers of labels are, and not scores.
        return None not in (a, b) and math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)
    return a == b


def _all_metrics(folder: Path) -> dict[str, Any]:
    return {
        f"{path.stem}.{key}": value
        for path in sorted((folder / "metrics").glob("*.json"))
        for key, value in _leaves(_means(json.loads(path.read_text(encoding="utf-8"))))
    }


def _means(record: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is of the first seed alone: another processor may end it elsewhere."""
    several = len(record.get("seeds", [])) > 1
    return {k: v for k, v in record.items() if not (several and k == "evaluation")}


def _needs_weights(key: str) -> bool:
    """Say whether a metric is of a run, or in a row of a table, that needs published weights.

    A row's name begins with that of the run: "mn04 fine-tuned", "ensemble of 5 networks".
    """
    return any(registry.needs_weights(re.split("[ ,:]", part)[0]) for part in key.split("."))


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if not name.startswith(NOT_COMPARED):
                yield from _leaves(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{key}[{number}]")
    else:
        yield key, value


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    parser = argparse.ArgumentParser("python -m tools.reference", description=__doc__)
    parser.add_argument("action", choices=["refresh", "check", "benchmarks"])
    action, lines = parser.parse_args(arguments).action, []
    try:
        if action == "refresh":
            print(f"{refresh()} files in {paths.reference_dir()}")
        elif action == "benchmarks":
            print(f"{show_benchmarks()} tables in {PAGES}")
        else:
            lines = differences(records.results_dir(PROFILE), paths.reference_dir())
            print(*lines or [f"The metrics agree with the reference within {TOLERANCE}."], sep="\n")
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
