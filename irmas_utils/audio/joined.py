"""Whole recordings from Ogg and MP3 files of which libsndfile reads only the beginning.

It stops where another stream follows in the same file (chained Ogg, joined MP3), and where an MP3
file tells of fewer frames than there are, or of none and begins louder than it goes on.
"""

import itertools
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import soundfile

from irmas_utils.audio import containers, io
from irmas_utils.project import files, paths
from irmas_utils.project.errors import AudioError

_TOLD = re.compile(containers.TOLD, re.DOTALL)


def whole(path: str | Path) -> Path:
    """Return a file that is read to its end: `path`, or a copy in the cache of all its parts.

    Where that is no help, it is `path`, and what `io.AudioFile.shortfall` says of it holds.
    """
    with suppress(AudioError):  # whoever reads `path` tells of it
        with io.opened(path) as file:
            split = {"OGG": _ogg_parts, "MP3": _mp3_parts}.get(file.format)
            if not split:
                return Path(path)
            for _ in file.rest(partly=True):  # what it falls short of is known at its end
                pass
            goes_on = "goes on" in file.shortfall()
        if goes_on:
            form = file.samplerate, file.channels
            copy = paths.cache_root() / "joined" / f"{files.digest(path)}.flac"
            files.kept(copy, lambda copy: _write(copy, split(Path(path).read_bytes()), *form))
            if soundfile.info(copy).frames > file.n_read + 0.1 * file.samplerate:
                return copy  # else another kind follows
    return Path(path)


def _write(copy: Path, parts: Iterator[bytes], rate: int, channels: int) -> None:
    with soundfile.SoundFile(copy, "w", rate, channels, "PCM_24") as whole:
        for part in parts:
            samples = _decoded(part, rate)
            alike = samples.shape[1] == channels
            whole.write(samples if alike else np.repeat(io.mono(samples)[:, None], channels, 1))


def _decoded(part: bytes, rate: int) -> np.ndarray:
    with tempfile.NamedTemporaryFile() as content:
        content.write(part)
        content.flush()
        samples, own_rate = io.read(content.name)
        return np.clip(io.resample(samples, own_rate, rate), -1, 1)


def _ogg_parts(content: bytes) -> Iterator[bytes]:
    """Split chained streams; those that begin together are one."""
    starts, begun = [], True
    for start, _, flags, *_ in containers.ogg_pages(content):
        if begun and flags & 2:
            starts.append(start)
        begun = not flags & 2
    for start, stop in itertools.pairwise([*starts, None]):
        yield content[start:stop]


def _mp3_parts(content: bytes) -> Iterator[bytes]:
    """Split joined files where one tells of its length, and let each tell of no end."""
    starts = [found.start() for found in _TOLD.finditer(content)]
    first = containers.FRAME.search(content, containers.soundless(content, 0))
    if first and first.start() not in starts:
        starts.insert(0, first.start())
    for start, stop in itertools.pairwise([*starts, None]):
        header = content[start : start + 4]
        told = containers.frame_length(header) if _TOLD.match(content, start) else 0
        yield _endless(header) + content[start + told : stop]


def _endless(header: bytes) -> bytes:
    """Return a frame as those of `header`, of 128 or 80 kbit/s, that tells of 2³² - 1 others."""
    mpeg1, mono = bool(header[1] & 8), header[3] >> 6 == 3
    header = bytes([header[0], header[1] | 1, 0x90 | header[2] & 0x0C, header[3]])
    side = (17 if mono else 32) if mpeg1 else (9 if mono else 17)
    frame = header + bytes(side) + b"Info\0\0\0\1\xff\xff\xff\xff"
    return frame.ljust(containers.frame_length(header), b"\0")
