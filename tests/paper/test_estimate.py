import json

import pandas as pd
import pytest

from irmas_utils import __main__ as cli
from irmas_utils.paper import cluster, estimate, jobs, timing, workflow
from irmas_utils.project import files, records, settings

SMOKE, FULL = settings.load("smoke"), settings.load("full")


def trainings_of(cfg, name):
    return [*estimate.trainings(jobs.jobs(cfg)[name], cfg)]


def test_a_training_sees_every_clip_of_the_fitting_part_once_an_epoch_and_seed():
    def clips(epochs):
        cfg = settings.load("full", fft={"seeds": [0, 1], "epochs": epochs})
        found = trainings_of(cfg, "04_fft_model")
        assert [training.setup["seeds"] for training in found] == [[0], [1]]
        assert found[0].clips == found[1].clips
        return found[0].clips

    scored = 6705 * 0.15 / 3  # of the validation part; a clip takes a third of the time
    assert clips(8) - clips(5) == pytest.approx(3 * (6705 * 0.85 + scored))


@pytest.mark.parametrize("cfg", [SMOKE, FULL], ids=["smoke", "full"])
def test_all_that_trains_is_counted(cfg):
    trains = {name for name in jobs.jobs(cfg) if trainings_of(cfg, name)}
    studied = {name for name, job in jobs.jobs(cfg).items() if job.run}
    assert trains == {*studied, *estimate.MAIN[:-1], "06_fft_hyperparameters"}


def test_what_a_step_costs_depends_on_sizes_and_not_on_rates():
    def key(**change):
        cfg = settings.load("smoke", lstm=change)
        return next(estimate.trainings(jobs.jobs(cfg)["03_lstm_model"], cfg)).key

    assert key() == key(learning_rate=0.5) == key(epochs=7) == key(loss="binary")
    assert len({key(), key(units=4), key(batch_size=3), key(decimation=64)}) == 4


def test_jobs_follow_what_they_need_on_as_many_cores_as_there_are():
    names = [name for name, job in jobs.jobs(SMOKE).items() if job.run]
    hours = dict.fromkeys(names, 1.0) | {"10_discussion": 5.0}
    assert estimate.span(hours, SMOKE, 1) == len(names) + 5
    assert estimate.span(hours, SMOKE, 2) == (len(names) + 5) / 2
    assert estimate.span(hours, SMOKE, 64) == 6
    assert estimate.span({"10_discussion": 5.0}, SMOKE, 2) == 5


@pytest.fixture
def costs(monkeypatch):
    """Measuring takes no time; what was measured."""
    measured = []

    def measure(training):
        measured.append(training.key)
        return 1.0, 2048.0

    monkeypatch.setattr(estimate, "measure", measure)
    return measured


def test_each_kind_of_step_is_measured_once_and_then_kept(costs):
    assert estimate.estimate(SMOKE, measures=False) is None
    table = estimate.estimate(SMOKE)
    assert len(costs) == len({*costs}) > 8
    assert list(table.index) == list(jobs.jobs(SMOKE))
    longer = settings.load("smoke", lstm={"epochs": 2 * SMOKE.lstm.epochs})
    again = estimate.estimate(longer)
    assert len(costs) == len({*costs})
    more = again.loc["03_lstm_model", "hours"] - table.loc["03_lstm_model", "hours"]
    held = SMOKE.evaluation.validation_fraction
    seen = SMOKE.corpus.training_clips * (1 - held + held / 3)
    assert more == pytest.approx(SMOKE.lstm.epochs * seen / 3600)
    assert estimate.estimate(longer, measures=False).equals(again)


def test_what_is_read_back_of_the_papers_own_run_is_free(costs):
    table = estimate.estimate(FULL)
    assert table.loc["fft-epochs-150", "hours"] < 0.01 < table.loc["fft-epochs-75", "hours"]


def executed(name, seconds):
    path = jobs.jobs(SMOKE)[name].output(records.results_dir("smoke"))
    files.write_json(path, {"metadata": {"papermill": {"duration": seconds}}})


def test_what_a_job_took_is_in_the_manifest_and_counts_the_next_time(costs):
    record = records.Record("03_lstm_model", SMOKE, run="lstm-base")
    record.save_table(pd.DataFrame({"seconds": [600.0, 1200.0]}), "lstm-base_history")
    executed("lstm-base", 3600)
    timing.enter(records.merge_manifests("smoke"), record.folder)
    manifest = json.loads((record.folder / "manifest.json").read_text())
    assert {entry["seconds"] for entry in manifest.values()} == {3600}
    executed("lstm-base", 20)  # its trainings were read back
    assert timing.took(record.folder) == {"lstm-base": 1820}
    jobs.jobs(SMOKE)["lstm-base"].output(record.folder).unlink()
    assert timing.took(record.folder) == {"lstm-base": 3600}
    table = estimate.estimate(SMOKE)
    assert estimate.expected(table)["lstm-base"] == 1
    job, cores, most = estimate.tables(table, SMOKE, [1, 2])
    assert most["costs most"][0] == "lstm"
    assert job.set_index("job").loc["lstm-base", "took"] == 1
    assert cores["hours, everything"].is_monotonic_decreasing
    assert "20 jobs of at most 2.0 GiB" in estimate.in_words(table, SMOKE, 2)


def test_also_what_ends_as_a_failed_notebook_does_is_known_to_take_time():
    files.write_json(
        records.results_dir("smoke") / "notebooks/studies/mn04-balanced.ipynb",
        {"metadata": {"papermill": {"duration": 60}}},
    )
    assert timing.took(records.results_dir("smoke")) == {"mn04-balanced": 60}


def test_the_printed_estimate_has_whole_mebibytes_and_says_what_is_not_known(costs, capsys):
    assert cli.main(["estimate", "--profile", "smoke"]) == 0
    said = capsys.readouterr().out
    assert "2048 | –" in said
    assert "nan" not in said


def test_damaged_results_tell_nothing_of_what_they_took():
    folder = records.results_dir("smoke")
    files.write_text(folder / "manifest.json", "[")
    files.write_text(folder / "notebooks" / "00_primer.ipynb", "{")
    files.write_text(folder / "notebooks" / "studies" / "lstm-base.ipynb", "[1]")
    assert timing.took(folder) == {}


def test_a_cluster_is_asked_for_more_the_second_time_and_short_jobs_go_together(costs):
    unknown = cluster.requests(SMOKE)["lstm-base"]
    assert (unknown.runtime(None, 1), unknown.short) == (1440, False)
    estimate.estimate(SMOKE)
    asked = cluster.requests(SMOKE)
    assert asked["lstm-base"].short
    assert not asked["00_primer"].trains
    with_gpu = {name for name in asked if asked[name].resources(gpus=1)["gpu"]}
    assert {"fft-base", "04_fft_model", "07_other_networks"} <= with_gpu
    assert not with_gpu & {"lstm-base", "03_lstm_model", "00_primer"}
    assert asked["lstm-base"].mem_mb(None, 1) == 1024 + 1.5 * 2048
    assert asked["lstm-base"].mem_mb(None, 2) == 2 * asked["lstm-base"].mem_mb(None, 1)


def test_a_run_says_how_much_is_done_and_left():
    account = (
        "Job stats:\njob          count\n-----\nlstm-base        1\nfft-base         1\n"
        "total  2\n\nFinished jobid: 9 (Rule: lstm-base)\n1 of 2 steps (50%) done\n"
    )
    hours = {"lstm-base": 3.0, "fft-base": 2.0}
    assert workflow._left(hours, SMOKE, 2, account) == "1 of 2 jobs done, about 2 h left"
    assert workflow._left(None, SMOKE, 2, account) == "1 of 2 jobs done"
    assert workflow._left(hours, SMOKE, 2, "Job stats:\n") is None


def test_what_is_measured_of_a_network(monkeypatch):
    monkeypatch.setattr(estimate, "_MEASURED", 0.05)
    for name in ("lstm-base", "fft-base", "han-narrow"):
        training = next(estimate.trainings(jobs.jobs(SMOKE)[name], SMOKE))
        seconds, mib = estimate.measure(training)
        assert 0 < seconds < 1
        assert 200 < mib < 20_000


def test_disk_of_the_real_data_set_is_more_than_its_archives():
    assert 11 < estimate.disk(FULL) < 100
