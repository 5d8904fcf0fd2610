import numpy as np
import pytest

from irmas_utils.models import lstm
from irmas_utils.project import settings
from irmas_utils.project.backend import set_determinism

OWN = settings.load("smoke", lstm={"units": 3, "dense": [4], "frame_size": 4}).lstm
LENGTH = np.array([40, 17], np.int32)
WAVEFORM = np.random.default_rng(0).normal(size=(2, 40)).astype(np.float32)
WAVEFORM[1, 17:] = 0


def test_a_cell_of_another_name_is_refused():
    with pytest.raises(ValueError, match="'grru'; expected lstm, gru, stacked or bidirectional"):
        lstm.build(cell="grru")


@pytest.mark.parametrize("cell", ["gru", "stacked", "bidirectional"])
def test_a_cell_reads_each_clip_to_its_own_end(cell):
    network = lstm.Network(OWN, 1, cell)
    assert network.describe()["cell"] == cell
    set_determinism(0)
    model = network.build()
    both = model([WAVEFORM, LENGTH]).numpy()
    alone = model([WAVEFORM[1:, :17], LENGTH[1:]]).numpy()
    np.testing.assert_allclose(both[1], alone[0], rtol=1e-5)
    longer = np.concatenate([WAVEFORM, np.ones_like(WAVEFORM)], axis=1)
    np.testing.assert_allclose(model([longer, LENGTH]).numpy(), both, rtol=1e-5)
    norms = lstm.input_gradient_norms(model, WAVEFORM, LENGTH, np.eye(11)[:2], "paper")
    assert norms[:16].min() > 0


def test_output_biases_can_begin_at_the_labels_frequencies():
    counts = np.arange(11)
    model = lstm.Network(OWN, 1, counts=counts).build()
    bias = model.get_layer("logits").bias.numpy()
    np.testing.assert_allclose(np.diff(bias)[1:], np.diff(np.log(counts[1:])), rtol=1e-4)
    assert bias.mean() == pytest.approx(0, abs=1e-6)
