"""A training run small enough to be killed and repeated many times."""

import numpy as np

from irmas_utils.models import training
from irmas_utils.models.layers import hidden, scores
from irmas_utils.project.backend import keras, set_determinism


def data(n, seed):
    """Noisy points around eleven centres, one a label."""
    rng = np.random.default_rng(seed)
    y = np.eye(11, dtype=np.float32)[rng.integers(11, size=n)]
    centres = np.random.default_rng(99).normal(size=(11, 20))
    return (y @ centres + 0.5 * rng.normal(size=(n, 20))).astype(np.float32), y


def batches(x, y, order, size=4):
    return [(x[i], y[i]) for i in np.array_split(order, len(order) // size)]


x, y = data(64, 0)
validation = batches(*data(32, 1), np.arange(32))


def epoch_batches(epoch):
    return batches(x, y, np.random.default_rng([7, epoch]).permutation(64))


def build():
    set_determinism(3)
    inputs = keras.Input((20,))
    noisy = keras.layers.Dropout(0.2)(hidden(inputs, [16]))  # its generator is state too
    return keras.Model(inputs, scores(noisy))


def trainer_of(model, loss="paper", learning_rate=1e-2, **options):
    return training.Trainer(model, loss, learning_rate, **options)


def fit(model, epochs, *, seed=3, checkpoint_dir=None, progress=False, trainer=None, **options):
    return training.fit(
        trainer or trainer_of(model, **options),
        epoch_batches,
        validation,
        epochs=epochs,
        seed=seed,
        checkpoint_dir=checkpoint_dir,
        progress=progress,
    )


def predict(model, batches):
    return trainer_of(model).predict(batches)
