"""Each checkable claim of the paper beside what we find.

`check` goes through ``published/paper_claims.yaml``. Arithmetic claims are recomputed from
published numbers alone, on any machine; claims about the data from the index, and claims about
scores from our metrics, both only where the complete IRMAS set is at hand.

Verdicts
--------
confirmed
    The recomputed value rounds to the stated one, or the stated one lies in our 95 % interval.
differs within rounding
    It does not, but the rounding of the stated numbers that it comes from leaves room for it.
refuted
    It does not, and there is no such room.
not checkable on ...
    The claim is about IRMAS, and this is another or an incomplete data set.
not checkable
    What it takes is not published, or has not been run.
"""

import functools
import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from irmas_utils.data import integrity, published
from irmas_utils.paper.claims import arithmetic, data
from irmas_utils.paper.claims.arithmetic import codes, label_counts
from irmas_utils.paper.claims.finding import Finding, stated

__all__ = ["Finding", "check", "codes", "label_counts", "stated"]

CONFIRMED = "confirmed"
WITHIN_ROUNDING = "differs within rounding"
REFUTED = "refuted"
NOT_CHECKABLE = "not checkable"
NOT_ON_SAMPLE = "not checkable on the sample corpus"
NOT_ON_PART = "not checkable on a part of IRMAS"

Systems, Findings = Mapping[str, Mapping[str, Any]], Mapping[str, Finding]


def check(
    index: pd.DataFrame | None = None,
    systems: Systems | None = None,
    findings: Findings | None = None,
    *,
    is_irmas: bool = False,
) -> pd.DataFrame:
    """Recompute the paper's claims.

    Parameters
    ----------
    systems : mapping of str to dict, optional
        `metrics.evaluate` on the test set of "lstm", "fft" and "fft-75-epochs".
    findings : mapping of str to Finding, optional
        What a notebook found about claims of the kind "study", by the claim's id.
    is_irmas : bool
        Claims about its data or about scores are judged only then, and on the complete set.

    Returns
    -------
    pandas.DataFrame
        A row a claim, all columns text: id, section, kind, quote, stated, recomputed, verdict,
        comment.
    """
    obstacle, rows = None if is_irmas else NOT_ON_SAMPLE, []
    if is_irmas and index is not None and integrity.missing(index):
        obstacle = NOT_ON_PART
    for claim in published.load("paper_claims")["claims"]:
        judged = claim["kind"] == "arithmetic" or not obstacle
        finding = _find(claim, index, systems or {}, findings or {}) if judged else None
        rows.append(_row(claim, finding, obstacle))
    return pd.DataFrame(rows)


def _find(
    claim: dict[str, Any], index: pd.DataFrame | None, systems: Systems, findings: Findings
) -> Finding | None:
    if claim["kind"] == "arithmetic":
        return arithmetic.CHECKS[claim["id"]]()
    if claim["kind"] == "data" and index is not None:
        split = claim["id"].split("-")[0]
        return data.CHECKS[claim["id"]](index[index["split"] == split])
    if claim["kind"] == "experiment":
        return _experiment(claim["metric"], systems)
    return findings.get(claim["id"])


def _experiment(metric: str, systems: Systems) -> Finding | None:
    system, *keys = metric.split(".")
    if system not in systems:
        return None
    if keys in (["highest"], ["lowest"]):
        per_label = systems[system]["per_label"]
        pick = max if keys == ["highest"] else min
        return Finding(pick(per_label, key=lambda code: per_label[code]["f1"]["value"]))
    leaf = functools.reduce(operator.getitem, keys, systems[system])
    if leaf["low"] is None:
        return Finding(leaf["value"])
    comment = f"95 % interval {leaf['low']:.3f} to {leaf['high']:.3f}."
    return Finding(leaf["value"], leaf["low"], leaf["high"], comment=comment)


def _row(claim: dict[str, Any], finding: Finding | None, obstacle: str | None) -> dict[str, str]:
    shown = ("", obstacle or NOT_CHECKABLE, f"Would need: {claim['check']}.")
    if finding is not None:
        shown = (_text(finding.value), _verdict(claim, finding), finding.comment)
    row = {key: str(claim[key]) for key in ("id", "section", "kind", "quote")}
    row["stated"] = _text(claim["stated"])
    return row | dict(zip(("recomputed", "verdict", "comment"), shown, strict=True))


def _verdict(claim: dict[str, Any], finding: Finding) -> str:
    if finding.holds is not None:
        return CONFIRMED if finding.holds else REFUTED
    if _close(claim["stated"], finding.value, claim["tolerance"]):
        return CONFIRMED
    low, high, tolerance = finding.low, finding.high, claim["tolerance"]
    if low is None or high is None or not low - tolerance <= claim["stated"] <= high + tolerance:
        return REFUTED
    # An experiment's bounds are an interval of sampling error, not of rounding.
    return CONFIRMED if claim["kind"] == "experiment" else WITHIN_ROUNDING


def _close(stated: Any, value: Any, tolerance: float) -> bool:
    if np.shape(stated) != np.shape(value):
        return False
    if isinstance(stated, str) or isinstance(value, str):
        return stated == value
    # A value half-way between two roundings counts for both.
    return np.allclose(value, stated, rtol=0, atol=tolerance + 1e-9)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_text(v) for v in value)
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)
