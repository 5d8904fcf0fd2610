"""The arithmetic of an LSTM over one clip, forward and backward, compiled by numba.

A step is one matrix product and a few functions of each unit, far too little work for a call of
its own: here all steps are one loop. Three things keep the arithmetic units busy in it:

- Bias, input and state are one vector a = [1, x, h], so that one product with the stacked weights
  gives the gates, and one with its transpose the gradients of both x and h.
- Vectors of eight numbers are written out (`lanes`), since no compiler finds them across gates.
  Units come in blocks of eight, padded with units of weight zero, which stay at zero.
- The weights lie in memory in the order in which they are read.

The forward pass remembers h and c at the start of each chunk of `CHUNK` steps; the backward pass
runs a chunk again to know what happened inside, which then is still in the cache [1]_.

A clip is computed by one thread and in one order, so that results have the same bits whatever the
number of threads. NaN goes through: no operation here may assume that there is none.

References
----------
.. [1] T. Chen, B. Xu, C. Zhang, C. Guestrin, "Training deep nets with sublinear memory cost",
   2016, arXiv:1604.06174.
"""

import operator
from typing import NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.typing.templates import ConcreteTemplate, infer_global
from numba.extending import intrinsic, lower_builtin, models, register_model
from numba.np.arrayobj import make_array

from irmas_utils import paths

LANES = 8
"""Numbers in a vector: a register of AVX, half of one of AVX-512, two of Neon."""

CHUNK = 128
"""Steps between two remembered states; what a chunk recomputes should stay in the cache."""


_inner = numba.njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)


def _compiled(function):
    """Compile a function at its first call, once for all processes that share the cache."""
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(paths.cache_root() / "numba")
    try:
        return numba.njit(nogil=True, error_model="numpy", cache=True)(function)
    except (RuntimeError, OSError):  # there is nowhere to write to
        return _inner(function)
    finally:
        numba.config.CACHE_DIR = before


# --- Vectors of eight float32 ------------------------------------------------------------------

_VECTOR = ir.VectorType(ir.FloatType(), LANES)


class _Lanes(types.Type):
    def __init__(self) -> None:
        super().__init__("lanes")


lanes = _Lanes()


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, kind) -> None:
        super().__init__(manager, kind, _VECTOR)


def _define(operation, instruction: str) -> None:
    """Let `operation` of two vectors be an instruction; a product and a sum may fuse."""

    @infer_global(operation)
    class _Template(ConcreteTemplate):
        cases = (numba.core.typing.signature(lanes, lanes, lanes),)

    @lower_builtin(operation, lanes, lanes)
    def _lower(context, builder, signature, arguments):
        return getattr(builder, instruction)(*arguments, flags=("contract",))


for _operation, _instruction in (
    (operator.add, "fadd"),
    (operator.iadd, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _define(_operation, _instruction)


def _address(context, builder, signature, arguments):
    data = make_array(signature.args[0])(context, builder, arguments[0]).data
    return builder.bitcast(builder.gep(data, [arguments[1]]), _VECTOR.as_pointer())


@intrinsic
def load(_, array, index):
    """Give the eight numbers of a flat array from `index` on."""

    def generate(*where):
        return where[1].load(_address(*where), align=4)

    return lanes(array, types.intp), generate


@intrinsic
def store(_, array, index, vector):
    """Write eight numbers into a flat array from `index` on."""

    def generate(context, builder, signature, arguments):
        where = _address(context, builder, signature, arguments)
        builder.store(arguments[2], where, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), generate


@intrinsic
def splat(_, number):
    """Repeat a float32 eight times."""

    def generate(context, builder, signature, arguments):
        empty, zero = ir.Constant(_VECTOR, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        one = builder.insert_element(empty, arguments[0], zero)
        order = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return builder.shuffle_vector(one, empty, order)

    return lanes(types.float32), generate


@intrinsic
def clip(_, vector, limit):
    """Bring numbers to between -limit and limit; NaN stays."""

    def generate(context, builder, signature, arguments):
        x, high = arguments
        low = builder.fneg(high)
        x = builder.select(builder.fcmp_ordered(">", x, high), high, x)
        return builder.select(builder.fcmp_ordered("<", x, low), low, x)

    return lanes(lanes, lanes), generate


@intrinsic
def flush(_, vector):
    """Set to zero what is too small for a normal float32; NaN stays.

    Processors take a hundred times as long for such numbers, which a vanishing gradient, rounded
    at each step, would otherwise remain forever.
    """

    def generate(context, builder, signature, arguments):
        (x,), zero = arguments, ir.Constant(_VECTOR, [0.0] * LANES)
        tiny = ir.Constant(_VECTOR, [float(np.finfo(np.float32).tiny)] * LANES)
        below = builder.fcmp_ordered("<", x, tiny)
        small = builder.and_(below, builder.fcmp_ordered(">", x, builder.fneg(tiny)))
        return builder.select(small, zero, x)

    return lanes(lanes), generate


_LIMIT = np.float32(7.90531110763549805)  # from here on the nearest float32 to tanh is 1
_ODD = tuple(
    np.float32([-2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11,
                5.12229709037114e-08, 1.48572235717979e-05, 6.37261928875436e-04,
                4.89352455891786e-03])
)  # fmt: skip
_EVEN = tuple(
    np.float32([1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03,
                4.89352518554385e-03])
)  # fmt: skip


@_inner
def _polynomial(coefficients, x):
    value = splat(coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + splat(coefficient)
    return value


@_inner
def tanh(x):
    """Hyperbolic tangent of a vector, to 3e-7: a quotient of polynomials (that of Eigen)."""
    x = clip(x, splat(_LIMIT))
    return x * _polynomial(_ODD, x * x) / _polynomial(_EVEN, x * x)


@_inner
def load4(array, index):
    """Four vectors that follow each other."""
    return (
        load(array, index),
        load(array, index + LANES),
        load(array, index + 2 * LANES),
        load(array, index + 3 * LANES),
    )


@_inner
def store4(array, index, vectors):
    """Write four vectors one after the other."""
    store(array, index, vectors[0])
    store(array, index + LANES, vectors[1])
    store(array, index + 2 * LANES, vectors[2])
    store(array, index + 3 * LANES, vectors[3])


# --- One step ----------------------------------------------------------------------------------


class Sizes(NamedTuple):
    """Of the arrays that a clip is computed in; see `sizes`."""

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


@_inner
def _drive(weights, tape, t, sizes):
    """What enters the gates of step t: a times the weights (blocks, rows, 4, LANES)."""
    w = 0
    for b in range(sizes.blocks):
        i = f = g = o = splat(np.float32(0))
        for k in range(t * sizes.stride, t * sizes.stride + sizes.rows):
            a, (wi, wf, wg, wo) = splat(tape.inputs[k]), load4(weights, w)
            i += a * wi
            f += a * wf
            g += a * wg
            o += a * wo
            w += 4 * LANES
        store4(tape.gates, (t * sizes.blocks + b) * 4 * LANES, (i, f, g, o))


@_inner
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


@_inner
def _gate_gradients(tape, da, dc, t, sizes):
    """Gradients of what enters the gates of step t, in the gates' place, and of c before it."""
    one = splat(np.float32(1))
    for b in range(sizes.blocks):
        now = (t * sizes.blocks + b) * LANES
        i, f, g, o = load4(tape.gates, 4 * now)
        c, tanh_c = load(tape.cells, now), load(tape.tanhs, now)
        dh = flush(load(da, sizes.first + b * LANES))
        dc_after = flush(load(dc, b * LANES) + dh * (o * (one - tanh_c * tanh_c)))
        di = dc_after * (g * i * (one - i))
        df = dc_after * (c * f * (one - f))
        dg = dc_after * (i * (one - g * g))
        do = dh * (tanh_c * o * (one - o))
        store4(tape.gates, 4 * now, (di, df, dg, do))
        store(dc, b * LANES, dc_after * f)


@_inner
def _input_gradients(transposed, tape, da, t, sizes):
    """Gradient of a: `transposed`, (rows / LANES, blocks, LANES, 4, LANES), ends with the rows."""
    w = 0
    for row in range(0, sizes.rows, LANES):
        i = f = g = o = splat(np.float32(0))  # four sums, for one would wait for itself
        for b in range(sizes.blocks):
            z = (t * sizes.blocks + b) * 4 * LANES
            for k in range(z, z + LANES):
                wi, wf, wg, wo = load4(transposed, w)
                i += splat(tape.gates[k]) * wi
                f += splat(tape.gates[k + LANES]) * wf
                g += splat(tape.gates[k + 2 * LANES]) * wg
                o += splat(tape.gates[k + 3 * LANES]) * wo
                w += 4 * LANES
        store(da, row, (i + f) + (g + o))


@_inner
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


@_inner
def _copy(source, begin, target, to, count):
    for k in range(count):
        target[to + k] = source[begin + k]


@_inner
def _place(t, length, reverse):
    """Where the input holds what step t reads."""
    return length - 1 - t if reverse else t


@_inner
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


@_compiled
def forward(weights, x, length, reverse, state, starts, sequence, tape, sizes):
    """Take `state` over all steps of a clip.

    Parameters
    ----------
    weights : float32 array
        The first of `packed`.
    x : float32 array, shape (time, features)
    length : int
        Valid steps.
    reverse : bool
        Begin with the last valid step.
    state : float32 array, shape (2 * width,)
        h and c, with their padding; changed in place.
    starts : float32 array, shape (chunks, 2 * width)
        For the state before each chunk; left alone from the first chunk that is not needed.
    sequence : float32 array, shape (time, units) or (0, units)
        For h after each step, where the input has the step.
    tape : Tape
        Room for a chunk.
    sizes : Sizes
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


@_inner
def _vanished(da, dc, sizes):
    total = np.float32(0)
    for k in range(sizes.width):
        total += abs(da[sizes.first + k]) + abs(dc[k])
    return total == 0  # and not NaN


@_compiled
def backward(weights, x, length, reverse, da, dc, starts, d_sequence, dx, d_weights, tape, sizes):
    """Take the gradients of h and c back over all steps; other parameters as for `forward`.

    Once the gradient is zero it stays so, and the steps before, for which `dx` and `d_weights`
    would get zeros, are left out.

    Parameters
    ----------
    weights : tuple of two float32 arrays
        `packed`.
    da, dc : float32 arrays, shapes (stride,) and (width,)
        Gradients of the last h, from ``da[first]`` on, and c; replaced by those of the first.
    d_sequence : float32 array, shape (time, units) or (0, units)
        Gradient of h after each step.
    dx : float32 array, shape (time, features)
        Of zeros, for the gradient of x.
    d_weights : float32 array
        Of zeros and as the first of `packed`, for the gradient of the weights.
    """
    for chunk in range((length + CHUNK - 1) // CHUNK - 1, -1, -1):
        if len(d_sequence) == 0 and _vanished(da, dc, sizes):
            break
        start, state = chunk * CHUNK, starts[chunk]
        steps = _run_chunk(weights[0], x, length, reverse, start, state, tape, sizes)
        for t in range(steps - 1, -1, -1):
            at = _place(start + t, length, reverse)
            for unit in range(sizes.units if len(d_sequence) else 0):
                da[sizes.first + unit] += d_sequence[at, unit]
            _gate_gradients(tape, da, dc, t, sizes)
            _input_gradients(weights[1], tape, da, t, sizes)
            for feature in range(sizes.features):
                dx[at, feature] = da[1 + feature]
        _add_weight_gradients(d_weights, tape, steps, sizes)


def new_tape(sizes: Sizes) -> Tape:
    """Give a tape of zeros, which the padding stays at."""
    lengths = (
        (CHUNK + 1) * sizes.stride,
        CHUNK * 4 * sizes.width,
        (CHUNK + 1) * sizes.width,
        CHUNK * sizes.width,
    )
    return Tape(*(np.zeros(length, np.float32) for length in lengths))


# --- The weights -------------------------------------------------------------------------------


def sizes(features: int, units: int) -> Sizes:
    """Sizes for a number of features and of units."""
    first, blocks = 1 + features, -(-units // LANES)
    rows, width = -(-(first + units) // LANES) * LANES, blocks * LANES
    return Sizes(features, units, blocks, width, rows, first, max(rows, first + width))


def packed(kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray, sizes: Sizes):
    """Weights in the order in which `forward` reads them and in that of `backward`, flat.

    Parameters
    ----------
    kernel, recurrent, bias : float32 arrays
        As `keras.layers.LSTM` has them: (features, 4 * units), (units, 4 * units), (4 * units,).
    sizes : Sizes
    """
    lines = np.concatenate([bias[None], kernel, recurrent]).reshape(-1, 4, sizes.units)
    full = np.zeros((sizes.rows, 4, sizes.width), np.float32)
    full[: len(lines), :, : sizes.units] = lines
    full = full.reshape(-1, LANES, 4, sizes.blocks, LANES)  # row, its lane, gate, block, lane
    halves = full * np.float32([0.5, 0.5, 1, 0.5])[:, None, None]  # sigmoid(z) has tanh(z / 2)
    ahead = halves.transpose(3, 0, 1, 2, 4)
    back = full.transpose(0, 3, 4, 2, 1)
    return np.ascontiguousarray(ahead).ravel(), np.ascontiguousarray(back).ravel()


def unpacked(d_weights: np.ndarray, sizes: Sizes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of kernel, recurrent and bias from those of the first of `packed`."""
    full = d_weights.reshape(sizes.blocks, sizes.rows, 4, LANES).transpose(1, 2, 0, 3)
    lines = full.reshape(sizes.rows, 4, -1)[:, :, : sizes.units].reshape(sizes.rows, -1)
    first = sizes.first
    return lines[1:first], lines[first : first + sizes.units], lines[0]
