import json

import matplotlib.figure
import numpy as np
import pandas as pd
import pytest

from irmas_utils.project import files, records, settings
from irmas_utils.project.errors import DataError


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
        "tables/scores.csv", "tables/scores.md"]  # fmt: skip
    entry = manifest["figures/curve.png"]
    assert entry["notebook"] == "04_fft_model"
    assert entry["data"] == "abc"
    assert entry["versions"].keys() == set(records.PACKAGES)
    assert json.loads((record.folder / "manifest.json").read_text()) == manifest
    assert "1.235" in (record.folder / "tables" / "scores.md").read_text()


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


def test_nan_metrics_are_refused_and_the_old_file_stays(record):
    record.save_metrics({"f1": 0.5}, "fft")
    with pytest.raises(ValueError, match="Out of range"):
        record.save_metrics({"f1": float("nan")}, "fft")
    assert records.load_metrics("smoke", "fft") == {"f1": 0.5}


def test_a_missing_result_says_which_command_makes_it():
    for load in (records.load_metrics, records.load_table, records.load_predictions):
        with pytest.raises(DataError, match="make paper PROFILE=smoke"):
            load("smoke", "nothing")


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
