"""Which executed notebooks are missed when results are not what was made."""

import json

import pytest

from irmas_utils.paper import workflow
from irmas_utils.project import files, records, settings

CFG = settings.load("smoke")
MADE = {  # executed notebook: its manifest, what it recorded
    "notebooks/04_fft_model.ipynb": ("04_fft_model", "fft", "predictions/fft.csv"),
    "notebooks/studies/fft-base.ipynb": ("04_fft_model", "fft-base", "metrics/fft-base.json"),
    "notebooks/09_comparison.ipynb": ("09_comparison", None, "figures/comparison.png"),
}


@pytest.fixture
def folder():
    folder = records.results_dir("smoke")
    for executed, made in MADE.items():
        execute(folder, executed, *made, content="made")
    (folder / "site").mkdir()
    (folder / "site" / "index.html").write_text("page")
    workflow._State(CFG, folder).remember("abc", "def")
    return folder


def execute(folder, executed, notebook, run, file, content):
    for path in (folder / executed, folder / file):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    entry = {"notebook": notebook, "run": run, "digest": files.digest(folder / file)}
    part = folder / "manifests" / f"{records.manifest_name(notebook, run)}.json"
    files.write_json(part, {file: entry})


def missed(folder):
    """What a next run makes again."""
    return set(workflow._State(CFG, folder).altered().values())


def test_what_is_as_it_was_made_is_left_alone(folder):
    assert missed(folder) == set()
    state = workflow._State(CFG, folder)
    assert (state.made_from, state.stamp) == ("abc", "def")


@pytest.mark.parametrize(("executed", "made"), MADE.items())
@pytest.mark.parametrize("damage", [lambda p: p.unlink(), lambda p: p.write_text("other")])
def test_an_altered_result_is_made_again_by_its_notebook(folder, executed, made, damage, capsys):
    damage(folder / made[2])
    assert missed(folder) == {executed}
    assert made[2] in capsys.readouterr().out


def test_an_altered_page_executed_notebook_or_manifest_is_made_again(folder):
    (folder / "site" / "index.html").write_text("other")
    (folder / "notebooks" / "04_fft_model.ipynb").write_text("other")
    (folder / "manifests" / "09_comparison.json").write_text("{")
    assert missed(folder) == {*MADE, "site/index.html"} - {"notebooks/studies/fft-base.ipynb"}


def test_what_a_killed_run_has_made_is_kept(folder):
    for executed, made in MADE.items():
        execute(folder, executed, *made, content="made again")
    assert missed(folder) == set()


def test_a_damaged_memory_is_as_good_as_none(folder):
    (folder / "state.json").write_text(json.dumps({"files": 3}))
    (folder / "figures" / "comparison.png").unlink()
    assert missed(folder) == set()
    assert workflow._State(CFG, folder).made_from is None
