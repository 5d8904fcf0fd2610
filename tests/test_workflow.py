"""The whole paper on the smoke profile: what a stranger's first run does, in small."""

import contextlib
import json
import os
import re
import subprocess
import sys

import nbformat
import numpy as np
import pytest
import yaml
from conftest import paper_cache, write_clip
from matplotlib import image

from irmas_utils import __main__ as cli
from irmas_utils.data import published
from irmas_utils.paper import studies, workflow
from irmas_utils.project import kernels, paths, records, settings
from tools import reference

pytestmark = pytest.mark.slow

GOLDEN = paths.ROOT / "tests" / "golden" / "smoke"
NAMES = [path.stem for path in sorted(paths.NOTEBOOKS.glob("*.ipynb"))]
STUDIES = list(studies.runs(settings.load("smoke")))


def process(environment, *arguments, folder=paths.ROOT):
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@contextlib.contextmanager
def half_of_the_cores():
    """What starts on all cores spends them, for so little work, on imports; others use the rest."""
    whole = os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else set()
    if whole:
        os.sched_setaffinity(0, sorted(whole)[: (len(whole) + 1) // 2])
    yield
    if whole:
        os.sched_setaffinity(0, whole)


@pytest.fixture(scope="session")
def smoke(tmp_path_factory):
    """One finished run: its results folder, what it printed, and its environment."""
    folder = tmp_path_factory.mktemp("smoke")
    environment = dict(os.environ) | {
        "IRMAS_CACHE": str(paper_cache(tmp_path_factory)),
        "IRMAS_RESULTS": str(folder / "results"),
        "TQDM_DISABLE": "1",
    }
    with half_of_the_cores():
        finished = process(
            environment, "irmas_utils", "paper", "--profile", "smoke", "--cores", "2"
        )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return folder / "results" / "smoke", finished, environment


@pytest.fixture
def irmas(smoke, monkeypatch, capfd):
    """Run a command as `process` does, but here, where all that it imports is there already."""

    def run(*arguments):
        for name, value in smoke[2].items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(paths.ROOT)
        capfd.readouterr()
        status = cli.main([*arguments])
        return subprocess.CompletedProcess(arguments, status, *capfd.readouterr())

    return run


def test_it_says_what_it_did_and_nothing_else(smoke):
    _, finished, _ = smoke
    for name in [*NAMES, *STUDIES]:
        assert f"{name}: executed" in finished.stdout
    assert "Finished" in finished.stdout
    assert finished.stderr == ""


@pytest.mark.parametrize("name", NAMES)
def test_every_notebook_ran_without_noise(smoke, name):
    results, _, _ = smoke
    notebook = nbformat.read(results / "notebooks" / f"{name}.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    for output in (output for cell in code for output in cell.outputs):
        assert output.get("name") != "stderr", output
        assert "Warning" not in str(output.get("text", "")), output
    page = results / "site" / "notebooks" / f"{name}.html"
    assert page.stat().st_size > 10_000


def test_the_first_page_lists_every_claim(smoke):
    results, _, _ = smoke
    page = (results / "site" / "index.html").read_text()
    assert page.count("<tr id=") == len(published.load("paper_claims")["claims"])


def test_no_figure_is_empty_or_too_wide_for_a_page(smoke):
    results, _, _ = smoke
    figures = sorted((results / "figures").glob("*.png"))
    assert len(figures) >= 10
    for path in figures:
        picture = image.imread(path)[..., :3]
        assert min(picture.shape[:2]) >= 200, path
        assert np.mean(picture.min(axis=-1) < 0.9) > 0.01, path
        printed = path.with_suffix(".pdf").read_bytes()
        assert len(printed) > 1000
        (width,) = re.findall(rb"/MediaBox \[ 0 0 ([\d.]+)", printed)
        assert float(width) <= 10.3 * 72, f"{path}: letters too small across a page"


def test_everything_is_in_the_manifest(smoke):
    results, _, _ = smoke
    manifest = yaml.safe_load((results / "manifest.json").read_text())
    folders = ("figures", "tables", "metrics", "predictions", "models")
    files = {str(p.relative_to(results)) for f in folders for p in (results / f).iterdir()}
    assert manifest.keys() == files


def test_predict_uses_the_saved_network_if_it_is_named(smoke, irmas, tmp_path):
    results = smoke[0]
    clip = write_clip(tmp_path / "clip.wav", seconds=2.0)
    model = str(results / "models" / "recognizer.keras")
    said = irmas("predict", "--json", "--model", model, str(clip))
    (entry,) = json.loads(said.stdout)
    assert entry["model"].endswith("trained on sample corpus, not IRMAS")
    assert len(entry["scores"]) == 11


def test_metrics_are_the_golden_ones(smoke):
    """Refresh with: cp results/smoke/metrics/*.json tests/golden/smoke/metrics/."""
    results, _, _ = smoke
    assert reference.differences(results, GOLDEN) == []


def test_a_second_run_does_nothing(smoke):
    _, _, environment = smoke
    again = process(environment, "irmas_utils", "paper", "--profile", "smoke")
    assert "Nothing to run" in again.stdout
    assert "executed" not in again.stdout


DRY = ("--dry-run", "--quiet", "reason", "host")


def scheduled(irmas, profile):
    shown = irmas("paper", "--profile", str(profile), *DRY)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    stats = (shown.stdout + shown.stderr).partition("Job stats:")[2]
    # A row a job: its name, two spaces or more, how often it runs.
    jobs = re.findall(r"^(\S.*?)\s{2,}\d+$", stats, flags=re.M)
    others = {"corpus", "manifest", "paper", "site", "total"}
    return {*jobs} - others


def test_a_changed_setting_runs_what_reads_it_and_no_more(irmas, tmp_path):
    values = yaml.safe_load((paths.PROFILES / "smoke.yaml").read_text())
    profile = tmp_path / "smoke.yaml"
    profile.write_text(yaml.safe_dump(values))
    relative = os.path.relpath(profile, paths.ROOT)
    assert scheduled(irmas, relative) == set()
    profile.write_text(yaml.safe_dump(values | {"fft": values["fft"] | {"epochs": 3}}))
    jobs = scheduled(irmas, profile)
    assert jobs >= {"04_fft_model", "09_comparison"}
    assert not {"01_data_analysis", "03_lstm_model", *STUDIES} & jobs


def test_a_value_added_to_a_study_runs_that_value_and_its_notebook(irmas, tmp_path):
    values = yaml.safe_load((paths.PROFILES / "smoke.yaml").read_text())
    profile = tmp_path / "smoke.yaml"
    values["study"]["lstm"]["vary"]["units"] = [2, 3, 4]
    profile.write_text(yaml.safe_dump(values))
    jobs = scheduled(irmas, profile)
    # One training, and the two notebooks that show it.
    assert jobs == {"lstm-units-4", "05_lstm_hyperparameters", "10_discussion"}


MAKERS = {
    "notebooks/01_data_analysis.ipynb": "01_data_analysis",
    "notebooks/studies/lstm-base.ipynb": "lstm-base",
    "figures/comparison.png": "09_comparison",
    "predictions/fft.csv": "04_fft_model",
    "metrics/lstm-units-2.json": "lstm-units-2",
    "models/recognizer.json": "07_other_networks",
    "manifests/06_fft_hyperparameters.json": "06_fft_hyperparameters",
}


@pytest.mark.parametrize("damage", ["delete", "edit"])
def test_results_that_are_not_what_was_made_are_made_again(smoke, irmas, damage):
    results = smoke[0]
    touched = [results / file for file in MAKERS] + [made_by(results, m) for m in MAKERS.values()]
    kept = {path: path.read_bytes() for path in touched}
    times = {path: (path.stat().st_atime_ns, path.stat().st_mtime_ns) for path in kept}
    try:
        for path in (results / file for file in MAKERS):
            if damage == "edit":
                path.write_bytes(kept[path][:-1] + b"0")
            else:
                path.unlink()
        shown = irmas("paper", "--profile", "smoke", *DRY)
        for file, maker in MAKERS.items():
            assert f"{file} is not what was made" in shown.stdout
            assert re.search(rf"^{maker} ", shown.stdout + shown.stderr, flags=re.M)
        assert "Nothing to run" not in shown.stdout
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
            os.utime(path, ns=times[path])


def made_by(results, job):
    inside = job if job in NAMES else f"studies/{job}"
    return results / "notebooks" / f"{inside}.ipynb"


def test_parameters_given_by_hand_never_replace_the_papers_results(smoke, irmas, tmp_path):
    results, _, environment = smoke
    before = {p: p.read_bytes() for p in results.glob("*/fft*") if p.is_file()}
    command = ["papermill", "-k", "python3", "--cwd", str(paths.NOTEBOOKS)]
    command += [str(paths.NOTEBOOKS / "04_fft_model.ipynb"), str(tmp_path / "04.ipynb")]
    command += ["-p", "profile", "smoke", "-p", "epochs", "1"]
    assert process(environment, *command).returncode == 0
    assert {p: p.read_bytes() for p in before} == before
    assert len(list(results.glob("metrics/fft-own-*.json"))) == 1
    assert "Nothing to run" in irmas("paper", "--profile", "smoke").stdout


def test_the_model_of_the_page_gets_a_row_in_the_comparison(smoke, tmp_path, monkeypatch):
    """What docs/adding.md says, carried out to the letter in a clone, after a finished paper."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", paths.ROOT, clone], check=True)
    page = (paths.ROOT / "docs" / "adding.md").read_text(encoding="utf-8")
    section = page.partition("## A model\n")[2].partition("\n## ")[0]
    module, line, *_ = re.findall(r"^```\w*\n(.*?)^```", section, flags=re.M | re.S)
    (clone / re.match(r"# (\S+)\n", module)[1]).write_text(module)
    registry = clone / "irmas_utils/systems/networks/registry.py"
    text = registry.read_text()
    registry.write_text(text.replace("NETWORKS = {\n", f"NETWORKS = {{\n{line}", 1))
    profile = tmp_path / "mine.yaml"
    profile.write_text("extends: smoke\nnetworks:\n  plans:\n    spectrum: {epochs: 1}\n")

    monkeypatch.setenv("IRMAS_RESULTS", str(tmp_path))
    environment = smoke[2] | {"PYTHONPATH": str(clone), "IRMAS_RESULTS": str(tmp_path)}
    command = ["irmas_utils", "paper", "--profile", str(profile), "--notebook", "09"]
    done = process(environment, *command, folder=clone)
    assert done.returncode == 0, done.stdout + done.stderr
    assert records.load_metrics("mine", "spectrum")["evaluation"]["n_clips"] == 11
    assert "mean spectrum" in set(records.load_table("mine", "comparison")["system"])


def test_a_wrong_profile_is_one_clear_error(irmas):
    failed = irmas("paper", "--profile", "smok")
    assert failed.returncode == 1
    assert "smok.yaml: found no such profile" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_missing_data_is_one_clear_error(irmas, tmp_path, monkeypatch):
    profile = tmp_path / "real.yaml"
    profile.write_text("extends: smoke\ncorpus:\n  source: irmas\n")
    monkeypatch.setenv("IRMAS_DATA", str(tmp_path / "nowhere"))
    failed = irmas("paper", "--profile", str(profile))
    assert failed.returncode == 1
    assert failed.stderr.count("found no such folder") == 1
    assert "Traceback" not in failed.stderr


def test_temporary_files_last_as_long_as_the_run():
    with workflow.scratch() as environment:
        folder = environment["TMPDIR"]
        assert os.path.isdir(folder)
    assert not os.path.exists(folder)


def test_real_clips_run_through_the_first_notebooks(real_clips, tmp_path, monkeypatch):
    profile = tmp_path / "real.yaml"
    profile.write_text("extends: smoke\ncorpus:\n  source: irmas\n")
    monkeypatch.setenv("IRMAS_DATA", str(real_clips))
    with kernels.kept(1, tmp_path / "log", os.environ) as environment:
        monkeypatch.setenv(kernels.FOLDER, environment[kernels.FOLDER])
        for name in ("01_data_analysis", "02_data_preparation"):
            out = tmp_path / f"{name}.ipynb"
            notebook = str(paths.NOTEBOOKS / f"{name}.ipynb")
            assert cli.main(["execute", notebook, str(out), "-p", "profile", str(profile)]) == 0
            assert "not IRMAS" not in out.read_text()
    assert settings.load(profile).corpus.source == "irmas"


def test_a_figure_is_redrawn_from_records(irmas):
    """The last: what shows the figure is not up to date after it."""
    drawn = irmas("figure", "--profile", "smoke", "comparison")
    assert drawn.returncode == 0, drawn.stderr
    assert "09_comparison: executed" in drawn.stdout
    wrong = irmas("figure", "--profile", "smoke", "comparisons")
    assert wrong.returncode == 1
    assert "fft_training" in wrong.stderr
    assert "comparison," in wrong.stderr
