"""Published facts as data, a YAML file a subject, with sources; no number is typed elsewhere."""

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
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml takes a tenth of the time
    return yaml.load(file.read_text(encoding="utf-8"), loader)


def results() -> list[dict[str, Any]]:
    """Return the published scores on IRMAS's testing set that are not suspect, a row a system.

    Keys: name, micro_f1, macro_f1, lrap (None where not stated) and caution (text or None).
    """
    keys = ("micro_f1", "macro_f1", "lrap", "caution")
    rows = [
        {"name": f"Bosch et al. {n}: {each['name']}"} | {key: each.get(key) for key in keys}
        for n, each in _read("bosch2012")["experiments"].items()
    ]
    stated = {each["id"]: each.get("stated") for each in _read("paper_claims")["claims"]}
    rows += [
        {"name": f"the paper's {n}"} | dict.fromkeys(keys) | {"micro_f1": stated[f"{n.lower()}-f1"]}
        for n in ("LSTM", "FFT")
    ]
    others = (s for s in _read("state_of_the_art")["systems"][1:] if not s["suspect"])
    return rows + [{key: each[key] for key in ("name", *keys)} for each in others]
