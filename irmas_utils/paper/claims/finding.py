"""What a check of a claim finds, and what the paper claims."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from irmas_utils.data import published


@dataclass(frozen=True)
class Finding:
    """The recomputed side of a claim: number, numbers or words, and what a reader should know.

    `low` and `high` bound what the rounding of stated inputs leaves open, or our 95 % interval;
    `holds` is the verdict where it does not follow from comparing with the stated value.
    """

    value: Any
    low: float | None = None
    high: float | None = None
    holds: bool | None = None
    comment: str = ""


Checks = dict[str, Callable[..., Finding]]


def claim(claim_id: str) -> dict[str, Any]:
    """Return one of the paper's claims."""
    return next(c for c in published.load("paper_claims")["claims"] if c["id"] == claim_id)


def stated(claim_id: str) -> Any:
    """Return the value that the paper states."""
    return claim(claim_id)["stated"]
