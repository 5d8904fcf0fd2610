"""Training of wide dense layers in one pass over their weights.

The paper's dense network has forty million weights and four clips a batch: a step is the traffic
of weights and of Adam's two moments. Here the gradient of a kernel is made a row at a time and
used up at once: each number is read and written once, and no gradient goes through memory (as K. Lv
et al. do for the sake of memory in "Full parameter fine-tuning for large language models with
limited resources", 2023, arXiv:2306.09782). Results have the same bits whatever the number of
threads.
"""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from irmas_utils.models.lanes import LANES, compiled, inner, load, pair_sums, root, splat, store
from irmas_utils.models.layers import LEAKY_SLOPE
from irmas_utils.models.training import Batches, Trainer
from irmas_utils.project.backend import keras, tf
from irmas_utils.project.parallel import threads

_SLAB = 2**20
"""Weights of the rows that a thread takes at a time."""


class DenseTrainer(Trainer):
    """A `Trainer` of dense layers with leaky ReLU between them: the same function, to rounding.

    It works on arrays of NumPy whose memory the model's and the optimizer's variables share, so
    that whatever reads those between two epochs sees what was trained. It takes a `few` clips a
    batch, as many as its compiled code holds in registers: with more, matrix products come to take
    longer than memory, and TensorFlow's are quicker. If the first kernel is not `wide`, a step
    takes less time than its parts take to call. Ask first whether it `suits` a model: of another
    it would train what it knows.
    """

    few, wide = 4, 2**22

    @classmethod
    def suits(cls, model: keras.Model, batch_size: int) -> bool:
        """Say whether it trains a model as `Trainer` does, and with such batches in less time."""
        layers = model.layers[:-1]  # without the scores
        kinds = [type(layer).__name__ for layer in layers]
        plain = {"trainable": True, "activation": "linear", "use_bias": True}
        plain |= {"negative_slope": LEAKY_SLOPE, "kernel_constraint": None, "bias_constraint": None}
        return (
            kinds == ["InputLayer", *["Dense", "LeakyReLU"] * (len(kinds) // 2 - 1), "Dense"]
            and all({**plain, **layer.get_config()}.items() >= plain.items() for layer in layers)
            and not model.losses
            and batch_size <= cls.few
            and math.prod(model.weights[0].shape) >= cls.wide
        )

    def __init__(self, model: keras.Model, loss: str, learning_rate: float) -> None:
        super().__init__(model, loss, learning_rate)
        self._arrays: dict[str, np.ndarray] = {}

    def train(self, batches: Batches, epoch: int, epochs: int, progress: bool) -> dict[str, float]:
        """Train one epoch and return its mean loss and accuracy."""
        adam, weights = self.optimizer, self.model.trainable_variables
        states = zip(weights, adam._momentums, adam._velocities, strict=True)
        self._states = [tuple(map(self._shared, state)) for state in states]
        self._rate, self._steps = float(adam.learning_rate), int(adam.iterations)
        with ThreadPoolExecutor(threads()) as self._pool:
            means = super().train(batches, epoch, epochs, progress)
        adam.iterations.assign(self._steps)
        return means

    def _shared(self, variable: keras.Variable) -> np.ndarray:
        """Return an array that is the memory of a variable's value."""
        value = np.from_dlpack(variable.value.read_value())
        array = self._arrays.get(variable.path)
        if array is None or array.ctypes.data != value.ctypes.data:  # another was assigned
            buffer = np.empty(value.size + 16, value.dtype)
            first = -buffer.ctypes.data % 64 // value.itemsize  # where TensorFlow wants it
            array = buffer[first : first + value.size].reshape(value.shape)
            array[...] = value
            variable.value.assign(tf.experimental.dlpack.from_dlpack(array.__dlpack__()))
            self._arrays[variable.path] = array
        return array

    def step(self, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
        """Train on one batch; return its summed loss and its hits.

        Raises ValueError for more than a `few` clips.
        """
        kernels, biases = self._states[::2], self._states[1::2]
        given = [_filled(x)]
        for (kernel, *_), (bias, *_) in zip(kernels, biases, strict=True):
            z = self._product(given[-1], kernel)
            z += bias
            given.append(np.maximum(z, np.float32(LEAKY_SLOPE) * z))
        total, hits, slope = self._slope(tf.constant(y), tf.constant(z[: len(y)]))
        dz, rates = _filled(slope.numpy()) / np.float32(len(y)), self._rates()
        for number in reversed(range(len(kernels))):
            below = self._update(kernels[number], given[number], dz, rates, dx=number > 0)
            self._update([a[None] for a in biases[number]], np.ones_like(dz[:, :1]), dz, rates)
            if number:  # a leaky ReLU gives numbers of the sign that it is given
                below *= np.maximum(given[number] > 0, np.float32(LEAKY_SLOPE))
                dz = below
        return float(total), float(hits)

    @tf.function(autograph=False, reduce_retracing=True)
    def _slope(self, y, logits):
        """Of a batch: summed loss, hits, and the gradient of the former."""
        with tf.GradientTape() as tape:
            tape.watch(logits)
            total, hits = self._judged(y, logits)
        return total, hits, tape.gradient(total, logits)

    def _rates(self) -> tuple[np.float32, ...]:
        """Adam's constants at its next step: rate, 1 - beta 1, 1 - beta 2, epsilon."""
        adam, self._steps = self.optimizer, self._steps + 1
        bias = np.sqrt(1 - adam.beta_2**self._steps) / (1 - adam.beta_1**self._steps)
        rate = self._rate * bias
        return tuple(map(np.float32, (rate, 1 - adam.beta_1, 1 - adam.beta_2, adam.epsilon)))

    def _product(self, x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        """``x @ kernel``, by slabs of the kernel's rows or columns, whichever are more."""
        n_rows, n_columns = kernel.shape
        if tall := n_rows >= n_columns:
            parts = [(rows, (0, n_columns)) for rows in _slabs(n_rows, n_columns)]
        else:
            parts = [((0, n_rows), columns) for columns in _slabs(n_columns, n_rows)]
        out = np.zeros((len(parts) if tall else 1, len(x), n_columns), np.float32)
        self._each(lambda k: _multiply(x, kernel, *parts[k], out[k if tall else 0]), len(parts))
        return out.sum(axis=0) if tall else out[0]

    def _update(self, state, x, dz, rates, dx: bool = False) -> np.ndarray:
        """Move a kernel by its gradient; return that of x, where `dx` is asked for."""
        below, slabs = np.empty_like(x), _slabs(*state[0].shape)

        def run(number: int) -> None:
            rows = slice(*slabs[number])
            _sweep(*(array[rows] for array in state), rows.start, x, dz, below, dx, *rates)

        self._each(run, len(slabs))
        return below

    def _each(self, run: Callable[[int], None], n: int) -> None:
        list((self._pool.map if n > 1 else map)(run, range(n)))


def _slabs(n: int, size: int) -> list[tuple[int, int]]:
    """Bounds of four parts or more of n rows, or columns, of so many weights each."""
    step = min(max(4, _SLAB // size), -(-n // 4))
    return [(start, min(start + step, n)) for start in range(0, n, step)]


def _filled(x: np.ndarray) -> np.ndarray:
    """Fill a batch up with clips of zeros, which change nothing, to as many as there may be."""
    few = DenseTrainer.few
    if len(x) > few:
        raise ValueError(f"a batch of {len(x)} clips; expected at most {few}")
    return np.ascontiguousarray(x if len(x) == few else np.pad(x, ((0, few - len(x)), (0, 0))))


@inner
def _four_rows(x, b, row, v0, v1, v2, v3):
    above = splat(x[b, row]) * v0 + splat(x[b, row + 1]) * v1
    return above + splat(x[b, row + 2]) * v2 + splat(x[b, row + 3]) * v3


@compiled
def _multiply(x, kernel, rows, columns, out):
    """Add the product of x (4, rows of all) and a part of a kernel to out (4, columns of all)."""
    n, flat, sums = kernel.shape[1], kernel.reshape(-1), out.reshape(-1)
    fours = rows[1] - (rows[1] - rows[0]) % 4
    for start in range(columns[0], columns[1], 1024):  # their sums stay in the nearest memory
        end = min(start + 1024, columns[1])
        full = end - (end - start) % LANES
        for row in range(rows[0], fours, 4):
            for k in range(start, full, LANES):
                at = row * n + k
                v0, v1 = load(flat, at), load(flat, at + n)
                v2, v3 = load(flat, at + 2 * n), load(flat, at + 3 * n)
                for b in range(4):
                    to = b * n + k
                    store(sums, to, load(sums, to) + _four_rows(x, b, row, v0, v1, v2, v3))
        for b in range(4):
            for row in range(rows[0], fours):
                for k in range(full, end):
                    out[b, k] += x[b, row] * kernel[row, k]
            for row in range(fours, rows[1]):
                for k in range(start, end):
                    out[b, k] += x[b, row] * kernel[row, k]


@compiled
def _sweep(weights, means, squares, first, x, dz, below, dx, rate, share1, share2, epsilon):
    """One step of Adam for some rows of a kernel, from `first` on: x (4, rows of all), dz (4, n).

    Where `dx` is asked for, the product of dz and the rows as they were goes to `below`, as x is.
    """
    n, w, m, s = weights.shape[1], weights.reshape(-1), means.reshape(-1), squares.reshape(-1)
    z, sums, full = dz.reshape(-1), np.empty(LANES, np.float32), n - n % LANES
    a, a1, a2, tiny = splat(rate), splat(share1), splat(share2), splat(epsilon)
    for row in range(len(weights)):
        r = first + row
        x0, x1, x2, x3 = x[0, r], x[1, r], x[2, r], x[3, r]
        v0, v1, v2, v3 = splat(x0), splat(x1), splat(x2), splat(x3)
        b0 = b1 = b2 = b3 = splat(np.float32(0))
        for k in range(0, full, LANES):
            at = row * n + k
            z0, z1, z2, z3 = load(z, k), load(z, n + k), load(z, 2 * n + k), load(z, 3 * n + k)
            weight, mean, square = load(w, at), load(m, at), load(s, at)
            if dx:
                b0, b1 = b0 + weight * z0, b1 + weight * z1
                b2, b3 = b2 + weight * z2, b3 + weight * z3
            g = v0 * z0 + v1 * z1 + v2 * z2 + v3 * z3
            mean = mean + (g - mean) * a1
            square = square + (g * g - square) * a2
            store(m, at, mean)
            store(s, at, square)
            store(w, at, weight - a * mean / (root(square) + tiny))
        if dx:
            pairs = pair_sums(pair_sums(b0, b1), pair_sums(b2, b3))
            store(sums, 0, pair_sums(pairs, pairs))
            for b in range(4):
                below[b, r] = sums[b]
        for k in range(full, n):
            at = row * n + k
            if dx:
                for b in range(4):
                    below[b, r] += w[at] * dz[b, k]
            g = x0 * dz[0, k] + x1 * dz[1, k] + x2 * dz[2, k] + x3 * dz[3, k]
            m[at] += (g - m[at]) * share1
            s[at] += (g * g - s[at]) * share2
            w[at] -= rate * m[at] / (np.sqrt(s[at]) + epsilon)
