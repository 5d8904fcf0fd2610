import os
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import psutil
import pytest

from irmas_utils.project import execute, kernels
from irmas_utils.project.errors import NotebookError


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The environment of a run that keeps one kernel."""
    with kernels.kept(1, tmp_path_factory.mktemp("run") / "kernels.log", os.environ) as environment:
        yield environment


@pytest.fixture
def run(kept, tmp_path, monkeypatch):
    monkeypatch.setenv(kernels.FOLDER, kept[kernels.FOLDER])

    def execute_cells(*cells):
        nb = nbformat.v4.new_notebook()
        nb.cells = [nbformat.v4.new_code_cell(source) for source in ("a = 1", *cells)]
        nb.cells[0].metadata["tags"] = ["parameters"]
        nbformat.write(nb, tmp_path / "nb.ipynb")
        out = execute.execute(tmp_path / "nb.ipynb", tmp_path / "out.ipynb", {})
        return nbformat.read(out, 4).cells

    return execute_cells


PID = "import os; print(os.getpid())"


def printed(cells):
    return cells[-1].outputs[0].text.strip()


def test_notebooks_share_a_kernel_and_nothing_else(run):
    first = run("left = a; import matplotlib.pyplot as plt; plt.figure()", PID)
    said = run("import matplotlib.pyplot as plt; print('left' in dir(), plt.get_fignums())", PID)
    assert said[-2].outputs[0].text == "False []\n"
    assert printed(said) == printed(first)
    # A parameters cell, the cell with the parameters given, and the two above.
    assert [cell.execution_count for cell in said] == [*range(1, len(said) + 1)]


def test_a_module_started_by_multiprocessing_is_found(run):
    assert printed(run("import __main__; print(__main__.__spec__)")) == "None"


def test_the_kernel_goes_on_after_a_notebook_that_failed(run):
    pid = printed(run(PID))
    with pytest.raises(NotebookError, match="ZeroDivisionError"):
        run("1 / 0")
    assert printed(run(PID)) == pid


def test_a_notebook_in_need_gets_a_kernel_of_its_own(run):
    pid = printed(run(PID))
    with kernels.lent() as busy:
        assert busy
        assert printed(run(PID)) != pid
    os.kill(int(pid), signal.SIGKILL)
    own = printed(run(PID))
    assert own != pid
    assert not psutil.pid_exists(int(own))  # and ended with it


def test_a_kernel_that_dies_at_work_ends_its_notebook(tmp_path):
    notebook, output = tmp_path / "nb.ipynb", tmp_path / "out.ipynb"
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import os; os.abort()")])
    nb.cells.insert(0, nbformat.v4.new_code_cell("a = 1", metadata={"tags": ["parameters"]}))
    nbformat.write(nb, notebook)
    command = [sys.executable, "-m", "irmas_utils", "execute", str(notebook), str(output)]
    with kernels.kept(1, tmp_path / "kernels.log", os.environ) as environment:
        ended = subprocess.run(command, env=environment, capture_output=True, timeout=60, text=True)
    assert ended.returncode == 1
    assert "Kernel died" in ended.stderr


def test_kernels_end_with_their_run(tmp_path):
    with kernels.kept(2, tmp_path / "kernels.log", os.environ) as environment:
        folder = Path(environment[kernels.FOLDER])
        pids = [int((folder / f"{number}.pid").read_text()) for number in range(2)]
        assert all(map(psutil.pid_exists, pids))
    assert not any(map(psutil.pid_exists, pids))
    assert not folder.exists()
