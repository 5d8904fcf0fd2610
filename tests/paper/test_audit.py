"""Stated scores against the official counts: what could be, what could not, and three papers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from irmas_utils import __main__ as cli
from irmas_utils import metrics
from irmas_utils.data import published
from irmas_utils.paper import audit
from irmas_utils.project.errors import DataError

relaxed = settings(deadline=None, max_examples=60)
TESTING = published.load("irmas")["testing"]
ART = {each["id"]: each for each in published.load("state_of_the_art")["systems"]}


def verdicts(**texts):
    checks, rows = audit.audit({key.replace("_", "-"): text for key, text in texts.items()})
    return dict(zip(checks["check"], checks["verdict"], strict=True)), rows


@relaxed
@given(st.integers(0, 4917), st.integers(0, 26697), st.integers(2, 4))
def test_what_counts_give_is_possible(tp, fp, digits):
    scores = tp / max(tp + fp, 1), tp / 4917, 2 * tp / (tp + fp + 4917)
    stated = [audit.read("f1", f"{score:.{digits}f}") for score in scores]
    fits = audit.counts(*stated)
    (row,) = fits[fits[:, 0] == tp]
    assert row[1] <= tp + fp <= row[2]


@relaxed
@given(hnp.arrays(float, (2, 11), elements=st.floats(0, 1)))
def test_the_mean_of_f1_is_possible(ratios):
    precision, recall = ratios
    sums = np.where(precision + recall > 0, precision + recall, 1)
    f1 = (2 * precision * recall / sums).mean()
    names = ("macro_precision", "macro_recall", "macro_f1")
    values = (precision.mean(), recall.mean(), f1)
    found, _ = verdicts(**{n: f"{v:.3f}" for n, v in zip(names, values, strict=True)})
    assert found["macro scores"].startswith("possible")


CLIPS = np.array([*TESTING["clips"].values()])
NAMES = [f"{average}{each}" for average in ("", "macro_") for each in ("precision", "recall", "f1")]


def scores(hits, alarms):
    """Return the six scores of an instrument's counts, (11,) each."""
    counts = np.stack([hits, alarms, CLIPS - hits])
    found = [metrics.from_counts(counts, average) for average in ("micro", "macro")]
    return dict(zip(NAMES, (v for each in found for v in each.values()), strict=True))


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_no_counts_of_the_instruments_are_impossible(data):
    shares = st.sampled_from([0, 1e-3, 0.02, 0.5, 0.98, 0.999, 1]) | st.floats(0, 1)
    missed, alarmed = (
        np.array(data.draw(st.lists(shares, min_size=11, max_size=11))) for _ in "ab"
    )
    hits = CLIPS - np.floor(missed * CLIPS)
    alarms = np.floor(alarmed * data.draw(st.sampled_from([1, 0.01])) * (2874 - CLIPS))
    told = data.draw(st.sets(st.sampled_from(NAMES), min_size=1))
    digits = data.draw(st.integers(2, 5))
    texts = {name: f"{value:.{digits}f}" for name, value in scores(hits, alarms).items()}
    found, _ = verdicts(**{name: texts[name] for name in told})
    assert not [verdict for verdict in found.values() if verdict.startswith("impossible")]


@pytest.mark.parametrize(
    ("micro", "macro"),
    [
        (("1.000", "1.000", "1.000"), {"macro_recall": ".990"}),
        (("1.000", "1.000", "1.000"), {"macro_precision": ".990"}),
        (("1.000", "1.000", "1.000"), {"macro_f1": ".980"}),
        ((".990", ".990", None), {"macro_precision": ".100"}),
        ((".254", ".750", None), {"macro_precision": ".680"}),
        ((".254", ".750", None), {"macro_recall": ".900"}),
        ((None, ".750", None), {"macro_recall": ".390"}),
        ((".254", ".750", None), {"macro_f1": ".800"}),
    ],
)
def test_macro_scores_that_the_micro_scores_leave_no_room_for_are_impossible(micro, macro):
    texts = {k: v for k, v in zip(NAMES, micro, strict=False) if v} | macro
    found, _ = verdicts(**texts)
    assert found["micro scores"] == "possible"
    assert found["macro scores"].startswith("impossible")


def test_the_bounds_of_macro_scores_are_near_what_counts_reach():
    first = np.arange(11) == CLIPS.argmin()
    lost = scores(
        CLIPS - CLIPS * first, 300 * (np.arange(11) == CLIPS.argmax())
    )  # one instrument is missed
    micro = [audit.read(name, f"{lost[name]:.6f}") for name in NAMES[:3]]
    precision, recall = audit._reach(audit.counts(*micro))
    assert recall.low == pytest.approx(lost["macro_recall"], abs=1e-3)
    assert precision.low < lost["macro_precision"] < precision.high
    assert recall.high < 1
    spread = scores(CLIPS, np.full(11, 10))
    micro = [audit.read(name, f"{spread[name]:.6f}") for name in NAMES[:3]]
    precision, _ = audit._reach(audit.counts(*micro))
    assert spread["macro_precision"] - 0.05 < precision.low < spread["macro_precision"]


@pytest.mark.parametrize("zero", ["0.0000", "0.00000", "0.000", "0"])
def test_a_system_without_a_hit_is_possible(zero):
    assert verdicts(precision=zero, recall=zero, f1=zero)[0]["micro scores"] == "possible"
    found, _ = verdicts(precision="0.0000", recall="0.0000", f1="0.5000")
    assert found["micro scores"] == "impossible"


def test_what_no_counts_give_is_impossible():
    assert verdicts(precision=".25", recall=".75", f1=".45")[0]["micro scores"] == "impossible"
    assert verdicts(precision=".01", recall=".90")[0]["micro scores"] == "impossible"
    found, _ = verdicts(macro_precision=".500", macro_recall=".500", macro_f1=".600")
    assert found["macro scores"].startswith("impossible")
    for one in ("macro_precision", "macro_recall"):
        found, _ = verdicts(**{one: ".1", "macro_f1": ".9"})
        assert found["macro scores"].startswith("impossible")
        assert verdicts(**{one: ".5", "macro_f1": ".6"})[0]["macro scores"] == "possible"
    found, _ = verdicts(macro_precision=".54", macro_recall=".51", macro_f1=".525")
    assert "F1 of the mean" in found["macro scores"]
    assert verdicts(lrap=".10")[0]["LRAP"] == "impossible"


def test_bounds_of_lrap_are_those_of_rankings():
    rng = np.random.default_rng(0)
    sizes = TESTING["clips_by_number_of_labels"]
    labels = np.concatenate([np.tile(np.arange(11) < k, (n, 1)) for k, n in sizes.items()])
    worst = np.tile(np.arange(11) / 11, (len(labels), 1))
    random = np.mean([metrics.clip_lrap(labels, rng.random(labels.shape)).mean() for _ in range(9)])
    _, found, _ = audit._lrap(audit.read("lrap", "0.5"))
    floor, chance = (float(text.strip(" randomikgstle;")) for text in found.split(";"))
    assert floor == pytest.approx(metrics.clip_lrap(labels, worst).mean(), abs=1e-4)
    assert chance == pytest.approx(random, abs=0.004)


def test_the_error_of_independent_decisions():
    rng = np.random.default_rng(0)
    tp, errors = 2500, 3000
    drawn = rng.binomial(tp + errors, tp / (tp + errors), 4000)
    f1 = 2 * drawn / (tp + errors + drawn)
    value = 2 * tp / (2 * tp + errors)
    scale = np.sqrt((tp + errors) / (4917 * (2 - value)))  # as many decisions as are assumed
    assert f1.std() * scale == pytest.approx(audit.errors("micro_f1", value)[0], rel=0.05)
    assert audit.errors("micro_f1", value)[1] > audit.errors("micro_f1", value)[0]


def test_the_paper():
    lstm, rows = verdicts(precision=".25", recall=".75", f1=".38")
    assert lstm["micro scores"] == "possible"
    assert lstm["micro F1 beside trivial predictors"] == (
        "not above prior top-3; equal to paper's constant"
    )
    assert rows.set_index("system")["verdict"]["Bosch et al. 1: mono"] == "not told apart"
    assert rows.set_index("system")["verdict"]["Han et al. 2017, CNN"] == "lower"
    fft, _ = verdicts(precision=".18", recall=".68", f1=".29")
    assert fft["micro scores"] == "possible"
    assert "not above prior top-3" in fft["micro F1 beside trivial predictors"]


@pytest.mark.parametrize("name", ["han2017", "zhong2023", "reghunath2022"])
def test_published_papers_are_possible_and_above_trivial(name):
    texts = {
        "f1": ART[name]["micro_f1"],
        "macro_f1": ART[name]["macro_f1"],
        "lrap": ART[name]["lrap"],
    }
    found, rows = verdicts(**{key: str(value) for key, value in texts.items() if value})
    assert all(v.startswith(("possible", "above all")) for v in found.values())
    assert set(rows["verdict"]) >= {"higher", "not told apart"}


def test_the_command(capsys):
    assert cli.main(["audit", "--precision", ".25", "--recall", ".75"]) == 0
    assert "equal to paper's constant" in capsys.readouterr().out  # by its implied F1
    assert cli.main(["audit"]) == 1
    assert cli.main(["audit", "--f1", "50.3"]) == 1
    assert "of percent, a hundredth" in capsys.readouterr().err


def test_macro_precision_and_recall_bound_their_f1(capsys):
    assert cli.main(["audit", "--macro-precision", ".50", "--macro-recall", ".50"]) == 0
    out = capsys.readouterr().out
    assert "F1 of 0.0000 to 0.5050" in out
    assert "| possible  |" in out
    assert cli.main(["audit", "--macro-recall", ".50"]) == 0
    assert "Nothing is published to check these alone with." in capsys.readouterr().out


@pytest.mark.parametrize("text", ["x", "nan", "-.1", "1.01", "", "inf", "0e999999", "snan"])
def test_what_is_no_score_is_refused(text):
    with pytest.raises(DataError, match="0 to 1"):
        audit.read("f1", text)
