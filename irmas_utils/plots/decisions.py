"""How systems decide: where they cut, for which clips, from which level on (06, 07, 09, 10)."""

import itertools
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from scipy import special

from irmas_utils.plots import style
from irmas_utils.project.vocabulary import INSTRUMENT_NAMES, INSTRUMENTS


def threshold_curve(curve: Mapping[str, ArrayLike], chosen: float, ax: Axes | None = None) -> Axes:
    """Micro precision, recall and F1 of `metrics.threshold_curve`; `chosen` is marked."""
    ax = style.axes_or_new(ax, 6)
    for quantity, dashes in style.QUANTITIES.items():
        look = {"color": style.COLOURS[quantity], "label": quantity.replace("f1", "F1")}
        ax.plot(curve["threshold"], curve[quantity], dashes, **look)
    ax.axvline(chosen, color=style.COLOURS["mark"], lw=1.2, label=f"chosen: {float(chosen):.2f}")
    ax.set(xlabel="threshold", ylabel="score", xlim=(0, 1), ylim=(0, 1.02))
    style.legend_above(ax, ncols=2)
    return ax


def logit_histograms(
    labels: ArrayLike, scores: ArrayLike, ax: Axes | None = None, *, threshold: float = 0.5
) -> Axes:
    """Histograms of a system's logits where the label is true and where it is not, and the cut.

    `labels` and `scores` in [0, 1] are (n_clips, 11). Each histogram has an area of one, and its
    share right of the cut is what gets named: recall, and false alarms.
    """
    ax = style.axes_or_new(ax, 6)
    true = np.asarray(labels, dtype=bool).ravel()
    logits = special.logit(np.clip(np.asarray(scores, dtype=float).ravel(), 1e-7, 1 - 1e-7))
    cut, edges = special.logit(threshold), np.linspace(logits.min(), logits.max() + 1e-6, 41)
    for name, rows, colour in (("label true", true, "true"), ("not", ~true, "quiet")):
        text = f"{name}: {np.mean(logits[rows] > cut) if rows.any() else 0:.0%} named"
        look = {"color": style.COLOURS[colour], "alpha": 0.55, "density": rows.any(), "label": text}
        ax.hist(logits[rows], edges, **look)
    ax.axvline(cut, color=style.COLOURS["mark"], lw=1.6, label=f"cut at {threshold:.2g}")
    ax.set(xlabel="logit", ylabel="density")
    style.legend_above(ax, ncols=2)
    return ax


def f1_by_duration(scores: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Micro F1 of clips of like length by one system or several, and how many they are.

    `scores` has a row a system and part: cause (what is drawn apart), seconds (their mean), clips
    (how many), value, low and high.
    """
    ax = style.axes_or_new(ax, 6)
    systems = list(scores.groupby("cause", sort=False))
    step = 0.02 * np.ptp(scores["seconds"])
    for place, (name, part) in enumerate(systems):
        at = part["seconds"] + step * (place - (len(systems) - 1) / 2)
        marker = style.MARKERS[place % len(style.MARKERS)]
        look = {"capsize": 2, "elinewidth": 0.8, "marker": marker}
        ax.errorbar(at, part["value"], yerr=style.interval_lengths(part), label=name, **look)
    parts = scores.drop_duplicates("seconds")
    counts = zip(parts["seconds"], parts["clips"], strict=True)
    ax.set_xticks(parts["seconds"], [f"{seconds:.0f}\nn = {n}" for seconds, n in counts])
    ax.margins(x=0.1)
    ax.set(xlabel="mean duration [s]", ylabel="micro F1", ylim=(0, 1))
    style.legend_above(ax)
    return ax


def level_curves(curves: pd.DataFrame, data: str = "") -> Figure:
    """Share of excerpts in which a system names the instrument, against its level.

    `curves` is of `metrics.levels.curves` by system and others: a panel a number of others. What
    is named though it is not there stands at the left. `data` says what was heard.
    """
    n = curves["others"].nunique()
    figure, axes = plt.subplots(n, sharex=True, squeeze=False, figsize=(8, 2.6 * n + 1))
    for ax, (others, panel) in zip(axes[:, 0], curves.groupby("others", sort=False), strict=True):
        levels = np.unique(panel["level"])
        nowhere = levels[0] - 0.12 * np.ptp(levels)
        systems = panel.groupby("system", sort=False)
        for (name, part), marker in zip(systems, itertools.cycle(style.MARKERS)):
            (line,) = ax.plot(part["level"], part["value"], marker=marker, ms=5, label=name)
            band = {"color": line.get_color(), "alpha": 0.07, "linewidth": 0}
            ax.fill_between(part["level"], part["low"], part["high"], **band)
            hollow = {"color": line.get_color(), "marker": marker, "mfc": "white", "ls": "none"}
            ax.plot(nowhere, part["absent"].iloc[0], **hollow)
        ax.axhline(0.5, color=style.COLOURS["quiet"], ls=":", lw=1.5)
        names = ["absent", *(f"{level:+g}" if level else "0" for level in levels)]
        ax.set_xticks([nowhere, *levels], names)
        title = f"{data if ax is axes[0, 0] else ''}\nagainst {others} other{'s' * (others > 1)}"
        ax.set(title=title.lstrip(), ylabel="share in which it is named", ylim=(-0.02, 1.02))
        ax.set(xlabel="level of the instrument [dB]")
        ax.label_outer()
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=3)
    return figure


def level_thresholds(found: pd.DataFrame, levels: ArrayLike, ax: Axes | None = None) -> Axes:
    """Level from which on a system names an instrument: a row a system, a column an instrument.

    `found` is of `metrics.levels.thresholds` by system and instrument, `levels` were tried. The
    darker, the less level it takes; how many excerpts there are stands beside the name.
    """
    table = found.pivot_table("threshold", "system", "instrument", sort=False, aggfunc="first")
    codes = [code for code in INSTRUMENTS if code in table]
    values, lowest, highest = table[codes].to_numpy(), min(levels), max(levels)
    ax = style.axes_or_new(ax, 10, 1.6 + 0.36 * len(values))
    finite = np.vectorize("{:+.0f}".format)(values)
    text = np.select([values == np.inf, values == -np.inf], ["never", "always"], finite)
    darkness = 1 - (np.clip(values, lowest, highest) - lowest) / (highest - lowest)
    n = found.drop_duplicates("instrument").set_index("instrument")["excerpts"]
    names = [f"{INSTRUMENT_NAMES[code]} ({n[code]})" for code in codes]
    style.heat_map(ax, 0.9 * darkness, text, table.index, names)
    ax.set(xlabel="instrument (excerpts)")
    return ax
