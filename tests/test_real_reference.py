"""What of a run on real clips is committed, and how its steps stop and go on."""

import json
import os
import signal
import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from irmas_utils.audio.features import label_matrix
from irmas_utils.project import paths, records, settings
from tools import real_corpus
from tools import real_reference as real

CFG = settings.load("real")
TRAINING, TESTING = "[cel][cla]0001__2", "001 gel voi-1"
INDEX = pd.DataFrame({"name": [TRAINING, TESTING], "recording": ["[cel][cla]0001", "001 gel voi"]})


@pytest.fixture(autouse=True)
def _handlers():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Results of a run, with a data set of two clips; gives the run's folder and the copy's."""
    monkeypatch.setenv("IRMAS_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("IRMAS_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(paths, "reference_dir", lambda what: tmp_path / "reference" / what)
    monkeypatch.setattr(real.corpus, "load", lambda cfg: INDEX)
    monkeypatch.setattr(real.corpus, "split", lambda index, cfg: index)
    monkeypatch.setattr(real.evaluation, "trivial", lambda parts, cfg: {"all eleven": {}})
    monkeypatch.setattr(real, "readme", lambda folder: "text")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / real_corpus.ABOUT).write_text("{}")
    return records.results_dir("real"), tmp_path / "reference" / "real"


def write(folder, file, text="0.5"):
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(text)


def test_of_single_clips_nothing_is_copied(folders):
    made, copy = folders
    shown = ["figures/comparison.png", "figures/lstm_training.pdf", "figures/fft_study_epochs.png",
             "metrics/lstm.json", "tables/comparison.csv", "tables/comparison.md"]  # fmt: skip
    hidden = ["figures/preparation_waveform.png", "figures/networks_mixing.png",
              "figures/lstm_gradient.pdf", "figures/your_own_audio.png", "figures/new.png",
              "predictions/lstm.csv", "notebooks/03_lstm_model.ipynb", "site/x.wav"]  # fmt: skip
    for file in [*shown, *hidden]:
        write(made, file)
    assert sorted(real.collect()) == sorted(shown)
    found = {str(path.relative_to(copy)) for path in copy.rglob("*.*")}
    assert found == {*shown, real.TRIVIAL, real_corpus.ABOUT, "README.md"}


@pytest.mark.parametrize("name", [TRAINING, TESTING, "001 gel voi", "[cel][cla]0001"])
@pytest.mark.parametrize("file", ["metrics/a.json", "tables/a.csv", "tables/a.md"])
def test_a_text_that_names_a_clip_is_refused_and_an_earlier_copy_goes(folders, file, name):
    made, copy = folders
    write(made, file)
    assert real.collect() == [file]
    write(made, file, f'{{"worst": "{name}"}}')
    assert real.collect() == []
    assert not (copy / file).exists()


def test_a_difference_that_another_training_turns_tells_nothing(tmp_path):
    file = tmp_path / "fft_causes.csv"

    def causes(*differences):
        rows = [(None, None, None), ("own cut", 0.0, "supported; .019 would have been seen"),
                ("norm", 0.0, "not supported: worse"), ("bands", 0.0, "x")]  # fmt: skip
        table = pd.DataFrame(rows, columns=["idea", "difference", "verdict"])
        table = table[: len(differences) + 1].assign(difference=[None, *differences])
        return table.assign(p_value=0.0, p_adjusted=0.0)

    assert "before" not in real.beside_earlier(causes(0.02, -0.03), file)
    causes(0.02, -0.03).to_csv(file, index=False)
    assert "before" not in real.beside_earlier(causes(0.02, -0.03), file)
    found = real.beside_earlier(causes(-0.03, -0.02, 0.1), file)
    assert found["before"].tolist()[1:3] == [0.02, -0.03]
    assert found["verdict"].tolist()[1:] == [
        "cannot tell, turned by another training", "not supported: worse", "x"
    ]  # fmt: skip
    found.to_csv(file, index=False)
    assert real.beside_earlier(causes(-0.03, -0.02, 0.1), file).equals(found)  # of nothing new
    assert "`before`" in real.conclusions.so_far(found, "fft")
    causes(-0.04, -0.02, 0.1).pipe(real.beside_earlier, file).to_csv(file, index=False)
    found = pd.read_csv(file)  # a third of the sign of the second: the first is not forgotten
    assert found["before"].tolist()[1] == 0.02
    assert found["verdict"].tolist()[1] == "cannot tell, turned by another training"


def test_what_was_trained_on_another_machine_keeps_its_row_and_p_is_adjusted_over_all(tmp_path):
    def causes(*rows):
        table = pd.DataFrame(rows, columns=["idea", "difference", "p_value", "verdict"])
        ends = {"micro F1": table["difference"], "low": table["difference"] - 0.01,
                "high": table["difference"] + 0.01}  # fmt: skip
        return table.assign(p_adjusted=table["p_value"], **ends)

    file = tmp_path / "fft_causes.csv"
    earlier = [("bands", -0.1, 0.002 / 3, "not supported: worse"),
               ("log", 0.01, np.nan, "inconclusive"),  # nobody kept its p: it counts as 1
               ("half", 0.1, 0.01, "supported; .03 would have been seen")]  # fmt: skip
    causes((None, np.nan, np.nan, None), *earlier).to_csv(file, index=False)
    own = causes((None, np.nan, np.nan, None), ("binary", 0.05, 0.001, "supported; x"))
    found = real.beside_earlier(own, file)
    assert found["idea"].tolist()[1:] == ["binary", "bands", "log", "half"]
    assert_allclose(found["p_adjusted"].tolist()[1:], [0.003, 0.008 / 3, 1, 0.02])
    assert found["verdict"].tolist()[1:] == [
        "supported; x", "not supported: worse", "inconclusive", earlier[2][3]
    ]  # fmt: skip
    found.to_csv(file, index=False)
    again = real.beside_earlier(own, file)  # of nothing new
    assert_allclose(again["p_adjusted"].tolist()[1:], [0.003, 0.008 / 3, 1, 0.02])
    unsure = real.beside_earlier(own.assign(p_value=[np.nan, 0.03]), file)
    assert unsure["verdict"].tolist()[1] == "inconclusive; x"


@pytest.mark.parametrize(
    ("idea", "low", "high", "verdict", "stays"),
    [
        ("log", -0.08, 0.015, "not supported; .05 would have been seen", False),
        ("log", -0.08, 0.005, "not supported; .05 would have been seen", True),
        ("log", -0.08, -0.005, "not supported: worse", False),
        ("log", -0.08, -0.015, "not supported: worse", True),
        ("log", 0.005, 0.08, "supported; .05 would have been seen", False),
        ("log", 0.015, 0.08, "supported; .05 would have been seen", True),
        ("log", -0.08, 0.08, "inconclusive; .05 would have been seen", True),
        ("norm of a clip of 3 s", -0.08, -0.005, "not supported: worse", True),  # not trained
    ],
)
def test_what_another_training_of_the_base_could_turn_is_inconclusive(
    idea, low, high, verdict, stays
):
    table = pd.DataFrame({"idea": [None, idea, "half"], "verdict": [None, verdict, "x"],
                          "micro F1": [0.4, 0.4, 0.4], "difference": [None, 0.0, -0.01],
                          "low": [None, low, -0.1], "high": [None, high, 0.1]})  # fmt: skip
    found = real._by_base(table)
    assert_allclose(found["base"][1:], [0.4, 0.41])
    said, *seen = verdict.split(";")
    turned = ";".join([said if stays else "inconclusive, trained once", *seen])
    assert found["verdict"].tolist()[1:] == [turned, "x"]


def test_a_system_run_anew_is_tested_anew_and_the_others_keep_their_rows(folders):
    clips = pd.DataFrame({"name": [*"abcdefgh"], "recording": [*"ABCDEFGH"], "split": "training",
                          "labels": [("cel",), ("cla",), ("flu",), ("gac",)] * 2})  # fmt: skip
    parts = real.corpus.Splits(clips, clips, clips)
    decisions = label_matrix(clips["labels"])  # all right, where the prior names three
    records.Record("03_lstm_model", CFG).save_predictions(clips, decisions, decisions, "lstm")
    rows = [("LSTM on raw audio", 0.1, 0.4, -0.3, 0.01), ("Han et al. CNN", 0.6, 0.4, 0.2, 0.06)]
    tests = pd.DataFrame(rows, columns=["against prior top-3", "a", "b", "difference", "p_value"])
    assert real.tested_anew(tests, CFG, parts)["a"].tolist() == [0.1, 0.6]  # no metrics yet
    write(folders[0], "metrics/lstm.json", "{}")
    found = real.tested_anew(tests, CFG, parts)
    assert found["a"].tolist() == [1.0, 0.6]
    assert found["verdict"].tolist() == ["better", "no clear difference"]
    assert_allclose(found["p_adjusted"], [2 * found["p_value"][0], 0.06])


def test_every_figure_of_the_sample_reference_is_known_to_show_a_clip_or_not():
    one = {"bosch_separation", "bosch_stems", "lstm_gradient", "networks_mixing", "your_own_audio"}
    drawn = {file.stem for file in (paths.reference_dir("sample") / "figures").glob("*.png")}
    drawn = {name for name in drawn if not name.startswith(("preparation_", "primer_"))}
    assert {name for name in drawn if not real._matches(name, real.FIGURES)} <= one


def test_steps_are_all_jobs_but_those_of_single_clips_and_end_with_what_needs_the_others():
    found = real.steps(CFG)
    assert len({*found}) == len(found)
    left_out = {*real.jobs.jobs(CFG)} - {*found}
    assert left_out == {"00_primer", "02_data_preparation", "11_your_own_audio"}
    for name in found:
        needed = real.jobs.jobs(CFG)[name].needs
        assert all(found.index(other) < found.index(name) for other in needed)


def _runs(monkeypatch, code):
    """Let another program stand for `irmas paper`."""
    popen = real.subprocess.Popen
    program = [sys.executable, "-c", code]
    monkeypatch.setattr(real.subprocess, "Popen", lambda _, **options: popen(program, **options))


def test_a_step_is_stopped_after_its_time_and_its_hours_are_kept(folders, monkeypatch):
    copy = folders[1]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as in `main`; shells ignore it
    _runs(monkeypatch, "import time; time.sleep(60)")
    took = real.take("03_lstm_model", 0.01, 1)
    assert took["ended"] == "stopped"
    assert took["hours"] < 0.005
    real.collect(took)
    real.collect(took)
    assert [step["step"] for step in json.loads((copy / real.HOURS).read_text())] == [
        "03_lstm_model",
        "03_lstm_model",
    ]


def test_the_work_of_what_a_step_starts_counts(folders, monkeypatch):
    busy = "import time; end = time.time() + 4\nwhile time.time() < end: pass"
    _runs(monkeypatch, f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])")
    executed = real.jobs.jobs(CFG)["03_lstm_model"].output(folders[0])
    write(folders[0], executed.relative_to(folders[0]))
    os.utime(executed, (2e9, 2e9))
    took = real.take("03_lstm_model", 1, 1)
    assert took["ended"] == "done"
    assert took["core_hours"] > 0


def test_an_interrupted_step_ends_the_run_and_what_it_has_started(folders, tmp_path, monkeypatch):
    code = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))"
    code += "; os.kill(os.getppid(), 15); time.sleep(60)"
    _runs(monkeypatch, code)
    (tmp_path / "data" / "IRMAS-TrainingData").mkdir()
    assert real.main(["run", "03_lstm_model"]) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    kept = json.loads((folders[1] / real.HOURS).read_text())
    assert [step["ended"] for step in kept] == ["interrupted"]


def test_a_stopped_step_is_taken_again_and_a_failed_one_ends_the_run(monkeypatch):
    ends = iter(["stopped", "stopped", "done", "failed", "done"])
    taken, kept = [], []
    monkeypatch.setattr(real, "take", lambda name, *_: taken.append(name) or {"ended": next(ends)})
    monkeypatch.setattr(real, "collect", kept.append)
    assert real.run(["a", "b", "c"], 1, 1, commit=False) == 1
    assert taken == ["a", "a", "a", "b"]
    assert len(kept) == 4


def test_a_failed_job_is_no_step_that_is_done(folders, monkeypatch):
    _runs(monkeypatch, "raise SystemExit(3)")
    assert real.take("03_lstm_model", 1, 1)["ended"] == "failed"


def test_without_clips_or_data_it_says_what_to_name(monkeypatch, capsys):
    monkeypatch.delenv("IRMAS_DATA", raising=False)
    assert real.main(["run"]) == 1
    assert "make reference-real CLIPS=FOLDER" in capsys.readouterr().err


def test_a_step_whose_end_was_not_counted_is_named(tmp_path):
    row = {"hours": 1.0, "core_hours": 1.0, "cores": 2, "time": "", "source": ""}
    ends = [("a", "stopped"), ("a", "done"), ("b", "done"), ("b", "interrupted")]
    rows = [{"step": step, "ended": ended} | row for step, ended in ends]
    write(tmp_path, real.HOURS, json.dumps(rows))
    write(tmp_path, real.TRIVIAL, "{}")
    assert "Without a last row *done*: b. " in real.readme(tmp_path)
    write(tmp_path, real.HOURS, json.dumps(rows[:-1]))
    assert "Without a last row" not in real.readme(tmp_path)
