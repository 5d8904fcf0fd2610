"""Which recordings make up a sample corpus: counts, labels, genres, excerpts and file names.

The plan depends on two sizes and the seed alone. Counts are those of the real set, scaled.
"""

from collections.abc import Iterator
from functools import lru_cache
from importlib import resources
from typing import NamedTuple

import numpy as np
import yaml

from irmas_utils.data import published
from irmas_utils.data.names import GENRES
from irmas_utils.project.errors import DataError
from irmas_utils.project.vocabulary import INSTRUMENTS

MUSIC = yaml.safe_load(resources.files(__package__).joinpath("music.yaml").read_text("utf-8"))
SAMPLE_RATE = 44100
SECONDS = 3.0  # of a training clip
EXCERPTS = 3  # of a training recording, at most

_REAL = published.load("irmas")
REAL_TRAINING, REAL_TESTING = (tuple(_REAL[k]["clips"].values()) for k in ("training", "testing"))
REAL_LABELS_A_CLIP = tuple(_REAL["testing"]["clips_by_number_of_labels"].values())
REAL_PARTS = tuple(_REAL["testing"]["parts"].values())
REAL_TAGGED = 0.28
TESTING_FOLDERS = tuple(_REAL["layout"]["testing"].values())

Labels = tuple[str, ...]


class Clip(NamedTuple):
    """A file to be written: its path below the data root, and its place in the recording [s]."""

    path: str
    start: float
    stop: float


class Recording(NamedTuple):
    """A piece of music to compose, and the clips to cut from it."""

    labels: Labels  # the predominant instruments, in IRMAS order
    genre: str
    drums: bool
    seconds: float
    clips: tuple[Clip, ...]
    band: tuple[int, ...]  # seed of what the clips of one song share: key, tempo, sounds, room
    take: tuple[int, ...]  # seed of what is particular to this recording: the notes
    is_training: bool = False


@lru_cache(maxsize=4)
def recordings(training_clips: int, testing_clips: int, seed: int) -> tuple[Recording, ...]:
    """Plan a corpus of 11 to 6705 and 11 to 2874 clips; DataError if it is another size."""
    sizes = {"training": (training_clips, REAL_TRAINING), "testing": (testing_clips, REAL_PARTS)}
    for part, (n_clips, real) in sizes.items():
        if not 11 <= n_clips <= sum(real):
            where, expected = f"corpus.{part}_clips", f"11 to {sum(real)}"
            raise DataError(where, str(n_clips), expected, "Change the setting.")
    return (*_training(training_clips, seed), *_testing(testing_clips, seed))


def apportion(total: int, weights: tuple[int, ...], least: int = 0) -> list[int]:
    """Share `total` out in proportion to `weights` by the largest remainder, `least` or more."""
    quotas = np.asarray(weights) * (total / sum(weights))
    shares = np.maximum(np.floor(quotas), least).astype(int)
    while shares.sum() != total:
        step = 1 if shares.sum() < total else -1
        # Never take from a share that is at its floor.
        open_to_change = (shares > least) | (step > 0)
        shares[np.argmax(np.where(open_to_change, step * (quotas - shares), -np.inf))] += step
    return shares.tolist()


def _training(n_clips: int, seed: int) -> Iterator[Recording]:
    counts = apportion(n_clips, REAL_TRAINING, least=1)
    for label, (instrument, count) in enumerate(zip(INSTRUMENTS, counts, strict=True)):
        for number, first in enumerate(range(0, count, EXCERPTS), start=1):
            key = (seed, 1, label, number)
            rng = np.random.default_rng((*key, 0))
            genre, drums = _style(instrument, rng)
            name = _training_name(instrument, genre, drums, number, rng)
            shifts = np.sort(rng.uniform(0, 2, min(EXCERPTS, count - first)))
            starts = 0.25 + SECONDS * np.arange(len(shifts)) + shifts
            path = f"IRMAS-TrainingData/{instrument}/{name}"
            clips = tuple(
                Clip(f"{path}__{i}.wav", start, start + SECONDS)
                for i, start in enumerate(starts.tolist(), start=1)
            )
            end = clips[-1].stop
            yield Recording((instrument,), genre, drums, end, clips, (*key, 1), (*key, 2), True)


def _style(instrument: str, rng: np.random.Generator) -> tuple[str, bool]:
    """Draw a genre that the instrument is met in, and whether there are drums."""
    genre = str(rng.choice(GENRES, p=MUSIC["genres_of"][instrument]))
    return genre, bool(rng.random() < MUSIC["genres"][genre]["drums"])


def _training_name(
    instrument: str, genre: str, drums: bool, number: int, rng: np.random.Generator
) -> str:
    """Name a recording as IRMAS does; a leading number goes with a drums tag."""
    # Rare in the real set (12 clips of 6705); here always met, so that readers must cope with it.
    unsure = instrument == "tru" and number == 1
    if rng.random() >= REAL_TAGGED and not unsure:
        return f"[{instrument}][{genre}]{number:04d}"
    tag = "---" if unsure else "dru" if drums else "nod"
    return f"{number:03d}__[{instrument}][{tag}][{genre}]{number:04d}"


def _testing(n_clips: int, seed: int) -> Iterator[Recording]:
    rng = np.random.default_rng((seed, 2))
    songs = _songs(_label_sets(n_clips, rng), rng)
    folders = np.repeat(TESTING_FOLDERS, apportion(n_clips, REAL_PARTS, least=1))
    n_before = 0
    for song, label_sets in enumerate(songs):
        # A song lies in one part only: the one where its first clip falls.
        path = f"{folders[n_before]}/{song_name(song)}"
        n_before += len(label_sets)
        key = (seed, 2, song)
        of_song = np.random.default_rng((*key, 0))
        genre, drums = _style(str(of_song.choice(label_sets[0])), of_song)
        for excerpt, labels in enumerate(label_sets, start=1):
            # Half of the clips run to 20 s, so that the mean is close to the real 16.9 s.
            seconds = 20.0 if of_song.random() < 0.6 else round(of_song.uniform(5, 20), 3)
            clip = Clip(f"{path}-{excerpt}.wav", 0.0, seconds)
            yield Recording(labels, genre, drums, seconds, (clip,), (*key, 1), (*key, 2, excerpt))


def _label_sets(n_clips: int, rng: np.random.Generator) -> list[Labels]:
    """Deal label sets with exactly the wanted sizes and, over all clips, label counts."""
    sizes = np.repeat(np.arange(5, 0, -1), apportion(n_clips, REAL_LABELS_A_CLIP)[::-1])
    left = np.array(apportion(int(sizes.sum()), REAL_TESTING, least=1))
    dealt = []
    # The largest sets first: at the end every clip wants one label, and any will do.
    for size in sizes:
        chosen = rng.choice(len(left), size=size, replace=False, p=left / left.sum())
        left[chosen] -= 1
        dealt.append(tuple(INSTRUMENTS[i] for i in sorted(chosen)))
    return dealt


def _songs(label_sets: list[Labels], rng: np.random.Generator) -> list[list[Labels]]:
    """Group clips with similar labels into songs of one to four, in random order."""
    ordered, songs = sorted(label_sets), []  # IRMAS's order is that of the alphabet
    while ordered:
        size = rng.integers(1, 5)
        songs.append(ordered[:size])
        ordered = ordered[size:]
    return [songs[i] for i in rng.permutation(len(songs))]


def song_name(song: int) -> str:
    """Return the invented "number - performer - title" of a song, each number another name."""
    performers, adjectives, nouns = MUSIC["names"].values()
    rest, performer = divmod(song, len(performers))
    rest, adjective = divmod(rest, len(adjectives))
    # The title moves with the performer too, or the first dozen songs would share theirs.
    adjective = adjectives[(adjective + performer) % len(adjectives)]
    noun = nouns[(rest + 5 * performer) % len(nouns)]
    return f"{song % 19 + 1:02d} - {performers[performer]} - {adjective} {noun}"
