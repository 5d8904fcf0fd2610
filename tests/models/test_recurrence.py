import os
import subprocess
import sys
from functools import partial

import numba
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from irmas_utils.models import lanes, recurrence
from irmas_utils.models.lstm_kernel import CHUNK
from irmas_utils.models.recurrence import LastState
from irmas_utils.project import parallel, paths
from irmas_utils.project.backend import keras, set_determinism, tf

LENGTHS = np.array([2 * CHUNK + 5, CHUNK, CHUNK - 1, 1, 0], np.int32)
TIME = LENGTHS[0] + 3


@pytest.fixture(scope="module", autouse=True)
def seeded():
    set_determinism(0)


def normal(*shape, seed=0, scale=1.0):
    return np.random.default_rng(seed).normal(scale=scale, size=shape).astype(np.float32)


def problem(units, features, lengths=LENGTHS, time=TIME, seed=0):
    """x, kernel, recurrent kernel and bias."""
    shapes = [(len(lengths), time, features)]
    shapes += [(features, 4 * units), (units, 4 * units), (4 * units,)]
    scales = [1, 0.5, 0.7 / units**0.5, 0.5]
    return [
        normal(*shape, seed=seed + k, scale=scale)
        for k, (shape, scale) in enumerate(zip(shapes, scales, strict=True))
    ]


def outcome(run, lengths, arrays, dtype=tf.float32):
    """Outputs of `run`, and the gradients of a sum of all of them with various weights."""

    @tf.function
    def differentiated(arrays):
        with tf.GradientTape() as tape:
            tape.watch(arrays)
            outputs = run(arrays[0], lengths, *arrays[1:])
            total = sum(tf.reduce_sum(y * wave(tf.shape(y))) for y in outputs)
        return (*outputs, *tape.gradient(total, arrays))

    def wave(shape):
        places = tf.range(tf.reduce_prod(shape))
        return tf.reshape(tf.sin(tf.cast(places, dtype)), shape)

    return [value.numpy() for value in differentiated([tf.constant(a, dtype) for a in arrays])]


def keras_layer(units: int, features: int, sequences: bool, reverse: bool) -> keras.layers.LSTM:
    """Build a layer for `keras_lstm`."""
    layer = keras.layers.LSTM(
        units, return_sequences=sequences, return_state=True, go_backwards=reverse,
        kernel_initializer="zeros", recurrent_initializer="zeros", seed=0, name="keras",
    )  # fmt: skip
    layer.build((None, None, features))
    return layer


def keras_lstm(layer: keras.layers.LSTM, x, length, *weights):
    """Do what `lstm` does by means of Keras's layer."""
    # Keras refuses clips of no steps, so these get one whose result is not used.
    valid = tf.sequence_mask(tf.maximum(length, 1), tf.shape(x)[1])
    others = [variable.value for variable in layer.non_trainable_variables]
    (sequence, last, _), _ = layer.stateless_call(weights, others, x, mask=valid)
    last = tf.where(length[:, None] > 0, last, 0.0)
    if not layer.return_sequences:
        return sequence[:, None][:, :0], last
    sequence = sequence[:, ::-1] if layer.go_backwards else sequence
    real = tf.sequence_mask(length, tf.shape(x)[1])[:, :, None]
    return tf.where(real, sequence, 0.0), last


def in_float64(units, features, sequences, reverse):
    keras.config.set_dtype_policy("float64")
    try:
        return partial(keras_lstm, keras_layer(units, features, sequences, reverse))
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize(("units", "features"), [(22, 1), (6, 3), (16, 1), (1, 40)])
def test_values_and_gradients_are_those_of_keras_in_float64(units, features, sequences, reverse):
    arrays = problem(units, features)
    ours = partial(recurrence.lstm, sequences=sequences, reverse=reverse)
    reference = in_float64(units, features, sequences, reverse)
    expected = outcome(reference, LENGTHS, arrays, tf.float64)
    for mine, theirs in zip(outcome(ours, LENGTHS, arrays), expected, strict=True):
        assert mine.shape == theirs.shape
        assert_allclose(mine, theirs, rtol=0, atol=1e-5 * max(1, np.abs(theirs).max(initial=0)))


def test_two_thousand_steps_stay_within_1e_4_of_keras_in_float64():
    lengths = np.array([2000, 1999], np.int32)
    arrays = problem(22, 1, lengths, 2000)
    reference = in_float64(22, 1, True, False)
    expected = outcome(reference, lengths, arrays, tf.float64)
    ours = outcome(partial(recurrence.lstm, sequences=True), lengths, arrays)
    for mine, theirs in zip(ours, expected, strict=True):
        assert np.linalg.norm(mine - theirs) < 1e-4 * np.linalg.norm(theirs)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("sequences", [False, True])
def test_layer_equals_keras_lstm(sequences, reverse):
    x, lengths = tf.constant(normal(5, TIME, 2)), tf.constant(LENGTHS)
    theirs = keras.layers.LSTM(6, return_sequences=sequences, go_backwards=reverse)
    mask = tf.sequence_mask(lengths, TIME)
    expected = tf.function(theirs)(x, mask=mask).numpy()
    if sequences:
        expected = (expected[:, ::-1] if reverse else expected) * mask[:, :, None].numpy()
    ours = LastState(6, sequences, reverse)
    ours.build([x.shape, (5,)])
    ours.set_weights(theirs.get_weights())
    assert_allclose(ours((x, lengths)), expected, atol=1e-6)
    assert_allclose(tf.function(ours)((x, lengths)), expected, atol=1e-6)


def test_layers_stack_in_both_directions_and_train():
    x, length = keras.Input((None, 2)), keras.Input((), dtype="int32")
    ahead, back = (LastState(4, sequences=True, reverse=r)((x, length)) for r in (False, True))
    assert ahead.shape == (None, None, 4)
    both = keras.layers.Concatenate()([ahead, back])
    model = keras.Model([x, length], keras.layers.Dense(1)(LastState(3)((both, length))))
    model.compile("adam", "mse")
    data = [normal(5, TIME, 2), LENGTHS]
    before = model.predict(data, verbose=0)
    history = model.fit(data, np.ones((5, 1)), epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert np.abs(model.predict(data, verbose=0) - before).max() > 0


def test_initial_weights_are_drawn_as_keras_draws_them():
    ours, theirs = LastState(6), keras.layers.LSTM(6)
    ours.build([(None, None, 2), (None,)])
    theirs.build((None, None, 2))
    kernel, recurrent, bias = ours.get_weights()
    assert np.abs(kernel).max() <= np.sqrt(6 / (2 + 24))
    assert_allclose(recurrent @ recurrent.T, np.eye(6), atol=1e-5)
    assert_allclose(bias, theirs.get_weights()[2])


def test_a_layer_saved_before_there_were_options_loads():
    config = {"name": "lstm", "trainable": True, "dtype": "float32", "units": 5}
    assert LastState.from_config(config).get_config() | config == LastState(5).get_config() | config
    assert keras.saving.get_registered_name(LastState) == "irmas_utils>LastState"


@pytest.mark.parametrize("features", [2, 30])
@pytest.mark.parametrize("place", range(4))
def test_nan_reaches_the_state_and_the_gradients(place, features):
    arrays = problem(6, features)
    arrays[place].flat[0] = np.nan
    _, state, *gradients = outcome(recurrence.lstm, LENGTHS, arrays)
    assert np.isnan(state[0]).any()
    assert np.isnan(gradients[1]).any()  # of the kernel


@pytest.mark.parametrize("features", [2, 30])
def test_what_is_beyond_the_end_is_not_read(features):
    arrays = problem(6, features)
    expected = outcome(recurrence.lstm, LENGTHS, arrays)
    for row, length in enumerate(LENGTHS):
        arrays[0][row, length:] = np.nan
    for mine, theirs in zip(outcome(recurrence.lstm, LENGTHS, arrays), expected, strict=True):
        assert_array_equal(mine, theirs)


def test_a_vanished_gradient_is_zero_and_what_it_leaves_out_too():
    """With f of 1/2 the gradient falls below the smallest float32 within 200 steps."""
    x, kernel, recurrent, bias = problem(6, 1, [1000], 1000)
    arrays = [x, 0.01 * kernel, 0.01 * recurrent, 0 * bias]
    _, _, dx, *_ = outcome(recurrence.lstm, np.array([1000]), arrays)
    assert (dx[0, -100:] != 0).all()
    assert (dx[0, :700] == 0).all()


def test_bits_do_not_depend_on_the_number_of_threads(monkeypatch):
    lengths = np.resize(LENGTHS[:4], 9)
    arrays = problem(22, 1, lengths)
    run = partial(recurrence.lstm, sequences=True)
    outcomes = []
    for number in "1", "2", "5":
        monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", number)
        assert parallel.threads() == int(number)
        outcomes.append(outcome(run, lengths, arrays))
    for values in zip(*outcomes, strict=True):
        assert_array_equal(values[1], values[0])
        assert_array_equal(values[2], values[0])


def test_a_clip_does_not_depend_on_its_batch():
    arrays = problem(22, 1)
    together = outcome(recurrence.lstm, LENGTHS, arrays)
    alone = outcome(recurrence.lstm, LENGTHS[1:2], [arrays[0][1:2], *arrays[1:]])
    assert_array_equal(alone[1], together[1][1:2])


def test_tanh_is_accurate_to_3e_7():
    @numba.njit
    def apply(x):
        for k in range(0, x.size, lanes.LANES):
            lanes.store(x, k, lanes.tanh(lanes.load(x, k)))

    x = np.linspace(-12, 12, 80_000, dtype=np.float32)
    y = np.concatenate([x, np.float32([np.inf, -np.inf, np.nan, 0, 1e-20, 1e-40, 88, -1e30])])
    expected = np.tanh(y.astype(np.float64))
    apply(y)
    assert_allclose(y, expected, atol=3e-7, rtol=3e-7)
    assert np.abs(y[:-8]).max() <= 1


def test_compiled_code_is_kept_in_the_cache_and_need_not_be(tmp_path):
    """The second folder cannot be made: a file is in its place."""
    (tmp_path / "file").touch()
    program = """
import numpy as np
from irmas_utils.models import lstm_kernel as k
sizes = k.sizes(1, 2)
ahead = k.packed(*(np.ones(s, np.float32) for s in ((1, 8), (2, 8), (8,))), sizes)
x, state, starts = (np.zeros(s, np.float32) for s in ((4, 1), 16, (1, 16)))
k.forward(ahead, x, 4, False, state, starts, np.zeros((0, 2), np.float32), k.new_tape(sizes), sizes)
print(state[0])
"""
    outputs = []
    for cache in (tmp_path / "cache", tmp_path / "file"):
        environment = os.environ | {"IRMAS_CACHE": str(cache)}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True,
            cwd=paths.ROOT,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert not done.stderr
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    assert list((tmp_path / "cache" / "numba").rglob("*.nbi"))
