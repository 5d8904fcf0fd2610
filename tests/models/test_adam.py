"""`models.adam` against Keras's own Adam."""

import numpy as np
import pytest

from irmas_utils.models.adam import FusedAdam
from irmas_utils.project.backend import keras, tf


def _trained(optimizer_class, ema, jit_compile, n_steps=30):
    rng = np.random.default_rng(0)
    start = [rng.normal(size=shape).astype(np.float32) for shape in ((5, 3), (3,), ())]
    variables = [keras.Variable(value) for value in start]
    options = {"use_ema": True, "ema_momentum": 0.9} if ema else {}
    rate = keras.optimizers.schedules.CosineDecay(0.1, n_steps)
    optimizer = optimizer_class(rate, **options)
    optimizer.build(variables)

    @tf.function(jit_compile=jit_compile)
    def step(*gradients):
        optimizer.apply(gradients, variables)

    for _ in range(n_steps):
        step(*[tf.constant(rng.normal(size=v.shape).astype(np.float32)) for v in variables])
    moving = [v.numpy() for v in [*variables, *optimizer.variables]]
    optimizer.finalize_variable_values(variables)
    return moving + [v.numpy() for v in variables]


@pytest.mark.parametrize("ema", [False, True])
def test_gradients_may_be_gathered_over_steps(ema):
    found = []
    for kind in (FusedAdam, keras.optimizers.Adam):
        weights = keras.Variable(np.ones(3, np.float32))
        optimizer = kind(0.1, gradient_accumulation_steps=3, use_ema=ema)
        optimizer.build([weights])
        for step in range(7):
            optimizer.apply([tf.constant([1.0, -2.0, step])], [weights])
        found.append(weights.numpy())
    np.testing.assert_allclose(*found, rtol=1e-5)


@pytest.mark.parametrize("ema", [False, True])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_it_is_adam(ema, jit_compile):
    ours = _trained(FusedAdam, ema, jit_compile)
    theirs = _trained(keras.optimizers.Adam, ema, jit_compile)
    for found, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)
