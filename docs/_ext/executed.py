"""What a reader is shown of an executed notebook: folded code, captions, readable tables."""

import html
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import prose
import yaml

NUMBER = re.compile(r"(?:< )?[-+−–]?[\d.,]*\d ?%?|nan|[–-]?")
IN_TABLE = re.compile(r'class="data row\d+ (col\d+)"[^>]*>([^<]*)<')
LONG = 40  # letters: such columns must not be squeezed to a word a line
SECTION = re.compile(r"^#+ (?:\d+\. )?(.*?)(?: \((?:sections?|Figure) .*\))?$", re.M)
CAPTIONS = yaml.safe_load((Path(__file__).parent.parent / "captions.yaml").read_text("utf-8"))
Cell = dict[str, Any]


def shape(notebook: Cell, captions: Mapping[str, list[Any]], data: str) -> Cell:
    """Fold the code of an executed notebook, drop set-up and record, and caption its figures.

    Parameters
    ----------
    captions : mapping of str to list
        Heading of a section to its figure's caption and the words for who cannot see it; third
        may stand what it is drawn from, if not the data set. Of a cell with figures of several
        kinds a list of these, in their order.
    data : str
        What the data set is called.
    """
    notebook["metadata"].pop("widgets", None)
    notebook["nbformat_minor"] = 4  # whose cells, being taken apart, need no names
    shown, heading = [], ""
    for cell in notebook["cells"]:
        cell.pop("id", None)
        text = "".join(cell["source"])
        heads = SECTION.findall(text)
        heading = heads[-1] if cell["cell_type"] == "markdown" and heads else heading
        if heading == "Record":
            break
        if cell["cell_type"] == "code":
            outputs = [o for output in cell["outputs"] if (o := _output(output))]
            if not outputs and _sets_up(cell):
                continue
            shown += _parts(cell, outputs, captions.get(heading, [f"{heading}.", heading]), data)
        else:
            shown.append(cell)
    return notebook | {"cells": shown}


def _parts(cell: Cell, outputs: list[Cell], words: list[Any], data: str) -> Iterator[Cell]:
    """Take a cell apart, for a caption belongs to a picture and not to all that a cell shows."""
    captions = itertools.cycle([words] if isinstance(words[0], str) else words)
    yield cell | {"outputs": [], "metadata": {"tags": ["hide-input"]}}
    for output in outputs:
        metadata = {"tags": ["remove-input"]}
        if "image/png" in output.get("data", {}):
            caption, alternative, *of = next(captions)
            caption = f"{caption} Data: {of[0] if of else data}."
            metadata |= {"mystnb": {"figure": {"caption": caption}, "image": {"alt": alternative}}}
        yield cell | {"source": ["#"], "outputs": [output], "metadata": metadata}


def _sets_up(cell: Cell) -> bool:
    tags = cell["metadata"].get("tags", [])
    imports = re.match(r"(import|from) ", "".join(cell["source"]))
    return bool(imports or "parameters" in tags or "injected-parameters" in tags)


def _output(output: Cell) -> Cell | None:
    """Return an output as a page shows it, None of progress and of what takes a kernel."""
    data = output.get("data", {})
    if output["output_type"] == "stream" or "application/vnd.jupyter.widget-view+json" in data:
        return None
    if "text/html" in data:
        page = _aligned("".join(data["text/html"]))
        # Names of files are never markup; what the paper says may hold formulas.
        data["text/html"] = prose.drawn(page) if ">quote</th>" in page else page
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
        captions = CAPTIONS.get(Path(docname).name, {})
        source[0] = json.dumps(shape(json.loads(source[0]), captions, app.config.irmas_data))


def setup(app):
    """Shape each notebook as it is read."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True}
