"""Scores of systems. Notebooks: 03 to 10."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from irmas_utils import metrics
from irmas_utils.plots.style import COLOURS, NAMES, axes_or_new, interval_lengths
from irmas_utils.project.vocabulary import INSTRUMENTS

MARKERS = {"ours": "o", "trivial": "s", "published": "D"}


def per_label_scores(result: Mapping[str, Any], ax: Axes | None = None) -> Axes:
    """Precision, recall and F1 of each instrument with intervals, and its base rate.

    The base rate is the precision of a predictor that always, or at random, gives the label.

    Parameters
    ----------
    result : mapping
        Of `metrics.evaluate`.
    ax : Axes, optional
    """
    ax = axes_or_new(ax, 10, 3.8)
    labels = [result["per_label"][code] for code in INSTRUMENTS]
    positions, width = np.arange(len(labels)), 0.26
    for i, quantity in enumerate(("precision", "recall", "f1")):
        leaves = [label[quantity] for label in labels]
        ax.bar(
            positions + (i - 1) * width,
            [leaf["value"] for leaf in leaves],
            width,
            yerr=interval_lengths(leaves),
            color=COLOURS[quantity],
            error_kw={"elinewidth": 0.9, "ecolor": "#333333"},
            label="F1" if quantity == "f1" else quantity,
        )
    rates = [label["base_rate"] for label in labels]
    style = {"color": COLOURS["mark"], "linewidth": 1.6, "label": "base rate"}
    ax.hlines(rates, positions - 0.42, positions + 0.42, **style)
    ax.set_xticks(positions, NAMES, rotation=30, ha="right", rotation_mode="anchor")
    ax.grid(axis="x", visible=False)
    ax.margins(x=0.02)
    ax.set(ylim=(0, 1), ylabel="score")
    ax.legend(ncols=4, loc="lower left", bbox_to_anchor=(0, 1))
    return ax


def comparison(systems: pd.DataFrame, ax: Axes | None = None, xlabel: str = "micro F1") -> Axes:
    """Scores of systems one below the other, with intervals (a forest plot).

    Parameters
    ----------
    systems : pandas.DataFrame
        A row a system, drawn from the top: name, kind ("ours", "trivial" or "published"), value,
        low, high (missing where there is no interval).
    ax : Axes, optional
    xlabel : str
        Name of the score.
    """
    ax = axes_or_new(ax, 8, 0.9 + 0.3 * len(systems))
    for kind, marker in MARKERS.items():
        rows = np.flatnonzero(systems["kind"] == kind)
        if len(rows):
            part = systems.iloc[rows].astype({"value": float, "low": float, "high": float})
            lengths = np.array([part["value"] - part["low"], part["high"] - part["value"]])
            style = {"color": COLOURS[kind], "fmt": marker, "markersize": 5.5, "capsize": 2.5}
            hollow = {"markerfacecolor": "white"} if kind == "published" else {}
            lengths = np.nan_to_num(lengths).clip(min=0)
            ax.errorbar(part["value"], rows, xerr=lengths, label=kind, **style, **hollow)
    for row, value in enumerate(systems["value"]):
        place = {"xycoords": ("axes fraction", "data"), "va": "center", "fontsize": "small"}
        ax.annotate(f"{value:.3f}", (1.01, row), **place)
    ax.set_yticks(range(len(systems)), systems["name"])
    ax.set_ylim(len(systems) - 0.5, -0.5)
    ax.set(xlabel=xlabel, xlim=(0, 1.03 * ax.get_xlim()[1]))
    ax.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    return ax


def study(
    values: ArrayLike,
    scores: ArrayLike,
    ax: Axes | None = None,
    *,
    xlabel: str = "",
    ylabel: str = "micro F1",
    log_x: bool = False,
    paper: Any = None,
) -> Axes:
    """Score against the value of a hyper-parameter: each seed, the mean and its 95 % interval.

    Parameters
    ----------
    values : array (n_runs,)
        The hyper-parameter in each run, a number or a word; words stand in order of appearance.
    scores : array (n_runs,)
        What each run scored.
    ax : Axes, optional
    xlabel, ylabel : str
        Names of the two.
    log_x : bool
        Logarithmic scale of values.
    paper : optional
        The paper's value, which is marked.
    """
    ax = axes_or_new(ax, 5.5)
    runs = pd.DataFrame({"value": values, "score": scores})
    settings = list(dict.fromkeys(runs["value"]))
    words = any(isinstance(value, str) for value in settings)
    settings = settings if words else sorted(settings)
    places = dict(zip(settings, range(len(settings)) if words else settings, strict=True))
    grouped = runs.groupby("value")["score"]
    leaves = [metrics.mean_interval(grouped.get_group(value)) for value in settings]
    x, means = list(places.values()), [leaf["value"] for leaf in leaves]
    style = {"color": COLOURS["line"], "capsize": 3, "fmt": "o" if words else "o-"}
    ax.errorbar(x, means, yerr=interval_lengths(leaves), label="mean, 95 % interval", **style)
    dots = {"color": COLOURS["mark"], "s": 14, "zorder": 3, "linewidths": 0, "label": "each seed"}
    ax.scatter(runs["value"].map(places), runs["score"], **dots)
    if paper in places:
        ax.axvline(places[paper], color=COLOURS["quiet"], ls=":", lw=2, zorder=0, label="paper")
    if log_x and len(places) > 1:
        ax.set_xscale("log")
    _tick_each(ax, places)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend(fontsize="small", ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    return ax


def causes(
    names: ArrayLike,
    scores: ArrayLike,
    ax: Axes | None = None,
    *,
    xlabel: str = "LRAP",
    reference: float | None = None,
) -> Axes:
    """Score of runs that differ in one thing each, a row a change: each seed, and the mean.

    Parameters
    ----------
    names, scores : array (n_runs,)
        What was changed in each run, and what it scored. Rows stand in order of appearance.
    ax : Axes, optional
    xlabel : str
        Name of the score.
    reference : float, optional
        Score of the unchanged setting, drawn as a line.
    """
    ax = axes_or_new(ax, 9, 5)
    runs = pd.DataFrame({"name": np.asarray(names), "score": np.asarray(scores, dtype=float)})
    means = runs.groupby("name", sort=False)["score"].mean()
    places = dict(zip(means.index, range(len(means)), strict=True))
    ax.scatter(means, range(len(means)), color=COLOURS["line"], s=45, label="mean", zorder=2)
    dots = {"color": COLOURS["mark"], "s": 14, "zorder": 3, "linewidths": 0, "label": "each seed"}
    ax.scatter(runs["score"], runs["name"].map(places), **dots)
    if reference is not None:
        ax.axvline(reference, color=COLOURS["quiet"], ls=":", lw=2, zorder=0, label="unchanged")
    ax.set_yticks(list(places.values()), list(places))
    ax.invert_yaxis()
    ax.set(xlabel=xlabel)
    ax.legend(fontsize="small", ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    return ax


def differences(table: pd.DataFrame, ax: Axes | None = None, xlabel: str = "difference") -> Axes:
    """How much better a system is with a change than without it, a row a change.

    Parameters
    ----------
    table : pandas.DataFrame
        A row a change, drawn from the top: idea, difference, low, high.
    ax : Axes, optional
    xlabel : str
        Name of the difference.
    """
    ax = axes_or_new(ax, 8, 1 + 0.34 * len(table))
    values = table[["difference", "low", "high"]].astype(float)
    lengths = [values["difference"] - values["low"], values["high"] - values["difference"]]
    style = {"color": COLOURS["line"], "fmt": "o", "markersize": 5.5, "capsize": 2.5}
    places = range(len(table))
    lengths = np.nan_to_num(lengths).clip(min=0)
    ax.errorbar(values["difference"], places, xerr=lengths, **style)
    ax.axvline(0, color=COLOURS["mark"], lw=1.2, zorder=0)
    for row, value in enumerate(values["difference"]):
        place = {"xycoords": ("axes fraction", "data"), "va": "center", "fontsize": "small"}
        ax.annotate(f"{value:+.3f}", (1.01, row), **place)
    ax.set_yticks(places, table["idea"])
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.set(xlabel=xlabel)
    return ax


def _tick_each(ax: Axes, places: Mapping[Any, float]) -> None:
    """Put one tick at each value of a study, whatever the scale."""
    names = [value if isinstance(value, str) else f"{value:g}" for value in places]
    slant = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
    ax.minorticks_off()
    ax.set_xticks(list(places.values()), names, **(slant if max(map(len, names)) > 8 else {}))
    ax.margins(x=0.08)


def threshold_curve(
    curve: Mapping[str, ArrayLike], chosen: float | None = None, ax: Axes | None = None
) -> Axes:
    """Micro precision, recall and F1 against the threshold.

    Parameters
    ----------
    curve : mapping
        Of `metrics.threshold_curve`.
    chosen : float, optional
        The threshold in use, which is marked.
    ax : Axes, optional
    """
    ax = axes_or_new(ax, 6)
    for quantity, dashes in {"precision": "--", "recall": "-.", "f1": "-"}.items():
        label = "F1" if quantity == "f1" else quantity
        line = {"color": COLOURS[quantity], "label": label}
        ax.plot(curve["threshold"], curve[quantity], dashes, **line)
    if chosen is not None:
        ax.axvline(chosen, color=COLOURS["mark"], lw=1.2, label=f"chosen: {float(chosen):.2f}")
    ax.set(xlabel="threshold", ylabel="score", xlim=(0, 1), ylim=(0, 1.02))
    ax.legend(ncols=4, loc="lower left", bbox_to_anchor=(0, 1))
    return ax
