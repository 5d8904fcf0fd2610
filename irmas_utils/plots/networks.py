"""Several networks side by side. Notebook: 07_other_networks.ipynb."""

import itertools
from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from irmas_utils.plots.style import (
    COLOURS,
    axes_or_new,
    interval_lengths,
    score_each_instrument,
)
from irmas_utils.plots.training import training_curves
from irmas_utils.project.vocabulary import INSTRUMENTS

MARKERS = "osD^vPX"


def per_label_f1(results: Mapping[str, Mapping[str, Any]], ax: Axes | None = None) -> Axes:
    """F1 of each instrument by several systems, and what naming it in every clip would score.

    Parameters
    ----------
    results : mapping
        Name of a system to what `metrics.evaluate` returned.
    ax : Axes, optional
    """
    ax = axes_or_new(ax, 10, 3.8)
    positions = np.arange(len(INSTRUMENTS))
    shifts = (np.arange(len(results)) - (len(results) - 1) / 2) * 0.8 / max(len(results), 2)
    markers = itertools.cycle(MARKERS)
    for (name, result), shift in zip(results.items(), shifts, strict=True):
        leaves = [result["per_label"][code]["f1"] for code in INSTRUMENTS]
        style = {"fmt": next(markers), "markersize": 4.5, "elinewidth": 0.8, "label": name}
        values = [leaf["value"] for leaf in leaves]
        ax.errorbar(positions + shift, values, yerr=interval_lengths(leaves), **style)
    for result in [*results.values()][:1]:
        rates = np.array([result["per_label"][code]["base_rate"] for code in INSTRUMENTS])
        always = 2 * rates / (1 + rates)  # F1 at recall 1 and that precision
        score_each_instrument(ax, always, "always named", color=COLOURS["published"])
    ax.set(ylim=(0, 1.02), ylabel="F1")
    return ax


def training_curves_of(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Accuracy and loss against epochs, a row of `training_curves` for each network.

    Parameters
    ----------
    histories : mapping
        Name of a network to its history.
    """
    size = {"figsize": (10, 3.2 * max(len(histories), 1)), "layout": "constrained"}
    figure, axes = plt.subplots(max(len(histories), 1), 2, squeeze=False, **size)
    for row, (name, history) in zip(axes, histories.items(), strict=False):
        training_curves(history, axes=row)
        row[0].set_title(name)
    return figure
