"""A data set in IRMAS's layout from real training clips alone, for ``profiles/real.yaml``.

``python -m tools.real_corpus CLIPS DATA`` reads CLIPS, a folder in IRMAS's layout with training
clips, and makes DATA. Recordings (names without ``__N``) that are heard twice under two names are
dropped first. Of what is left, the same share of each class is held out, so that training keeps
IRMAS's proportions, and becomes the testing part: *songs*, each of a few labels and of recordings
that no other song has, each mixed several times, as IRMAS has several excerpts of a song. Labels,
numbers of labels and the mean duration are those of IRMAS's testing set; which labels are heard
together is not, and the recordings of a mixture have nothing to do with each other. A mixture's
``recording`` in the index is its song: intervals and paired tests resample songs, which are
independent of each other.
"""

import argparse
import itertools
import json
import math
import shutil
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.signal
import soundfile

from irmas_utils.audio import io
from irmas_utils.data import index as dataset
from irmas_utils.data import published
from irmas_utils.project import files, parallel
from irmas_utils.project.errors import DataError
from irmas_utils.project.vocabulary import INSTRUMENTS
from irmas_utils.systems import mixtures

ALIKE = 0.9  # correlation of two clips' spectrograms; other music stays below, the same is above
ABOUT = "corpus.json"
SIZE = {"songs": 150, "excerpts": 3, "seed": 2022}
_SEGMENT = 3.0  # s, a training clip
_REAL = published.load("irmas")["testing"]


class Song(NamedTuple):
    """Labels, and for each the recordings that the song's mixtures use in turn."""

    labels: tuple[str, ...]
    recordings: tuple[tuple[str, ...], ...]


def build(clips: Path, data: Path, *, songs: int, excerpts: int, seed: int) -> dict[str, Any]:
    """Make the data set in `data`, which appears whole, and return what it is.

    Raises DataError if `data` is there, or if there are too few recordings for so many songs, and
    what reading the clips raises.
    """
    if data.exists():
        raise DataError(data, found="a folder", expected="none", remedy="Remove it first.")
    rng, found = np.random.default_rng(seed), dataset.load_index(clips)
    index = distinct(found[found["split"] == "training"])
    chosen, held_out = hold_out(index, label_sets(songs, rng), excerpts, rng)
    training = index[~index["recording"].isin(held_out)]
    mixed = [
        mixture(song, number, excerpt, index, rng)
        for number, song in enumerate(chosen, 1)
        for excerpt in range(excerpts)
    ]
    partial_folder = data.with_name(f"{data.name}.partial")
    shutil.rmtree(partial_folder, ignore_errors=True)
    for row in training.itertuples():
        target = partial_folder / "IRMAS-TrainingData" / row.labels[0] / f"{row.name}.wav"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(row.path, target)
    folder = partial_folder / "IRMAS-TestingData-Part1" / "Part1"
    folder.mkdir(parents=True)
    write = partial(_write, files=list(index["path"]), folder=folder)
    for _ in parallel.run(write, mixed, parallel.cores()):
        pass
    about = describe(found, index, training, chosen, excerpts) | {"seed": seed}
    files.write_json(partial_folder / ABOUT, about)
    partial_folder.rename(data)
    return about


def distinct(index: pd.DataFrame) -> pd.DataFrame:
    """Leave out recordings that are another's under another name; both if their labels differ."""
    index = index.reset_index(drop=True)
    prints = np.stack([*parallel.run(_fingerprint, list(index["path"]), parallel.cores(), 32)])
    names = index["recording"].to_numpy()
    first, second = np.nonzero(np.triu(prints @ prints.T > ALIKE, 1))
    twins = {tuple(sorted(pair)) for pair in zip(names[first], names[second], strict=True)}
    label = index.groupby("recording")["labels"].first()
    dropped = set()
    for kept, other in (pair for pair in twins if pair[0] != pair[1]):
        dropped |= {other} if label[kept] == label[other] else {kept, other}
    return index[~index["recording"].isin(dropped)].reset_index(drop=True)


def _fingerprint(path: str) -> np.ndarray:
    """Return a coarse log spectrogram of unit norm, each band's mean taken away: (1200,)."""
    samples = io.load_mono(path, 22050)
    samples = io.pad(samples[: int(_SEGMENT * 22050)], int(_SEGMENT * 22050))
    power = np.abs(scipy.signal.stft(samples, nperseg=1024, noverlap=512)[2]) ** 2
    power = power[2:402, :120].reshape(40, 10, 30, 4).mean(axis=(1, 3))
    log = np.log10(power + 1e-7 * power.max() + 1e-12)
    log -= log.mean(axis=1, keepdims=True)
    return (log / max(np.linalg.norm(log), 1e-9)).ravel().astype(np.float32)


def apportion(weights: Mapping[Any, float], total: int) -> dict[Any, int]:
    """Share `total` out in proportion to `weights`, in whole numbers, by largest remainders."""
    scale = total / sum(weights.values())
    shares = {key: math.floor(weight * scale) for key, weight in weights.items()}
    rest = sorted(shares, key=lambda key: shares[key] - weights[key] * scale)
    return shares | {key: shares[key] + 1 for key in rest[: total - sum(shares.values())]}


def label_sets(n_songs: int, rng: np.random.Generator) -> list[tuple[str, ...]]:
    """Draw each song's labels: as many as IRMAS's testing clips have, and as often each."""
    sizes = apportion({int(n): c for n, c in _REAL["clips_by_number_of_labels"].items()}, n_songs)
    left = apportion(_REAL["clips"], sum(n * count for n, count in sizes.items()))
    found = []
    for n in sorted(itertools.chain(*([n] * count for n, count in sizes.items())), reverse=True):
        there = [code for code in INSTRUMENTS if left[code]]
        # Songs of many labels come first: of the last ones, one label each, none may be two.
        share = np.array([left[code] for code in there], float)
        drawn = rng.choice(there, min(n, len(there)), replace=False, p=share / share.sum())
        for code in drawn:
            left[code] -= 1
        found.append(tuple(code for code in INSTRUMENTS if code in drawn))
    return found


def hold_out(
    index: pd.DataFrame,
    label_sets: Sequence[tuple[str, ...]],
    excerpts: int,
    rng: np.random.Generator,
) -> tuple[list[Song], set[str]]:
    """Give each label of each song recordings of its own, and return all that are held out.

    Of each class the same share of recordings is held out, the least that gives every song one; a
    song of a rare class has several, but no more than excerpts, and the others are not used.
    """
    by_class = index.groupby(index["labels"].str[0])["recording"].unique()
    wanted = pd.Series(list(itertools.chain(*label_sets))).value_counts()
    there = by_class.map(len).reindex(INSTRUMENTS, fill_value=0)
    share = (wanted / there[wanted.index]).max()
    if share > 0.5:
        raise DataError(
            "the clips",
            found=f"{there[(wanted / there).idxmax()]} recordings of {(wanted / there).idxmax()}",
            expected=f"twice the {len(label_sets)} songs' labels, so that half is left to train on",
            remedy="Ask for fewer songs.",
        )
    held_out, turns = set(), {}
    for code, recordings in by_class.items():
        drawn = rng.permutation(recordings)[: math.ceil(share * len(recordings) - 1e-9)].tolist()
        held_out |= {*drawn}
        if code in wanted:
            n_songs = int(wanted[code])
            turns[code] = iter([tuple(drawn[n::n_songs][:excerpts]) for n in range(n_songs)])
    songs = [Song(labels, tuple(next(turns[c]) for c in labels)) for labels in label_sets]
    return songs, held_out


class Planned(NamedTuple):
    """A mixture by the name of its file: what sounds in it, and for how long [s]."""

    name: str
    mixed: mixtures.Mixture
    seconds: float


def mixture(
    song: Song, number: int, excerpt: int, index: pd.DataFrame, rng: np.random.Generator
) -> Planned:
    """Plan one mixture of a song: of each label one recording, its clips in turn from a random one.

    It lasts 5 to 20 s, as IRMAS's testing clips do, and as long on average.
    """
    low, high = _REAL["duration_range"]
    mean = (_REAL["duration_total"] / _REAL["n_clips"] - low) / (high - low)
    seconds = low + (high - low) * rng.random() ** (1 / mean - 1)
    rows = []
    for recordings in song.recordings:
        own = np.flatnonzero(index["recording"] == recordings[excerpt % len(recordings)])
        turned = np.roll(own, int(rng.integers(len(own))))
        rows.append(tuple(np.resize(turned, math.ceil(seconds / _SEGMENT)).tolist()))
    gains = rng.uniform(-mixtures.GAIN_RANGE_DB, 0, len(rows)).tolist()
    name = f"{number:03d} {' '.join(song.labels)}-{excerpt + 1}"
    return Planned(name, mixtures.Mixture(song.labels, tuple(rows), tuple(gains)), seconds)


def _write(planned: Planned, files: list[str], folder: Path) -> None:
    samples, rate = mixtures.render(planned.mixed, files)
    samples = samples[: round(planned.seconds * rate)]
    soundfile.write(folder / f"{planned.name}.wav", samples, rate, subtype="PCM_16")
    text = "".join(f"{code}\t\n" for code in planned.mixed.labels)
    (folder / f"{planned.name}.txt").write_bytes(text.encode())


def describe(
    found: pd.DataFrame,
    index: pd.DataFrame,
    training: pd.DataFrame,
    songs: Sequence[Song],
    excerpts: int,
) -> dict[str, Any]:
    """Return what the data set is, in numbers alone: no clip and no recording is named."""
    used = [recording for song in songs for part in song.recordings for recording in part]
    first = index.drop_duplicates("recording").set_index("recording")["labels"].str[0]
    trained = training.drop_duplicates("recording")["labels"].str[0]
    labels = pd.Series(list(itertools.chain(*(song.labels for song in songs))))
    return {
        "clips found": len(found),
        "recordings heard twice and left out": int(found["recording"].nunique() - len(first)),
        "training clips": len(training),
        "training clips by label": training["labels"].str[0].value_counts().to_dict(),
        "training recordings by label": trained.value_counts().to_dict(),
        "held-out recordings by label": (first.value_counts() - trained.value_counts()).to_dict(),
        "recordings in mixtures by label": first[used].value_counts().to_dict(),
        "songs": len(songs),
        "songs by label": labels.value_counts().to_dict(),
        "mixtures": len(songs) * excerpts,
        "most mixtures of a recording": excerpts,
        "clusters of the bootstrap": "songs: no recording is in two",
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    parser = argparse.ArgumentParser("python -m tools.real_corpus", description=__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--songs", type=int, default=SIZE["songs"])
    parser.add_argument("--excerpts", type=int, default=SIZE["excerpts"], help="of a song")
    parser.add_argument("--seed", type=int, default=SIZE["seed"])
    options = vars(parser.parse_args(arguments))
    try:
        print(json.dumps(build(options.pop("clips"), options.pop("data"), **options), indent=1))
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
