"""Run the paper on real clips in steps and keep what they give in aggregate: `make reference-real`.

``python -m tools.real_reference run --clips FOLDER`` makes the data set of ``profiles/real.yaml``
(`tools.real_corpus`) in the cache, or reads the one that IRMAS_DATA names, and executes the
notebooks and studies one after another. A step takes at most ``--minutes`` and is then stopped;
what it has trained is kept, and the next step goes on with it. After each step the aggregates are
copied to ``results/reference/real``, and with ``--commit`` committed. ``collect`` only copies.
SIGINT or SIGTERM ends a run likewise: the same command goes on.

Of the clips nothing is copied: figures by a list of those that show none, tables and metrics unless
they name one.
"""

import argparse
import contextlib
import fnmatch
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil

from irmas_utils import metrics
from irmas_utils.data import corpus
from irmas_utils.metrics import evaluation, tables
from irmas_utils.paper import conclusions, discussion, fft_causes, hypothesis, jobs
from irmas_utils.project import files, parallel, paths, records, settings
from irmas_utils.project.errors import DataError
from tools import real_corpus

PROFILE = "real"
FIRST = ("01_*", "08_*", "07_*", "lstm-seed-*", "03_*")
LAST = ("fft-seed-*", "04_*", "fft-*", "05_*", "06_*", "09_*", "10_*")  # 40 million parameters
NOT_RUN = ("00_*", "02_*", "11_*")  # of single clips, or of none
FIGURES = ("label_*", "testing_set", "*_training", "*_per_label", "*_study_*", "bosch_streams",
           "networks_levels", "networks_threshold", "comparison*", "discussion*", "predominance*",
           "claims*")  # fmt: skip
"""What shows no single clip; other figures stay behind until they are named here."""
HOURS = "hours.json"
TRIVIAL = "metrics/trivial.json"  # of the predictors that never listen
CAUSES = {"lstm": discussion.lstm_causes, "fft": discussion.dense_causes}
UNCOUNTED = (
    "The end of these was not counted, so that how long they took in all is not known; the seconds "
    "of each epoch that was trained stand in `tables/*_history.csv`."
)
ABOUT = Path(__file__).with_name("real_reference.md")


def steps(cfg: settings.Settings) -> list[str]:
    """Return the jobs of the profile in the order of their cost."""
    found = [name for name in jobs.jobs(cfg) if not _matches(name, NOT_RUN)]
    first, last = (
        [name for pattern in patterns for name in found if _matches(name, [pattern])]
        for patterns in (FIRST, LAST)
    )
    rest = [name for name in found if name not in {*first, *last}]
    return [*dict.fromkeys([*first, *rest, *last])]


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def take(name: str, minutes: float, threads: int) -> dict[str, Any] | None:
    """Execute one job for so many minutes at most; returns what it took, None if it was done.

    The LSTM's clips are spread over all cores, other networks get so many threads.
    """
    cfg, began, busy = settings.load(PROFILE), time.time(), {}
    command = [sys.executable, "-m", "irmas_utils", "paper", "--profile", PROFILE]
    command += ["--notebook", name, "--cores", "1"]
    job = jobs.jobs(cfg)[name]
    count = str(parallel.cores() if job.notebook == "03_lstm_model" else threads)
    limits = {f"TF_NUM_{what}OP_THREADS": count for what in ("INTRA", "INTER")}
    with subprocess.Popen(command, cwd=paths.ROOT, env=os.environ | limits) as process:
        try:
            _watch(process, began + 60 * minutes, busy)
            ended = "failed" if process.returncode else "done"
        except (subprocess.TimeoutExpired, KeyboardInterrupt) as reason:
            process.send_signal(signal.SIGINT)
            process.wait()
            ended = "stopped" if isinstance(reason, subprocess.TimeoutExpired) else "interrupted"
    executed = job.output(records.results_dir(PROFILE))
    if ended == "done" and executed.stat().st_mtime < began:
        return None
    return {
        "step": name,
        "ended": ended,
        "hours": round((time.time() - began) / 3600, 4),
        "core_hours": round(sum(busy.values()) / 3600, 4),
        "cores": parallel.cores(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "source": records.source_hash(),
    }


def _watch(process: subprocess.Popen, until: float, busy: dict[psutil.Process, float]) -> None:
    """Wait for a process to end, and note the CPU seconds of all that it has started.

    What it starts ends in many ways, so that the system's account of it has gaps.
    """
    while process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(process.pid)
            for child in (parent, *parent.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    busy[child] = sum(child.cpu_times()[:2])
        if (left := until - time.time()) < 0:
            raise subprocess.TimeoutExpired(process.args, left)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(min(left, 3))


def run(names: Sequence[str], minutes: float, threads: int, commit: bool) -> int:
    """Take one step after another, and as many as a job needs; returns the exit status."""
    for name in names:
        took = {"ended": "stopped"}
        while took and took["ended"] == "stopped":
            if took := take(name, minutes, threads):
                with files.locked(paths.cache_root() / "real_reference.lock"):
                    collect(took)
                    if commit:
                        _commit(took)
        if took and took["ended"] != "done":
            return 1
    return 0


def _commit(took: dict[str, Any]) -> None:
    """Commit the aggregates and nothing else, if they have changed."""
    folder = str(paths.reference_dir(PROFILE))
    subprocess.run(["git", "add", folder], cwd=paths.ROOT, check=True)
    if subprocess.run(
        ["git", "diff", "--cached", "--quiet", "--", folder], cwd=paths.ROOT
    ).returncode:
        ended = f"{took['ended']} after {took['hours']:.2f} h"
        said = f"Keep what {took['step']} gives on real clips ({ended})"
        command = ["git", "commit", "--quiet", "-m", said, "--", folder]
        subprocess.run(command, cwd=paths.ROOT, check=True)


def collect(took: dict[str, Any] | None = None) -> list[str]:
    """Copy what is no single clip's, add a step's hours, write the README; returns the files."""
    source, target = records.results_dir(PROFILE), paths.reference_dir(PROFILE)
    cfg = settings.load(PROFILE)
    index = corpus.load(cfg)
    clips = {*index["name"], *index["recording"]}
    target.mkdir(parents=True, exist_ok=True)
    copied = []
    for path in sorted([*source.glob("metrics/*.json"), *source.glob("tables/*"),
                        *source.glob("figures/*.p*")]):  # fmt: skip
        file = path.relative_to(source)
        if may_be_shown(path, clips):
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / file)
            copied.append(str(file))
        else:
            (target / file).unlink(missing_ok=True)
    shutil.copyfile(paths.data_root() / real_corpus.ABOUT, target / real_corpus.ABOUT)
    if took:
        kept = target / HOURS
        before = json.loads(kept.read_text("utf-8")) if kept.is_file() else []
        files.write_json(kept, [*before, took])
    parts = corpus.split(index, cfg)
    files.write_json(target / TRIVIAL, evaluation.trivial(parts, cfg))
    _compare_anew(target, cfg, parts)
    # Notebooks 05 and 06 wait for days of trainings; what some of them have shown need not.
    for network, weighed in CAUSES.items():
        if len(causes := weighed(cfg)):
            file = target / f"tables/{network}_causes.csv"
            files.write_text(file, beside_earlier(causes, file).to_csv(index=False))
    files.write_text(target / "README.md", readme(target))
    return copied


def _compare_anew(folder: Path, cfg: settings.Settings, parts: corpus.Splits) -> None:
    """Bring up to date what notebook 09 says of all systems: one may have run since.

    Its ledger goes, which the papers of other data write from what is here.
    """
    file, tests = folder / "metrics/comparison.json", folder / "tables/comparison_tests.csv"
    if not tests.is_file():
        return
    tests, evaluations = tested_anew(pd.read_csv(tests), cfg, parts), _evaluations(folder)
    found = json.loads(file.read_text("utf-8"))
    found.pop("claims", None)
    found["systems"] = {name: each["micro"]["f1"] for name, each in evaluations.items()}
    found["tests"] = tests.set_index(tests.columns[0]).to_dict("index")
    files.write_json(file, found)
    for name, table in (("", tables.average_table(evaluations)), ("_tests", tests)):
        file = folder / f"tables/comparison{name}.csv"
        files.write_text(file, table.to_csv(index=False))
        files.write_text(file.with_suffix(".md"), records.markdown(table) + "\n")


def _evaluations(folder: Path) -> dict[str, Any]:
    """Read the scores of all systems that have any, then those of the trivial predictors."""
    there = {
        title: folder / "metrics" / f"{run}.json" for run, title in hypothesis.systems().items()
    }
    there = {title: file for title, file in there.items() if file.is_file()}
    found = {title: json.loads(file.read_text("utf-8")) for title, file in there.items()}
    heard = {title: each["evaluation"] for title, each in found.items()}
    return heard | json.loads((folder / TRIVIAL).read_text("utf-8"))


def tested_anew(tests: pd.DataFrame, cfg: settings.Settings, parts: corpus.Splits) -> pd.DataFrame:
    """Test once more against the prior, as notebook 09 does, the systems that were run here.

    The rows of `tests` whose systems ran on a machine that is gone stay; p is adjusted over all.
    """
    name, there = tests.columns[0], {*tests.iloc[:, 0]}
    runs = [run for run, title in hypothesis.systems().items()
            if title in there and records.exists(cfg.profile, run)]  # fmt: skip
    tests = tests.set_index(name)
    if runs:
        tests.update(hypothesis.beaten(cfg, runs, parts, "prior top-3").set_index(name))
    return hypothesis.decided(tests.reset_index())


def beside_earlier(causes: pd.DataFrame, file: Path) -> pd.DataFrame:
    """Set the differences that `file` has from earlier trainings beside those of `causes`.

    The same seed ends elsewhere on a processor that rounds otherwise: a difference that has changed
    its sign tells nothing, whatever its interval, which is of the clips alone. What was trained
    only earlier, on a machine whose runs are gone, keeps its row, and p is adjusted over all.
    """
    if not file.is_file():
        return causes
    old = pd.read_csv(file).dropna(subset="idea").set_index("idea")
    now, was = causes["difference"], causes["idea"].map(old["difference"])
    kept = causes["idea"].map(old["before"]) if "before" in old else now * np.nan
    before = was.where((was - now).abs() > 1e-9, kept)
    before = kept.where(kept * now < 0, before)  # one of another sign is not forgotten
    if before.notna().any():
        turned = "cannot tell, turned by another training"
        verdict = causes["verdict"].mask(before * now < 0, turned)
        causes = causes.assign(before=before, verdict=verdict)
    gone = old[~old.index.isin(causes["idea"])].reset_index()
    if gone.empty:
        return causes
    return _by_base(_as_one_family(pd.concat([causes, gone], ignore_index=True)))


def _by_base(causes: pd.DataFrame) -> pd.DataFrame:
    """Add the score of the base that each row was held against, and doubt what hangs on it.

    Bases of one kind, trained alike on processors that round otherwise, end apart, and so far may
    the difference be off of what was trained once: a verdict stays if it bears that. What was
    computed from the base itself was not trained.
    """
    score = "micro F1" if "micro F1" in causes else "gain"
    causes = causes.assign(base=causes[score] - causes["difference"])
    trained = causes["base"].mask(causes["idea"].isin(fft_causes.COMPUTED.values()))
    kind = causes["idea"].str.extract(r"^(\w+):", expand=False).fillna("")
    apart = trained.groupby(kind).transform(lambda base: base.max() - base.min())
    low, high = causes["low"] - apart, causes["high"] + apart
    verdict = causes["verdict"].fillna("")
    worse, better, nothing = map(
        verdict.str.match, (".*worse", "supported(?!: worse)", "not supported(?!: worse)")
    )
    room = high if score == "micro F1" else np.maximum(-low, high)
    turned = worse & (high >= 0) | better & (low <= 0) | nothing & (room >= discussion.SMALL)
    unsure = causes["verdict"].str.replace("^[^;]*", "inconclusive, trained once", regex=True)
    return causes.assign(verdict=causes["verdict"].mask(turned & trained.notna(), unsure))


def _as_one_family(causes: pd.DataFrame) -> pd.DataFrame:
    """Adjust p over all rows once more; one that nobody kept counts as 1."""
    tested, adjusted = causes["difference"].notna(), causes["p_value"].copy()
    adjusted[tested] = metrics.holm(causes.loc[tested, "p_value"].fillna(1.0))
    unclear = causes["verdict"].str.replace(
        r"^(supported(: \w+)?|not supported: worse)", "inconclusive", regex=True
    )
    verdict = causes["verdict"].where(adjusted <= hypothesis.LEVEL, unclear)
    return causes.assign(p_adjusted=adjusted, verdict=verdict)


def may_be_shown(path: Path, clips: set[str]) -> bool:
    """Say whether a result is an aggregate: a figure of `FIGURES`, or a text that names no clip.

    `clips` are the names of all clips and recordings.
    """
    if path.parent.name == "figures":
        return _matches(path.stem, FIGURES)
    text = path.read_text("utf-8")
    return not any(name in text for name in clips)


def readme(folder: Path) -> str:
    """Say what the results are and are not, which there are, and what each step took."""
    evaluations = _evaluations(folder)
    scores = tables.markdown(tables.average_table(evaluations))
    missing = ", ".join(
        title for title in hypothesis.systems().values() if title not in evaluations
    )
    text = ABOUT.read_text("utf-8") + f"\n## Scores so far\n\n{scores}\n\n"
    text += f"Systems not yet run: {missing or 'none'}.\n"
    for network in CAUSES:
        file, left = folder / f"tables/{network}_causes.csv", "None has been run."
        if file.is_file():
            left = conclusions.so_far(pd.read_csv(file), network)
        text += f"\nOne change at a time to `{network}`: {left}\n"
    if (folder / HOURS).is_file():
        took = pd.DataFrame(json.loads((folder / HOURS).read_text("utf-8"))).drop(columns="source")
        text += f"\n## Hours\n\n{tables.markdown(took, '.2f')}\n"
        ends = took.groupby("step", sort=False)["ended"].last()
        if left := ", ".join(ends.index[ends != "done"]):
            text += f"\nWithout a last row *done*: {left}. {UNCOUNTED}\n"
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    parser = argparse.ArgumentParser("python -m tools.real_reference", description=__doc__)
    parser.add_argument("action", choices=["steps", "run", "collect"])
    parser.add_argument("names", nargs="*", help="jobs; all, in the order of their cost, if none")
    parser.add_argument("--clips", type=Path, help="real training clips to make the data set from")
    parser.add_argument("--minutes", type=float, default=100, help="of a step, at the most")
    parser.add_argument("--threads", type=int, default=parallel.cores(), help="of TensorFlow")
    parser.add_argument("--commit", action="store_true", help="what each step gives")
    options = parser.parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell has them ignored
        signal.signal(number, signal.default_int_handler)
    wanted = options.names or steps(settings.load(PROFILE))
    try:
        _settle(options.clips)
        if options.action == "run":
            return run(wanted, options.minutes, options.threads, options.commit)
        print(*(wanted if options.action == "steps" else collect()), sep="\n")
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _settle(clips: Path | None) -> None:
    """Let all that is started find the data set, and make it first where only clips are given."""
    paths.settle()
    if "IRMAS_DATA" not in os.environ:
        data = paths.cache_root() / "real"
        if clips and not data.exists():
            real_corpus.build(clips, data, **real_corpus.SIZE)
        os.environ["IRMAS_DATA"] = str(data)
    if not (paths.data_root() / real_corpus.ABOUT).is_file():
        raise DataError(
            paths.data_root(),
            found=f"no {real_corpus.ABOUT}",
            expected="a data set that tools.real_corpus has made",
            remedy="Name a folder of real training clips: make reference-real CLIPS=FOLDER.",
        )


if __name__ == "__main__":
    sys.exit(main())
