"""Notebook hygiene: sources are stripped, short, tagged and shaped alike."""

import ast
import importlib
import re
import subprocess
import sys

import nbformat
import pytest

from irmas_utils.project import execute, paths

NOTEBOOKS = sorted(paths.NOTEBOOKS.glob("*.ipynb"))
ONLY_READ = ("00", "01", "05", "06", "09", "10")  # they train nothing and start without TensorFlow


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def cells(path):
    return nbformat.read(path, as_version=4).cells


def code_of(cell):
    return [line for line in cell.source.splitlines() if line.strip()]


def test_there_are_notebooks():
    assert NOTEBOOKS
    assert all(re.fullmatch(r"\d\d_[a-z_]+", path.stem) for path in NOTEBOOKS)


def test_source_has_no_outputs(path, cells):
    for cell in cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
    assert nbformat.read(path, as_version=4).metadata.kernelspec.name == "python3"


def test_code_is_short(cells):
    code = [code_of(cell) for cell in cells if cell.cell_type == "code"]
    assert max(map(len, code)) <= 15
    assert sum(map(len, code)) <= 150


def test_no_long_functions(cells):
    for cell in cells:
        if cell.cell_type == "code":
            for node in ast.walk(ast.parse(cell.source)):
                if isinstance(node, ast.FunctionDef):
                    assert node.end_lineno - node.lineno <= 5, node.name


def test_first_cell_says_what_the_notebook_is(path, cells):
    assert cells[0].cell_type == "markdown"
    assert cells[0].source.startswith(f"# {int(path.stem[:2])}. ")
    for part in ("?", "*Paper:*", "*Reads:*", "*Writes:*"):
        assert part in cells[0].source


def test_imports_then_parameters(cells):
    assert cells[1].cell_type == "code"
    assert cells[1].source.startswith(("import ", "from "))
    assert "parameters" in cells[2].metadata.tags


def test_parameters_are_literals_with_comments(path, cells):
    parameters = execute.parameters_of(path)
    assert parameters["profile"] == "sample"
    assert all("#" in line for line in code_of(cells[2]))


def test_last_cell_records(cells):
    assert cells[-2].source.startswith("## ")
    assert cells[-2].source.endswith("Record")
    assert re.search(r"record\.save_|report\.save\(", cells[-1].source)


def test_sections_are_numbered(cells):
    heads = [c.source.splitlines()[0] for c in cells if c.cell_type == "markdown"]
    numbers = [int(m[1]) for head in heads if (m := re.match(r"## (\d+)\. ", head))]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_section_that_is_referred_to_is_there_and_not_the_record():
    read = {path.stem[:2]: nbformat.read(path, as_version=4).cells for path in NOTEBOOKS}
    last = {n: int(re.match(r"## (\d+)", cells[-2].source)[1]) for n, cells in read.items()}
    pages = [path.read_text("utf-8") for path in (paths.ROOT / "docs").glob("*.md")]
    for text in [*pages, *("\n".join(c.source for c in cells) for cells in read.values())]:
        for n, section in re.findall(r"otebook\s+(\d\d),\s+section\s+(\d+)", text):
            assert 0 < int(section) < last[n], (n, section)


def test_cells_are_numbered(path, cells):
    assert [cell.id for cell in cells] == [f"{path.stem[:2]}-{n:02d}" for n in range(len(cells))]


def test_notebooks_that_only_read_do_not_load_tensorflow():
    imports = [
        nbformat.read(path, as_version=4).cells[1].source
        for path in NOTEBOOKS
        if path.stem[:2] in ONLY_READ
    ]
    assert len(imports) == len(ONLY_READ)
    code = "\n".join([*imports, "import sys", "print('tensorflow' in sys.modules)"])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=paths.ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_predictions_are_matched_to_the_clips_that_they_are_compared_on(cells):
    for call in re.findall(r"load_predictions\([^)]*\)", "\n".join(c.source for c in cells)):
        assert call.endswith("parts.testing)")


def test_what_it_takes_of_the_package_is_there(path, cells):
    tree = ast.parse("\n".join(c.source for c in cells if c.cell_type == "code"))
    taken = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("irmas_utils"):
            for alias in node.names:
                taken[alias.asname or alias.name] = _imported(node.module, alias.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = taken.get(node.value.id)
            assert owner is None or hasattr(owner, node.attr), ast.unparse(node)


def _imported(module, name):
    found = getattr(importlib.import_module(module), name, None)
    return found or importlib.import_module(f"{module}.{name}")
