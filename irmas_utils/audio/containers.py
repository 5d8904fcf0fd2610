"""What audio files hold besides the sound that is read: tags, chunks, pages, other recordings."""

import mmap
import re
import struct
import zlib
from collections.abc import Iterator

Content = bytes | mmap.mmap

_BUFFER = 2**13  # bytes that libFLAC reads ahead
_MOST = 1000  # tags, chunks or bad pages: who has more may have made them to be waited for

FRAME = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb][\x10-\xef].", re.DOTALL)
"""The header of a frame of MP3."""

TOLD = FRAME.pattern + rb"(?:.{9}|.{17}|.{32})(?:Xing|Info)\0\0\0"
"""A frame that tells how many follow."""

# What may follow the sound: another recording, more frames of MP3 than part of one, padding and
# tags, or chunks, whose size is told up to such a byte.
_NEXT = (
    rb"RIF[FX].{4}WAVE|RF64.{4}WAVE|FORM.{4}AIF|\.snd\0\0|caff\0\x01|riff\x2e\x91|OggS\0|"
    rb"fLaC\0\0\0\x22|" + TOLD
)
_MORE = re.compile(_NEXT + b"|" + FRAME.pattern + b".{1500}", re.DOTALL)
_AHEAD = re.compile(_NEXT + rb"|ID3[\2-\4]\0|APETAGEX|LYRICSBEGIN|TAG(?=.{125}\Z)", re.DOTALL)
_TAG = re.compile(rb"[\0\r\n]+|TAG.{125}|LYRICSBEGIN.*?LYRICS(?:200|END)", re.DOTALL)
_CHUNK = re.compile(rb"(?!data|SSND)[ -~]{4}")
_SIZES = {b"RIFF": (8, "little"), b"RF64": (8, "little"), b"RIFX": (8, "big"),
          b"FORM": (8, "big"), b"caff": (12, "big")}  # fmt: skip
_KBITS = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}  # by whether it is MPEG 1
_FRAME_RATES = (44_100, 48_000, 32_000, 1)
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def goes_on(content: Content, end: int, kind: str, subtype: str) -> bool:
    """Say whether more than padding, tags and chunks without sound follows what was read.

    `end` is how far libsndfile has read in a file of that format and subtype, by its names.
    """
    end = _end_of_sound(content, end, kind, subtype)
    for _ in range(_MOST):
        more = _MORE.match(content, end)
        if more or not (size := soundless(content, end)):
            break
        end += size
    return bool(more) or len(content) - end > max(len(content) // 100, 1500)


def _end_of_sound(content: Content, end: int, kind: str, subtype: str) -> int:
    """Return where the sound ends: some formats are read ahead, and MP3 up to its last frame."""
    if kind == "FLAC":
        least = max(end - _BUFFER, content.find(b"fLaC") + 1)
        return found.start() if (found := _AHEAD.search(content, least, end)) else end
    if kind == "MP3" and FRAME.match(content, end):
        return end + frame_length(content[end : end + 4])  # that holds nothing but delay
    if subtype.startswith(("DWVW", "GSM")) and content[:4] in _SIZES:
        place, order = re.search(b"SSND|data", content).end(), _SIZES[content[:4]][1]
        return min(end, place + 4 + int.from_bytes(content[place : place + 4], order))
    return end


def soundless(content: Content, at: int) -> int:
    """Return how long the padding, tag or chunk is that begins at `at`, or 0."""
    if tag := _TAG.match(content, at):
        return tag.end() - at
    size, head = 0, content[at : at + 12]
    if re.match(rb"ID3[\2-\4]", head):
        size = 10 + sum(byte << 7 * (3 - k) for k, byte in enumerate(head[6:10]))
    elif head.startswith(b"APETAGEX"):
        size = 32 + int.from_bytes(content[at + 12 : at + 16], "little")
    else:  # a footer without a header, last or before the last tag
        for ape in (len(content) - 32, len(content) - 160):
            reach = ape + 32 - at
            if content[ape : ape + 8] == b"APETAGEX" and reach >= 32:
                told = int.from_bytes(content[ape + 12 : ape + 16], "little")
                size = reach if reach <= told else 0
    if not size and content[:4] in _SIZES and _CHUNK.match(head):
        stop, order = _SIZES[content[:4]]
        size = stop + int.from_bytes(head[4:stop], order)
    return size if at + size <= len(content) else 0


def ogg_stream(content: Content) -> tuple[int, bool, bool]:
    """Return where the first of chained streams ends, if it is cut, and if it is damaged."""
    end, flags, begun, damaged, due = 0, 0, False, False, {}
    for start, stop, now, position, stream, number in ogg_pages(content):
        if begun and now & 2:
            return end, False, damaged
        # After the headers, a stream that was recorded from a radio may begin at any number.
        damaged |= 0 < end < start or due.pop(stream, number) != number
        if position:
            due[stream] = number + 1
        end, flags, begun = stop, now, not now & 2
    return end, not flags & 4, damaged


def ogg_pages(content: Content) -> Iterator[tuple[int, ...]]:
    """Yield of each undamaged page its start, end, flags, position, stream and number."""
    start, bad = content.find(b"OggS"), 0
    while start >= 0 and bad < _MOST:
        n = sum(content[start + 26 : start + 27])
        end = start + 27 + n + sum(content[start + 27 : start + 27 + n])
        page = content[start:end]
        zeroed = (page[:22] + bytes(4) + page[26:]).translate(_REVERSED)  # Ogg's CRC-32 is mirrored
        checksum = (~zlib.crc32(zeroed, 2**32 - 1) % 2**32).to_bytes(4, "big").translate(_REVERSED)
        if intact := page[22:26] == checksum:
            yield start, end, *struct.unpack_from("<BqII", page, 5)
        bad += not intact
        start = content.find(b"OggS", end if intact else start + 4)


def frame_length(header: bytes) -> int:
    """Return how many bytes a frame of MP3 has."""
    mpeg1 = bool(header[1] & 8)
    rate = _FRAME_RATES[header[2] >> 2 & 3] >> (0 if mpeg1 else 1 if header[1] & 16 else 2)
    kbits = _KBITS[mpeg1][header[2] >> 4]
    return (144 if mpeg1 else 72) * 1000 * kbits // max(rate, 1) + (header[2] >> 1 & 1)
