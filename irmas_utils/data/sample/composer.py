"""A small seeded composer: a recording's plan in, notes for every player out.

Times are in seconds, pitches in MIDI numbers, levels in decibels relative to the leading player.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from irmas_utils.data.sample.plan import MUSIC, Recording

ROLES = ("drums", "bass", "melody", "other")

MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
GENRES, RHYTHMS = MUSIC["genres"], MUSIC["rhythms"]


class Sound(NamedTuple):
    """A General MIDI program and how it is played."""

    program: int  # 0 to 127; ignored for drums
    low: int  # lowest and highest note [MIDI number]
    high: int
    decay: float = 0.0  # time constant [s] of a plucked or struck tone; 0 for a sustained one
    vibrato: float = 0.0  # depth [cents]
    drive: float = 0.0  # overdrive, 0 for none
    chords: bool = False  # whether it can play them
    code: str = ""  # what it is a sound of: an instrument, the drums, a genre's bass


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


class Part(NamedTuple):
    """What one player does."""

    role: str  # one of `ROLES`: the stem that the part belongs to
    sound: Sound
    notes: np.ndarray  # (n_notes, 4): onset [s], duration [s], pitch [MIDI], velocity [1 to 127]
    level: float  # root mean square [dB], relative to the leading player
    pan: float  # -1 left to 1 right


class Piece(NamedTuple):
    """A composed recording: its players, its length [s] and its room."""

    parts: tuple[Part, ...]
    seconds: float
    reverberation: float
    wet: float
    peak: float
    noise_seed: int


class Harmony(NamedTuple):
    """Beats, key and chords: what all players share."""

    beat: float
    tonic: int
    scale: tuple[int, ...]
    roots: list[int]  # the scale degree of each bar's chord

    def pitch(self, degree: int) -> int:
        """Return the pitch, near the octave above middle C, of a scale degree of any size."""
        octave, step = divmod(degree, len(self.scale))
        return 60 + self.tonic + 12 * octave + self.scale[step]


def compose(recording: Recording) -> Piece:
    """Write the music of one recording; one labelled player, by lot, has the role "melody"."""
    band, take = np.random.default_rng(recording.band), np.random.default_rng(recording.take)
    harmony = _harmony(recording, band)
    labelled = _labelled_parts(recording, harmony, band, take)
    return Piece(
        parts=(*labelled, *_backing_parts(recording, harmony, band, take)),
        seconds=recording.seconds,
        reverberation=band.uniform(0.2, 1.4),
        wet=band.uniform(-20, -7),
        peak=take.uniform(-9, -0.5),
        noise_seed=int(band.integers(2**32)),
    )


def _harmony(recording: Recording, rng: np.random.Generator) -> Harmony:
    genre = GENRES[recording.genre]
    beat = 60 / rng.uniform(*genre["tempo"])
    tonic = int(rng.integers(-6, 6))
    scale = MAJOR if rng.random() < 0.6 else MINOR
    n_bars = int(recording.seconds / (4 * beat)) + 1
    roots = np.resize(_choice(rng, genre["progressions"]), n_bars)
    return Harmony(beat, tonic, scale, roots.tolist())


def _labelled_parts(
    recording: Recording, harmony: Harmony, band: np.random.Generator, take: np.random.Generator
) -> list[Part]:
    """The first by lot plays the melody, the others counter-melodies or chords."""
    order = band.permutation(recording.labels).tolist()
    parts = []
    for rank, code in enumerate(order):
        sound = _choice(band, SOUNDS[code])
        level, pan = take.uniform(-3, 0) if rank else 0.0, band.uniform(-0.5, 0.5)
        if sound.chords and (rank or take.random() < 0.4):
            notes = comping(harmony, sound, take)
        else:
            notes = melody(harmony, sound, take, busy=rank == 0)
        parts.append(Part("other" if rank else "melody", sound, notes, level, pan))
        if sound.chords and rank == 0 and take.random() < 0.6:
            left_hand = sound._replace(high=max(sound.low + 20, (sound.low + sound.high) // 2))
            low = comping(harmony, left_hand, take)
            parts.append(Part("melody", sound, low, -4.0, pan))
    return parts


def _backing_parts(
    recording: Recording, harmony: Harmony, band: np.random.Generator, take: np.random.Generator
) -> list[Part]:
    """Bass, drums and up to two players that nobody would call predominant."""
    parts = []
    if band.random() < 0.85:
        sound = _choice(band, SOUNDS[f"bass_{recording.genre}"])
        notes = bass(harmony, sound, recording.genre, take)
        parts.append(Part("bass", sound, notes, band.uniform(-13, -7), 0.0))
    if recording.drums:
        notes = drums(harmony, recording.genre, take)
        parts.append(Part("drums", SOUNDS["drums"][0], notes, band.uniform(-14, -7), 0.0))
    for _ in range(band.integers(1, 3)):
        sound = _choice(band, COMPING[recording.genre])
        if sound.code not in recording.labels:
            level, pan = band.uniform(-16, -8), band.uniform(-0.9, 0.9)
            notes = comping(harmony, sound, take)
            parts.append(Part("other", sound, notes, level, pan))
    return parts


def _choice(rng: np.random.Generator, options: Sequence) -> Any:
    return options[rng.integers(len(options))]


def melody(harmony: Harmony, sound: Sound, rng: np.random.Generator, busy: bool) -> np.ndarray:
    """Walk the scale within the player's range, on chord tones where a bar begins."""
    low = rng.integers(sound.low, max(sound.low + 1, sound.high - 16))
    high = min(low + 16, sound.high)
    ladder = [d for d in range(-28, 36) if low <= harmony.pitch(d) <= high]
    at, notes = int(rng.integers(len(ladder))), []
    for bar, root in enumerate(harmony.roots):
        onset, rhythm = 4.0 * bar, _choice(rng, RHYTHMS if busy else RHYTHMS[:3])
        chord = [i for i, degree in enumerate(ladder) if (degree - root) % 7 in (0, 2, 4)]
        at = min(chord, key=lambda i, near=at: abs(i - near), default=at)
        for duration in rhythm:
            notes.append((onset, duration * rng.uniform(0.8, 1.0), harmony.pitch(ladder[at])))
            onset += duration
            at = int(np.clip(at + rng.choice((-2, -1, -1, 1, 1, 2, 3, -3)), 0, len(ladder) - 1))
    return _performed(notes, harmony.beat, rng)


def comping(harmony: Harmony, sound: Sound, rng: np.random.Generator) -> np.ndarray:
    """Play the chords: held, pulsed, off the beat or broken."""
    patterns = (((0, 4),), ((0, 2), (2, 2)), tuple((b, 0.9) for b in range(4)))
    patterns += (((0.5, 0.5), (1.5, 0.5), (2.5, 0.5), (3.5, 0.5)), ((0, 1.5), (1.5, 2.5)), "broken")
    pattern = _choice(rng, patterns)
    centre, notes = int(rng.integers(sound.low + 6, sound.high - 9)), []
    for bar, root in enumerate(harmony.roots):
        tones = [harmony.pitch(root + third) for third in (0, 2, 4)]
        # Each tone in the octave that starts a fourth below the centre.
        chord = sorted({centre - 5 + (tone - centre + 5) % 12 for tone in tones})
        if pattern == "broken":
            order = [0, 1, 2, 3, 2, 1, 0, 2]
            notes += [(4 * bar + i / 2, 0.5, chord[k % len(chord)]) for i, k in enumerate(order)]
        else:
            notes += [(4 * bar + on, length, p) for on, length in pattern for p in chord]
    return _performed(notes, harmony.beat, rng)


def bass(harmony: Harmony, sound: Sound, genre: str, rng: np.random.Generator) -> np.ndarray:
    """Alternate roots, fifths and passing tones in one of the genre's rhythms."""
    rhythm, notes = _choice(rng, GENRES[genre]["bass"]), []
    for bar, root in enumerate(harmony.roots):
        onset = 4.0 * bar
        for duration in rhythm:
            step = 0 if onset == 4.0 * bar else int(rng.choice((0, 0, 4, 2)))
            pitch = harmony.pitch(root + step)
            notes.append((onset, 0.9 * duration, sound.low + (pitch - sound.low) % 12))
            onset += duration
    return _performed(notes, harmony.beat, rng)


def drums(harmony: Harmony, genre: str, rng: np.random.Generator) -> np.ndarray:
    """Repeat one of the genre's patterns, leaving a stroke out now and then."""
    pattern = _choice(rng, GENRES[genre]["patterns"])
    notes = [
        (4 * bar + step / 4, 0.25, key)
        for bar in range(len(harmony.roots))
        for key, steps in pattern.items()
        for step in steps
        if rng.random() < 0.95
    ]
    return _performed(notes, harmony.beat, rng)


def _performed(
    notes: list[tuple[float, float, int]], beat: float, rng: np.random.Generator
) -> np.ndarray:
    """Turn beats into seconds, with the small unevenness of a player."""
    onset, duration, pitch = np.array(notes, dtype=float).T
    late = rng.normal(0, 0.006, len(onset)).clip(-0.02, 0.02)
    velocity = rng.normal(92, 10, len(onset)).clip(50, 120).round()
    return np.column_stack([(onset * beat + late).clip(0), duration * beat, pitch, velocity])
