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


def forward(x, length, h, c, *weights, sequences: bool = False, reverse: bool = False):
    """Do what `models.recurrence.lstm` does, which explains the arguments, on float32 arrays.

    Returns
    -------
    sequence, h, c
        As there.
    starts : shape (batch, chunks, 2 * width)
        State before each chunk, for `backward`.
    """
    n, time, units = len(x), x.shape[1], h.shape[1]
    sizes = kernel.sizes(x.shape[2], units)
    packed = kernel.packed(*weights, sizes)
    state = np.zeros((n, 2, sizes.width), np.float32)
    state[:, :, :units] = np.stack([h, c], axis=1)
    starts = np.zeros((n, -(-time // kernel.CHUNK), 2 * sizes.width), np.float32)
    sequence = np.zeros((n, time if sequences else 0, units), np.float32)

    def run(k: int) -> None:
        kernel.forward(
            packed, x[k], length[k], reverse, state[k].reshape(-1), starts[k], sequence[k],
            kernel.new_tape(sizes), sizes,
        )  # fmt: skip

    _for_each(run, n)
    return sequence, state[:, 0, :units], state[:, 1, :units], starts


def backward(d_sequence, dh, dc, starts, x, length, *weights, reverse: bool = False):
    """Give the gradients of x, h, c, kernel, recurrent kernel and bias from those of the results.

    `d_sequence` has no steps where the sequence was not asked for.
    """
    n, units = dh.shape
    sizes = kernel.sizes(x.shape[2], units)
    packed = kernel.packed(*weights, sizes)
    shapes = (n, sizes.stride), (n, sizes.width), x.shape, (n, packed.size)
    da, dc_all, dx, d_weights = (np.zeros(shape, np.float32) for shape in shapes)
    of_h = slice(sizes.first, sizes.first + units)
    da[:, of_h], dc_all[:, :units] = dh, dc

    def run(k: int) -> None:
        kernel.backward(
            packed, x[k], length[k], reverse, da[k], dc_all[k], starts[k], d_sequence[k],
            dx[k], d_weights[k], kernel.new_tape(sizes), sizes,
        )  # fmt: skip

    _for_each(run, n)
    # A sum in the order of the clips, whichever was ready first.
    return dx, da[:, of_h], dc_all[:, :units], *kernel.unpacked(d_weights.sum(axis=0), sizes)
