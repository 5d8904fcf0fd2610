"""A collection with other labels, all the way, by the very commands of its page."""

import re
import shlex
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import soundfile

from irmas_utils import __main__ as cli
from irmas_utils.project import paths
from irmas_utils.systems.recognizer import Recognizer, card

PAGE = (paths.ROOT / "docs" / "own_collection.md").read_text(encoding="utf-8")
RATE = 16_000


def sound(code, seed):
    rng, time = np.random.default_rng(seed), np.arange(round(1.1 * RATE)) / RATE
    pitch = rng.uniform(200, 400)
    waves = {
        "oud": np.sin(2 * np.pi * pitch * time),
        "qanun": 2 * (4 * pitch * time % 1) - 1,
        "ney": rng.uniform(-1, 1, len(time)),
    }
    return 0.3 * waves[code]


def collect(folder, label_sets):
    rows = []
    for n in range(36):
        labels = label_sets[n // 2 % len(label_sets)]
        file = folder / "clips" / f"{n:04d}.wav"
        file.parent.mkdir(exist_ok=True)
        soundfile.write(file, sum(sound(code, n // 2) for code in labels.split()), RATE)
        rows.append((f"clips/{n:04d}.wav", labels, f"tape {n // 2}"))
    table = pd.DataFrame(rows, columns=["file", "labels", "recording"])
    table.to_csv(folder / "own.csv", index=False)
    soundfile.write(folder / "new.wav", sound("ney", 99), RATE)


def commands():
    blocks = re.findall(r"^```bash\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
    return [shlex.split(line)[1:] for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("label_sets", [("oud", "qanun", "ney"), ("oud", "oud qanun", "ney")])
def test_every_command_of_the_page(tmp_path, monkeypatch, capsys, label_sets):
    monkeypatch.chdir(tmp_path)
    collect(tmp_path, label_sets)
    small = {"40": "3"}
    told = {}
    for command in commands():
        command = [small.get(word, word) for word in command]
        if command[0] == "train":  # by a profile that has a width of its own
            command += ["--profile", "smoke", "-p", "width", "0.25", "-p", "negative", "0.05"]
        assert cli.main(command) == 0, capsys.readouterr().err
        told[command[0]] = capsys.readouterr().out
    assert list(told) == ["split", "train", "score", "predict"]
    assert "of the best micro F1 on the" in told["score"]
    assert "all labels" in told["score"]
    assert "Published results are of IRMAS's" in told["score"]
    assert "cello" not in told["score"]
    assert "ney" in told["predict"]
    trained = Recognizer.load(tmp_path / "own.keras")
    assert trained.labels == ("ney", "oud", "qanun")
    assert len(set(trained.thresholds)) == 1
    given = {"width": 0.25, "negative": 0.05, "epochs": 3}
    assert trained.provenance["settings"] == trained.provenance["settings"] | given
    assert "names which of 3 instruments" in card(tmp_path / "own.keras").lower()
    split = pd.read_csv("split.csv")
    scored = {part: len(pd.read_csv(f"own-{part}.csv")) for part in ("validation", "testing")}
    assert scored == {part: (split["split"] == part).sum() for part in scored}


@pytest.mark.parametrize("place", [".", "mine", "split"])
def test_what_is_wrong_is_told_before_tensorflow_is_loaded(tmp_path, place):
    collect(tmp_path, ("oud", "ney"))
    (tmp_path / "mine-testing.csv").write_text("mine")
    code = (
        "import sys; from irmas_utils.__main__ import main\n"
        f"status = main(['train', 'own.csv', '--to', '{place}'])\n"
        "sys.exit({1: 0}[status] or 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(b"\n") == 1


def test_what_cannot_be_trained_is_one_line(tmp_path, monkeypatch, capsys):
    collect(tmp_path, ("oud", "ney"))
    whole = ["train", str(tmp_path / "own.csv"), "--to", str(tmp_path / "x")]
    assert cli.main(whole) == 1
    assert "irmas split" in capsys.readouterr().err
    with monkeypatch.context() as patch:  # hours of training
        patch.setattr("irmas_utils.systems.networks.own.train", pytest.fail)
        assert cli.main([*whole[:-1], str(tmp_path / "own.csv" / "x")]) == 1
    assert f"{tmp_path / 'own.csv' / 'x'}: found a failed write" in capsys.readouterr().err
    for place in ("", ".", "..", "/"):
        assert cli.main([*whole[:-1], place]) == 1
        assert "expected the name of a model" in capsys.readouterr().err
    (tmp_path / "mine-testing.csv").write_text("mine")
    assert cli.main([*whole[:-1], str(tmp_path / "mine")]) == 1
    assert "mine-testing.csv: found another file" in capsys.readouterr().err
    split = str(tmp_path / "split.csv")
    assert cli.main(["split", "--labels", str(tmp_path / "own.csv"), "--to", split]) == 0
    assert cli.main(["train", split, "--to", str(tmp_path / "x"), "-p", "epoch", "3"]) == 1
    assert "change.epoch" in capsys.readouterr().err
    for option, told in {
        "hop 0.00001": "change.hop: found 1e-05; expected value error, a fiftieth to all",
        "hop 5.0": "change.hop", "window 0.2": "change.hop: found 0.5",
        "window 100000": "change.window", "sample_rate 1": "change.sample_rate",
        "sample_rate 1000": "plan of han: found no network",
        "width 100000": "change.width", "epochs 99999999999": "change.epochs",
        "sources []": "change.sources: found []",
    }.items():  # fmt: skip
        assert cli.main(["train", split, "--to", str(tmp_path / "x"), "-p", *option.split()]) == 1
        assert told in (said := capsys.readouterr().err)
        assert said.count("\n") == 1
    one_tape = pd.read_csv(split).assign(recording="tape")
    one_tape.to_csv(tmp_path / "tape.csv", index=False)
    assert cli.main(["train", str(tmp_path / "tape.csv"), "--to", str(tmp_path / "x")]) == 1
    assert "recordings on several sides of the split: 'tape'" in capsys.readouterr().err
    monkeypatch.setattr("irmas_utils.data.fetch.available", lambda: (None, "No network."))
    assert cli.main(["train", split, "--to", str(tmp_path / "x"), "--network", "mn04"]) == 1
    assert "IRMAS_WEIGHTS" in capsys.readouterr().err
