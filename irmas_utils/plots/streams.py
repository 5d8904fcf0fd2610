"""What streams and separated stems are worth. Notebook: 08_bosch_baselines.ipynb."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from irmas_utils.plots.style import COLOURS, QUANTITY_MAP, axes_or_new


def f1_by_stream(scores: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Heat map of F1; the best stream of each instrument is in bold.

    Parameters
    ----------
    scores : pandas.DataFrame
        A row a stream, a column an instrument.
    ax : Axes, optional
    """
    ax = axes_or_new(ax, 10, 1.4 + 0.36 * len(scores))
    values = scores.to_numpy(dtype=float)
    image = ax.imshow(values, vmin=0, vmax=1, cmap=QUANTITY_MAP, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        best = value > 0 and row == values[:, column].argmax()
        style = {"fontsize": "small", "weight": "bold" if best else "normal"}
        style |= {"ha": "center", "va": "center", "color": "white" if value > 0.55 else "black"}
        ax.text(column, row, f"{value:.2f}", **style)
    ax.set_xticks(
        range(scores.shape[1]), scores.columns, rotation=30, ha="right", rotation_mode="anchor"
    )
    ax.set_yticks(range(len(scores)), scores.index)
    ax.set(ylabel="stream")
    ax.grid(visible=False)
    ax.figure.colorbar(image, ax=ax, label="F1", pad=0.01)
    return ax


def separation_quality(quality: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """SI-SDR of each stem, separated, and of the mixture as its estimate: each clip, and means.

    Parameters
    ----------
    quality : pandas.DataFrame
        Of `systems.bosch.separation.quality`.
    ax : Axes, optional
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
    ax.legend(fontsize="small", ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
    return ax
