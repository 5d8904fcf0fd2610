"""Published facts as data: what the paper, the data set's makers and others have stated.

One YAML file a subject, each fact beside its source: ``paper_claims``, ``bosch2012``, ``irmas``,
``literature`` and ``state_of_the_art``. No number from the literature is typed anywhere else.
"""

import copy
import functools
from importlib import resources
from typing import Any

import yaml


def load(name: str) -> dict[str, Any]:
    """Read one file of published facts, such as ``"irmas"``: a copy of the caller's own."""
    return copy.deepcopy(_read(name))


@functools.cache
def _read(name: str) -> dict[str, Any]:
    file = resources.files(__name__).joinpath(f"{name}.yaml")
    return yaml.safe_load(file.read_text(encoding="utf-8"))
