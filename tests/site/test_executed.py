"""What is shown of an executed notebook, and that names of files are text and never markup."""

import json
import subprocess
import sys

import executed as pages
import nbformat
import pytest
from bs4 import BeautifulSoup

from irmas_utils.paper.notebook import literal

NAMES = [
    "plain.wav",
    "<img src=x onerror=alert(1)>",
    "a`b`<script>alert(1)</script>.wav",
    "**bold** _low_ [link](javascript:alert(1)) & &amp; $x$ \\ #1 {1}.wav",
    "two\n\n# lines",
    "</code><script>alert(1)</script>",
    "{raw} html | <b>",
    "Sólo ピアノ 🎹.wav",
]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"


def shown(kind, content):
    return nbformat.v4.new_output("display_data", {kind: content})


def code(source, *outputs, **metadata):
    cell = nbformat.v4.new_code_cell(source, metadata=metadata)
    cell.outputs = [*outputs]
    return cell


def notebook(*cells):
    return json.loads(nbformat.writes(nbformat.v4.new_notebook(cells=[*cells])))


@pytest.fixture
def executed():
    text, table = shown("text/markdown", "**3 clips**"), shown("text/html", "<table></table>")
    progress = nbformat.v4.new_output("stream", text="epoch 1/2")
    return notebook(
        nbformat.v4.new_markdown_cell("# 1. Data\n\nWhat is there?"),
        code("import numpy"),
        code("profile = 'sample'", tags=["parameters"]),
        nbformat.v4.new_markdown_cell("## 1. Labels (section 3.1, Figure 1)"),
        code("draw()", progress, text, shown("image/png", PNG), table),
        code("x = 1"),
        code("upload()", shown("application/vnd.jupyter.widget-view+json", {"model_id": "1"})),
        nbformat.v4.new_markdown_cell("## 2. Record"),
        code("record.save()"),
    )


def test_code_is_folded_and_setting_up_and_recording_are_not_shown(executed):
    cells = pages.shape(executed, {}, "sample corpus")["cells"]
    folded = [c["source"] for c in cells if c["metadata"].get("tags") == ["hide-input"]]
    assert ["".join(source) for source in folded] == ["draw()", "x = 1", "upload()"]
    assert "Record" not in str(cells)
    assert "widget" not in str(cells)


def test_only_a_picture_has_a_caption_with_its_data_and_words_for_who_cannot_see_it(executed):
    given = {"Labels": ["Clips a label.", "Eleven bars"]}
    cells = pages.shape(executed, given, "sample corpus")["cells"]
    captioned = [c for c in cells if "mystnb" in c["metadata"]]
    assert ["image/png" in c["outputs"][0]["data"] for c in captioned] == [True]
    assert captioned[0]["metadata"]["mystnb"] == {
        "figure": {"caption": "Clips a label. Data: sample corpus."},
        "image": {"alt": "Eleven bars"},
    }
    kinds = [list(o["data"]) for c in cells for o in c.get("outputs", [])]
    assert kinds == [["text/markdown"], ["image/png"], ["text/html"]]


def test_words_of_a_table_stand_to_the_left_and_numbers_do_not():
    row = '<td id="a" class="data row0 col{}" >{}</td>'.format
    head = '<th id="h" class="col_heading level0 col{}" >x</th>'.format
    values = ("voice", "0.123", "–1.5", "95 %", "a comment of more than forty letters, to the end")
    page = "".join(map(head, range(5))) + "".join(row(n, v) for n, v in enumerate(values))
    marked = BeautifulSoup(pages._aligned(page), "html.parser")
    for tag in ("th", "td"):
        assert ["text" in cell["class"] for cell in marked.find_all(tag)] == [1, 0, 0, 0, 1]
    assert ["long" in cell["class"] for cell in marked.find_all("td")] == [0, 0, 0, 0, 1]


def test_a_name_is_shown_as_it_is(tmp_path):
    outputs = [shown("text/markdown", f"**Model: {literal(name)}.**") for name in NAMES]
    cells = [nbformat.v4.new_markdown_cell("# Names"), code("tell()", *outputs)]
    (tmp_path / "index.ipynb").write_text(json.dumps(notebook(*cells)))
    settings = ["extensions=myst_nb", "nb_execution_mode=off", "nb_render_markdown_format=gfm"]
    options = ["-C", "-q", *(f"-D{setting}" for setting in settings)]
    command = [sys.executable, "-m", "sphinx", *options, str(tmp_path), str(tmp_path / "made")]
    subprocess.run(command, check=True)
    page = BeautifulSoup((tmp_path / "made" / "index.html").read_text(), "html.parser")
    lines = page.select(".cell_output strong")
    assert [line.text for line in lines] == [f"Model: {name}." for name in NAMES]
    assert {tag.name for line in lines for tag in line.find_all(True)} == {"code"}


def test_figures_of_several_kinds_in_a_cell_have_a_caption_each():
    head = nbformat.v4.new_markdown_cell("## 7. Levels")
    drawn = notebook(head, code("draw()", *[shown("image/png", PNG) for _ in range(4)]))
    given = {"Levels": [["A curve.", "rising"], ["A grid.", "darker", "both"]]}
    cells = pages.shape(drawn, given, "sample")["cells"]
    figures = [c["metadata"]["mystnb"]["figure"] for c in cells if "mystnb" in c["metadata"]]
    said = [figure["caption"] for figure in figures]
    assert said == ["A curve. Data: sample.", "A grid. Data: both."] * 2


def test_formulas_are_drawn_in_what_the_paper_says_and_in_nothing_else():
    tables = [f"<table><th>{head}</th><td>in $n^2$ time</td></table>" for head in ("quote", "file")]
    cells = pages.shape(notebook(*[code("t", shown("text/html", t)) for t in tables]), {}, "data")
    quote, file = (o["data"]["text/html"] for cell in cells["cells"] for o in cell["outputs"])
    assert "<msup>" in quote
    assert "$" not in quote
    assert "in $n^2$ time" in file
