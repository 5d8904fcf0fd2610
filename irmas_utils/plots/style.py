"""One look for all figures: readable at the width of a notebook, and in print without colour."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from irmas_utils.project.settings import Settings
from irmas_utils.project.vocabulary import INSTRUMENT_NAMES, INSTRUMENTS

NAMES = tuple(INSTRUMENT_NAMES[code] for code in INSTRUMENTS)

# Seaborn's colour-blind-safe palette, by what a colour is used for.
COLOURS = {
    "training": "#0173b2",
    "validation": "#de8f05",
    "precision": "#0173b2",
    "recall": "#de8f05",
    "f1": "#029e73",
    "ours": "#0173b2",
    "trivial": "#de8f05",
    "published": "#555555",
    "line": "#0173b2",
    "mark": "#d55e00",
    "quiet": "#949494",
}
QUANTITY_MAP = "Blues"  # white to dark: also in print
LEVEL_MAP = "magma"  # spectrograms


def use_style(settings: Settings | None = None) -> None:
    """Set the style of every figure drawn after, and how it marks data that is not IRMAS.

    Parameters
    ----------
    settings : Settings, optional
        Of the profile whose data is drawn: where that is the sample corpus, every figure says so.
    """
    is_sample = settings is not None and settings.corpus.source != "irmas"
    seaborn.set_theme(
        context="notebook",
        style="whitegrid",
        palette="colorblind",
        font_scale=0.85,
        rc={
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": "medium",
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.axisbelow": True,
            "grid.color": "#e4e4e4",
            "legend.frameon": False,
            "savefig.bbox": "tight",
            "pdf.fonttype": 42,  # text stays text
            "figure.hooks": [f"{__name__}:mark_sample"] if is_sample else [],
        },
    )


def mark_sample(figure: Figure) -> None:
    """Say under a figure that its data is the sample corpus."""
    style = {"fontsize": "small", "style": "italic", "color": COLOURS["quiet"]}
    # Below the figure's edge, where a tight bounding box takes it in and nothing else stands.
    figure.text(1, -0.01, "sample corpus, not IRMAS", ha="right", va="top", **style)


def axes_or_new(ax: Axes | None, width: float = 8, height: float = 3.6) -> Axes:
    """Return `ax`, or the axes of a new figure of that size in inches."""
    return plt.subplots(figsize=(width, height), layout="constrained")[1] if ax is None else ax


def pooled(values: ArrayLike, edges: Sequence[int]) -> np.ndarray:
    """Largest value from each edge to the next (the last: to the end), for quick drawing."""
    return np.maximum.reduceat(np.asarray(values), np.asarray(edges))


def interval_lengths(leaves: Sequence[dict[str, float | None]]) -> np.ndarray:
    """Lengths below and above the values of scores, (2, n); none where there is no interval."""
    below = [0 if leaf["low"] is None else leaf["value"] - leaf["low"] for leaf in leaves]
    above = [0 if leaf["high"] is None else leaf["high"] - leaf["value"] for leaf in leaves]
    return np.maximum([below, above], 0)  # a bootstrap interval may miss its value
