"""Batches that stream from disk while the network trains (paper section 3.2.4).

Memory use does not grow with the data set: a few batches are in flight at a time.
Notebook: 02_data_preparation.ipynb.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd

from irmas_utils.audio.features import label_matrix
from irmas_utils.project.errors import AudioError
from irmas_utils.project.parallel import threads

Loader = Callable[[str], np.ndarray]

_AHEAD = 4  # batches that are read before they are asked for, at the most


def epoch_order(n_clips: int, seed: int, epoch: int) -> np.ndarray:
    """Give a permutation that depends on seed and epoch alone, so that training can resume."""
    return np.random.default_rng([seed, epoch]).permutation(n_clips)


class Batches:
    """Batches of clips, read ahead by threads: iterate over it, as often as you like.

    Gives ``(x, y)`` for one batch after the other: ``x = join(vectors)`` of the clips'
    ``load(path)``, and y float32 (batch, 11). Raises what `load` and `join` raise.
    """

    def __init__(
        self,
        clips: pd.DataFrame,
        load: Loader,
        join: Callable,
        batch_size: int,
        order: np.ndarray | None,
    ) -> None:
        self.paths, self.labels = clips["path"].to_numpy(), label_matrix(clips["labels"])
        self.load, self.join = load, join
        order = np.arange(len(clips)) if order is None else order
        self.chunks = [order[at : at + batch_size] for at in range(0, len(order), batch_size)]

    def __len__(self) -> int:
        return len(self.chunks)

    def __iter__(self) -> Iterator[tuple]:
        waiting: deque = deque()
        with ThreadPoolExecutor(min(_AHEAD, threads())) as pool:
            for chunk in self.chunks:
                waiting.append(pool.submit(self._read, chunk))
                if len(waiting) == _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _read(self, chunk: np.ndarray) -> tuple:
        return self.join([self.load(path) for path in self.paths[chunk]]), self.labels[chunk]


def fixed_batches(
    clips: pd.DataFrame,
    load: Loader,
    n_features: int,
    batch_size: int,
    order: np.ndarray | None = None,
) -> Batches:
    """Stream clips, rows of the index, as feature vectors: ``load(path)``, float32 (n_features,).

    They come in the order of `order`, their positions, or else as they are. x is float32 (batch,
    n_features); the last batch may be smaller. An `AudioError` in the stream names the clip that
    has other than `n_features`.
    """

    def load_whole(path: str) -> np.ndarray:
        if (x := load(path)).shape != (n_features,):
            remedy = "Give the loader and the batches the same number of features."
            raise AudioError(path, f"features of the shape {x.shape}", f"({n_features},)", remedy)
        return x

    return Batches(clips, load_whole, lambda vectors: _stack(vectors)[0], batch_size, order)


def waveform_batches(
    clips: pd.DataFrame, load: Loader, batch_size: int, order: np.ndarray | None = None
) -> Batches:
    """Stream clips as waveforms of their own lengths; parameters as for `fixed_batches`.

    x is ``(waveform, length)``: float32 (batch, longest), zeros after each clip, and int32
    (batch,), in samples.
    """
    return Batches(clips, load, _stack, batch_size, order)


def _stack(vectors: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors as rows, zeros after each, and their lengths: (n, longest) and (n,)."""
    lengths = np.array([len(vector) for vector in vectors], np.int32)
    size = len(vectors) * int(lengths.max())
    # TensorFlow can take over an array that starts at a multiple of 64 bytes, and no other.
    memory = np.empty(size + 16, np.float32)
    start = -memory.ctypes.data % 64 // 4
    rows = memory[start : start + size].reshape(len(vectors), -1)
    for row, vector, length in zip(rows, vectors, lengths, strict=True):
        row[:length] = vector
        row[length:] = 0
    return rows, lengths
