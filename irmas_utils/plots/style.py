"""One look for all figures: readable at the width of a notebook, and in print without colour."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn
from IPython import get_ipython
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from irmas_utils.data import corpus
from irmas_utils.project import pictures
from irmas_utils.project.settings import Settings
from irmas_utils.project.vocabulary import INSTRUMENT_NAMES, INSTRUMENTS, IRMAS

NAMES = tuple(INSTRUMENT_NAMES[code] for code in INSTRUMENTS)

# Seaborn's colour-blind-safe palette, by what a colour is used for.
COLOURS = {
    "training": "#0173b2", "validation": "#de8f05", "precision": "#0173b2", "recall": "#de8f05",
    "f1": "#029e73", "ours": "#0173b2", "trivial": "#de8f05", "published": "#555555",
    "line": "#0173b2", "mark": "#d55e00", "quiet": "#949494", "true": "#029e73",
}  # fmt: skip
# Of each instrument, the same in every figure; all are dark enough to write its name in.
INSTRUMENT_COLOURS = {
    "cel": "#8c510a", "cla": "#01665e", "flu": "#1f86ab", "gac": "#6f7f00",
    "gel": "#d73027", "org": "#762a83", "pia": "#222222", "sax": "#c05f00",
    "tru": "#d0186c", "vio": "#3b5bb5", "voi": "#168a48",
}  # fmt: skip
MARKERS = "osD^vPX"
QUANTITIES = {"precision": "--", "recall": "-.", "f1": "-"}
QUANTITY_MAP = "Blues"  # white to dark: also in print
SLANT = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}  # of names below an axis


def use_style(settings: Settings | None = None) -> None:
    """Set the style of every figure drawn after; on data other than IRMAS, each says so."""
    # What a matplotlibrc says, or MPLBACKEND where a notebook is started by hand, is set aside.
    plt.rcdefaults()
    shell, backend = get_ipython(), plt.get_backend().lower()
    if hasattr(shell, "kernel") and (backend == "agg" or backend.endswith("inline")):
        shell.run_line_magic("matplotlib", "inline")
        shell.display_formatter.formatters["image/png"].for_type(Figure, pictures.shown)
    source = settings.corpus.source if settings else "irmas"
    hooks = [f"{__name__}:mark_{source}"] if source != "irmas" else []
    rc = {
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": "medium",
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.axisbelow": True,
        "grid.color": "#e4e4e4",
        "legend.frameon": False,
        "figure.constrained_layout.use": True,
        "savefig.bbox": "tight",
        "pdf.fonttype": 42,  # text stays text
        "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib
        "figure.hooks": hooks,
    }
    seaborn.set_theme("notebook", "whitegrid", "colorblind", font_scale=0.85, rc=rc)


def _mark(figure: Figure, source: str) -> None:
    """Say under a figure what its data is."""
    style = {"fontsize": "small", "style": "italic", "color": COLOURS["quiet"]}
    # Below the figure's edge, where a tight bounding box takes it in and nothing else stands.
    figure.text(1, -0.01, corpus.NAMES[source], ha="right", va="top", **style)


# Matplotlib looks its hooks up by their names, and gives them the figure alone.
mark_sample, mark_rebuilt = partial(_mark, source="sample"), partial(_mark, source="rebuilt")


def axes_or_new(ax: Axes | None, width: float = 8, height: float = 3.6) -> Axes:
    """Return `ax`, or the axes of a new figure of that size in inches."""
    return plt.subplots(figsize=(width, height))[1] if ax is None else ax


def legend_above(ax: Axes, **style: Any) -> None:
    """Put the legend above the axes, in one row."""
    ax.legend(**{"ncols": 4, "loc": "lower left", "bbox_to_anchor": (0, 1)} | style)


def shared_legend(*axes: Axes) -> None:
    """Put one legend above the figure in place of those of axes that show the same things."""
    handles = axes[0].get_legend_handles_labels()
    axes[0].figure.legend(*handles, loc="outside upper left", ncols=3)
    for ax in axes:
        ax.get_legend().remove()


def colour_names(*axes: Axis) -> None:
    """Write the instruments' names, or their codes, along some axes in their colours."""
    colours = {INSTRUMENT_NAMES[code]: colour for code, colour in INSTRUMENT_COLOURS.items()}
    colours |= INSTRUMENT_COLOURS
    for text in (text for axis in axes for text in axis.get_ticklabels()):
        text.set_color(colours.get(text.get_text().partition(" (")[0], "black"))


def score_each_instrument(
    ax: Axes, levels: ArrayLike, label: str, clips: Mapping[str, int], colour: str
) -> None:
    """Name instruments below the axes, with how many `clips` each has; a line at its level."""
    places, look = np.arange(len(clips)), {"color": COLOURS[colour], "label": label}
    ax.hlines(levels, places - 0.42, places + 0.42, linewidth=1.6, **look)
    names = [f"{IRMAS.name(code)} ({n})" for code, n in clips.items()]
    ax.set_xticks(places, names, **SLANT)
    colour_names(ax.xaxis)
    ax.set_xlabel("instrument (clips that have it)")
    ax.grid(axis="x", visible=False)
    ax.margins(x=0.02)
    legend_above(ax)


def rows_of_scores(ax: Axes, names: Sequence[str], values: Sequence[float], form: str) -> None:
    """Name the rows of a forest plot from the top, each score written at its right end."""
    place = {"xycoords": ("axes fraction", "data"), "va": "center", "fontsize": "small"}
    for row, value in enumerate(values):
        ax.annotate(format(value, form), (1.01, row), **place)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)


def heat_map(
    ax: Axes, shares: NDArray, texts: NDArray, rows: Sequence[str], columns: Sequence[str]
) -> None:
    """Colour cells by shares from 0 to 1 and write a text in each; the caller names the axes."""
    ax.imshow(shares, cmap=QUANTITY_MAP, vmin=0, vmax=1, aspect="auto")
    for (row, column), text in np.ndenumerate(texts):
        colour = "white" if shares[row, column] > 0.55 else "black"
        style = {"ha": "center", "va": "center", "fontsize": "small", "color": colour}
        ax.text(column, row, text, **style)
    ax.set_xticks(range(len(columns)), columns, **SLANT)
    ax.set_yticks(range(len(rows)), rows)
    colour_names(ax.xaxis, ax.yaxis)
    ax.grid(visible=False)


def interval_lengths(scores: pd.DataFrame | Sequence[Mapping[str, float | None]]) -> NDArray:
    """Lengths below and above the values of scores, (2, n); none where there is no interval."""
    table = pd.DataFrame(scores, columns=["value", "low", "high"]).astype(float)
    lengths = [table["value"] - table["low"], table["high"] - table["value"]]
    return np.nan_to_num(lengths).clip(min=0)  # a bootstrap interval may miss its value
