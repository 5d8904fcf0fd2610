"""The General MIDI sounds that stand for each class, with the ranges in which they are played.

Source of the program numbers: the General MIDI Level 1 sound set (counted from 0 here).
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Sound:
    """A General MIDI program and how it is played."""

    program: int  # 0 to 127; ignored for drums
    low: int  # lowest and highest note [MIDI number]
    high: int
    chords: bool = False  # whether it can play them
    decay: float = 0.0  # time constant [s] of a plucked or struck tone; 0 for a sustained one
    vibrato: float = 0.0  # depth [cents]
    drive: float = 0.0  # overdrive, 0 for none
    code: str = ""  # the instrument it would be labelled with; "" when it is none of the eleven

    @property
    def is_drums(self) -> bool:
        """Whether notes are strokes on a drum kit."""
        return self.code == "drums"

    def lowered(self) -> "Sound":
        """Return the same sound for the lower half of its range, as a left hand plays it."""
        return replace(self, high=max(self.low + 20, (self.low + self.high) // 2))


def _class(code: str, *sounds: Sound) -> dict[str, tuple[Sound, ...]]:
    return {code: tuple(replace(sound, code=code) for sound in sounds)}


def _steady(*programs: int) -> tuple[Sound, ...]:
    return tuple(Sound(program, 48, 79, chords=True) for program in programs)


SOUNDS = {
    **_class("cel", Sound(42, 36, 67, vibrato=18), Sound(42, 40, 72, vibrato=30)),
    **_class("cla", Sound(71, 50, 84), Sound(71, 50, 74, vibrato=6)),
    **_class(
        "flu", Sound(73, 60, 93, vibrato=12), Sound(73, 62, 88, vibrato=20), Sound(72, 74, 98)
    ),
    **_class(
        "gac",
        Sound(24, 40, 76, chords=True, decay=0.45),
        Sound(25, 40, 79, chords=True, decay=0.6),
        Sound(25, 45, 79, chords=True, decay=0.35),
    ),
    **_class(
        "gel",
        Sound(26, 40, 79, chords=True, decay=0.6),
        Sound(27, 40, 83, chords=True, decay=0.9),
        Sound(28, 40, 76, chords=True, decay=0.2),
        Sound(29, 40, 86, chords=True, decay=3.0, vibrato=10, drive=2.0),
        Sound(30, 40, 86, chords=True, decay=4.0, vibrato=15, drive=3.0),
    ),
    **_class(
        "org",
        Sound(16, 40, 88, chords=True, vibrato=6),
        Sound(17, 40, 88, chords=True),
        Sound(18, 40, 88, chords=True, vibrato=10, drive=1.5),
        Sound(19, 40, 84, chords=True),
        Sound(20, 48, 84, chords=True),
    ),
    **_class(
        "pia",
        Sound(0, 36, 96, chords=True),
        Sound(1, 36, 96, chords=True),
        Sound(2, 36, 96, chords=True, decay=0.8),
        Sound(3, 36, 91, chords=True),
    ),
    **_class(
        "sax",
        # The alto of TimGM6mb has no sample for E4, so it stays above.
        Sound(64, 56, 84, vibrato=12),
        Sound(65, 65, 81, vibrato=15),
        Sound(66, 44, 75, vibrato=15),
        Sound(67, 37, 68, vibrato=8),
    ),
    **_class("tru", Sound(56, 55, 82, vibrato=8), Sound(56, 58, 82), Sound(59, 55, 80, vibrato=6)),
    **_class("vio", Sound(40, 55, 91, vibrato=25), Sound(40, 57, 86, vibrato=15)),
    **_class(
        "voi",
        Sound(52, 48, 76, vibrato=35),
        Sound(53, 48, 79, vibrato=35),
        Sound(54, 48, 79, vibrato=25),
        Sound(52, 53, 81, vibrato=45, drive=1.0),
    ),
    "bass_cla": (Sound(43, 31, 50), Sound(42, 36, 55)),
    "bass_cou_fol": (Sound(32, 28, 47, decay=0.6),),
    "bass_jaz_blu": (Sound(32, 28, 47, decay=0.6), Sound(35, 28, 47, decay=1.0)),
    "bass_lat_sou": (Sound(33, 28, 47, decay=0.8),),
    "bass_pop_roc": tuple(Sound(p, 28, 47, decay=1.0) for p in (33, 34, 36, 38)),
    "drums": (Sound(0, 0, 127, code="drums"),),
}

# Quiet accompaniment; the labelled instruments of a recording are taken out by the composer.
COMPING = {
    "cla": (*_steady(48, 49), Sound(46, 43, 84, chords=True, decay=0.6), SOUNDS["pia"][0]),
    "cou_fol": (SOUNDS["gac"][1], *_steady(21, 48), SOUNDS["pia"][0]),
    "jaz_blu": (
        SOUNDS["pia"][0],
        SOUNDS["gel"][0],
        Sound(11, 53, 84, chords=True, decay=0.7),
        *_steady(61, 4),
        SOUNDS["org"][1],
    ),
    "lat_sou": (SOUNDS["gac"][0], SOUNDS["pia"][1], *_steady(61)),
    "pop_roc": (
        *_steady(48, 88, 89, 50),
        Sound(4, 48, 84, chords=True, decay=1.0),
        SOUNDS["gac"][1],
        SOUNDS["gel"][1],
        SOUNDS["org"][0],
        SOUNDS["pia"][0],
    ),
}
