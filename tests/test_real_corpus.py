"""The data set that is made from real training clips, on a fake folder of tones."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile

from irmas_utils.data import index as dataset
from irmas_utils.data import published
from irmas_utils.project.errors import DataError
from irmas_utils.project.vocabulary import INSTRUMENTS
from tools import real_corpus

pytestmark = pytest.mark.slow

REAL = published.load("irmas")["testing"]
RECORDINGS, SONGS, EXCERPTS = 8, 10, 2


def music(seed, noise=0):
    """Three seconds of notes that nobody else plays, as a rebuilt clip: twice the same channel."""
    rng, time = np.random.default_rng(seed), np.arange(3 * 4410) / 4410
    notes = rng.uniform(100, 2000, 40)[np.minimum((time * 13).astype(int), 39)]
    sound = 0.3 * np.sin(2 * np.pi * np.cumsum(notes) / 4410)
    sound += noise * np.random.default_rng(99).normal(size=len(sound))
    return np.stack([sound, sound], axis=1)


def write(folder, code, recording, seed, number=3, noise=0.001):
    folder = folder / "IRMAS-TrainingData" / code
    folder.mkdir(parents=True, exist_ok=True)
    for excerpt in range(1, number + 1):
        name = f"[{code}][cla]{recording:04d}__{excerpt}.wav"
        soundfile.write(folder / name, music([seed, excerpt], noise), 4410, subtype="PCM_16")


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    numbers = iter(range(1000))
    for code in INSTRUMENTS:
        for _ in range(RECORDINGS):
            write(folder, code, number := next(numbers), number)
    write(folder, "gac", 2000, 5000, noise=0.002)  # the same music under two labels
    write(folder, "gel", 2001, 5000, noise=0.003)
    write(folder, "voi", 2002, 6000, noise=0.002)  # and under two names
    write(folder, "voi", 2003, 6000, noise=0.003)
    return folder


@pytest.fixture(scope="module")
def made(clips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "data"
    about = real_corpus.build(clips, folder, songs=SONGS, excerpts=EXCERPTS, seed=1)
    return dataset.load_index(folder), about, folder


def test_no_recording_is_in_both_parts_or_in_two_songs(clips, made, monkeypatch):
    index, _, folder = made
    planned = []
    monkeypatch.setattr(real_corpus, "_write", lambda plan, files, folder: planned.append(plan))
    monkeypatch.setattr(real_corpus.parallel, "cores", lambda: 1)
    real_corpus.build(clips, folder.with_name("again"), songs=SONGS, excerpts=EXCERPTS, seed=1)
    assert {plan.name for plan in planned} == {*index.query("split == 'testing'")["name"]}
    clips_of = real_corpus.distinct(dataset.load_index(clips))
    songs = {}
    for plan in planned:
        rows = [row for part in plan.mixed.sources for row in part]
        songs.setdefault(plan.name[:3], set()).update(clips_of["recording"].iloc[rows])
        labels = [clips_of["labels"].iloc[part[0]][0] for part in plan.mixed.sources]
        assert labels == list(plan.mixed.labels)
    everything = [*songs.values(), {*index.query("split == 'training'")["recording"]}]
    assert sum(map(len, everything)) == len(set.union(*everything))


def test_the_index_knows_a_mixtures_song_and_labels(made):
    testing = made[0].query("split == 'testing'")
    assert len(testing) == SONGS * EXCERPTS
    assert (testing.groupby("recording").size() == EXCERPTS).all()
    assert (testing.groupby("recording")["labels"].nunique() == 1).all()
    assert testing["duration"].between(5, 20).all()


def test_every_class_keeps_the_same_share_for_training(made):
    recordings = made[0].query("split == 'training'")["recording"].drop_duplicates()
    training = recordings.str[1:4].value_counts()
    assert {*training.index} == {*INSTRUMENTS}
    assert training.max() - training.min() <= 1


def test_music_under_two_names_is_there_once_and_under_two_labels_not_at_all(made):
    numbers = {int(name[-4:]) for name in made[0].query("split == 'training'")["recording"]}
    assert not numbers & {2000, 2001, 2003}
    assert made[1]["recordings heard twice and left out"] == 3


def test_the_account_of_it_names_no_clip(made):
    _, about, folder = made
    text = (folder / real_corpus.ABOUT).read_text()
    assert json.loads(text) == about
    assert "__" not in text
    assert "][" not in text
    held_out, used = (about[f"{what} by label"] for what in
                      ("held-out recordings", "recordings in mixtures"))  # fmt: skip
    assert all(used[code] <= held_out[code] for code in used)


@pytest.mark.parametrize("n_songs", [20, 150, 400])
def test_labels_are_as_many_and_as_frequent_as_in_irmas(n_songs):
    found = real_corpus.label_sets(n_songs, np.random.default_rng(0))
    assert all(len({*labels}) == len(labels) for labels in found)
    counts = pd.Series([code for labels in found for code in labels]).value_counts()
    total, labels = sum(REAL["clips"].values()), counts.sum()
    for code, count in REAL["clips"].items():
        assert abs(counts.get(code, 0) - labels * count / total) < 1
    assert labels / n_songs == pytest.approx(total / REAL["n_clips"], abs=1.5 / n_songs)


def test_it_lasts_as_long_as_irmas_on_average(clips):
    index = dataset.load_index(clips)
    song = real_corpus.Song(("cel",), ((index["recording"].iloc[0],),))
    rng = np.random.default_rng(0)
    seconds = [real_corpus.mixture(song, 1, 0, index, rng).seconds for _ in range(2000)]
    assert min(seconds) >= 5
    assert max(seconds) <= 20
    assert np.mean(seconds) == pytest.approx(REAL["duration_total"] / REAL["n_clips"], abs=0.3)


def test_too_few_recordings_or_a_folder_that_is_there_are_said(clips, made, tmp_path):
    with pytest.raises(DataError, match=r"recordings of .*Ask for fewer songs"):
        real_corpus.build(clips, tmp_path / "data", songs=60, excerpts=1, seed=1)
    with pytest.raises(DataError, match="Remove it first"):
        real_corpus.build(clips, made[2], songs=1, excerpts=1, seed=1)
