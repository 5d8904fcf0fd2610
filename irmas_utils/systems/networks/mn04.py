"""EfficientAT's ``mn04`` (`models.efficientat`), fine-tuned on mixed clips."""

from pathlib import Path

from irmas_utils.models import efficientat
from irmas_utils.project.backend import keras
from irmas_utils.project.vocabulary import INSTRUMENTS
from irmas_utils.systems.networks import fine_tuning

MASKS = {"mask_bands": 24, "mask_frames": 60, "filter_db": 6.0}
"""At most 24 of 128 mel bands and 0.6 s are masked."""


class Plan(fine_tuning.Plan):
    """With or without masks and filters, and from the published weights or random ones."""

    masks: bool = True
    published: bool = True

    def build(self, seed: int, weights: Path | None) -> keras.Model:
        """Build it to be trained."""
        options = {"level": efficientat.LEVEL, "seed": seed} | (MASKS if self.masks else {})
        if self.published:
            return efficientat.pretrained(weights, len(INSTRUMENTS), **options)
        return efficientat.mn04(len(INSTRUMENTS), **options)


PLAN = Plan(sample_rate=efficientat.SAMPLE_RATE)
