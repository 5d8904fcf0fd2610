"""The paper's outlook (section 7): separate first, "then applying the FFT to each stream".

The dense network of the studies' base setting, on the spectra of separated streams instead of
the mono mix's. Notebook: 08_bosch_baselines.ipynb.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from irmas_utils.audio.cache import FeatureCache
from irmas_utils.audio.features import fft_magnitude
from irmas_utils.project.settings import Fft, Settings
from irmas_utils.systems.bosch.streams import split

if TYPE_CHECKING:
    from irmas_utils.models import fft


def spectra(
    samples: np.ndarray, rate: int, *, streams: Sequence[str], length: int, separator: str
) -> np.ndarray:
    """Transform every stream of a clip by itself, in as many numbers as the mono mix has.

    So that a network of the same size reads them, each stream keeps one magnitude, the root mean
    square, of as many neighbouring bins as there are streams.

    Returns float32, (length // 2 // n_streams * n_streams,): the streams one after another, each
    padded to `length` samples first. Errors as `streams.split` and `audio.features.fft_magnitude`.
    """
    n_kept = length // 2 // len(streams)
    pooled = []
    for signal in split(samples, rate, streams, separator).values():
        bins = fft_magnitude(signal, length)[: n_kept * len(streams)]
        pooled.append(np.sqrt(np.square(bins).reshape(n_kept, -1).mean(axis=1)))
    return np.concatenate(pooled)


def network(settings: Settings) -> "fft.Network":
    """Return the network of the studies' base setting that reads the streams' spectra."""
    # TensorFlow takes seconds to import, and the rest of this wing does without it.
    from irmas_utils.models import fft

    streams = settings.study.fft.separated
    separator, length = settings.bosch.separator, settings.fft.samples
    options = {"streams": streams, "length": length, "separator": separator}
    load = FeatureCache("spectra", spectra, mono=False, **options)
    base = Fft(**settings.with_base("fft"))
    reading = fft.Network(base, "fft-separated", load, options, (__name__,))
    reading.n_features = base.samples // 2 // len(streams) * len(streams)
    return reading
