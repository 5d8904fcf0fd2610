"""The LSTM of `models.lstm_kernel` over a batch: the clips are spread over threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from irmas_utils.models import lstm_kernel as kernel
from irmas_utils.project.parallel import threads


def _for_each(function, n_clips: int) -> None:
    """Call ``function(clip)`` for all clips, on threads that end with it: a process may fork."""
    if (count := min(threads(), n_clips)) < 2:  # to hand short clips over takes longer than they do
        list(map(function, range(n_clips)))
        return
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(function, range(n_clips)))


def forward(x, length, *weights, sequences: bool = False, reverse: bool = False):
    """Do what `models.recurrence.lstm` does, which explains the arguments, on float32 arrays.

    Returns
    -------
    sequence, state
        As there.
    starts : shape (batch, chunks, 2 * width)
        State before each chunk, for `backward`.
    """
    n, time, features = x.shape
    sizes = kernel.sizes(features, len(weights[1]))
    packed = kernel.packed(*weights, sizes)
    state = np.zeros((n, 2 * sizes.width), np.float32)
    starts = np.zeros((n, -(-time // kernel.CHUNK), 2 * sizes.width), np.float32)
    sequence = np.zeros((n, time if sequences else 0, sizes.units), np.float32)

    def run(k: int) -> None:
        kernel.forward(
            packed, x[k], length[k], reverse, state[k], starts[k], sequence[k],
            kernel.new_tape(sizes), sizes,
        )  # fmt: skip

    _for_each(run, n)
    return sequence, state[:, : sizes.units], starts


def backward(d_sequence, d_state, starts, x, length, *weights, reverse: bool = False):
    """Give the gradients of x, kernel, recurrent kernel and bias from those of the results.

    `d_sequence` has no steps where the sequence was not asked for.
    """
    n, units = d_state.shape
    sizes = kernel.sizes(x.shape[2], units)
    packed = kernel.packed(*weights, sizes)
    shapes = (n, sizes.stride), (n, sizes.width), x.shape, (n, packed.size)
    da, dc, dx, d_weights = (np.zeros(shape, np.float32) for shape in shapes)
    da[:, sizes.first : sizes.first + units] = d_state

    def run(k: int) -> None:
        kernel.backward(
            packed, x[k], length[k], reverse, da[k], dc[k], starts[k], d_sequence[k],
            dx[k], d_weights[k], kernel.new_tape(sizes), sizes,
        )  # fmt: skip

    _for_each(run, n)
    # A sum in the order of the clips, whichever was ready first.
    return dx, *kernel.unpacked(d_weights.sum(axis=0), sizes)
