"""How systems decide: where they cut, for which clips it works, and from which level on.

Notebooks: 06, 07, 09 and 10.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from scipy import special

from irmas_utils.plots.style import (
    COLOURS,
    QUANTITIES,
    axes_or_new,
    interval_lengths,
    legend_above,
)


def threshold_curve(curve: Mapping[str, ArrayLike], chosen: float, ax: Axes | None = None) -> Axes:
    """Micro precision, recall and F1 of `metrics.threshold_curve`; `chosen` is marked."""
    ax = axes_or_new(ax, 6)
    for quantity, dashes in QUANTITIES.items():
        style = {"color": COLOURS[quantity], "label": quantity.replace("f1", "F1")}
        ax.plot(curve["threshold"], curve[quantity], dashes, **style)
    ax.axvline(chosen, color=COLOURS["mark"], lw=1.2, label=f"chosen: {float(chosen):.2f}")
    ax.set(xlabel="threshold", ylabel="score", xlim=(0, 1), ylim=(0, 1.02))
    legend_above(ax)
    return ax


def logit_histograms(
    labels: ArrayLike, scores: ArrayLike, ax: Axes | None = None, *, threshold: float = 0.5
) -> Axes:
    """Histograms of a system's logits where the label is true and where it is not, and the cut.

    `labels` and `scores` in [0, 1] are (n_clips, 11). Each histogram has an area of one, and its
    share right of the cut is what gets named: recall, and false alarms.
    """
    ax = axes_or_new(ax, 6)
    true = np.asarray(labels, dtype=bool).ravel()
    logits = special.logit(np.clip(np.asarray(scores, dtype=float).ravel(), 1e-7, 1 - 1e-7))
    cut, edges = special.logit(threshold), np.linspace(logits.min(), logits.max() + 1e-6, 41)
    for name, rows, colour in (("label true", true, "true"), ("not", ~true, "quiet")):
        text = f"{name}: {np.mean(logits[rows] > cut) if rows.any() else 0:.0%} named"
        style = {"color": COLOURS[colour], "alpha": 0.55, "density": rows.any(), "label": text}
        ax.hist(logits[rows], edges, **style)
    ax.axvline(cut, color=COLOURS["mark"], lw=1.6, label=f"cut at {threshold:.2g}")
    ax.set(xlabel="logit", ylabel="density")
    legend_above(ax)
    return ax


def f1_by_duration(scores: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Micro F1 of clips of different lengths by one system or several, and how many they are.

    `scores` has a row a system and range of durations: system, seconds (a text), clips, value, low
    and high.
    """
    ax = axes_or_new(ax, 6)
    ranges = list(dict.fromkeys(scores["seconds"]))
    systems = list(scores.groupby("system", sort=False))
    for place, (name, part) in enumerate(systems):
        shift = (place - (len(systems) - 1) / 2) * 0.6 / len(systems)
        at, style = part["seconds"].map(ranges.index) + shift, {"capsize": 2.5, "label": name}
        ax.errorbar(at, part["value"], yerr=interval_lengths(part), fmt="o", **style)
    clips = scores.drop_duplicates("seconds")["clips"]
    names = [f"{text}\nn = {n}" for text, n in zip(ranges, clips, strict=True)]
    ax.set_xticks(range(len(ranges)), names)
    ax.margins(x=0.1)
    ax.set(xlabel="duration [s]", ylabel="micro F1", ylim=(0, 1))
    legend_above(ax)
    return ax
