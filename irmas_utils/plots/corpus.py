"""What the data set holds. Notebook: 01_data_analysis.ipynb."""

import textwrap
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from irmas_utils.plots import style


def label_occurrence(counts: ArrayLike, ax: Axes | None = None, title: str = "") -> Axes:
    """Bars of the number of clips with each label, (11,) in IRMAS order (paper, Figure 1)."""
    ax = style.axes_or_new(ax)
    colours = [*style.INSTRUMENT_COLOURS.values()]
    bars = ax.barh(style.NAMES, np.asarray(counts), color=colours, height=0.72)
    style.colour_names(ax.yaxis)
    ax.bar_label(bars, padding=3, fontsize="small")
    ax.invert_yaxis()
    ax.margins(x=0.1)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(axis="y", visible=False)
    ax.set(xlabel="clips", title=title)
    return ax


def label_occurrences(counts: Mapping[str, ArrayLike]) -> Figure:
    """Draw `label_occurrence` of several data sets side by side, by what each panel is called."""
    with plt.rc_context({"figure.hooks": []}):  # each panel says what its data is
        figure, axes = plt.subplots(1, len(counts), sharey=True, squeeze=False, figsize=(10, 3.8))
    for ax, (name, each) in zip(axes[0], counts.items(), strict=True):
        label_occurrence(each, ax, title=textwrap.fill(name, 44))
    axes[0, 0].set_ylim(len(style.NAMES) - 0.5, -0.5)  # sharing it has turned it over twice
    return figure


def durations(seconds: ArrayLike, ax: Axes | None = None) -> Axes:
    """Histogram of clip durations in seconds, (n_clips,)."""
    ax = style.axes_or_new(ax, 5)
    seconds = np.asarray(seconds, dtype=float)
    low, high = np.floor(seconds.min()), np.ceil(seconds.max())
    edges = np.arange(low, max(high, low + 1) + 1)
    ax.hist(seconds, bins=edges, color=style.COLOURS["line"], edgecolor="white")
    ax.grid(axis="x", visible=False)
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="duration [s]", ylabel="clips", title="Durations")
    return ax


def labels_per_clip(numbers: ArrayLike, ax: Axes | None = None) -> Axes:
    """Bars of how many clips have one label, two, and so on, from their numbers, (n_clips,)."""
    ax = style.axes_or_new(ax, 5)
    number, clips = np.unique(np.asarray(numbers), return_counts=True)
    bars = ax.bar(number.astype(str), clips, color=style.COLOURS["line"], width=0.72)
    ax.bar_label(bars, padding=2, fontsize="small")
    ax.grid(axis="x", visible=False)
    ax.margins(y=0.12)
    ax.set(xlabel="labels of a clip", ylabel="clips", title="Labels per clip")
    return ax


def cooccurrence(matrix: ArrayLike, ax: Axes | None = None) -> Axes:
    """Heat map of `metrics.cooccurrence` of labels, int (11, 11), in shares of the row's clips."""
    ax = style.axes_or_new(ax, 6.8, 5.8)
    matrix = np.asarray(matrix)
    clips = np.diag(matrix)[:, None]
    share = np.divide(matrix, clips, out=np.zeros(matrix.shape), where=clips > 0)
    style.heat_map(ax, share, np.where(matrix, matrix.astype(str), ""), style.NAMES, style.NAMES)
    ax.set(xlabel="label", ylabel="label")
    ax.figure.colorbar(ax.images[0], ax=ax, label="share of the row's clips", pad=0.02)
    return ax
