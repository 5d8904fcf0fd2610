import numpy as np
import pytest
from conftest import SHARED

from irmas_utils.models import efficientat, front_ends, torch_weights
from irmas_utils.project.backend import keras, tf
from irmas_utils.project.errors import ModelError

WEIGHTS = SHARED / "weights" / "mn04_as_mAP_432.pt"
REFERENCE = SHARED / "weights" / "mn04_reference.npz"

needs_weights = pytest.mark.skipif(not WEIGHTS.is_file(), reason="no weights at hand")
needs_reference = pytest.mark.skipif(not REFERENCE.is_file(), reason="no reference at hand")


@pytest.fixture(scope="module")
def pretrained():
    if not WEIGHTS.is_file():
        pytest.skip("no weights at hand")
    return efficientat.pretrained(WEIGHTS)


@pytest.fixture(scope="module")
def small():
    return efficientat.mn04(11, width=0.1)


def _views(model):
    names = ("mel", "embedding", "scores")
    return keras.Model(model.input, {name: model.get_layer(name).output for name in names})


@needs_reference
@pytest.mark.parametrize("clip", ["cello", "trumpet", "synthetic"])
def test_port_agrees_with_the_original(pretrained, clip):
    reference = np.load(REFERENCE)
    found = _views(pretrained)(reference[f"{clip}_waveform"][None])
    np.testing.assert_allclose(found["mel"][0, :, :, 0], reference[f"{clip}_mel"], atol=1e-4)
    np.testing.assert_allclose(found["scores"][0], reference[f"{clip}_probabilities"], atol=1e-4)
    np.testing.assert_allclose(found["embedding"][0], reference[f"{clip}_embedding"], atol=1e-4)


@needs_reference
@needs_weights
def test_instruments_are_where_the_classes_are(pretrained):
    reference = np.load(REFERENCE)
    for code, clip in (("cel", "cello"), ("tru", "trumpet")):
        index = efficientat.AUDIOSET_INDEX[code]
        assert reference[f"{clip}_probabilities"][index] > 0.1


def test_number_of_parameters():
    assert efficientat.mn04().count_params() == 993_439  # statistics of batch norm included


@needs_weights
def test_eleven_outputs_are_those_of_our_instruments(pretrained):
    x = np.random.default_rng(0).normal(size=(2, 32000)).astype(np.float32)
    picked = pretrained(x).numpy()[:, list(efficientat.AUDIOSET_INDEX.values())]
    np.testing.assert_allclose(efficientat.pretrained(WEIGHTS, 11)(x), picked, rtol=1e-5)


@needs_weights
@pytest.mark.parametrize("fault", ["missing", "spare", "shape", "axes", "nan"])
def test_another_network_is_refused(monkeypatch, fault):
    tensors = torch_weights.read(WEIGHTS)
    if fault == "missing":
        del tensors["features.3.block.0.0.weight"]
    elif fault == "spare":
        tensors["features.17.weight"] = np.zeros(3)
    elif fault == "axes":
        tensors["features.16.0.weight"] = np.zeros(7)
        tensors["features.3.block.1.0.weight"] = np.zeros((1, 2, 3))
    elif fault == "nan":
        tensors["features.16.1.bias"][3] = np.nan
    else:
        tensors["features.16.1.bias"] = np.zeros(7)
    monkeypatch.setattr(torch_weights, "read", lambda path: tensors)
    with pytest.raises(ModelError, match=r"features\.(3|16|17)"):
        efficientat.pretrained(WEIGHTS)


@needs_weights
def test_too_few_classes_to_pick_ours_from_are_refused(monkeypatch):
    tensors = torch_weights.read(WEIGHTS)
    tensors["classifier.5.weight"] = tensors["classifier.5.weight"][:100]
    monkeypatch.setattr(torch_weights, "read", lambda path: tensors)
    with pytest.raises(ModelError, match=r"classifier\.5\.weight"):
        efficientat.pretrained(WEIGHTS, 11)


@pytest.mark.parametrize("n_samples", [402, 5000, 44100])
def test_any_length(small, n_samples):
    noise = np.random.default_rng(0).normal(size=(2, n_samples)).astype(np.float32)
    found = _views(small)(noise)
    assert found["mel"].shape == (2, 128, 1 + (n_samples - 1) // 320, 1)
    assert found["scores"].shape == (2, 11)
    assert np.isfinite(found["scores"]).all()


def test_silence_is_finite(small):
    assert np.isfinite(small(np.zeros((1, 9600), np.float32))).all()


def test_survives_saving(small, tmp_path):
    x = np.random.default_rng(0).normal(size=(2, 9600)).astype(np.float32)
    small.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(small(x), loaded(x))


def test_kaldi_bands_are_triangles_on_the_mel_axis():
    bands = front_ends.kaldi_mel_bands(128, 1024, 32000, 15000)
    assert bands.shape == (513, 128)
    assert (bands >= 0).all()
    assert (bands <= 1).all()
    assert not bands[-1].any()
    assert not bands[np.arange(513) * 32000 / 1024 >= 15000].any()
    # Neighbouring triangles add up to one between the first and the last centre.
    np.testing.assert_allclose(bands[3:460].sum(axis=1), 1, atol=1e-5)


def test_log_mel_is_librosas():
    import librosa

    x = np.random.default_rng(0).normal(size=22050).astype(np.float32)
    power = librosa.feature.melspectrogram(
        y=x, sr=22050, n_fft=1024, hop_length=512, power=1, pad_mode="reflect"
    )
    found = front_ends.LogMel()(x[None])[0, :, :, 0]
    assert found.shape == (128, 43)
    np.testing.assert_allclose(found, np.log(power[:, :-1] + 1e-3), atol=1e-3)


def test_level_does_not_depend_on_gain():
    x = np.random.default_rng(0).normal(size=(3, 1000)).astype(np.float32)
    for measure, of in (
        ("rms", lambda z: np.sqrt(np.mean(z**2))),
        ("peak", lambda z: abs(z).max()),
    ):
        layer = front_ends.Level(0.1, measure)
        found = layer(x * np.float32([[0.01], [1], [100]]))
        np.testing.assert_allclose([of(row) for row in found.numpy()], 0.1, rtol=1e-5)
        assert not layer(np.zeros((1, 1000), np.float32)).numpy().any()


def test_random_filter_is_smooth_and_bounded():
    layer = front_ends.RandomFilter(0.5, seed=1)
    x = np.zeros((20, 128, 30, 1), np.float32)
    assert not layer(x, training=False).numpy().any()
    curves = layer(x, training=True).numpy()[..., 0]
    assert np.ptp(curves, axis=2).max() == 0
    assert 0.3 < np.abs(curves).max() <= 0.5
    assert np.abs(np.diff(curves, axis=1)).max() <= 1.0 / (127 / 5) + 1e-6


def test_masks_are_inside_their_bounds_and_only_in_training():
    layer = front_ends.SpecAugment(n_bands=5, n_frames=7, seed=1)
    x = tf.random.stateless_normal((50, 20, 30, 1), seed=(1, 2))
    np.testing.assert_array_equal(layer(x, training=False), x)
    masked = (layer(x, training=True) != x).numpy()[..., 0]
    bands, frames = masked.all(axis=2).sum(axis=1), masked.all(axis=1).sum(axis=1)
    assert set(bands) == set(range(6))
    assert set(frames) == set(range(8))
    np.testing.assert_array_equal(
        masked.sum(axis=(1, 2)), 30 * bands + 20 * frames - bands * frames
    )


def test_masks_repeat_with_their_seed():
    x = tf.random.stateless_normal((4, 20, 30, 1), seed=(1, 2))
    first, second = (front_ends.SpecAugment(5, 7, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first(x, training=True), second(x, training=True))
    assert (first(x, training=True) != second(x, training=False)).numpy().any()
