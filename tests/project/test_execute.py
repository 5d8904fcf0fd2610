import ast
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irmas_utils.__main__ import main
from irmas_utils.project import execute, sources
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


def test_a_notebook_is_never_its_own_output(tmp_path):
    source = notebook(tmp_path / "nb.ipynb", "a = 1")
    before = source.read_bytes()
    with pytest.raises(NotebookError, match="found the notebook itself.*Name another output"):
        execute.execute(source, tmp_path / "sub" / ".." / "nb.ipynb", {})
    assert source.read_bytes() == before


def test_unknown_parameters_are_an_error(tmp_path, capsys):
    source = notebook(tmp_path / "nb.ipynb", "a = 1")
    with pytest.raises(NotebookError, match="unknown parameter aa.*expected a"):
        execute.execute(source, tmp_path / "out.ipynb", {"aa": 4})
    with pytest.raises(NotebookError, match="unknown parameter ''; expected a"):
        execute.execute(source, tmp_path / "out.ipynb", {"": 1})
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


def test_a_failure_of_several_lines_is_told_of_in_one(tmp_path):
    source = notebook(tmp_path / "nb.ipynb", "a = 1", "raise ValueError('one\\ntwo')")
    with pytest.raises(NotebookError, match="ValueError: one two; expected"):
        execute.execute(source, tmp_path / "out.ipynb", {})


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


def _lives(pid):
    """Whether a process runs; one that nobody has reaped yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_whoever_is_told_to_stop_leaves_no_kernel_and_no_file(tmp_path):
    ask = "import os; print(os.getpid(), os.getcwd(), file=open('told', 'w'), flush=True)"
    notebook(tmp_path / "nb.ipynb", "a = 1", ask, "import time; time.sleep(60)")
    command = [sys.executable, "-m", "irmas_utils", "execute", "nb.ipynb", "out/nb.ipynb"]
    environment = os.environ | {"TMPDIR": str(tmp_path), "IRMAS_CACHE": str(tmp_path / "cache")}
    options = {"cwd": tmp_path, "env": environment, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **options) as process:
        while not (tmp_path / "told").exists() or not (told := (tmp_path / "told").read_text()):
            assert process.poll() is None
            time.sleep(0.05)
        process.terminate()
        assert process.communicate()[1] == "Stopped.\n"
    assert process.returncode == 130
    kernel = int(told.split()[0])
    deadline = time.monotonic() + 30
    while _lives(kernel) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _lives(kernel)
    assert {path.name for path in tmp_path.iterdir()} == {"nb.ipynb", "told", "out", "cache"}
    assert not [*(tmp_path / "out").iterdir()]


@pytest.mark.parametrize("folder", ["plain", "a {1} {name} b"])
def test_a_folder_of_any_name_will_do(folder, tmp_path):
    (tmp_path / folder).mkdir()
    source = notebook(tmp_path / folder / "nb.ipynb", "a = 1")
    assert execute.execute(source, tmp_path / folder / "out.ipynb", {"a": 2}).is_file()


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
    [("1", 1), ("-3", -3), ("+3", 3), ("0", 0), ("1e-4", 1e-4), ("1E5", 1e5), (".5", 0.5),
     ("2.", 2.0), ("-0.5", -0.5), ("[64, 32]", [64, 32]), ('{"a": [1]}', {"a": [1]}),
     ("null", None), ("None", None), ("true", True), ("True", True), ("False", False)],
)  # fmt: skip
def test_values_on_the_command_line(text, value):
    assert execute.parse_value(text) == value
    assert type(execute.parse_value(text)) is type(value)


@pytest.mark.parametrize(
    "text",
    ["full", "a=b", "{", "007", "-007", "00", "0x1f", "1_000", "2024-01-05", "12:30", "#1 hit.wav",
     "Track #1.wav", "- a", "a: b", "yes", "~", "NaN", "-", ".", "1e", "", " 1", "٣", "'1'", '"1"',
     "1" * 5000, "[" * 100_000, "1e999", "-1e999", "[NaN]", '{"a": [1e999]}'],
)  # fmt: skip
def test_all_else_on_the_command_line_is_text(text):
    assert execute.parse_value(text) == text


def test_parameters_mean_what_the_caller_means(tmp_path, monkeypatch):
    defaults = 'profile = "sample"\nloss = ""\nrun = None\naudio_path = None\nseeds = None'
    source = notebook(tmp_path / "nb.ipynb", defaults)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/someone")
    read = functools.partial(execute.read_parameters, source)
    assert read({"profile": "2024"}) == {"profile": "2024"}
    assert read({"profile": "./mine.yaml"}) == {"profile": f"{tmp_path}/mine.yaml"}
    assert read({"loss": "1", "run": "007", "seeds": "[1]"}) == {
        "loss": "1", "run": "007", "seeds": [1],
    }  # fmt: skip
    for text in ("7", "1e5", "true", "[1]", "None"):
        assert read({"run": text}) == {"run": text}
    assert read({"run": "null"}) == {"run": None}
    for text in ("plain.wav", "#1 hit.wav", "7", "2024-01-05", "[1].wav"):
        assert read({"audio_path": text}) == {"audio_path": f"{tmp_path}/{text}"}
    assert read({"audio_path": "~/a.wav"}) == {"audio_path": "/home/someone/a.wav"}
    assert read({"audio_path": "null"}) == {"audio_path": None}


def cell(source="x = 1", **other):
    code = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": source} | other
    whole = {"cells": [code], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "null", "3", "{}", '{"cells": 3, "nbformat": 4}', '{"nbformat": 99, "cells": []}',
     "[" * 100_000, '{"a":' * 50_000, cell(metadata={"tags": 3}), cell(metadata=3), cell(3),
     cell("x = " + "(" * 5000 + ")" * 5000), cell("x = " + "-" * 5000 + "1"), cell("x\0 = 1"),
     cell("x = {1}"), cell("x = b'1'")],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_what_is_no_notebook_is_one_error_and_some_code(tmp_path, content):
    (path := tmp_path / "nb.ipynb").write_text(content)
    with pytest.raises(NotebookError):
        execute.parameters_of(path)
    compile(sources.of_notebook(path), "nb", "exec", flags=ast.PyCF_ONLY_AST)


@given(st.text())
def test_any_text_is_some_value(text):
    execute.parse_value(text)
