"""The network of Han et al. (`models.han`), from scratch on single excerpts, as its authors did."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from irmas_utils.models import han
from irmas_utils.project.backend import keras
from irmas_utils.systems.networks import fine_tuning
from irmas_utils.systems.networks.mixing import ALONE


class Plan(fine_tuning.Plan):
    """With a factor on the network's widths, 1 as published."""

    width: Annotated[float, Field(ge=1 / 32, le=8)] = 1.0

    def build(self, seed: int, weights: Path | None) -> keras.Model:
        """Build it with random weights."""
        return han.build(self.width, seed=seed)


_windows = {"window": 1.0, "hop": 0.5, "aggregation": "s1"}
PLAN = Plan(sample_rate=han.SAMPLE_RATE, ema=None, **_windows, **ALONE.model_dump())
