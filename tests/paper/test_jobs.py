import shutil
import subprocess
import sys

import pytest
import yaml

from irmas_utils.paper import jobs, studies
from irmas_utils.project import paths, runs, settings, sources
from irmas_utils.systems.networks import registry

SMOKE = settings.load("smoke")
STUDIES = [name for name, job in jobs.jobs(SMOKE).items() if job.run]


def changed(**overrides):
    """The jobs that other settings make anew."""
    other = settings.load("smoke", **overrides)
    made = {name: jobs.made_from(job, SMOKE) for name, job in jobs.jobs(SMOKE).items()}
    return {
        name
        for name, job in jobs.jobs(other).items()
        if made.get(name) != jobs.made_from(job, other)
    }


def test_every_notebook_is_a_job_and_needs_jobs_that_there_are():
    found = jobs.jobs(SMOKE)
    assert {path.stem for path in paths.NOTEBOOKS.glob("*.ipynb")} <= found.keys()
    assert all({*job.needs} <= found.keys() for job in found.values())


def test_new_results_on_real_clips_make_anew_what_concludes_from_them(tmp_path, monkeypatch):
    before = {name: jobs.made_from(job, SMOKE) for name, job in jobs.jobs(SMOKE).items()}
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "lstm.json").write_text("{}")
    measured = paths.reference_dir("benchmarks")
    folders = {"real": tmp_path, "benchmarks": measured}
    monkeypatch.setattr(paths, "reference_dir", folders.get)
    now = {name: jobs.made_from(job, SMOKE) for name, job in jobs.jobs(SMOKE).items()}
    assert {name for name in now if now[name] != before[name]} == {*jobs.REAL}


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"fft": {"epochs": 3}}, {"04_fft_model"}),
        (
            {"fft": {"samples": 884_002}, "study": {"fft": {"base": {"samples": 884_000}}}},
            {"00_primer", "02_data_preparation", "04_fft_model", "06_fft_hyperparameters"}
            | {"08_bosch_baselines", "10_discussion"}
            | {name for name in STUDIES if name.startswith("fft")},
        ),
        ({"lstm": {"batch_size": 8}}, {"03_lstm_model"}),  # the studies have their own
        (
            {"lstm": {"pad_training": False}},
            {"03_lstm_model", "05_lstm_hyperparameters", "10_discussion"}
            | {name for name in STUDIES if name.startswith("lstm")},
        ),
        ({"bosch": {"mixtures": 12}}, {"06_fft_hyperparameters", "08_bosch_baselines"}),
        (
            {"study": {"lstm": {"vary": {"units": [2, 3, 4]}}}},
            {"lstm-units-4", "05_lstm_hyperparameters", "10_discussion"},
        ),
    ],
)
def test_a_setting_makes_anew_what_reads_it_and_no_more(overrides, expected):
    assert changed(**overrides) == expected


def test_every_job_reads_the_seed_and_the_data():
    assert changed(seed=1) == changed(corpus={"testing_clips": 22}) == {*jobs.jobs(SMOKE)}


def test_another_version_of_a_library_makes_everything_anew(monkeypatch):
    made = [jobs.stamp(SMOKE), *(jobs.made_from(job, SMOKE) for job in jobs.jobs(SMOKE).values())]
    monkeypatch.setattr(runs, "versions", lambda: {"tensorflow": "0"})
    now = [jobs.stamp(SMOKE), *(jobs.made_from(job, SMOKE) for job in jobs.jobs(SMOKE).values())]
    assert not any(before == after for before, after in zip(made, now, strict=True))


def test_another_table_of_trained_heads_makes_the_notebook_that_shows_it_anew(
    tmp_path, monkeypatch
):
    job = jobs.jobs(SMOKE)["05_lstm_hyperparameters"]
    before = jobs.made_from(job, SMOKE)
    (tmp_path / "other.csv").write_text("batch\n2\n")
    monkeypatch.setattr(studies, "CONSTANT_HEAD", tmp_path / "other.csv")
    assert jobs.made_from(job, SMOKE) != before


def test_another_text_makes_the_pages_of_a_notebook_anew_and_no_study(tmp_path, monkeypatch):
    shutil.copytree(paths.NOTEBOOKS, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path)
    before = {name: jobs.made_from(job, SMOKE) for name, job in jobs.jobs(SMOKE).items()}
    file = tmp_path / "03_lstm_model.ipynb"
    file.write_text(file.read_text().replace("How well does", "How badly does"))
    now = {name: jobs.made_from(job, SMOKE) for name, job in jobs.jobs(SMOKE).items()}
    assert {name for name in now if now[name] != before[name]} == {file.stem}


def test_a_study_does_not_depend_on_the_plots(monkeypatch):
    def reached(code):
        return {path.relative_to(paths.PACKAGE).parts[0] for path in sources.reached(code)}

    code = sources.of_notebook(paths.NOTEBOOKS / "03_lstm_model.ipynb")
    assert "plots" in reached(code)
    seen = []
    monkeypatch.setattr(sources, "digest", lambda code, files: seen.extend(files) or "")
    jobs.made_from(jobs.jobs(SMOKE)["lstm-base"], SMOKE)
    assert "plots" not in {path.parent.name for path in seen}
    jobs.made_from(jobs.jobs(SMOKE)["03_lstm_model"], SMOKE)
    assert "plots" in {path.parent.name for path in seen}


@pytest.mark.parametrize(
    "modules",
    [
        ("irmas_utils.models.training", "irmas_utils.models.lstm"),
        ("irmas_utils.models.training", "irmas_utils.models.fft"),
        ("irmas_utils.systems.bosch.listening",),
        *[(entry.module,) for entry in registry.NETWORKS.values()],
    ],
)
def test_nothing_that_only_draws_or_tells_trains_anything_again(modules):
    code = "\n".join(f"import {module}" for module in modules)
    rooms = {path.relative_to(paths.PACKAGE).parts[0] for path in sources.reached(code)}
    assert not {"plots", "paper"} & rooms


def test_parameters_reach_a_shell_whole():
    job = jobs.Job("04_fft_model", "a b", {"loss": "it's $(x)", "dense": [1, 2]}, ())
    assert jobs.options(job) == """-p dense '[1, 2]' -p loss 'it'"'"'s $(x)' -p run 'a b'"""


def test_the_order_of_a_profiles_keys_makes_nothing_anew(tmp_path):
    def turned(value):
        if not isinstance(value, dict):
            return value
        return {key: turned(inner) for key, inner in reversed(value.items())}

    def made(cfg):
        found = jobs.jobs(cfg)
        # As text, for so Snakemake compares them.
        return {
            name: repr((jobs.made_from(job, cfg), jobs.options(job))) for name, job in found.items()
        }

    whole = SMOKE.model_dump(exclude={"profile"})
    file = tmp_path / "smoke.yaml"
    file.write_text(yaml.safe_dump(turned(whole), sort_keys=False))
    assert made(settings.load(file)) == made(SMOKE)


def test_a_run_begins_without_what_only_notebooks_need():
    heavy = {"tensorflow", "scipy.stats", "sklearn", "matplotlib", "papermill"}
    code = f"import irmas_utils.paper.workflow, sys; print({heavy} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_what_takes_long_begins_and_what_nothing_waits_for_is_left_to_the_end():
    known = jobs.jobs(settings.load("sample"))
    rank = {name: jobs.priority(name, known) for name in known}
    assert rank["08_bosch_baselines"] > rank["05_lstm_hyperparameters"] > rank["00_primer"]
    assert rank["fft-base"] > rank["lstm-base"] > rank["11_your_own_audio"]


def test_the_stamp_of_a_run_changes_with_a_page_and_not_with_compiled_code(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    (tmp_path / "docs" / "__pycache__").mkdir(parents=True)
    (tmp_path / "docs" / "page.md").write_text("before")
    before = jobs.stamp(SMOKE)
    (tmp_path / "docs" / "__pycache__" / "conf.pyc").write_text("compiled")
    assert jobs.stamp(SMOKE) == before
    (tmp_path / "docs" / "page.md").write_text("after")
    assert jobs.stamp(SMOKE) != before
