"""Run the paper: ``irmas paper --profile sample``.

Snakemake decides what to run from the graph in the Snakefile, whose jobs stand in `paper.jobs`.
This module keeps two runs from writing the same results at once, notices results that are not
what was made, and says in the end what happened.
"""

import contextlib
import functools
import hashlib
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
from irmas_utils.data import corpus, fetch
from irmas_utils.paper import estimate, jobs
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
        state = _State(cfg, folder)
        altered = state.altered()
        stamp = _stamp(cfg)
        made_from = state.made_from if stamp == state.stamp else _digest(cfg)
        if whole and not altered and state.made_from == made_from:
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
            state.remember(*((made_from, stamp) if done else (None, None)))
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


def _digest(cfg: Settings) -> str:
    """Return a hash of all that the whole paper of a profile is made from."""
    parts = {name: jobs.made_from(job, cfg) for name, job in jobs.jobs(cfg).items()}
    parts |= {"data": jobs.data(cfg), "site": jobs.site()}
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _stamp(cfg: Settings) -> str:
    """Return a hash of the bytes of all that `_digest` reads, which takes a tenth of its time."""
    folders = (paths.PACKAGE, paths.NOTEBOOKS, paths.reference_dir(""))
    read = [path for folder in folders for suffix in ("py", "yaml", "ipynb", "json", "csv")
            for path in sorted(folder.rglob(f"*.{suffix}"))]  # fmt: skip
    parts = [cfg.model_dump(), jobs.data(cfg), fetch.given(), [*map(files.digest, read)]]
    return hashlib.blake2b(json.dumps(parts).encode()).hexdigest()


class _State:
    """What the results of a profile were when they had been made: size, time and content.

    A result that is not what was made, edited or deleted, is made again: the executed notebook
    that it belongs to is removed, so that Snakemake misses it. Sizes and times are compared
    first, and contents where these differ.
    """

    def __init__(self, cfg: Settings, folder: Path) -> None:
        self.folder, self.file = folder, folder / "state.json"
        self.jobs = jobs.jobs(cfg)
        try:
            kept = json.loads(self.file.read_text(encoding="utf-8"))
            self.made_from, self.stamp = kept["made_from"], kept["stamp"]
            self.files = dict(kept["files"])
        except (OSError, ValueError, KeyError, TypeError):
            self.made_from, self.stamp, self.files = None, None, {}

    def remember(self, made_from: str | None, stamp: str | None) -> None:
        """Keep what the results are now, and of what."""
        found = {}
        made = {*self.folder.glob("*/**/*"), *self.folder.glob("*.json")} - {self.file}
        for path in sorted(made):
            name, status = path.relative_to(self.folder).as_posix(), path.stat()
            if path.is_file() and "/." not in f"/{name}" and ".failed" not in path.name:
                now = [status.st_size, status.st_mtime_ns]
                before = self.files.get(name, [])
                found[name] = [*now, before[2] if before[:2] == now else files.digest(path)]
        files.write_json(self.file, {"made_from": made_from, "stamp": stamp, "files": found})

    def altered(self) -> dict[str, str]:
        """Name the results that are not what was made, each with the job's output to make again."""
        made_by = records.outputs(self.folder)
        parts = records.manifests(self.folder)
        damaged = {f"manifests/{name}.json" for name, entries in parts if entries is None}
        differ = {name for name, kept in self.files.items() if self._differs(name, kept, made_by)}
        altered = sorted(damaged | differ)
        for name in altered:
            print(f"{name} is not what was made; it has to be made again.")
        return {n: str(self._executed(n, made_by).relative_to(self.folder)) for n in altered}

    def discard(self, altered: dict[str, str]) -> None:
        """Remove what is to be made again, so that Snakemake misses it."""
        for name, executed in altered.items():
            (self.folder / executed).unlink(missing_ok=True)
            if name.startswith("manifests/"):  # which no job need write any more
                (self.folder / name).unlink(missing_ok=True)

    def _differs(self, name: str, kept: list[Any], made_by: dict[str, Any]) -> bool:
        path = self.folder / name
        if not path.is_file():
            return True
        status = path.stat()
        if [status.st_size, status.st_mtime_ns] == kept[:2]:
            return False
        if name in made_by:  # whoever wrote it has entered its digest
            return files.digest(path) != made_by[name][2]
        if name.startswith("manifests/"):  # a whole one is held against the files that it lists
            return False
        return files.digest(path) != kept[2] and not self._executed_since(path)

    def _executed_since(self, path: Path) -> bool:
        """Whether a run that did not live to remember its results has executed a notebook."""
        parts = [part for part in self._parts() if self._executed_by(part.stem) == path]
        before = [self.files.get(f"manifests/{part.name}", [0, 0, ""])[2] for part in parts]
        return [files.digest(part) for part in parts] != before

    def _executed(self, name: str, made_by: dict[str, Any]) -> Path:
        """The file whose absence makes Snakemake make `name` again."""
        if name.startswith("site/") or name == "manifest.json":
            return self.folder / "site" / "index.html"
        if name.startswith("manifests/"):
            return self._executed_by(Path(name).stem)
        if name in made_by:
            return self._executed_by(records.manifest_name(*made_by[name][:2]))
        return self.folder / name

    def _parts(self) -> list[Path]:
        return sorted((self.folder / "manifests").glob("*.json"))

    def _executed_by(self, manifest: str) -> Path:
        """Return the executed notebook that wrote a manifest, which has its name and its run's."""
        run = manifest[len("NN_") :].partition("-")[2]
        notebook = manifest.removesuffix(f"-{run}")
        job = self.jobs.get(run) or self.jobs.get(notebook) or jobs.Job(notebook, run, {}, ())
        return job.output(self.folder)
