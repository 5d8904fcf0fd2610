"""Taking a mixture apart: one protocol, three separators, and how well they do.

Conventions
-----------
* A separator is a callable ``(samples, rate) -> dict[str, ndarray]``. `samples` is float32,
  ``(n, n_channels)`` with one or two channels; every stem has the same shape, and the stems sum
  to the input within 1e-4. Its attribute `stems` lists the names it returns.
* A separator is a pure function: same input, same stems, so that what it returns can be cached.
* `streams` is not a separator: left, right, mid and side overlap and sum to nothing.

Bosch et al. (2012) separated with FASST, of which no maintained Python library exists. The
separator `spectral` takes its place without weights, and `demucs`, an optional extra, with a
trained network. Figures obtained with either are ours, not a reproduction of theirs.

Notebook: 08_bosch_baselines.ipynb
"""

from irmas_utils.systems.bosch.separation.midside import MidSideSeparator, streams
from irmas_utils.systems.bosch.separation.protocol import Separator, load
from irmas_utils.systems.bosch.separation.quality import compare, si_sdr
from irmas_utils.systems.bosch.separation.spectral import SpectralSeparator

STEMS = SpectralSeparator.stems

__all__ = [
    "STEMS",
    "MidSideSeparator",
    "Separator",
    "SpectralSeparator",
    "compare",
    "load",
    "si_sdr",
    "streams",
]
