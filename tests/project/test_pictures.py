import base64
import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib import image

from irmas_utils.project import pictures


@pytest.fixture
def figure():
    figure, ax = plt.subplots(figsize=(4, 3), layout="constrained")
    ax.imshow(np.random.default_rng(0).random((40, 40)), cmap="magma")
    ax.set(title="A title", ylabel="A label")
    return figure


def test_a_notebook_shows_what_is_kept_at_its_size(figure):
    text, size = pictures.shown(figure)
    assert base64.b64decode(text) == pictures.png(figure)
    kept = image.imread(io.BytesIO(pictures.png(figure)))
    assert kept.shape[1] / pictures.DPI == pytest.approx(size["width"] / figure.dpi, abs=0.02)


def test_it_is_drawn_once_and_again_when_it_has_changed(figure, monkeypatch):
    first = pictures.png(figure)
    with monkeypatch.context() as patch:
        patch.setattr(figure, "savefig", None)
        assert pictures.png(figure) is first
    pictures.pdf(figure)
    assert pictures.png(figure) is first
    figure.axes[0].set_title("Another title")
    assert pictures.png(figure) != first
    assert figure.get_layout_engine() is not None
