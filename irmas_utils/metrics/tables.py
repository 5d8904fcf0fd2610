"""Tables of evaluations: one row a system, one row an instrument, intervals as text."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from irmas_utils.project.records import markdown as markdown
from irmas_utils.project.vocabulary import IRMAS

TITLES = {
    "micro_f1": "micro F1",
    "macro_f1": "macro F1",
    "lrap": "LRAP",
    "labels_per_clip": "labels a clip",
}
"""Key of a score in a metrics file to its title in tables."""

KEYS = {title: key for key, title in TITLES.items()}

FORMATS = dict.fromkeys(  # of columns that three decimals would write as zero, on a page
    ("p_value", "p_adjusted"), lambda p: "&lt; .001" if p < 0.001 else f"{p:.3f}"
)


def scores_of(evaluation: dict[str, Any]) -> dict[str, dict[str, float | None] | None]:
    """Return the scores that systems are compared by: key to value with its interval."""
    predicted = {"value": evaluation["labels_per_clip"]["predicted"], "low": None, "high": None}
    return {
        "micro_f1": evaluation["micro"]["f1"],
        "macro_f1": evaluation["macro"]["f1"],
        "lrap": evaluation["lrap"],
        "labels_per_clip": predicted,
    }


def score_row(evaluation: dict[str, Any], intervals: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the scores of `metrics.evaluate` by `TITLES`, those in `intervals` with their own."""
    row: dict[str, Any] = {}
    for key, leaf in scores_of(evaluation).items():
        row[TITLES[key]] = leaf["value"] if leaf else None
        if key in intervals:
            row[f"{TITLES[key]}, 95 % interval"] = interval(leaf)
    return row


def average_table(evaluations: Mapping[Any, dict[str, Any]]) -> pd.DataFrame:
    """Return a row a system, or a seed: micro precision and recall, and `score_row`."""
    rows = []
    for name, evaluation in evaluations.items():
        micro = evaluation["micro"]
        ratios = {"micro P": micro["precision"]["value"], "micro R": micro["recall"]["value"]}
        rows.append({"system": name} | ratios | score_row(evaluation, ("micro_f1",)))
    return pd.DataFrame(rows)


def per_label_table(evaluation: dict[str, Any]) -> pd.DataFrame:
    """Return precision, recall and F1 an instrument beside its base rate (paper section 5)."""
    rows = [
        {
            "instrument": IRMAS.name(code),
            **{key: values[key]["value"] for key in ("precision", "recall", "f1")},
            "F1 95 % interval": interval(values["f1"]),
            "base rate": values["base_rate"],
            "clips": values["support"],
            "predicted": values["predicted"],
        }
        for code, values in evaluation["per_label"].items()
    ]
    return pd.DataFrame(rows)


def comparison_rows(
    ours: dict[str, dict[str, Any]],
    trivial: dict[str, dict[str, Any]],
    published: dict[str, float],
) -> pd.DataFrame:
    """Return the rows of `plots.comparison`: evaluations and published F1, each kind best first."""
    rows = [
        {"name": name, "kind": kind, **result["micro"]["f1"]}
        for kind, results in (("ours", ours), ("trivial", trivial))
        for name, result in results.items()
    ]
    rows += [{"name": name, "kind": "published", "value": f1} for name, f1 in published.items()]
    table = pd.DataFrame(rows, columns=["name", "kind", "value", "low", "high"])
    table["kind"] = pd.Categorical(table["kind"], ["ours", "trivial", "published"])
    return table.sort_values(["kind", "value"], ascending=[True, False], ignore_index=True)


def with_p(table: pd.DataFrame) -> pd.DataFrame:
    """Write the columns p, if there are some, as text: none that three decimals make zero."""
    found = [key for key in table if key in ("p", "p, Holm")]
    texts = table[found].map(lambda p: "< 0.001" if p < 0.001 else f"{p:.3f}", na_action="ignore")
    return table.assign(**texts)


def interval(leaf: dict[str, float | None] | None) -> str:
    """Write a score's interval as text; a dash where there is none."""
    return "–" if leaf is None or leaf["low"] is None else f"{leaf['low']:.3f}–{leaf['high']:.3f}"
