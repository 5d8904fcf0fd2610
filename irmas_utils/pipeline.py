"""Batches that stream from disk while the network trains (paper section 3.2.4).

Memory use does not grow with the data set: a few batches are in flight at a time. The order of
epoch *e* depends on the seed and on *e* alone, so a resumed training sees what an undisturbed
one would have seen. Notebook: 02_data_preparation.ipynb.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from irmas_utils import INSTRUMENTS
from irmas_utils.backend import tf
from irmas_utils.features import label_matrix

Loader = Callable[[str], np.ndarray]


def epoch_order(n_clips: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order in which epoch `epoch` visits the clips: a permutation, (n_clips,)."""
    return np.random.default_rng([seed, epoch]).permutation(n_clips)


def fixed_batches(
    clips: pd.DataFrame,
    load: Loader,
    n_features: int,
    batch_size: int,
    order: np.ndarray | None = None,
) -> tf.data.Dataset:
    """Stream clips as feature vectors.

    Parameters
    ----------
    clips : pandas.DataFrame
        Rows of `irmas_utils.dataset.load_index`.
    load : callable
        ``load(path) -> (n_features,)`` float32, for example a `irmas_utils.cache.FeatureCache`.
    n_features, batch_size : int
    order : numpy.ndarray of int, optional
        Positions of the clips to visit, in this order; the table's order when None.

    Returns
    -------
    tf.data.Dataset
        Of ``(x, y)``: x float32 (batch, n_features), y float32 (batch, 11). The last batch may
        be smaller.
    """
    return _loaded(clips, load, order, (n_features,)).batch(batch_size).prefetch(tf.data.AUTOTUNE)


def waveform_batches(
    clips: pd.DataFrame, load: Loader, batch_size: int, order: np.ndarray | None = None
) -> tf.data.Dataset:
    """Stream clips as waveforms of their own lengths.

    Parameters
    ----------
    clips, batch_size, order
        As `fixed_batches`.
    load : callable
        ``load(path) -> (n_samples,)`` float32; lengths may differ.

    Returns
    -------
    tf.data.Dataset
        Of ``((waveform, length), y)``: waveform float32 (batch, time), with zeros after each
        clip up to the longest of the batch; length int32 (batch,), in samples; y float32
        (batch, 11).
    """
    shapes = (([None], []), [len(INSTRUMENTS)])
    with_length = _loaded(clips, load, order, (None,)).map(lambda x, y: ((x, tf.size(x)), y))
    return with_length.padded_batch(batch_size, shapes).prefetch(tf.data.AUTOTUNE)


def _loaded(
    clips: pd.DataFrame, load: Loader, order: np.ndarray | None, shape: tuple[int | None, ...]
) -> tf.data.Dataset:
    paths = clips["path"].to_numpy()
    labels = label_matrix(clips["labels"])

    def load_at(position: np.ndarray) -> np.ndarray:
        return load(paths[position]).astype(np.float32, copy=False)

    def fetch(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        x = tf.numpy_function(load_at, [position], tf.float32, stateful=False)
        return tf.ensure_shape(x, shape), tf.gather(labels, position)

    positions = np.arange(len(clips)) if order is None else order
    return tf.data.Dataset.from_tensor_slices(positions).map(
        fetch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
