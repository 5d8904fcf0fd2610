"""What a check of a claim finds, and what the paper, and others, have stated."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from irmas_utils.data import published
from irmas_utils.project import paths


@dataclass(frozen=True)
class Finding:
    """The recomputed side of a claim: number, numbers or words, and what a reader should know.

    `low` and `high` bound what the rounding of stated inputs leaves open, or our 95 % interval.
    What it means for the claim, the ledger says.
    """

    value: Any
    low: float | None = None
    high: float | None = None
    comment: str = ""


Checks = dict[str, Callable[..., Any]]
"""Claim to what finds its value: a `Finding`, or the value alone."""


def claim(claim_id: str) -> dict[str, Any]:
    """Return one of the paper's claims."""
    return fact(f"paper_claims.claims.{claim_id}")


def stated(claim_id: str) -> Any:
    """Return the value that the paper states."""
    return claim(claim_id)["stated"]


def fact(path: str) -> Any:
    """Look up a published fact, or a committed benchmark: file and keys with dots between.

    Of a list a key is the place of an entry, its id, or what stands in a benchmark's first column.
    None if the benchmark has not been run.
    """
    name, *keys = path.split(".")
    if name == "benchmarks":
        file = paths.reference_dir().parent / name / f"{keys.pop(0)}.json"
        found = json.loads(file.read_text("utf-8"))["rows"] if file.is_file() else None
    else:
        found = published.load(name)
    for key in keys:
        if isinstance(found, list) and not key.isdigit():
            found = next((e for e in found if key in (e.get("id"), next(iter(e.values())))), None)
        elif found is not None:
            found = found[int(key) if key.isdigit() else key]
    return found


def from_facts(claim: dict[str, Any]) -> Finding | None:
    """Find a claim's value among the facts: ``from`` (several, perhaps), ``less`` or ``over``."""
    paths_of = [claim["from"]] if isinstance(claim["from"], str) else claim["from"]
    values = [fact(path) for path in paths_of]
    value, second = values if len(values) > 1 else values[0], claim.get("less", claim.get("over"))
    if second is None or None in values:
        least = fact(claim["least"]) if "least" in claim else None
        return None if None in values else Finding(value, least, least and value)
    other = fact(second)
    if other is None:
        return None
    result = value - other if "less" in claim else value / other
    return Finding(result, comment=f"{value:.4g} against {other:.4g}.")
