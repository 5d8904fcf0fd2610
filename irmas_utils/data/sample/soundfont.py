"""Find the soundfont, and rewrite its tuning in the only terms that symusic understands.

A zone of a soundfont may override the root key of its sample and tune it (generators 58, 51
and 52). symusic 0.5.9 ignores the root key and cuts the tuning at 1.2 semitones
(https://github.com/Yikai-Liao/symusic/issues/55). It does honour the root key in the sample's own
header: here every zone gets a header of its own, with the effective root key and tuning in it.

Source of the format: SoundFont Technical Specification 2.04, section 7.
"""

import importlib.metadata
import itertools
import struct
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from irmas_utils.project import files, paths
from irmas_utils.project.errors import DataError

_BUNDLED = "pretty_midi/TimGM6mb.sf2"
_COARSE_TUNE, _FINE_TUNE, _SAMPLE_ID, _ROOT_KEY = 51, 52, 53, 58
_INSTRUMENT = np.dtype([("name", "S20"), ("bag", "<u2")])
_BAG = np.dtype([("generator", "<u2"), ("modulator", "<u2")])
_GENERATOR = np.dtype([("kind", "<u2"), ("amount", "<i2")])
_HEADER = np.dtype(
    [("name", "S20"), ("offsets", "<u4", 4), ("rate", "<u4"), ("root", "u1"), ("cents", "i1"),
     ("link", "<u2"), ("type", "<u2")]
)  # fmt: skip

_unusable = partial(
    DataError,
    expected="a General MIDI soundfont (.sf2 or .sf3)",
    remedy="Correct `soundfont`, or leave it out to use the one in pretty_midi.",
)


def find(soundfont: str | None = None) -> Path:
    """Return the soundfont to use: the one named, or TimGM6mb in the pretty_midi package.

    Raises DataError if the file is missing or is not a SoundFont.
    """
    bundled = importlib.metadata.distribution("pretty_midi").locate_file(_BUNDLED)
    path = Path(soundfont or bundled).expanduser()
    head = path.read_bytes()[:12] if path.is_file() else b""
    if head[:4] != b"RIFF" or head[8:] != b"sfbk":
        raise _unusable(path, "no SoundFont" if path.exists() else "no such file")
    return path.resolve()


def retuned(path: Path) -> Path:
    """Return a copy, kept in the cache, that symusic plays in tune; DataError if it is damaged."""
    digest = files.sha256(path)
    target = paths.cache_root() / "soundfonts" / f"{digest[:16]}-retuned-1{path.suffix}"
    try:
        return files.kept(target, lambda new: new.write_bytes(_retuned(path.read_bytes())))
    except (ValueError, IndexError, KeyError, struct.error) as error:
        raise _unusable(path, f"a damaged file ({error!r})") from error


def _retuned(content: bytes) -> bytes:
    """Give each zone a sample header of its own."""
    body = bytearray(content)
    chunks = dict(_chunks(content))
    start, stop = chunks["igen"]
    generators = np.frombuffer(body, _GENERATOR, (stop - start) // 4, start)  # writes to body
    headers = np.frombuffer(content[slice(*chunks["shdr"])], _HEADER)
    bags = np.frombuffer(content[slice(*chunks["ibag"])], _BAG)["generator"]
    instruments = np.frombuffer(content[slice(*chunks["inst"])], _INSTRUMENT)["bag"]
    tuned = []
    for first, last in itertools.pairwise(instruments):
        common: dict[int, int] = {}
        for zone in range(first, last):
            own = generators[bags[zone] : bags[zone + 1]]
            values = common | dict(zip(own["kind"].tolist(), own["amount"].tolist(), strict=True))
            if _SAMPLE_ID in values:
                tuned.append(_tuned(headers[values[_SAMPLE_ID]], values))
                own["amount"][own["kind"] == _SAMPLE_ID] = len(tuned) - 1
            elif zone == first:
                common = values
    # What the headers now say must not be applied again.
    generators["amount"][np.isin(generators["kind"], (_COARSE_TUNE, _FINE_TUNE))] = 0
    return _with_headers(bytes(body), chunks["shdr"], np.array([*tuned, headers[-1]], _HEADER))


def _tuned(header: np.void, values: dict[int, int]) -> np.void:
    header = header.copy()
    root = values.get(_ROOT_KEY, -1)
    root = int(header["root"]) if root < 0 else root
    cents = int(header["cents"]) + values.get(_FINE_TUNE, 0) + 100 * values.get(_COARSE_TUNE, 0)
    semitones = round(cents / 100)
    # Higher tuning is a lower root key: the same key then plays the sample faster.
    header["root"] = np.clip(root - semitones, 0, 127)
    header["cents"] = cents - 100 * semitones
    return header


def _with_headers(content: bytes, place: tuple[int, int], headers: np.ndarray) -> bytes:
    """Replace the last chunk of the file, the sample headers, and mend the three sizes."""
    start, stop = place
    if stop < len(content) - 1:
        raise ValueError("sample headers are not the last chunk")
    body = bytearray(content[:start] + headers.tobytes())
    for chunk in (0, content.rindex(b"LIST", 0, start), start - 8):
        struct.pack_into("<I", body, chunk + 4, len(body) - chunk - 8)
    return bytes(body)


def _chunks(content: bytes) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the name and place of each chunk, inside lists too."""
    at = 12
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        if name == b"LIST":
            at += 12
        else:
            yield name.decode("latin-1"), (at + 8, at + 8 + size)
            at += 8 + size + size % 2
