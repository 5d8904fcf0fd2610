import numpy as np
import pandas as pd
import pytest

from irmas_utils.metrics import evaluation
from irmas_utils.paper import conclusions, studies
from irmas_utils.project import records, settings
from irmas_utils.project.vocabulary import INSTRUMENTS

CFG = settings.load("smoke")
RNG = np.random.default_rng(0)
TRUE = RNG.random((40, 11)) < 0.2
TRUE[:, 0] |= ~TRUE.any(axis=1)


@pytest.mark.parametrize("profile", ["smoke", "sample", "real", "full"])
def test_every_change_of_a_profile_tests_a_reason(profile):
    keys = {key for _, key, _ in studies.changes(settings.load(profile)).values()}
    tested = [key for keys in conclusions.REASONS.values() for key in keys]
    assert keys <= {*tested}
    assert len(tested) == len({*tested})


def test_what_is_concluded_of_real_clips_follows_from_their_table():
    assert "make reference-real" in conclusions.concluded(None)
    assert set(conclusions.by_reason(None).values()) == {conclusions.concluded(None)}
    table = pd.DataFrame({
        "idea": ["samples: units 66", "frames: cell gru", "samples: fraction 0.5"],
        "verdict": ["not supported; 0.01 would", "supported: better; 0.1 would", np.nan],
    })  # fmt: skip
    said = conclusions.by_reason(table)
    assert said["2. size"] == "not supported: samples: units 66."
    assert said["1. structure"] == "supported: better: frames: cell gru."
    assert said["3. data"] == "no cause was put to the test."
    alike = table.assign(verdict="inconclusive; 0.1 would")
    shown = "inconclusive: samples: units 66, fraction 0.5; inconclusive: frames: cell gru."
    assert conclusions.concluded(alike) == shown


def test_what_wakes_a_base_and_what_makes_one_deaf_is_named():
    assert conclusions.turned(None) == ""
    table = pd.DataFrame({
        "idea": ["samples: prior True", "samples: units 66", "frames: n_mels 9", "frames: cell x"],
        "listens": [0.0, 1.0, 0.0, 0.5],
    })  # fmt: skip
    said = conclusions.turned(table)
    assert "most seeds of *samples* listen: samples: units 66;" in said
    assert said.endswith("no seed of *frames* that does: frames: n_mels 9.")


def test_the_best_cause_is_held_against_what_never_listens():
    causes = pd.DataFrame({
        "cause": ["as printed", "bands"], "on mixtures": [0.3, 0.4], "micro F1": [0.35, 0.45],
        "micro F1, 95 % interval": ["0.300–0.400", "0.410–0.490"],
    })  # fmt: skip
    for most, shown in {0.40: "**shown**", 0.42: "**not shown**"}.items():
        said = conclusions.enough(causes, {"top-3": {"micro": {"f1": {"value": most}}}})
        assert said.startswith("**Best on the mixtures: bands.** Its micro F1 is 0.450")
        assert "as printed it was 0.350" in said
        assert said.endswith(shown)
    alone = causes.assign(**{"micro F1, 95 % interval": "–"})  # one song has no interval
    said = conclusions.enough(alone, {"x": {"micro": {"f1": {"value": 0}}}})
    assert said.endswith("**not shown**")


def test_whether_it_was_heard_is_told_by_seed():
    seed = {"information": 0.4, "detectable": 0.5, "commonest": "gel voi", "share": 0.97}
    run = {"answers": [seed, seed | {"information": 0.9}], "heard_seconds": 0.016}
    assert "shown to listen in 1 of 2 seeds" in conclusions.heard(run)
    run["answers"][1] |= {"commonest": "", "share": 1.0}
    assert "by seed: gel voi (97% of the clips), none (100% of the clips)" in conclusions.heard(run)
    assert conclusions.heard(run).endswith("the paper's was gel org pia sax voi.")
    assert "make reference-real" in conclusions.heard(None)


def test_what_the_dense_network_remembers_is_read_of_its_last_epoch(monkeypatch):
    assert records.real_metrics(CFG, "fft"), "the reference has it"
    clips, scores = pd.DataFrame({"labels": [("pia",)], "recording": ["a"]}), np.eye(11)[[6]]
    seed = {"information": 0.9, "detectable": 0.5}
    run = {"answers": [seed], "evaluation": evaluation.score(clips, scores, CFG)}
    history = pd.DataFrame({"epoch": [1, 2, 1, 2], "accuracy": [0.1, 0.9, 0.1, 0.7],
                            "val_accuracy": [0.5, 0.4, 0.5, 0.2]})  # fmt: skip
    monkeypatch.setattr(records, "real_metrics", lambda *_: run)
    monkeypatch.setattr(records, "real_table", lambda *_: history)
    said = conclusions.remembered(CFG)
    assert "after 2 epochs its highest output is right for 80% of the excerpts" in said
    assert "for 30% of those held out; it is shown to listen in 1 of 1 seeds" in said
    assert "names 1.0 labels a clip, at a micro F1 of 1.000" in said
    monkeypatch.setattr(records, "real_table", lambda *_: None)
    assert conclusions.remembered(CFG) == conclusions.concluded(None)


def test_what_the_paper_answers_is_held_against_heads_that_hear_nothing():
    rows = [("gel org", [0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0])] * 3 + [("gel", [0] * 4 + [1] + [0] * 6)]
    rows += [("", [0] * 11)]
    heads = pd.DataFrame([[labels, 0.1, *row] for labels, row in rows],
                         columns=["labels", "share of the paper's", *INSTRUMENTS])  # fmt: skip
    said = conclusions.deaf_heads(heads, "gel", "gel org")
    assert "20.0% end with the paper's labels" in said
    assert "each label by itself, as often as here 32.00%" in said  # .8 times .4
    assert "80% name some of the six most frequent labels and no other, 20% none, 60% all" in said
    assert "likeliest is gel org (3 of 5)" in said


def test_listening_is_told_from_naming(monkeypatch):
    f1 = {"lstm-working": 0.3, "lstm-working-units-220": 0.4, "trivial": None}
    of = lambda value: {"micro": {"f1": {"value": value}}}  # noqa: E731
    found = {run: {"evaluation": of(value)} for run, value in f1.items()}
    found["trivial"] = {"prior top-3": of(0.44), "all eleven": of(0.27)}
    monkeypatch.setattr(records, "real_metrics", lambda _, run: found.get(run))
    said = conclusions.of_use(CFG, None)
    assert "of 2 networks on *frames*, cut at .5, the best micro F1 is 0.400, of units 220" in said
    found.pop("trivial")
    assert conclusions.of_use(CFG, None) == ""


def test_of_real_data_the_networks_that_its_own_profile_runs_are_told(monkeypatch):
    own, f1 = settings.load("smoke", corpus={"source": "irmas"}), {"micro": {"f1": {"value": 0.4}}}
    there = {run: {"evaluation": f1} for run in ("lstm-working", "lstm-working-n_mels-None")}
    monkeypatch.setattr(records, "real_metrics", lambda _, run: there[run])
    monkeypatch.setattr(conclusions.evaluation, "trivial", lambda *_: {"prior": f1})
    assert "of 2 networks on *frames*" in conclusions.of_use(own, None)


def test_bases_that_end_apart_are_named():
    table = pd.DataFrame({"idea": [None, "own cut", "log", "half"], "verdict": "x",
                          "base": [None, 0.36, 0.384, 0.396]})  # fmt: skip
    assert "score 0.384, 0.396: as far" in conclusions.so_far(table, "fft")
    assert "`base`" not in conclusions.so_far(table[:3], "fft")
    assert "25 epochs" in conclusions.so_far(table[:3], "fft")
