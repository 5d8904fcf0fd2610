"""The network of Han et al. (`models.han`), from scratch on single excerpts, as its authors did."""

from pathlib import Path

from irmas_utils.models import han
from irmas_utils.project.backend import keras
from irmas_utils.systems.networks.fine_tuning import Plan
from irmas_utils.systems.networks.mixing import ALONE

PLAN = Plan(han.SAMPLE_RATE, window=1.0, hop=0.5, ema=None, recipe=ALONE, aggregation="s1")


def build(seed: int, weights: Path | None, *, width: float = 1.0) -> keras.Model:
    """Build it with random weights; `width` is a factor on its widths, 1 as published."""
    return han.build(width, seed=seed)
