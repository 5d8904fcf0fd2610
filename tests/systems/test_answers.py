"""What is told of a recording, and in which form."""

import base64
import csv
import io
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from irmas_utils.__main__ import main
from irmas_utils.models import han
from irmas_utils.project.backend import set_determinism
from irmas_utils.project.vocabulary import INSTRUMENTS
from irmas_utils.systems import answers, predict
from irmas_utils.systems.predict import Prediction
from irmas_utils.systems.recognizer import Recognizer

NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, (66150, 2))
HOSTILE = "<img src=x onerror=alert(1)> &\"' {{ 1 }}.wav"


@pytest.fixture(scope="module")
def recognizer():
    set_determinism(1)
    return Recognizer(
        han.build(1 / 16), 32000, 16000, 8000, (0.5,) * 11,
        provenance={"name": "<b>small</b> network"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def model(recognizer, tmp_path_factory):
    return str(recognizer.save(tmp_path_factory.mktemp("model") / "small"))


def _prediction(recognizer, path, scores, silent=None, **about):
    scores = np.asarray(scores, np.float32)
    starts = np.arange(len(scores)) * 0.25
    silent = np.zeros(len(scores), bool) if silent is None else np.array(silent)
    about = {"channels": 1, "duration": starts[-1] + 0.5} | about
    about |= {"starts": starts, "window_scores": scores, "silent": silent}
    return Prediction(path, recognizer, 44100, **about)


def _scores(**by_code):
    columns = [by_code.get(code, [0.01] * 4) for code in INSTRUMENTS]
    return np.transpose(columns)


def test_a_folder_is_its_audio_files_in_order(tmp_path):
    wanted = ["a/b.flac", "a/c.WAV", "b.opus", "c.wave", "d.snd", "z/1.mp3"]
    for name in [*wanted, "notes.txt", "a/cover.jpg", "a/._c.wav", ".hidden/x.wav"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    odd = tmp_path / "notes.txt"
    found = answers.recordings([odd, tmp_path, Path("gone.wav")])
    assert found == [odd, *(tmp_path / name for name in wanted), Path("gone.wav")]


def test_a_folder_without_audio_is_one_line(model, tmp_path, capsys):
    assert main(["predict", str(tmp_path), "--model", model]) == 1
    err = capsys.readouterr().err
    assert "a folder without audio files" in err
    assert err.count("\n") == 1


def test_all_that_can_be_told_of_a_folder(model, tmp_path, capsys):
    inside, out = tmp_path / "in" / "b", tmp_path / "out"
    inside.mkdir(parents=True)
    for name in (inside / "x.wav", inside.parent / "x.wav", inside / HOSTILE):
        soundfile.write(name, NOISE, 44100)
    (inside / "bad.wav").write_text("no audio")
    options = ["--html", "--labels", "--out", str(out), "--model", model]
    assert main(["predict", str(tmp_path / "in"), "--csv", *options]) == 1
    text, err = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [Path(row["file"]).name for row in rows] == [HOSTILE, "bad.wav", "x.wav", "x.wav"]
    assert ["error:" in line for line in err.splitlines()] == [True]
    assert [bool(row["error"]) for row in rows] == [False, True, False, False]
    assert {*INSTRUMENTS} < rows[0].keys()
    named = [code for code in INSTRUMENTS if float(rows[0][code]) > 0.5]
    assert rows[0]["instruments"] == "; ".join(named)
    assert {p.name for p in out.iterdir()} == {
        f"{name}.{suffix}" for name in (HOSTILE, "x.wav", "x.wav-2") for suffix in ("html", "txt")
    }


def test_a_page_of_an_earlier_call_is_nobodys_to_lose(model, tmp_path, capsys):
    paths, out = [tmp_path / name / "x.wav" for name in "ab"], tmp_path / "out"
    for n, path in enumerate(paths):
        path.parent.mkdir()
        soundfile.write(path, NOISE[n * 9000 :], 44100)
        assert main(["predict", str(path), "--labels", "--model", model, "--out", str(out)]) == 0
    (out / "x.wav.txt").write_text("0\t1\tmine\n")
    capsys.readouterr()
    for _ in range(2):  # what is the same is not written again and again
        arguments = [*map(str, paths), "--json", "--labels", "--model", model, "--out", str(out)]
        assert main(["predict", *arguments]) == 0
        entries = json.loads(capsys.readouterr().out)
    assert len({entry["labels"] for entry in entries}) == 2
    assert {path.name for path in out.iterdir()} == {f"x.wav{n}.txt" for n in ("", "-2", "-3")}
    assert (out / "x.wav.txt").read_text() == "0\t1\tmine\n"


def test_no_name_of_a_file_is_a_formula(model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = ["=HYPERLINK(1).wav", "+1.wav", "@x.wav", "\t=1.wav"]
    for name in names:
        soundfile.write("x.wav", NOISE, 44100)
        Path("x.wav").rename(name)
    Path("=bad.wav").write_text("no audio")
    assert main(["predict", *names, "=bad.wav", "--csv", "--model", model]) == 1
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["file"] for row in rows] == [f"./{name}" for name in [*names, "=bad.wav"]]
    assert rows[-1]["error"].startswith("./=bad.wav: found")
    assert all(Path(row["file"]).is_file() for row in rows)


def test_a_page_holds_all_and_no_name_is_code(recognizer, tmp_path):
    path = tmp_path / HOSTILE
    soundfile.write(path, NOISE, 44100)
    page = answers.as_page(
        _prediction(recognizer, path, _scores(tru=[0.9, 0.8, 0.2, 0.9]), others={"<i>Drum": 0.5},
                    shortfall="only the first <1 s>", duration=1.5)
    )  # fmt: skip
    for text in ("<img", "<i>", "<b>small", "<1 s"):
        assert text not in page
    assert "<strong>trumpet</strong>" in page
    assert "1 channel." in page
    assert not re.findall(r"(?:src|href)=\"(?!data:)|url\(|https?://", page)
    sound = re.search(r"base64,([^\"]+)", page)[1]
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(sound)))
    assert len(samples) / rate == pytest.approx(1.5, abs=0.06)
    cells = re.findall(r"<span>(.*?)</span><svg viewBox=\"0 0 1000 1\".*?</svg>", page, re.DOTALL)
    assert len(cells) == 11
    x = [float(value) for value in re.findall(r"[ML ](\d+\.\d) ", page)]
    assert max(x) == pytest.approx(1000, abs=1)


def test_a_long_recording_is_a_small_picture(recognizer, tmp_path):
    soundfile.write(tmp_path / "a.wav", NOISE, 44100)
    found = _prediction(recognizer, tmp_path / "a.wav", np.full((5001, 11), 0.9), duration=1250.5)
    rows = list(answers._rows(found))
    for row in rows:
        start, width, dark = np.transpose(row["cells"])
        np.testing.assert_allclose(start[1:], (start + width)[:-1])
        assert start[-1] + width[-1] == pytest.approx(1000)
        assert len(start) == 400
        np.testing.assert_allclose(dark, 0.9, rtol=1e-5)


def test_labels_for_audacity(recognizer):
    tru, vio = [0.9, 0.9, 0.1, 0.9], [0.1, 0.6, 0.6, 0]
    found = _prediction(recognizer, Path("a.wav"), _scores(tru=tru, vio=vio), [0, 0, 1, 0])
    rows = [line.split("\t") for line in answers.as_labels(found).splitlines()]
    assert rows == [
        ["0.000000", "0.625000", "trumpet"],
        ["0.375000", "0.875000", "violin"],
        ["0.625000", "0.875000", "silence"],
        ["0.875000", "1.250000", "trumpet"],
    ]


def test_the_table_is_sorted(recognizer):
    found = _prediction(recognizer, Path("a.wav"), _scores(tru=[0.9] * 4, pia=[0.7] * 4))
    table = answers.label_table(found)
    assert table["instrument"].tolist()[:2] == ["trumpet", "piano"]
    assert table["score"].is_monotonic_decreasing
    assert (table["named"] == (table["score"] > table["threshold"])).all()


def test_what_is_said_in_words(recognizer):
    found = _prediction(recognizer, Path("a"), _scores(), others={"Drum kit": 0.4, "Harp": 0.3})
    assert answers.in_words(found) == "none of these instruments"
    assert "also heard: Drum kit 0.40, Harp 0.30" in answers.as_table(found)
    assert "(0:01, 44100 Hz, 1 channel)" in answers.as_table(found)
    silent = _prediction(recognizer, Path("a"), np.zeros((4, 11)), [1] * 4, channels=2)
    assert answers.in_words(silent) == "silence"
    assert answers.as_table(silent) == "a  (0:01, 44100 Hz, 2 channels)\n  silence"
    assert answers.as_dict(silent)["silent"] is True
    row = answers.as_rows([answers.as_dict(silent)], ["cel"]).iloc[0]
    assert (row["silent"], row["instruments"], row["cel"]) == (True, "", 0)


def test_a_folder_that_cannot_be_written_is_one_line(model, tmp_path, capsys):
    soundfile.write(tmp_path / "a.wav", NOISE, 44100)
    (tmp_path / "file").touch()
    clip, out = str(tmp_path / "a.wav"), str(tmp_path / "file")
    for form in ([], ["--json"]):
        assert main(["predict", clip, "--labels", "--model", model, "--out", out, *form]) == 1
        said = capsys.readouterr()
        assert "a failed write" in said.err
        assert "or an option" in said.err
        assert said.err.count("\n") == 1
        assert "a.wav" in said.out
    assert len(json.loads(said.out)[0]["scores"]) == 11


def test_one_page_that_cannot_be_written_never_ends_the_others(model, tmp_path, capsys):
    out = tmp_path / "out"
    names = ["a.wav", "b" * 250 + ".wav", os.fsdecode(b"c\xf3.wav"), "d.wav"]
    for name in names:
        soundfile.write(tmp_path / "x.wav", NOISE, 44100)
        (tmp_path / "x.wav").rename(tmp_path / name)
    (out / "a.wav.html").mkdir(parents=True)
    os.mkfifo(out / "d.wav.html")
    arguments = ["--html", "--json", "--model", model, "--out", str(out)]
    assert main(["predict", *(str(tmp_path / name) for name in names), *arguments]) == 1
    said = capsys.readouterr()
    entries = json.loads(said.out)
    assert ["error" in entry for entry in entries] == [True, False, False, True]
    assert all(len(entry["scores"]) == 11 for entry in entries)
    assert said.err.startswith(f"error: {out / 'a.wav.html'}: ")
    assert said.err.count("\n") == 2
    assert "<title>có.wav" in Path(entries[2]["html"]).read_text("utf-8")


def test_whatever_a_library_raises_is_of_one_file(model, tmp_path, monkeypatch, capsys):
    files = [str(tmp_path / name) for name in ("a.wav", "b.wav")]
    for file in files:
        soundfile.write(file, NOISE, 44100)
    whole = predict.predict
    monkeypatch.setattr(predict, "predict", lambda path, *what: (
        whole(path, *what) if path == files[1] else {}[path]))  # fmt: skip
    assert main(["predict", *files, "--json", "--model", model]) == 1
    said = capsys.readouterr()
    assert said.err.startswith(f"error: {files[0]}: KeyError: ")
    assert ["error" in entry for entry in json.loads(said.out)] == [True, False]


@pytest.mark.parametrize("form", ["json", "csv"])
def test_what_was_found_before_it_was_stopped_is_kept(model, tmp_path, monkeypatch, capsys, form):
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / name, NOISE, 44100)
    whole = predict.predict

    def stopped(path, *what):
        if path.name == "b.wav":
            raise KeyboardInterrupt
        return whole(path, *what)

    monkeypatch.setattr(predict, "predict", stopped)
    assert main(["predict", str(tmp_path), f"--{form}", "--model", model]) == 130
    said = capsys.readouterr()
    told = json.loads(said.out) if form == "json" else [*csv.DictReader(io.StringIO(said.out))]
    assert [entry["file"] for entry in told] == [str(tmp_path / "a.wav")]
    assert said.err == "Stopped.\n"


def test_linked_and_closed_folders_are_not_passed_over(tmp_path, monkeypatch):
    far, folder = tmp_path / "far", tmp_path / "in"
    for path in (far / "x.wav", folder / "a.wav", folder / "closed" / "b.wav", folder / "c.m4a"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (folder / "disk2").symlink_to(far)
    (folder / "dead.wav").symlink_to("nowhere.wav")
    os.mkfifo(folder / "pipe.txt")
    os.mkfifo(folder / "pipe.wav")
    (folder / "loop").symlink_to(folder)
    walk, closed = os.scandir, str(folder / "closed")

    def scandir(path):
        if str(path) == closed:
            raise PermissionError(13, "Permission denied", closed)
        return walk(path)

    monkeypatch.setattr(os, "scandir", scandir)  # root may read all
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != closed)
    names = ["a.wav", "c.m4a", "closed", "dead.wav", "disk2/x.wav", "pipe.wav"]
    assert answers.recordings([folder]) == [folder / name for name in names]


@pytest.mark.parametrize(
    ("name", "found"),
    [("gone.wav", "no such file"), ("", "no such file"), ("loop.wav", "symbolic links"),
     ("pipe.wav", "a pipe or a device"), ("empty", "a folder without audio files")],
)  # fmt: skip
def test_what_is_no_file_is_told_in_our_words(model, tmp_path, monkeypatch, capsys, name, found):
    monkeypatch.chdir(tmp_path)
    soundfile.write("a.wav", NOISE, 44100)
    os.mkfifo("pipe.wav")
    Path("loop.wav").symlink_to("loop.wav")
    Path("empty").mkdir()
    assert main(["predict", name, "a.wav", "--json", "--model", model]) == 1
    said = capsys.readouterr()
    assert said.err.startswith(f"error: {name}: found ")
    assert found in said.err
    assert "Check the path." in said.err
    assert [entry["file"] for entry in json.loads(said.out)] == [name, "a.wav"]
