import json
import multiprocessing

import numpy as np
import pytest

from irmas_utils.project import paths, runs
from irmas_utils.project.errors import CheckpointError
from irmas_utils.project.runs import Outcome

PARTS = {"settings": {"units": 22}, "code": "abc", "seed": 0}


class Maker:
    """Makes an outcome, and counts how often."""

    def __init__(self):
        self.times = 0

    def __call__(self, folder):
        self.times += 1
        (folder / "unfinished").mkdir(parents=True)
        (folder / "model.txt").write_text("kept")
        return Outcome({"scores": np.arange(3, dtype=np.float32)}, {"n": self.times, "x": 0.1})


@pytest.fixture
def make():
    return Maker()


def only_folder():
    (folder,) = [p for p in (paths.cache_root() / "runs" / "net").iterdir() if p.is_dir()]
    return folder


def test_a_run_is_computed_once(make):
    first, second = (runs.once("net", PARTS, make) for _ in range(2))
    assert make.times == 1
    np.testing.assert_array_equal(first.arrays["scores"], second.arrays["scores"])
    assert second.arrays["scores"].dtype == np.float32
    assert second.facts == first.facts == {"n": 1, "x": 0.1}
    assert sorted(p.name for p in only_folder().iterdir()) == [
        "facts.json", "model.txt", "outcome.npz", "record.json"]  # fmt: skip


def test_what_has_changed_is_named(make, capsys):
    runs.once("net", PARTS, make)
    assert capsys.readouterr().out == ""
    runs.once("net", PARTS | {"settings": {"units": 44}, "seed": 1}, make)
    assert "settings.units" in (said := capsys.readouterr().out)
    assert "seed" in said
    assert "code" not in said
    runs.once("net", PARTS, make)
    assert make.times == 2


def test_another_version_of_a_library_is_another_run(make, monkeypatch, capsys):
    runs.once("net", PARTS, make)
    monkeypatch.setattr(runs, "versions", lambda: {"keras": "99"})
    runs.once("net", PARTS, make)
    assert make.times == 2
    assert "libraries.keras" in capsys.readouterr().out


@pytest.mark.parametrize("file", ["outcome.npz", "facts.json", "model.txt", "record.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "delete"])
def test_a_damaged_run_is_made_again(make, file, damage, capsys):
    runs.once("net", PARTS, make)
    path = only_folder() / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content if damage == "flip" else content[: len(content) // 2])
    if damage == "delete":
        path.unlink()
    found = runs.once("net", PARTS, make)
    # A bit may fall on the record's own spelling of a part, which nothing is read from.
    assert make.times == 2 or (file, damage) == ("record.json", "flip")
    np.testing.assert_array_equal(found.arrays["scores"], [0, 1, 2])


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record | {"parts": record["parts"] | {"seed": 1}},  # another run's
        lambda record: record | {"digests": {}},
        lambda record: record | {"digests": {"model.txt": record["digests"]["model.txt"]}},
        lambda record: [],
    ],
)
def test_a_record_that_is_not_of_this_run_is_not_believed(make, change, capsys):
    runs.once("net", PARTS, make)
    record = only_folder() / "record.json"
    record.write_text(json.dumps(change(json.loads(record.read_text()))))
    runs.once("net", PARTS, make)
    assert make.times == 2
    assert "is computed anew" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["[" * 100_000, '{"parts": 1e999}', "NaN", "\x00", "{}"])
def test_odd_records_are_made_again(make, content):
    runs.once("net", PARTS, make)
    (only_folder() / "record.json").write_text(content)
    runs.once("net", PARTS, make)
    assert make.times == 2


def test_a_training_whose_checkpoint_is_damaged_begins_anew(make, capsys):
    (folder := runs._folder("net", PARTS | {"libraries": runs.versions()})).mkdir(parents=True)
    (folder / "unfinished").mkdir()
    (folder / "unfinished" / "checkpoint").write_text("damaged")

    def resume(folder):
        if (path := folder / "unfinished" / "checkpoint").exists():
            raise CheckpointError(path, found="damage", expected="none", remedy="Delete it.")
        return make(folder)

    assert runs.once("net", PARTS, resume).facts["n"] == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("net begins anew: ")
    assert line.endswith("unfinished/checkpoint holds damage")


def test_a_run_that_was_cut_short_leaves_its_checkpoints(make):
    def cut_short(folder):
        (folder / "unfinished").mkdir(parents=True)
        (folder / "unfinished" / "checkpoint").write_text("epoch 3")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runs.once("net", PARTS, cut_short)
    assert (only_folder() / "unfinished" / "checkpoint").read_text() == "epoch 3"


def _slow(folder):
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "made").open("a") as file:
        file.write("x")
    return Outcome({}, {})


def _once(_):
    runs.once("net", PARTS, _slow)


def test_two_processes_that_want_the_same_run_make_it_once():
    with multiprocessing.get_context("fork").Pool(4) as pool:
        pool.map(_once, range(4))
    assert (only_folder() / "made").read_text() == "x"
    assert json.loads((only_folder() / "record.json").read_text())["parts"]["seed"] == 0
