import numpy as np
import pytest

from irmas_utils.models import han
from irmas_utils.models.training import Trainer, fit
from irmas_utils.project.backend import keras, set_determinism


@pytest.fixture(scope="module")
def small():
    set_determinism(0)
    return han.build(1 / 16, mask_bands=8, mask_frames=8, filter_db=3.0)


def test_published_sizes():
    network = han.build()
    convolutions = [item for item in network.layers if isinstance(item, keras.layers.Conv2D)]
    assert [item.filters for item in convolutions] == [32, 32, 64, 64, 128, 128, 256, 256]
    assert all(item.kernel_size == (3, 3) for item in convolutions)
    slopes = {i.negative_slope for i in network.layers if isinstance(i, keras.layers.LeakyReLU)}
    assert slopes == {0.33}
    rates = [item.rate for item in network.layers if isinstance(item, keras.layers.Dropout)]
    assert rates == [0.25, 0.25, 0.25, 0.5]
    assert network.get_layer("dense").units == 1024
    assert network.output_shape == (None, 11)
    assert network.count_params() == 1_446_123


def test_a_second_has_43_frames(small):
    view = keras.Model(small.input, small.get_layer("mel").output)
    assert view(np.zeros((2, han.WINDOW), np.float32)).shape == (2, 128, 43, 1)


def test_width_scales_the_network():
    sizes = [han.build(width).count_params() for width in (0.25, 0.5, 2)]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 15 * sizes[0]
    assert han.build(filters=(32, 64)).count_params() < han.build().count_params()


def test_level_does_not_matter(small):
    noise = np.random.default_rng(0).normal(size=(1, han.WINDOW)).astype(np.float32)
    np.testing.assert_allclose(small(noise), small(noise * 0.01), atol=1e-5)
    assert np.isfinite(small(noise * 0)).all()


def test_learns_to_tell_tones_from_noise():
    set_determinism(0)
    network = han.build(0.25, filters=(32, 64))
    rng = np.random.default_rng(0)
    time = np.arange(han.WINDOW) / han.SAMPLE_RATE
    tones = np.sin(2 * np.pi * rng.uniform(200, 2000, (16, 1)) * time)
    x = np.concatenate([tones, rng.normal(size=(16, han.WINDOW))]).astype(np.float32)
    y = np.repeat(np.eye(11, dtype=np.float32)[:2], 16, axis=0)
    trainer = Trainer(network, "binary", 3e-3)
    history = fit(trainer, lambda epoch: [(x, y)], None, epochs=30, seed=0, progress=False)
    assert history["loss"].iloc[-1] < 0.3 * history["loss"].iloc[0]
    assert network(x).numpy().argmax(axis=1).tolist() == [0] * 16 + [1] * 16
