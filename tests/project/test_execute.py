import tempfile
from pathlib import Path

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irmas_utils.__main__ import main
from irmas_utils.project import execute
from irmas_utils.project.errors import NotebookError


def notebook(path, *cells, tags=("parameters",)):
    kernel = {"name": "elsewhere", "display_name": ""}
    nb = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    for number, source in enumerate(cells):
        cell = nbformat.v4.new_code_cell(source)
        cell.metadata["tags"] = list(tags) if number == 0 else []
        nb.cells.append(cell)
    nbformat.write(nb, path)
    return path


def test_parameters_reach_the_notebook_whatever_kernel_it_names(tmp_path):
    source = notebook(tmp_path / "nb.ipynb", "a = 1\nb = 'x'", "print(a + 1, b)")
    out = execute.execute(source, tmp_path / "out" / "nb.ipynb", {"a": 4})
    assert nbformat.read(out, 4).cells[-1].outputs[0].text == "5 x\n"


def test_unknown_parameters_are_an_error(tmp_path, capsys):
    source = notebook(tmp_path / "nb.ipynb", "a = 1")
    with pytest.raises(NotebookError, match="unknown parameter aa.*expected a"):
        execute.execute(source, tmp_path / "out.ipynb", {"aa": 4})
    assert main(["execute", str(source), str(tmp_path / "out.ipynb"), "-p", "aa", "4"]) == 1
    assert capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "out.ipynb").exists()


def test_a_lost_tag_is_an_error(tmp_path):
    with pytest.raises(NotebookError, match="0 cells tagged"):
        execute.parameters_of(notebook(tmp_path / "nb.ipynb", "a = 1", tags=()))


@pytest.mark.parametrize("source", ["import os", "a = f()", "a = b = 1; a.x = 2", "a =", "a = {1}"])
def test_parameters_are_plain_literals(tmp_path, source):
    with pytest.raises(NotebookError, match="plain literals"):
        execute.parameters_of(notebook(tmp_path / "nb.ipynb", source))


def test_a_failure_keeps_what_ran_and_the_earlier_result(tmp_path):
    source = notebook(tmp_path / "nb.ipynb", "a = 1", "print('ran')", "1 / a")
    out = execute.execute(source, tmp_path / "out.ipynb", {})
    before = out.read_bytes()
    with pytest.raises(NotebookError, match="ZeroDivisionError.*out.failed.ipynb"):
        execute.execute(source, out, {"a": 0})
    assert out.read_bytes() == before
    assert "ran" in (tmp_path / "out.failed.ipynb").read_text()
    execute.execute(source, out, {"a": 2})
    assert not (tmp_path / "out.failed.ipynb").exists()


def test_a_kernel_that_dies_is_one_clear_error(tmp_path):
    die = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    source = notebook(tmp_path / "nb.ipynb", "a = 1", "print('ran')", die)
    with pytest.raises(NotebookError, match="Kernel died.*out.failed.ipynb"):
        execute.execute(source, tmp_path / "out.ipynb", {})
    assert "ran" in (tmp_path / "out.failed.ipynb").read_text()
    assert not (tmp_path / "out.ipynb").exists()


def test_kernels_share_no_ports(tmp_path, monkeypatch):
    """Two that started together once chose the same; one never answered."""
    long = tmp_path / ("long" * 25)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    ask = "from ipykernel import connect; print(connect.get_connection_info(unpack=True)['ip'])"
    source = notebook(tmp_path / "nb.ipynb", "a = 1", ask)
    folders = set()
    for number in (1, 2):
        out = execute.execute(source, tmp_path / f"{number}.ipynb", {})
        folders.add(Path(nbformat.read(out, 4).cells[-1].outputs[0].text).parent)
    assert len(folders) == 2
    assert not any(folder.exists() for folder in folders)


@pytest.mark.parametrize("content", ["", "{}", "not json"])
def test_a_file_that_is_no_notebook_is_named(tmp_path, content):
    (tmp_path / "nb.ipynb").write_text(content)
    with pytest.raises(NotebookError, match=r"nb\.ipynb"):
        execute.parameters_of(tmp_path / "nb.ipynb")


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("1e-4", 1e-4), ("[64, 32]", [64, 32]), ("full", "full"), ("null", None),
     ("true", True), ("a=b", "a=b"), ("{", "{")],
)  # fmt: skip
def test_values_on_the_command_line(text, value):
    assert execute.parse_value(text) == value


@given(st.text())
def test_any_text_is_some_value(text):
    execute.parse_value(text)
