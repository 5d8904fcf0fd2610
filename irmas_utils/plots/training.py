"""How training went. Notebooks: 03 to 06."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from irmas_utils import metrics
from irmas_utils.plots.style import COLOURS, axes_or_new, pooled

POINTS = 1500


def training_curves(history: pd.DataFrame, axes: NDArray | None = None) -> NDArray:
    """Accuracy and loss against epochs, training and validation (paper, Figure 2).

    With several seeds: each a thin line, their mean a thick one, its 95 % interval a band.
    `history` has the columns seed, epoch, accuracy, val_accuracy, loss and val_loss. Draws on
    two `axes` and returns them.
    """
    if axes is None:
        axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")[1]
    for ax, quantity in zip(axes, ("accuracy", "loss"), strict=True):
        for part, column in (("training", quantity), ("validation", f"val_{quantity}")):
            _draw_seeds(history, column, part, ax)
        _fit_to_lines(ax)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.set(xlabel="epoch", ylabel=quantity)
        ax.legend()
    return axes


def _draw_seeds(history: pd.DataFrame, column: str, part: str, ax: Axes) -> None:
    history = history.dropna(subset=[column])  # training without validation clips
    if history.empty:
        return
    several = history["seed"].nunique() > 1
    style = {"color": COLOURS[part], "linestyle": "-" if part == "training" else "--"}
    style["marker"] = "o" if history["epoch"].nunique() < 3 else None  # a point is no line
    thin = {"alpha": 0.35, "linewidth": 0.8} if several else {"label": part}
    for _, run in history.groupby("seed"):
        ax.plot(run["epoch"], run[column], **style, **thin)
    if several:
        mean = history.groupby("epoch")[column].apply(metrics.mean_interval).unstack()
        ax.plot(mean.index, mean["value"], label=part, **style)
        bounds = mean[["low", "high"]].astype(float)
        band = {"color": COLOURS[part], "alpha": 0.15, "linewidth": 0}
        ax.fill_between(mean.index, bounds["low"], bounds["high"], **band)


def _fit_to_lines(ax: Axes) -> None:
    """Choose the y limits by the curves; the interval of three seeds can dwarf them."""
    y = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in ax.lines])
    if np.isfinite(y).any():
        low, high = np.nanmin(y), np.nanmax(y)
        margin = 0.05 * (high - low) or 0.05
        ax.set_ylim(low - margin, high + margin)


def gradient_norm(norms: ArrayLike, rate: float, ax: Axes | None = None) -> Axes:
    """Gradient of the loss with respect to each sample against its time, log scale.

    `norms`, (time,), are of `models.lstm.input_gradient_norms`, `rate` is in samples a second.
    """
    ax = axes_or_new(ax, 9, 3.4)
    norms = np.asarray(norms, dtype=float)
    edges = np.arange(0, len(norms), max(1, len(norms) // POINTS))
    level = pooled(norms, edges)
    # Zero is "too small for float32"; it has no place on a log scale.
    ax.plot(edges / rate, np.where(level > 0, level, np.nan), linewidth=1)
    ax.set_yscale("log")
    ax.set(xlabel="time of the sample [s]", ylabel="gradient of the loss")
    return ax
