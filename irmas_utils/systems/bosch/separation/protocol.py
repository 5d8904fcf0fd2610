"""What a separator is, and how to get one by name."""

from typing import Protocol

import numpy as np

from irmas_utils.project.errors import AudioError, SettingsError


class Separator(Protocol):
    """A callable that takes a mixture apart into named stems that sum to it."""

    stems: tuple[str, ...]

    def __call__(self, samples: np.ndarray, rate: int) -> dict[str, np.ndarray]:
        """Separate `samples` (n, n_channels) at `rate` [Hz] into stems of the same shape."""


def load(name: str) -> Separator:
    """Return the separator called `name`: ``midside``, ``spectral`` or ``demucs``.

    Raises
    ------
    SettingsError
        If there is no such separator, or its optional package is not installed.
    """
    from irmas_utils.systems.bosch.separation.demucs import DemucsSeparator
    from irmas_utils.systems.bosch.separation.midside import MidSideSeparator
    from irmas_utils.systems.bosch.separation.spectral import SpectralSeparator

    known = {
        "midside": MidSideSeparator,
        "spectral": SpectralSeparator,
        "demucs": DemucsSeparator,
    }
    if name not in known:
        raise SettingsError(
            "separator",
            found=repr(name),
            expected=f"one of {', '.join(known)}",
            remedy="Correct the name.",
        )
    return known[name]()


def check_channels(samples: np.ndarray) -> None:
    """Raise AudioError unless `samples` are (n, 1) or (n, 2)."""
    if samples.ndim != 2 or samples.shape[1] not in (1, 2):
        raise AudioError(
            "separator",
            found=f"samples of shape {samples.shape}",
            expected="(n_samples, 1) or (n_samples, 2)",
            remedy="Read the file with audio.read; mix more channels down first.",
        )
