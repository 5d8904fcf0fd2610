"""Scores of systems. Notebooks: 03 to 10."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from irmas_utils import metrics
from irmas_utils.plots import style

KIND_MARKERS = {"ours": "o", "trivial": "s", "published": "D"}
# What is decided has a strong colour, what is open is grey; all differ in lightness, for print.
VERDICT_COLOURS = {
    "confirmed": "#0173b2", "differs within rounding": "#56b4e9", "compatible": "#8cc5e8",
    "implied": "#b5d8ee", "inconclusive": "#858585", "cannot tell": "#a6a6a6",
    "refuted": "#d55e00",
}  # fmt: skip
DECIDED = ("confirmed", "refuted")


def per_label_scores(result: Mapping[str, Any], ax: Axes | None = None) -> Axes:
    """Precision, recall and F1 of each instrument, and its base rate: precision of a constant."""
    ax = style.axes_or_new(ax, 10, 3.8)
    labels = pd.DataFrame(result["per_label"]).T
    places, width = np.arange(len(labels)), 0.26
    for i, quantity in enumerate(style.QUANTITIES):
        scores = pd.DataFrame([*labels[quantity]])
        look = {"color": style.COLOURS[quantity], "label": quantity.replace("f1", "F1")}
        look |= {"error_kw": {"elinewidth": 0.9, "ecolor": "#333333"}}
        at, lengths = places + (i - 1) * width, style.interval_lengths(scores)
        ax.bar(at, scores["value"], width, yerr=lengths, **look)
    style.score_each_instrument(ax, labels["base_rate"], "base rate", labels["support"], "mark")
    ax.set(ylim=(0, 1), ylabel="score")
    return ax


def per_label_f1(results: Mapping[str, Mapping[str, Any]], ax: Axes | None = None) -> Axes:
    """F1 of each instrument by several systems, and what naming it in every clip would score."""
    ax = style.axes_or_new(ax, 10, 3.8)
    labels = pd.DataFrame(next(iter(results.values()))["per_label"]).T
    places, n = np.arange(len(labels)), len(results)
    shifts = (np.arange(n) - (n - 1) / 2) * 0.8 / max(n, 2)
    systems = zip(results.items(), shifts, itertools.cycle(style.MARKERS))
    for (name, result), shift, marker in systems:
        scores = pd.DataFrame([result["per_label"][code]["f1"] for code in labels.index])
        look = {"fmt": marker, "markersize": 4.5, "elinewidth": 0.8, "label": name}
        ax.errorbar(places + shift, scores["value"], yerr=style.interval_lengths(scores), **look)
    always = 2 * labels["base_rate"] / (1 + labels["base_rate"])  # recall 1, that precision
    style.score_each_instrument(ax, always, "always named", labels["support"], "published")
    ax.set(ylim=(-0.03, 1.03), ylabel="F1")
    return ax


def comparison(systems: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Micro F1 of systems one below the other, with intervals (a forest plot).

    `systems` has a row a system, drawn from the top: name, kind ("ours", "trivial" or
    "published"), value, low, high (missing where there is no interval).
    """
    ax = style.axes_or_new(ax, 8, 0.9 + 0.3 * len(systems))
    for kind, part in systems.reset_index(drop=True).groupby("kind", observed=True):
        look = {"color": style.COLOURS[kind], "fmt": KIND_MARKERS[kind], "label": kind}
        look |= {"markerfacecolor": "white"} if kind == "published" else {}
        look |= {"markersize": 5.5, "capsize": 2.5, "xerr": style.interval_lengths(part)}
        ax.errorbar(part["value"], part.index, **look)
    style.rows_of_scores(ax, systems["name"], systems["value"], ".3f")
    ax.set(xlabel="micro F1", xlim=(0, 1.03 * ax.get_xlim()[1]))
    style.legend_above(ax)
    return ax


def comparisons(panels: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw a panel for each data set, all on one scale of micro F1; see `comparison`."""
    rows = [len(systems) + 2 for systems in panels.values()]
    with plt.rc_context({"figure.hooks": []}):  # each panel says what its data is
        figure, axes = plt.subplots(len(rows), figsize=(8, 0.25 * sum(rows)), height_ratios=rows)
    for ax, (data, systems) in zip(np.atleast_1d(axes), panels.items(), strict=True):
        comparison(systems, ax).set_xlabel(f"micro F1, {data}")
    plt.setp(figure.axes, xlim=(0, max(ax.get_xlim()[1] for ax in figure.axes)))
    return figure


def differences(table: pd.DataFrame, ax: Axes | None = None, xlabel: str = "difference") -> Axes:
    """What each change of a table brings: idea, difference (called `xlabel`), low and high."""
    ax = style.axes_or_new(ax, 8, 1 + 0.34 * len(table))
    lengths = style.interval_lengths(table.rename(columns={"difference": "value"}))
    look = {"color": style.COLOURS["line"], "fmt": "o", "markersize": 5.5, "capsize": 2.5}
    ax.errorbar(table["difference"], range(len(table)), xerr=lengths, **look)
    ax.axvline(0, color=style.COLOURS["mark"], lw=1.2, zorder=0)
    style.rows_of_scores(ax, table["idea"], table["difference"], "+.3f")
    ax.set(xlabel=xlabel)
    return ax


def study(
    values: ArrayLike,
    scores: ArrayLike,
    ax: Axes | None = None,
    *,
    xlabel: str = "",
    ylabel: str = "micro F1",
    paper: Any = None,
    constant: ArrayLike = False,
) -> Axes:
    """Score against the value of a hyper-parameter: each seed, the mean and its 95 % interval.

    `values` and `scores`, (n_runs,), are the hyper-parameter in each run, numbers (on a log scale
    where all are above 0) or words (in order of appearance), and what the run scored. The `paper`'s
    value is marked, and where all runs of a value are `constant`, bool (n_runs,).
    """
    ax = style.axes_or_new(ax, 5.5)
    runs = pd.DataFrame({"value": values, "score": scores, "constant": constant})
    words = any(isinstance(value, str) for value in runs["value"])
    by_value = runs.groupby("value", sort=not words)
    alike = by_value["constant"].all()
    places = {value: n if words else value for n, value in enumerate(alike.index)}
    most = 1 if ylabel in ("micro F1", "macro F1", "LRAP") else np.inf
    means = by_value["score"].apply(metrics.mean_interval, low=0, high=most).unstack()
    means = means.loc[[*places]]
    look = {"color": style.COLOURS["line"], "capsize": 3, "label": "mean, 95 % interval"}
    look |= {"fmt": "o" if words else "o-", "yerr": style.interval_lengths(means)}
    ax.errorbar([*places.values()], means["value"], **look)
    _each_seed(ax, runs["value"].map(places), runs["score"])
    if paper in places:
        _reference(ax, places[paper], "paper")
    _mark_constants(ax, [places[value] for value in places if alike[value]], alike.all())
    if len(places) > 1 and not words and min(places) > 0:
        ax.set_xscale("log")
    names = [value if isinstance(value, str) else f"{value:g}" for value in places]
    ax.minorticks_off()
    ax.set_xticks([*places.values()], names, **(style.SLANT if max(map(len, names)) > 8 else {}))
    ax.margins(x=0.08)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    style.legend_above(ax, fontsize="small")
    return ax


def _mark_constants(ax: Axes, places: Sequence[float], every: bool) -> None:
    """Write at the values of which every run names the same labels for all clips that it does."""
    if every or places:  # room below what is drawn
        low, high = ax.get_ylim()
        ax.set_ylim(low - (high - low) * (0.1 if every else 0.2), high)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    look = {"ha": "center", "fontsize": "small", "bbox": box, "zorder": 5}
    if every:
        ax.annotate("the same labels for all", (0.5, 0.02), xycoords="axes fraction", **look)
        return
    for place in places:
        ax.annotate("the same\nlabels", (place, 0.02), xycoords=("data", "axes fraction"), **look)


def causes(names: ArrayLike, gains: ArrayLike, ax: Axes | None = None) -> Axes:
    """Gain of runs that differ in one thing each, a row a change: each seed, and the mean.

    `names` and `gains`, (n_runs,), say what was changed, in order of appearance, and by how much
    the LRAP is above that of the same answers dealt to other songs: of a constant it is 0.
    """
    ax = style.axes_or_new(ax, 9, 5)
    runs = pd.DataFrame({"name": np.asarray(names), "gain": np.asarray(gains, dtype=float)})
    means = runs.groupby("name", sort=False)["gain"].mean()
    rows = range(len(means))
    ax.scatter(means, rows, color=style.COLOURS["line"], s=45, label="mean", zorder=2)
    _each_seed(ax, runs["gain"], runs["name"].map(dict(zip(means.index, rows, strict=True))))
    _reference(ax, 0, "constant")
    ax.set_yticks(rows, means.index)
    ax.invert_yaxis()
    ax.set(xlabel="LRAP over the same answers dealt to other songs")
    style.legend_above(ax, fontsize="small")
    return ax


def _each_seed(ax: Axes, x: ArrayLike, y: ArrayLike) -> None:
    ax.scatter(x, y, color=style.COLOURS["mark"], s=14, zorder=3, linewidths=0, label="each seed")


def _reference(ax: Axes, x: float, label: str) -> None:
    ax.axvline(x, color=style.COLOURS["quiet"], ls=":", lw=2, zorder=0, label=label)


def verdicts(ledger: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """How many claims of `paper.claims.check` have which verdict, a bar for each part of it."""
    ax = style.axes_or_new(ax, 9, 3.8)
    section = ledger["section"].astype(str)
    part = section.where(section.eq("Abstract"), section.str.split(".").str[:2].str.join("."))
    counts = pd.crosstab(part, ledger["verdict"]).loc[part.unique()]  # in the paper's order
    left = np.zeros(len(counts))
    for name in (name for name in VERDICT_COLOURS if name in counts):
        look = {"color": VERDICT_COLOURS[name], "height": 0.72}
        label = f"{name} ({counts[name].sum()})"
        bars = ax.barh(counts.index, counts[name], left=left, label=label, **look)
        look = {"fontsize": "small", "color": "white" if name in DECIDED else "black"}
        ax.bar_label(bars, [n or "" for n in counts[name]], label_type="center", **look)
        left += counts[name].to_numpy()
    ax.set_ylim(len(counts) - 0.5, -0.5)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(axis="y", visible=False)
    ax.set(xlabel="claims", ylabel="section of the paper")
    style.legend_above(ax, ncols=3)
    return ax


def f1_by_stream(scores: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Heat map of F1, a row a stream, a column an instrument; the best of a column is in bold."""
    ax = style.axes_or_new(ax, 10, 1.4 + 0.36 * len(scores))
    values = scores.to_numpy(dtype=float)
    style.heat_map(ax, values, np.vectorize("{:.2f}".format)(values), scores.index, scores.columns)
    best = (values > 0) & (np.arange(len(values))[:, None] == values.argmax(axis=0))
    for text, is_best in zip(ax.texts, best.ravel(), strict=True):
        text.set_weight("bold" if is_best else "normal")
    ax.set(ylabel="stream")
    ax.figure.colorbar(ax.images[0], ax=ax, label="F1", pad=0.01)
    return ax


def separation_quality(quality: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """SI-SDR of each separated stem and of the mixture as its estimate, of `separation.quality`."""
    ax = style.axes_or_new(ax, 8, 3.4)
    stems = list(quality["stem"].unique())
    looks = {"mixture": ("the mixture", style.COLOURS["quiet"], -0.15),
             "si_sdr": ("the separated stem", style.COLOURS["line"], 0.15)}  # fmt: skip
    for column, (label, colour, shift) in looks.items():
        places = quality["stem"].map(stems.index).to_numpy() + shift
        ax.scatter(quality[column], places, s=12, alpha=0.5, color=colour, linewidths=0)
        means = quality.groupby("stem", sort=False)[column].mean()[stems]
        ax.scatter(means, np.arange(len(stems)) + shift, s=60, color=colour, label=label)
    ax.set_yticks(range(len(stems)), stems)
    ax.invert_yaxis()
    ax.set(xlabel="SI-SDR [dB]")
    style.legend_above(ax, fontsize="small")
    return ax
