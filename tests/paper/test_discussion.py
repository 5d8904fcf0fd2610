import numpy as np
import pandas as pd
import pytest

from irmas_utils import metrics
from irmas_utils.paper import conclusions, discussion, hypothesis, studies
from irmas_utils.paper.discussion import Idea
from irmas_utils.project import records, settings
from irmas_utils.project.errors import DataError
from irmas_utils.project.vocabulary import INSTRUMENTS

CFG = settings.load("smoke", networks={"variants": ["han-wide", "mn04-balanced"]})
RNG = np.random.default_rng(0)
TRUE = RNG.random((40, 11)) < 0.2
TRUE[:, 0] |= ~TRUE.any(axis=1)


def write(run, scores, threshold=None, names=None, mixtures=0.5):
    record = records.Record("07_other_networks", CFG)
    names = names or [f"clip {k}" for k in range(len(scores))]
    labels = [tuple(np.array(INSTRUMENTS)[on]) for on in TRUE]
    clips = pd.DataFrame({"name": names, "recording": names, "labels": labels})
    record.save_predictions(clips, scores, metrics.binarize(scores, threshold or 0.5), run)
    found = {"on_mixtures": {"micro": {"f1": {"value": mixtures}}}}
    record.save_metrics(found | ({"thresholds": threshold} if threshold else {}), run)


def noisy(noise, seed):
    return np.clip(TRUE * 0.4 + np.random.default_rng(seed).uniform(0.05, noise, TRUE.shape), 0, 1)


@pytest.fixture
def runs():
    write("han", noisy(0.6, 1), threshold=0.4)
    write("lstm", np.tile(np.linspace(0.3, 0.6, 11), (40, 1)))
    write("fft", noisy(0.8, 2))


def test_one_system_combined_answers_as_it_did(runs):
    clips, scores = discussion.combined(CFG, ["han"])
    _, before, decisions = records.load_predictions("smoke", "han")
    assert (metrics.binarize(scores) == decisions).all()
    assert metrics.clip_lrap(TRUE, scores).mean() == metrics.clip_lrap(TRUE, before).mean()
    assert clips["name"].iloc[0] == "clip 0"


def test_systems_count_the_same_whatever_their_thresholds(runs):
    _, scores = discussion.combined(CFG, ["han", "fft"])
    write("shifted", metrics.relative(noisy(0.6, 1), 0.4))  # the same system, cut at 0.5
    _, same = discussion.combined(CFG, ["shifted", "fft"])
    np.testing.assert_allclose(scores, same, atol=1e-5)
    alone = [discussion.combined(CFG, [run])[1] for run in ("han", "fft")]
    assert ((scores >= np.minimum(*alone)) & (scores <= np.maximum(*alone))).all()
    assert metrics.clip_lrap(TRUE, scores).mean() > max(
        metrics.clip_lrap(TRUE, own).mean() for own in alone
    )


def test_each_run_keeps_the_threshold_that_it_was_recorded_with(runs):
    _, scores = discussion.combined(CFG, ["han"])
    recorded = records.Record("08_bosch_baselines", CFG)
    recorded.save_metrics({"threshold": 0.4}, "han")
    assert (discussion.combined(CFG, ["han"])[1] == scores).all()
    recorded.save_metrics({}, "han")
    assert (discussion.combined(CFG, ["han"])[1] != scores).all()


def test_other_clips_are_an_error(runs):
    write("fft", noisy(0.8, 2), names=[f"other {k}" for k in range(40)])
    with pytest.raises(DataError, match=r"fft\.csv.*make paper"):
        discussion.combined(CFG, ["han", "fft"])


def test_the_order_of_a_systems_rows_does_not_matter(runs):
    questions = {"x": ([Idea("up", ("han",), ("fft",))], "micro_f1")}
    clips, before = discussion.combined(CFG, ["han", "fft"])
    compared = discussion.compare(CFG, questions)["x"]
    turned, scores, decisions = (part[::-1] for part in records.load_predictions("smoke", "fft"))
    record = records.Record("07_other_networks", CFG)
    record.save_predictions(turned, scores, decisions, "fft")
    turned = discussion.compare(CFG, questions)["x"]
    pd.testing.assert_frame_equal(turned, compared)
    again, after = discussion.combined(CFG, ["han", "fft"])
    np.testing.assert_array_equal(after, before)
    assert again["name"].tolist() == clips["name"].tolist()


def test_a_comparison_tells_better_from_worse(runs):
    ideas = [Idea("up", ("han",), ("lstm",)), Idea("down", ("lstm",), ("han",)),
             Idea("same", ("han",), ("han",))]  # fmt: skip
    found = discussion.compare(CFG, {m: (ideas, m) for m in ("micro_f1", "lrap", "gain")})
    for table in found.values():
        assert table["verdict"].tolist() == ["better", "worse", "no clear difference"]
    assert table["share"].tolist()[1] == 1
    same = discussion.summary(table)["same"]
    assert same["difference"] == 0
    assert same["lrap"] == table["LRAP"].iloc[0]


def test_the_ensemble_takes_every_network_that_was_trained_and_has_results(runs):
    def members():
        ideas = {idea.idea.split(" of ")[0]: idea for idea in discussion.outlook(CFG)}
        return ideas["ensemble"].systems

    assert members() == ("lstm", "fft", "han")
    for run in ("zero-shot", "probe", "mn04", "ensemble", *(f"bosch-{n}" for n in range(1, 6))):
        write(run, noisy(0.5, 5))
    bosch = tuple(f"bosch-{n}" for n in range(1, 6))
    assert members() == ("lstm", "fft", "han", "probe", "mn04", *bosch)


def test_ideas_follow_the_results(runs):
    names = [idea.idea for idea in discussion.outlook(CFG)]
    wide = settings.load("smoke", networks={"plans": {"han": {"width": 1}}})
    assert "spectrogram images, han ×0.125" in names  # of another width than as published
    assert "larger network, han ×0.125" not in names
    assert "spectrogram images" in [idea.idea for idea in discussion.outlook(wide)]
    assert hypothesis.kept(CFG) == "han"
    assert discussion.ablation(CFG) == []
    write("han-wide", noisy(0.5, 3), threshold=0.4)
    write("mn04", noisy(0.5, 4), threshold=0.4, mixtures=0.6)
    assert "larger network, han ×0.125" in [idea.idea for idea in discussion.outlook(CFG)]
    assert discussion.ablation(CFG) == []  # one family must not count a pair twice
    write("mn04-alone", noisy(0.5, 3), threshold=0.4)
    more = settings.load("smoke", networks={"variants": ["han-wide", "mn04-alone"]})
    assert [idea.systems for idea in discussion.ablation(more)] == [("mn04-alone",)]
    assert hypothesis.kept(CFG) == "mn04"


def test_the_adjusted_p_of_the_whole_family_decides(runs, monkeypatch):
    monkeypatch.setattr(discussion.metrics, "paired_test", lambda *_, **__: TEST)
    idea = Idea("up", ("han",), ("lstm",))
    alone = discussion.compare(CFG, {"a": ([idea], "lrap")})["a"]
    assert alone["verdict"].item() == "better"
    one, two = discussion.compare(CFG, {"a": ([idea], "lrap"), "b": ([idea], "micro_f1")}).values()
    assert one["p_adjusted"].item() == two["p_adjusted"].item() == 0.06
    assert one["verdict"].item() == "no clear difference"  # though its interval leaves out zero
    found = [table["seen"].item() for table in (one, alone)]
    assert found == pytest.approx([0.095 * 2.2414 / 1.96, 0.095], rel=1e-3)  # two tests and one
    assert discussion.compare(CFG, {"a": ([idea], "lrap"), "b": ([], "lrap")})["b"].empty


def test_what_lies_within_the_margin_is_called_neither_better_nor_worse(runs, monkeypatch):
    test = {"difference": -0.005, "low": -0.012, "high": -0.001, "p_value": 0.001}
    monkeypatch.setattr(discussion.metrics, "paired_test", lambda *_, **__: test)
    asked = {"a": ([Idea("x", ("han",), ("lstm",))], "gain")}
    found = discussion.compare(CFG, asked)["a"]
    assert found["verdict"].tolist() == ["too small to matter"]
    test["low"] = -0.03
    assert discussion.compare(CFG, asked)["a"]["verdict"].tolist() == ["worse"]


TEST = {"difference": 0.1, "low": 0.01, "high": 0.2, "p_value": 0.03}


@pytest.mark.parametrize(
    ("verdict", "high", "gain", "said"),
    [
        ("better", 0.2, 0.1, "supported; 0.050 would have been seen"),
        ("worse", -0.1, 0.1, "not supported: worse"),
        ("no clear difference", 0.1, 0.1, "inconclusive; 0.050 would have been seen"),
        ("too small to matter", 0.01, 0.1, "not supported; 0.050 would have been seen"),
        ("no clear difference", 0.1, 0.015, "cannot tell, deaf either way"),
    ],
)
def test_a_change_helps_does_not_or_it_is_left_open(verdict, high, gain, said):
    row = {"verdict": verdict, "high": high, "gain": gain, "gain without": 0.019, "seen": 0.05}
    assert discussion._helps(row) == said


ROW = {"verdict": "no clear difference", "low": -0.01, "high": 0.01, "seen": 0.01, "deaf": False}


def test_a_cause_matters_does_not_or_is_left_open():
    assert discussion._weighed(ROW) == "not supported; 0.010 would have been seen"
    assert discussion._weighed(ROW | {"low": -0.1}).startswith("inconclusive; 0.010")
    assert discussion._weighed(ROW | {"verdict": "worse"}).startswith("supported: worse;")
    said = "cannot tell, deaf either way; 0.080 bits would have been seen"
    assert discussion._weighed(ROW | {"deaf": True, "detectable": 0.08}) == said


def test_causes_that_have_not_been_run_yet_are_left_out(runs, monkeypatch):
    facts = {"information": [0.1], "detectable": [0.2], "listens": [0.0]}
    monkeypatch.setattr(studies, "rows", lambda *_: pd.DataFrame({"value": _[-1:], **facts}))
    write("lstm-working-n_mels-None", noisy(0.5, 1))
    assert discussion.lstm_causes(CFG).empty  # without its base it tells nothing
    write("lstm-working", noisy(0.2, 2))
    found = discussion.lstm_causes(CFG)
    assert found["idea"].tolist() == ["frames: n_mels None"]
    assert found["verdict"].item().startswith("cannot tell, deaf either way")
    facts["listens"] = [1.0]
    assert "would have been seen" in discussion.lstm_causes(CFG)["verdict"].item()
    assert "cannot tell" not in discussion.lstm_causes(CFG)["verdict"].item()
    asked = len(studies.changes(settings.load("real")))
    assert f"Of its {asked} changes 1 have been run" in conclusions.so_far(found)
    every = pd.DataFrame({"verdict": ["x"] * asked})
    assert conclusions.so_far(every) == f"All its {asked} changes have been run."
    assert conclusions.so_far(None) == conclusions.so_far(None, "fft") == ""
    assert "Of its 11 changes 1 have been run" in conclusions.so_far(found, "fft")
