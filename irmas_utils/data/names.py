"""What IRMAS writes in file names and label files.

A training clip is called ``008__[cel][nod][cla]0058__1.wav``: an optional leading number, the
instrument, optionally whether there are drums, the genre, a number, and the excerpt within the
recording. The position of a tag gives its meaning: ``[cla]`` is clarinet first and classical
last. A testing clip is called ``Song title-3.wav`` and its labels are in ``Song title-3.txt``,
one code a line, each followed by a tab.

Source: the documentation that comes with the data set, https://zenodo.org/record/1290750.
"""

import os
import re
import unicodedata

from irmas_utils.project.vocabulary import INSTRUMENTS

GENRES = ("cla", "cou_fol", "jaz_blu", "lat_sou", "pop_roc")
DRUMS = ("dru", "nod", "---")

_TRAINING_NAME = re.compile(
    r"(?P<recording>(?:\d+__)?"
    rf"\[(?P<instrument>{'|'.join(INSTRUMENTS)})\]"
    rf"(?:\[(?P<drums>{'|'.join(DRUMS)})\])?"
    rf"\[(?P<genre>{'|'.join(GENRES)})\]"
    r"\d+)__\d+"
)


def parse_training_name(name: str) -> dict[str, str | None]:
    """Parse a name: recording, instrument, drums (or None), genre; ValueError if it is none."""
    match = _TRAINING_NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"name {name!r} is not [instrument][drums][genre]number__excerpt")
    return match.groupdict()


def song_of(name: str) -> str:
    """Return the song that a testing clip was cut from: its name without the excerpt number."""
    return re.sub(r"(?<=.)-\d+\Z", "", name)


def parse_labels(content: bytes) -> tuple[str, ...]:
    """Parse a label file: a code a line, each once, in the order of `INSTRUMENTS`.

    Blank lines, tabs and a byte-order mark are accepted. ValueError if a line is no code, or none.
    """
    codes = {line.strip() for line in decode(content).splitlines()} - {""}
    if unknown := sorted(codes - set(INSTRUMENTS)):
        raise ValueError(f"unknown label {', '.join(map(repr, unknown))}")
    if not codes:
        raise ValueError("no label")
    return tuple(code for code in INSTRUMENTS if code in codes)


def decode(content: bytes) -> str:
    """Decode UTF-8, with or without a byte-order mark, or else Latin-1."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def readable(file_name: str) -> str:
    """Return a name that prints and sorts alike everywhere: no surrogates, composed accents."""
    return unicodedata.normalize("NFC", decode(os.fsencode(file_name)))
