"""The paper's dense network on the Fourier magnitudes of a clip (section 4.2).

Notebook: 04_fft_model.ipynb
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from irmas_utils.audio.batches import Loader, fixed_batches
from irmas_utils.audio.cache import FeatureCache
from irmas_utils.audio.features import fft_magnitude
from irmas_utils.models import training
from irmas_utils.models.dense import DenseTrainer
from irmas_utils.models.layers import hidden, scores
from irmas_utils.project.backend import has_gpu, keras, tf
from irmas_utils.project.settings import Fft


def build(
    n_features: int = 442_000, dense: Sequence[int] = (64, 100_000, 32, 50_000)
) -> keras.Model:
    """Build the network, (batch, n_features) to scores (batch, 11); `dense` are hidden widths.

    The defaults are the paper's sizes, 40,188,107 parameters; initial weights follow Keras's seed.
    """
    spectrum = keras.Input((n_features,), name="spectrum")
    return keras.Model(spectrum, scores(hidden(spectrum, dense)), name="fft")


class Network(training.Network):
    """The network as a profile sets it up, and what it reads; see `models.training.Network`.

    In place of the magnitudes of the mono mix-down it may `load` another (n_features,) of a path;
    then `reads` says, as JSON, what `load` depends on, and `code` of which modules it is made.
    """

    def __init__(
        self,
        settings: Fft,
        name: str = "fft",
        load: Loader | None = None,
        reads: Mapping[str, Any] | None = None,
        code: tuple[str, ...] = (),
    ) -> None:
        self.settings, self.name, self.reads = settings, name, dict(reads or {})
        self.n_features, self.code = settings.samples // 2, (__name__, *code)
        self.load = load or FeatureCache("fft", fft_magnitude, length=settings.samples)

    def trainer(self, model: keras.Model, loss: str, learning_rate: float) -> training.Trainer:
        """Return the trainer that is the faster for its batches and layers."""
        suits = DenseTrainer.suits(model, self.settings.batch_size) and not has_gpu()
        return (DenseTrainer if suits else training.Trainer)(model, loss, learning_rate)

    def describe(self) -> dict[str, Any]:
        """Return what the network and its input depend on, as JSON."""
        return self.settings.model_dump(exclude={"seeds"}) | {"reads": self.reads}

    def build(self) -> keras.Model:
        """Build it untrained."""
        return build(self.n_features, self.settings.dense)

    def batches(self, clips: pd.DataFrame, order: np.ndarray | None = None) -> tf.data.Dataset:
        """Stream clips as magnitudes; see `audio.batches.fixed_batches`."""
        return fixed_batches(clips, self.load, self.n_features, self.settings.batch_size, order)
