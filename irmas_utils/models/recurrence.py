"""An LSTM that can be trained over hundreds of thousands of steps.

`keras.layers.LSTM` launches some forty kernels a step and keeps every intermediate until the
backward pass. `LastState` computes the same function with the same weights, compiled by XLA, and
remembers the state only at the start of each chunk of `CHUNK` steps; the backward pass runs a
chunk again to recover what happened inside (gradient checkpointing [1]_). Inside, arrays have the
batch on the last axis, so that element-wise work fills the vector registers, and the four gates
share one matrix product and one tanh, since ``sigmoid(z) = (1 + tanh(z / 2)) / 2``.

References
----------
.. [1] T. Chen, B. Xu, C. Zhang, C. Guestrin, "Training deep nets with sublinear memory cost",
   2016, arXiv:1604.06174.
"""

from typing import NamedTuple

import numpy as np

from irmas_utils.backend import keras, tf

CHUNK = 128
"""Steps between two remembered states; what a chunk recomputes should stay in the cache."""


class _Weights(NamedTuple):
    kernel: tf.Tensor  # (features, 4 * units), gates in the order of Keras: i, f, c, o
    recurrent: tf.Tensor  # (units, 4 * units)
    bias: tf.Tensor  # (4 * units,)


def _gates(weights: _Weights, x: tf.Tensor, h: tf.Tensor) -> tf.Tensor:
    """Activated gates of one step: x (features, batch), h (units, batch) -> (4 * units, batch)."""
    kernel, recurrent, bias = weights
    # With one feature the product is an outer product, which XLA fuses with what follows.
    driven = kernel[0][:, None] * x if x.shape[0] == 1 else tf.matmul(kernel, x, transpose_a=True)
    z = tf.matmul(recurrent, h, transpose_a=True) + driven + bias[:, None]
    half = np.repeat(np.float32([0.5, 0.5, 1.0, 0.5]), recurrent.shape[0])[:, None]
    return tf.tanh(z * half) * half + (1 - half)


def _advance(weights, x, h, c, valid):
    """One step: the gates, and the next h and c, unchanged where not `valid` (batch,)."""
    gates = _gates(weights, x, h)
    i, f, g, o = tf.split(gates, 4)
    c_next = f * c + i * g
    h_next = o * tf.tanh(c_next)
    return gates, tf.where(valid, h_next, h), tf.where(valid, c_next, c)


def _retreat(weights, gates, c, valid, dh, dc):
    """Gradients of one step: with respect to its gates' inputs, and to the h and c before it."""
    i, f, g, o = tf.split(gates, 4)
    tanh_c = tf.tanh(f * c + i * g)
    dh_valid, dc_valid = tf.where(valid, dh, 0.0), tf.where(valid, dc, 0.0)
    dc_next = dc_valid + dh_valid * o * (1 - tanh_c * tanh_c)
    dz = tf.concat(
        [
            dc_next * g * i * (1 - i),
            dc_next * c * f * (1 - f),
            dc_next * i * (1 - g * g),
            dh_valid * tanh_c * o * (1 - o),
        ],
        axis=0,
    )
    dh_before = tf.matmul(weights.recurrent, dz) + tf.where(valid, 0.0, dh)
    return dz, dh_before, tf.where(valid, dc_next * f, dc)


def _array(size, *shape) -> tf.TensorArray:
    return tf.TensorArray(tf.float32, size, element_shape=shape)


@tf.function(jit_compile=True)
def _forward(x, length, kernel, recurrent, bias):
    """Final h (units, batch), and h and c at the start of each chunk (chunks, 2, units, batch).

    `x` is (chunks, CHUNK, features, batch). Chunks in which no clip goes on are not visited, so
    that trailing padding costs nothing.
    """
    weights = _Weights(kernel, recurrent, bias)
    units = recurrent.shape[0]
    used = (tf.reduce_max(length) + CHUNK - 1) // CHUNK

    def chunk(k, h, c, starts):
        starts, piece = starts.write(k, tf.stack([h, c])), x[k]

        def step(t, h, c):
            _, h, c = _advance(weights, piece[t], h, c, k * CHUNK + t < length)
            return t + 1, h, c

        _, h, c = tf.while_loop(lambda t, *_: t < CHUNK, step, (0, h, c))
        return k + 1, h, c, starts

    zeros = tf.zeros_like(tf.repeat(x[0, 0, :1], units, axis=0))  # (units, batch)
    starts = _array(tf.shape(x)[0], 2, *zeros.shape)
    state = tf.while_loop(lambda k, *_: k < used, chunk, (0, zeros, zeros, starts))
    return state[1], state[3].stack()


def _replay(weights, x, first, length, h, c):
    """Run one chunk again; its gates, and h and c before each step, (CHUNK, ..., batch)."""
    units = weights.recurrent.shape[0]

    def step(t, h, c, gates, h_all, c_all):
        h_all, c_all = h_all.write(t, h), c_all.write(t, c)
        now, h, c = _advance(weights, x[t], h, c, first + t < length)
        return t + 1, h, c, gates.write(t, now), h_all, c_all

    arrays = [_array(CHUNK, size, x.shape[-1]) for size in (4 * units, units, units)]
    *_, gates, h_all, c_all = tf.while_loop(lambda t, *_: t < CHUNK, step, (0, h, c, *arrays))
    return gates.stack(), h_all.stack(), c_all.stack()


def _chunk_gradients(weights, x, first, length, start, dh, dc):
    """Carry dh and dc back through one chunk; also the gradients of the gates' inputs."""
    gates, h_all, c_all = _replay(weights, x, first, length, start[0], start[1])

    def step(t, dh, dc, dz_all):
        t = t - 1
        dz, dh, dc = _retreat(weights, gates[t], c_all[t], first + t < length, dh, dc)
        return t, dh, dc, dz_all.write(t, dz)

    dz_all = _array(CHUNK, 4 * weights.recurrent.shape[0], x.shape[-1])
    _, dh, dc, dz_all = tf.while_loop(lambda t, *_: t > 0, step, (CHUNK, dh, dc, dz_all))
    return dh, dc, dz_all.stack(), h_all


@tf.function(jit_compile=True)
def _backward(dh, starts, x, length, kernel, recurrent, bias):
    """Gradients with respect to x, kernel, recurrent kernel and bias, from dh (units, batch)."""
    weights = _Weights(kernel, recurrent, bias)
    used = (tf.reduce_max(length) + CHUNK - 1) // CHUNK

    def chunk(k, dh, dc, dx, d_kernel, d_recurrent, d_bias):
        k = k - 1
        dh, dc, dz, h_all = _chunk_gradients(weights, x[k], k * CHUNK, length, starts[k], dh, dc)
        dx = dx.write(k, tf.einsum("fg,tgb->tfb", kernel, dz))
        d_kernel += tf.einsum("tfb,tgb->fg", x[k], dz)
        d_recurrent += tf.einsum("tub,tgb->ug", h_all, dz)
        return k, dh, dc, dx, d_kernel, d_recurrent, d_bias + tf.reduce_sum(dz, [0, 2])

    dx = _array(tf.shape(x)[0], *x.shape[1:])
    zeros = [tf.zeros_like(value) for value in weights]
    state = (used, dh, tf.zeros_like(dh), dx, *zeros)
    *_, dx, d_kernel, d_recurrent, d_bias = tf.while_loop(lambda k, *_: k > 0, chunk, state)
    return dx.stack(), d_kernel, d_recurrent, d_bias


@tf.custom_gradient
def last_state(x, length, kernel, recurrent, bias):
    """State h of an LSTM after the last valid step of each clip.

    Parameters
    ----------
    x : float32 tensor, shape (chunks, CHUNK, features, batch)
        Consecutive pieces of the sequences; see `padded_time`.
    length : int32 tensor, shape (batch,)
        Valid steps of each clip; 0 gives the zero state.
    kernel, recurrent, bias : float32 tensors
        As `keras.layers.LSTM` has them: (features, 4 * units), (units, 4 * units), (4 * units,).

    Returns
    -------
    float32 tensor, shape (units, batch)
    """
    # Eager TensorFlow would otherwise prepare to differentiate `_forward` by itself too.
    x, kernel, recurrent, bias = map(tf.stop_gradient, (x, kernel, recurrent, bias))
    h, starts = _forward(x, length, kernel, recurrent, bias)

    def gradients(dh):
        dx, *d_weights = _backward(dh, starts, x, length, kernel, recurrent, bias)
        return dx, None, *d_weights

    return h, gradients


def padded_time(time: tf.Tensor) -> tf.Tensor:
    """Round a number of steps up, to few enough sizes that XLA seldom compiles again.

    A multiple of `CHUNK` with at most four leading binary digits: at most an eighth longer, and
    the steps added are never run.
    """
    chunks = (time + CHUNK - 1) // CHUNK
    digits = tf.cast(tf.math.log(tf.cast(chunks, tf.float64)) / np.log(2.0) + 1e-9, tf.int32)
    unit = tf.bitwise.left_shift(1, tf.maximum(digits - 3, 0))
    return (chunks + unit - 1) // unit * unit * CHUNK


@keras.saving.register_keras_serializable("irmas_utils")
class LastState(keras.layers.Layer):
    """`keras.layers.LSTM` for long sequences of different lengths; the weights interchange.

    Parameters
    ----------
    units : int
        Size of the state.

    Notes
    -----
    Called on ``(sequence, length)``, shapes (batch, time, features) and (batch,); gives the
    state after each clip's last valid step, (batch, units). Initial weights are Keras's own:
    Glorot uniform, orthogonal, and a bias of one for the forget gate.
    """

    def __init__(self, units: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape) -> None:
        """Make the weights, in the order and shapes of `keras.layers.LSTM`."""
        (_, _, features), _ = input_shape
        width = 4 * self.units
        self.kernel = self.add_weight(shape=(features, width), initializer="glorot_uniform")
        self.recurrent = self.add_weight(shape=(self.units, width), initializer="orthogonal")
        self.bias = self.add_weight(shape=(width,), initializer=self._initial_bias)

    def _initial_bias(self, shape, dtype=None):
        return np.repeat(np.float32([0, 1, 0, 0]), self.units)

    def call(self, inputs):
        """Apply the layer to ``(sequence, length)``."""
        sequence, length = inputs
        time = tf.shape(sequence)[1]
        x = tf.transpose(sequence, [1, 2, 0])
        x = tf.pad(x, [[0, padded_time(time) - time], [0, 0], [0, 0]])
        x = tf.reshape(x, [-1, CHUNK, x.shape[1], tf.shape(x)[2]])
        length = tf.minimum(tf.cast(length, tf.int32), time)
        h = last_state(x, length, *(tf.convert_to_tensor(w) for w in self.weights))
        return tf.transpose(h)

    def compute_output_shape(self, input_shape) -> tuple:
        """(batch, units)."""
        return input_shape[0][0], self.units

    def get_config(self) -> dict:
        """Return what rebuilds the layer."""
        return super().get_config() | {"units": self.units}
