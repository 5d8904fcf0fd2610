import numpy as np
import pandas as pd
import pytest

from irmas_utils import metrics
from irmas_utils.metrics import evaluation
from irmas_utils.paper import hypothesis
from irmas_utils.project import records, settings
from irmas_utils.project.vocabulary import INSTRUMENTS

SAMPLE, FULL = settings.load("smoke"), settings.load("full")
TRUE = np.random.default_rng(0).random((60, 11)) < 0.2
TRUE[:, 0] |= ~TRUE.any(axis=1)
CLIPS = pd.DataFrame({
    "name": [f"clip {k}" for k in range(60)],
    "recording": [f"song {k // 2}" for k in range(60)],
    "labels": [tuple(np.array(INSTRUMENTS)[on]) for on in TRUE],
})  # fmt: skip


def write(cfg, run, noise, mixtures=0.5):
    """A system that is wrong about a share of the labels."""
    wrong = np.random.default_rng(1).random(TRUE.shape) < noise
    scores = np.where(TRUE ^ wrong, 0.9, 0.1)
    record = records.Record("07_other_networks", cfg)
    record.save_predictions(CLIPS, scores, metrics.binarize(scores), run)
    found = {"on_mixtures": {"micro": {"f1": {"value": mixtures}}}}
    record.save_metrics(found | {"evaluation": evaluation.score(CLIPS, scores, cfg)}, run)


@pytest.mark.parametrize("cfg", [SAMPLE, FULL], ids=["sample", "irmas"])
@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [(0.02, 0.3, "better"), (0.3, 0.02, "worse"), (0.1, 0.1, "no clear difference")],
)
def test_one_network_against_the_re_run(cfg, ours, theirs, verdict):
    write(cfg, "han", ours)
    write(cfg, "bosch-5", theirs)
    table = hypothesis.judge(cfg).query("against == @hypothesis.RERUN")
    assert table["score"].tolist() == ["micro F1", "macro F1"]
    assert table["verdict"].tolist() == [verdict] * 2
    assert (table["p_adjusted"] >= table["p_value"]).all()


def test_the_best_on_mixtures_is_judged_whatever_it_scores():
    write(SAMPLE, "han", 0.02, mixtures=0.5)
    write(SAMPLE, "mn04", 0.3, mixtures=0.6)
    write(SAMPLE, "ensemble", 0.0, mixtures=0.9)
    write(SAMPLE, "zero-shot", 0.0, mixtures=0.9)
    assert hypothesis.kept(SAMPLE) == "mn04"
    write(SAMPLE, "mn04", 0.0, mixtures=0.4)
    assert hypothesis.kept(SAMPLE) == "han"


@pytest.mark.parametrize(
    ("noise", "verdict", "words"),
    [(0.02, "better", "holds** on IRMAS"), (0.5, "worse", "is not shown to hold** on IRMAS")],
)
def test_on_irmas_the_published_score_decides(noise, verdict, words):
    write(FULL, "han", noise)
    write(FULL, "bosch-5", 0.2)
    table = hypothesis.judge(FULL)
    published = table[table["against"] == hypothesis.PUBLISHED]
    assert published["other"].tolist() == [0.503, 0.432]
    assert published["verdict"].tolist() == [verdict] * 2
    assert (published["low"] < published["difference"]).all()
    assert words in hypothesis.answer(FULL, table)


def test_elsewhere_the_literature_answers_and_is_named():
    write(SAMPLE, "han", 0.5)
    write(SAMPLE, "bosch-5", 0.02)
    table = hypothesis.judge(SAMPLE)
    assert set(table["against"]) == {hypothesis.RERUN}
    said = hypothesis.answer(SAMPLE, table)
    for words in ("by the literature", "Zhong", "0.674", "0.503", "worse than Bosch et al. 5"):
        assert words in said


def test_no_p_is_no_difference():
    tests = pd.DataFrame({"difference": [0.2, -0.2], "p_value": [np.nan, 0.05]})
    assert hypothesis.decided(tests)["verdict"].tolist() == ["no clear difference", "worse"]
