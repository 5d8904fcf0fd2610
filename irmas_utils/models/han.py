"""The convolutional network of Han et al. (2017) on log-mel spectrograms of one second.

The best network of its time on this data set and the honest reference for a network that learns
from IRMAS alone: published micro F1 .602, macro .503. Notebook: 07_other_networks.ipynb.

Published and ours
------------------
Published: 22.05 kHz mono, brought to a peak of 1; 128 mel bands and 43 frames a second; pairs of
3x3 convolutions with 32, 64, 128 and 256 filters, leaky ReLU of slope 0.33, max pooling and
dropout 0.25; global max pooling; 1024 units, dropout 0.5, eleven sigmoids; windows of a second,
their outputs averaged (S1, threshold 0.10 to 0.24) or summed and divided by the largest (S2, 0.25
to 0.60). Ours, where the paper leaves it open or a stream of any length asks for it: the peak is
that of the window and not of the clip, the logarithm's floor and scale, pooling by 3, zero
padding that keeps the size.

References
----------
.. [1] Han, Kim, Lee (2017): Deep convolutional neural networks for predominant instrument
   recognition in polyphonic music. IEEE/ACM TASLP 25(1). arXiv 1605.09507.
"""

from irmas_utils.models import layers
from irmas_utils.models.front_ends import Level, LogMel
from irmas_utils.project.backend import keras

SAMPLE_RATE = 22_050
WINDOW = 22_050
FILTERS = (32, 64, 128, 256)
SLOPE = 0.33


def build(width: float = 1.0, *, seed: int = 0) -> keras.Model:
    """Build the network: mono samples at 22.05 kHz, (batch, time), a second each, to scores.

    `width` is a factor on the number of filters and of dense units, 1 as published; `seed` is of
    dropout, and initial weights follow Keras's. Scores are (batch, 11).
    """
    waveform = keras.Input((None,), name="waveform")
    x = LogMel(SAMPLE_RATE, name="mel")(Level(1.0, "peak", name="level")(waveform))
    # The logarithms lie between -7 and 3 and mostly around -2.
    x = keras.layers.Rescaling(0.5, offset=1.0, name="rescale")(x)
    for number, n_filters in enumerate(FILTERS, start=1):
        last = number == len(FILTERS)
        x = _pair(x, round(n_filters * width), f"block_{number}", last, seed + number)
    x = keras.layers.Dense(round(1024 * width), name="dense")(x)
    x = keras.layers.LeakyReLU(SLOPE, name="dense_leaky_relu")(x)
    x = keras.layers.Dropout(0.5, seed=seed, name="dense_dropout")(x)
    return keras.Model(waveform, layers.scores(x), name="han")


def _pair(x, n_filters: int, name: str, last: bool, seed: int):
    """Two convolutions and a pooling; the last pair is pooled over all places."""
    for half in ("a", "b"):
        x = keras.layers.Conv2D(n_filters, 3, padding="same", name=f"{name}{half}")(x)
        x = keras.layers.LeakyReLU(SLOPE, name=f"{name}{half}_leaky_relu")(x)
    if last:
        return keras.layers.GlobalMaxPooling2D(name=f"{name}_pool")(x)
    x = keras.layers.MaxPooling2D(3, name=f"{name}_pool")(x)
    return keras.layers.Dropout(0.25, seed=seed, name=f"{name}_dropout")(x)
