import json
import subprocess

import matplotlib.figure
import numpy as np
import pandas as pd
import pytest

from irmas_utils.paper.notebook import start
from irmas_utils.plots import style
from irmas_utils.project import files, paths, records, settings
from irmas_utils.project.errors import DataError, SettingsError


@pytest.fixture
def record():
    return records.Record("04_fft_model", settings.load("smoke"), data="abc")


def test_everything_saved_is_in_the_manifest(record):
    record.save_metrics({"f1": 0.5}, "fft")
    record.save_table(pd.DataFrame({"a": [1.23456789]}), "scores")
    figure = matplotlib.figure.Figure()
    figure.subplots().plot([1, 2])
    record.save_figure(figure, "curve")
    records.Record("09_comparison", record.settings).save_metrics({}, "all")
    manifest = records.merge_manifests("smoke")
    assert sorted(manifest) == [
        "figures/curve.pdf", "figures/curve.png", "metrics/all.json", "metrics/fft.json",
        "tables/scores.csv", "tables/scores.md", "tables/scores.tex"]  # fmt: skip
    entry = manifest["figures/curve.png"]
    assert entry["notebook"] == "04_fft_model"
    assert entry["data"] == "abc"
    assert entry["versions"].keys() == set(records.PACKAGES)
    assert json.loads((record.folder / "manifest.json").read_text()) == manifest
    assert "1.235" in (record.folder / "tables" / "scores.md").read_text()


def test_a_table_can_be_set_by_latex(record):
    words = "a comment that is so long that it has to be broken"
    table = pd.DataFrame({"micro_F1": [0.12345, None], "said": ["5 % & more", words]})
    record.save_table(table, "scores")
    text = (record.folder / "tables" / "scores.tex").read_text()
    assert text.startswith("\\begin{tabular}{rp{6cm}}\n\\toprule\nmicro\\_F1 & said")
    assert "0.123 & 5 \\% \\& more" in text
    assert "nan" not in text.lower()


def test_a_figure_for_print_has_vectors_and_its_fonts(record):
    with matplotlib.rc_context():
        style.use_style(record.settings)
        axes = style.axes_or_new(None)
        axes.plot([1, 2])
        matplotlib.rcParams["pdf.compression"] = 0
        record.save_figure(axes.figure, "curve")
    content = (record.folder / "figures" / "curve.pdf").read_bytes()
    assert b"/FontFile2" in content
    assert b"/Type3" not in content
    assert b"/Subtype /Image" not in content


def test_the_same_figure_is_the_same_file(record):
    hashes = set()
    for _ in range(2):
        figure = matplotlib.figure.Figure()
        figure.subplots().plot([1, 2])
        record.save_figure(figure, "curve")
        hashes.add(tuple(record.entries[f"figures/curve.{s}"]["digest"] for s in ("png", "pdf")))
    assert len(hashes) == 1


def test_predictions_come_back_exactly(record):
    rng = np.random.default_rng(0)
    clips = pd.DataFrame(
        {"name": ["a", "NA", "ç,x"], "recording": ["r", "r", "s"],
         "labels": [("cel",), ("gac", "voi"), ("pia",)]}, index=[7, 3, 5])  # fmt: skip
    scores = rng.uniform(size=(3, 11)).astype(np.float32)
    record.save_predictions(clips, scores, scores > 0.5, "fft")
    read, read_scores, read_decisions = records.load_predictions("smoke", "fft")
    assert read["name"].tolist() == ["a", "NA", "ç,x"]
    assert read["labels"].tolist() == clips["labels"].tolist()
    assert np.array_equal(read_scores, scores)
    assert np.array_equal(read_decisions, scores > 0.5)


def test_songs_called_1_and_01_stay_two(record):
    names = ["1-1", "01-1", "1e3-1"]
    clips = pd.DataFrame({"name": names, "recording": ["1", "01", "1e3"], "labels": [("cel",)] * 3})
    record.save_predictions(clips, np.zeros((3, 11)), np.zeros((3, 11), bool), "fft")
    read, _, _ = records.load_predictions("smoke", "fft")
    assert read["recording"].tolist() == ["1", "01", "1e3"]
    record.save_predictions(clips.assign(name=["1", "01", "2"]), *np.zeros((2, 3, 11)), "fft")
    assert records.load_predictions("smoke", "fft")[0]["name"].tolist() == ["1", "01", "2"]


NAMES = ["007", "7", "1e5", "0x10", "True", "nan", "", " x ", "a\rb", "a\nb", 'q"x', "=1+1", "ç,x"]


def saved(record, names=NAMES, run="fft"):
    clips = pd.DataFrame({"name": names, "recording": names, "labels": [("cel",)] * len(names)})
    scores = np.random.default_rng(0).uniform(size=(len(names), 11)).astype(np.float32)
    record.save_predictions(clips, scores, scores > 0.5, run)
    return clips, scores


def test_names_that_look_like_numbers_come_back_as_text(record):
    saved(record)
    read, *_ = records.load_predictions("smoke", "fft")
    assert read["name"].tolist() == read["recording"].tolist() == NAMES


def test_rows_are_matched_to_clips_whatever_their_order(record):
    clips, scores = saved(record, ["a", "b", "a", "c"])  # two clips alike keep their order
    order = [3, 0, 1, 2]
    read, read_scores, decisions = records.load_predictions("smoke", "fft", clips.iloc[order])
    assert read["name"].tolist() == ["c", "a", "b", "a"]
    np.testing.assert_array_equal(read_scores, scores[order])
    np.testing.assert_array_equal(decisions, scores[order] > 0.5)


@pytest.mark.parametrize(
    "change",
    [lambda clips: clips[1:], lambda clips: pd.concat([clips, clips[:1]]),
     lambda clips: clips.assign(name="a"), lambda clips: clips.assign(recording="b"),
     lambda clips: clips.assign(labels=[("voi",)] * len(clips))],
)  # fmt: skip
def test_predictions_of_other_clips_are_an_error(record, change):
    clips, _ = saved(record)
    with pytest.raises(DataError, match=r"fft\.csv: found other clips.*make paper PROFILE=smoke"):
        records.load_predictions("smoke", "fft", change(clips))


@pytest.mark.parametrize(("run", "executed"), [("fft", "04_fft_model"), ("fft-a", "studies/fft-a")])
def test_one_flipped_decision_is_an_error_and_the_next_run_makes_it_again(record, run, executed):
    notebooks = record.folder / "notebooks"
    for name in ("04_fft_model", "studies/fft-a"):
        files.write_text(notebooks / f"{name}.ipynb", "{}")
    record.run = run
    saved(record, run=run)
    record.save_metrics({"f1": 0.5}, run)
    path = record.folder / "predictions" / f"{run}.csv"
    path.write_text(path.read_text()[:-2] + {"0\n": "1\n", "1\n": "0\n"}[path.read_text()[-2:]])
    with pytest.raises(DataError, match="something else than what was recorded.*make paper"):
        records.load_predictions("smoke", run)
    assert not (notebooks / f"{executed}.ipynb").exists()  # which is what Snakemake goes by
    assert len([*notebooks.rglob("*.ipynb")]) == 1
    assert records.load_metrics("smoke", run) == {"f1": 0.5}


def test_no_mutated_result_is_believed(record):
    saved(record)
    record.save_metrics({"f1": 0.5}, "fft")
    record.save_table(pd.DataFrame({"a": [1.25]}), "fft")
    loads = {"predictions/fft.csv": records.load_predictions, "metrics/fft.json":
             records.load_metrics, "tables/fft.csv": records.load_table}  # fmt: skip
    rng = np.random.default_rng(0)
    for number in range(150):
        file, load = list(loads.items())[number % 3]
        whole = (path := record.folder / file).read_bytes()
        content = bytearray(whole)
        content[rng.integers(len(content))] ^= 1 << rng.integers(8)
        path.write_bytes(content)
        with pytest.raises(DataError, match="something else"):
            load("smoke", "fft")
        path.write_bytes(whole)
        load("smoke", "fft")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[" * 100_000, b"name\n1\n", b"\0", b"a"])
def test_a_damaged_result_that_no_manifest_lists_is_an_error(record, content):
    for kind, load in (("metrics/x.json", records.load_metrics),
                       ("predictions/x.csv", records.load_predictions)):  # fmt: skip
        (record.folder / kind).parent.mkdir(parents=True, exist_ok=True)
        (record.folder / kind).write_bytes(content)
        with pytest.raises(DataError, match="a damaged file"):
            load("smoke", "x")


def test_a_damaged_manifest_takes_no_result_with_it(record):
    saved(record)
    (part,) = (record.folder / "manifests").iterdir()
    for content in ("{", "[]", '{"predictions/fft.csv": 3}', "null", "[" * 100_000):
        part.write_text(content)
        assert len(records.load_predictions("smoke", "fft")[0]) == len(NAMES)


@pytest.mark.parametrize("run", ["../../x", "/tmp/x", "", ".", "a/b", "$(ls)", "a b", "a" * 100])
def test_a_run_that_can_be_no_file_is_refused(run):
    with pytest.raises(SettingsError, match="run: found"):
        records.Record("04_fft_model", settings.load("smoke"), run=run)


def test_nan_metrics_are_refused_and_the_old_file_stays(record):
    record.save_metrics({"f1": 0.5}, "fft")
    with pytest.raises(ValueError, match="Out of range"):
        record.save_metrics({"f1": float("nan")}, "fft")
    assert records.load_metrics("smoke", "fft") == {"f1": 0.5}


def test_a_missing_result_says_which_command_makes_it():
    for load in (records.load_metrics, records.load_table, records.load_predictions):
        with pytest.raises(DataError, match="make paper PROFILE=smoke"):
            load("smoke", "nothing")


def test_what_is_known_of_real_clips_is_committed_or_the_profiles_own(
    record, tmp_path, monkeypatch
):
    monkeypatch.setattr(paths, "reference_dir", lambda what="sample": tmp_path / what)
    assert records.real_metrics(record.settings, "fft") is None
    assert records.real_table(record.settings, "fft_history") is None
    for name, text in {"metrics/fft.json": '{"f1": 0.5}', "tables/a.csv": "epoch\n1\n"}.items():
        files.write_text(tmp_path / "real" / name, text)
    assert records.real_metrics(record.settings, "fft") == {"f1": 0.5}
    assert list(records.real_table(record.settings, "a")["epoch"]) == [1]
    own = settings.load("smoke", corpus={"source": "rebuilt"})
    with pytest.raises(DataError, match="no such result"):
        records.real_metrics(own, "fft")


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    target = tmp_path / "value.json"
    files.write_json(target, 1)

    def fail():
        with files.replacing(target) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert target.read_text() == "1\n"
    assert list(tmp_path.iterdir()) == [target]


def test_a_missing_result_names_the_notebook_to_run_first(record):
    for name, notebook in {"lstm": "03_lstm_model", "mn04": "07_other_networks"}.items():
        with pytest.raises(DataError, match=f"Run {notebook} first"):
            records.load_metrics("smoke", name)
    with pytest.raises(DataError, match="Run an earlier notebook first"):
        records.load_metrics("smoke", "another")


PART = {"allow_incomplete": True}


@pytest.mark.parametrize("batch", ["", "1"])
def test_in_jupyterlab_what_has_not_been_made_is_read_from_the_committed_run(
    record, tmp_path, monkeypatch, capsys, batch, tiny_irmas
):
    monkeypatch.setattr(records, "lends", None)
    monkeypatch.setenv("IRMAS_BATCH", batch)
    monkeypatch.setenv("IRMAS_DATA", str(tiny_irmas))
    with matplotlib.rc_context():
        start("09_comparison", "full", corpus=PART, evaluation={"validation_fraction": 0.5})
    capsys.readouterr()
    monkeypatch.setattr(paths, "reference_dir", lambda what="sample": tmp_path / "reference" / what)
    for name, value in (("fft", 1), ("lstm", 2)):
        files.write_json(tmp_path / f"reference/smoke/metrics/{name}.json", value)
    record.save_metrics({"own": 3}, "fft")
    assert records.load_metrics("smoke", "fft") == {"own": 3}
    assert records.exists("smoke", "lstm") == (not batch)
    if batch:
        with pytest.raises(DataError, match="no such result"):
            records.load_metrics("smoke", "lstm")
    else:
        assert records.load_metrics("smoke", "lstm") == 2
        assert capsys.readouterr().out.count(str(tmp_path / "reference" / "smoke")) == 1


def test_the_commit_is_not_that_of_a_repository_around_an_unpacked_archive(tmp_path, monkeypatch):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a"]
    for arguments in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "a thesis"]):
        subprocess.run([*git, *arguments], check=True)
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    assert len(records._made_with.__wrapped__()["commit"]) == 12
    (inside := tmp_path / "irmas-notebooks").mkdir()
    monkeypatch.setattr(paths, "ROOT", inside)
    assert records._made_with.__wrapped__()["commit"] is None
