"""From notes to sound: a General MIDI synthesizer, a little playing technique, and a room.

Everything after a part's own sound is linear (level, pan, room, gain), so the mixture is the
sum of the stems up to the rounding of floating point.
"""

from pathlib import Path

import numpy as np
import scipy.fft
import symusic

from irmas_utils.data.sample.composer import ROLES, Part, Piece
from irmas_utils.data.sample.plan import SAMPLE_RATE

# Of the qualities 0 to 4 the cheapest that leaves no audible images of samples recorded at a low
# rate (energy above 8 kHz of a string chord: -24 dB at 0, -48 dB at 2 and above); 5 is silent.
_QUALITY = 2


def mixture(piece: Piece, soundfont: Path) -> np.ndarray:
    """Render a piece with what `soundfont.retuned` returned: float32 (n_samples, 2), 44.1 kHz."""
    dry = sum(_dry_stems(piece, soundfont).values())
    mix = _in_room(dry, piece)
    return (mix * _gain(mix, piece)).T


def stems(piece: Piece, soundfont: Path) -> dict[str, np.ndarray]:
    """Render a piece as stems that sum to `mixture`, by `composer.ROLES`; who rests is silent."""
    wet = {role: _in_room(dry, piece) for role, dry in _dry_stems(piece, soundfont).items()}
    gain = _gain(sum(wet.values()), piece)
    return {role: (stem * gain).T for role, stem in wet.items()}


def _dry_stems(piece: Piece, soundfont: Path) -> dict[str, np.ndarray]:
    n_samples = round(piece.seconds * SAMPLE_RATE)
    dry = {role: np.zeros((2, n_samples), np.float32) for role in ROLES}
    for part in piece.parts:
        angle = (part.pan + 1) * np.pi / 4  # constant power
        ears = np.array([[np.cos(angle)], [np.sin(angle)]], np.float32)
        dry[part.role] += ears * _played(part, soundfont, n_samples)
    return dry


def _gain(mix: np.ndarray, piece: Piece) -> np.float32:
    return np.float32(10 ** (piece.peak / 20) / max(np.abs(mix).max(), 1e-6))


def _played(part: Part, soundfont: Path, n_samples: int) -> np.ndarray:
    """Render one part in mono at its level."""
    sound = part.sound
    audio = _synthesized(part, soundfont, n_samples)
    if sound.decay:
        audio = audio * _plucked(part.notes[:, 0], sound.decay, n_samples)
    if sound.vibrato:
        audio = _with_vibrato(audio, sound.vibrato)
    if sound.drive:
        audio = np.tanh(audio * np.float32(sound.drive / _rms(audio) / 4))
    return audio * np.float32(10 ** (part.level / 20) / _rms(audio))


def _synthesized(part: Part, soundfont: Path, n_samples: int) -> np.ndarray:
    score = symusic.Score(480).to("second")
    is_drum = part.sound.code == "drums"
    track = symusic.Track(program=part.sound.program, is_drum=is_drum, ttype="second")
    for onset, duration, pitch, velocity in part.notes.tolist():
        track.notes.append(symusic.Note(onset, duration, int(pitch), int(velocity), "second"))
    score.tracks.append(track)
    # A new one each time: its cache mixes up presets that share a sample.
    synthesizer = symusic.Synthesizer(str(soundfont), SAMPLE_RATE, _QUALITY)
    # Some presets are hard left or right in the soundfont: fold down, and pan on our own.
    left, right = synthesizer.render(score, stereo=True)[:, :n_samples]
    return np.pad((left + right) / 2, (0, n_samples - len(left)))


def _plucked(onsets: np.ndarray, decay: float, n_samples: int) -> np.ndarray:
    """Fall off from each onset: the synthesizer holds plucked tones at full strength."""
    starts = np.unique((onsets * SAMPLE_RATE).astype(int).clip(0, n_samples))
    held = np.diff(starts, prepend=0, append=n_samples)
    fall = np.exp(np.arange(held.max(), dtype=np.float32) * np.float32(-1 / (decay * SAMPLE_RATE)))
    return np.concatenate([fall[:n] for n in held])


def _with_vibrato(audio: np.ndarray, cents: float, rate: float = 5.4) -> np.ndarray:
    """Move the pitch by reading the sound through a delay that swings."""
    times = np.arange(len(audio))
    depth = cents / 1200 * np.log(2) * SAMPLE_RATE / (2 * np.pi * rate)
    swing = depth * (1 + np.sin(2 * np.pi * rate / SAMPLE_RATE * times))
    return np.interp(times - swing, times, audio).astype(np.float32)


def _rms(audio: np.ndarray) -> float:
    return max(float(np.sqrt(np.mean(np.square(audio, dtype=np.float64)))), 1e-6)


def _in_room(dry: np.ndarray, piece: Piece) -> np.ndarray:
    """Add reverberation: exponentially decaying noise, another for each ear."""
    if not dry.any():
        return dry
    response = _room_response(piece)
    n_samples = dry.shape[1]
    size = scipy.fft.next_fast_len(n_samples + response.shape[1] - 1, real=True)
    send = scipy.fft.rfft(dry[0] + dry[1], size)
    return dry + scipy.fft.irfft(send * scipy.fft.rfft(response, size), size)[:, :n_samples]


def _room_response(piece: Piece) -> np.ndarray:
    """Return a stereo impulse response, shape (2, n), without the direct sound."""
    times = np.arange(round(piece.reverberation * SAMPLE_RATE), dtype=np.float32) / SAMPLE_RATE
    noise = np.random.default_rng(piece.noise_seed).standard_normal((2, len(times)), np.float32)
    tail = noise * np.exp(times * np.float32(-6.9 / piece.reverberation))
    tail[:, : round(0.012 * SAMPLE_RATE)] = 0
    return tail * np.float32(10 ** (piece.wet / 20) / np.sqrt(np.sum(np.square(tail[0]))))
