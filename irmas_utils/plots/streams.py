"""What streams and separated stems are worth. Notebook: 08_bosch_baselines.ipynb."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from irmas_utils.plots.style import COLOURS, axes_or_new, heat_map, legend_above


def f1_by_stream(scores: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Heat map of F1, a row a stream, a column an instrument; the best of a column is in bold."""
    ax = axes_or_new(ax, 10, 1.4 + 0.36 * len(scores))
    values = scores.to_numpy(dtype=float)
    heat_map(ax, values, np.vectorize("{:.2f}".format)(values), scores.index, scores.columns)
    best = (values > 0) & (np.arange(len(values))[:, None] == values.argmax(axis=0))
    for text, is_best in zip(ax.texts, best.ravel(), strict=True):
        text.set_weight("bold" if is_best else "normal")
    ax.set(ylabel="stream")
    ax.figure.colorbar(ax.images[0], ax=ax, label="F1", pad=0.01)
    return ax


def separation_quality(quality: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """SI-SDR of each stem, separated, and of the mixture as its estimate: each clip, and means.

    `quality` is of `systems.bosch.separation.quality`.
    """
    ax = axes_or_new(ax, 8, 3.4)
    stems = list(quality["stem"].unique())
    looks = {"mixture": ("the mixture", COLOURS["quiet"], -0.15),
             "si_sdr": ("the separated stem", COLOURS["line"], 0.15)}  # fmt: skip
    for column, (label, colour, shift) in looks.items():
        places = quality["stem"].map(stems.index).to_numpy() + shift
        ax.scatter(quality[column], places, s=12, alpha=0.5, color=colour, linewidths=0)
        means = quality.groupby("stem", sort=False)[column].mean()[stems]
        ax.scatter(means, np.arange(len(stems)) + shift, s=60, color=colour, label=label)
    ax.set_yticks(range(len(stems)), stems)
    ax.invert_yaxis()
    ax.set(xlabel="SI-SDR [dB]")
    legend_above(ax, fontsize="small")
    return ax
