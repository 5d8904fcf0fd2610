"""From audio files to samples: reading, mono mix-down, resampling, zero padding, playing.

Paper section 3.2.1. Notebook: 02_data_preparation.ipynb.
"""

import collections
import mmap
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr

from irmas_utils.audio import containers
from irmas_utils.project.errors import AudioError

if TYPE_CHECKING:
    import IPython.display

PLAYED_RATE = 22_050
CLOSED = (".m4a", ".aac", ".wma", ".mp4", ".webm", ".ape", ".wv")
"""Suffixes of audio that libsndfile does not read."""
_RATES = range(1_000, 1_000_001)  # [Hz]
_PEAK = 16.0  # 24 dB above full scale: no decoder goes there
_BLOCK = 2**19  # values that are read at a time

# What libsndfile notes if there are fewer bytes than a header tells of, and how many that is where
# a pipe has left it open.
_MISFIT = re.compile(r"(?:data|SSND|BODY|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)")
_OPEN = range(0x7FFF0000, 0x80001000), range(0xFFFF0000, 2**32)
_TOLD = re.compile(rb"(?:Xing|Info)\0\0\0[\x01-\x0f]|VBRI\0\x01")  # else MP3's length is guessed

_CUT = re.compile("(?<!chunk )[Ss]eems to be (a )?truncated")  # of VOC and MAT4
_LENGTHS = {"AVR": r"Frames +: (\d+)", "MPC2K": r"Frames +: (\d+)", "MAT5": r"Cols +: (\d+)",
            "NIST": r"sample_count -i (\d+)", "WVE": r"Data length (\d+)"}  # fmt: skip


class AudioFile(soundfile.SoundFile):
    """A file that is read onwards from its beginning, since its header need not be true."""

    path: str | Path
    n_read = 0  # frames

    def seekable(self) -> bool:
        """Return False: soundfile seeks after each read if it may, and that damages MP3."""
        return False

    def rest(
        self, n: int = 0, dtype: str = "float32", partly: bool = False
    ) -> Iterator[np.ndarray]:
        """Yield what is left in pieces of `n` frames, or of bounded size; raises as `read`.

        With `partly`, a file of which only the beginning can be read is no error.
        """
        n = n or _BLOCK // self.channels
        while len(block := self.read(min(n, self.frames - self.n_read), dtype, True)):
            self.n_read += len(block)
            peak = max(block.max(), -block.min()) if dtype == "float32" else 0
            if not np.isfinite(peak):  # what is NaN anywhere is NaN here
                raise unusable(self.path, "samples that are NaN or infinite")
            if peak > _PEAK:
                found = f"samples of up to {peak:.5g} times full scale"
                full = next((f"{n}" for n in (2**15, 2**23, 2**31) if peak <= n), "")
                remedy = f"If they are whole numbers, divide them by {full}." if full else ""
                raise unusable(self.path, found, remedy)
            yield block
        if not self.n_read:
            size = os.fstat(self.name).st_size
            raise unusable(self.path, f"no samples: a size of 0 in the header, and {size} bytes")
        if not partly and (shortfall := self.shortfall()):
            raise unusable(self.path, shortfall)

    def shortfall(self) -> str:
        """Say what a file that was read to its end did not give, or ``""``."""
        log, told, end = self.extra_info, float(self.frames), os.lseek(self.name, 0, os.SEEK_CUR)
        if misfit := _MISFIT.search(log):
            size, found = map(int, misfit.groups())
            told *= 1 if any(size in sizes for sizes in _OPEN) else size / max(found, 1)
        ends, damaged = bool(_CUT.search(log)), False
        with mmap.mmap(self.name, 0, access=mmap.ACCESS_READ) as content:
            if length := _LENGTHS.get(self.format):
                lengths = re.findall(length, log + content[:1024].decode("latin-1"))
                told = max([told, *map(int, lengths)])
            if self.format == "MP3" and not _TOLD.search(content, 0, 2**23):
                told = 0
            if self.format == "OGG":
                end, ends, damaged = containers.ogg_stream(content)
            goes_on = containers.goes_on(content, end, self.format, self.subtype)
        ends |= 0.01 < (told - self.n_read) / self.samplerate < 1e6
        states = {"is damaged": damaged, "ends early": ends, "goes on after them": goes_on}
        only = f"only the first {self.n_read / self.samplerate:.1f} s can be read: the file "
        return next((only + state for state, holds in states.items() if holds), "")


@contextmanager
def opened(path: str | Path) -> Iterator[AudioFile]:
    """Open an audio file of any format that libsndfile reads, whatever its name.

    Raises AudioError if it is missing or cannot be read, also where that shows only later in the
    block.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would be waited for
            raise unusable(path, "a folder, pipe or device, not a file")
        descriptor = os.open(path, os.O_RDONLY)
    except (OSError, ValueError) as error:
        raise unusable(path, f"no readable file ({error})") from error
    try:
        with AudioFile(descriptor, closefd=False) as file:
            file.path = path
            if file.samplerate not in _RATES:
                remedy = "Resample it to a rate from 1 to 1000 kHz, such as 44,100 Hz."
                raise unusable(path, f"a sample rate of {file.samplerate} Hz", remedy)
            yield file
    except soundfile.LibsndfileError as error:
        raise unusable(path, f"unreadable audio ({error.error_string})") from error
    finally:
        os.close(descriptor)


def unusable(path: str | Path, found: str, remedy: str = "") -> AudioError:
    """Return the error of an audio file in which `found` was found."""
    expected = "a whole file that libsndfile reads, with at least one sample, all in [-1, 1]"
    remedy = remedy or "Restore the file from where it came, or leave it out."
    if found.startswith("unreadable") and Path(path).suffix.lower() in CLOSED:
        remedy = "Convert it to WAV or FLAC."
    return AudioError(path, found, expected, remedy)


def _whole(file: AudioFile, dtype: str = "float32") -> np.ndarray:
    blocks = list(file.rest(dtype=dtype))
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def read(path: str | Path) -> tuple[np.ndarray, int]:
    """Read a whole file: float32, (n_samples, n_channels), in [-1, 1], and its rate in hertz.

    Raises AudioError if the file is missing, unreadable, empty or cut short, if another follows in
    it, or if it holds NaN, infinity or samples far beyond full scale.
    """
    with opened(path) as file:
        return _whole(file), file.samplerate


def header(path: str | Path) -> dict[str, float | int]:
    """Give ``duration`` [s], ``sample_rate`` [Hz] and ``channels`` of a file; raises as `read`.

    What is not compressed is not decoded: of its samples nothing is known but their number.
    """
    with opened(path) as file:
        if file.format != "FLAC" and file.subtype.startswith(("PCM", "FLOAT", "DOUBLE")):
            file.n_read = file.seek(0, soundfile.SEEK_END)
        collections.deque(file.rest(), maxlen=0)
        duration = file.n_read / file.samplerate
        return {"duration": duration, "sample_rate": file.samplerate, "channels": file.channels}


def beginning(path: str | Path, seconds: float) -> tuple[np.ndarray, int]:
    """Read the first `seconds` of a file in mono: float32, (n_samples,), and its rate in hertz."""
    with opened(path) as file:
        return mono(next(file.rest(round(seconds * file.samplerate)))), file.samplerate


def stream(file: AudioFile, rate: int) -> Iterator[np.ndarray]:
    """Yield what `opened` gave in mono at `rate` hertz, in pieces; raises as `AudioFile.rest`."""
    resampler = soxr.ResampleStream(file.samplerate, rate, 1, dtype="float32")
    for block in file.rest(partly=True):
        yield resampler.resample_chunk(mono(block))
    yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def outline(path: str | Path) -> tuple[np.ndarray, float]:
    """Reduce a file of any length to what its waveform looks like; raises as `stream`.

    Returns the lowest, highest, lowest, … mono sample of one stretch after the other, float32,
    (n_points,), and how many points a second has: about 100.
    """
    extremes = []
    with opened(path) as file:
        length = file.samplerate // 50
        for samples in map(mono, file.rest(length, partly=True)):
            extremes += [samples.min(), samples.max()]
        return np.array(extremes, np.float32), 2 * file.samplerate / length


def mono(samples: np.ndarray) -> np.ndarray:
    """Average the channels, as the field's loaders do: (n_samples, n_channels) to (n_samples,)."""
    return _channel_sum(samples) / np.float32(samples.shape[1])


def _channel_sum(samples: np.ndarray) -> np.ndarray:
    # Columns one by one: numpy's sum over a short last axis is several times slower.
    total = samples[:, 0].astype(np.float32)
    for channel in range(1, samples.shape[1]):
        total += samples[:, channel]
    return total


def resample(samples: np.ndarray, rate: int, target: int) -> np.ndarray:
    """Resample along the first axis from `rate` to `target` hertz, low-pass filtered (soxr, HQ)."""
    return samples if rate == target else soxr.resample(samples, rate, target)


def pad(samples: np.ndarray, length: int, rng: np.random.Generator | None = None) -> np.ndarray:
    """Zero-pad a clip, (n_samples,), to `length` samples (paper section 3.2.1).

    It is at the start, or with `rng` at a random position, uniform over all that fit. A longer
    clip is an AudioError.
    """
    spare = length - len(samples)
    if spare < 0:
        found, expected = f"{len(samples)} samples", f"at most {length}, the padded length"
        raise AudioError("clip", found, expected, "Pad to a greater length, or cut the clip.")
    before = int(rng.integers(spare + 1)) if rng is not None else 0
    return np.pad(samples, (before, spare - before))


def player(samples: np.ndarray, rate: int) -> "IPython.display.Audio":
    """Make a player for a notebook: 22,050 Hz, clipped outside [-1, 1], MP3, a tenth in size."""
    from IPython.display import Audio

    file = BytesIO()
    # The encoder ends the process at what is not finite, or is far outside.
    played = np.clip(np.nan_to_num(resample(samples, rate, PLAYED_RATE)), -1, 1)
    soundfile.write(file, played, PLAYED_RATE, format="MP3")
    shown = Audio(file.getvalue())
    shown.mimetype = "audio/mpeg"
    return shown


def load_mono(path: str | Path, sample_rate: int | None = None) -> np.ndarray:
    """Read a file in mono, resampled to `sample_rate` hertz if given: float32, (n_samples,).

    Raises as `read`.
    """
    with opened(path) as file:
        if file.subtype == "PCM_16":  # mixed before it is scaled: the same bits, in half the time
            samples = _channel_sum(_whole(file, "int16"))
            samples *= np.float32(1 / 32768)
            samples /= np.float32(file.channels)
        else:
            samples = mono(_whole(file))
    resampled = resample(samples, file.samplerate, sample_rate or file.samplerate)
    if not len(resampled):
        raise unusable(path, f"too few samples ({len(samples)})")
    return resampled
