"""The paper's dense network on the Fourier magnitudes of a clip (section 4.2).

Notebook: 04_fft_model.ipynb
"""

from collections.abc import Sequence

from irmas_utils.models.layers import LEAKY_SLOPE, WideDense, hidden, scores
from irmas_utils.project.backend import keras


def build(
    n_features: int = 442_000,
    dense: Sequence[int] = (64, 100_000, 32, 50_000),
    leaky_slope: float = LEAKY_SLOPE,
) -> keras.Model:
    """Build the network; the defaults are the paper's sizes, 40,188,107 parameters.

    Parameters
    ----------
    n_features : int
        Magnitudes a clip.
    dense : sequence of int
        Width of each hidden layer.
    leaky_slope : float
        Slope of leaky ReLU for negative inputs (`layers.LEAKY_SLOPE` argues for the default).

    Returns
    -------
    keras.Model
        Maps (batch, n_features) to scores (batch, 11). Initial weights follow Keras's seed.
        Train it with ``jit_compile=True``: at batch 4 a step is then about twice as fast.
    """
    spectrum = keras.Input((n_features,), name="spectrum")
    x = hidden(spectrum, dense, leaky_slope, layer=WideDense)
    return keras.Model(spectrum, scores(x), name="fft")
