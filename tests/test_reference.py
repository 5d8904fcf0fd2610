import json

import pytest

from irmas_utils.project import paths
from tools import reference


def run(folder, **metrics):
    (folder / "metrics").mkdir(parents=True)
    (folder / "metrics" / "fft.json").write_text(json.dumps(metrics))
    return folder


@pytest.fixture
def reference_run(tmp_path):
    lrap = {"value": 0.5, "low": 0.1}
    return run(tmp_path / "reference", lrap=lrap, clips=[3], f1=0.5, recall=0.5, seconds=1.0)


@pytest.mark.parametrize(
    ("metrics", "lines"),
    [
        ({"lrap": {"value": 0.59, "low": 0.4}, "clips": [3], "f1": 0.59, "recall": 0.9}, 0),
        ({"lrap": {"value": 0.61, "low": 0.1}, "clips": [3], "f1": 0.5}, 1),
        ({"lrap": {"value": 0.5, "low": 0.1}, "clips": [3], "f1": 0.61}, 1),
        ({"lrap": {"value": 0.5, "low": 0.1}, "clips": [4], "f1": 0.5}, 1),
        ({"lrap": {"value": None, "low": 0.1}, "clips": [3], "f1": 0.5}, 1),
        ({"lrap": {"value": 0.5}, "clips": [3], "f1": 0.5, "new": 1.0}, 1),
        ({"clips": [3], "f1": 0.5}, 1),
    ],
)
def test_differences_beyond_the_tolerance_are_listed(tmp_path, reference_run, metrics, lines):
    fresh = run(tmp_path / "fresh", **metrics)
    assert len(reference.differences(fresh, reference_run)) == lines


def test_of_several_seeds_the_means_are_compared(tmp_path):
    def seeds(name, *values, first):
        scores = {"LRAP": {"value": sum(values) / len(values), "values": values}}
        numbers = list(range(len(values)))
        return run(tmp_path / name, seeds=numbers, over_seeds=scores, evaluation={"lrap": first})

    two = seeds("a", 0.4, 0.6, first=0.4)
    assert reference.differences(seeds("b", 0.5, 0.5, first=0.5), two) == []
    assert len(reference.differences(seeds("c", 0.4, 0.84, first=0.4), two)) == 1
    one = seeds("d", 0.4, first=0.4)
    assert len(reference.differences(seeds("e", 0.6, first=0.6), one)) == 2


@pytest.mark.parametrize(("last", "lines"), [(2.9, 0), (2.8, 2)])
def test_a_training_that_diverged_is_not_compared(tmp_path, last, lines):
    folders = [tmp_path / name for name in "ab"]
    for folder, f1 in zip(folders, (0.1, 0.4), strict=True):
        run(folder, f1=0.5)
        (folder / "metrics" / "fft-learning_rate-0.01.json").write_text(json.dumps({"f1": f1}))
        studies = {"learning_rate": {"0.01": {"f1": f1}, "0.001": {"f1": 0.5}}}
        (folder / "metrics" / "fft_studies.json").write_text(json.dumps(studies))
        (folder / "tables").mkdir()
    history = f"epoch,loss,seed\n1,2.4,0\n1,2.4,1\n2,2.3,0\n2,{last},1\n"
    (folders[1] / "tables" / "fft-learning_rate-0.01_history.csv").write_text(history)
    (folders[1] / "tables" / "probe_history.csv").write_text("epoch,seconds\n1,2.0\n")
    assert len(reference.differences(*folders)) == lines


def test_what_needs_weights_may_be_missing_on_either_side_and_must_agree_where_it_is(tmp_path):
    rows = {"systems": {"lstm": {"value": 0.3}}}
    more = {"systems": rows["systems"] | {"mn04 fine-tuned": {"value": 0.6}}}
    worse = {"systems": rows["systems"] | {"mn04 fine-tuned": {"value": 0.5}}}
    without, having, other = (
        run(tmp_path / name, **values)
        for name, values in {"a": rows, "b": more, "c": worse}.items()
    )
    (having / "metrics" / "mn04-alone.json").write_text('{"f1": 0.6}')
    assert reference.differences(without, having) == []
    assert reference.differences(having, without) == []
    assert len(reference.differences(having, other)) == 1


def test_refresh_copies_the_light_part_and_fills_the_page(tmp_path, monkeypatch):
    source = run(tmp_path / "results" / "sample", f1=0.5)
    for name in ("figures/a.png", "tables/comparison.md", "predictions/fft.csv", "site/x.html"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text("| a |\n")
    monkeypatch.setenv("IRMAS_RESULTS", str(tmp_path / "results"))
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(reference, "PAGES", tmp_path)
    real = tmp_path / "results" / "reference" / "real" / "README.md"
    real.parent.mkdir(parents=True)
    real.write_text("what it is\n\n## Scores so far\n\n| b |\n\n## Hours\n\n| c |\n")
    page = "before\n<!-- results: x -->\nold\n<!-- end of results -->\nafter\n"
    page += "<!-- real: x -->\nolder\n<!-- end of real -->\n"
    (tmp_path / "results.md").write_text(page)
    assert reference.refresh() == 4
    copied = tmp_path / "results" / "reference" / "sample"
    assert sorted(p.name for p in copied.rglob("*.*")) == [
        "a.png",
        "comparison.md",
        "fft.csv",
        "fft.json",
    ]
    expected = page.replace("older\n", "\n| b |\n\n").replace("old\n", "\n| a |\n\n")
    assert (tmp_path / "results.md").read_text() == expected


def test_a_run_without_weights_does_not_replace_a_copy_with_them(tmp_path, monkeypatch, capsys):
    run(tmp_path / "sample", f1=0.5)
    copied = run(tmp_path / "reference" / "sample", f1=0.5)
    (copied / "metrics" / "mn04.json").write_text("{}")
    monkeypatch.setenv("IRMAS_RESULTS", str(tmp_path))
    monkeypatch.setattr(paths, "reference_dir", lambda *_: copied)
    assert reference.main(["refresh"]) == 1
    assert "no results of mn04" in capsys.readouterr().err
    assert (copied / "metrics" / "mn04.json").exists()


@pytest.mark.parametrize(
    ("page", "marks"),
    [("results", ["results", "networks", "ablations"]), ("speed", ["benchmarks"])],
)
def test_the_pages_have_their_marks(page, marks):
    text = (reference.PAGES / f"{page}.md").read_text()
    for what in marks:
        assert text.count(f"<!-- {what}: ") == text.count(f"<!-- end of {what} -->") == 1


def test_the_smoke_and_the_sample_paper_decide_every_claim_alike():
    """Neither is IRMAS: facts and real clips decide, so that both are refreshed when those are."""
    committed = (paths.reference_dir(), paths.ROOT / "tests" / "golden" / "smoke")
    sample, smoke = (
        json.loads((folder / "metrics" / "comparison.json").read_text())["claims"]
        for folder in committed
    )
    assert smoke == sample
