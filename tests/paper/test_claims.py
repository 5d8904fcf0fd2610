"""Published facts agree with each other, and each claim gets the verdict that it deserves."""

import re

import numpy as np
import pandas as pd
import pytest
import yaml

from irmas_utils import metrics
from irmas_utils.data import published
from irmas_utils.paper import claims
from irmas_utils.paper.claims import arithmetic, data
from irmas_utils.paper.claims.finding import Finding
from irmas_utils.project import paths
from irmas_utils.project.vocabulary import INSTRUMENTS

CLAIMS = published.load("paper_claims")["claims"]
PAPER = paths.ROOT.parent / "shared" / "paper.md"


@pytest.fixture(scope="module")
def offline():
    return claims.check().set_index("id")


def irmas_index():
    """An index of the size and counts of the real one."""
    facts, rows = published.load("irmas"), []
    for code, n in facts["training"]["clips"].items():
        rows += [("training", f"{code}{i // 3}__{i % 3}", (code,), 3.0, None) for i in range(n)]
    for part, n in facts["testing"]["parts"].items():
        rows += [("testing", f"{part} {i}", ("cel", "voi"), 5 + i % 16, part) for i in range(n)]
    index = pd.DataFrame(rows, columns=["split", "name", "labels", "duration", "part"])
    return index.assign(recording=index["name"], sample_rate=44100, channels=2)


def perfect_scores():
    y = np.eye(11, dtype=bool).repeat(5, axis=0)
    return metrics.evaluate(y, y, groups=np.arange(55) % 7, n_bootstrap=50)


def test_published_counts_add_up():
    irmas = published.load("irmas")
    training, testing = irmas["training"], irmas["testing"]
    for table in ("clips", "genres", "drums"):
        assert sum(training[table].values()) == training["n_clips"] == 6705
    assert sum(testing["parts"].values()) == testing["n_clips"] == 2874
    by_number = testing["clips_by_number_of_labels"]
    assert sum(by_number.values()) == testing["n_clips"]
    assert sum(n * clips for n, clips in by_number.items()) == testing["n_labels"] == 4917
    assert sum(testing["clips"].values()) == testing["n_labels"]
    for split in (training, testing):
        assert tuple(split["clips"]) == INSTRUMENTS
    bytes_a_second = 44100 * 2 * 2
    assert training["n_clips"] * 3 * bytes_a_second / 2**30 == pytest.approx(3.305, abs=5e-4)
    assert testing["duration_total"] * bytes_a_second / 2**30 == pytest.approx(7.973, abs=5e-4)


def test_archives_have_md5_sums():
    archives = published.load("irmas")["archives"]
    assert len(archives) == 4
    assert all(re.fullmatch("[0-9a-f]{32}", md5) for md5 in archives.values())


def test_every_published_score_has_a_source():
    for system in published.load("state_of_the_art")["systems"]:
        assert system["source"]
        assert 0 < system["micro_f1"] < 1
        assert system["caution"] or not system["suspect"]
    scores = [e["micro_f1"] for e in published.load("bosch2012")["experiments"].values()]
    assert scores == [0.378, 0.451, 0.355, 0.446, 0.503]


def test_load_gives_a_copy():
    published.load("irmas")["training"]["n_clips"] = 1
    assert published.load("irmas")["training"]["n_clips"] == 6705


def test_published_files_have_no_duplicate_keys():
    class Strict(yaml.SafeLoader):
        def construct_mapping(self, node, deep=False):
            keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
            assert len(keys) == len(set(keys)), f"duplicate key in {node.start_mark}"
            return super().construct_mapping(node, deep)

    for file in (paths.PACKAGE / "data" / "published").glob("*.yaml"):
        yaml.load(file.read_text(encoding="utf-8"), Strict)


def test_every_claim_has_a_check_and_every_check_a_claim():
    ids = [claim["id"] for claim in CLAIMS]
    assert len(ids) == len(set(ids))
    for kind, checks in {"arithmetic": arithmetic.CHECKS, "data": data.CHECKS}.items():
        assert set(checks) == {claim["id"] for claim in CLAIMS if claim["kind"] == kind}
    assert all(("metric" in c) == (c["kind"] == "experiment") for c in CLAIMS)


@pytest.mark.skipif(not PAPER.is_file(), reason="the paper's text is not here")
def test_quotes_are_verbatim():
    text = " ".join(PAPER.read_text(encoding="utf-8").split())
    assert [c["id"] for c in CLAIMS if " ".join(c["quote"].split()) not in text] == []


def test_arithmetic_needs_no_data_and_everything_else_does(offline):
    on_sample = offline["verdict"] == claims.NOT_ON_SAMPLE
    assert (on_sample == (offline["kind"] != "arithmetic")).all()
    assert not offline.loc[on_sample, "recomputed"].any()
    sample_index = irmas_index().iloc[::50]
    with_data = claims.check(sample_index, {"lstm": perfect_scores()}).set_index("id")
    assert with_data.equals(offline)


@pytest.mark.parametrize(
    ("claim_id", "verdict", "recomputed"),
    [
        ("lstm-same-output", claims.REFUTED, "about 86 clips differ"),
        ("fft-43-percent-worse", claims.CONFIRMED, "0.4341"),
        ("bosch-best", claims.CONFIRMED, "0.503"),
        ("bosch-worst", claims.REFUTED, "0.355"),
        ("lstm-parameters", claims.CONFIRMED, "159851"),
        ("lstm-steps", claims.CONFIRMED, "132300"),
        ("fft-parameters", claims.CONFIRMED, "40188107"),
        ("fft-features", claims.WITHIN_ROUNDING, "442001"),
        ("fft-window", claims.CONFIRMED, "20.045 s"),
        ("loss-rewards-confidence", claims.REFUTED, "2.3979 and 2.3979"),
        ("lstm-output-vector", claims.CONFIRMED, "gel org pia sax voi"),
        ("lstm-constant-precision", claims.WITHIN_ROUNDING, "0.2553"),
        ("lstm-constant-recall", claims.CONFIRMED, "0.746"),
        ("lstm-constant-f1", claims.CONFIRMED, "0.3804"),
        ("lstm-constant-set", claims.CONFIRMED, "gac gel org pia sax voi"),
        ("fft-f1-from-precision-recall", claims.WITHIN_ROUNDING, "0.2847"),
        ("voice-f1-from-precision-recall", claims.CONFIRMED, "0.6"),
        ("clarinet-f1-from-precision-recall", claims.WITHIN_ROUNDING, "0.03895"),
        ("most-frequent-instruments", claims.CONFIRMED, "5"),
        ("constant-is-best", claims.REFUTED, "gel pia voi"),
        ("fft-too-lenient", claims.CONFIRMED, "6.46 predicted, 1.71 true"),
        ("fft-42-percent-below", claims.CONFIRMED, "0.4235"),
        ("fft-23-percent-below", claims.CONFIRMED, "0.2328"),
    ],
)
def test_arithmetic_verdicts(offline, claim_id, verdict, recomputed):
    row = offline.loc[claim_id]
    assert (row["verdict"], row["recomputed"]) == (verdict, recomputed)


def test_comments_hold_the_numbers_that_explain(offline):
    for claim_id, words in {
        "lstm-constant-f1": "Macro F1 0.179",
        "lstm-constant-set": "596.9, but barely (sigmoid): gac 0.516, sax 0.512",
        "clarinet-base-rate": "cel flu are rarer",
        "clarinet-f1-from-precision-recall": "0.0232",
    }.items():
        assert words in offline.loc[claim_id, "comment"]


def test_constant_scores_equal_those_of_the_matrix():
    counts = claims.label_counts("testing")
    y_true = np.arange(2874)[:, None] < counts
    y_pred = np.tile(np.isin(INSTRUMENTS, metrics.PAPER_CONSTANT), (2874, 1))
    scores = arithmetic.constant_scores(y_pred[0])
    assert scores["precision"] == pytest.approx(3668 / 14370)
    assert scores["recall"] == pytest.approx((y_true & y_pred).sum() / y_true.sum())
    assert scores["f1"] == pytest.approx(metrics.f1(y_true, y_pred, "micro"))
    assert scores["macro_f1"] == pytest.approx(metrics.f1(y_true, y_pred, "macro"))


def test_codes():
    assert arithmetic.codes([1] + [0] * 9 + [1]) == "cel voi"


def test_all_eleven_and_the_top_three():
    everything = arithmetic.constant_scores(np.ones(11, dtype=bool))
    assert (round(everything["f1"], 4), round(everything["macro_f1"], 4)) == (0.2692, 0.2502)
    top = metrics.prior_top(claims.label_counts("training"), 3)
    assert round(arithmetic.constant_scores(top)["f1"], 4) == 0.4404


def test_claims_about_the_data_on_the_complete_set():
    table = claims.check(irmas_index(), is_irmas=True).set_index("id")
    rows = table[table["kind"] == "data"]
    # The recordings really are more; the test durations of `irmas_index` are made up.
    refuted = set(rows.index[rows["verdict"] == claims.REFUTED])
    assert refuted == {"training-recordings", "testing-size"}
    assert set(rows.drop(index=list(refuted))["verdict"]) == {claims.CONFIRMED}
    counts = published.load("irmas")["training"]["clips"].values()
    assert rows.loc["training-recordings", "recomputed"] == str(sum(-(-n // 3) for n in counts))
    assert rows.loc["training-size", "recomputed"] == "3.305"
    assert rows.loc["testing-duration", "recomputed"] == "5, 20"
    assert (table[table["kind"] == "study"]["verdict"] == claims.NOT_CHECKABLE).all()


def test_wrong_data_is_refuted():
    index = irmas_index()
    index.loc[0, "duration"] = 4.0
    index.loc[1, "sample_rate"] = 22050
    index = pd.concat([index, index.iloc[:1].assign(name="another")])
    table = claims.check(index, is_irmas=True).set_index("id")
    for claim_id in ("training-clips", "training-duration", "training-format"):
        assert table.loc[claim_id, "verdict"] == claims.REFUTED


def test_a_part_of_irmas_judges_nothing_about_it():
    part = irmas_index().query("split == 'training'")
    table = claims.check(part, {"lstm": perfect_scores()}, is_irmas=True)
    verdicts = set(table[table["kind"] != "arithmetic"]["verdict"])
    assert verdicts == {claims.NOT_ON_PART}


def test_claims_about_scores_on_the_complete_set():
    scores = perfect_scores()
    scores["micro"]["f1"] = {"value": 0.36, "low": 0.35, "high": 0.381}
    scores["micro"]["recall"] = {"value": 0.754, "low": None, "high": None}
    scores["per_label"]["voi"]["f1"]["value"] = 2
    found = {"lstm-batch-size": Finding("p = .4", holds=True)}
    table = claims.check(irmas_index(), {"lstm": scores, "fft": scores}, found, is_irmas=True)
    verdict = table.set_index("id")["verdict"]
    assert verdict["lstm-f1"] == claims.CONFIRMED  # within our interval
    assert verdict["lstm-recall"] == claims.CONFIRMED  # rounds to it
    assert verdict["lstm-precision"] == claims.REFUTED
    assert verdict["voice-easiest"] == claims.CONFIRMED
    assert verdict["fft-75-epochs"] == claims.NOT_CHECKABLE
    assert verdict["lstm-batch-size"] == claims.CONFIRMED
