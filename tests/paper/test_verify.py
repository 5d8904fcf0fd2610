import pandas as pd
import pytest

from irmas_utils import __main__ as main
from irmas_utils.data import corpus, integrity, published
from irmas_utils.paper import workflow
from irmas_utils.paper.claims import verify
from irmas_utils.project import paths, records


def test_without_a_name_every_claim_is_listed(capsys):
    assert main.main(["verify"]) == 0
    lines = capsys.readouterr().out.splitlines()
    ids = [claim["id"] for claim in published.load("paper_claims")["claims"]]
    assert [line.split()[0] for line in lines] == ids


def test_a_proof_is_computed(capsys):
    assert main.main(["verify", "adam-first-step"]) == 0
    told = capsys.readouterr().out
    assert "Expected: 1. Found: 3.162" in told
    assert "Verdict: refuted" in told


def test_an_unknown_claim_is_an_error(capsys):
    assert main.main(["verify", "adam-last-step"]) == 1
    assert "no such claim" in capsys.readouterr().err


@pytest.mark.parametrize("status", [0, 1])
def test_a_score_runs_its_notebook(monkeypatch, tmp_path, capsys, status):
    ran = []
    monkeypatch.setattr(paths, "data_root", lambda: tmp_path)
    monkeypatch.setattr(workflow, "run", lambda *options: ran.append(options) or status)
    monkeypatch.setattr(corpus, "load", lambda cfg: None)
    leaf = {"value": 0.38, "low": 0.375, "high": 0.385}
    found = {"evaluation": {"micro": {"f1": leaf}}}
    monkeypatch.setattr(records, "load_metrics", lambda *_: found)
    assert verify.verify("lstm-f1", "full") == status
    assert ran[0][:2] == ("full", ["03_lstm_model"])
    told = capsys.readouterr().out
    assert f"{published.load('paper_claims')['minutes']['03_lstm_model']} minutes" in told
    assert ("Verdict: confirmed" in told) == (status == 0)


def test_the_data_is_recounted_where_it_is(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(paths, "data_root", lambda: tmp_path / "none")
    assert verify.verify("training-clips", "full") == 0
    assert "Found: 6705" in capsys.readouterr().out
    monkeypatch.setattr(paths, "data_root", lambda: tmp_path)
    monkeypatch.setattr(integrity, "missing", lambda index: [])
    monkeypatch.setattr(corpus, "load", lambda cfg: pd.DataFrame({"split": ["training"] * 6660}))
    assert verify.verify("training-clips", "full") == 0
    assert "Verdict: refuted" in capsys.readouterr().out
