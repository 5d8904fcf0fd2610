"""Notebook 11 with files that a person might give it."""

import os
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import soundfile

from irmas_utils.data import fetch
from irmas_utils.paper import notebook
from irmas_utils.paper.notebook import literal
from irmas_utils.project import execute, kernels, paths
from irmas_utils.project.backend import keras
from irmas_utils.project.errors import NotebookError
from irmas_utils.systems.recognizer import Recognizer

NOTEBOOK = paths.NOTEBOOKS / "11_your_own_audio.ipynb"


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Variables with which all notebooks share a kernel, where there are no weights to be had.

    Those that are there have a wrong checksum, so that none are used and none are fetched.
    """
    folder = tmp_path_factory.mktemp("kept")
    (folder / fetch.MN04.name).write_text("no weights")
    own = {"IRMAS_WEIGHTS": folder, "IRMAS_CACHE": folder / "c", "IRMAS_RESULTS": folder / "r"}
    own = {name: str(path) for name, path in own.items()}
    with kernels.kept(1, folder / "kernels.log", os.environ | own) as environment:
        yield own | {kernels.FOLDER: environment[kernels.FOLDER]}


@pytest.fixture(autouse=True)
def one_kernel(kept, monkeypatch):
    for name, value in kept.items():
        monkeypatch.setenv(name, value)


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
    figures = paths.results_root() / "smoke" / "figures"
    assert {file.name for file in figures.iterdir()} == {"own_audio.png", "own_audio.pdf"}


def test_a_missing_file_is_named(tmp_path):
    missing = str(tmp_path / "gone.wav")
    with pytest.raises(NotebookError, match=r"AudioError.*gone\.wav"):
        execute.execute(NOTEBOOK, tmp_path / "out.ipynb", {"audio_path": missing})


def test_a_folder_and_a_model_as_the_caller_means_them(tmp_path, monkeypatch):
    waveform = keras.Input((8000,))
    model = keras.Model(waveform, keras.layers.Dense(3, "sigmoid")(waveform))
    labels = ("oud", "qanun", "ney *x*")
    Recognizer(model, 8000, 8000, 8000, (0.0,) * 3, labels=labels).save(tmp_path / "mine")
    (tmp_path / "takes").mkdir()
    for name in ("b.wav", "a.wav"):
        soundfile.write(tmp_path / "takes" / name, np.full(16000, 0.2), 8000)
    (tmp_path / "takes" / "0.wav").write_text("no audio")
    monkeypatch.chdir(tmp_path)
    given = {"profile": "smoke", "audio_path": "takes", "model_path": "mine.keras"}
    out = tmp_path / "out.ipynb"
    execute.execute(NOTEBOOK, out, execute.read_parameters(NOTEBOOK, given))
    text = str([cell.get("outputs") for cell in nbformat.read(out, as_version=4).cells])
    assert "unnamed model" in text
    assert r"is named: oud at 0.0 s, qanun at 0.0 s, ney \\*x\\* at 0.0 s." in text
    assert text.index("unreadable audio") < text.index("a.wav") < text.index("b.wav")
    assert f"{literal('a.wav')}: 2.0 s at 8000 Hz" in text  # the first that can be read
    assert (paths.results_root() / "smoke" / "tables" / "own_audio.csv").is_file()


def test_what_is_uploaded_is_read_where_it_lies(monkeypatch):
    content = {"name": "../a.wav", "content": memoryview(b"RIFF")}
    (file,) = notebook.uploaded(SimpleNamespace(value=(content,)))
    assert file == paths.cache_root() / "uploads" / "a.wav"
    assert file.read_bytes() == b"RIFF"
    monkeypatch.setenv("IRMAS_BATCH", "1")
    assert notebook.uploaded(notebook.upload()) == []
