import numpy as np
import pytest
from numpy.testing import assert_allclose

from irmas_utils.models import losses
from irmas_utils.project.backend import keras, set_determinism, tf


@pytest.fixture(scope="module")
def batch():
    """Inputs, one-hot labels and a sigmoid layer as the paper has it, with logits up to +-40."""
    set_determinism(0)
    rng = np.random.default_rng(0)
    x = rng.normal(scale=4.0, size=(6, 5)).astype(np.float32)
    y = np.eye(11, dtype=np.float32)[rng.integers(11, size=6)]
    layer = keras.layers.Dense(11, activation="sigmoid", kernel_initializer="random_normal")
    layer.build((None, 5))
    layer.kernel.assign(layer.kernel * 60)
    return tf.constant(x), tf.constant(y), layer


def with_gradient(function, kernel):
    with tf.GradientTape() as tape:
        value = tf.reduce_mean(function())
    return value.numpy(), tape.gradient(value, kernel).numpy()


def test_paper_loss_is_what_keras_computes_from_cached_logits(batch):
    x, y, layer = batch
    ours = with_gradient(lambda: losses.paper(y, x @ layer.kernel + layer.bias), layer.kernel)
    from_logits = keras.losses.CategoricalCrossentropy(from_logits=True)
    theirs = with_gradient(lambda: from_logits(y, x @ layer.kernel + layer.bias), layer.kernel)
    assert_allclose(ours[0], theirs[0], rtol=1e-6)
    assert_allclose(ours[1], theirs[1], rtol=1e-5, atol=1e-7)


def test_todays_keras_still_takes_the_logits_behind_a_sigmoid(batch):
    x, y, layer = batch
    on_scores = keras.losses.CategoricalCrossentropy()
    theirs = with_gradient(lambda: on_scores(y, layer(x)), layer.kernel)
    ours = with_gradient(lambda: losses.paper(y, x @ layer.kernel + layer.bias), layer.kernel)
    assert_allclose(ours[0], theirs[0], rtol=1e-6)
    assert_allclose(ours[1], theirs[1], rtol=1e-5, atol=1e-7)


def test_fit_and_evaluate_of_todays_keras_agree_with_the_paper_loss(batch):
    x, y, layer = batch
    inputs = keras.Input((5,))
    model = keras.Model(inputs, layer(inputs))
    model.compile("sgd", "categorical_crossentropy")
    model.optimizer.learning_rate = 0.0
    expected = float(tf.reduce_mean(losses.paper(y, x @ layer.kernel + layer.bias)))
    assert model.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-5)
    history = model.fit(x, y, batch_size=6, verbose=0).history
    assert history["loss"][0] == pytest.approx(expected, rel=1e-5)


def test_scores_without_cached_logits_are_divided_by_their_sum(batch):
    x, y, layer = batch
    scores = layer(x).numpy()
    value = keras.losses.CategoricalCrossentropy()(y, scores)
    shares = np.clip(scores / scores.sum(axis=1, keepdims=True), 1e-7, 1)
    expected = -np.log(shares[y.numpy() == 1]).mean()
    assert float(value) == pytest.approx(expected, rel=1e-5)
    paper = float(tf.reduce_mean(losses.paper(y, x @ layer.kernel + layer.bias)))
    assert abs(float(value) - paper) > 0.1


def test_binary_loss_is_kerass_and_exact_at_large_logits(batch):
    x, y, layer = batch
    logits = x @ layer.kernel + layer.bias
    expected = keras.losses.BinaryCrossentropy(from_logits=True)(y, logits)
    assert float(tf.reduce_mean(losses.binary(y, logits))) == pytest.approx(float(expected))
    assert float(losses.binary(tf.ones((1, 1)), tf.constant([[-500.0]]))[0]) == 500.0


def test_paper_loss_ignores_a_shift_of_all_logits_and_binary_does_not(batch):
    x, y, layer = batch
    logits = x @ layer.kernel
    assert_allclose(losses.paper(y, logits + 3), losses.paper(y, logits), atol=1e-5)
    assert np.abs(losses.binary(y, logits + 3) - losses.binary(y, logits)).max() > 0.1


@pytest.mark.parametrize("jit_compile", [False, True])
def test_several_labels_give_the_gradient_of_the_sum(jit_compile):
    logits, y = tf.constant([[0.5, -1.0, 2.0]]), tf.constant([[1.0, 1.0, 0.0]])

    @tf.function(jit_compile=jit_compile)
    def gradient(logits):
        return tf.gradients(tf.reduce_sum(losses.paper(y, logits)), logits)[0]

    assert_allclose(gradient(logits), 2 * tf.nn.softmax(logits) - y, atol=1e-6)
