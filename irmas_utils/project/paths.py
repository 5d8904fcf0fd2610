"""Every path the project uses. No other module builds one from the environment."""

import contextlib
import os
import re
from pathlib import Path

from irmas_utils.project.errors import DiskError

PACKAGE = Path(__file__).resolve().parent.parent
ROOT = PACKAGE.parent
PROFILES = ROOT / "profiles"
NOTEBOOKS = ROOT / "notebooks"

_VARIABLES = ("IRMAS_DATA", "IRMAS_CACHE", "IRMAS_RESULTS", "IRMAS_WEIGHTS")
_ASIDE = re.compile(
    "IPYTHON|JUPYTER|KERAS|LIBROSA|MPL|MATPLOTLIB|NUMBA|PYTHON[OPSW]|SCIPY|SKLEARN|SNAKEMAKE|"
    "TF_[EUX]|XLA"
)
"""How variables begin that a user has set for other work, and that change results."""

_IN_CACHE = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR",
             "MPLCONFIGDIR", "XDG_CACHE_HOME")  # fmt: skip
"""Where libraries look for a user's own settings, and write: each to a folder in the cache."""


def settle() -> None:
    """Fix for this process, and all that it starts, what the variables of the project mean.

    Jobs and kernels start in other folders, so relative paths are made absolute. What a user has
    set for other work, by variables or at home, is set aside. DiskError as `given`, or if a
    variable that means a folder names a file.
    """
    os.environ |= {name: str(given(os.environ[name])) for name in _VARIABLES if os.getenv(name)}
    for name in _VARIABLES[:3]:
        if (value := os.getenv(name)) and os.path.lexists(value) and not os.path.isdir(value):
            remedy = f"Name a folder by {name}, or unset it."
            raise DiskError(f"{name}={value}", "no folder", "a folder, there or not yet", remedy)
    for name in filter(_ASIDE.match, [*os.environ]):
        del os.environ[name]
    scratch = cache_root() / "scratch"
    with contextlib.suppress(OSError):  # IPython does without, if it must
        scratch.mkdir(parents=True, exist_ok=True)
    os.environ |= {name: str(scratch / name.lower()) for name in _IN_CACHE}
    os.environ |= {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}


def given(path: str | Path, folder: str | Path = "") -> Path:
    """Return what a caller who is in `folder` means by a path; ``~`` is home.

    DiskError if that is seen from a current folder that has been deleted.
    """
    try:
        return Path(os.path.abspath(os.path.join(folder, os.path.expanduser(path))))
    except FileNotFoundError as error:
        told = "one that was deleted", "one that is there", "Change to another folder: cd"
        raise DiskError("current folder", *told) from error


def given_profile(profile: str) -> str:
    """Return the name of a profile as it is, the path of a YAML file as `given`."""
    return str(given(profile)) if Path(profile).suffix.lower() in {".yaml", ".yml"} else profile


def data_root() -> Path:
    """Folder of ``IRMAS-TrainingData`` …: `IRMAS_DATA`, else ``data/``, or where mirdata has it."""
    usual = [ROOT / "data", Path(os.path.expanduser("~/mir_datasets/irmas"))]
    return given(os.getenv("IRMAS_DATA") or next(filter(Path.is_dir, usual), usual[0]))


def cache_root() -> Path:
    """Folder for what can be made again (`IRMAS_CACHE`, else ``.cache/`` in the project)."""
    return given(os.getenv("IRMAS_CACHE") or ROOT / ".cache")


def results_root() -> Path:
    """Folder of results, one sub-folder a profile (`IRMAS_RESULTS`, else ``results/``)."""
    return given(os.getenv("IRMAS_RESULTS") or ROOT / "results")


def weights_root() -> Path:
    """Folder of pre-trained weights, looked into first (`IRMAS_WEIGHTS`, else in the cache)."""
    root = given(os.getenv("IRMAS_WEIGHTS") or cache_root() / "weights")
    return root.parent if root.is_file() else root  # some name the file in it


def reference_dir(what: str = "sample") -> Path:
    """What is committed: a finished ``sample`` run, ``real`` clips, ``benchmarks``; "" for all."""
    return ROOT / "results" / "reference" / what
