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

from irmas_utils.project.backend import keras, tf

CHUNK = 128
"""Steps between two remembered states; what a chunk recomputes should stay in the cache."""


_FEW_CLIPS, _FEW_UNITS = 8, 32  # up to here a product written out is faster than a call

_MANY_CLIPS, _GROUPS = 32, 4


class _Weights(NamedTuple):
    kernel: tf.Tensor  # (features, 4 * units), gates in the order of Keras: i, f, c, o
    recurrent: tf.Tensor  # (units, 4 * units)
    bias: tf.Tensor  # (4 * units,)


def _recur(recurrent: tf.Tensor, h: tf.Tensor) -> tf.Tensor:
    """Product of the recurrent kernel, transposed, and h: (4 * units, batch)."""
    units, batch = h.shape
    if batch is None or batch > _FEW_CLIPS or units > _FEW_UNITS:
        return tf.matmul(recurrent, h, transpose_a=True)
    # Calling a matrix product takes longer than such a small one does. Written out, the whole
    # step becomes one loop.
    return sum(recurrent[u][:, None] * h[u] for u in range(units))


def _gates(weights: _Weights, x: tf.Tensor, h: tf.Tensor) -> tf.Tensor:
    """Activated gates of one step: x (features, batch), h (units, batch) -> (4 * units, batch)."""
    kernel, recurrent, bias = weights
    # With one feature the product is an outer product, which XLA fuses with what follows.
    driven = kernel[0][:, None] * x if x.shape[0] == 1 else tf.matmul(kernel, x, transpose_a=True)
    half = _per_gate([0.5, 0.5, 1.0, 0.5], recurrent)
    z = _recur(recurrent, h) + driven + bias[:, None]
    return tf.tanh(z * half) * half + (1 - half)


def _per_gate(values, recurrent: tf.Tensor) -> np.ndarray:
    """Repeat a value a gate for each unit: (4 * units, 1)."""
    return np.repeat(np.asarray(values), recurrent.shape[0])[:, None].astype(np.float32)


def _advance(weights, x, h, c, valid):
    """One step: the gates, and the next h and c, unchanged where not `valid` (batch,)."""
    gates = _gates(weights, x, h)
    i, f, g, o = tf.split(gates, 4)
    c_next = f * c + i * g
    h_next = o * tf.tanh(c_next)
    return gates, tf.where(valid, h_next, h), tf.where(valid, c_next, c)


@tf.function(jit_compile=True)
def _forward(x, length, kernel, recurrent, bias):
    """Final h (units, batch), and h and c at the start of each chunk (chunks, 2, units, batch).

    `x` is (chunks, CHUNK, features, batch). Chunks in which no clip goes on are not visited, so
    that trailing padding costs nothing.
    """
    weights = _Weights(kernel, recurrent, bias)

    def chunk(k, h, c, starts):
        starts, piece = starts.write(k, tf.stack([h, c])), x[k]

        def step(t, h, c):
            _, h, c = _advance(weights, piece[t], h, c, k * CHUNK + t < length)
            return t + 1, h, c

        _, h, c = tf.while_loop(lambda t, *_: t < CHUNK, step, (0, h, c))
        return k + 1, h, c, starts

    zeros = tf.zeros_like(tf.repeat(x[0, 0, :1], recurrent.shape[0], axis=0))  # (units, batch)
    starts = tf.TensorArray(tf.float32, tf.shape(x)[0], element_shape=(2, *zeros.shape))
    used = _used_chunks(length)
    state = tf.while_loop(lambda k, *_: k < used, chunk, (0, zeros, zeros, starts))
    return state[1], state[3].stack()


def _used_chunks(length: tf.Tensor) -> tf.Tensor:
    return (tf.reduce_max(length) + CHUNK - 1) // CHUNK


def _replay(weights, x, valid, h, c):
    """Run a chunk again: its gates, and c before each step, (CHUNK, ..., batch)."""

    def step(t, h, c, gates, c_all):
        now, h_next, c_next = _advance(weights, x[t], h, c, valid[t])
        return t + 1, h_next, c_next, gates.write(t, now), c_all.write(t, c)

    units, batch = h.shape
    shapes = ((4 * units, batch), (units, batch))
    arrays = [tf.TensorArray(tf.float32, CHUNK, element_shape=shape) for shape in shapes]
    *_, gates, c_all = tf.while_loop(lambda t, *_: t < CHUNK, step, (0, h, c, *arrays))
    return gates.stack(), c_all.stack()


def _retreat(weights, factors, dh, dc):
    """Carry dh and dc back through a chunk; also the gradients of the gates' inputs."""
    to_gates, to_cell, forgotten, invalid = factors
    is_output = _per_gate([0, 0, 0, 1], weights.recurrent) > 0

    def step(t, dh, dc, dz_all):
        t = t - 1
        dc = dc + dh * to_cell[t]
        # The output gate hears of dh, the others of dc. A choice between two tiled arrays runs
        # in vector registers; their concatenation would not.
        dz = to_gates[t] * tf.where(is_output, tf.tile(dh, (4, 1)), tf.tile(dc, (4, 1)))
        dh = tf.matmul(weights.recurrent, dz) + dh * invalid[t]
        return t, dh, dc * forgotten[t], dz_all.write(t, dz)

    array = tf.TensorArray(tf.float32, CHUNK, element_shape=to_gates.shape[1:])
    _, dh, dc, dz_all = tf.while_loop(lambda t, *_: t > 0, step, (CHUNK, dh, dc, array))
    return dh, dc, dz_all.stack()


def _chunk_gradients(weights, x, valid, start, dh, dc):
    """Gradients of a chunk: dh and dc before it, d x, and d of `weights` stacked by rows.

    All that does not depend on dh and dc is worked out for the whole chunk at once, which leaves
    little to the steps in sequence. Steps that are not `valid`, (CHUNK, batch), let dh and dc
    pass unchanged.
    """
    gates, c_all = _replay(weights, x, valid, start[0], start[1])
    valid = valid[:, None]
    i, f, g, o = tf.split(gates, 4, axis=1)
    tanh_c = tf.tanh(f * c_all + i * g)
    slopes = [g * i * (1 - i), c_all * f * (1 - f), i * (1 - g * g), tanh_c * o * (1 - o)]
    factors = (
        tf.where(valid, tf.concat(slopes, axis=1), 0.0),
        tf.where(valid, o * (1 - tanh_c * tanh_c), 0.0),
        tf.where(valid, f, 1.0),
        tf.where(valid, 0.0, 1.0),
    )
    dh, dc, dz = _retreat(weights, factors, dh, dc)
    h_all = tf.concat([start[:1], (o * tanh_c)[:-1]], axis=0)
    rows = tf.concat([x, h_all, tf.ones_like(x[:, :1])], axis=1)
    d_weights = tf.reduce_sum(tf.matmul(rows, dz, transpose_b=True), axis=0)
    return dh, dc, tf.einsum("fg,tgb->tfb", weights.kernel, dz), d_weights


@tf.function(jit_compile=True)
def _backward(dh, starts, x, length, kernel, recurrent, bias):
    """Gradients with respect to x, kernel, recurrent kernel and bias, from dh (units, batch)."""
    weights = _Weights(kernel, recurrent, bias)

    def chunk(k, dh, dc, dx, d_weights):
        k = k - 1
        valid = k * CHUNK + tf.range(CHUNK)[:, None] < length
        dh, dc, dx_chunk, d_chunk = _chunk_gradients(weights, x[k], valid, starts[k], dh, dc)
        return k, dh, dc, dx.write(k, dx_chunk), d_weights + d_chunk

    dx = tf.TensorArray(tf.float32, tf.shape(x)[0], element_shape=x.shape[1:])
    d_weights = tf.zeros_like(tf.concat([kernel, recurrent, bias[None]], axis=0))
    state = (_used_chunks(length), dh, tf.zeros_like(dh), dx, d_weights)
    *_, dx, d_weights = tf.while_loop(lambda k, *_: k > 0, chunk, state)
    features = kernel.shape[0]
    return dx.stack(), d_weights[:features], d_weights[features:-1], d_weights[-1]


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
    weights = [tf.stop_gradient(value) for value in (kernel, recurrent, bias)]
    sizes = _group_sizes(x.shape[-1])
    xs, lengths = _split(tf.stop_gradient(x), sizes), _split(length, sizes)
    forward = [_forward(*group, *weights) for group in zip(xs, lengths, strict=True)]
    h, starts = zip(*forward, strict=True)

    def gradients(dh):
        groups = zip(_split(dh, sizes), starts, xs, lengths, strict=True)
        backward = [_backward(*group, *weights) for group in groups]
        dx, *d_weights = zip(*backward, strict=True)
        return tf.concat(dx, axis=-1), None, *(tf.add_n(values) for values in d_weights)

    return tf.concat(h, axis=-1), gradients


def _split(value: tf.Tensor, sizes: list[int]) -> list[tf.Tensor]:
    return tf.split(value, sizes, axis=-1) if len(sizes) > 1 else [value]


def _group_sizes(batch: int | None) -> list[int | None]:
    """Sizes of the groups that large batches are computed in, side by side on several cores.

    Their number does not depend on the machine, so that neither do the sums over a batch. (One
    XLA computation keeps a single core busy: its steps are too short to be shared.)
    """
    if batch is None or batch < _MANY_CLIPS:
        return [batch]
    return [len(group) for group in np.array_split(np.arange(batch), _GROUPS)]


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
