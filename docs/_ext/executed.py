"""What a reader is shown of an executed notebook: folded code, captions, readable tables."""

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from irmas_utils.project import paths

NUMBER = re.compile(r"[-+−–]?[\d.,]*\d ?%?|nan|[–-]?")
IN_TABLE = re.compile(r'class="data row\d+ (col\d+)"[^>]*>([^<]*)<')
LONG = 40  # letters: such columns must not be squeezed to a word a line
Cell = dict[str, Any]


def captions_of(notebook: Path) -> dict[str, Cell]:
    """Return what a notebook's source says of the figure of each of its cells, by their code."""
    if not notebook.is_file():
        return {}
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return {"".join(cell["source"]): cell["metadata"].get("mystnb", {}) for cell in cells}


def shape(notebook: Cell, captions: dict[str, Cell], data: str) -> Cell:
    """Fold the code of an executed notebook, drop set-up and record, and caption its figures.

    Parameters
    ----------
    captions : dict
        Code of a cell to myst-nb's ``figure`` and ``image`` metadata of what it draws.
    data : str
        What the data set is called; each caption ends with it.
    """
    notebook["metadata"].pop("widgets", None)
    notebook["nbformat_minor"] = 4  # whose cells, being taken apart, need no names
    shown, heading = [], ""
    for cell in notebook["cells"]:
        cell.pop("id", None)
        text = "".join(cell["source"])
        heads = re.findall(r"^#+ (?:\d+\. )?(.*)", text, re.M)
        heading = heads[-1] if cell["cell_type"] == "markdown" and heads else heading
        if heading == "Record":
            break
        if cell["cell_type"] == "code":
            outputs = [o for output in cell["outputs"] if (o := _output(output))]
            if not outputs and _sets_up(cell):
                continue
            shown += _parts(cell, outputs, captions.get(text, {}), heading, data)
        else:
            shown.append(cell)
    return notebook | {"cells": shown}


def _parts(cell: Cell, outputs: list[Cell], given: Cell, heading: str, data: str) -> Iterator[Cell]:
    """Take a cell apart, for a caption belongs to a picture and not to all that a cell shows."""
    caption = given.get("figure", {}).get("caption", f"{heading}.")
    figure = {"figure": {"caption": f"{caption} Data: {data}."},
              "image": {"alt": heading} | given.get("image", {})}  # fmt: skip
    yield cell | {"outputs": [], "metadata": {"tags": ["hide-input"]}}
    for output in outputs:
        metadata = {"tags": ["remove-input"]}
        if "image/png" in output.get("data", {}):
            metadata |= {"mystnb": figure}
        yield cell | {"source": ["#"], "outputs": [output], "metadata": metadata}


def _sets_up(cell: Cell) -> bool:
    tags = cell["metadata"].get("tags", [])
    imports = re.match(r"(import|from) ", "".join(cell["source"]))
    return bool(imports or "parameters" in tags or "injected-parameters" in tags)


def _output(output: Cell) -> Cell | None:
    """Return an output as a page shows it, None if there is nothing to show without a kernel."""
    data = output.get("data", {})
    if "application/vnd.jupyter.widget-view+json" in data:
        return None
    if "text/html" in data:
        data["text/html"] = _aligned("".join(data["text/html"]))
    return output


def _aligned(page: str) -> str:
    """Mark the columns of a table that hold words, which stand to the left, and the long ones."""
    lengths: dict[str, int] = {}
    for column, text in IN_TABLE.findall(page):
        if not NUMBER.fullmatch(html.unescape(text).strip()):
            lengths[column] = max(len(text), lengths.get(column, 0))
    for column, length in lengths.items():
        words = "text long" if length > LONG else "text"
        page = re.sub(rf'(class="[^"]*\b{column})(?=[ "])', rf"\1 {words}", page)
    return page


def _read(app, docname, source):
    if docname.startswith("notebooks/"):
        captions = captions_of(paths.ROOT / f"{docname}.ipynb")
        notebook = shape(json.loads(source[0]), captions, app.config.irmas_data)
        source[0] = json.dumps(notebook, ensure_ascii=False)


def setup(app):
    """Shape each notebook as it is read."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True}
