"""The executed notebooks as web pages: ``python -m irmas_utils site sample``."""

import html
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter

from irmas_utils.data import corpus
from irmas_utils.project import files, records
from irmas_utils.project.settings import Settings

PAPER = (
    "Recognizing predominant musical instruments in music using deep learning techniques "
    "(Vaznonis et al. 2022)"
)
STYLE = """
body { font: 16px/1.55 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
       color: #1b1b1b; background: #fff; }
h1 { line-height: 1.2; } a { color: #0b57a4; } img { max-width: 100%; }
table { border-collapse: collapse; margin: 1rem 0; }
td, th { padding: .3rem .8rem; border-bottom: 1px solid #ddd; text-align: right; }
td:first-child, th:first-child { text-align: left; }
.note { background: #fff4d6; border-left: 4px solid #d99a00; padding: .6rem 1rem; }
"""
NAVIGATION = (
    '<nav style="font: 14px system-ui, sans-serif; padding: .6rem 1rem; '
    'border-bottom: 1px solid #ddd"><a href="index.html">All notebooks</a>{links}</nav>'
)


def build(settings: Settings) -> Path:
    """Convert every executed notebook of a profile and write the front page, which is returned.

    The notebooks' manifests are joined first.
    """
    records.merge_manifests(settings.profile)
    folder = records.results_dir(settings.profile)
    notebooks = sorted((folder / "notebooks").glob("[0-9][0-9]_*[!d].ipynb"))
    names = [path.stem for path in notebooks]
    for path in notebooks:
        files.write_text(folder / "site" / f"{path.stem}.html", _page(path, names))
    index = folder / "site" / "index.html"
    files.write_text(index, _front_page(settings, notebooks))
    return index


def _page(notebook: Path, names: list[str]) -> str:
    exporter = HTMLExporter(exclude_input_prompt=True, exclude_output_prompt=True)
    page, _ = exporter.from_filename(str(notebook))
    links = "".join(f' · <a href="{html.escape(name)}.html">{name[:2]}</a>' for name in names)
    head, body, rest = page.partition("<body")
    tag, closing, content = rest.partition(">")
    return head + body + tag + closing + NAVIGATION.format(links=links) + content


def _front_page(settings: Settings, notebooks: list[Path]) -> str:
    items = "".join(_item(path) for path in notebooks)
    note = (
        f'<p class="note">Data: {corpus.name(settings)}. These scores show that '
        "the code works; they say nothing about IRMAS.</p>"
    )
    table = records.load_table(settings.profile, "comparison")
    scores = table.to_html(index=False, float_format="%.3f", na_rep="", border=0)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>irmas-notebooks</title><style>{STYLE}</style></head><body>"
        f"<h1>{html.escape(PAPER)}, re-run</h1>{note if settings.corpus.source != 'irmas' else ''}"
        f"<h2>Results</h2>{scores}"
        '<img src="../figures/comparison.png" alt="Micro F1 of every system">'
        f"<h2>Notebooks</h2><ol>{items}</ol></body></html>\n"
    )


def _item(notebook: Path) -> str:
    first = nbformat.read(notebook, as_version=4).cells[0].source
    title, _, rest = first.partition("\n")
    summary = " ".join(rest.strip().partition("\n\n")[0].split())  # the question, unwrapped
    return (
        f'<li value="{int(notebook.stem[:2])}"><a href="{html.escape(notebook.stem)}.html">'
        f"{html.escape(title.lstrip('# '))}</a><br>{html.escape(summary.replace('*', ''))}</li>"
    )
