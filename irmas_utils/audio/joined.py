"""Whole recordings from Ogg and MP3 files of which libsndfile reads only the beginning.

It stops where another stream follows in the same file (chained Ogg, joined MP3), and where an MP3
file tells of fewer frames than there are, or of none and begins louder than it goes on.
"""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from irmas_utils.audio import io
from irmas_utils.project import files, paths
from irmas_utils.project.errors import AudioError

_OGG = re.compile(rb"OggS\0[\2\3]")  # a page that begins a stream
_FRAME = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb][\x10-\xef].", re.DOTALL)  # of MP3, its header
_TOLD = re.compile(_FRAME.pattern + rb"(?:.{9}|.{17}|.{32})(?:Xing|Info)\0\0\0", re.DOTALL)
_KBITS = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}  # by whether it is MPEG 1
_RATES = (44_100, 48_000, 32_000, 1)


def whole(path: str | Path) -> Path:
    """Return a file that is read to its end: `path`, or a copy in the cache of all its parts.

    Where that is no help, it is `path`, and what `io.AudioFile.shortfall` says of it holds.
    """
    try:
        with io.opened(path) as file:
            split = {"OGG": _ogg_parts, "MP3": _mp3_parts}.get(file.format)
            if not split:
                return Path(path)
            for _ in file.rest(partly=True):
                pass
            if "goes on" not in file.shortfall():
                return Path(path)
            shape, n_read = (file.samplerate, file.channels), file.n_read
        copy = paths.cache_root() / "joined" / f"{files.digest(path)}.flac"
        parts = split(Path(path).read_bytes())
        copy = files.kept(copy, lambda copy: _write(copy, path, parts, *shape))
        longer = soundfile.info(copy).frames > n_read + 0.1 * shape[0]  # else another kind follows
        return copy if longer else Path(path)
    except AudioError:  # whoever reads `path` tells of it
        return Path(path)


def _write(copy: Path, path: str | Path, parts: Iterator[bytes], rate: int, channels: int) -> None:
    with soundfile.SoundFile(copy, "w", rate, channels, "PCM_24") as whole:
        for part in parts:
            for block in _decoded(part, path, rate):
                alike = block.shape[1] == channels
                whole.write(block if alike else np.repeat(io.mono(block)[:, None], channels, 1))


def _decoded(part: bytes, path: str | Path, rate: int) -> Iterator[np.ndarray]:
    with tempfile.TemporaryFile() as content:
        content.write(part)
        content.seek(0)
        try:
            with io.AudioFile(content.fileno(), closefd=False) as file:
                file.path = path
                blocks = np.concatenate([*file.rest(partly=True)])
                yield np.clip(io.resample(blocks, file.samplerate, rate), -1, 1)
        except soundfile.LibsndfileError as error:
            raise io.unusable(path, f"unreadable audio ({error.error_string})") from error


def _ogg_parts(content: bytes) -> Iterator[bytes]:
    """Split chained streams; those that begin together are one."""
    starts, end = [], -1
    for page in _OGG.finditer(content):
        if page.start() != end:
            starts.append(page.start())
        table = content[page.start() + 27 :][: content[page.start() + 26]]
        end = page.start() + 27 + len(table) + sum(table)
    for start, stop in zip(starts, [*starts[1:], None], strict=True):
        yield content[start:stop]


def _mp3_parts(content: bytes) -> Iterator[bytes]:
    """Split joined files where one tells of its length, and let each tell of no end."""
    starts = [found.start() for found in _TOLD.finditer(content)]
    first = _FRAME.search(content, _after_id3(content))
    if first and first.start() not in starts:
        starts.insert(0, first.start())
    for start, stop in zip(starts, [*starts[1:], None], strict=True):
        header = content[start : start + 4]
        told = _TOLD.match(content, start)
        yield _endless(header) + content[start + (_length(header) if told else 0) : stop]


def _after_id3(content: bytes) -> int:
    if content[:3] != b"ID3":
        return 0
    return 10 + sum(byte << 7 * (3 - k) for k, byte in enumerate(content[6:10]))


def _endless(header: bytes) -> bytes:
    """Return a frame as those of `header`, of 128 or 80 kbit/s, that tells of 2³² - 1 others."""
    mpeg1, mono = bool(header[1] & 8), header[3] >> 6 == 3
    header = bytes([header[0], header[1] | 1, 0x90 | header[2] & 0x0C, header[3]])
    side = (17 if mono else 32) if mpeg1 else (9 if mono else 17)
    frame = header + bytes(side) + b"Info\0\0\0\1\xff\xff\xff\xff"
    return frame.ljust(_length(header), b"\0")


def _length(header: bytes) -> int:
    """Return how many bytes a frame of layer III has."""
    mpeg1 = bool(header[1] & 8)
    rate = _RATES[header[2] >> 2 & 3] >> (0 if mpeg1 else 1 if header[1] & 16 else 2)
    kbits = _KBITS[mpeg1][header[2] >> 4]
    return (144 if mpeg1 else 72) * 1000 * kbits // max(rate, 1) + (header[2] >> 1 & 1)
