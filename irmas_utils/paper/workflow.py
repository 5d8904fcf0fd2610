"""Run the paper: ``irmas paper --profile sample``.

Snakemake decides what to run from the graph in the Snakefile, whose jobs stand in `paper.jobs`.
This module keeps two runs from writing the same results at once, notices results that are not
what was made, and says in the end what happened.
"""

import contextlib
import functools
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from irmas_utils.audio import cache
from irmas_utils.data import corpus
from irmas_utils.paper import estimate, jobs
from irmas_utils.paper.state import State
from irmas_utils.project import files, kernels, paths, records, settings
from irmas_utils.project.errors import NotebookError, SettingsError
from irmas_utils.project.settings import Settings


@contextlib.contextmanager
def scratch() -> Iterator[dict[str, str]]:
    """Give an environment whose temporary folder ends with the run, whatever kernels leave."""
    cache = paths.cache_root()
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(".run", dir=cache, ignore_cleanup_errors=True) as folder:
        yield os.environ | {"TMPDIR": folder}


def run(
    profile: str,
    targets: Sequence[str],
    cores: int,
    options: Sequence[str],
    cluster: str | None = None,
    gpus: int = 0,
) -> int:
    """Run Snakemake for a profile and return its exit status.

    `targets` are names of notebooks, the whole paper if there are none; `options`, such as
    ``--dry-run``, are Snakemake's. To a `cluster` jobs are submitted as Snakemake's profile of that
    name in ``profiles/`` says; each that trains asks for so many `gpus`. SettingsError as
    `settings.load`, or if the cluster's plugin is not installed; NotebookError if there is no such
    notebook.
    """
    cfg = settings.load(profile)
    folder = records.results_dir(cfg.profile)
    wanted = [str(_job(cfg, name).output(Path())) for name in targets]
    whole, dry = not wanted and not options, is_dry(options)
    waiting = f"Waiting for another run in {folder} to end …"
    with files.locked(folder / ".lock", waiting), scratch() as environment:
        state = State(cfg, folder)
        altered, now = state.altered(), state.now()
        if whole and not altered and state.made_from == now[0]:
            corpus.mend(cfg)
            print(f"Nothing to run: up to date. Results: {folder}")
            return 0
        command = _command(profile, folder, [*wanted, "--cores", str(cores), *options])
        command += _submitted(cluster, gpus)
        command += ["--forcerun", *altered.values()] if dry else []
        state.discard({} if dry else altered)
        hours = _foretold(profile, cfg, cores) if whole else None
        left, log = functools.partial(_left, hours, cfg, cores), folder / "snakemake.log"
        count = 0 if dry or cluster else min(cores, len(state.jobs))
        with kernels.kept(count, folder / "kernels.log", environment) as environment:
            status = _snakemake(command, environment, log, left, verbose=bool(options))
        if not dry:
            done = whole and not status
            state.remember(*(now if done else (None, None)))
            if done:
                cache.trim()
            what = "Stopped. What was finished is kept in" if status else "Finished. Results:"
            print(what, folder, file=sys.stderr if status else sys.stdout)
    return status


def _command(profile: str, folder: Path, arguments: Sequence[str]) -> list[str]:
    command = [sys.executable, "-m", "snakemake", *arguments]
    if not any(folder.glob(".snakemake/metadata/*")):
        command += ["--forceall"]  # nobody knows what the results there are made from
    # Our own lock outlives a killed run correctly; Snakemake's has to be removed by hand.
    command += ["--nolock", "--rerun-incomplete", "--directory", str(folder)]
    return [*command, "--config", f"profile={json.dumps([profile], ensure_ascii=False)}"]  # YAML


def _submitted(cluster: str | None, gpus: int) -> list[str]:
    """Return Snakemake's options for a cluster; first what else is of ``--config``."""
    if cluster is None:
        return []
    if importlib.util.find_spec(f"snakemake_executor_plugin_{cluster}") is None:
        raise SettingsError(
            cluster,
            found="no plugin of Snakemake for it",
            expected=f"snakemake-executor-plugin-{cluster}",
            remedy=f'Install it: .venv/bin/uv pip install -e ".[{cluster}]"',
        )
    options = [f"cluster={cluster}", f"gpus={gpus}"]
    options += ["--workflow-profile", str(paths.PROFILES / cluster)]
    named = {"slurm_account": "SBATCH_ACCOUNT", "slurm_partition": "SBATCH_PARTITION"}
    if given := [f"{key}={os.environ[name]}" for key, name in named.items() if os.getenv(name)]:
        options += ["--default-resources", *given]  # which the plugin passes over else
    return options


def is_dry(options: Sequence[str]) -> bool:
    """Say whether Snakemake's options ask only what would be run."""
    return any(re.fullmatch(r"--dry.*|-[Fkpq]*n\w*", option) for option in options)


def redraw(profile: str, figure: str) -> int:
    """Execute the notebook that draws a figure again; what it trained is read back.

    Raises
    ------
    NotebookError
        If no notebook of a finished run draws such a figure; the message says which there are.
    """
    folder = records.results_dir(settings.load(profile).profile)
    drawn = {
        Path(file).stem: notebook
        for file, (notebook, run, _) in records.outputs(folder).items()
        if file.startswith("figures/") and run in (None, "lstm", "fft")
    }
    if figure not in drawn:
        make = f"make paper PROFILE={shlex.quote(profile)}"
        raise NotebookError(
            figure,
            found="no such figure",
            expected=f"one of {', '.join(sorted(drawn))}" if drawn else "a finished run",
            remedy="Check the name." if drawn else f"Run `{make}` first.",
        )
    return run(profile, [drawn[figure]], 1, ["--force", "--quiet", "all"])


def _job(cfg: Settings, name: str) -> jobs.Job:
    """Find a job by its name, or a notebook by its number."""
    known = jobs.jobs(cfg)
    numbered = [key for key, job in known.items() if job.run is None and key[:2] == name.zfill(2)]
    if name not in known and not numbered:
        raise NotebookError(
            name,
            found="no such notebook",
            expected=f"one of {', '.join(key for key, job in known.items() if job.run is None)}",
            remedy="Check the spelling, or give its number.",
        )
    return known[name if name in known else numbered[0]]


def _foretold(profile: str, cfg: Settings, cores: int) -> dict[str, float] | None:
    """Say what a run will take, and return the hours of each job, if they are known.

    A run on the whole of IRMAS takes days, so that it is measured first.
    """
    table = estimate.estimate(cfg, measures=False)
    if table is None and not cfg.corpus.allow_incomplete:
        command = [sys.executable, "-m", "irmas_utils", "estimate", "--profile", profile]
        subprocess.run(command, check=False, cwd=paths.ROOT, stdout=subprocess.DEVNULL)
        table = estimate.estimate(cfg, measures=False)
    if table is None:
        return None
    print(estimate.in_words(table, cfg, cores), flush=True)
    return estimate.expected(table).to_dict()


def _left(hours: dict[str, float] | None, cfg: Settings, cores: int, account: str) -> str | None:
    """Say of Snakemake's account of a run how many jobs are done, and how long the rest takes."""
    steps = re.findall(r"^\d+ of \d+ steps", account, flags=re.M)
    if not steps:
        return None
    said, stats = steps[-1].replace("steps", "jobs done"), account.partition("Job stats:")[2]
    if hours is None:
        return said
    names = {*re.findall(r"^(\S.*?)\s{2,}\d+$", stats, flags=re.M)}
    names -= {*re.findall(r"^Finished jobid: \d+ \(Rule: (.+)\)$", stats, flags=re.M)}
    left = estimate.span({name: hours.get(name, 0.0) for name in names}, cfg, cores)
    return f"{said}, about {estimate.lasting(left)} left"


def _snakemake(
    command: list[str],
    environment: dict[str, str],
    log: Path,
    left: Callable[[str], str | None],
    verbose: bool,
) -> int:
    """Run Snakemake; its own account of a quiet run goes to `log`, and on failure what matters.

    After each job what `left` says of the account is printed.
    """
    # The lock that `run` holds is passed on to Snakemake.
    options: dict[str, Any] = {"cwd": paths.ROOT, "env": environment, "close_fds": False}
    if verbose:
        return _wait(subprocess.Popen(command, **options))
    with log.open("w+", encoding="utf-8") as file, _told(log, left):
        status = _wait(subprocess.Popen(command, stderr=file, **options))
        file.seek(0)
        account = file.read()
    if status:
        errors = re.findall(r"^error: .*?(?=^RuleException|\Z)", account, flags=re.M | re.S)
        print("".join(errors) or account[-2000:], f"The full account is in {log}", file=sys.stderr)
    return status


@contextlib.contextmanager
def _told(log: Path, left: Callable[[str], str | None]) -> Iterator[None]:
    """Print what `left` says of a log, each time that it says something else."""
    ended, said = threading.Event(), None

    def watch() -> None:
        nonlocal said
        while not ended.wait(2):
            before, said = said, left(log.read_text(encoding="utf-8", errors="replace"))
            if said != before:
                print(said, flush=True)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _wait(process: subprocess.Popen) -> int:
    """Return a process's exit status; when this one is stopped, stop all that it has started."""
    try:
        return process.wait()
    except KeyboardInterrupt:
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.terminate()
        process.wait()
        raise
