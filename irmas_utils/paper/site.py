"""Executed notebooks and ``docs/`` as a site by Sphinx, laid out here: ``irmas site sample``."""

import shlex
import shutil
import tempfile
from pathlib import Path

from irmas_utils.data import corpus
from irmas_utils.paper import timing
from irmas_utils.project import paths, records
from irmas_utils.project.errors import NotebookError
from irmas_utils.project.settings import Settings

DOCS = paths.ROOT / "docs"


def build(settings: Settings, given: str) -> Path:
    """Join a profile's manifests, make its site and return the front page. Raises as `source`."""
    folder, target = source(settings.profile, given), records.results_dir(settings.profile) / "site"
    if (folder / "manifests").is_dir():
        timing.enter(records.merge_manifests(settings.profile), folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".site-", dir=target.parent) as scratch:
        pages, made = Path(scratch) / "pages", Path(scratch) / "made"
        _lay_out(folder, pages)
        _sphinx(settings, given, folder, pages, made)
        shutil.rmtree(target, ignore_errors=True)
        made.replace(target)
    return target / "index.html"


def source(profile: str, given: str) -> Path:
    """Return a profile's results, or what is committed; NotebookError if neither has notebooks."""
    for folder in (records.results_dir(profile), paths.reference_dir(profile)):
        if any(folder.glob("notebooks/[0-9]*.ipynb")):
            return folder
    where = records.results_dir(profile)
    remedy = f"Run `make paper PROFILE={shlex.quote(given)}` first."
    raise NotebookError(where / "notebooks", "no executed notebook", "a finished run", remedy)


def _lay_out(folder: Path, pages: Path) -> None:
    """Put the sources where they lie in the repository, so that their links hold."""
    hidden = shutil.ignore_patterns("_*", "index.md", "conf.py")
    shutil.copytree(DOCS, pages / "docs", ignore=hidden)
    shutil.copyfile(DOCS / "index.md", pages / "index.md")
    benchmarks = paths.reference_dir("benchmarks").relative_to(paths.ROOT)
    for root, pattern in ((paths.ROOT, "CITATION.cff"), (paths.ROOT, f"{benchmarks}/*.png"),
                          (folder, "figures/*.png"),
                          (folder, "notebooks/[0-9][0-9]_*[!d].ipynb")):  # fmt: skip
        for path in root.glob(pattern):
            copy = pages / path.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


def _sphinx(settings: Settings, given: str, folder: Path, pages: Path, made: Path) -> None:
    from sphinx.cmd.build import build_main  # takes a second

    values = {"profile": given, "results": folder, "data": corpus.name(settings)}
    options = [f"-Dirmas_{name}={value}" for name, value in values.items()]
    options += ["-q", "-c", str(DOCS), "-d", str(made.with_name("doctrees"))]
    if build_main([*options, str(pages), str(made)]):
        remedy = "Sphinx has said above what is wrong."
        raise NotebookError(DOCS, "unreadable pages", "a site", remedy)
    shutil.rmtree(made / "_sources", ignore_errors=True)
    # Those are for who debugs the theme, for other sites, and templates that the theme forgot.
    left = [*made.rglob("*.map"), *(made / "_static").rglob("*.html")]
    for path in (made / ".buildinfo", made / "objects.inv", *left):
        path.unlink(missing_ok=True)
