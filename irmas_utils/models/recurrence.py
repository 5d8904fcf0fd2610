"""An LSTM layer that can be trained over hundreds of thousands of steps.

`keras.layers.LSTM` launches some forty kernels a step and keeps every intermediate until the
backward pass. `LastState` computes the same function with the same weights. On a CPU each clip
is one call of `models.lstm_kernel`, with the clips of a batch spread over threads; on a GPU it is
Keras's own layer, which uses cuDNN there.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from irmas_utils.models import lstm_kernel as kernel
from irmas_utils.models.layers import Configured
from irmas_utils.project.backend import has_gpu, keras, tf
from irmas_utils.project.parallel import threads


def _for_each(function, n_clips: int) -> None:
    """Call ``function(clip)`` for all clips, on threads that end with it: a process may fork."""
    with ThreadPoolExecutor(threads()) as pool:
        list(pool.map(function, range(n_clips)))


def _forward(x, length, h, c, *weights, sequences: bool, reverse: bool):
    """NumPy's side of `lstm`: the sequence, h, c, and the state at the start of each chunk."""
    n, time, units = len(x), x.shape[1], h.shape[1]
    sizes = kernel.sizes(x.shape[2], units)
    packed = kernel.packed(*weights, sizes)
    state = np.zeros((n, 2, sizes.width), np.float32)
    state[:, :, :units] = np.stack([h, c], axis=1)
    starts = np.zeros((n, -(-time // kernel.CHUNK), 2 * sizes.width), np.float32)
    sequence = np.zeros((n, time if sequences else 0, units), np.float32)

    def run(k: int) -> None:
        kernel.forward(
            packed, x[k], length[k], reverse, state[k].reshape(-1), starts[k], sequence[k],
            kernel.new_tape(sizes), sizes,
        )  # fmt: skip

    _for_each(run, n)
    return sequence, state[:, 0, :units], state[:, 1, :units], starts


def _backward(d_sequence, dh, dc, starts, x, length, *weights, reverse: bool):
    """Gradients of x, h, c, kernel, recurrent kernel and bias."""
    n, units = dh.shape
    sizes = kernel.sizes(x.shape[2], units)
    packed = kernel.packed(*weights, sizes)
    shapes = (n, sizes.stride), (n, sizes.width), x.shape, (n, packed.size)
    da, dc_all, dx, d_weights = (np.zeros(shape, np.float32) for shape in shapes)
    of_h = slice(sizes.first, sizes.first + units)
    da[:, of_h], dc_all[:, :units] = dh, dc

    def run(k: int) -> None:
        kernel.backward(
            packed, x[k], length[k], reverse, da[k], dc_all[k], starts[k], d_sequence[k],
            dx[k], d_weights[k], kernel.new_tape(sizes), sizes,
        )  # fmt: skip

    _for_each(run, n)
    # A sum in the order of the clips, whichever was ready first.
    return dx, da[:, of_h], dc_all[:, :units], *kernel.unpacked(d_weights.sum(axis=0), sizes)


def lstm(x, length, h, c, *weights, sequences: bool = False, reverse: bool = False):
    """Run an LSTM over the valid steps of each clip, on the CPU; all tensors are float32.

    Parameters
    ----------
    x : shape (batch, time, features)
    length : int, shape (batch,)
        Valid steps of each clip; 0 gives the initial state.
    h, c : shape (batch, units)
        Initial state.
    *weights
        Kernel, recurrent kernel and bias as `keras.layers.LSTM` has them.
    sequences, reverse : bool
        As for `LastState`.

    Returns
    -------
    sequence : shape (batch, time, units), or (batch, 0, units) without `sequences`
        h after each step, in the order of x; zero after a clip's end.
    h, c : shape (batch, units)
    """
    length = tf.clip_by_value(tf.cast(length, tf.int64), 0, tf.shape(x, tf.int64)[1])

    @tf.custom_gradient
    def differentiable(x, h, c, *weights):
        def gradients(*d_outputs):
            arguments = (*d_outputs, starts, x, length, *weights)
            backward = partial(_backward, reverse=reverse)
            return _call(backward, arguments, [t.shape for t in (x, h, c, *weights)])

        forward = partial(_forward, sequences=sequences, reverse=reverse)
        shapes = [(x.shape[0], x.shape[1] if sequences else 0, h.shape[1]), h.shape, h.shape, None]
        *outputs, starts = _call(forward, (x, length, h, c, *weights), shapes)
        return tuple(outputs), gradients

    return differentiable(x, h, c, *weights)


def _call(function, arguments, shapes) -> list[tf.Tensor]:
    """Call a function of arrays from a graph, which does not know the results' shapes by itself."""
    arguments = [tf.stop_gradient(value) for value in arguments]
    results = tf.numpy_function(function, arguments, [tf.float32] * len(shapes))
    return [tf.ensure_shape(result, shape) for result, shape in zip(results, shapes, strict=True)]


def keras_layer(units: int, features: int, sequences: bool, reverse: bool) -> keras.layers.LSTM:
    """Build a layer for `keras_lstm`, without drawing random numbers that others would get."""
    layer = keras.layers.LSTM(
        units, return_sequences=sequences, return_state=True, go_backwards=reverse,
        kernel_initializer="zeros", recurrent_initializer="zeros", seed=0, name="keras",
    )  # fmt: skip
    layer.build((None, None, features))
    return layer


def keras_lstm(layer: keras.layers.LSTM, x, length, h, c, *weights):
    """Do what `lstm` does by means of Keras's layer, which uses cuDNN on a GPU."""
    # cuDNN refuses clips of no steps, so these get one whose result is not used.
    valid = tf.sequence_mask(tf.maximum(length, 1), tf.shape(x)[1])
    others = [variable.value for variable in layer.non_trainable_variables]
    outputs, _ = layer.stateless_call(weights, others, x, initial_state=[h, c], mask=valid)
    some = length[:, None] > 0
    last = [tf.where(some, new, old) for new, old in zip(outputs[1:], (h, c), strict=True)]
    if not layer.return_sequences:
        return outputs[0][:, None][:, :0], *last
    sequence = outputs[0][:, ::-1] if layer.go_backwards else outputs[0]
    real = tf.sequence_mask(length, tf.shape(x)[1])[:, :, None]
    return tf.where(real, sequence, 0.0), *last


@keras.saving.register_keras_serializable("irmas_utils")
class LastState(Configured):
    """`keras.layers.LSTM` for long sequences of different lengths; the weights interchange.

    Called on ``(sequence, length)``, shapes (batch, time, features) and (batch,), and possibly on
    ``initial_state=(h, c)``, each (batch, units). Gives the state after each clip's last step,
    (batch, units), or after every step, (batch, time, units), with zeros after a clip's end.
    Initial weights are drawn as Keras draws them. XLA cannot compile the layer (``jit_compile``).
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
        options = {"sequences": self.sequences, "reverse": self.reverse}
        if has_gpu():
            self._run = partial(keras_lstm, keras_layer(self.units, features, **options))
        else:
            self._run = partial(lstm, **options)

    def call(self, inputs, initial_state=None):
        """Apply the layer to ``(sequence, length)``."""
        x, length = inputs
        if initial_state is None:
            initial_state = (tf.zeros((tf.shape(x)[0], self.units)),) * 2
        values = [tf.convert_to_tensor(value) for value in (*initial_state, *self.weights)]
        sequence, h, _ = self._run(x, length, *values)
        return sequence if self.sequences else h

    def compute_output_shape(self, input_shape) -> tuple:
        """(batch, units) or (batch, time, units)."""
        batch, time, _ = input_shape[0]
        return (batch, time, self.units) if self.sequences else (batch, self.units)
