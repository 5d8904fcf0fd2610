"""A path means the caller's folder; what a user has set for other work is set aside."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from project.test_execute import notebook

from irmas_utils.project import paths
from irmas_utils.project.errors import DiskError

ASK = """
import json, os, sys
import matplotlib.pyplot as plt
import irmas_utils
from irmas_utils import plots
from irmas_utils.project import paths
from irmas_utils.project.backend import keras
plots.use_style()
print(json.dumps({
    "results": str(paths.results_root()), "data": str(paths.data_root()),
    "python": sys.executable, "package": irmas_utils.__file__,
    "encoding": sys.getfilesystemencoding(),
    "line": plt.rcParams["lines.linewidth"], "tex": plt.rcParams["text.usetex"],
    "font": plt.rcParams["font.sans-serif"], "backend": keras.backend.backend(),
    "format": keras.config.image_data_format(), "policy": keras.config.floatx(),
}))
"""
DRAW = "figure, ax = plt.subplots()"


def test_weights_may_be_named_by_their_file(tmp_path, monkeypatch):
    (weights := tmp_path / "mn04.pt").touch()
    monkeypatch.setenv("IRMAS_WEIGHTS", str(weights))
    assert paths.weights_root() == tmp_path


@pytest.mark.parametrize("variable", paths._VARIABLES)
@pytest.mark.parametrize(
    ("given", "meant"),
    [("mine", "{here}/mine"), ("../a b", "{above}/a b"), ("~/x", "{home}/x"), ("/y", "/y"),
     ("~nobody-of-this-name", "{here}/~nobody-of-this-name")],
)  # fmt: skip
def test_a_relative_folder_is_the_callers_wherever_a_job_starts(
    variable, given, meant, tmp_path, monkeypatch
):
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, given)
    paths.settle()
    monkeypatch.chdir("/")
    meant = meant.format(here=tmp_path, above=tmp_path.parent, home="/home/someone")
    assert os.environ[variable] == meant
    assert str(getattr(paths, variable.removeprefix("IRMAS_").lower() + "_root")()) == meant


@pytest.mark.parametrize("variable", paths._VARIABLES[:3])
@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to(path.name)])
def test_what_is_no_folder_is_told_with_its_variable(variable, make, tmp_path, monkeypatch):
    make(tmp_path / "place")
    monkeypatch.setenv(variable, str(tmp_path / "place"))
    with pytest.raises(DiskError, match=rf"{variable}=.*place: found no folder"):
        paths.settle()


def strangers(folder):
    """Everything that a user could have set for other work, each in a way that would hurt."""
    kernel = folder / "jupyter" / "kernels" / "python3"
    startup = folder / "home" / ".ipython" / "profile_default" / "startup"
    keras, package = folder / "home" / ".keras", folder / "python" / "irmas_utils"
    for made in (kernel, startup, keras, package):
        made.mkdir(parents=True)
    wrong = {"argv": ["/bin/false"], "display_name": "mine", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(wrong))
    (startup / "00.py").write_text("raise SystemExit")
    (keras / "keras.json").write_text(
        json.dumps({"floatx": "float16", "image_data_format": "channels_first", "backend": "jax"})
    )
    (package / "__init__.py").write_text("")
    (folder / "matplotlibrc").write_text("text.usetex: True\nlines.linewidth: 9\nno.such: 1\n")
    (folder / "start.py").write_text("raise SystemExit")
    return {
        "HOME": str(folder / "home"),
        "IPYTHONDIR": str(folder / "home" / ".ipython"),
        "JUPYTER_PATH": str(folder / "jupyter"),
        "KERAS_BACKEND": "jax",
        "KERAS_HOME": str(keras),
        "LC_ALL": "C",
        "MATPLOTLIBRC": str(folder / "matplotlibrc"),
        "MPLBACKEND": "agg",
        "PYTHONSTARTUP": str(folder / "start.py"),
        "PYTHONWARNINGS": "error",
        "TF_USE_LEGACY_KERAS": "1",
        "TF_XLA_FLAGS": "--no-such-flag",
        "XLA_FLAGS": "--no-such-flag",
        "LIBROSA_CACHE_DIR": "/dev/null/x",
        "SCIPY_ARRAY_API": "1",
        "SNAKEMAKE_PROFILE": "no-such-profile",
    }


@pytest.mark.slow
def test_a_notebook_runs_as_if_nobody_had_set_anything(tmp_path):
    """From a folder of the user's, all whose paths are relative, with a name of the worst kind."""
    here = tmp_path / "a {1} & $(touch x) 'b' #é"
    here.mkdir()
    notebook(here / "nb.ipynb", "profile = 1", ASK, DRAW)
    environment = os.environ | strangers(tmp_path) | {"IRMAS_CACHE": "c", "IRMAS_RESULTS": "r"}
    environment |= {"IRMAS_DATA": "d", "PYTHONPATH": f"{paths.ROOT}{os.pathsep}{tmp_path}/python"}
    command = [sys.executable, "-m", "irmas_utils", "execute", "nb.ipynb", "out/nb.ipynb"]
    done = subprocess.run(
        command, cwd=here, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in here.iterdir()} == {"nb.ipynb", "out", "c"}
    _, told, drawn = nbformat.read(here / "out" / "nb.ipynb", 4).cells[-3:]
    (said,) = told.outputs
    assert json.loads(said.text) == {
        "results": str(here / "r"),
        "data": str(here / "d"),
        "python": sys.executable,
        "package": str(paths.PACKAGE / "__init__.py"),
        "encoding": "utf-8",
        "line": 1.5,
        "tex": False,
        "font": ["DejaVu Sans"],
        "backend": "tensorflow",
        "format": "channels_last",
        "policy": "float32",
    }
    assert any("image/png" in output.get("data", {}) for output in drawn.outputs)


def test_nothing_is_written_at_home_and_pictures_are_shown_whatever_the_backend(tmp_path):
    # As where JupyterLab was started with it: nothing has been set aside.
    agg = "import os; os.environ['MPLBACKEND'] = 'agg'; from irmas_utils import plots\n"
    agg += "import matplotlib.pyplot as plt; plots.use_style()"
    source = notebook(tmp_path / "nb.ipynb", "a = 1", agg, DRAW)
    home = tmp_path / "home"
    home.write_text("a file, in which nobody can make a folder")
    command = [sys.executable, "-m", "irmas_utils", "execute", str(source), str(tmp_path / "out")]
    environment = os.environ | {"HOME": str(home)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    cells = nbformat.read(tmp_path / "out", 4).cells
    assert not [o for cell in cells for o in cell.outputs if o.get("name") == "stderr"]
    assert any("image/png" in output.get("data", {}) for output in cells[-1].outputs)
