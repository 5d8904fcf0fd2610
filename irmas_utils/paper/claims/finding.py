"""What a check of a claim finds, and the register of checks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from irmas_utils.data import published


@dataclass(frozen=True)
class Finding:
    """The recomputed side of a claim.

    Parameters
    ----------
    value : Any
        The recomputed number, numbers or words.
    low, high : float, optional
        Bounds of the value that the rounding of the stated inputs leaves open, or of our 95 %
        interval.
    holds : bool, optional
        The verdict, where it does not follow from comparing `value` with the stated one.
    comment : str
        What a reader should know besides.
    """

    value: Any
    low: float | None = None
    high: float | None = None
    holds: bool | None = None
    comment: str = ""


Checks = dict[str, Callable[..., Finding]]


def register(checks: Checks, claim_id: str) -> Callable:
    """Return a decorator that enters a function as the check of a claim."""

    def enter(function: Callable[..., Finding]) -> Callable[..., Finding]:
        checks[claim_id] = function
        return function

    return enter


def claim(claim_id: str) -> dict[str, Any]:
    """Return one of the paper's claims."""
    return next(c for c in published.load("paper_claims")["claims"] if c["id"] == claim_id)


def stated(claim_id: str) -> Any:
    """Return the value that the paper states."""
    return claim(claim_id)["stated"]
