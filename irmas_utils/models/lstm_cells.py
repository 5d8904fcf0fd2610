"""The LSTM of `models.lstm` with one change to what no setting of it reaches.

Another recurrent layer, or output biases that begin at the labels' frequencies, so that nothing
need be learnt to predict them. Notebooks: 03_lstm_model.ipynb, 05_lstm_hyperparameters.ipynb
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from irmas_utils.models import lstm
from irmas_utils.models.layers import Configured, hidden, scores
from irmas_utils.models.recurrence import LastState
from irmas_utils.project.backend import keras, tf
from irmas_utils.project.errors import chosen
from irmas_utils.project.settings import Lstm


def network(
    settings: Lstm, seed: int, cell: str = "lstm", counts: np.ndarray | None = None
) -> lstm.Network:
    """Return the network that a profile describes, or one with a change.

    `cell` is "lstm" or one of `CELLS`; `counts` of the labels, (11,), set the output biases. Raises
    SettingsError for another cell.
    """
    if cell == "lstm" and counts is None:
        return lstm.Network(settings, seed)
    return Network(settings, seed, cell, counts)


class Network(lstm.Network):
    """As `models.lstm.Network`; parameters as for `network`."""

    code = (*lstm.Network.code, __name__)

    def __init__(
        self, settings: Lstm, seed: int, cell: str = "lstm", counts: np.ndarray | None = None
    ) -> None:
        super().__init__(settings, seed)
        self.cell, self.counts, self.state = cell, counts, chosen(CELLS, cell, "cell")

    def describe(self) -> dict[str, Any]:
        """Return what the network and its input depend on, as JSON."""
        counts = None if self.counts is None else np.asarray(self.counts).tolist()
        return super().describe() | {"cell": self.cell, "counts": counts}

    def build(self) -> keras.Model:
        """Build it untrained."""
        own = self.settings
        waveform = keras.Input((None,), name="waveform")
        length = keras.Input((), dtype="int32", name="length")
        frames = lstm.Frames(own.frame_size, own.n_mels, own.input_scale, self.rate, name="frames")
        state = self.state(own.units, *frames((waveform, length)))
        model = keras.Model([waveform, length], scores(hidden(state, own.dense)), name="lstm")
        if self.counts is not None:
            logits = np.log(np.maximum(self.counts, 0.5))
            model.get_layer("logits").bias.assign(logits - logits.mean())
        return model


@keras.saving.register_keras_serializable("irmas_utils")
class Valid(Configured):
    """Which steps of a sequence, (batch, time, features), are of the clip: bool (batch, time)."""

    def call(self, inputs):
        """Apply the layer to ``(sequence, length)``."""
        sequence, length = inputs
        return tf.sequence_mask(length, tf.shape(sequence)[1])

    def compute_output_shape(self, input_shape) -> tuple:
        """(batch, time)."""
        return input_shape[0][:2]


def _gru(units: int, frames, length):
    return keras.layers.GRU(units, name="gru")(frames, mask=Valid(name="valid")((frames, length)))


def _stacked(units: int, frames, length):
    first = LastState(units, True, name="lstm_1")((frames, length))
    return LastState(units, name="lstm_2")((first, length))


def _bidirectional(units: int, frames, length):
    both = LastState(units, name="lstm"), LastState(units, False, True, name="backward")
    return keras.layers.Concatenate(name="both")([layer((frames, length)) for layer in both])


CELLS: dict[str, Callable] = {
    "lstm": lambda units, *frames: LastState(units, name="lstm")(frames),
    "gru": _gru,
    "stacked": _stacked,
    "bidirectional": _bidirectional,
}
"""What reads the frames: functions of units, frames and their number, to (batch, n)."""
