"""Notebook 11 with files that a person might give it."""

import nbformat
import numpy as np
import pytest
import soundfile

from irmas_utils.data import fetch
from irmas_utils.paper.notebook import literal
from irmas_utils.project import execute, paths
from irmas_utils.project.errors import NotebookError

pytestmark = pytest.mark.slow

NOTEBOOK = paths.NOTEBOOKS / "11_your_own_audio.ipynb"


@pytest.fixture(autouse=True)
def no_model(monkeypatch, tmp_path):
    """Give weights with a wrong checksum, so that none are used and none are fetched."""
    (tmp_path / fetch.MN04.name).write_text("no weights")
    monkeypatch.setenv("IRMAS_WEIGHTS", str(tmp_path))


def test_without_a_model_it_still_shows_the_recording(tmp_path):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 22050)
    name = "#1 <b>$x$ `y` {1} & é.ogg"
    soundfile.write(tmp_path / name, noise, 22050)
    out = tmp_path / "out.ipynb"
    execute.execute(NOTEBOOK, out, {"profile": "smoke", "audio_path": str(tmp_path / name)})
    outputs = [cell.get("outputs") for cell in nbformat.read(out, as_version=4).cells]
    assert "No model, so no answer" in str(outputs)
    assert literal(name).removeprefix("<code>") in str(outputs)
    assert name not in str(outputs)
    assert "1.0 s at 22050 Hz" in str(outputs)
    assert (paths.results_root() / "smoke" / "figures" / "your_own_audio.png").is_file()


def test_a_missing_file_is_named(tmp_path):
    missing = str(tmp_path / "gone.wav")
    with pytest.raises(NotebookError, match=r"AudioError.*gone\.wav"):
        execute.execute(NOTEBOOK, tmp_path / "out.ipynb", {"audio_path": missing})
