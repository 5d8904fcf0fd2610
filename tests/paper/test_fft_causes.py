import numpy as np
import pandas as pd
import pytest

from irmas_utils.models import fft_variants
from irmas_utils.paper import discussion, fft_causes
from irmas_utils.project import records, settings
from irmas_utils.project.runs import Outcome
from irmas_utils.project.vocabulary import INSTRUMENTS

CFG = settings.load("smoke", study={"fft": {"causes": {"changes": ["binary"]}}})
RNG = np.random.default_rng(0)
TRUE = np.eye(11)[RNG.integers(11, size=40)]


def clips(prefix):
    labels = [(INSTRUMENTS[k],) for k in TRUE.argmax(axis=1)]
    names = [f"{prefix} {k}" for k in range(40)]
    return pd.DataFrame({"name": names, "recording": names, "labels": labels,
                         "duration": np.linspace(5, 20, 40)})  # fmt: skip


def scores(noise):
    return np.clip(0.55 + 0.3 * TRUE + noise * RNG.normal(size=TRUE.shape), 0.51, 1)


@pytest.fixture
def record(monkeypatch):
    """A network whose every score is above .5, and one that hears better."""
    of = {part: clips(part) for part in ("fitting", "validation", "testing", "mixtures")}

    def trained(name, change, parts, mixed, cfg):
        noise = 0.02 if name == "binary" else 0.2
        keys = [f"{p} {c}" for p in ("fitting", "validation") for c in fft_variants.CENTS]
        keys += [f"{p}{e}" for p in ("testing", "mixtures")
                 for e in ("", " norm", " peak", " windows")]  # fmt: skip
        return Outcome({key: scores(noise) for key in keys}, {"n_parameters": 7}), of

    monkeypatch.setattr(fft_variants, "trained", trained)
    monkeypatch.setattr(fft_causes.mixtures, "make", lambda *_: of["mixtures"])
    record = records.Record("06_fft_hyperparameters", CFG)
    parts = fft_causes.Splits(of["fitting"], of["validation"], of["testing"])
    fft_causes.examine(["binary"], parts, record)
    return record, of["testing"]


def test_causes_are_told_apart(record):
    table = fft_causes.table(CFG).set_index("name")
    assert [*table.index] == [*fft_causes.COMPUTED, "binary"]
    assert table.loc["printed", "cut"] == 0
    assert table.loc["printed", "labels a clip"] == 11  # all of them are above .5
    assert table.loc["cut", "labels a clip"] < 5
    assert table.loc["binary", "fitting 0"] == 1
    verdicts = discussion.dense_causes(CFG).set_index("idea")["verdict"]
    assert verdicts["own cut"].startswith("supported")
    assert verdicts["binary loss"].startswith("supported")
    assert verdicts["norm of a clip of 3 s"].startswith("inconclusive")


def test_of_a_training_that_learnt_not_even_its_excerpts_nothing_follows(record):
    found = records.load_metrics(CFG.profile, "fft-cause-binary")
    found["accuracy"]["fitting 0"] |= {"value": 0.1, "low": 0.08}
    record[0].save_metrics(found, "fft-cause-binary")
    causes = discussion.dense_causes(CFG).set_index("idea")["verdict"]
    assert causes["binary loss"] == "cannot tell, not even its excerpts are learnt"
    assert causes["own cut"].startswith("supported")


def test_what_has_not_been_tried_is_left_out(record):
    records.discard(CFG.profile, "fft-cause-binary")
    assert discussion.dense_causes(CFG)["verdict"].count() == len(fft_causes.COMPUTED) - 1
    for name in fft_causes.COMPUTED:
        records.discard(CFG.profile, f"fft-cause-{name}")
    assert discussion.dense_causes(CFG).empty


def test_scores_by_the_length_of_the_clip(record):
    found = fft_causes.by_duration(CFG, record[1])
    assert found.groupby("cause").size().eq(3).all()
    assert found["seconds"].between(5, 20).all()
    assert (found["low"] <= found["value"]).all()
