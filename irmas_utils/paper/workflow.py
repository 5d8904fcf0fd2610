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
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    root = paths.cache_root()
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(".run", dir=root, ignore_cleanup_errors=True) as folder:
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
    known, folder = jobs.jobs(cfg), records.results_dir(cfg.profile)
    wanted = [str(_job(known, name).output(Path())) for name in targets]
    whole, dry = not wanted and not options, is_dry(options)
    waiting = f"Waiting for another run in {folder} to end …"
    with files.locked(folder / ".lock", waiting), scratch() as environment:
        state, stamp = State(folder), jobs.stamp(cfg)
        altered = state.altered([str(job.output(Path())) for job in known.values()])
        if whole and not altered and state.stamp == stamp:
            corpus.mend(cfg)
            print(f"Nothing to run: up to date. Results: {folder}")
            return 0
        command = _command(profile, folder, [*wanted, "--cores", str(cores), *options])
        command += _submitted(cluster, gpus)
        command += ["--forcerun", *altered.values()] if dry else []
        state.discard({} if dry else altered)
        hours = _foretold(profile, cfg, cores) if whole else None
        left = functools.partial(_left, hours, cfg, cores)
        log = None if options else folder / "snakemake.log"
        count = 0 if dry or cluster else min(cores, len(known))
        with kernels.kept(count, folder / "kernels.log", environment) as environment:
            status = _snakemake(command, environment, log, left)
        if not dry:
            done = whole and not status
            state.remember(stamp if done else None)
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
        found, expected = "no plugin of Snakemake for it", f"snakemake-executor-plugin-{cluster}"
        remedy = f'Install it: .venv/bin/uv pip install -e ".[{cluster}]"'
        raise SettingsError(cluster, found, expected, remedy)
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
    """Execute the notebook that draws a figure again; NotebookError names those that there are."""
    folder, figure = records.results_dir(settings.load(profile).profile), Path(figure).stem
    drawn = {
        Path(file).stem: made["notebook"]
        for file, made in records.outputs(folder).items()
        if file.startswith("figures/") and made["run"] in records.OWN
    }
    if not drawn:
        remedy = f"Run `make paper PROFILE={shlex.quote(profile)}` first."
        raise NotebookError(figure, "no such figure", "a finished run", remedy)
    if figure not in drawn:
        expected = f"one of {', '.join(sorted(drawn))}"
        raise NotebookError(figure, "no such figure", expected, "Check the name.")
    return run(profile, [drawn[figure]], 1, ["--force", "--quiet", "all"])


def _job(known: Mapping[str, jobs.Job], name: str) -> jobs.Job:
    """Find a job by its name, or a notebook by its number or file."""
    name = Path(name).name.removesuffix(".ipynb")
    whole = [key for key, job in known.items() if job.run is None]
    number = name.zfill(2) if name else None
    meant = name if name in known else next((k for k in whole if k[:2] == number), None)
    if meant is None:
        expected, remedy = f"one of {', '.join(whole)}", "Check the spelling, or give its number."
        raise NotebookError(name, "no such notebook", expected, remedy)
    return known[meant]


def _foretold(profile: str, cfg: Settings, cores: int) -> dict[str, float] | None:
    """Say what a run will take, measured first if it is long; return each job's hours, if known."""
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
    log: Path | None,
    left: Callable[[str], str | None],
) -> int:
    """Run Snakemake; with a `log` for its account, say what is left, and after a failure why."""
    # The lock that `run` holds is passed on to Snakemake.
    options: dict[str, Any] = {"cwd": paths.ROOT, "env": environment, "close_fds": False}
    if log is None:
        return _wait(subprocess.Popen(command, **options))
    account = functools.partial(log.read_text, encoding="utf-8", errors="replace")
    told = None

    def tell() -> None:
        nonlocal told
        if (said := left(account())) and said != told:
            print(said, flush=True)
            told = said

    with log.open("w") as file:
        status = _wait(subprocess.Popen(command, stderr=file, **options), tell)
    if status:
        errors = re.findall(r"^error: .*?(?=^RuleException|\Z)", account(), flags=re.M | re.S)
        said = "".join(errors) or account()[-2000:]
        print(said, f"The full account is in {log}", file=sys.stderr)
    return status


def _wait(process: subprocess.Popen, meanwhile: Callable[[], Any] = lambda: None) -> int:
    """Return a process's exit status; when this one is stopped, stop all that it has started."""
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(2)
            meanwhile()
    except KeyboardInterrupt:
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.terminate()
        process.wait()
        raise
