"""What a claim's formula finds, and what the paper, and others, have stated."""

import json
from dataclasses import dataclass
from typing import Any

from irmas_utils.data import published
from irmas_utils.project import paths


@dataclass(frozen=True)
class Finding:
    """The recomputed side of a claim: number, numbers or words, and what a reader should know.

    `low` and `high` bound what the rounding of stated inputs leaves open, or our 95 % interval.
    """

    value: Any
    low: float | None = None
    high: float | None = None
    comment: str = ""


class NotMeasured(LookupError):
    """A benchmark has not been run."""


def claim(claim_id: str) -> dict[str, Any]:
    """Return one of the paper's claims."""
    return fact(f"paper_claims.claims.{claim_id}")


def stated(claim_id: str) -> Any:
    """Return the value that the paper states."""
    return claim(claim_id)["stated"]


def fact(path: str) -> Any:
    """Look up a published fact, or a committed benchmark: file and keys with dots between.

    Of a list a key is an entry's id, or what stands in a benchmark's first column. Raises
    NotMeasured if a benchmark has no such row.
    """
    name, *keys = path.split(".")
    if name == "benchmarks":
        file = paths.reference_dir(name) / f"{keys.pop(0)}.json"
        found = json.loads(file.read_text("utf-8"))["rows"] if file.is_file() else []
    else:
        found = published.load(name)
    for key in keys:
        if isinstance(found, list):
            rows = [e for e in found if key in (e.get("id"), next(iter(e.values())))]
            if not rows:
                raise NotMeasured(path)
            found = rows[0]
        else:
            found = found[int(key) if key.isdigit() else key]
    return found
