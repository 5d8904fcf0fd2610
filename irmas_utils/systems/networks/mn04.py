"""EfficientAT's ``mn04`` (`models.efficientat`), fine-tuned on mixed clips."""

from pathlib import Path

from irmas_utils.models import efficientat
from irmas_utils.project.backend import keras
from irmas_utils.project.vocabulary import INSTRUMENTS
from irmas_utils.systems.networks.fine_tuning import Plan

PLAN = Plan(efficientat.SAMPLE_RATE)
MASKS = {"mask_bands": 24, "mask_frames": 60, "filter_db": 6.0}
"""At most 24 of 128 mel bands and 0.6 s are masked."""


def build(
    seed: int, weights: Path | None, *, masks: bool = True, published: bool = True
) -> keras.Model:
    """Build it with the published weights or random ones, with or without masks and filters."""
    options = {"level": efficientat.LEVEL, "seed": seed} | (MASKS if masks else {})
    if published:
        return efficientat.pretrained(weights, len(INSTRUMENTS), **options)
    return efficientat.mn04(len(INSTRUMENTS), **options)
