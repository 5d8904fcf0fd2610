"""An LSTM layer that can be trained over hundreds of thousands of steps.

`keras.layers.LSTM` launches some forty kernels a step and keeps every intermediate until the
backward pass. `LastState` computes the same function with the same weights, by the kernel of
`models.lstm_kernel`. It does so on the processor also where there is a GPU: cuDNN refuses clips of
the paper's length, and at its batch of 2 is no faster (benchmarks/on_gpu.py).
"""

from functools import partial

import numpy as np

from irmas_utils.models import lstm_batch
from irmas_utils.models.layers import Configured
from irmas_utils.project.backend import keras, tf


def lstm(x, length, *weights, sequences: bool = False, reverse: bool = False):
    """Run an LSTM over the valid steps of each clip; all tensors are float32.

    Parameters
    ----------
    x : shape (batch, time, features)
    length : int, shape (batch,)
        Valid steps of each clip; none give a state of zeros.
    *weights
        Kernel, recurrent kernel and bias as `keras.layers.LSTM` has them.
    sequences, reverse : bool
        As for `LastState`.

    Returns
    -------
    sequence : shape (batch, time, units), or (batch, 0, units) without `sequences`
        h after each step, in the order of x; zero after a clip's end.
    state : shape (batch, units)
        h after the last step.
    """
    length = tf.clip_by_value(tf.cast(length, tf.int64), 0, tf.shape(x, tf.int64)[1])
    features, gates = weights[0].shape
    if features > gates:  # one matrix product over all steps is several times as quick
        valid = tf.sequence_mask(length, tf.shape(x)[1])[..., None]
        x = tf.tensordot(tf.where(valid, x, 0), weights[0], 1)
        weights = tf.eye(gates), *weights[1:]

    @tf.custom_gradient
    def differentiable(x, *weights):
        def gradients(*d_outputs):
            arguments = (*d_outputs, starts, x, length, *weights)
            backward = partial(lstm_batch.backward, reverse=reverse)
            return _call(backward, arguments, [t.shape for t in (x, *weights)])

        forward = partial(lstm_batch.forward, sequences=sequences, reverse=reverse)
        n, time, units = *x.shape[:2], weights[1].shape[0]
        shapes = (n, time if sequences else 0, units), (n, units), None
        *outputs, starts = _call(forward, (x, length, *weights), shapes)
        return tuple(outputs), gradients

    return differentiable(x, *weights)


def _call(function, arguments, shapes) -> list[tf.Tensor]:
    """Call a function of arrays from a graph, which does not know the results' shapes by itself."""
    arguments = [tf.stop_gradient(value) for value in arguments]
    results = tf.numpy_function(function, arguments, [tf.float32] * len(shapes))
    return [tf.ensure_shape(result, shape) for result, shape in zip(results, shapes, strict=True)]


class LastState(Configured):
    """`keras.layers.LSTM` for long sequences of different lengths; the weights interchange.

    Called on ``(sequence, length)``, shapes (batch, time, features) and (batch,). Gives the state
    after each clip's last step, (batch, units), or after every step, (batch, time, units), with
    zeros after a clip's end. Initial weights are drawn as Keras draws them. XLA cannot compile the
    layer (``jit_compile``).
    """

    units: int
    sequences: bool = False  # give the state after every step instead of the last
    reverse: bool = False  # begin with the last valid step; states still come in the input's order

    def build(self, input_shape) -> None:
        """Make the weights, in the order and shapes of `keras.layers.LSTM`."""
        self.supports_jit = False
        (_, _, features), _ = input_shape
        width = 4 * self.units
        self.kernel = self.add_weight(shape=(features, width), initializer="glorot_uniform")
        self.recurrent = self.add_weight(shape=(self.units, width), initializer="orthogonal")
        bias = keras.initializers.Constant(np.repeat([0.0, 1.0, 0.0, 0.0], self.units))
        self.bias = self.add_weight(shape=(width,), initializer=bias)

    def call(self, inputs):
        """Apply the layer to ``(sequence, length)``."""
        weights = [tf.convert_to_tensor(value) for value in self.weights]
        options = {"sequences": self.sequences, "reverse": self.reverse}
        sequence, state = lstm(*inputs, *weights, **options)
        return sequence if self.sequences else state
