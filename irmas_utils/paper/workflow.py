"""Run the paper: ``python -m irmas_utils paper --profile sample``.

Snakemake decides what to run from the graph in the Snakefile; this module tells it which source
files a notebook depends on, keeps two runs from writing the same results at once, and says in the
end what happened.
"""

import ast
import contextlib
import functools
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat

from irmas_utils.project import files, paths, records, settings

PACKAGE = paths.PACKAGE


def sources(notebook: Path) -> list[Path]:
    """Return the files of this package that a notebook imports, directly or through others.

    A change in one of them makes the notebook's results stale; a change elsewhere does not.
    Facts in ``published/`` count as source of the modules that read them.
    """
    cells = nbformat.read(notebook, as_version=4).cells
    code = "\n".join(c.source for c in cells if c.cell_type == "code")
    found: set[Path] = set()
    pending = _imported(code)
    while pending:
        path = pending.pop()
        if path not in found:
            found.add(path)
            pending |= _imports_of(path)
    return sorted(found)


@functools.cache
def _imports_of(path: Path) -> frozenset[Path]:
    if path.suffix != ".py":
        return frozenset()
    facts = path.parent.glob("*.yaml") if path.name == "__init__.py" else ()
    return frozenset({*_imported(path.read_text(encoding="utf-8")), *facts})


def _imported(code: str) -> set[Path]:
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {path for name in names for path in _files_of(name)}


def _files_of(module: str) -> Iterator[Path]:
    top, *parts = module.split(".")
    if top != PACKAGE.name:
        return
    yield PACKAGE / "__init__.py"
    for depth in range(1, len(parts) + 1):
        base = PACKAGE.joinpath(*parts[:depth])
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                yield path


@contextlib.contextmanager
def compiled_once() -> Iterator[dict[str, str]]:
    """Give an environment in which notebooks share what XLA compiles: many train one network.

    The folder for it lasts as long as the run, for such code fits one processor and one
    TensorFlow. ``TF_XLA_FLAGS`` of the user's own are left alone.
    """
    with tempfile.TemporaryDirectory(prefix="irmas-xla-", ignore_cleanup_errors=True) as folder:
        flags = {"directory": folder, "device_types": "CPU"}
        joined = " ".join(f"--tf_xla_persistent_cache_{name}={v}" for name, v in flags.items())
        yield {"TF_XLA_FLAGS": joined} | os.environ


def run(profile: str, targets: Sequence[str], cores: int, options: Sequence[str]) -> int:
    """Run Snakemake for a profile and return its exit status.

    Parameters
    ----------
    profile : str
        Name of a file in ``profiles/``, or the path of a YAML file.
    targets : sequence of str
        Names of notebooks; the whole paper when empty.
    cores : int
        How many to use.
    options : sequence of str
        Passed on to Snakemake, for example ``--executor slurm``.

    Raises
    ------
    SettingsError
        If the profile is missing or malformed.
    """
    folder = records.results_dir(settings.load(profile).profile)
    wanted = [str(folder / "notebooks" / f"{name}.ipynb") for name in targets]
    command = [sys.executable, "-m", "snakemake", *wanted, "--cores", str(cores), *options]
    # Our own lock outlives a killed run correctly; Snakemake's has to be removed by hand.
    command += ["--nolock", "--rerun-incomplete", "--config", f"profile={profile}"]
    waiting = f"Waiting for another run in {folder} to end …"
    with files.locked(folder / ".lock", waiting), compiled_once() as environment:
        before = _state(folder)
        status = _snakemake(command, environment, folder / "snakemake.log", verbose=bool(options))
        if status == 0:
            changed = _state(folder) != before
            print(f"{'Finished' if changed else 'Nothing to run: up to date'}. Results: {folder}")
        else:
            print(f"Stopped. What was finished is kept in {folder}", file=sys.stderr)
    return status


def _snakemake(command: list[str], environment: dict[str, str], log: Path, verbose: bool) -> int:
    """Run Snakemake; its own account of a quiet run goes to `log`, and on failure what matters."""
    # The lock of `run` is passed on to Snakemake.
    start = functools.partial(
        subprocess.run, command, cwd=paths.ROOT, env=environment, close_fds=False, check=False
    )
    if verbose:
        return start().returncode
    with log.open("w+", encoding="utf-8") as file:
        status = start(stderr=file).returncode
        file.seek(0)
        account = file.read()
    if status:
        errors = re.findall(r"^error: .*?(?=^RuleException|\Z)", account, flags=re.M | re.S)
        print("".join(errors) or account[-2000:], f"The full account is in {log}", file=sys.stderr)
    return status


def _state(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.ipynb")}
