"""Whether the results of a profile are still what was made, and of what."""

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from irmas_utils.project import files, records

_PAGE = "site/index.html"


class State:
    """What the results of a profile were when they had been made: size, time and content.

    A result that is not what was made, edited, deleted or replaced by hand, is made again: the
    executed notebook that it belongs to is removed, so that Snakemake misses it. Sizes and times
    are compared first, and contents where these differ. `stamp` is that of what the whole paper
    was made from (`jobs.stamp`), None if not all of it was.
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

    def altered(self, outputs: Collection[str]) -> dict[str, str]:
        """Name the results that are not what was made, each with the job's output to make again.

        What none of the jobs with these `outputs` makes is its owner's, and left alone.
        """
        outputs, makers = {*outputs, "corpus.json", _PAGE}, self._makers()
        digests = {file: made["digest"] for file, made in records.outputs(self.folder).items()}
        damaged = {f"manifests/{n}.json" for n, of in records.manifests(self.folder) if of is None}
        altered = {}
        for name in sorted({*self.files, *digests, *damaged} & makers.keys()):
            output, sign = makers[name]
            differs = self._differs(name, digests.get(name), output, sign)
            if name in damaged or (differs and output in outputs):
                print(f"{name} is not what was made; it has to be made again.")
                altered[name] = output
        return altered

    def discard(self, altered: dict[str, str]) -> None:
        """Remove what is to be made again, so that Snakemake misses it."""
        for name, executed in altered.items():
            (self.folder / executed).unlink(missing_ok=True)
            if name.startswith("manifests/"):  # which no job need write any more
                (self.folder / name).unlink(missing_ok=True)

    def _makers(self) -> dict[str, tuple[str, str]]:
        """Return of each result what Snakemake misses, to make it again, and what tells of that."""
        found = {"corpus.json": ("corpus.json", ""), "manifest.json": (_PAGE, "manifest.json")}
        pages = [name for name in self.files if name.startswith("site/")]
        found |= dict.fromkeys(pages, (_PAGE, "manifest.json"))
        kept = {Path(name).stem: None for name in self.files if name.startswith("manifests/")}
        for name, entries in (kept | dict(records.manifests(self.folder))).items():
            part = f"manifests/{name}.json"
            output = records.executed(Path(), *records.of_manifest(name)).as_posix()
            found |= dict.fromkeys([part, output, *(entries or ())], (output, part))
        return found

    def _differs(self, name: str, recorded: str | None, output: str, sign: str) -> bool:
        now, kept = self._digests(name)
        if now is None or recorded not in (None, now):
            return True
        if kept in (None, now) or name.startswith("manifests/"):
            return False  # a manifest is held against what it lists, above
        # Unless a run that did not live to remember its results has made all of them.
        return any(len({*self._digests(each)}) == 1 for each in (output, sign))

    def _digests(self, name: str) -> tuple[str | None, str | None]:
        """Return the digest of a file, None if it is not there, and the one remembered."""
        path, kept = self.folder / name, self.files.get(name, [None])
        if not path.is_file():
            return None, kept[-1]
        same = kept[:-1] == [path.stat().st_size, path.stat().st_mtime_ns]
        return kept[-1] if same else files.digest(path), kept[-1]
