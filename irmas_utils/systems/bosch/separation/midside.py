"""The four streams of Bosch et al.'s second experiment, and the separator made of two of them."""

import numpy as np

from irmas_utils.systems.bosch.separation.protocol import check_channels


def streams(samples: np.ndarray) -> dict[str, np.ndarray]:
    """Return left, right, mid and side of a recording, each mono.

    The published streams are L, R, M = L + R and S = L - R. Here the last two are halved, so
    that all stay in [-1, 1]; the descriptors do not depend on the level.

    Parameters
    ----------
    samples : ndarray, shape (n, n_channels)
        One channel counts as both: then side is silent and the others are alike.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        ``left``, ``right``, ``mid``, ``side``.

    Raises
    ------
    AudioError
        If there are more than two channels.
    """
    check_channels(samples)
    left, right = samples[:, 0], samples[:, -1]
    return {"left": left, "right": right, "mid": (left + right) / 2, "side": (left - right) / 2}


class MidSideSeparator:
    """Split into what both channels share (mid) and what differs (side).

    Mid is (M/2, M/2) and side (S/2, -S/2) with M = L + R and S = L - R: the two sum to (L, R).
    """

    stems = ("mid", "side")

    def __call__(self, samples: np.ndarray, rate: int) -> dict[str, np.ndarray]:
        """Separate `samples` (n, n_channels); `rate` plays no part."""
        check_channels(samples)
        mid = np.repeat(samples.mean(axis=1, keepdims=True), samples.shape[1], axis=1)
        return {"mid": mid, "side": samples - mid}
