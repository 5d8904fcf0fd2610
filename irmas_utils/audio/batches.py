"""Batches that stream from disk while the network trains (paper section 3.2.4).

Memory use does not grow with the data set: a few batches are in flight at a time.
Notebook: 02_data_preparation.ipynb.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from irmas_utils.audio.features import label_matrix
from irmas_utils.project.backend import tf
from irmas_utils.project.errors import AudioError

Loader = Callable[[str], np.ndarray]


def epoch_order(n_clips: int, seed: int, epoch: int) -> np.ndarray:
    """Give a permutation that depends on seed and epoch alone, so that training can resume."""
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
        Rows of `data.index.load_index`.
    load : callable
        ``load(path) -> (n_features,)`` float32, for example a `audio.cache.FeatureCache`.
    order : numpy.ndarray of int, optional
        Positions of the clips in the order of visits; the table's order when None.

    Returns
    -------
    tf.data.Dataset
        Of ``(x, y)``: x float32 (batch, n_features), y float32 (batch, 11). The last batch may
        be smaller. An `AudioError` in the stream names the clip that has other than `n_features`.
    """

    def load_whole(path: str) -> np.ndarray:
        x = load(path)
        if x.shape != (n_features,):
            raise AudioError(
                path,
                found=f"features of the shape {x.shape}",
                expected=f"({n_features},)",
                remedy="Give the loader and the batches the same number of features.",
            )
        return x

    batches = _loaded(clips, load_whole, batch_size, order)
    whole = batches.map(lambda x, length, y: (tf.ensure_shape(x, (None, n_features)), y))
    return whole.prefetch(tf.data.AUTOTUNE)


def waveform_batches(
    clips: pd.DataFrame, load: Loader, batch_size: int, order: np.ndarray | None = None
) -> tf.data.Dataset:
    """Stream clips as waveforms of their own lengths; parameters as for `fixed_batches`.

    Returns
    -------
    tf.data.Dataset
        Of ``((waveform, length), y)``: waveform float32 (batch, longest), zeros after each clip;
        length int32 (batch,), in samples; y float32 (batch, 11).
    """
    batches = _loaded(clips, load, batch_size, order)
    return batches.map(lambda x, length, y: ((x, length), y)).prefetch(tf.data.AUTOTUNE)


def _loaded(
    clips: pd.DataFrame, load: Loader, batch_size: int, order: np.ndarray | None
) -> tf.data.Dataset:
    """Stream ``(x, length, y)``, a whole batch loaded at a time: x (batch, longest)."""
    paths = clips["path"].to_numpy()
    labels = label_matrix(clips["labels"])

    def load_at(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _stack([load(paths[position]) for position in positions])

    def fetch(positions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        types = (tf.float32, tf.int32)
        x, length = tf.numpy_function(load_at, [positions], types, stateful=False)
        y = tf.gather(labels, positions)
        return tf.ensure_shape(x, (None, None)), tf.ensure_shape(length, (None,)), y

    order = np.arange(len(clips)) if order is None else order
    positions = tf.data.Dataset.from_tensor_slices(order).batch(batch_size)
    return positions.map(fetch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def _stack(vectors: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors as rows, zeros after each, and their lengths: (n, longest) and (n,)."""
    lengths = np.array([len(vector) for vector in vectors], np.int32)
    size = len(vectors) * int(lengths.max())
    # TensorFlow takes over an array that starts at a multiple of 64 bytes and copies any other.
    memory = np.empty(size + 16, np.float32)
    start = -memory.ctypes.data % 64 // 4
    rows = memory[start : start + size].reshape(len(vectors), -1)
    for row, vector, length in zip(rows, vectors, lengths, strict=True):
        row[:length] = vector
        row[length:] = 0
    return rows, lengths
