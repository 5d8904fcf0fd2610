"""A separator without weights: each bin of one spectrogram is shared out among the stems.

1. *drums*: harmonic-percussive separation by median filtering (Fitzgerald 2010), soft masks;
2. *bass*: what is harmonic and low;
3. *melody*: what is harmonic, higher, at or near a harmonic of the predominant pitch
   (harmonic summation, Salamon & Gómez 2012), and panned like most of that (Avendano 2003);
4. *other*: the rest, as a difference of waveforms, so that the stems sum to the input.

The constants were chosen by SI-SDR on recordings of the sample corpus.
"""

from functools import lru_cache

import numpy as np
import scipy.fft
import scipy.ndimage
import scipy.signal

from irmas_utils.systems.bosch.descriptors import PITCHES, TINY, half_overlapping, salience

N_FFT = 4096  # window at 44.1 kHz [samples]; at other rates about as many seconds
TIME_MEDIAN = 0.4  # length of the harmonic median filter [s]
FREQUENCY_MEDIAN = 200.0  # length of the percussive one [Hz]
BASS_CUTOFF = 150.0  # where bass and the rest share a bin equally [Hz]
PANNING_WIDTH = 0.7  # deviation around the melody's panning index (-1 left, 1 right)
OFF_PITCH = 0.5  # share of the melody between harmonics: it has chords, and the pitch may be wrong


def separate(samples: np.ndarray, rate: int) -> dict[str, np.ndarray]:
    """Split into drums, bass, melody and other; as `separation.separate`."""
    n_fft = 2 ** round(np.log2(N_FFT * rate / 44100))
    spectrum = stft(samples.astype(np.float32, copy=False), n_fft)
    stems = {
        stem: istft(mask * spectrum, n_fft, len(samples))
        for stem, mask in masks(spectrum, rate).items()
    }
    return stems | {"other": samples - sum(stems.values())}


def masks(spectrum: np.ndarray, rate: int) -> dict[str, np.ndarray]:
    """Return the shares, (n_frames, n_bins), of drums, bass and melody; their sum is at most one.

    The spectrum is (n_channels, n_frames, n_bins); what is left of a bin belongs to *other*.
    """
    power = np.mean(spectrum.real**2 + spectrum.imag**2, axis=0)
    percussive = _percussive(np.sqrt(power), rate)
    frequency = np.linspace(0, rate / 2, power.shape[1])
    low = (1 / (1 + (frequency / BASS_CUTOFF) ** 8)).astype(np.float32)  # Butterworth, 4th order
    tonal = (1 - percussive) * (1 - low)
    pitch = salience((tonal * np.sqrt(power)).T, rate).argmax(axis=0)
    on_pitch = _combs(rate, power.shape[1])[pitch]
    melody = tonal * (OFF_PITCH + (1 - OFF_PITCH) * on_pitch)
    if len(spectrum) == 2:
        melody *= _panned_alike(spectrum, tonal * on_pitch * power)
    return {"drums": percussive, "bass": (1 - percussive) * low, "melody": melody}


def _percussive(magnitude: np.ndarray, rate: int) -> np.ndarray:
    """Share of drums in every bin of `magnitude` (n_frames, n_bins)."""
    n_fft = 2 * (magnitude.shape[1] - 1)
    steady = _median(magnitude.T, TIME_MEDIAN * rate / (n_fft // 2)).T ** 2
    broad = _median(magnitude, FREQUENCY_MEDIAN / rate * n_fft) ** 2
    return broad / (steady + broad + TINY)


def _panned_alike(spectrum: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Gaussian window on the panning index, centred where `weight` lies on average."""
    left, right = spectrum.real**2 + spectrum.imag**2
    index = (right - left) / (right + left + TINY)
    centre = np.sum(index * weight) / (np.sum(weight) + TINY)
    return np.exp(-0.5 * ((index - centre) / PANNING_WIDTH) ** 2)


def _median(values: np.ndarray, length: float) -> np.ndarray:
    """Median filter along the last axis, of the odd number of samples nearest to `length`.

    The rows are filtered end to end as one: SciPy's filter in one dimension is six times as
    fast as in two. Reflected borders keep them apart.
    """
    half = min(max(1, round((length - 1) / 2)), values.shape[1] - 1)
    rows = np.pad(values, ((0, 0), (half, half)), mode="reflect")
    filtered = scipy.ndimage.median_filter(rows.ravel(), size=2 * half + 1)
    return filtered.reshape(rows.shape)[:, half : half + values.shape[1]]


@lru_cache(maxsize=4)
def _combs(rate: int, n_bins: int) -> np.ndarray:
    """Matrix (n_pitches, n_bins): one at each pitch's harmonics, falling off like a Gaussian.

    A harmonic is as wide as the window's main lobe plus 1.5 % for vibrato and the pitches' grid.
    """
    frequency = np.linspace(0, rate / 2, n_bins)
    pitch = PITCHES[:, None]
    harmonic = np.maximum(np.round(frequency / pitch), 1)
    width = 1.5 * frequency[1] + 0.015 * frequency
    return np.exp(-0.5 * ((frequency - harmonic * pitch) / width) ** 2).astype(np.float32)


def stft(samples: np.ndarray, n_fft: int) -> np.ndarray:
    """Spectrum of (n, n_channels): (n_channels, n_frames, n_bins), complex64; a sine window."""
    return half_overlapping(np.pad(samples.T, ((0, 0), (n_fft // 2, n_fft))), _window(n_fft))


def istft(spectrum: np.ndarray, n_fft: int, length: int) -> np.ndarray:
    """Inverse of `stft` by weighted overlap-add: (length, n_channels), float32."""
    frames = scipy.fft.irfft(spectrum) * _window(n_fft)
    channels, n_frames, _ = frames.shape
    halves = frames.reshape(channels, n_frames, 2, n_fft // 2)
    # The two squared sine windows that overlap at a sample sum to one.
    added = halves[:, 1:, 0] + halves[:, :-1, 1]
    return added.reshape(channels, -1)[:, :length].T


def _window(n_fft: int) -> np.ndarray:
    return np.sqrt(scipy.signal.get_window("hann", n_fft)).astype(np.float32)
