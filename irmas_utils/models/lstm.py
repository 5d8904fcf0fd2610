"""The paper's LSTM on raw audio (section 4.1), and what is needed to take it apart.

Notebooks: 03_lstm_model.ipynb, 05_lstm_hyperparameters.ipynb
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from irmas_utils.audio.batches import waveform_batches
from irmas_utils.audio.cache import FeatureCache
from irmas_utils.audio.features import waveform as samples
from irmas_utils.data.corpus import Splits
from irmas_utils.models import training
from irmas_utils.models.layers import Configured, hidden, logits_view, scores
from irmas_utils.models.losses import LOSSES
from irmas_utils.models.recurrence import LastState
from irmas_utils.project.backend import keras, tf
from irmas_utils.project.settings import Lstm

SAMPLE_RATE = 44_100
"""Of IRMAS [Hz]."""

MEL_CENTRE, MEL_SPREAD = -4.0, 4.0
"""Of the log-mel energies of music, roughly: at order 1 the LSTM's gates are not saturated."""


def build(
    units: int = 22,
    dense: Sequence[int] = (2048, 32, 1024),
    frame_size: int = 1,
    n_mels: int | None = None,
    input_scale: float = 1.0,
    sample_rate: int = SAMPLE_RATE,
    cell: str = "lstm",
) -> keras.Model:
    """Build the network; the defaults are the paper's sizes, 159,851 parameters.

    It maps a waveform (batch, time) and its valid length (batch,), in samples, to scores
    (batch, 11); `dense` are the widths of the hidden layers after the LSTM, or after another
    `cell`: ``gru``, ``stacked`` or ``bidirectional``; initial weights follow Keras's seed. At each
    step it reads `frame_size` samples, 1 in the paper, times `input_scale`, or `n_mels` log-mel
    energies of them, which need the `sample_rate` [Hz]; an incomplete frame is dropped. Raises
    ValueError for a `cell` of no such name.
    """
    waveform = keras.Input((None,), name="waveform")
    length = keras.Input((), dtype="int32", name="length")
    frames = Frames(frame_size, n_mels, input_scale, sample_rate, name="frames")((waveform, length))
    state = _state(cell, units, *frames)
    return keras.Model([waveform, length], scores(hidden(state, dense)), name="lstm")


class Network(training.Network):
    """The network as a profile sets it up, and what it reads; see `models.training.Network`.

    `seed` says where clips lie in the silence around them, if they are padded. What no setting
    reaches: a `cell` of `build`, and `counts` of the labels, (11,), at whose frequencies the output
    biases begin, so that nothing need be learnt to predict them.
    """

    name, code, trainer = "lstm", (__name__,), training.Trainer

    def __init__(
        self, settings: Lstm, seed: int, cell: str = "lstm", counts: np.ndarray | None = None
    ) -> None:
        self.settings, self.rate = settings, SAMPLE_RATE // settings.decimation
        self.cell, self.counts = cell, counts
        cache = partial(FeatureCache, "waveform", samples, sample_rate=self.rate)
        self.plain = self.padded = cache()
        if settings.padded_seconds:
            self.padded = cache(length=round(settings.padded_seconds * self.rate), seed=seed)
        self.seed = seed if settings.padded_seconds else None

    def describe(self) -> dict:
        """Return what the network and its input depend on, as JSON."""
        counts = None if self.counts is None else self.counts.tolist()
        change = {"padding_seed": self.seed, "cell": self.cell, "counts": counts}
        return self.settings.model_dump(exclude={"seeds"}) | change

    def build(self) -> keras.Model:
        """Build it untrained."""
        own = self.settings
        frames = own.frame_size, own.n_mels, own.input_scale, self.rate
        model = build(own.units, own.dense, *frames, self.cell)
        if self.counts is not None:
            logits = np.log(np.maximum(self.counts, 0.5))
            model.get_layer("logits").bias.assign(logits - logits.mean())
        return model

    def batches(self, clips: pd.DataFrame, order: np.ndarray | None = None) -> tf.data.Dataset:
        """Stream clips as waveforms; see `audio.batches.waveform_batches`."""
        pads = self.settings.pad_training or clips["split"].iloc[0] == "testing"
        load = self.padded if pads else self.plain
        # At the files' own rate, reading them is as quick as reading a copy.
        load = load if self.settings.decimation > 1 else load.compute
        return waveform_batches(clips, load, self.settings.batch_size, order)

    def look(self, trainer: training.Trainer, parts: Splits) -> dict[str, np.ndarray]:
        """Return the ``gradient`` of a batch of the fitting part."""
        return {"gradient": self.gradient(trainer.model, parts.fitting)}

    def gradient(self, model: keras.Model, clips: pd.DataFrame) -> np.ndarray:
        """Return `input_gradient_norms` of the first batch of some clips, (time,)."""
        (waveform, length), y = next(iter(self.batches(clips)))
        return input_gradient_norms(model, waveform, length, y, self.settings.loss)

    def heard(self, gradient: np.ndarray) -> float:
        """Return for how long [s] a gradient is above a thousandth of its greatest."""
        return float((gradient > 1e-3 * gradient.max()).sum() / self.rate)

    def steps(self, path: str) -> int:
        """Return how many steps the LSTM takes over one unpadded clip."""
        return len(self.plain.compute(path)) // self.settings.frame_size


class Frames(Configured):
    """Cut waveforms into frames, one for each step of the LSTM; parameters as for `build`.

    Called on ``(waveform, length)``, (batch, time) and (batch,); gives ``(sequence, length)``,
    (batch, frames, features) and (batch,), the length now in frames.
    """

    frame_size: int
    n_mels: int | None
    scale: float
    sample_rate: int

    def call(self, inputs):
        """Apply the layer to ``(waveform, length)``."""
        waveform, length = inputs
        n, n_frames = tf.shape(waveform)[0], tf.shape(waveform)[1] // self.frame_size
        whole = waveform[:, : n_frames * self.frame_size] * self.scale
        frames = tf.reshape(whole, (n, n_frames, self.frame_size))
        if self.n_mels:
            frames = self._log_mel(frames)
        return frames, tf.cast(length, tf.int32) // self.frame_size

    def _log_mel(self, frames):
        window = tf.signal.hann_window(self.frame_size)
        spectrum = tf.signal.rfft(frames * window)
        # Of the magnitude, TensorFlow takes the root with care, which is most of the time here.
        power = tf.math.real(spectrum) ** 2 + tf.math.imag(spectrum) ** 2
        mel = tf.signal.linear_to_mel_weight_matrix(
            self.n_mels, self.frame_size // 2 + 1, self.sample_rate, 20.0, self.sample_rate / 2
        )
        # The offset is far below the noise of 16-bit audio; it keeps silence finite.
        return (tf.math.log(tf.matmul(power, mel) + 1e-6) - MEL_CENTRE) / MEL_SPREAD


class Valid(Configured):
    """Which steps of a sequence, (batch, time, features), are of the clip: bool (batch, time)."""

    def call(self, inputs):
        """Apply the layer to ``(sequence, length)``."""
        sequence, length = inputs
        return tf.sequence_mask(length, tf.shape(sequence)[1])


def _state(cell: str, units: int, frames, length):
    """What a cell makes of the frames and their number: (batch, units), both ways twice as many."""
    if cell == "gru":
        valid = Valid(name="valid")((frames, length))
        return keras.layers.GRU(units, name="gru")(frames, mask=valid)
    if cell == "stacked":
        first = LastState(units, True, name="lstm_1")((frames, length))
        return LastState(units, name="lstm_2")((first, length))
    last = LastState(units, name="lstm")((frames, length))
    if cell == "lstm":
        return last
    if cell == "bidirectional":
        back = LastState(units, reverse=True, name="backward")((frames, length))
        return keras.layers.Concatenate(name="both")([last, back])
    raise ValueError(f"cell is {cell!r}; expected lstm, gru, stacked or bidirectional")


def input_gradient_norms(
    model: keras.Model, waveform: np.ndarray, length: np.ndarray, y: np.ndarray, loss: str
) -> np.ndarray:
    """How strongly the loss depends on each sample: the vanishing gradient, as a curve.

    Of a network of `build` and a batch of `audio.batches.waveform_batches`, (batch, time), (batch,)
    and (batch, 11), with the loss ``"paper"`` or ``"binary"``. Returns float64, (time,): the root
    mean square over the clips of d loss(clip) / d sample. Zero means below the smallest normal
    float32, about 1e-38.
    """
    view = logits_view(model)
    x = tf.constant(waveform, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = view((x, tf.constant(length, tf.int32)), training=False)
        value = tf.reduce_sum(LOSSES[loss](tf.constant(y, tf.float32), logits))
    gradient = tape.gradient(value, x).numpy().astype(np.float64)
    return np.sqrt(np.mean(gradient**2, axis=0))
