"""What the data set holds. Notebook: 01_data_analysis.ipynb."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from irmas_utils.plots.style import COLOURS, NAMES, QUANTITY_MAP, axes_or_new


def label_occurrence(counts: ArrayLike, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Bars of the number of clips with each label (paper, Figure 1).

    Parameters
    ----------
    counts : array (11,)
        Clips with each label, in IRMAS order.
    ax : Axes, optional
    title : str, optional
    """
    ax = axes_or_new(ax)
    bars = ax.barh(NAMES, np.asarray(counts), color=COLOURS["line"], height=0.72)
    ax.bar_label(bars, padding=3, fontsize="small")
    ax.invert_yaxis()
    ax.margins(x=0.1)
    ax.grid(axis="y", visible=False)
    ax.set(xlabel="clips", title=title or "")
    return ax


def durations(seconds: ArrayLike, ax: Axes | None = None) -> Axes:
    """Histogram of clip durations in seconds, (n_clips,)."""
    ax = axes_or_new(ax, 5)
    seconds = np.asarray(seconds, dtype=float)
    low, high = np.floor(seconds.min()), np.ceil(seconds.max())
    edges = np.arange(low, max(high, low + 1) + 1)
    ax.hist(seconds, bins=edges, color=COLOURS["line"], edgecolor="white")
    ax.grid(axis="x", visible=False)
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="duration [s]", ylabel="clips", title="Durations")
    return ax


def labels_per_clip(numbers: ArrayLike, ax: Axes | None = None) -> Axes:
    """Bars of how many clips have one label, two, and so on.

    Parameters
    ----------
    numbers : int array (n_clips,)
        Labels of each clip.
    ax : Axes, optional
    """
    ax = axes_or_new(ax, 5)
    number, clips = np.unique(np.asarray(numbers), return_counts=True)
    bars = ax.bar(number.astype(str), clips, color=COLOURS["line"], width=0.72)
    ax.bar_label(bars, padding=2, fontsize="small")
    ax.grid(axis="x", visible=False)
    ax.margins(y=0.12)
    ax.set(xlabel="labels of a clip", ylabel="clips", title="Labels per clip")
    return ax


def cooccurrence(
    matrix: ArrayLike,
    support: ArrayLike | None = None,
    ax: Axes | None = None,
    columns: str = "label",
) -> Axes:
    """Heat map of `metrics.cooccurrence`.

    A cell holds the number of clips; its colour, that number's share of the row's clips.

    Parameters
    ----------
    matrix : int array (11, 11)
        Clips with the true label of the row and the label of the column.
    support : int array (11,), optional
        Clips with each true label. The diagonal when left out, which is right where both axes
        hold true labels, and must be given where the columns are predictions.
    ax : Axes, optional
    columns : str
        What the columns are, for example "predicted label".
    """
    ax = axes_or_new(ax, 6.8, 5.8)
    matrix = np.asarray(matrix)
    rows = np.asarray(np.diag(matrix) if support is None else support)[:, None]
    share = np.divide(matrix, rows, out=np.zeros(matrix.shape), where=rows > 0)
    image = ax.imshow(share, cmap=QUANTITY_MAP, vmin=0, vmax=1, aspect="auto")
    for (i, j), count in np.ndenumerate(matrix):
        if count:
            colour = "white" if share[i, j] > 0.55 else "black"
            ax.text(j, i, count, ha="center", va="center", fontsize="x-small", color=colour)
    ax.set_xticks(range(len(NAMES)), NAMES, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(NAMES)), NAMES)
    ax.grid(visible=False)
    ax.set(xlabel=columns, ylabel="true label" if columns != "label" else "label")
    ax.figure.colorbar(image, ax=ax, label="share of the row's clips", pad=0.02)
    return ax
