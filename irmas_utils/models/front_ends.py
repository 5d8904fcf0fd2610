"""Layers from a waveform to the picture that a convolutional network looks at.

They are part of the model, so that a saved model takes samples. All are written for
``(batch, time)`` float32 and any length; a spectrogram is ``(batch, n_mels, n_frames, 1)``.
"""

import math

import numpy as np

from irmas_utils.models.layers import Configured
from irmas_utils.project.backend import keras, tf


def kaldi_mel_bands(n_mels: int, n_fft: int, sample_rate: float, f_max: float) -> np.ndarray:
    """Triangular mel bands as Kaldi makes them: straight sides on the mel axis, peaks of 1.

    From 0 to `f_max` hertz; float32, (n_fft // 2 + 1, n_mels), the last bin in no band. After
    ``get_mel_banks`` in ``torchaudio/compliance/kaldi.py``.
    """

    def mel(hertz):
        return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)

    edges = np.linspace(0.0, mel(f_max), n_mels + 2)
    bins = mel(np.arange(n_fft // 2) * sample_rate / n_fft)[:, None]
    rising = (bins - edges[:-2]) / np.diff(edges[:-1])
    falling = (edges[2:] - bins) / np.diff(edges[1:])
    bands = np.maximum(0.0, np.minimum(rising, falling))
    return np.pad(bands, ((0, 1), (0, 0))).astype(np.float32)


class Level(Configured):
    """Bring each clip to one level, so that its loudness says nothing."""

    target: float
    measure: str = "rms"  # or "peak", the largest magnitude
    floor: float = 1e-3  # a clip below it is amplified as if it had it: silence stays silent

    def call(self, waveform):
        """Shape unchanged: (batch, time)."""
        if self.measure == "peak":
            found = tf.reduce_max(tf.abs(waveform), axis=-1, keepdims=True)
        else:
            found = tf.sqrt(tf.reduce_mean(tf.square(waveform), axis=-1, keepdims=True))
        return waveform * (self.target / tf.maximum(found, self.floor))


def _power_spectrum(x: tf.Tensor, window: np.ndarray, hop: int, n_fft: int) -> tf.Tensor:
    """Centred frames, reflected at the ends: (batch, time) to (batch, n_frames, n_fft // 2 + 1)."""
    half = len(window) // 2
    x = tf.pad(x, [[0, 0], [half, half]], mode="REFLECT")
    # Only the power is wanted, so a window shorter than n_fft may be zero-padded at its end.
    frames = tf.signal.frame(x, len(window), hop) * window
    spectrum = tf.signal.rfft(frames, [n_fft])
    return tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))


@keras.saving.register_keras_serializable("irmas_utils")
class KaldiLogMel(keras.layers.Layer):
    """The front end of EfficientAT (`models.efficientat`): 32 kHz in, 128 bands every 10 ms out.

    A centred, symmetric Hann window; at least 402 samples.
    """

    sample_rate, n_fft, hop, window_length, n_mels, f_max = 32_000, 1024, 320, 800, 128, 15_000.0
    per_decibel = math.log(10) / 10 / 5  # a decibel of level in units of the output

    def call(self, waveform):
        """(batch, time) to (batch, 128, 1 + (time - 1) // 320, 1)."""
        x = waveform[:, 1:] - 0.97 * waveform[:, :-1]
        window = np.hanning(self.window_length).astype(np.float32)
        power = _power_spectrum(x, window, self.hop, self.n_fft)
        bands = kaldi_mel_bands(self.n_mels, self.n_fft, self.sample_rate, self.f_max)
        mel = (tf.math.log(tf.matmul(power, bands) + 1e-5) + 4.5) / 5.0
        return tf.transpose(mel, [0, 2, 1])[..., None]


class LogMel(Configured):
    """Natural logarithm of a mel magnitude spectrogram, as Han et al. 2017 feed their network."""

    sample_rate: int = 22_050  # [Hz]
    n_fft: int = 1024  # length of the periodic Hann window [samples]
    hop: int = 512
    n_mels: int = 128  # up to half the sample rate
    floor: float = 1e-3  # added before the logarithm; the waveform has a peak of 1

    def call(self, waveform):
        """(batch, time) to (batch, n_mels, time // hop, 1): 43 frames a second, as published."""
        import librosa

        window = np.hanning(self.n_fft + 1)[:-1].astype(np.float32)
        # Centring gives a frame more, but half of that one is reflection.
        power = _power_spectrum(waveform, window, self.hop, self.n_fft)[:, :-1]
        bands = librosa.filters.mel(sr=self.sample_rate, n_fft=self.n_fft, n_mels=self.n_mels)
        mel = tf.math.log(tf.matmul(tf.sqrt(power), bands.T.astype(np.float32)) + self.floor)
        return tf.transpose(mel, [0, 2, 1])[..., None]


class _Random(Configured):
    def build(self, input_shape) -> None:
        self._random = keras.random.SeedGenerator(self.seed)


class SpecAugment(_Random):
    """While training, set a band of frequencies and a stretch of time to the clip's mean.

    The widths of the masks and their places are uniform, for each clip (Park et al. 2019:
    SpecAugment. Interspeech).
    """

    n_bands: int = 0  # the widest mask; 0 switches it off
    n_frames: int = 0
    seed: int = 0

    def call(self, spectrogram, training=False):
        """Shape unchanged: (batch, n_mels, n_frames, 1)."""
        if not training:
            return spectrogram
        mean = tf.reduce_mean(spectrogram, axis=[1, 2], keepdims=True)
        kept = self._kept(spectrogram, 1, self.n_bands) & self._kept(spectrogram, 2, self.n_frames)
        return tf.where(kept, spectrogram, mean)

    def _kept(self, spectrogram, axis: int, widest: int):
        batch, size = tf.shape(spectrogram)[0], tf.shape(spectrogram)[axis]
        drawn = keras.random.uniform((2, batch, 1), seed=self._random)
        width = drawn[0] * (widest + 1)
        start = drawn[1] * (tf.cast(size, tf.float32) - tf.floor(width) + 1)
        position = tf.cast(tf.range(size)[None, :], tf.float32)
        first, end = tf.floor(start), tf.floor(start) + tf.floor(width)
        inside = (position >= first) & (position < end)
        shape = [batch, -1, 1, 1] if axis == 1 else [batch, 1, -1, 1]
        return tf.reshape(~inside, shape)


class RandomFilter(_Random):
    """While training, add a random smooth curve over frequency to a logarithmic spectrogram.

    After Nam, Kim, Park (2022): FilterAugment. ICASSP.
    """

    strength: float = 0.0  # largest gain either way, in units of the spectrogram; 0: no filter
    n_knots: int = 6  # points of random gain, evenly spaced over the bands; straight lines between
    seed: int = 0

    def call(self, spectrogram, training=False):
        """Shape unchanged: (batch, n_mels, n_frames, 1)."""
        if not training or not self.strength:
            return spectrogram
        n_mels = spectrogram.shape[1]
        places = np.linspace(0, self.n_knots - 1, n_mels)
        lines = np.maximum(0, 1 - np.abs(places - np.arange(self.n_knots)[:, None]))
        shape = (tf.shape(spectrogram)[0], self.n_knots)
        knots = keras.random.uniform(shape, -self.strength, self.strength, seed=self._random)
        return spectrogram + tf.matmul(knots, lines.astype(np.float32))[:, :, None, None]
