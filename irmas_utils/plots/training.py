"""How training went. Notebooks: 03 to 07."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from irmas_utils import metrics
from irmas_utils.plots import style


def training_curves(history: pd.DataFrame, axes: NDArray | None = None) -> NDArray:
    """Accuracy and loss against epochs, training and validation (paper, Figure 2).

    With several seeds: each a thin line, their mean a thick one, its 95 % interval a band.
    `history` has the columns seed, epoch, accuracy, val_accuracy, loss and val_loss. Draws on
    two `axes` and returns them.
    """
    if axes is None:
        axes = plt.subplots(1, 2, figsize=(10, 3.6))[1]
    for ax, quantity in zip(axes, ("accuracy", "loss"), strict=True):
        for part, column in (("training", quantity), ("validation", f"val_{quantity}")):
            _draw_seeds(history, column, part, ax)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.set(xlabel="epoch", ylabel=quantity)
        ax.legend()
    return axes


def _draw_seeds(history: pd.DataFrame, column: str, part: str, ax: Axes) -> None:
    history = history.dropna(subset=[column])  # training without validation clips
    if history.empty:
        return
    several = history["seed"].nunique() > 1
    look = {"color": style.COLOURS[part], "linestyle": "-" if part == "training" else "--"}
    look["marker"] = "o" if history["epoch"].nunique() < 3 else None  # a point is no line
    thin = {"alpha": 0.35, "linewidth": 0.8} if several else {"label": part}
    for _, run in history.groupby("seed"):
        ax.plot(run["epoch"], run[column], **look, **thin)
    if several:
        most = 1 if column.endswith("accuracy") else np.inf
        by_epoch = history.groupby("epoch")[column]
        mean = by_epoch.apply(metrics.mean_interval, low=0, high=most).unstack()
        ax.plot(mean.index, mean["value"], label=part, **look)
        bounds = mean[["low", "high"]].astype(float)
        band = {"color": style.COLOURS[part], "alpha": 0.15, "linewidth": 0}
        ax.fill_between(mean.index, bounds["low"], bounds["high"], **band)


def training_curves_of(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Accuracy and loss against epochs, a row of `training_curves` for each network by name."""
    n = len(histories)
    figure, axes = plt.subplots(n, 2, squeeze=False, figsize=(10, 3.2 * n))
    for row, (name, history) in zip(axes, histories.items(), strict=True):
        training_curves(history, axes=row)
        row[0].set_title(name)
    return figure
