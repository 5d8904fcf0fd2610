import numpy as np
import pandas as pd
import pytest

from irmas_utils.data.corpus import Splits
from irmas_utils.metrics.evaluation import score
from irmas_utils.models import han
from irmas_utils.paper import hypothesis, jobs, other_networks
from irmas_utils.project import records, settings
from irmas_utils.project.runs import Outcome
from irmas_utils.project.vocabulary import INSTRUMENTS
from irmas_utils.systems.networks import assessment, registry
from irmas_utils.systems.networks.fine_tuning import Data, Plan, recognizer
from irmas_utils.systems.networks.training import Trained
from irmas_utils.systems.recognizer import Recognizer

CFG = settings.load("smoke", evaluation={"bootstrap_samples": 10})


@pytest.fixture(scope="module")
def clips():
    names = [code for code in INSTRUMENTS for _ in range(2)]
    return pd.DataFrame({"path": names, "name": names, "labels": [(n,) for n in names],
                         "recording": names})  # fmt: skip


@pytest.fixture(scope="module")
def trained(clips, tmp_path_factory):
    """Two seeds of an untrained network and scores from nowhere."""
    folder = tmp_path_factory.mktemp("run")
    model = han.build(1 / 16)
    recognizer(model, Plan(sample_rate=han.SAMPLE_RATE, window=1.0, hop=0.5)).save(
        folder / "recognizer"
    )
    facts = {"n_parameters": 7, "clip_seconds": 0.1, "memory_peak_mib": 5.0}
    mixtures, *testing = np.random.default_rng(0).uniform(size=(4, len(clips), 11))
    outcomes = [Outcome({"mixtures": mixtures, "testing": t}, facts, folder) for t in testing]
    history = pd.DataFrame({"epoch": 1, "seconds": [1.0, 2.0], "seed": [0, 1], "loss": 1.0,
                            "val_loss": 1.0, "accuracy": 0.5, "val_accuracy": 0.5})  # fmt: skip
    return Trained(outcomes[0], dict(enumerate(outcomes[1:])), history, {"width": 0.1})


def _report(names, trained, clips, run=None):
    record = records.Record(registry.NOTEBOOK, CFG, run=run, data="abc")
    data = Data(Splits(clips, clips, clips), clips)
    report = other_networks.Report(dict.fromkeys(names, trained), data, record, draws=run is None)
    for show in (report.curves, report.thresholds, report.choice, report.scores, report.costs,
                 report.instruments):  # fmt: skip
        show()
    report.save()
    return report


def test_what_is_recorded_of_the_papers_networks(trained, clips):
    report = _report(["han"], trained, clips)
    system = report.systems["han"]
    result = records.load_metrics("smoke", "han")
    assert result["seeds"] == [0, 1]
    assert (result["n_parameters"], result["seconds_of_training"]) == (7, 3.0)
    whole = score(clips, trained.whole.arrays["testing"], CFG, system.threshold)
    assert result["evaluation"]["micro"]["f1"] == whole["micro"]["f1"]
    each = [
        score(clips, outcome.arrays["testing"], CFG, assessment.cut(outcome, report.data))
        for outcome in trained.by_seed.values()
    ]
    values = [evaluation["micro"]["f1"]["value"] for evaluation in each]
    assert result["over_seeds"]["micro_f1"]["values"] == values
    _, scores, decisions = records.load_predictions("smoke", "han")
    np.testing.assert_array_equal(decisions, scores > system.threshold)
    table = records.load_table("smoke", "networks_scores")
    assert table["system"].tolist()[0] == "Han et al. CNN"
    assert {"macro F1", "LRAP, 95 % interval", "labels a clip"} < {*table}
    figures = {path.stem for path in (report.record.folder / "figures").iterdir()}
    assert figures == {"networks_training", "networks_per_label", "networks_threshold"}


def test_notebooks_07_09_and_10_keep_the_same_network(trained, clips):
    report = _report(["han", "mn04"], trained, clips)
    assert hypothesis.kept(CFG) == report.best


def test_the_best_is_saved_with_its_threshold_and_a_card(trained, clips, capsys):
    report = _report(["han"], trained, clips)
    file = report.record.folder / "models" / "recognizer.json"
    loaded = Recognizer.load(file.with_suffix(""))
    assert set(loaded.thresholds) == {report.systems["han"].threshold}
    assert loaded.provenance["data"] == "sample corpus, not IRMAS"
    assert "MIT" not in loaded.provenance["licence"]
    assert "Han et al. CNN" in file.with_suffix(".md").read_text()
    capsys.readouterr()
    file.write_text(file.read_text().replace("sample corpus, not IRMAS", "sample corpus"))
    assert Recognizer.load(file.with_suffix("")).provenance["data"] == "sample corpus"
    assert "edited or damaged" in capsys.readouterr().err


def test_other_parameters_never_replace_the_papers_results(trained, clips):
    _report(["han", "probe"], trained, clips, run="own")
    found = {path.stem for path in (records.results_dir("smoke") / "metrics").iterdir()}
    assert found == {"own-han", "own-probe", "own-ensemble"}
    assert not (records.results_dir("smoke") / "models").exists()
    assert not (records.results_dir("smoke") / "figures").exists()


def test_without_weights_older_results_that_need_them_go(trained, clips):
    for run in ("mn04", "ensemble", "han-wide", "mn04-alone"):
        records.Record(registry.NOTEBOOK, CFG, run=run).save_metrics({}, run)
    _report(["han"], trained, clips)
    there = [run for run in ("han", "mn04", "ensemble", "han-wide", "mn04-alone")
             if records.exists("smoke", run)]  # fmt: skip
    assert there == ["han", "han-wide", "mn04-alone"]  # the last, an execution of its own
    _report([], trained, clips, run="mn04-alone")
    assert not records.exists("smoke", "mn04-alone")


def test_a_networks_file_counts_as_code_of_the_jobs_that_train_it(monkeypatch):
    def made_from():
        found = {name: jobs.made_from(job, CFG) for name, job in jobs.jobs(CFG).items()}
        return {name: made["code"] for name, made in found.items()}

    before = made_from()
    other = registry.NETWORKS["mn04"]._replace(module="irmas_utils.models.lstm")
    monkeypatch.setitem(registry.NETWORKS, "mn04", other)
    after = made_from()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"07_other_networks", "mn04-alone"}
