"""The sounds that stand for each class, and all else that ``music.yaml`` says of the music."""

from dataclasses import dataclass, replace
from importlib import resources

import yaml

MUSIC = yaml.safe_load(resources.files(__package__).joinpath("music.yaml").read_text("utf-8"))


@dataclass(frozen=True)
class Sound:
    """A General MIDI program and how it is played."""

    program: int  # 0 to 127; ignored for drums
    low: int  # lowest and highest note [MIDI number]
    high: int
    decay: float = 0.0  # time constant [s] of a plucked or struck tone; 0 for a sustained one
    vibrato: float = 0.0  # depth [cents]
    drive: float = 0.0  # overdrive, 0 for none
    chords: bool = False  # whether it can play them
    code: str = ""  # what it is a sound of: an instrument, the drums, a genre's bass

    def lowered(self) -> "Sound":
        """Return the same sound for the lower half of its range, as a left hand plays it."""
        return replace(self, high=max(self.low + 20, (self.low + self.high) // 2))


SOUNDS = {
    code: tuple(Sound(*row, chords=code in MUSIC["play_chords"], code=code) for row in rows)
    for code, rows in MUSIC["sounds"].items()
}


def _comping(entry: str | list) -> Sound:
    if isinstance(entry, list):
        return Sound(*entry, chords=True)
    code, number = entry.split()
    return SOUNDS[code][int(number)]


COMPING = {genre: tuple(map(_comping, entries)) for genre, entries in MUSIC["comping"].items()}
