"""Each checkable claim of the paper beside what we find, by the ledger, ``paper_claims.yaml``.

Published numbers, the literature, committed benchmarks and small computations decide on any
machine; scores and training only results on the complete IRMAS. Notebook 09 explains the verdicts.
"""

import contextlib
import functools
import math
import operator
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from irmas_utils.data import integrity, published
from irmas_utils.paper.claims import formulas
from irmas_utils.paper.claims.formulas import Finding, NotMeasured, codes, label_counts

__all__ = ["Finding", "check", "codes", "expected", "judge", "label_counts"]

NEED_A_RUN = ("experiment", "study")
"""Kinds that results on the complete IRMAS decide; their values have sampling error."""

Systems, Findings = Mapping[str, Mapping[str, Any]], Mapping[str, Finding]


def check(
    index: pd.DataFrame | None = None,
    systems: Systems | None = None,
    findings: Findings | None = None,
    *,
    is_irmas: bool = False,
    ids: Collection[str] | None = None,
) -> pd.DataFrame:
    """Judge the paper's claims, or those of `ids`.

    `systems` are `metrics.evaluate` on the test set of "lstm", "fft", "fft-75-epochs" and the
    re-runs; `findings` what a notebook found about a claim without a formula, by its id. Claims
    about scores and training are judged only if the data `is_irmas`, and on the complete set.
    Returns a row a claim, all columns text: id, section, kind, notebook, quote, check (how it is
    decided), stated (or what the ledger asks for), recomputed, verdict, comment.
    """
    complete = is_irmas and (index is None or not integrity.missing(index))
    rows = []
    for claim in published.load("paper_claims")["claims"]:
        if ids is None or claim["id"] in ids:
            found = _find(claim, index if complete else None, systems or {}, findings or {})
            kept = complete or claim["kind"] not in NEED_A_RUN
            rows.append(_row(claim, found if kept else None))
    return pd.DataFrame(rows)


def _find(
    claim: dict[str, Any], index: pd.DataFrame | None, systems: Systems, findings: Findings
) -> Finding | None:
    if claim["kind"] == "experiment":
        return by_metric(claim, systems)
    if "compute" not in claim:
        return findings.get(claim["id"])
    recounts = "recount" in claim and index is not None
    clips = index[index["split"] == claim["id"].split("-")[0]] if recounts else None
    with contextlib.suppress(NotMeasured):
        return formulas.compute(claim, clips)
    return None


def by_metric(claim: dict[str, Any], systems: Systems) -> Finding | None:
    """Find what the ledger takes from the metrics of `systems`; None where one is not there."""
    system, *keys = claim["metric"].split(".")
    against = claim.get("against", "")
    if not {system, against.split(".")[0]} <= {*systems, "highest", "lowest", ""}:
        return None
    leaf = _leaf(systems, claim["metric"])
    if pick := {"highest": max, "lowest": min}.get(against):
        of_label, code, score = keys
        others = [v[score] for c, v in systems[system][of_label].items() if c != code]
        other = pick(others, key=operator.itemgetter("value"))
    else:
        other = _leaf(systems, against) if against else dict.fromkeys(leaf, 0.0)
    difference = leaf["value"] - other["value"]
    if None in (leaf["low"], other["low"]):
        return Finding(difference)
    # Of a difference these bounds are wider than 95 % would need.
    low, high = leaf["low"] - other["high"], leaf["high"] - other["low"]
    pair = f"{leaf['value']:.3f} less {other['value']:.3f}; " if against else ""
    said = f"{pair}95 % interval {low:.3f} to {high:.3f}."
    return Finding(difference, low, high, formulas.noted(claim, said))


def _leaf(systems: Systems, metric: str) -> dict[str, float | None]:
    return functools.reduce(operator.getitem, metric.split("."), systems)


def _row(claim: dict[str, Any], finding: Finding | None) -> dict[str, str]:
    shown = ("", "cannot tell", f"Would tell: {claim['check']}.")
    if finding is not None:
        shown = (show(finding.value), judge(claim, finding), finding.comment)
    row = {key: str(claim[key]) for key in ("id", "section", "kind", "notebook", "quote", "check")}
    row["stated"] = expected(claim)
    return row | dict(zip(("recomputed", "verdict", "comment"), shown, strict=True))


def expected(claim: Mapping[str, Any]) -> str:
    """Write what the ledger asks of the value for the claim to be confirmed."""
    if "region" in claim:
        low, high = claim["region"]
        if high is None:
            return f"at least {show(low)}"
        return f"at most {show(high)}" if low is None else f"{show(low)} to {show(high)}"
    text = show(claim["stated"]) if "stated" in claim else "–"
    return f"{text} ± {show(claim['margin'])}" if "margin" in claim else text


def judge(claim: Mapping[str, Any], finding: Finding) -> str:
    """Return the verdict on a claim of the ledger, which says by what it is decided."""
    if claim.get("implied"):
        return "implied"
    if "region" in claim or "margin" in claim:
        return _by_region(claim, finding)
    if "stated" not in claim:
        return "cannot tell"
    stated, tolerance = claim["stated"], claim.get("tolerance", 0)
    if _close(stated, finding.value, tolerance):
        return "confirmed"
    if finding.low is None or not finding.low - tolerance <= stated <= finding.high + tolerance:
        return "refuted"
    return "differs within rounding"


def _by_region(claim: Mapping[str, Any], finding: Finding) -> str:
    """Judge by where the whole interval lies: an equivalence test, if the region is a margin's."""
    if finding.low is None and claim["kind"] in NEED_A_RUN:
        return "inconclusive"
    middle, margin = claim.get("stated"), claim.get("margin")
    ends = (middle - margin, middle + margin) if "margin" in claim else claim["region"]
    least = -math.inf if ends[0] is None else ends[0]
    most = math.inf if ends[1] is None else ends[1]
    low, high = (finding.value if end is None else end for end in (finding.low, finding.high))
    if least <= low and high <= most:
        return "confirmed"
    if high < least or most < low:
        return "refuted"
    return "compatible" if middle is not None and low <= middle <= high else "inconclusive"


def _close(stated: Any, value: Any, tolerance: float) -> bool:
    if np.shape(stated) != np.shape(value):
        return False
    if isinstance(stated, str) or isinstance(value, str):
        return stated == value
    # A value half-way between two roundings counts for both.
    return np.allclose(value, stated, rtol=0, atol=tolerance + 1e-9)


def show(value: Any) -> str:
    """Write a value of a claim for a table."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(show(v) for v in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
