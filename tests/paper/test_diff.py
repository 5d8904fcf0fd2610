"""Two runs side by side: what made them, and their scores in pairs."""

import json
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from irmas_utils import __main__ as cli
from irmas_utils import metrics
from irmas_utils.audio.features import label_matrix
from irmas_utils.paper import diff
from irmas_utils.project import paths, records, settings
from irmas_utils.project.errors import DataError
from irmas_utils.project.vocabulary import INSTRUMENTS

SMOKE = settings.load("smoke")
CLIPS = pd.DataFrame(
    {
        "name": [f"song {n // 4}-{n % 4}" for n in range(80)],
        "recording": [f"song {n // 4}" for n in range(80)],
        "labels": [(INSTRUMENTS[n % 11],) for n in range(80)],
    }
)


def run(profile, noise, clips=CLIPS, **made_from):
    """Leave the results of one system in a profile's folder."""
    labels = label_matrix(clips["labels"])
    rng = np.random.default_rng(1)
    scores = np.clip(0.25 + 0.5 * labels + noise * rng.normal(size=labels.shape), 0, 1)
    decided = scores > 0.5
    record = records.Record(
        "03_lstm_model", SMOKE.model_copy(update={"profile": profile}), data="1234"
    )
    evaluation = metrics.evaluate(labels, decided, scores, [*clips["recording"]], n_bootstrap=50)
    record.save_metrics({"settings": made_from, "evaluation": evaluation}, "lstm")
    record.save_predictions(clips, scores, decided, "lstm")
    records.merge_manifests(profile)
    return evaluation


def test_a_run_is_as_itself(capsys):
    run("one", 0.2, units=22)
    assert cli.main(["diff", "one", str(records.results_dir("one"))]) == 0
    assert capsys.readouterr().out.count("Nothing differs") == 2


def test_settings_and_scores_that_differ_are_told_in_pairs():
    good, bad = run("good", 0.2, units=22, loss="paper"), run("bad", 0.6, units=11, loss="paper")
    made_from, scores = diff.diff("good", "bad")
    rows = made_from.set_index("what")
    assert set(rows.index) == {"profile", "lstm: units"}
    assert rows.loc["lstm: units"].tolist() == ["22", "11"]
    assert scores["score"].tolist() == ["micro F1", "macro F1", "LRAP"]
    first = scores.iloc[0]
    values = [each["micro"]["f1"]["value"] for each in (good, bad)]
    assert first["a"].startswith(f"{values[0]:.3f} (")
    assert first["difference"] == pytest.approx(values[0] - values[1], abs=1e-6)
    assert first["p, Holm"] < 0.05
    low = float(first["95 % interval"].split("–")[0])
    assert 0 < low < first["difference"]


@pytest.mark.parametrize("recorded", [True, False])
def test_predictions_that_one_run_lacks_are_told(recorded):
    run("one", 0.2)
    run("other", 0.2)
    folder = records.results_dir("other")
    (folder / "predictions" / "lstm.csv").unlink()
    if not recorded:
        (folder / "manifest.json").unlink()
        shutil.rmtree(folder / "manifests")
    made_from, scores = diff.diff("one", "other")
    assert ["predictions of lstm", "there", "–"] in made_from.to_numpy().tolist()
    assert len(scores) == (0 if recorded else 3)  # by its digest it was the same


@pytest.mark.parametrize("column", ["score_cel", "decision_cel"])
@pytest.mark.parametrize("value", ["2.5", "-1e-12", "nan", "0.5x", "inf"])
def test_predictions_of_other_values_are_told(column, value):
    run("one", 0.2)
    run("other", 0.5)
    folder = records.results_dir("other")
    (folder / "manifest.json").unlink()
    shutil.rmtree(folder / "manifests")
    path = folder / "predictions" / "lstm.csv"
    table = pd.read_csv(path, dtype=str)
    table.assign(**{column: [value, *table[column][1:]]}).to_csv(path, index=False)
    with pytest.raises(DataError, match="lstm.csv: found a damaged file"):
        diff.diff("one", "other")
    path.write_text(path.read_text().partition("\n")[0] + "\n")
    with pytest.raises(DataError, match="lstm.csv: found a damaged file"):
        diff.diff("one", "other")


def test_runs_of_other_clips_are_not_paired():
    run("one", 0.2)
    run("other", 0.5, CLIPS.iloc[:60])
    _, scores = diff.diff("one", "other")
    assert scores["p"].isna().all()
    assert len(scores) == 3


def test_a_run_without_predictions_or_manifest_is_compared_by_its_metrics():
    run("one", 0.2)
    run("other", 0.5)
    folder = records.results_dir("other")
    shutil.rmtree(folder / "predictions")
    (folder / "manifest.json").write_text("[]")
    made_from, scores = diff.diff("one", "other")
    assert "manifest" in set(made_from["what"])
    assert scores["difference"].notna().all()
    assert scores["p"].isna().all()


def test_nothing_in_the_runs_is_changed():
    run("one", 0.2)
    run("other", 0.5)
    root = paths.results_root()
    (root / "other" / "metrics" / "lstm.json").open("a").write(" ")  # other than recorded
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    with pytest.raises(DataError, match="not what was recorded"):
        diff.diff("one", "other")
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["gone", "--output=x", "HEAD:nowhere"])
def test_what_is_no_run_is_told(name):
    run("one", 0.2)
    with pytest.raises(DataError, match="a commit"):
        diff.diff("one", name)


@pytest.mark.parametrize("file", ["metrics/lstm.json", "predictions/lstm.csv"])
def test_damaged_results_are_told(file):
    run("one", 0.2)
    path = records.results_dir("one") / file
    path.write_text(path.read_text().replace("0", "1", 1))  # as whole as it was
    with pytest.raises(DataError, match=f"{file}: found a damaged file"):
        diff.diff("one", "one")


@pytest.mark.parametrize(
    "content", ["[]", "3", "null", '{"settings": [1]}', '{"evaluation": {}}', '{"evaluation": NaN}',
                '{"evaluation": null}', '{"evaluation": "0.9"}', '{"evaluation": 5}']
)  # fmt: skip
@pytest.mark.parametrize("place", ["file", "score"])
def test_metrics_of_another_shape_are_told(content, place):
    evaluation, folder = run("one", 0.2), records.results_dir("one")
    if place == "score":
        evaluation["micro"]["f1"]["value"] = json.loads(content)
        content = json.dumps({"evaluation": evaluation})
    (folder / "metrics" / "lstm.json").write_text(content)
    shutil.rmtree(folder / "manifests")
    (folder / "manifest.json").unlink()
    with pytest.raises(DataError, match="metrics/lstm.json: found a damaged file"):
        diff.diff("one", "one")


def test_two_commits(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setenv("IRMAS_RESULTS", str(tmp_path / "results"))
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@y", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    for noise in (0.2, 0.6):
        run("reference-sample", noise, level=noise)
        target = paths.reference_dir()
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(records.results_dir("reference-sample"), target)
        (tmp_path / "profiles").mkdir(exist_ok=True)
        (tmp_path / "profiles" / "smoke.yaml").write_text(f"seed: {noise}\n")
        subprocess.run([*git, "add", "results/reference", "profiles"], check=True)
        subprocess.run([*git, "commit", "-qm", str(noise)], check=True)
    made_from, scores = diff.diff("HEAD~1", "HEAD")
    rows = made_from.set_index("what")
    assert rows.loc["lstm: level"].tolist() == ["0.2", "0.6"]
    assert rows.loc["profiles/smoke.yaml"].tolist() == ["-1", "+1"]
    assert (scores["p"] < 0.05).any()
