import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irmas_utils.audio import io
from irmas_utils.project.errors import AudioError
from irmas_utils.systems.bosch import descriptors

RATE = 44100


pytestmark = pytest.mark.usefixtures("no_warnings")


def tone(frequency, seconds=1.0, harmonics=(1.0,), rate=RATE):
    t = np.arange(round(seconds * rate)) / rate
    partials = [a * np.sin(2 * np.pi * frequency * (h + 1) * t) for h, a in enumerate(harmonics)]
    return (0.1 * sum(partials)).astype(np.float32)


def noise(seconds=1.0, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


def frames_by_name(samples, rate=RATE):
    """Each descriptor of every frame: (width, n_frames)."""
    ends = np.cumsum(list(descriptors.WIDTHS.values()))
    rows = np.split(descriptors.frames(samples, rate), ends[:-1])
    return dict(zip(descriptors.WIDTHS, rows, strict=True))


def described(samples):
    return {name: rows.mean(axis=1) for name, rows in frames_by_name(samples).items()}


def test_the_statistics_are_those_of_the_frames():
    samples = noise()
    frames = descriptors.frames(samples, RATE).astype(np.float64)
    mean, variance, d_mean, d_variance = np.split(descriptors.describe(samples, RATE), 4)
    np.testing.assert_allclose(mean, frames.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(variance, frames.var(axis=1), rtol=1e-5)
    np.testing.assert_allclose(d_mean, np.diff(frames).mean(axis=1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(d_variance, np.diff(frames).var(axis=1), rtol=1e-5)


def test_the_frames_agree_with_librosa():
    import librosa

    samples = noise() + tone(440, harmonics=(1, 0.5, 0.3))
    samples /= np.sqrt(np.mean(samples**2))
    power = np.abs(librosa.stft(samples, n_fft=2048, hop_length=1024)) ** 2
    mel = librosa.feature.melspectrogram(S=power, sr=RATE, n_mels=40)
    expected = {
        "centroid": librosa.feature.spectral_centroid(S=power, sr=RATE),
        "spread": librosa.feature.spectral_bandwidth(S=power, sr=RATE),
        "rolloff": librosa.feature.spectral_rolloff(S=power, sr=RATE),
        "zero_crossings": librosa.feature.zero_crossing_rate(samples, hop_length=1024),
        "pitch_class": librosa.feature.chroma_stft(S=power, sr=RATE, tuning=0.0),
        "mfcc": librosa.feature.mfcc(S=librosa.power_to_db(mel), n_mfcc=13),
    }
    frames = frames_by_name(samples)
    for name, values in expected.items():
        np.testing.assert_allclose(frames[name], values, rtol=1e-3, atol=1e-3, err_msg=name)


def test_a_tone_is_described_by_its_frequency_and_harmonics():
    pure, square = described(tone(440)), described(tone(440, harmonics=(1, 0, 1 / 3, 0, 1 / 5)))
    assert pure["pitch"] == pytest.approx(36, abs=0.5)  # semitones above 55 Hz
    assert pure["centroid"] == pytest.approx(440, rel=0.05)
    assert pure["harmonicity"] > 0.95
    assert pure["tristimulus"][0] > 0.9
    assert square["tristimulus"][1] > 3 * pure["tristimulus"][1]
    assert square["odd_even"] > 10
    assert described(noise())["harmonicity"] < 0.3


def test_stretched_partials_are_inharmonic():
    t = np.arange(RATE) / RATE
    stretched = 0.1 * sum(np.sin(2 * np.pi * 440 * h * (1 + 0.002 * h**2) * t) for h in range(1, 6))
    harmonic = tone(440, harmonics=(1, 1, 1, 1, 1))
    inharmonicity = described(stretched.astype(np.float32))["inharmonicity"]
    assert inharmonicity > 1.5 * described(harmonic)["inharmonicity"]
    assert 0.005 < inharmonicity < 0.05


@settings(max_examples=20, deadline=None)
@given(gain=st.floats(-40, 40), seed=st.integers(0, 9))
def test_the_level_does_not_matter(gain, seed):
    samples = noise(0.3, seed) + tone(330, 0.3)
    louder = samples * np.float32(10 ** (gain / 20))
    expected = descriptors.describe(samples, RATE)
    np.testing.assert_allclose(descriptors.describe(louder, RATE), expected, rtol=0.01, atol=0.01)


def test_near_silence_around_the_music_does_not_matter():
    samples = tone(440, harmonics=(1, 0.5, 0.3))
    hiss = noise(1.4) * np.float32(1e-4)
    padded = np.concatenate([hiss, samples, hiss])
    inner, outer = described(samples), described(padded)
    assert outer["centroid"] == pytest.approx(inner["centroid"], rel=0.05)
    assert outer["mfcc"][1] == pytest.approx(inner["mfcc"][1], abs=10)


@settings(max_examples=40, deadline=None)
@given(
    length=st.integers(0, 6000),
    rate=st.sampled_from([16000, 22050, 44100, 48000, 96000]),
    kind=st.sampled_from(["zeros", "noise", "click", "constant", "faint"]),
)
def test_every_input_gives_finite_values(length, rate, kind):
    samples = {
        "zeros": np.zeros(length),
        "noise": np.random.default_rng(0).uniform(-1, 1, length),
        "click": np.eye(1, length, length // 2)[0] if length else np.zeros(0),
        "constant": np.full(length, 0.5),
        "faint": np.full(length, 1e-5),
    }[kind].astype(np.float32)
    values = descriptors.describe(samples, rate)
    assert values.shape == (344,)
    assert np.isfinite(values).all()
    if kind in ("zeros", "faint") or not length:
        assert not values.any()


@pytest.mark.parametrize(("shape", "rate"), [((100, 2), RATE), ((100,), 8000)])
def test_what_cannot_be_described_is_refused(shape, rate):
    with pytest.raises(AudioError, match="expected mono samples"):
        descriptors.describe(np.zeros(shape, np.float32), rate)


def test_real_clips_of_one_instrument_are_alike(real_clips):
    files = sorted((real_clips / "IRMAS-TrainingData").glob("*/*.wav"))[::2]
    values = np.stack([descriptors.describe(io.load_mono(f), RATE) for f in files])
    assert np.isfinite(values).all()
    values = (values - values.mean(0)) / (values.std(0) + 1e-9)
    distance = np.linalg.norm(values[:, None] - values, axis=-1) + 1e9 * np.eye(len(files))
    classes = np.array([f.parent.name for f in files])
    chance = np.mean(classes[:, None] == classes)
    assert np.mean(classes[distance.argmin(axis=1)] == classes) > 1.5 * chance
