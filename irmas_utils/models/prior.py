"""What training on the labels alone leads to: no sound, only how frequent each label is.

A network whose last state does not depend on the clip can learn nothing else, so that a batch is
its label counts. Notebook: 05_lstm_hyperparameters.ipynb.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def batch_labels(counts: ArrayLike, batch_size: int, seed: int, epoch: int) -> NDArray:
    """Mean label vector of each batch of one epoch, float32, (n_batches, n_labels).

    `counts`, (n_labels,), says how many training clips have each label, one a clip. Their order
    depends on seed and epoch alone; the last batch may be smaller.
    """
    clips = np.repeat(np.eye(len(counts), dtype=np.float32), counts, axis=0)
    shuffled = np.random.default_rng([seed, epoch]).permutation(clips)
    starts = np.arange(0, len(clips), batch_size)
    sizes = np.diff(starts, append=len(clips))
    return np.add.reduceat(shuffled, starts) / sizes[:, None].astype(np.float32)


def train_bias(
    counts: ArrayLike, batch_size: int, seeds: Sequence[int], epochs: int = 15, rate: float = 1e-3
) -> NDArray:
    """Train a bias a label, from zero, by Adam on the softmax cross-entropy, and nothing else.

    `counts` as for `batch_labels`; a seed is an order of the clips; `rate` is Adam's. Returns the
    logits at the end, float64, (n_seeds, n_labels).
    """
    logits, m, v = np.zeros((3, len(seeds), len(counts)))
    step = 0
    for epoch in range(1, epochs + 1):
        batches = np.stack([batch_labels(counts, batch_size, seed, epoch) for seed in seeds])
        for labels in batches.swapaxes(0, 1):
            step += 1
            gradient = np.exp(logits)
            gradient /= gradient.sum(axis=1, keepdims=True)
            gradient -= labels
            m += 0.1 * (gradient - m)
            v += 0.001 * (gradient**2 - v)
            root = np.sqrt(v / (1 - 0.999**step)) + 1e-7  # Keras's epsilon
            logits -= rate / (1 - 0.9**step) * m / root
    return logits
