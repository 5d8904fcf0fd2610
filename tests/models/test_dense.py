import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from irmas_utils.models import dense, fft, layers, training
from irmas_utils.models.dense import DenseTrainer
from irmas_utils.project import settings
from irmas_utils.project.backend import keras, set_determinism


def batches(*sizes, n_features=30):
    rng = np.random.default_rng(0)
    labels = [np.eye(11, dtype=np.float32)[rng.integers(11, size=n)] for n in sizes]
    return [(rng.normal(size=(len(y), n_features)).astype(np.float32), y) for y in labels]


def trained(kind, *epochs, widths=(16, 70, 5, 40)):
    """The variables and the histories of training by an epoch after another."""
    set_determinism(1)
    trainer = kind(fft.build(30, widths), "paper", 1e-2)
    history = [trainer.train(epoch, n, len(epochs), False) for n, epoch in enumerate(epochs, 1)]
    return [variable.numpy() for variable in trainer.variables], history


@pytest.mark.parametrize("sizes", [(1,), (2, 2, 1), (4, 4), (3, 4)])
@pytest.mark.parametrize("slab", [64, 2**20])
def test_it_trains_as_tensorflow_does(sizes, slab, monkeypatch):
    monkeypatch.setattr(dense, "_SLAB", slab)
    epochs = [batches(*sizes)] * 3
    ours, our_history = trained(DenseTrainer, *epochs)
    theirs, their_history = trained(training.Trainer, *epochs)
    for mine, other in zip(ours, theirs, strict=True):
        assert_allclose(mine, other, rtol=1e-4, atol=2e-5)
    assert [row["accuracy"] for row in our_history] == [row["accuracy"] for row in their_history]


def test_more_clips_than_it_holds_in_registers_are_refused():
    with pytest.raises(ValueError, match="a batch of 5 clips; expected at most 4"):
        trained(DenseTrainer, batches(5))


def test_bits_do_not_depend_on_the_number_of_threads(monkeypatch):
    monkeypatch.setattr(dense, "_SLAB", 64)
    outcomes = []
    for number in "1", "2", "5":
        monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", number)
        outcomes.append(trained(DenseTrainer, batches(4, 4, 3), batches(2))[0])
    for one, *others in zip(*outcomes, strict=True):
        for other in others:
            assert_array_equal(other, one)


def test_weights_that_others_assign_are_the_ones_it_goes_on_from():
    whole, _ = trained(DenseTrainer, batches(4, 4), batches(3, 4))
    set_determinism(1)
    first = DenseTrainer(fft.build(30, (16, 70, 5, 40)), "paper", 1e-2)
    first.train(batches(4, 4), 1, 2, False)
    second = DenseTrainer(fft.build(30, (16, 70, 5, 40)), "paper", 1e-2)
    second.train(batches(2), 1, 2, False)
    for variable, value in zip(second.variables, first.variables, strict=True):
        variable.assign(value.numpy())
    second.train(batches(3, 4), 2, 2, False)
    for variable, expected in zip(second.variables, whole, strict=True):
        assert_array_equal(variable.numpy(), expected)


def test_not_a_number_reaches_the_loss():
    bad = batches(4)
    bad[0][0][1, 2] = np.nan
    with pytest.raises(training.TrainingError, match="batch 1: found a loss of nan"):
        trained(DenseTrainer, bad)


@pytest.mark.parametrize(
    ("size", "samples", "kind"),
    [(4, 480, DenseTrainer), (5, 480, training.Trainer), (4, 240, training.Trainer)],
)
def test_few_clips_a_batch_for_a_wide_layer_are_trained_in_place(size, samples, kind, monkeypatch):
    monkeypatch.setattr(DenseTrainer, "wide", 240 * 64)
    own = settings.load("smoke", fft={"batch_size": size, "samples": samples, "dense": [64, 5]}).fft
    network = fft.Network(own)
    assert type(network.trainer(network.build(), "paper", 1e-3)) is kind


def relu(widths, **options):
    """A network of ReLU in place of leaky ReLU, or with other options of its first layer."""
    x = first = keras.Input((30,))
    for width in widths:
        x = keras.layers.Dense(width, **(options if x is first else {}))(x)
        x = keras.layers.LeakyReLU(0.01 if options else 0.0)(x)
    return keras.Model(first, layers.scores(x))


@pytest.mark.parametrize(
    ("options", "suits"),
    [
        ({"use_bias": True}, True),
        ({}, False),
        ({"use_bias": False}, False),
        ({"activation": "tanh"}, False),
        ({"trainable": False}, False),
        ({"kernel_regularizer": "l2"}, False),
        ({"kernel_constraint": "non_neg"}, False),
    ],
)
def test_another_network_is_not_trained_as_if_it_were_this_one(options, suits, monkeypatch):
    monkeypatch.setattr(DenseTrainer, "wide", 1)
    model = relu([4, 5], **options)
    assert DenseTrainer.suits(model, 4) == suits
    dropped = keras.layers.Dropout(0.5)(model.get_layer("logits").input)
    assert not DenseTrainer.suits(keras.Model(model.input, layers.scores(dropped)), 4)
