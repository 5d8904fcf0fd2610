"""Whether the results of a profile are still what was made, and of what is there now."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from irmas_utils.data import fetch
from irmas_utils.paper import jobs
from irmas_utils.project import files, paths, records
from irmas_utils.project.settings import Settings


def _digest(cfg: Settings) -> str:
    """Return a hash of all that the whole paper of a profile is made from."""
    parts = {name: jobs.made_from(job, cfg) for name, job in jobs.jobs(cfg).items()}
    return files.seal(parts | {"data": jobs.data(cfg), "site": jobs.site()})


def _stamp(cfg: Settings) -> str:
    """Return a hash of the bytes of all that `_digest` reads, which takes a tenth of its time."""
    folders = (paths.PACKAGE, paths.NOTEBOOKS, paths.reference_dir(""))
    read = [path for folder in folders for suffix in ("py", "yaml", "ipynb", "json", "csv")
            for path in sorted(folder.rglob(f"*.{suffix}"))]  # fmt: skip
    return files.seal([cfg.model_dump(), jobs.data(cfg), fetch.given(), [*map(files.digest, read)]])


class State:
    """What the results of a profile were when they had been made: size, time and content.

    A result that is not what was made, edited or deleted, is made again: the executed notebook
    that it belongs to is removed, so that Snakemake misses it. Sizes and times are compared
    first, and contents where these differ.
    """

    def __init__(self, cfg: Settings, folder: Path) -> None:
        self.folder, self.file = folder, folder / "state.json"
        self.cfg, self.jobs = cfg, jobs.jobs(cfg)
        self.made_from = self.stamp = None
        self.files: dict[str, list[Any]] = {}
        # What nobody wrote here names what is to be deleted, so it is not read.
        with suppress(OSError, ValueError):
            self.made_from, self.stamp, self.files = files.read_sealed(self.file)

    def now(self) -> tuple[str, str]:
        """Return a hash of what the whole paper is made from now, and of the bytes of that."""
        stamp = _stamp(self.cfg)
        return self.made_from if stamp == self.stamp else _digest(self.cfg), stamp

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
        files.write_sealed(self.file, [made_from, stamp, found])

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
            return files.digest(path) != made_by[name]["digest"]
        if name.startswith("manifests/"):  # a whole one is held against the files that it lists
            return False
        return files.digest(path) != kept[2] and not self._executed_since(path)

    def _executed_since(self, path: Path) -> bool:
        """Whether a run that did not live to remember its results has executed a notebook."""
        every = sorted((self.folder / "manifests").glob("*.json"))
        parts = [part for part in every if self._executed_by(part.stem) == path]
        before = [self.files.get(f"manifests/{part.name}", [0, 0, ""])[2] for part in parts]
        return [files.digest(part) for part in parts] != before

    def _executed(self, name: str, made_by: dict[str, Any]) -> Path:
        """The file whose absence makes Snakemake make `name` again."""
        if name.startswith("site/") or name == "manifest.json":
            return self.folder / "site" / "index.html"
        if name.startswith("manifests/"):
            return self._executed_by(Path(name).stem)
        if name in made_by:
            made = made_by[name]
            return self._executed_by(records.manifest_name(made["notebook"], made["run"]))
        return self.folder / name

    def _executed_by(self, manifest: str) -> Path:
        """Return the executed notebook that wrote a manifest, which has its name and its run's."""
        run = manifest[len("NN_") :].partition("-")[2]
        notebook = manifest.removesuffix(f"-{run}")
        job = self.jobs.get(run) or self.jobs.get(notebook) or jobs.Job(notebook, run, {}, ())
        return job.output(self.folder)
