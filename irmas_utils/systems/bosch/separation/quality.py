"""How close a separated stem comes to the true one."""

import numpy as np

LIMIT_DB = 120.0
TINY = 10 ** (-LIMIT_DB / 10)


def si_sdr(estimate: np.ndarray, reference: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio.

    J. Le Roux et al., "SDR - half-baked or well done?", ICASSP 2019. Channels count as one long
    signal, so that panning errors are errors.

    Parameters
    ----------
    estimate, reference : ndarray of the same shape
        The separated and the true stem.

    Returns
    -------
    float
        In dB, between -120 and 120; -120 for a silent estimate.

    Raises
    ------
    ValueError
        If the shapes differ, or the reference is silent: then the ratio is not defined.
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
    return float(np.clip(10 * np.log10(wanted / max(distortion, TINY * wanted)), -LIMIT_DB, None))


def compare(
    estimates: dict[str, np.ndarray], references: dict[str, np.ndarray]
) -> dict[str, dict[str, float]]:
    """Measure each stem, and the mixture as if it were the stem.

    Parameters
    ----------
    estimates : dict of str to ndarray
        What a separator returned; their sum is the mixture.
    references : dict of str to ndarray
        The true stems, of the same shapes. Those that are silent, and those that the separator
        does not know, are left out.

    Returns
    -------
    dict
        stem -> ``{"si_sdr", "mixture", "improvement"}`` in dB.
    """
    mixture = sum(estimates.values())
    scores = {}
    for stem in estimates.keys() & references.keys():
        if np.any(references[stem]):
            score = si_sdr(estimates[stem], references[stem])
            baseline = si_sdr(mixture, references[stem])
            scores[stem] = {
                "si_sdr": score,
                "mixture": baseline,
                "improvement": score - baseline,
            }
    return {stem: scores[stem] for stem in estimates if stem in scores}
