"""How every notebook begins: settings, data, a place for its results, one look for its figures."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
from IPython.display import Markdown, display

from irmas_utils.data import corpus
from irmas_utils.plots import style
from irmas_utils.project import files, paths, records, settings
from irmas_utils.project.settings import Settings

if TYPE_CHECKING:
    from ipywidgets import FileUpload


def literal(text: object) -> str:
    """Return a text, such as the name of a file, as Markdown and HTML that show it as it is."""
    plain = (c if c.isalnum() or c == " " else f"&#{ord(c)};" for c in str(text))
    return f"<code>{''.join(plain)}</code>"


def upload() -> "FileUpload":
    """Return a button for audio files, shown where somebody could press it."""
    from ipywidgets import FileUpload

    button = FileUpload(multiple=True, description="Audio files")
    if not os.environ.get("IRMAS_BATCH"):
        display(button)
    return button


def uploaded(button: "FileUpload") -> list[Path]:
    """Return the files that were uploaded, which lie in the cache now."""
    folder, found = paths.cache_root() / "uploads", []
    for file in button.value:
        found.append(folder / (os.path.basename(file["name"]) or "file"))
        with files.replacing(found[-1]) as temporary:
            temporary.write_bytes(file["content"])
    return found


class Started(NamedTuple):
    """Settings, the index, its parts (None if a set is missing), and where results go."""

    cfg: Settings
    index: pd.DataFrame
    parts: corpus.Splits | None
    record: records.Record


def start(
    notebook: str,
    profile: str,
    *,
    run: str | None = None,
    papers: str | None = None,
    changed: Mapping[str, Any] | None = None,
    **overrides: Any,
) -> Started:
    """Load the settings and the data, say what they are, and set the figures' style.

    `run` is the name that results are kept under, where a notebook is executed more than once, and
    `papers` the one of the paper's own results: with other settings, or `changed` parameters that
    are no settings, the results get a name of their own and never replace the paper's. Raises as
    `project.settings.load`, which takes the overrides, and `data.corpus.load`.
    """
    cfg = settings.load(profile, **overrides)
    if run == papers and (changed or cfg != settings.load(profile)):
        run = f"{papers or notebook}-own-{files.seal([cfg.model_dump(), changed])[:8]}"
    style.use_style(cfg)
    records.lends = not os.environ.get("IRMAS_BATCH")
    index = corpus.load(cfg)
    parts = corpus.split(index, cfg) if index["split"].nunique() == 2 else None
    record = records.Record(notebook, cfg, run=run, data=corpus.fingerprint(index))
    sizes = f"\n\n{parts.sizes()}" if parts else ""
    display(Markdown(f"**Data: {corpus.name(cfg)}.**{sizes}"))
    return Started(cfg, index, parts, record)
