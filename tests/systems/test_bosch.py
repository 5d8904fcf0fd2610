from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from irmas_utils import metrics
from irmas_utils.audio import features, io
from irmas_utils.data.index import load_index
from irmas_utils.project import sources
from irmas_utils.project.errors import TrainingError
from irmas_utils.project.vocabulary import INSTRUMENTS
from irmas_utils.systems import mixtures
from irmas_utils.systems.bosch import descriptors, experiments, streams, svm
from irmas_utils.systems.bosch.experiments import EXPERIMENTS, Heard
from irmas_utils.systems.bosch.streams import STEMS, StreamFeatures

RATE = 16000
CODES = ("cel", "flu", "voi")


def excerpt(code, seed, seconds=3.0):
    """Some notes of a made-up instrument: each code has its own spectrum and panning."""
    rng = np.random.default_rng(seed)
    kind = CODES.index(code)
    t = np.arange(round(seconds * RATE)) / RATE
    pitch = rng.choice([220, 247, 262, 294])
    partials = [np.sin(2 * np.pi * pitch * h * t) / h ** (kind + 0.5) for h in range(1, 9)]
    signal = sum(partials[:: 1 + kind % 2]) * np.exp(-(kind + 1) * (t % 0.5))
    signal = 0.1 * signal + 0.003 * rng.normal(size=len(t))
    pan = 0.5 + 0.3 * (kind - 1)
    return np.stack([(1 - pan) * signal, pan * signal], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Five recordings of two excerpts for each of three classes, and three test clips."""
    root = tmp_path_factory.mktemp("irmas")
    for code in CODES:
        for recording in range(5):
            for number in (1, 2):
                name = f"{CODES.index(code):03d}__[{code}][nod][cla]{recording:04d}__{number}.wav"
                path = root / "IRMAS-TrainingData" / code / name
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, excerpt(code, 10 * recording + number), RATE)
    testing = root / "IRMAS-TestingData-Part1" / "Part1"
    testing.mkdir(parents=True)
    for number, labels in enumerate((("cel",), ("flu", "voi"), ("voi",))):
        clip = sum(excerpt(code, 100 + number, 5.0) for code in labels)
        soundfile.write(testing / f"song-{number}.wav", clip, RATE)
        (testing / f"song-{number}.txt").write_text("".join(f"{code}\t\n" for code in labels))
    return root


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IRMAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def _own_folders(cache):
    """Replace the fixture that gives every test a new cache: here features are shared."""


@pytest.fixture(scope="module")
def index(root):
    return load_index(root)


@pytest.fixture(scope="module")
def parts(index, cache):
    training = index[index["split"] == "training"]
    held_out = training["recording"].str.contains("0004")
    fit, held_out = training[~held_out], training[held_out]
    mixed = mixtures.make(held_out, 8, seed=0)
    return {
        "fit": fit,
        "held_out": held_out,
        "mixed": mixed,
        "training": streams.extract(fit["path"], streams.TRAINING_STREAMS),
        "validation": streams.extract(mixed["path"]),
        "testing": streams.extract(index[index["split"] == "testing"]["path"]),
    }


def trained(parts, **options):
    return experiments.fit_models(parts["training"], parts["fit"], **options)


@pytest.fixture(scope="module")
def models(parts):
    return trained(parts)


@pytest.fixture(scope="module")
def heard(parts, models):
    """What the models say of the mixtures and of the testing clips."""
    return {name: experiments.hear(models, parts[name]) for name in ("validation", "testing")}


pytestmark = [
    pytest.mark.filterwarnings("error::UserWarning"),
    pytest.mark.filterwarnings("error::RuntimeWarning"),
]


class TestStreams:
    @given(n_samples=st.integers(0, 1000), length=st.integers(1, 300))
    def test_windows_cover_the_clip(self, n_samples, length):
        cuts = streams.windows(n_samples, length)
        covered = np.zeros(n_samples, bool)
        for cut in cuts:
            covered[cut] = True
            assert cut.stop - cut.start == length
        assert covered.all()
        assert len(cuts) == max(1, -(-n_samples // length))
        assert all(cut.stop <= n_samples for cut in cuts) or n_samples < length

    def test_streams_of_a_clip(self):
        samples = excerpt("cel", 0)
        found = streams.split(samples, RATE, streams.ALL_STREAMS)
        assert tuple(found) == streams.ALL_STREAMS
        assert {len(signal) for signal in found.values()} == {len(samples)}
        stems = sum(found[stem] for stem in STEMS)
        np.testing.assert_allclose(stems, io.mono(samples), atol=1e-5)
        lead = found["melody"] + found["other"]
        np.testing.assert_allclose(found["lead"], lead, atol=1e-6)

    def test_description_of_a_clip(self):
        samples = excerpt("cel", 0, seconds=5.0)
        described = streams.describe_clip(samples, RATE, streams=["left", "mono", "mid"])
        assert described.shape == (3, 2, descriptors.N_DESCRIPTORS)
        expected = descriptors.describe(samples[-3 * RATE :, 0], RATE)
        np.testing.assert_array_equal(described[0, 1], expected)
        np.testing.assert_array_equal(described[1], described[2])

    def test_only_what_is_missing_goes_to_processes(self, index, monkeypatch, tmp_path):
        files, sent = index["path"][-3:].tolist(), []
        alone = streams.extract(files, ["mono", "side"])
        monkeypatch.setenv("IRMAS_CACHE", str(tmp_path))
        streams.extract(files[1:2], ["mono", "side"])
        run = streams.parallel.run
        monkeypatch.setattr(
            streams.parallel, "run", lambda f, items, n: sent.extend(items) or run(f, items, n)
        )
        together = streams.extract(files, ["mono", "side"], jobs=2)
        assert sent == [files[0], files[2]]
        np.testing.assert_array_equal(alone.clip, [0, 0, 1, 1, 2, 2])
        np.testing.assert_array_equal(together.clip, alone.clip)
        for stream in alone.streams:
            np.testing.assert_array_equal(together.streams[stream], alone.streams[stream])

    def test_what_was_described_is_not_described_again(self, parts, index, monkeypatch):
        monkeypatch.setattr(descriptors, "describe", None)
        again = streams.extract(index[index["split"] == "testing"]["path"])
        np.testing.assert_array_equal(again.streams["mono"], parts["testing"].streams["mono"])


class TestMixtures:
    table = pd.DataFrame(
        [
            {"recording": f"{code}{r}", "labels": (code,), "path": f"{code}{r}{n}"}
            for code in INSTRUMENTS
            for r in range(4)
            for n in range(1 + r % 3)
        ]
    )

    @settings(deadline=None, max_examples=20)
    @given(seed=st.integers(0, 1000))
    def test_each_source_is_one_recording_of_another_class(self, seed):
        for mixture in mixtures.plan(self.table, 20, np.random.default_rng(seed)):
            assert 1 <= len(mixture.labels) <= 5
            assert len(set(mixture.labels)) == len(mixture.labels)
            assert list(mixture.labels) == sorted(mixture.labels, key=INSTRUMENTS.index)
            for label, rows in zip(mixture.labels, mixture.sources, strict=True):
                source = self.table.iloc[list(rows)]
                assert source["recording"].nunique() == 1
                assert set(source["labels"]) == {(label,)}

    def test_label_counts_follow_the_published_ones(self):
        planned = mixtures.plan(self.table, 2000, np.random.default_rng(0))
        counts = np.bincount([len(mixture.labels) for mixture in planned], minlength=6)
        expected = np.array([0, 1236, 1278, 318, 39, 3]) / 2874
        np.testing.assert_allclose(counts / 2000, expected, atol=0.04)

    def test_the_mixture_is_the_sum_of_its_sources(self, parts):
        files = parts["held_out"]["path"].tolist()
        mixture = mixtures.Mixture(("cel", "flu"), ((0, 1), (2, 3)), (0.0, -6.0))
        mixed, rate = mixtures.render(mixture, files)
        assert rate == RATE
        expected = sum(
            np.concatenate([unit_level(files[row]) for row in rows]) * gain
            for rows, gain in zip(mixture.sources, (1, 10 ** (-6 / 20)), strict=True)
        )
        np.testing.assert_allclose(mixed, 0.9 * expected / np.abs(expected).max(), atol=1e-5)

    def test_the_same_seed_gives_the_same_files(self, parts):
        again = mixtures.make(parts["held_out"], 8, seed=0)
        pd.testing.assert_frame_equal(again, parts["mixed"])
        assert (
            mixtures.make(parts["held_out"], 8, seed=1)["path"].tolist() != again["path"].tolist()
        )

    def test_other_content_under_the_same_names_is_another_mixture(self, parts, tmp_path):
        before = parts["held_out"]
        for path in before["path"]:
            samples, rate = io.read(path)
            soundfile.write(tmp_path / Path(path).name, samples * 0.5, rate, subtype="PCM_16")
        held_out = before.assign(path=[str(tmp_path / Path(path).name) for path in before["path"]])
        mixed = mixtures.make(held_out, 8, seed=0)
        assert not {*mixed["path"]} & {*parts["mixed"]["path"]}
        assert mixed["labels"].tolist() == parts["mixed"]["labels"].tolist()

    def test_other_code_gives_other_files(self, parts, monkeypatch):
        monkeypatch.setattr(sources, "digest_of", lambda *modules: "changed")
        mixed = mixtures.make(parts["held_out"], 2, seed=0)
        assert not {*mixed["path"]} & {*parts["mixed"]["path"]}

    @pytest.mark.parametrize("file", ["{}", "{}.digest"])
    def test_a_damaged_mixture_is_made_again(self, parts, file, capsys):
        path = parts["mixed"]["path"].iloc[0]
        whole, damaged = Path(path).read_bytes(), Path(file.format(path))
        content = bytearray(damaged.read_bytes())
        content[-9] ^= 1
        damaged.write_bytes(content)
        mixtures.make(parts["held_out"], 8, seed=0)
        assert Path(path).read_bytes() == whole
        assert capsys.readouterr().err == f"{path} is made again: it is not what was written.\n"


def unit_level(file):
    samples, _ = io.read(file)
    return samples / np.sqrt(np.mean(samples**2))


def random_labels(rng, n):
    labels = (rng.random((n, 11)) < 0.2).astype(float)
    labels[0, 0] = 1
    return labels


def heard_at_random(rng, labels, n_decimals=None):
    """One window a clip; coarse probabilities have ties and exact zeros, as a machine's have."""
    values = {pair: rng.random(labels.shape) for pair in EXPERIMENTS[5].items()}
    if n_decimals is not None:
        values = {pair: np.round(value**3, n_decimals) for pair, value in values.items()}
    return Heard(values, np.arange(len(labels)))


class TestThreshold:
    @settings(deadline=None, max_examples=40)
    @given(
        seed=st.integers(0, 10_000),
        n_decimals=st.sampled_from([None, 1]),
        how=st.sampled_from(["mean", "max"]),
    )
    def test_no_decision_is_better_than_the_chosen_one(self, seed, n_decimals, how):
        rng = np.random.default_rng(seed)
        labels = random_labels(rng, 6)
        heard = heard_at_random(rng, labels, n_decimals)
        for experiment in (1, 4, 5):
            heard.probabilities["mono", "mono"] *= rng.random(labels.shape) < 0.7
            system = experiments.build(experiment, heard, labels, how)
            scores = system.predict(heard)
            chosen = metrics.f1(labels, metrics.binarize(scores, system.threshold), "micro")
            for other in [-1, *np.unique(scores)]:
                assert (
                    metrics.f1(labels, metrics.binarize(scores, other), "micro") <= chosen + 1e-12
                )

    def test_what_scores_exactly_zero_is_named_only_where_naming_all_is_best(self):
        scores = np.zeros((2, 11))
        scores[:, 0] = 0.4, 0.0
        rare = np.zeros((2, 11))
        rare[0, 0] = 1
        for labels, named in ((rare, 1), (np.ones((2, 11)), 22)):
            heard = Heard({("mono", "mono"): scores}, np.arange(2))
            system = experiments.build(1, heard, labels)
            assert metrics.binarize(system.predict(heard), system.threshold).sum() == named


class TestAggregation:
    def test_the_mean_leaves_silence_out(self):
        first = np.array([[0.2, 0.8], [0.0, 0.0], [0.0, 0.0]])
        second = np.array([[0.4, 0.6], [0.6, 0.4], [0.0, 0.0]])
        joined = experiments.aggregate([first, second], np.array([0, 0, 1]))
        np.testing.assert_allclose(joined, [[0.4, 0.6], [0, 0]])

    @given(seed=st.integers(0, 1000), threshold=st.floats(0.05, 0.95))
    def test_the_maximum_is_the_union_of_labels(self, seed, threshold):
        rng = np.random.default_rng(seed)
        heard, clip = rng.random((3, 7, 11)), np.array([0, 0, 0, 1, 1, 2, 2])
        joined = metrics.binarize(experiments.aggregate(heard, clip, "max"), threshold)
        union = [(heard[:, clip == c] > threshold).any(axis=(0, 1)) for c in range(3)]
        np.testing.assert_array_equal(joined, union)

    def test_a_stream_that_helps_is_added_and_one_that_harms_is_dropped(self):
        rng = np.random.default_rng(0)
        labels = random_labels(rng, 40)
        good = 0.8 * labels + 0.2 * rng.random((40, 11))
        heard = heard_at_random(rng, labels)
        heard.probabilities["lead", "lead"] = good
        assert experiments.choose_streams(heard, labels) == {"lead": "lead"}


class TestMachine:
    def data(self, n_recordings=6, seed=0):
        rng = np.random.default_rng(seed)
        classes = np.repeat(CODES, 2 * n_recordings)
        recordings = np.repeat(np.arange(3 * n_recordings), 2)
        centre = np.eye(3).repeat(2 * n_recordings, axis=0) @ rng.normal(size=(3, 20))
        return centre + 0.3 * rng.normal(size=(len(classes), 20)), classes, recordings

    def test_it_learns_and_its_probabilities_sum_to_one(self):
        values, classes, recordings = self.data()
        model = svm.fit(values, classes, recordings)
        found = svm.probabilities(model, values)
        np.testing.assert_allclose(found.sum(axis=1), 1)
        predicted = np.array(INSTRUMENTS)[found.argmax(axis=1)]
        assert np.mean(predicted == classes) > 0.9

    def test_no_recording_is_in_two_folds(self, monkeypatch):
        seen = []
        search = svm.GridSearchCV

        def spy(*args, cv, **kwargs):
            seen.extend(cv)
            return search(*args, cv=cv, **kwargs)

        monkeypatch.setattr(svm, "GridSearchCV", spy)
        values, classes, recordings = self.data()
        svm.fit(values, classes, recordings)
        assert len(seen) == 3
        for train, test in seen:
            assert not set(recordings[train]) & set(recordings[test])

    def test_rare_classes_score_zero(self):
        values, classes, recordings = self.data()
        classes = classes.copy()
        classes[:2] = "gac"
        found = svm.probabilities(svm.fit(values, classes, recordings), values)
        assert not found[:, INSTRUMENTS.index("gac")].any()
        np.testing.assert_allclose(found.sum(axis=1), 1)

    def test_silence_is_neither_learnt_nor_classified(self):
        values, classes, recordings = self.data()
        silent = np.vstack([values, np.zeros((4, 20))])
        more = [*classes, *CODES, "cel"], [*recordings, 90, 91, 92, 93]
        model = svm.fit(silent, *map(np.array, more))
        expected = svm.probabilities(svm.fit(values, classes, recordings), values)
        np.testing.assert_array_equal(svm.probabilities(model, silent)[:-4], expected)
        assert not svm.probabilities(model, silent)[-4:].any()

    def test_too_few_recordings_are_refused(self):
        values, classes, recordings = self.data(n_recordings=2)
        with pytest.raises(TrainingError, match="at least two"):
            svm.fit(values, classes, recordings)


class TestExperiments:
    def test_each_model_hears_what_an_experiment_gives_it(self, models, parts):
        one = experiments.hear({"mono": models["mono"]}, only(parts["testing"], "mono"))
        assert one.probabilities.keys() == {("mono", "mono")}
        every = experiments.hear(models, parts["testing"])
        assert len(every.probabilities) == 1 + len(streams.SIDES) + 2 * len(STEMS) + 3
        heard = svm.probabilities(models["mono"], parts["testing"].streams["left"])
        np.testing.assert_array_equal(every.probabilities["left", "mono"], heard)

    @pytest.mark.parametrize("experiment", EXPERIMENTS)
    @pytest.mark.parametrize("how", ["mean", "max"])
    def test_each_system_predicts(self, experiment, how, parts, heard, index):
        labels = features.label_matrix(parts["mixed"]["labels"])
        system = experiments.build(experiment, heard["validation"], labels, how)
        scores = system.predict(heard["testing"])
        assert scores.shape == (3, 11)
        assert np.isfinite(scores).all()
        assert (scores >= 0).all()
        assert (scores <= 1).all()
        assert 0 < system.threshold < 1
        if experiment == 1:
            truth = features.label_matrix(index[index["split"] == "testing"]["labels"])
            assert metrics.threshold_curve(truth, scores)["f1"].max() > 0.8

    def test_stereo_differs_from_mono(self, parts, heard):
        labels = features.label_matrix(parts["mixed"]["labels"])
        one, two = (
            experiments.build(e, heard["validation"], labels).predict(heard["testing"])
            for e in (1, 2)
        )
        assert np.abs(one - two).max() > 0.01

    def test_mono_files_and_silence_are_defined(self, models, tmp_path):
        mono = excerpt("voi", 3, 4.0)[:, :1]
        clips = {"mono": mono, "twice": np.repeat(mono, 2, axis=1), "silent": np.zeros((50000, 2))}
        for name, samples in clips.items():
            soundfile.write(tmp_path / f"{name}.wav", samples, RATE)
        found = streams.extract([tmp_path / f"{name}.wav" for name in clips])
        heard = experiments.hear(models, found)
        scores = {e: heard.scores(EXPERIMENTS[e], "mean") for e in EXPERIMENTS}
        for score in scores.values():
            assert np.isfinite(score).all()
            assert score[:2].any()
            assert not score[2].any()
        np.testing.assert_allclose(scores[1], scores[2], atol=1e-6)

    def test_the_same_seed_gives_the_same_models(self, parts, models):
        again = trained({**parts, "training": only(parts["training"], "melody")})
        heard = parts["testing"].streams["melody"]
        np.testing.assert_array_equal(
            svm.probabilities(again["melody"], heard), svm.probabilities(models["melody"], heard)
        )


def only(found, stream):
    return StreamFeatures({stream: found.streams[stream]}, found.clip)


@pytest.mark.slow
def test_all_five_run_on_real_clips(real_clips):
    index = load_index(real_clips)
    classes = index["labels"].str[0].to_numpy(str)
    index = index[np.isin(classes, ["cel", "sax", "tru"])].groupby("labels").head(8)
    found = streams.extract(index["path"])
    training = StreamFeatures({s: found.streams[s] for s in streams.TRAINING_STREAMS}, found.clip)
    models = experiments.fit_models(training, index)
    heard = experiments.hear(models, found)
    for experiment in EXPERIMENTS:
        system = experiments.build(experiment, heard, features.label_matrix(index["labels"]))
        scores = system.predict(heard)
        assert np.isfinite(scores).all()
        assert scores.any(axis=1).all()
