import unicodedata
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import noise_for_music
from hypothesis import given
from hypothesis import settings as settings_of_tests
from hypothesis import strategies as st

from irmas_utils.data import sample
from irmas_utils.data.names import parse_labels, parse_training_name, song_of
from irmas_utils.data.sample import composer, corpus, plan, render, soundfont
from irmas_utils.project import parallel, settings
from irmas_utils.project.errors import DataError
from irmas_utils.project.vocabulary import INSTRUMENTS


def sized(**corpus):
    sizes = {"training_clips": 22, "testing_clips": 11}
    return settings.load("smoke", corpus=sizes | corpus, seed=3)


SMALL = sized()


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("IRMAS_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def root(cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "cores", lambda: 1)
        return sample.ensure(SMALL)


def content(folder):
    clips = [*folder.rglob("*.wav"), *folder.glob("IRMAS-*/**/*.txt")]
    return {path.relative_to(folder): path.read_bytes() for path in clips}


def files_of_testing(folder):
    return sorted(folder.glob("IRMAS-TestingData-Part*/*/*.wav"))


# The plan


@given(st.integers(11, 20000), st.lists(st.integers(1, 2000), min_size=1, max_size=11))
@settings_of_tests(deadline=None)
def test_apportion_sums_to_the_total_and_stays_near_the_quotas(total, weights):
    shares = plan.apportion(total, tuple(weights))
    quotas = np.array(weights) * total / sum(weights)
    assert sum(shares) == total
    assert np.abs(shares - quotas).max() < 1


@given(st.integers(11, 200), st.integers(11, 200), st.integers(0, 2**40))
@settings_of_tests(deadline=None, max_examples=30)
def test_every_class_is_in_both_splits_and_names_parse(n_training, n_testing, seed):
    recordings = plan.recordings(n_training, n_testing, seed)
    training = [r for r in recordings if r.is_training]
    testing = [r for r in recordings if not r.is_training]
    clips = [clip.path for r in recordings for clip in r.clips]
    assert len(clips) == len(set(clips)) == n_training + n_testing
    assert {r.labels[0] for r in training} == set(INSTRUMENTS)
    assert {code for r in testing for code in r.labels} == set(INSTRUMENTS)
    for r in training:
        for clip in r.clips:
            name = parse_training_name(Path(clip.path).stem)
            assert (name["instrument"],) == r.labels
            assert name["genre"] == r.genre
            assert name["drums"] in (None, "---", "dru" if r.drums else "nod")


def test_at_real_size_the_counts_are_those_of_irmas():
    recordings = plan.recordings(6705, 2874, 0)
    training = Counter(r.labels[0] for r in recordings if r.is_training for _ in r.clips)
    testing = [r.labels for r in recordings if not r.is_training]
    labels = Counter(code for chosen in testing for code in chosen)
    assert tuple(training[code] for code in INSTRUMENTS) == plan.REAL_TRAINING
    assert tuple(labels[code] for code in INSTRUMENTS) == plan.REAL_TESTING
    assert sorted(Counter(map(len, testing)).items()) == list(
        enumerate(plan.REAL_LABELS_A_CLIP, start=1)
    )
    assert all(list(chosen) == sorted(chosen, key=INSTRUMENTS.index) for chosen in testing)


def test_default_corpus_meets_every_name_form():
    paths = [clip.path for r in plan.recordings(264, 66, 2022) for clip in r.clips]
    names = [Path(path).stem for path in paths]
    training = [n for n, p in zip(names, paths, strict=True) if "Tra" in p]
    tags = {parse_training_name(name)["drums"] for name in training}
    songs = Counter(song_of(n) for n, p in zip(names, paths, strict=True) if "Test" in p)
    assert tags == {None, "dru", "nod", "---"}
    assert max(songs.values()) > 1
    assert 0 < sum(not name.isascii() for name in names) < 30
    assert names == [unicodedata.normalize("NFC", name) for name in names]


def test_song_names_are_unique():
    assert len({plan.song_name(i) for i in range(1700)}) == 1700


@pytest.mark.parametrize("wrong", [{"training_clips": 10}, {"testing_clips": 2875}])
def test_sizes_out_of_range_are_refused_by_name(wrong):
    with pytest.raises(DataError, match=next(iter(wrong))):
        sample.ensure(sized(**wrong))


# The music


@pytest.mark.parametrize("seed", range(5))
def test_labelled_players_are_the_loudest_and_in_range(seed):
    for recording in plan.recordings(33, 22, seed):
        piece = composer.compose(recording)
        melody = [p for p in piece.parts if p.role == "melody"]
        labelled = [p for p in piece.parts if p.sound.code in recording.labels]
        others = [p for p in piece.parts if p.sound.code not in recording.labels]
        assert len({p.sound.code for p in melody}) == 1
        assert melody[0].sound.code in recording.labels
        assert {p.sound.code for p in labelled} == set(recording.labels)
        assert all(p.level <= -7 for p in others)
        assert max(p.level for p in others + labelled) == 0
        for part in piece.parts:
            assert part.notes[:, 2].min() >= part.sound.low - 6
            assert part.notes[:, 2].max() <= part.sound.high + 6
            assert part.notes[:, :2].min() >= 0


@pytest.mark.parametrize("code", INSTRUMENTS)
def test_every_class_sounds_at_the_written_pitch(code):
    font = soundfont.retuned(soundfont.find())
    for sound in {s.program: s for s in composer.SOUNDS[code]}.values():
        pitch = (sound.low + sound.high) // 2
        note = np.array([[0.0, 1.5, pitch, 90]])
        part = composer.Part("melody", sound, note, 0.0, 0.0)
        audio = render._synthesized(part, font, 44100)[8000:40768]
        power = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 2**17)) ** 2
        frequencies = np.fft.rfftfreq(2**17, 1 / 44100)
        # Organs have pipes an octave below the key, so count from there.
        ratio = frequencies / (440 * 2 ** ((pitch - 69) / 12) / (2 if code == "org" else 1))
        harmonic = (np.abs(ratio - ratio.round()) < 0.03 * ratio.clip(1)) & (ratio < 6)
        assert power[harmonic].sum() > 0.8 * power[ratio < 6].sum(), sound


def test_mixture_is_the_sum_of_the_stems():
    piece = composer.compose(plan.recordings(11, 11, 1)[-1])
    font = soundfont.retuned(soundfont.find())
    stems = render.stems(piece, font)
    mixture = render.mixture(piece, font)
    assert set(stems) == set(composer.ROLES)
    np.testing.assert_allclose(sum(stems.values()), mixture, atol=1e-6)
    assert np.abs(mixture).max() == pytest.approx(10 ** (piece.peak / 20), rel=1e-4)
    assert np.abs(mixture[:, 0] - mixture[:, 1]).max() > 0.001  # stereo indeed


# The files


def test_files_have_the_format_of_irmas(root):
    training = sorted(root.glob("IRMAS-TrainingData/*/*.wav"))
    testing = files_of_testing(root)
    assert (len(training), len(testing)) == (22, 11)
    assert {p.parent.name for p in training} == set(INSTRUMENTS)
    for path in training + testing:
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (44100, 2, "PCM_16")
        assert info.frames == 132300 if path in training else 5 <= info.duration <= 20
    for path in testing:
        content = path.with_suffix(".txt").read_bytes()
        assert content == b"".join(f"{code}\t\n".encode() for code in parse_labels(content))


def test_clips_are_audible_and_do_not_clip(root):
    for path in root.rglob("*.wav"):
        audio, _ = soundfile.read(path, dtype="float32")
        loudness = [np.std(audio[i : i + 22050]) for i in range(0, len(audio) - 22050, 22050)]
        assert np.abs(audio).max() < 0.999
        assert np.mean(np.array(loudness) > 0.003) > 0.8, path.name


def test_the_default_place_is_in_the_cache(root, cache):
    assert root.parent == cache / "sample"


def test_it_says_that_it_is_the_sample_corpus(root):
    assert (root / corpus.MARKER).is_file()
    assert "SAMPLE CORPUS" in (root / "README.txt").read_text()
    assert not list(root.rglob(".tmp-*"))


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Another cache, in which no corpus is."""
    monkeypatch.setenv("IRMAS_CACHE", str(tmp_path))
    return tmp_path / "sample"


def test_same_bytes_whatever_the_number_of_processes(root, elsewhere, monkeypatch):
    monkeypatch.setattr(parallel, "cores", lambda: 2)
    again = sample.ensure(SMALL)
    assert again.parent == elsewhere
    assert content(again) == content(root)


def test_another_seed_is_other_music():
    pieces = [composer.compose(plan.recordings(22, 11, seed)[0]) for seed in (3, 4)]
    font = soundfont.retuned(soundfont.find())
    one, other = (render.mixture(piece, font) for piece in pieces)
    assert one.shape != other.shape or not np.allclose(one, other, atol=1e-2)


def test_a_second_call_renders_nothing(root, cache, monkeypatch):
    monkeypatch.setenv("IRMAS_CACHE", str(cache))
    monkeypatch.setattr(render, "mixture", None)
    assert sample.ensure(SMALL) == root


@pytest.fixture
def noise(elsewhere):
    """A stand-in for music, and a list of what has been rendered."""
    with noise_for_music() as patch:
        mixture, rendered = render.mixture, []
        patch.setattr(render, "mixture", lambda *args: rendered.append(args) or mixture(*args))
        yield rendered


def test_an_interrupted_rendering_is_not_there_and_goes_on(
    root, elsewhere, noise, monkeypatch, tmp_path
):
    count = len(plan.recordings(22, 11, 3))
    with monkeypatch.context() as patch:
        patch.setenv("IRMAS_CACHE", str(tmp_path / "undisturbed"))
        expected = content(sample.ensure(SMALL))
    assert len(noise) == count
    mixture = render.mixture

    def interrupted(*args):
        if len(noise) == count + 5:
            raise KeyboardInterrupt
        return mixture(*args)

    with monkeypatch.context() as patch:
        patch.setattr(render, "mixture", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sample.ensure(SMALL)
    assert not (elsewhere / root.name).exists()
    (partial,) = elsewhere.glob("*.partial")
    (org := partial / "IRMAS-TrainingData" / "org").mkdir()  # where it was interrupted
    (org / ".tmp-left.wav").write_bytes(b"half")
    whole = sample.ensure(SMALL)
    assert len(noise) == 2 * count  # each one once
    assert content(whole) == expected
    assert not list(elsewhere.rglob(".tmp-*"))
    assert not partial.exists()


def test_calls_at_the_same_time_render_once(noise):
    small = sized(training_clips=11)
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(sample.ensure, small) for _ in range(2)]
    assert len({call.result() for call in calls}) == 1
    assert len(noise) == 22


def test_true_stems_of_clips_sum_to_the_files(root):
    training = next(iter(sorted(root.glob("IRMAS-TrainingData/*/*__2.wav"))))
    for path in (*files_of_testing(root)[:2], training):
        audio, _ = soundfile.read(path, dtype="float32")
        stems = sample.stems(SMALL, path.stem)
        np.testing.assert_allclose(sum(stems.values()), audio, atol=5e-5)


# What users get wrong


def test_stems_of_an_unknown_clip():
    with pytest.raises(KeyError):
        sample.stems(SMALL, "99 - Nobody - Nothing-1")


@pytest.mark.parametrize("content", [None, b"not a soundfont", b"RIFF\0\0\0\0sfbk" + bytes(64)])
def test_unusable_soundfonts_are_refused(content, elsewhere, tmp_path):
    path = tmp_path / "font.sf2"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"font\.sf2"):
        sample.ensure(sized(soundfont=str(path)))
    assert not list(elsewhere.glob("**/*.wav"))


def test_a_damaged_copy_of_the_soundfont_is_made_again(elsewhere, capsys):
    path = soundfont.retuned(soundfont.find())
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert soundfont.retuned(soundfont.find()).read_bytes() == whole
    assert capsys.readouterr().err == f"{path} is made again: it is not what was written.\n"
