"""What an error tells a person to do exists, and mends what it was told for.

Others of the remedies are tried where their errors are: fetching what is missing (data/test_fetch),
leaving out or removing bad clips (data/test_index), `make paper` after damage (test_workflow,
paper/test_state), the command for a figure (paper/test_command), room on a disk (test_training).
"""

import ast
import json
import re

import numpy as np
import pytest
import tiny_training as tiny

from irmas_utils import __main__ as cli
from irmas_utils.data import corpus, fetch, index, integrity, sample
from irmas_utils.project import files, paths, runs, settings
from irmas_utils.project.errors import (
    DataError,
    DiskError,
    DownloadError,
    SettingsError,
    TrainingError,
)

SOURCES = {path: path.read_text() for path in sorted(paths.PACKAGE.rglob("*.py"))}


def texts():
    """Every text in the package that a person may be shown, f-strings with gaps."""
    for path, source in SOURCES.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.JoinedStr):
                parts = [getattr(part, "value", "X") for part in node.values]
                yield path.name, "".join(p if isinstance(p, str) else "X" for p in parts)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path.name, node.value


def test_every_command_that_is_named_exists():
    makefile = (paths.ROOT / "Makefile").read_text()
    named = [(path, *found) for path, text in texts()
             for found in re.findall(r"`(make|irmas) ([a-z]+)\b", text)]  # fmt: skip
    assert len(named) > 5
    for path, program, command in named:
        if program == "make":
            assert re.search(rf"^{command}:", makefile, flags=re.M), f"{path}: make {command}"
        else:
            assert command in cli.COMMANDS, f"{path}: irmas {command}"


def test_every_notebook_setting_and_variable_that_is_named_exists():
    keys = {*settings._keys(settings.Settings)}
    for path, text in texts():
        for name in re.findall(r"NAME=(\w+)", text):
            assert name == "X" or (paths.NOTEBOOKS / f"{name}.ipynb").is_file(), path
        for key in re.findall(r"\bset ([a-z]+\.[a-z_]+) to\b", text):
            assert key in keys, path
        for variable in re.findall(r"\bIRMAS_[A-Z]+\b", text):
            assert variable in (*paths._VARIABLES, "IRMAS_BATCH", "IRMAS_KERNELS"), path


def test_a_profile_may_begin_as_it_is_told(tmp_path):
    (path := tmp_path / "mine.yaml").write_text("seed: 1\n")
    with pytest.raises(SettingsError, match="begin the file with `extends: sample`") as error:
        settings.load(path)
    line = re.search("`(.*)`", str(error.value))[1]
    path.write_text(f"{line}\nseed: 1\n")
    assert settings.load(path).seed == 1


def test_an_incomplete_set_may_be_allowed_in_so_many_words(tiny_irmas, monkeypatch):
    monkeypatch.setenv("IRMAS_DATA", str(tiny_irmas))
    with pytest.raises(DataError, match=r"set corpus\.allow_incomplete to true"):
        corpus.load(settings.load("full"))
    assert len(corpus.load(settings.load("full", corpus={"allow_incomplete": True}))) == 69
    assert integrity.missing(index.load_index(tiny_irmas))


def test_another_folder_may_be_named_for_what_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()

    def once():
        return runs.once("net", {}, lambda _: runs.Outcome({"x": np.ones(2)}, {}))

    monkeypatch.setenv("IRMAS_CACHE", str(tmp_path / "file"))
    with pytest.raises(DiskError, match="IRMAS_CACHE or IRMAS_RESULTS"):
        once()
    monkeypatch.setenv("IRMAS_CACHE", str(tmp_path / "other"))
    assert once().arrays["x"].tolist() == [1, 1]


@pytest.mark.parametrize("mended", ["delete", "ask"])
def test_a_checkpoint_that_does_not_fit_may_be_deleted(tmp_path, mended):
    first = tiny.fit(tiny.build(), 3, checkpoint_dir=tmp_path)
    with pytest.raises(TrainingError, match="Ask for as many epochs, or delete the file"):
        tiny.fit(tiny.build(), 2, checkpoint_dir=tmp_path)
    if mended == "delete":
        (tmp_path / "checkpoint.npz").unlink()
        assert len(tiny.fit(tiny.build(), 2, checkpoint_dir=tmp_path)) == 2
    else:
        assert len(tiny.fit(tiny.build(), 3, checkpoint_dir=tmp_path)) == len(first)
    with pytest.raises(TrainingError, match="Delete the file to start afresh"):
        tiny.fit(tiny.build(), 5, seed=4, checkpoint_dir=tmp_path)
    (tmp_path / "checkpoint.npz").unlink()
    assert len(tiny.fit(tiny.build(), 1, seed=4, checkpoint_dir=tmp_path)) == 1


def test_other_weights_than_the_published_ones_may_be_removed_or_not_named(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "file", lambda *_: "fetched")
    monkeypatch.setenv("IRMAS_WEIGHTS", str(tmp_path))
    (other := tmp_path / fetch.MN04.name).write_bytes(b"other")
    with pytest.raises(DownloadError, match="Remove the file or unset IRMAS_WEIGHTS"):
        fetch.weights()
    with monkeypatch.context() as patch:
        patch.delenv("IRMAS_WEIGHTS")
        assert fetch.weights() == "fetched"
    other.unlink()
    assert fetch.weights() == "fetched"


def test_a_wrong_soundfont_may_be_left_out(tmp_path):
    (tmp_path / "my.sf2").write_bytes(b"RIFF")
    own = settings.load("smoke", corpus={"soundfont": str(tmp_path / "my.sf2")})
    with pytest.raises(DataError, match="Correct `soundfont`, or leave it out"):
        sample.ensure(own)
    from irmas_utils.data.sample import soundfont

    assert soundfont.find(None).is_file()


def test_a_damaged_profile_may_be_begun_anew(tmp_path):
    (path := tmp_path / "mine.yaml").write_text("[")
    with pytest.raises(SettingsError, match="begin a new one with `extends: sample`"):
        settings.load(path)
    files.write_text(path, "extends: sample\n")
    assert json.dumps(settings.load(path).model_dump())
