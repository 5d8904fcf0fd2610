import numpy as np
import pytest
from numpy.testing import assert_allclose

from irmas_utils.models import fft, losses, lstm
from irmas_utils.models.layers import logits_view
from irmas_utils.project.backend import keras, set_determinism, tf

LENGTHS = np.array([261, 128, 127, 1, 0], np.int32)


@pytest.fixture(scope="module", autouse=True)
def seeded():
    set_determinism(0)


def waveforms(time, n=5, features=None, seed=0):
    shape = (n, time) if features is None else (n, time, features)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_the_papers_sizes_give_the_papers_parameter_counts():
    assert lstm.build().count_params() == 159_851
    assert fft.build().count_params() == 40_188_107


def test_layers_follow_the_papers_list():
    widths = [layer.units for layer in fft.build().layers if isinstance(layer, keras.layers.Dense)]
    assert widths == [64, 100_000, 32, 50_000, 11]
    model = lstm.build()
    widths = [layer.units for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert [model.get_layer("lstm").units, *widths] == [22, 2048, 32, 1024, 11]


def test_leaky_slope_is_the_papers():
    model = fft.build(n_features=2, dense=(1,))
    hidden = keras.Model(model.input, model.get_layer("leaky_relu_1").output)
    linear = keras.Model(model.input, model.get_layer("dense_1").output)
    x = np.array([[1.0, 2.0], [-1.0, -2.0]], np.float32)
    z = linear(x).numpy()
    assert_allclose(hidden(x), np.where(z > 0, z, 0.01 * z), rtol=1e-6)


def test_logits_view_shares_the_weights_and_ends_before_the_sigmoid():
    model = fft.build(n_features=8, dense=(4,))
    x = waveforms(8)
    assert_allclose(tf.sigmoid(logits_view(model)(x)), model(x), rtol=1e-6)


def test_what_follows_a_clip_does_not_matter():
    model = lstm.build(units=4, dense=(8,))
    x = waveforms(300)
    expected = model((x, LENGTHS)).numpy()
    for row, length in enumerate(LENGTHS):
        x[row, length:] = 1e3
    assert_allclose(model((np.pad(x, ((0, 0), (0, 500))), LENGTHS)), expected, atol=1e-6)
    assert np.abs(model((x, np.full(5, 300)))[1:] - expected[1:]).max() > 1e-5


@pytest.mark.parametrize(("frame_size", "n_mels", "features"), [(1, None, 1), (16, None, 16)])
def test_frames_cut_the_waveform(frame_size, n_mels, features):
    frames = lstm.Frames(frame_size, n_mels, 2.0, 44_100)
    x = waveforms(160)
    sequence, length = frames((x, np.array([160, 33, 16, 15, 0])))
    assert_allclose(sequence, 2 * x.reshape(5, -1, features))
    assert_allclose(length, np.array([160, 33, 16, 15, 0]) // frame_size)


def test_mel_frames_peak_at_the_frequency_of_a_tone():
    frames = lstm.Frames(1024, 40, 1.0, 44_100)
    time = np.arange(4096) / 44_100
    tones = np.stack([np.sin(2 * np.pi * f * time) for f in (500, 8000)]).astype(np.float32)
    sequence, _ = frames((tones, np.array([4096, 4096])))
    low, high = np.argmax(sequence.numpy().mean(axis=1), axis=1)
    assert low < high
    noise = np.random.default_rng(0).normal(scale=0.1, size=(1, 4096)).astype(np.float32)
    assert np.abs(frames((noise, np.array([4096])))[0]).max() < 3  # of order 1, as gates like it
    assert np.isfinite(frames((np.zeros((1, 1024), np.float32), np.array([1024])))[0]).all()


def test_input_gradient_is_the_difference_quotient():
    set_determinism(0)
    model = lstm.build(units=4, dense=(8,), input_scale=3.0)
    x, length, y = waveforms(40, n=1), np.array([30]), np.eye(11, dtype=np.float32)[[4]]
    norms = lstm.input_gradient_norms(model, x, length, y, "binary")

    def loss(x):
        return float(losses.binary(y, logits_view(model)((x, length)))[0])

    for t in (0, 15, 29):
        step = np.zeros_like(x)
        step[0, t] = 0.05
        quotient = (loss(x + step) - loss(x - step)) / 0.1
        assert norms[t] == pytest.approx(abs(quotient), rel=0.05, abs=1e-6)
    assert norms.shape == (40,)
    assert (norms[30:] == 0).all()


def test_gradient_reaches_the_last_samples_better_than_the_first():
    model = lstm.build()
    norms = lstm.input_gradient_norms(
        model, waveforms(2000, n=2), [2000, 2000], np.eye(11)[:2], "paper"
    )
    assert norms[-10:].mean() > 1e3 * norms[:1000].mean()


def test_a_saved_lstm_loads_and_scores_the_same(tmp_path):
    model, x = lstm.build(units=4, dense=(8,), frame_size=64, n_mels=8), waveforms(512)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_allclose(loaded((x, LENGTHS)), model((x, LENGTHS)), rtol=1e-6)
