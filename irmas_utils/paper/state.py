"""Whether the results of a profile are still what was made, and of what."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from irmas_utils.project import files, records


class State:
    """What the results of a profile were when they had been made: size, time and content.

    A result that is not what was made, edited or deleted, is made again: the executed notebook
    that it belongs to is removed, so that Snakemake misses it. Sizes and times are compared
    first, and contents where these differ. `stamp` is that of what the whole paper was made from
    (`jobs.stamp`), None if not all of it was.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "state.json"
        self.stamp: str | None = None
        self.files: dict[str, list[Any]] = {}
        # What nobody wrote here names what is to be deleted, so it is not read.
        with suppress(OSError, ValueError):
            self.stamp, self.files = files.read_sealed(self.file)

    def remember(self, stamp: str | None) -> None:
        """Keep what the results are now, and of what."""
        found = {}
        made = {*self.folder.glob("*/**/*"), *self.folder.glob("*.json")} - {self.file}
        for path in sorted(made):
            name, status = path.relative_to(self.folder).as_posix(), path.stat()
            if path.is_file() and "/." not in f"/{name}" and ".failed" not in path.name:
                now = [status.st_size, status.st_mtime_ns]
                before = self.files.get(name, [])
                found[name] = [*now, before[2] if before[:2] == now else files.digest(path)]
        files.write_sealed(self.file, [stamp, found])

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
        return any(
            files.digest(part) != self.files.get(f"manifests/{part.name}", [None])[-1]
            for part in (self.folder / "manifests").glob("*.json")
            if self._executed(f"manifests/{part.name}", {}) == path
        )

    def _executed(self, name: str, made_by: dict[str, Any]) -> Path:
        """The file whose absence makes Snakemake make `name` again."""
        if name.startswith("site/") or name == "manifest.json":
            return self.folder / "site" / "index.html"
        if name.startswith("manifests/"):
            return records.executed(self.folder, *records.of_manifest(Path(name).stem))
        if name in made_by:
            made = made_by[name]
            return records.executed(self.folder, made["notebook"], made["run"])
        return self.folder / name
