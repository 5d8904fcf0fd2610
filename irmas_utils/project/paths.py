"""Every path the project uses. No other module builds one from the environment."""

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
ROOT = PACKAGE.parent
PROFILES = ROOT / "profiles"
NOTEBOOKS = ROOT / "notebooks"


def _from_environment(variable: str, default: Path) -> Path:
    value = os.environ.get(variable)
    return Path(value).expanduser().resolve() if value else default


def data_root() -> Path:
    """Folder of ``IRMAS-TrainingData`` and so on.

    `IRMAS_DATA`, else ``data/`` in the project, or where mirdata puts it if only that is there.
    """
    usual = [ROOT / "data", Path(os.path.expanduser("~/mir_datasets/irmas"))]
    return _from_environment("IRMAS_DATA", next(filter(Path.is_dir, usual), usual[0]))


def cache_root() -> Path:
    """Folder for what can be made again (`IRMAS_CACHE`, else ``.cache/`` in the project)."""
    return _from_environment("IRMAS_CACHE", ROOT / ".cache")


def results_root() -> Path:
    """Folder of results, one sub-folder a profile (`IRMAS_RESULTS`, else ``results/``)."""
    return _from_environment("IRMAS_RESULTS", ROOT / "results")


def weights_root() -> Path:
    """Folder of pre-trained weights, looked into before any is fetched.

    `IRMAS_WEIGHTS`, else ``weights/`` in the cache.
    """
    return _from_environment("IRMAS_WEIGHTS", cache_root() / "weights")


def reference_dir() -> Path:
    """The committed copy of a finished sample run, shown in the README."""
    return ROOT / "results" / "reference" / "sample"
