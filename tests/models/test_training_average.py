import numpy as np
import pytest
from numpy.testing import assert_array_equal
from tiny_training import build, fit, predict, validation

from irmas_utils.project.errors import TrainingError


@pytest.fixture(scope="module")
def averaged():
    model = build()
    return fit(model, 4, ema=0.9), model


def test_the_average_takes_the_weights_place_only_at_the_end(averaged):
    plain = build()
    history = fit(plain, 4)
    columns = ["loss", "val_loss"]
    assert_array_equal(history[columns], averaged[0][columns])
    moved = [
        np.abs(a - b).max()
        for a, b in zip(plain.get_weights(), averaged[1].get_weights(), strict=True)
    ]
    assert max(moved) > 1e-3


def test_average_of_a_resumed_run_has_the_same_bits(tmp_path, averaged):
    fit(build(), 2, ema=0.9, checkpoint_dir=tmp_path)
    for _ in range(2):  # the second time the run is finished and only read back
        model = build()
        fit(model, 4, ema=0.9, checkpoint_dir=tmp_path)
        expected = predict(averaged[1], validation)
        assert_array_equal(predict(model, validation), expected)


def test_average_is_part_of_the_run(tmp_path):
    fit(build(), 1, checkpoint_dir=tmp_path)
    with pytest.raises(TrainingError, match="ema"):
        fit(build(), 2, ema=0.9, checkpoint_dir=tmp_path)
