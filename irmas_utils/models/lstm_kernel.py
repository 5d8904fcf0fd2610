"""The arithmetic of an LSTM over one clip, forward and backward, compiled by numba.

A step is far too little work for a call of its own: here all steps are one loop.

- Bias, input and state are one vector a = [1, x, h], so that one product with the stacked weights
  gives the gates, and one with its transpose the gradients of both x and h.
- Vectors of eight numbers are written out (`models.lanes`). Units come in blocks of eight, padded
  with units of weight zero, which stay at zero.
- The weights lie in the order of reading; sums that would wait for themselves are split.

The forward pass remembers h and c at the start of each chunk of `CHUNK` steps; the backward pass
runs a chunk again to know what happened inside, which then is still in the cache (T. Chen et al.,
"Training deep nets with sublinear memory cost", 2016, arXiv:1604.06174).
A clip is computed by one thread in one order: results have the same bits whatever the number of
threads. NaN goes through.
"""

from typing import NamedTuple

import numpy as np

from irmas_utils.models.lanes import (
    LANES,
    compiled,
    flush,
    inner,
    load,
    load4,
    pair_sums,
    splat,
    store,
    store4,
    tanh,
)

CHUNK = 128
"""Steps between two remembered states; what a chunk recomputes should stay in the cache."""


# --- One step ----------------------------------------------------------------------------------


class Sizes(NamedTuple):
    """Of the arrays that a clip is computed in."""

    features: int
    units: int
    blocks: int  # of LANES units
    width: int  # units with the padding, blocks * LANES
    rows: int  # of the stacked weights [bias, kernel, recurrent kernel]: a multiple of LANES
    first: int  # where h begins in a = [1, x, h]
    stride: int  # numbers kept of a, with the padding


class Tape(NamedTuple):
    """What happened in a chunk, as flat arrays."""

    inputs: np.ndarray  # (CHUNK + 1, stride): a = [1, x, h before the step]
    gates: np.ndarray  # (CHUNK, blocks, 4, LANES): i, f, g, o; later the gradients before them
    cells: np.ndarray  # (CHUNK + 1, blocks, LANES): c before the step
    tanhs: np.ndarray  # (CHUNK, blocks, LANES): tanh of c after the step


@inner
def _drive(weights, tape, t, sizes):
    """What enters the gates of step t: a times the weights (blocks, rows, 4, LANES)."""
    w = 0
    for b in range(sizes.blocks):
        i = f = g = o = i2 = f2 = g2 = o2 = splat(np.float32(0))
        # Two sums each: one alone would wait for itself.
        for k in range(t * sizes.stride, t * sizes.stride + sizes.rows, 2):
            a, (wi, wf, wg, wo) = splat(tape.inputs[k]), load4(weights, w)
            i, f, g, o = i + a * wi, f + a * wf, g + a * wg, o + a * wo
            a, (wi, wf, wg, wo) = splat(tape.inputs[k + 1]), load4(weights, w + 4 * LANES)
            i2, f2, g2, o2 = i2 + a * wi, f2 + a * wf, g2 + a * wg, o2 + a * wo
            w += 8 * LANES
        store4(tape.gates, (t * sizes.blocks + b) * 4 * LANES, (i + i2, f + f2, g + g2, o + o2))


@inner
def _activate(tape, t, sizes):
    """Gates, c and h of step t; what enters i, f and o has been halved for their sigmoid."""
    half = splat(np.float32(0.5))
    for b in range(sizes.blocks):
        now = (t * sizes.blocks + b) * LANES
        i, f, g, o = load4(tape.gates, 4 * now)
        i, f, g, o = half + half * tanh(i), half + half * tanh(f), tanh(g), half + half * tanh(o)
        c = flush(f * load(tape.cells, now) + i * g)
        tanh_c = tanh(c)
        store4(tape.gates, 4 * now, (i, f, g, o))
        store(tape.cells, now + sizes.width, c)
        store(tape.tanhs, now, tanh_c)
        store(tape.inputs, (t + 1) * sizes.stride + sizes.first + b * LANES, o * tanh_c)


@inner
def _gate_gradients(tape, da, dc, t, sizes):
    """Gradients of what enters the gates of step t, in the gates' place, and of c before it."""
    one, two = splat(np.float32(1)), splat(np.float32(2))
    for b in range(sizes.blocks):
        now = (t * sizes.blocks + b) * LANES
        i, f, g, o = load4(tape.gates, 4 * now)
        c, tanh_c = load(tape.cells, now), load(tape.tanhs, now)
        dh = flush(load(da, sizes.first + b * LANES))
        dc_after = flush(load(dc, b * LANES) + dh * (o * (one - tanh_c * tanh_c)))
        di = dc_after * (two * g * i * (one - i))
        df = dc_after * (two * c * f * (one - f))
        dg = dc_after * (i * (one - g * g))
        do = dh * (two * tanh_c * o * (one - o))
        store4(tape.gates, 4 * now, (di, df, dg, do))
        store(dc, b * LANES, dc_after * f)


@inner
def _add_dot(total, weights, w, d):
    wi, wf, wg, wo = load4(weights, w)
    return total + wi * d[0] + wf * d[1] + wg * d[2] + wo * d[3]


@inner
def _input_gradients(weights, tape, da, t, sizes):
    """Gradient of a at step t: the weights times the gradients of what enters the gates."""
    for row in range(0, sizes.rows, LANES):
        a = b = c = d = e = f = g = h = splat(np.float32(0))  # of a row each
        for block in range(sizes.blocks):
            gates = load4(tape.gates, (t * sizes.blocks + block) * 4 * LANES)
            w = (block * sizes.rows + row) * 4 * LANES
            a = _add_dot(a, weights, w, gates)
            b = _add_dot(b, weights, w + 4 * LANES, gates)
            c = _add_dot(c, weights, w + 8 * LANES, gates)
            d = _add_dot(d, weights, w + 12 * LANES, gates)
            e = _add_dot(e, weights, w + 16 * LANES, gates)
            f = _add_dot(f, weights, w + 20 * LANES, gates)
            g = _add_dot(g, weights, w + 24 * LANES, gates)
            h = _add_dot(h, weights, w + 28 * LANES, gates)
        first = pair_sums(pair_sums(a, b), pair_sums(c, d))
        second = pair_sums(pair_sums(e, f), pair_sums(g, h))
        store(da, row, pair_sums(first, second))


@inner
def _add_weight_gradients(total, tape, steps, sizes):
    """Add a chunk's products of a and its gates' gradients: (blocks, rows, 4, LANES)."""
    for b in range(sizes.blocks):
        for row in range(0, sizes.rows, 2):
            w = (b * sizes.rows + row) * 4 * LANES
            i, f, g, o = load4(total, w)
            i2, f2, g2, o2 = load4(total, w + 4 * LANES)
            for t in range(steps):
                di, df, dg, do = load4(tape.gates, (t * sizes.blocks + b) * 4 * LANES)
                a = splat(tape.inputs[t * sizes.stride + row])
                a2 = splat(tape.inputs[t * sizes.stride + row + 1])
                i, f, g, o = i + a * di, f + a * df, g + a * dg, o + a * do
                i2, f2, g2, o2 = i2 + a2 * di, f2 + a2 * df, g2 + a2 * dg, o2 + a2 * do
            store4(total, w, (i, f, g, o))
            store4(total, w + 4 * LANES, (i2, f2, g2, o2))


# --- One clip ----------------------------------------------------------------------------------
# Loops take the place of slices, which numba compiles for many seconds.


@inner
def _copy(source, begin, target, to, count):
    for k in range(count):
        target[to + k] = source[begin + k]


@inner
def _place(t, length, reverse):
    """Where the input holds what step t reads."""
    return length - 1 - t if reverse else t


@inner
def _run_chunk(weights, x, length, reverse, start, state, tape, sizes):
    """Run the chunk that begins at step `start` from `state`, (2, blocks, LANES): its steps."""
    steps = min(CHUNK, length - start)
    _copy(state, 0, tape.inputs, sizes.first, sizes.width)
    _copy(state, sizes.width, tape.cells, 0, sizes.width)
    for t in range(steps):
        at = _place(start + t, length, reverse)
        tape.inputs[t * sizes.stride] = 1
        for feature in range(sizes.features):
            tape.inputs[t * sizes.stride + 1 + feature] = x[at, feature]
    for t in range(steps):
        _drive(weights, tape, t, sizes)
        _activate(tape, t, sizes)
    return steps


@compiled
def forward(weights, x, length, reverse, state, starts, sequence, tape, sizes):
    """Take `state`, h and c with their padding, (2 * width,), over all steps of a clip.

    The weights are those of `packed`; of x, (time, features), `length` steps are valid, and
    `reverse` begins with the last of them. Written are `starts`, (chunks, 2 * width), the state
    before each chunk, and `sequence`, (time, units) or (0, units), h after each step, where the
    input has the step. Arrays are float32.
    """
    for start in range(0, length, CHUNK):
        _copy(state, 0, starts[start // CHUNK], 0, state.size)
        steps = _run_chunk(weights, x, length, reverse, start, state, tape, sizes)
        for t in range(1, steps + 1 if len(sequence) else 0):
            at = _place(start + t - 1, length, reverse)
            for unit in range(sizes.units):
                sequence[at, unit] = tape.inputs[t * sizes.stride + sizes.first + unit]
        _copy(tape.inputs, steps * sizes.stride + sizes.first, state, 0, sizes.width)
        _copy(tape.cells, steps * sizes.width, state, sizes.width, sizes.width)


@inner
def _vanished(da, dc, sizes):
    total = np.float32(0)
    for k in range(sizes.width):
        total += abs(da[sizes.first + k]) + abs(dc[k])
    return total == 0  # and not NaN


@compiled
def backward(weights, x, length, reverse, da, dc, starts, d_sequence, dx, d_weights, tape, sizes):
    """Take the gradients of h and c back over all steps; other parameters as for `forward`.

    `da`, (stride,), has that of the last h from ``da[first]`` on, `dc`, (width,), that of c: work
    space. `d_sequence`, (time, units) or (0, units), is that of h after each step; `dx` and
    `d_weights` are zeros, for the results. Once the gradient is zero it stays so, and the steps
    before are left out.
    """
    for chunk in range((length + CHUNK - 1) // CHUNK - 1, -1, -1):
        if len(d_sequence) == 0 and _vanished(da, dc, sizes):
            break
        start, state = chunk * CHUNK, starts[chunk]
        steps = _run_chunk(weights, x, length, reverse, start, state, tape, sizes)
        for t in range(steps - 1, -1, -1):
            at = _place(start + t, length, reverse)
            for unit in range(sizes.units if len(d_sequence) else 0):
                da[sizes.first + unit] += d_sequence[at, unit]
            _gate_gradients(tape, da, dc, t, sizes)
            _input_gradients(weights, tape, da, t, sizes)
            for feature in range(sizes.features):
                dx[at, feature] = da[1 + feature]
        _add_weight_gradients(d_weights, tape, steps, sizes)


def new_tape(sizes: Sizes) -> Tape:
    """Give a tape of zeros, which the padding stays at."""
    steps_and_sizes = (1, sizes.stride), (0, 4 * sizes.width), (1, sizes.width), (0, sizes.width)
    return Tape(*(np.zeros((CHUNK + more) * n, np.float32) for more, n in steps_and_sizes))


# --- The weights -------------------------------------------------------------------------------


def sizes(features: int, units: int) -> Sizes:
    """Sizes for a number of features and of units."""
    first, blocks = 1 + features, -(-units // LANES)
    rows, width = -(-(first + units) // LANES) * LANES, blocks * LANES
    return Sizes(features, units, blocks, width, rows, first, max(rows, first + width))


_GATES = np.float32([0.5, 0.5, 1, 0.5])[:, None]  # sigmoid(z) = (1 + tanh(z / 2)) / 2


def packed(kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray, sizes: Sizes) -> np.ndarray:
    """Weights of `keras.layers.LSTM` in the order of reading: (blocks, rows, 4, LANES), flat."""
    lines = np.concatenate([bias[None], kernel, recurrent]).reshape(-1, 4, sizes.units)
    full = np.zeros((sizes.rows, 4, sizes.width), np.float32)
    full[: len(lines), :, : sizes.units] = lines * _GATES
    return full.reshape(sizes.rows, 4, -1, LANES).transpose(2, 0, 1, 3).ravel()


def unpacked(d_weights: np.ndarray, sizes: Sizes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of kernel, recurrent and bias from that of `packed`."""
    full = d_weights.reshape(sizes.blocks, sizes.rows, 4, LANES).transpose(1, 2, 0, 3)
    lines = full.reshape(sizes.rows, 4, sizes.width)[:, :, : sizes.units] * _GATES
    lines = lines.reshape(sizes.rows, 4 * sizes.units)
    return lines[1 : sizes.first], lines[sizes.first :][: sizes.units], lines[0]
