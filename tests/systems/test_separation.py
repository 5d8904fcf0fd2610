import importlib.util
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irmas_utils import plots
from irmas_utils.data import sample
from irmas_utils.data.sample import composer, plan, render, soundfont
from irmas_utils.project.errors import AudioError, SettingsError
from irmas_utils.project.settings import load
from irmas_utils.systems.bosch import demucs, separation, spectral, streams

RATE = 44100


pytestmark = pytest.mark.usefixtures("no_warnings")


def stereo(mono, pan=0.0):
    gains = np.array([1 - pan, 1 + pan]) / 2
    return (mono[:, None] * gains).astype(np.float32)


def sine(frequency, seconds=2.0):
    return 0.3 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE)


def clicks(seconds=2.0):
    signal = np.zeros(round(seconds * RATE))
    signal[:: RATE // 4] = 0.9
    return signal


def share(stems, name):
    energy = {stem: float(np.sum(signal.astype(float) ** 2)) for stem, signal in stems.items()}
    return energy[name] / sum(energy.values())


@settings(max_examples=30, deadline=None)
@given(
    length=st.integers(0, 20000),
    channels=st.sampled_from([1, 2]),
    rate=st.sampled_from([16000, 22050, 44100, 48000]),
    level=st.sampled_from([0.0, 1e-6, 1.0]),
)
def test_stems_sum_to_the_mixture(length, channels, rate, level):
    mixture = np.random.default_rng(0).uniform(-level, level, (length, channels))
    mixture = mixture.astype(np.float32)
    stems = separation.separate(mixture, rate, "spectral")
    assert tuple(stems) == separation.STEMS
    for stem in stems.values():
        assert stem.shape == mixture.shape
        assert stem.dtype == np.float32
        assert np.isfinite(stem).all()
    np.testing.assert_allclose(sum(stems.values()), mixture, atol=1e-4)


@pytest.mark.parametrize("length", [1, 4095, 4096, 30000])
def test_the_transform_is_inverted(length):
    samples = np.random.default_rng(1).normal(size=(length, 2)).astype(np.float32)
    spectrum = spectral.stft(samples, 4096)
    np.testing.assert_allclose(spectral.istft(spectrum, 4096, length), samples, atol=1e-5)


def test_shares_of_a_bin_are_at_most_one():
    mixture = stereo(sine(80) + sine(660) + clicks(), pan=0.3)
    spectrum = spectral.stft(mixture, 4096)
    masks = spectral.masks(spectrum, RATE)
    assert all((mask >= 0).all() for mask in masks.values())
    assert sum(masks.values()).max() <= 1 + 1e-5


@pytest.mark.parametrize(
    ("signal", "stem"), [(clicks(), "drums"), (sine(60), "bass"), (sine(880), "melody")]
)
def test_each_sound_goes_to_its_stem(signal, stem):
    stems = spectral.separate(stereo(signal), RATE)
    assert share(stems, stem) > 0.8


def test_what_is_panned_elsewhere_is_not_melody(monkeypatch):
    mixture = stereo(sine(660), pan=-0.9) + 0.3 * stereo(sine(1000), pan=0.9)
    melody = {}
    for width in (0.3, 100):
        monkeypatch.setattr(spectral, "PANNING_WIDTH", width)
        melody[width] = spectral.separate(mixture, RATE)["melody"]
    narrow, wide = melody.values()
    left, right = np.sum(narrow**2, axis=0) / np.sum(wide**2, axis=0)
    assert left > 0.9
    assert right < 0.2


def test_the_median_filter_is_scipys():
    from scipy.ndimage import median_filter

    values = np.random.default_rng(0).random((7, 40)).astype(np.float32)
    expected = median_filter(values, size=(1, 9), mode="mirror")
    np.testing.assert_array_equal(spectral._median(values, 9), expected)


def test_streams_are_left_right_mid_and_side():
    samples = np.array([[0.5, 0.1], [-0.2, 0.4]], np.float32)
    found = streams.split(samples, RATE, streams.SIDES)
    np.testing.assert_allclose(found["mid"], [0.3, 0.1], atol=1e-7)
    np.testing.assert_allclose(found["side"], [0.2, -0.3], atol=1e-7)
    one_channel = streams.split(samples[:, :1], RATE, streams.SIDES)
    assert not one_channel["side"].any()
    np.testing.assert_array_equal(one_channel["left"], one_channel["mid"])


@pytest.mark.parametrize("shape", [(100,), (100, 3)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(AudioError, match="n_samples, 2"):
        separation.separate(np.zeros(shape, np.float32), RATE, "spectral")
    with pytest.raises(AudioError, match="n_samples, 2"):
        streams.split(np.zeros(shape, np.float32), RATE, ["mono"])


def test_an_unknown_separator_is_refused():
    with pytest.raises(SettingsError, match="spectral, demucs"):
        separation.separate(np.zeros((10, 2), np.float32), RATE, "fasst")


class TestQuality:
    @settings(max_examples=50, deadline=None)
    @given(scale=st.floats(0.01, 100), seed=st.integers(0, 99))
    def test_scale_does_not_matter(self, scale, seed):
        rng = np.random.default_rng(seed)
        reference, noise = rng.normal(size=(2, 200, 2))
        expected = separation.si_sdr(reference + noise, reference)
        assert separation.si_sdr(scale * (reference + noise), reference) == pytest.approx(expected)
        assert separation.si_sdr(reference + noise, -scale * reference) == pytest.approx(expected)

    def test_orthogonal_noise_gives_the_ratio_of_energies(self):
        reference, noise = np.array([[1.0], [0.0]]), np.array([[0.0], [0.1]])
        assert separation.si_sdr(reference + noise, reference) == pytest.approx(20)

    def test_extremes_are_finite(self):
        reference = np.ones((5, 2))
        assert separation.si_sdr(reference, reference) == pytest.approx(120)
        assert separation.si_sdr(0 * reference, reference) == -120

    def test_what_is_not_defined_is_refused(self):
        with pytest.raises(ValueError, match="silent reference"):
            separation.si_sdr(np.ones((5, 2)), np.zeros((5, 2)))
        with pytest.raises(ValueError, match="differ"):
            separation.si_sdr(np.ones((5, 2)), np.ones((4, 2)))

    def test_the_mixture_is_measured_too_and_silence_is_not(self, monkeypatch):
        rng = np.random.default_rng(0)
        drums, other = rng.normal(size=(2, 500, 2))
        truth = {"drums": drums, "bass": np.zeros((500, 2)), "melody": other}
        found = {"drums": drums + 0.1 * other, "bass": 0.9 * other}
        monkeypatch.setitem(separation.SEPARATORS, "spectral", lambda samples, rate: found)
        table = separation.quality({"clip": truth}, RATE, "spectral")
        assert table[["clip", "stem"]].to_numpy().tolist() == [["clip", "drums"]]
        drums = table.iloc[0]
        assert drums["si_sdr"] == pytest.approx(20, abs=1)
        assert drums["mixture"] == pytest.approx(0, abs=1)
        assert drums["improvement"] == drums["si_sdr"] - drums["mixture"]
        assert plots.separation_quality(table).get_yticklabels()[0].get_text() == "drums"
        plt.close("all")


@pytest.mark.slow
def test_separation_improves_on_the_mixture_where_the_stems_are_known():
    font = soundfont.retuned(soundfont.find(None))
    true = {}
    for number, recording in enumerate(plan.recordings(11, 44, seed=5)[-5:]):
        stems = render.stems(composer.compose(recording), font)
        true[number] = {stem: signal[: 10 * RATE] for stem, signal in stems.items()}
    improved = separation.quality(true, RATE, "spectral").groupby("stem")["improvement"]
    assert improved.count()["bass"] > 1
    assert improved.mean()["bass"] > 4
    assert improved.mean()["drums"] > 1


def test_the_stems_of_a_sample_corpus_can_be_compared():
    cfg = load("sample", corpus={"training_clips": 11, "testing_clips": 11})
    name = Path(plan.recordings(11, 11, cfg.seed)[0].clips[0].path).stem
    table = separation.quality({"a": sample.stems(cfg, name)}, plan.SAMPLE_RATE, "spectral")
    assert "melody" in list(table["stem"])
    assert np.isfinite(table[["si_sdr", "mixture", "improvement"]].to_numpy()).all()


class FakeNetwork:
    samplerate = 44100
    sources = ("drums", "bass", "other", "vocals")


class TestDemucs:
    @pytest.fixture
    def separator(self, monkeypatch):
        def sources(network, samples):
            assert samples.shape[1] == 2
            return np.stack([samples * part for part in (0.1, 0.2, 0.3, 0.35)]).astype(np.float32)

        monkeypatch.setattr(demucs, "_network", FakeNetwork)
        monkeypatch.setattr(demucs, "_apply", sources)
        return lambda samples, rate: separation.separate(samples, rate, "demucs")

    def test_the_missing_extra_is_named(self):
        if importlib.util.find_spec("demucs"):
            pytest.skip("demucs is installed")
        with pytest.raises(SettingsError, match="uv pip install demucs"):
            separation.separate(np.zeros((10, 2), np.float32), RATE, "demucs")

    @pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (44100, 1), (22050, 2)])
    def test_its_stems_keep_the_protocol(self, separator, rate, channels):
        mixture = np.random.default_rng(0).normal(0, 0.1, (5000, channels)).astype(np.float32)
        stems = separator(mixture, rate)
        assert tuple(stems) == separation.STEMS
        assert {stem.shape for stem in stems.values()} == {mixture.shape}
        np.testing.assert_allclose(sum(stems.values()), mixture, atol=1e-4)
        if rate == 44100:
            np.testing.assert_allclose(stems["melody"], 0.35 * mixture, atol=1e-6)
