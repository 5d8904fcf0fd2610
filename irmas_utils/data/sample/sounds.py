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

    def lowered(self) -> "Sound":
        """Return the same sound for the lower half of its range, as a left hand plays it."""
        return replace(self, high=max(self.low + 20, (self.low + self.high) // 2))


def _steady(*programs: int) -> tuple[Sound, ...]:
    return tuple(Sound(program, 48, 79, chords=True) for program in programs)


# Program, lowest and highest note, and, unless they are 0, decay, vibrato and drive.
_LABELLED = {
    "cel": ((42, 36, 67, 0, 18), (42, 40, 72, 0, 30)),
    "cla": ((71, 50, 84), (71, 50, 74, 0, 6)),
    "flu": ((73, 60, 93, 0, 12), (73, 62, 88, 0, 20), (72, 74, 98)),
    "gac": ((24, 40, 76, 0.45), (25, 40, 79, 0.6), (25, 45, 79, 0.35)),
    "gel": ((26, 40, 79, 0.6), (27, 40, 83, 0.9), (28, 40, 76, 0.2),
            (29, 40, 86, 3.0, 10, 2.0), (30, 40, 86, 4.0, 15, 3.0)),
    "org": ((16, 40, 88, 0, 6), (17, 40, 88), (18, 40, 88, 0, 10, 1.5), (19, 40, 84),
            (20, 48, 84)),
    "pia": ((0, 36, 96), (1, 36, 96), (2, 36, 96, 0.8), (3, 36, 91)),
    # The alto (65) of TimGM6mb has no sample for E4, so it stays above.
    "sax": ((64, 56, 84, 0, 12), (65, 65, 81, 0, 15), (66, 44, 75, 0, 15), (67, 37, 68, 0, 8)),
    "tru": ((56, 55, 82, 0, 8), (56, 58, 82), (59, 55, 80, 0, 6)),
    "vio": ((40, 55, 91, 0, 25), (40, 57, 86, 0, 15)),
    "voi": ((52, 48, 76, 0, 35), (53, 48, 79, 0, 35), (54, 48, 79, 0, 25),
            (52, 53, 81, 0, 45, 1.0)),
}  # fmt: skip
_PLAY_CHORDS = ("gac", "gel", "org", "pia")


def _class(code: str) -> tuple[Sound, ...]:
    chords = code in _PLAY_CHORDS
    return tuple(Sound(*row[:3], chords, *row[3:], code=code) for row in _LABELLED[code])


SOUNDS = {
    **{code: _class(code) for code in _LABELLED},
    "bass_cla": (Sound(43, 31, 50), Sound(42, 36, 55)),
    "bass_cou_fol": (Sound(32, 28, 47, decay=0.6),),
    "bass_jaz_blu": (Sound(32, 28, 47, decay=0.6), Sound(35, 28, 47, decay=1.0)),
    "bass_lat_sou": (Sound(33, 28, 47, decay=0.8),),
    "bass_pop_roc": tuple(Sound(p, 28, 47, decay=1.0) for p in (33, 34, 36, 38)),
    "drums": (Sound(0, 0, 127, code="drums"),),
}

# Quiet accompaniment; the labelled instruments of a recording are taken out by the composer.
_GAC, _GEL, _ORG, _PIA = (SOUNDS[code] for code in _PLAY_CHORDS)
COMPING = {
    "cla": (*_steady(48, 49), Sound(46, 43, 84, chords=True, decay=0.6), _PIA[0]),
    "cou_fol": (_GAC[1], *_steady(21, 48), _PIA[0]),
    "jaz_blu": (_PIA[0], _GEL[0], Sound(11, 53, 84, chords=True, decay=0.7), *_steady(61, 4),
                _ORG[1]),
    "lat_sou": (_GAC[0], _PIA[1], *_steady(61)),
    "pop_roc": (*_steady(48, 88, 89, 50), Sound(4, 48, 84, chords=True, decay=1.0), _GAC[1],
                _GEL[1], _ORG[0], _PIA[0]),
}  # fmt: skip
