"""Published facts as data: what the paper, the data set's makers and others have stated.

One YAML file a subject, each fact beside its source: ``paper_claims``, ``bosch2012``, ``irmas``
and ``state_of_the_art``. No number from the literature is typed anywhere else.
"""

import copy
import functools
from importlib import resources
from typing import Any

import yaml

from irmas_utils.project.errors import DataError


def load(name: str) -> dict[str, Any]:
    """Read one file of published facts.

    Parameters
    ----------
    name : str
        Name of a YAML file of this package, without its suffix, such as ``"irmas"``.

    Returns
    -------
    dict
        A copy of the caller's own.

    Raises
    ------
    DataError
        If there is no such file; the message lists those there are.
    """
    return copy.deepcopy(_read(name))


@functools.cache
def _read(name: str) -> dict[str, Any]:
    file = resources.files(__name__).joinpath(f"{name}.yaml")
    if not file.is_file():
        raise DataError(
            f"published/{name}.yaml",
            found="no such file",
            expected=f"one of {', '.join(names())}",
            remedy="Check the spelling.",
        )
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def names() -> list[str]:
    """Return the names that `load` knows."""
    files = (file.name for file in resources.files(__name__).iterdir())
    return sorted(name.removesuffix(".yaml") for name in files if name.endswith(".yaml"))
