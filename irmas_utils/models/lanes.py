"""Vectors of eight numbers for numba, and how the project compiles with numba.

A compiler does not vectorize the loops of `models.lstm_kernel` by itself: it cannot prove that no
array overlaps another, and keeps sums in memory that belong in registers. Here a vector is a type
with its own arithmetic, which LLVM maps to the registers there are. NaN goes through all of it.
"""

import hashlib
import operator
from pathlib import Path

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.cgutils import get_or_insert_function
from numba.core.typing import signature
from numba.core.typing.templates import ConcreteTemplate, infer_global
from numba.extending import intrinsic, lower_builtin, models, register_model
from numba.np.arrayobj import make_array

from irmas_utils.project import paths

LANES = 8
"""Numbers in a vector: a register of AVX, half of one of AVX-512, two of Neon."""

inner = numba.njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""For what only compiled functions call."""


def compiled(function):
    """Compile a function at its first call, once for all processes that share the cache."""
    # numba heeds changes of the function's own file; the folder's name those of this one.
    version = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    folder = paths.cache_root() / "numba" / version
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder)
    try:
        return numba.njit(nogil=True, error_model="numpy", cache=True)(function)
    except (RuntimeError, OSError):  # there is nowhere to write to
        return numba.njit(nogil=True, error_model="numpy")(function)
    finally:
        numba.config.CACHE_DIR = before


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
    # "contract": a product and a sum may fuse.
    @infer_global(operation)
    class _Template(ConcreteTemplate):
        cases = (signature(lanes, lanes, lanes),)

    @lower_builtin(operation, lanes, lanes)
    def _lower(context, builder, _, arguments):
        return getattr(builder, instruction)(*arguments, flags=("contract",))


_define(operator.add, "fadd")
_define(operator.iadd, "fadd")
_define(operator.sub, "fsub")
_define(operator.mul, "fmul")
_define(operator.truediv, "fdiv")


def _address(context, builder, types_, arguments):
    data = make_array(types_.args[0])(context, builder, arguments[0]).data
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

    def generate(context, builder, types_, arguments):
        where = _address(context, builder, types_, arguments)
        builder.store(arguments[2], where, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), generate


@intrinsic
def splat(_, number):
    """Repeat a float32 eight times."""

    def generate(context, builder, _, arguments):
        empty, zero = ir.Constant(_VECTOR, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        one = builder.insert_element(empty, arguments[0], zero)
        order = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return builder.shuffle_vector(one, empty, order)

    return lanes(types.float32), generate


@intrinsic
def root(_, vector):
    """Square roots."""

    def generate(context, builder, _, arguments):
        kind = ir.FunctionType(_VECTOR, [_VECTOR])
        name = f"llvm.sqrt.v{LANES}f32"
        return builder.call(get_or_insert_function(builder.module, kind, name), arguments)

    return lanes(lanes), generate


@intrinsic
def pair_sums(_, first, second):
    """Sums of neighbours: four of the first vector, then four of the second."""

    def generate(context, builder, _, arguments):
        kind = ir.VectorType(ir.IntType(32), LANES)
        places = [ir.Constant(kind, [*range(k, 2 * LANES, 2)]) for k in (0, 1)]
        return builder.fadd(*(builder.shuffle_vector(*arguments, p) for p in places))

    return lanes(lanes, lanes), generate


@intrinsic
def clip(_, vector, limit):
    """Bring numbers to between -limit and limit; NaN stays."""

    def generate(context, builder, _, arguments):
        x, high = arguments
        low = builder.fneg(high)
        x = builder.select(builder.fcmp_ordered(">", x, high), high, x)
        return builder.select(builder.fcmp_ordered("<", x, low), low, x)

    return lanes(lanes, lanes), generate


@intrinsic
def flush(_, vector):
    """Set to zero what is below the normal float32 and a hundred times as slow; NaN stays."""

    def generate(context, builder, _, arguments):
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


@inner
def _polynomial(coefficients, x):
    value = splat(coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + splat(coefficient)
    return value


@inner
def tanh(x):
    """Hyperbolic tangent of a vector, to 3e-7: a quotient of polynomials (that of Eigen)."""
    x = clip(x, splat(_LIMIT))
    return x * _polynomial(_ODD, x * x) / _polynomial(_EVEN, x * x)


@inner
def load4(array, index):
    """Give four vectors that follow each other."""
    a, b = load(array, index), load(array, index + LANES)
    return a, b, load(array, index + 2 * LANES), load(array, index + 3 * LANES)


@inner
def store4(array, index, vectors):
    """Write four vectors one after the other."""
    store(array, index, vectors[0])
    store(array, index + LANES, vectors[1])
    store(array, index + 2 * LANES, vectors[2])
    store(array, index + 3 * LANES, vectors[3])
