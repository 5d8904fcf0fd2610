import re
import shlex

import pandas as pd
import pytest

from irmas_utils.paper import jobs, studies
from irmas_utils.project import execute, paths, records, settings
from irmas_utils.project.errors import DataError

CFG = settings.load("full")


@pytest.mark.parametrize("profile", ["smoke", "sample", "real", "full"])
def test_every_run_names_parameters_that_its_notebook_has(profile):
    for run in studies.runs(settings.load(profile)).values():
        known = execute.parameters_of(paths.NOTEBOOKS / f"{run.notebook}.ipynb")
        assert run.parameters.keys() <= known.keys()


def test_the_base_value_of_every_study_is_one_run():
    names = list(studies.runs(CFG))
    assert names.count("lstm-base") == names.count("fft-base") == 1
    assert "fft-batch_size-4" not in names
    assert {"fft-batch_size-8", "fft-learning_rate-1e-05", "lstm-dense-64x64x64"} <= {*names}


def test_the_base_is_run_also_where_no_study_names_its_value():
    whole = CFG.model_dump()
    whole["study"]["lstm"]["vary"] = {}
    cfg = settings.Settings.model_validate(whole)
    assert studies.runs(cfg)["lstm-base"].parameters == {"seeds": [0], "batch_size": 64}


def test_every_setting_of_a_network_can_be_varied_but_one():
    for network, notebook in studies.NOTEBOOKS.items():
        known = execute.parameters_of(paths.NOTEBOOKS / f"{notebook}.ipynb")
        assert getattr(CFG, network).model_dump().keys() - known.keys() <= {"pad_training"}


def test_a_studys_null_is_null_whatever_the_profile_has():
    vary = {"n_mels": [None, 8], "padded_seconds": [None]}
    own = {"n_mels": 8, "padded_seconds": 3.0}
    cfg = settings.load("smoke", lstm=own, study={"lstm": {"vary": vary}})
    for key in vary:
        words = shlex.split(jobs.options(studies.runs(cfg)[f"lstm-{key}-None"]))
        texts = dict(zip(words[1::3], words[2::3], strict=True))
        given = execute.read_parameters(paths.NOTEBOOKS / "03_lstm_model.ipynb", texts)[key]
        assert getattr(settings.load("smoke", lstm=own | {key: given}).lstm, key) is None


def test_a_value_that_is_added_is_one_run_more():
    more = settings.load("full", study={"fft": {"vary": {"batch_size": [1, 2, 4, 8, 16, 32]}}})
    assert studies.runs(more).keys() - studies.runs(CFG).keys() == {"fft-batch_size-32"}
    same = {name: studies.runs(more)[name] for name in studies.runs(CFG)}
    assert same == studies.runs(CFG)


@pytest.mark.parametrize("value", ["../x", "$(ls)", "a b", "", [8] * 40, "é\n", ["a/b"]])
def test_an_odd_value_makes_a_name_that_is_a_files(value):
    name = studies.run_name(CFG, "fft", "dense", value)
    assert re.fullmatch(r"fft-dense-[0-9a-f]{16}", name)
    assert name != studies.run_name(CFG, "fft", "dense", ["other", value])


def test_each_run_differs_from_the_base_in_one_parameter():
    extra = ("lstm-base", "fft-base", *studies.BASES.values())
    for model in studies.NOTEBOOKS:
        base = CFG.with_base(model)
        for name, run in studies.runs(CFG).items():
            if name.startswith(model) and not name.startswith(extra):
                assert sum(value != base[key] for key, value in run.parameters.items()) == 1


def test_results_become_a_row_a_value_and_seed(monkeypatch):
    def result(profile, run):
        by_seed = {"micro_f1": [0.1, 0.2], "macro_f1": [0.1, 0.1], "lrap": [0.3, 0.5],
                   "labels_per_clip": [5, 6]}  # fmt: skip
        return {
            "over_seeds": {name: {"values": values} for name, values in by_seed.items()},
            "answers": [
                {"seed": s, "answers": 1, "information": 0.1 * s, "detectable": 0.05}
                for s in (0, 1)
            ],
            "n_parameters": 7,
            "seconds_per_epoch": 1.5,
            "memory_peak_mib": 100.0,
        }

    monkeypatch.setattr(records, "load_metrics", result)
    table = studies.table(CFG, "fft", "dense")
    assert len(table) == 2 * len(CFG.study.fft.vary["dense"])
    assert table["value"].iloc[0] == "64–100000–32–50000"
    assert table["base"].tolist() == [True] * 2 + [False] * (len(table) - 2)
    assert table["micro F1"].tolist()[:2] == [0.1, 0.2]
    assert table["listens"].tolist()[:2] == [False, True]
    assert studies.means(table)["64–100000"] == pytest.approx(
        {"micro_f1": 0.15, "macro_f1": 0.1, "lrap": 0.4}
    )


def test_a_study_that_has_not_run_says_so():
    with pytest.raises(DataError, match="make paper PROFILE=full"):
        studies.table(CFG, "fft", "loss")


def test_what_studies_reduce_of_the_papers_run_is_said():
    said = studies.describe(CFG, "fft")
    assert said.startswith("Every study starts from: seeds ")
    assert said.endswith(
        " Not as in the paper's own run: seeds [0] instead of [0, 1, 2]; "
        f"epochs {CFG.with_base('fft')['epochs']} instead of {CFG.fft.epochs}."
    )
    same = settings.load("full", study={"seeds": [0, 1, 2], "fft": {"base": {"epochs": 150}}})
    assert "Not as" not in studies.describe(same, "fft")


def test_a_study_closes_with_what_its_best_value_gains():
    rows = [(v, s, f, v == 2) for v, fs in ((1, [0.1, 0.3]), (2, [0.1, 0.1]))
            for s, f in enumerate(fs)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["value", "seed", "micro F1", "base"])
    assert "1 has the highest mean micro F1, +0.100 on the base's 2 (by 2" in studies.closing(table)
    assert (
        studies.closing(table[table["value"] == 2]) == "**The highest mean micro F1 is that of 2.**"
    )
