import numpy as np
import pandas as pd
from numpy.testing import assert_allclose

from irmas_utils import metrics
from irmas_utils.models import losses, prior
from irmas_utils.models.adam import FusedAdam
from irmas_utils.paper import studies
from irmas_utils.paper.claims import codes, label_counts
from irmas_utils.project.backend import keras, tf

COUNTS = [5, 1, 3]


def test_batches_hold_every_clip_once_in_an_order_of_their_own():
    batches = prior.batch_labels(COUNTS, 4, seed=0, epoch=1)
    assert batches.dtype == np.float32
    assert_allclose([4, 4, 1] @ batches, COUNTS, rtol=1e-6)
    again, other = (prior.batch_labels(COUNTS, 1, seed=0, epoch=e) for e in (1, 2))
    assert_allclose(again[:4].mean(axis=0), batches[0])
    assert not np.array_equal(again, other)


def test_a_bias_is_trained_as_keras_trains_it():
    bias = keras.Variable(np.zeros((1, 3), np.float32))
    optimizer = FusedAdam(0.01)
    optimizer.build([bias])
    for epoch in (1, 2):
        for labels in prior.batch_labels(COUNTS, 4, seed=7, epoch=epoch):
            with tf.GradientTape() as tape:
                loss = losses.paper(tf.constant(labels[None]), tf.convert_to_tensor(bias))
            optimizer.apply(tape.gradient(loss, [bias.value]), [bias])
    ours = prior.train_bias(COUNTS, 4, seeds=[3, 7], epochs=2, rate=0.01)
    assert_allclose(ours[1], bias.numpy()[0], rtol=1e-4)
    assert abs(ours[0] - ours[1]).max() > 1e-4


def test_adam_moves_the_mean_of_the_logits_that_gradient_descent_keeps():
    """Which is why the labels of a constant answer depend on the size of the batch."""
    small, large = (prior.train_bias(label_counts("training"), n, range(2), epochs=2).mean()
                    for n in (2, 64))  # fmt: skip
    assert small < -0.02 < large < 0


def test_the_trained_heads_bear_out_what_notebook_05_says_of_them():
    heads = pd.read_csv(studies.CONSTANT_HEAD, keep_default_na=False)
    six = {*codes(metrics.prior_only_labels(label_counts("training"))).split()}
    assert all({*labels.split()} <= six for labels in heads["labels"])
    small, two, large = (heads.loc[heads["batch"] == n, "labels"] for n in (1, 2, 64))
    assert (large.str.split().map(set) == six).all()
    assert small.str.split().str.len().mean() < 5
    paper = (two == " ".join(metrics.PAPER_CONSTANT)).mean()
    assert 10 / 2**11 < paper < two.value_counts(normalize=True).iloc[0]
    assert (two.str.split().str.len() == 6).mean() < 1 / 4
