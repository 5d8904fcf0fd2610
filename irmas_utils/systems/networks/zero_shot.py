"""EfficientAT's ``mn04`` untouched: AudioSet's classes that are our instruments."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from irmas_utils.data import fetch, published
from irmas_utils.models import efficientat
from irmas_utils.project.backend import keras
from irmas_utils.project.errors import ModelError
from irmas_utils.project.settings import Section
from irmas_utils.project.vocabulary import IRMAS
from irmas_utils.systems.recognizer import Recognizer

NAME = "EfficientAT mn04_as, untrained on IRMAS"
THRESHOLD = 0.014
"""Global threshold of the untrained network, chosen on mixtures of IRMAS's training excerpts."""


class Plan(Section):
    """There is nothing to choose."""

    def fit(self, clips: pd.DataFrame, weights: Path | None) -> Recognizer:
        """Return it as published, whatever the clips."""
        return untrained()


PLAN = Plan()


def untrained(*, others: bool = False) -> Recognizer:
    """Return the network as published; with `others`, also their outputs. Raises as `weights`."""
    path, sounds = weights(), published.load("audioset")["sounds"] if others else {}
    model = efficientat.pretrained(path, efficientat.N_AUDIOSET if others else len(IRMAS.codes))
    if others:
        classes = [*efficientat.AUDIOSET_INDEX.values(), *sounds]
        model = keras.Model(model.input, keras.ops.take(model.output, classes, axis=-1))
    return recognizer(model, tuple(sounds.values()))


def recognizer(model: Callable, others: tuple[str, ...] = ()) -> Recognizer:
    """Return how to use the network, whose outputs are our instruments and then `others`."""
    rate = efficientat.SAMPLE_RATE
    return Recognizer(
        model,
        sample_rate=rate,
        window=3 * rate,
        hop=3 * rate // 2,
        thresholds=(THRESHOLD,) * len(IRMAS.codes),
        provenance={"name": NAME, "data": "AudioSet", "licence": fetch.MN04.licence},
        others=others,
    )


def weights() -> Path:
    """Return where the published weights are. Raises ModelError if none can be had."""
    path, reason = fetch.available()
    if path is None:
        remedy = "Go online once, or put the file in the folder that IRMAS_WEIGHTS names."
        raise ModelError(fetch.MN04.name, reason, "the published weights", remedy)
    return path
