"""Taking a mixture apart into stems, and how well that is done.

A separator is a function ``separate(samples, rate)`` that returns stems, each of the shape of
`samples`, which sum to `samples` within 1e-4; the same input gives the same stems. For FASST, which
Bosch et al. (2012) used, there is no maintained Python library.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from irmas_utils.project.errors import AudioError, chosen
from irmas_utils.systems.bosch import demucs, spectral

STEMS = ("drums", "bass", "melody", "other")
SEPARATORS = {"spectral": spectral.separate, "demucs": demucs.separate}
LIMIT_DB = 120.0


def separate(samples: np.ndarray, rate: int, separator: str) -> dict[str, np.ndarray]:
    """Take a mixture, float32 (n, 1) or (n, 2), apart into the four `STEMS`, which sum to it.

    Raises AudioError if there are more channels, SettingsError if `separator` is none of
    `SEPARATORS` or its optional package is not installed.
    """
    check_channels(samples)
    return chosen(SEPARATORS, separator, "separator")(samples, rate)


def check_channels(samples: np.ndarray) -> None:
    """Raise AudioError unless `samples` are (n, 1) or (n, 2)."""
    if samples.ndim != 2 or samples.shape[1] not in (1, 2):
        found, expected = f"samples of shape {samples.shape}", "(n_samples, 1) or (n_samples, 2)"
        remedy = "Read the file with audio.read; mix more channels down first."
        raise AudioError("clip", found, expected, remedy)


def si_sdr(estimate: np.ndarray, reference: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio in dB, from -120 (silence) to 120.

    J. Le Roux et al., "SDR - half-baked or well done?", ICASSP 2019. Channels count as one long
    signal, so that panning errors are errors. Raises ValueError if the shapes differ, or the
    reference is silent: then the ratio is not defined.
    """
    if estimate.shape != reference.shape:
        raise ValueError(f"estimate {estimate.shape} and reference {reference.shape} differ")
    estimate, reference = (x.astype(np.float64).ravel() for x in (estimate, reference))
    energy = reference @ reference
    if energy == 0:
        raise ValueError("SI-SDR is not defined for a silent reference")
    target = (estimate @ reference / energy) * reference
    wanted, distortion = target @ target, np.sum((estimate - target) ** 2)
    if wanted == 0:
        return -LIMIT_DB
    least = 10 ** (-LIMIT_DB / 10) * wanted
    return float(max(10 * np.log10(wanted / max(distortion, least)), -LIMIT_DB))


def quality(
    true: Mapping[str, Mapping[str, np.ndarray]], rate: int, separator: str
) -> pd.DataFrame:
    """Compare separated stems with the `true` ones of clips, of which silent ones are left out.

    Returns a row a clip and stem: clip, stem, SI-SDR of the separated stem and of the mixture as
    its estimate, and the improvement of one over the other, all in dB.
    """
    rows = []
    for clip, references in true.items():
        mixture = sum(references.values())
        for stem, estimate in separate(mixture, rate, separator).items():
            if stem in references and np.any(references[stem]):
                scores = [si_sdr(signal, references[stem]) for signal in (estimate, mixture)]
                rows.append((clip, stem, *scores, scores[0] - scores[1]))
    return pd.DataFrame(rows, columns=["clip", "stem", "si_sdr", "mixture", "improvement"])
