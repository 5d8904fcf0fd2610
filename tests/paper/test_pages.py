"""A name of a file, a model or an instrument is text in the pages and never markup."""

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbconvert import HTMLExporter

from irmas_utils.paper.notebook import literal

NAMES = [
    "plain.wav",
    "<img src=x onerror=alert(1)>",
    "a`b`<script>alert(1)</script>.wav",
    "**bold** _low_ [link](javascript:alert(1)) & &amp; $x$ \\ #1 {1}.wav",
    "two\n\n# lines",
    "</code><script>alert(1)</script>",
    "Sólo ピアノ 🎹.wav",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_shown_as_it_is(name):
    cell = nbformat.v4.new_code_cell("")
    cell.outputs = [
        nbformat.v4.new_output("display_data", {"text/markdown": f"**Model: {literal(name)}.**"})
    ]
    page, _ = HTMLExporter(template_name="basic").from_notebook_node(
        nbformat.v4.new_notebook(cells=[cell])
    )
    shown = BeautifulSoup(page, "html.parser").strong
    assert shown.text == f"Model: {name}."
    assert [tag.name for tag in shown.find_all(True)] == ["code"]
