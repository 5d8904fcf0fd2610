"""From samples to what the networks see: label matrix, FFT magnitudes, log-mel spectrogram.

Paper sections 3.2.2 and 3.2.3. Notebook: 02_data_preparation.ipynb.
"""

import zlib
from collections.abc import Iterable, Sequence

import numpy as np
import scipy.fft

from irmas_utils.audio.io import pad
from irmas_utils.project.vocabulary import INSTRUMENTS

FFT_SAMPLES = 884_000


def label_matrix(
    labels: Iterable[tuple[str, ...]], codes: Sequence[str] = INSTRUMENTS
) -> np.ndarray:
    """Binarize the labels of each clip (paper section 3.2.2): float32, (n_clips, n_codes).

    As `sklearn.preprocessing.MultiLabelBinarizer`, which takes seconds to import; labels that are
    none of `codes` are left out.
    """
    rows = [[code in own for code in codes] for own in labels]
    return np.array(rows, np.float32).reshape(-1, len(codes))


def fft_magnitude(
    samples: np.ndarray, length: int = FFT_SAMPLES, rng: np.random.Generator | None = None
) -> np.ndarray:
    """Magnitude spectrum of a clip zero-padded to `length` (paper section 3.2.3).

    A real signal's spectrum is symmetric, so half of it is kept. The transform of 884000
    samples has 442001 distinct bins; the paper has 442000, so the last, at half the sample
    rate, is dropped. Where in the window the clip lies changes the phase and not the magnitude.

    `samples` are mono, (n_samples,); `length` is even, and `rng` as for `audio.io.pad`, which
    raises AudioError for a longer clip. Returns float32, (length // 2,): ``|rfft|`` divided by the
    square root of `length`, so half the samples' energy (Parseval); the paper states no scaling.
    """
    bins = scipy.fft.rfft(pad(samples, length, rng).astype(np.float32, copy=False))[: length // 2]
    # Several times faster than np.abs, which guards against overflow that cannot occur here.
    power = np.square(bins.real)
    power += np.square(bins.imag)
    power /= np.float32(length)
    return np.sqrt(power, out=power)


def waveform(samples: np.ndarray, length: int | None = None, seed: int = 0) -> np.ndarray:
    """Samples as the LSTM reads them, as they are or padded to `length` (paper section 3.2.1).

    The clip's position depends on `seed` and on the clip and is the same in every epoch; `pad`
    raises an `AudioError` for a clip longer than `length`.
    """
    if length is None:
        return samples
    return pad(samples, length, np.random.default_rng([seed, zlib.crc32(samples.tobytes())]))


def log_mel(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Log-mel spectrogram, 128 bands of windows of 1024 samples every 512, of (n_samples,).

    float32, (128, n_frames): decibels below the clip's loudest band, from -80 to 0, and -80
    throughout for silence. `sample_rate` is in hertz.
    """
    import librosa

    power = librosa.feature.melspectrogram(
        y=samples, sr=sample_rate, n_fft=1024, hop_length=512, n_mels=128
    )
    if power.max() <= 1e-10:
        return np.full_like(power, -80.0)
    return (10 * np.log10(np.maximum(power / float(power.max()), 1e-8))).astype(np.float32)
