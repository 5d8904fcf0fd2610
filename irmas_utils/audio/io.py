"""From audio files to samples: reading, mono mix-down, resampling, zero padding, playing.

Paper section 3.2.1. Notebook: 02_data_preparation.ipynb.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr

from irmas_utils.project.errors import AudioError

if TYPE_CHECKING:
    import IPython.display

PLAYED_RATE = 22_050
_BLOCK_SECONDS = 10


@contextmanager
def opened(path: str | Path) -> Iterator[soundfile.SoundFile]:
    """Open an audio file of any format that libsndfile reads.

    Raises
    ------
    AudioError
        If the file is missing or cannot be read, also where that shows only later in the block.
    """
    try:
        with soundfile.SoundFile(os.fsencode(path)) as file:
            yield file
    except (soundfile.LibsndfileError, OSError) as error:
        found = f"unreadable audio ({error})" if Path(path).exists() else "no such file"
        raise _unusable(path, found) from error


def _unusable(path: str | Path, found: str) -> AudioError:
    return AudioError(
        path,
        found=found,
        expected="an audio file that libsndfile reads, with at least one sample",
        remedy="Restore the file from its archive, convert it to WAV or FLAC, or leave it out.",
    )


def _checked(samples: np.ndarray, path: str | Path) -> np.ndarray:
    if not len(samples):
        raise _unusable(path, "no samples")
    if not np.isfinite(samples).all():
        raise _unusable(path, "samples that are NaN or infinite")
    return samples


def read(path: str | Path) -> tuple[np.ndarray, int]:
    """Read a whole audio file.

    Returns
    -------
    samples : numpy.ndarray, float32, (n_samples, n_channels), in [-1, 1]
    sample_rate : int, in hertz

    Raises
    ------
    AudioError
        If the file is missing, unreadable or empty, or holds NaN or infinity.
    """
    with opened(path) as file:
        return _checked(file.read(dtype="float32", always_2d=True), path), file.samplerate


def header(path: str | Path) -> dict[str, float | int]:
    """Read ``duration`` [s], ``sample_rate`` [Hz] and ``channels`` from an audio file's header.

    Raises an `AudioError` also if the file is empty or shorter than its header says.
    """
    with opened(path) as file:
        if truncated := _truncation(Path(path)):
            raise _unusable(path, truncated)
        if not file.frames:
            raise _unusable(path, "no samples")
        duration = file.frames / file.samplerate
        return {"duration": duration, "sample_rate": file.samplerate, "channels": file.channels}


def _truncation(path: Path) -> str:
    with path.open("rb") as file:
        kind, declared = struct.unpack("<4sI", file.read(8))
    size = path.stat().st_size
    # Programs that write to a pipe leave the size at its greatest value.
    short = kind == b"RIFF" and size < declared + 8 < 2**32 - 8
    return f"truncated audio, {size} of {declared + 8} bytes" if short else ""


def beginning(path: str | Path, seconds: float) -> tuple[np.ndarray, int]:
    """Read the first `seconds` of a file in mono: float32, (n_samples,), and its rate in hertz."""
    with opened(path) as file:
        n_samples = round(seconds * file.samplerate)
        return mono(file.read(n_samples, dtype="float32", always_2d=True)), file.samplerate


def stream(file: soundfile.SoundFile, rate: int) -> Iterator[np.ndarray]:
    """Yield what `opened` gave in mono at `rate` hertz, piece by piece; raises as `read`."""
    path = os.fsdecode(file.name)
    resampler = soxr.ResampleStream(file.samplerate, rate, 1, dtype="float32")
    n_samples = _BLOCK_SECONDS * file.samplerate
    while len(block := file.read(n_samples, dtype="float32", always_2d=True)):
        yield resampler.resample_chunk(mono(_checked(block, path)))
    if not file.tell():
        raise _unusable(path, "no samples")
    yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def outline(path: str | Path, points_a_second: int = 100) -> tuple[np.ndarray, float]:
    """Reduce a file of any length to what its waveform looks like; raises as `read`.

    Returns
    -------
    points : numpy.ndarray, float32, (n_points,)
        Lowest, highest, lowest, … mono sample of one stretch after the other.
    rate : float
        Points a second, exactly; about `points_a_second`.
    """
    extremes = []
    with opened(path) as file:
        length = 2 * file.samplerate // points_a_second
        for block in file.blocks(blocksize=length, dtype="float32", always_2d=True):
            samples = mono(block)
            extremes += [samples.min(), samples.max()]
        return _checked(np.array(extremes, np.float32), path), 2 * file.samplerate / length


def mono(samples: np.ndarray) -> np.ndarray:
    """Average the channels, as the field's loaders do: (n_samples, n_channels) to (n_samples,)."""
    return _channel_sum(samples) / np.float32(samples.shape[1])


def _channel_sum(samples: np.ndarray) -> np.ndarray:
    # Columns one by one: numpy's sum over a short last axis is several times slower.
    total = samples[:, 0].astype(np.float32)
    for channel in range(1, samples.shape[1]):
        total += samples[:, channel]
    return total


def _channel_sum_16_bit(samples: np.ndarray) -> np.ndarray:
    """Do what `_channel_sum` does, for int16 samples in C order, which it may overwrite."""
    if samples.shape[1] != 2:
        return _channel_sum(samples)
    # Both channels of a moment read as one number: strided reads of 16 bits are slower.
    upper = samples.view(np.int32)[:, 0]
    lower = upper << 16
    lower >>= 16
    upper >>= 16
    lower += upper
    return lower.astype(np.float32)


def resample(samples: np.ndarray, rate: int, target: int) -> np.ndarray:
    """Resample along the first axis from `rate` to `target` hertz, low-pass filtered (soxr, HQ)."""
    return samples if rate == target else soxr.resample(samples, rate, target)


def pad(samples: np.ndarray, length: int, rng: np.random.Generator | None = None) -> np.ndarray:
    """Zero-pad a clip to `length` samples, the clip at a random position (paper section 3.2.1).

    Parameters
    ----------
    samples : numpy.ndarray, (n_samples,)
    length : int
        A longer clip is an `AudioError`.
    rng : numpy.random.Generator, optional
        Of the position, uniform over all that fit; without it the clip is at the start.
    """
    spare = length - len(samples)
    if spare < 0:
        raise AudioError(
            "clip",
            found=f"{len(samples)} samples",
            expected=f"at most {length}, the padded length",
            remedy="Pad to a greater length, or cut the clip.",
        )
    before = int(rng.integers(spare + 1)) if rng is not None else 0
    return np.pad(samples, (before, spare - before))


def player(samples: np.ndarray, rate: int) -> "IPython.display.Audio":
    """Make a player for a notebook: 22,050 Hz, clipped outside [-1, 1], MP3, a tenth in size."""
    from IPython.display import Audio

    file = BytesIO()
    soundfile.write(file, resample(samples, rate, PLAYED_RATE), PLAYED_RATE, format="MP3")
    shown = Audio(file.getvalue())
    shown.mimetype = "audio/mpeg"
    return shown


def load_mono(path: str | Path, sample_rate: int | None = None) -> np.ndarray:
    """Read a file in mono, resampled to `sample_rate` hertz if given: float32, (n_samples,).

    Raises as `read`.
    """
    samples, rate = _read_mono(path)
    return resample(samples, rate, sample_rate or rate)


def _read_mono(path: str | Path) -> tuple[np.ndarray, int]:
    """Do what ``mono(read(path))`` does, to the bit, in half the time for 16-bit files."""
    with opened(path) as file:
        if file.subtype == "PCM_16" and file.frames:
            samples = _channel_sum_16_bit(file.read(dtype="int16", always_2d=True))
            samples *= np.float32(1 / (32768 * file.channels))
            return samples, file.samplerate
    samples, rate = read(path)
    return mono(samples), rate
