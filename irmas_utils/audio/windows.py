"""Long clips as windows: cutting them, as they stream by, and joining what was said of each.

A window starts every `hop` samples, and a last one ends where the clip ends.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from irmas_utils.project import errors


def stream(blocks: Iterable[np.ndarray], length: int, hop: int) -> Iterator[tuple[int, np.ndarray]]:
    """Cut a clip that comes in blocks of any sizes; memory holds a window and a block.

    Yields the first sample of each window in the clip, and the window, (length,). A shorter clip is
    repeated until it fills one window; an empty one has none. `length` and `hop`, at most as long,
    are in samples.
    """
    # `held` begins with the last window, so that the final one can reach back into it.
    held, start, done = np.zeros(0, np.float32), 0, False
    for block in blocks:
        held = np.concatenate([held, block])
        while len(held) >= length + hop * done:
            held, start, done = held[hop * done :], start + hop * done, True
            yield start, held[:length]
    if done and len(held) > length:
        yield start + len(held) - length, held[-length:]
    elif not done and len(held):
        yield 0, np.resize(held, length)


def aggregate(scores: np.ndarray, how: str = "mean_logit") -> np.ndarray:
    """Join the scores of a clip's windows, (n_windows, n_labels) in [0, 1], to (n_labels,).

    `how` is ``mean_logit``, the mean on the logistic scale, where a sure window counts for more, or
    ``s1``, the mean, as Han, Kim and Lee (2017, IEEE/ACM TASLP 25(1)) call it; else it raises
    SettingsError.
    """
    return errors.chosen(AGGREGATIONS, how, "aggregation")(np.asarray(scores, np.float64))


def _mean_logit(scores: np.ndarray) -> np.ndarray:
    bounded = np.clip(scores, 1e-7, 1 - 1e-7)
    return 1 / (1 + np.exp(-np.mean(np.log(bounded / (1 - bounded)), axis=0)))


AGGREGATIONS = {"mean_logit": _mean_logit, "s1": lambda scores: scores.mean(axis=0)}
