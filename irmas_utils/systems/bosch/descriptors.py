"""Timbre and pitch descriptors of an excerpt, for classifiers that are not networks.

An excerpt is scaled to unit RMS, so that its level has no influence, and cut into frames of about
46 ms that overlap by half, of which those more than 60 dB below the loudest are left out. What
remains is the mean and variance over the frames of each descriptor and of its first difference, as
in Fuhrmann (2012). Their list of descriptors is not available: it is ours in their spirit.

F. Fuhrmann, "Automatic musical instrument recognition from polyphonic music audio signals",
PhD thesis, Universitat Pompeu Fabra, 2012.
G. Peeters, "A large set of audio features for sound description", IRCAM, 2004.
"""

from functools import lru_cache

import numpy as np
import scipy.fft
import scipy.signal
from numpy.lib.stride_tricks import sliding_window_view

from irmas_utils.project.errors import AudioError

FRAME_SECONDS = 2048 / 44100  # the nearest power of two in samples is taken
SILENCE_DBFS = -70.0  # an excerpt below this RMS level is silent
FRAME_RANGE_DB = 60.0  # quieter frames, relative to the loudest, are left out
LOWEST_RATE = 16000
TINY = 1e-10

# Zwicker's critical bands [Hz].
BARK_EDGES = (
    *(0, 100, 200, 300, 400, 510, 630, 770, 920, 1080, 1270, 1480, 1720, 2000, 2320, 2700),
    *(3150, 3700, 4400, 5300, 6400, 7700, 9500, 12000, 15500),
)
HARMONICS = 10
LOWEST_PITCH = 55.0
PITCHES = LOWEST_PITCH * 2 ** (np.arange(5 * 36 + 1) / 36)
"""Candidate fundamentals of `salience` [Hz]: five octaves, in thirds of a semitone."""

# Every descriptor and how many values a frame has of it, in the order of `describe`.
WIDTHS = {"mfcc": 13, "mfcc_delta": 13, "centroid": 1, "spread": 1, "skewness": 1, "kurtosis": 1,
          "crest": 1, "flatness": 1, "flux": 1, "rolloff": 1, "contrast": 7, "bark": 24,
          "zero_crossings": 1, "level": 1, "pitch": 1, "harmonicity": 1, "tristimulus": 3,
          "odd_even": 1, "inharmonicity": 1, "pitch_class": 12}  # fmt: skip
N_DESCRIPTORS = 4 * sum(WIDTHS.values())  # mean and variance, of the values and of differences


def describe(samples: np.ndarray, rate: int) -> np.ndarray:
    """Describe one mono excerpt, (n,), by statistics of its frames: float32, (n_descriptors,).

    The means of all rows of `frames`, then their variances, then both of their differences; all
    zero where the excerpt is silent or empty. They compare only at the same rate. Raises
    AudioError if `samples` is not mono or the rate is below 16 kHz.
    """
    if samples.ndim != 1 or rate < LOWEST_RATE:
        found = f"samples of shape {samples.shape} at {rate} Hz"
        expected = f"mono samples of shape (n,) at {LOWEST_RATE} Hz or more"
        remedy = "Mix down with audio.mono, and resample with audio.resample."
        raise AudioError("describe", found, expected, remedy)
    power = np.square(samples, dtype=np.float64).mean() if len(samples) else 0.0
    if power < 10 ** (SILENCE_DBFS / 10):
        return np.zeros(N_DESCRIPTORS, np.float32)
    values = frames(samples, rate).astype(np.float64)
    difference = np.diff(values) if values.shape[1] > 1 else np.zeros_like(values)
    statistics = [f(x, axis=1) for x in (values, difference) for f in (np.mean, np.var)]
    return np.concatenate(statistics).astype(np.float32)


def frames(samples: np.ndarray, rate: int) -> np.ndarray:
    """Return the descriptors of every sounding frame of a mono excerpt that is not silent.

    float32, (n_values, n_frames), rows in the order of `WIDTHS`; at least one frame.
    """
    n_fft = 2 ** round(np.log2(FRAME_SECONDS * rate))
    samples = samples / np.sqrt(np.mean(np.square(samples, dtype=np.float64)))
    samples = np.pad(samples.astype(np.float32), (0, max(0, n_fft - len(samples))))
    window = scipy.signal.get_window("hann", n_fft).astype(np.float32)
    spectrum = half_overlapping(np.pad(samples, n_fft // 2), window).T
    power = spectrum.real**2 + spectrum.imag**2
    level = power.sum(axis=0)
    sounding = level > level.max() * 10 ** (-FRAME_RANGE_DB / 10)
    crossings = _zero_crossings(samples, n_fft)[sounding]
    power = power if sounding.all() else power[:, sounding]
    found = {"zero_crossings": crossings} | _timbre(power, rate) | _pitch(power, rate)
    return np.concatenate([np.atleast_2d(found[name]) for name in WIDTHS]).astype(np.float32)


def half_overlapping(samples: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Return the spectra of frames that overlap by half: (..., n) to (..., n_frames, n_bins).

    With the frames in rows this takes a third of the time of `librosa.stft`, and in single
    precision a quarter of that of `scipy.signal.ShortTimeFFT`.
    """
    frames = sliding_window_view(samples, len(window), axis=-1)[..., :: len(window) // 2, :]
    return scipy.fft.rfft(frames * window)


def _zero_crossings(samples: np.ndarray, n_fft: int) -> np.ndarray:
    """Share of the samples of each centred frame at which the sign changes, (n_frames,)."""
    changed = np.cumsum(np.diff(np.signbit(samples), prepend=np.signbit(samples[:1])))
    centre = np.arange(0, len(samples) + 1, n_fft // 2)
    first, last = (np.clip(centre + k, 0, len(samples) - 1) for k in (-n_fft // 2, n_fft // 2))
    return (changed[last] - changed[first]) / n_fft


def _timbre(power: np.ndarray, rate: int) -> dict[str, np.ndarray]:
    """Return the descriptors of the spectrum's shape from `power` (n_bins, n_frames)."""
    import librosa

    mel = librosa.power_to_db(_filters(rate, len(power))["mel"] @ power)
    mfcc = librosa.feature.mfcc(S=mel, n_mfcc=13)
    total = power.sum(axis=0)
    below = np.cumsum(power, axis=0) < 0.85 * total
    return _moments(power, rate) | {
        "mfcc": mfcc,
        "mfcc_delta": librosa.feature.delta(mfcc, mode="nearest"),
        "crest": power.max(axis=0) / power.mean(axis=0),
        "flatness": librosa.feature.spectral_flatness(S=power, power=1.0),
        "flux": _flux(power),
        "rolloff": below.sum(axis=0) * rate / 2 / (len(power) - 1),
        # From 100 Hz, so that six octaves and the rest fit below 8 kHz.
        "contrast": librosa.feature.spectral_contrast(S=power, sr=rate, fmin=100.0),
        "bark": _decibels(_filters(rate, len(power))["bark"] @ power / total),
        "level": _decibels(total / total.max()),
    }


def _moments(power: np.ndarray, rate: int) -> dict[str, np.ndarray]:
    """Centroid and spread [Hz], skewness and kurtosis of each frame as a distribution."""
    frequency = np.linspace(0, rate / 2, len(power))
    share = power.astype(np.float64) / power.sum(axis=0, dtype=np.float64)
    centroid = frequency @ share
    # Powers of the frequency, expanded: one matrix product instead of a deviation a bin.
    first, second, third, fourth = np.stack([frequency**k for k in range(1, 5)]) @ share
    variance = np.maximum(second - first**2, frequency[1] ** 2)  # no finer than a bin
    third_central = third - 3 * first * second + 2 * first**3
    fourth_central = fourth - 4 * first * third + 6 * first**2 * second - 3 * first**4
    return {
        "centroid": centroid,
        "spread": np.sqrt(variance),
        "skewness": third_central / variance**1.5,
        "kurtosis": fourth_central / variance**2,
    }


def _flux(power: np.ndarray) -> np.ndarray:
    """Distance between the unit-norm magnitude spectra of neighbouring frames, (n_frames,)."""
    shape = np.sqrt(power / power.sum(axis=0))
    flux = np.linalg.norm(np.diff(shape, axis=1), axis=0)
    return np.pad(flux, (1, 0), mode="edge") if len(flux) else np.zeros(1)


def _pitch(power: np.ndarray, rate: int) -> dict[str, np.ndarray]:
    """Return the descriptors that follow the predominant pitch, and the pitch classes.

    They mean little where `harmonicity`, the share of the power at its harmonics, is low.
    """
    pitch = PITCHES[salience(np.sqrt(power), rate).argmax(axis=0)]
    amplitude, deviation = _harmonics(power, pitch, rate)
    total = amplitude.sum(axis=0)
    weight = amplitude**2 / np.sum(amplitude**2, axis=0)
    order = np.arange(1, HARMONICS + 1)[:, None]
    thirds = amplitude[0], amplitude[1:4].sum(axis=0), amplitude[4:].sum(axis=0)
    odd, even = (weight[first::2].sum(axis=0) for first in (2, 1))  # without the fundamental
    chroma = _filters(rate, len(power))["pitch_class"] @ power + TINY
    return {
        "pitch": 12 * np.log2(pitch / LOWEST_PITCH),
        "harmonicity": np.minimum(np.sum(amplitude**2, axis=0) / power.sum(axis=0), 1),
        "tristimulus": np.stack(thirds) / total,
        "odd_even": _decibels(odd / (even + TINY)),
        "inharmonicity": 2 * np.sum(np.abs(deviation) * weight / (order * pitch), axis=0),
        "pitch_class": chroma / chroma.max(axis=0),
    }


def salience(magnitude: np.ndarray, rate: int) -> np.ndarray:
    """Weigh pitches by magnitudes (n_bins, n_frames) at their harmonics: (n_pitches, n_frames).

    Harmonic summation with weights .8^(h-1), as in Salamon & Gómez, "Melody extraction from
    polyphonic music signals using pitch contour characteristics", 2012, without peak picking.
    """
    return _harmonic_sum(rate, len(magnitude)) @ magnitude


@lru_cache(maxsize=8)
def _harmonic_sum(rate: int, n_bins: int) -> np.ndarray:
    """Matrix (n_pitches, n_bins) that sums harmonics, each between its two nearest bins."""
    bin_of = np.outer(PITCHES, np.arange(1, HARMONICS + 1)) * (n_bins - 1) * 2 / rate
    matrix = np.zeros((len(bin_of), n_bins), np.float32)
    for harmonic, position in enumerate(bin_of.T):
        row = np.flatnonzero(position < n_bins - 1)
        low, fraction = position[row].astype(int), position[row] % 1
        matrix[row, low] += 0.8**harmonic * (1 - fraction)
        matrix[row, low + 1] += 0.8**harmonic * fraction
    return matrix


def _harmonics(power: np.ndarray, pitch: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Amplitude (HARMONICS, n_frames) in the three bins at each harmonic, and its offset [Hz]."""
    width = rate / 2 / (len(power) - 1)
    expected = np.outer(np.arange(1, HARMONICS + 1), pitch)
    nearest = np.clip(np.round(expected / width).astype(int), 1, len(power) - 2)
    inside = expected < rate / 2
    frame = np.arange(power.shape[1])
    around = np.stack([power[nearest + k, frame] for k in (-1, 0, 1)]) * inside
    total = around.sum(axis=0)
    offset = (around[2] - around[0]) / (total + TINY)
    return np.sqrt(total + TINY), ((nearest + offset) * width - expected) * inside


def _decibels(ratio: np.ndarray) -> np.ndarray:
    """Return `ratio` of powers in dB, no lower than -80."""
    return 10 * np.log10(np.maximum(ratio, 1e-8))


@lru_cache(maxsize=8)
def _filters(rate: int, n_bins: int) -> dict[str, np.ndarray]:
    """Return matrices that sum bins; librosa would make them anew for every excerpt."""
    import librosa

    n_fft = 2 * (n_bins - 1)
    band = np.searchsorted(BARK_EDGES, np.linspace(0, rate / 2, n_bins), side="right") - 1
    return {
        "mel": librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=40),
        "pitch_class": librosa.filters.chroma(sr=rate, n_fft=n_fft, tuning=0.0),  # A at 440 Hz
        "bark": (band == np.arange(len(BARK_EDGES) - 1)[:, None]).astype(np.float32),
    }
