"""JupyterLab: what is saved, and a real server."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest

from irmas_utils.project import paths
from irmas_utils.project.errors import DataError
from tools import lab

NOTEBOOKS = sorted(paths.NOTEBOOKS.glob("*.ipynb"))


def _as_if_run(content):
    """Change a notebook as running it in JupyterLab does."""
    content["metadata"]["kernelspec"]["display_name"] = "Python 3 (ipykernel)"
    content["metadata"]["language_info"] |= {"version": "3.11.7", "pygments_lexer": "ipython3"}
    content["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    for number, cell in enumerate(content["cells"]):
        cell["metadata"] |= {"execution": {"shell.execute_reply": "2026"}, "scrolled": True}
        if cell["cell_type"] == "code":
            cell["execution_count"] = number + 1
            output = {"output_type": "stream", "name": "stdout", "text": "out"}
            cell["outputs"] = [nbformat.from_dict(output)]
    return content


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_saving_a_notebook_that_was_run_changes_nothing(path, tmp_path):
    model = {"type": "notebook", "content": _as_if_run(nbformat.read(path, as_version=4))}
    lab.strip(model, path=path.name, contents_manager=None)
    nbformat.write(nbformat.from_dict(model["content"]), tmp_path / "a.ipynb")
    assert (tmp_path / "a.ipynb").read_bytes() == path.read_bytes()


def test_other_files_are_saved_as_they_are():
    model = {"type": "file", "content": "text"}
    lab.strip(model, path="a.txt")
    assert model == {"type": "file", "content": "text"}


def test_an_error_of_ours_is_one_line_in_a_notebook():
    from IPython.core.interactiveshell import InteractiveShell

    error = DataError("results", found="nothing", expected="all", remedy="Run 07 first.")
    shown = InteractiveShell()._format_exception_for_storage(error)["traceback"]
    assert shown == ["DataError: results: found nothing; expected all. Run 07 first."]


@contextlib.contextmanager
def _served(folder):
    """Start what `make lab` starts, in a copy of the project; gives a function that asks it."""
    # Of a make that `make test-all` has started nothing more is wanted than the words either.
    make = ["make", "-n", "--no-print-directory", "lab", "--old-file=.venv/.ready"]
    words = subprocess.run([*make, "OPTIONS=--no-browser"],
                           cwd=paths.ROOT, capture_output=True, text=True, check=True)  # fmt: skip
    command = [sys.executable, *words.stdout.split()[1:], "--port=0"]
    environment = {**os.environ, "PYTHONPATH": str(folder), "MPLBACKEND": "agg"}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stderr=log)
    try:
        found, start = None, time.monotonic()
        while not found and time.monotonic() - start < 120:
            found = re.search(r"(http://127\S+?)/lab\?token=(\w+)", (folder / "log").read_text())
            time.sleep(0.2)
        assert found, (folder / "log").read_text()

        def ask(path, body=None, method=None):
            data = json.dumps(body).encode() if body else None
            token = {"Authorization": f"token {found[2]}"}
            request = urllib.request.Request(f"{found[1]}/api/{path}", data, token, method=method)
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or b"{}")

        yield ask
    finally:
        server.terminate()
        server.wait(30)


@pytest.mark.slow
def test_a_server_saves_what_was_written_and_starts_our_kernel(tmp_path):
    for name in ("irmas_utils", "notebooks", "profiles", "tools"):
        shutil.copytree(paths.ROOT / name, tmp_path / name)
    path = tmp_path / "notebooks" / NOTEBOOKS[0].name
    before = path.read_bytes()
    with _served(tmp_path) as ask:
        model = ask(f"contents/{path.name}")
        body = {"type": "notebook", "content": _as_if_run(model["content"])}
        ask(f"contents/{path.name}", body, "PUT")
        assert path.read_bytes() == before
        body["content"]["cells"][0]["source"] += " more"
        ask(f"contents/{path.name}", body, "PUT")
        assert b" more" in path.read_bytes()
        specs = ask("kernelspecs")
        assert specs["default"] == "python3"
        session = {"path": path.name, "name": path.name, "type": "notebook",
                   "kernel": {"name": "python3"}}  # fmt: skip
        kernel = ask("sessions", session, "POST")["kernel"]
        assert kernel["name"] == "python3"
        ask(f"kernels/{kernel['id']}", method="DELETE")
