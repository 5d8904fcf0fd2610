from types import SimpleNamespace

import numpy as np
import pandas as pd

from irmas_utils.audio import windows
from irmas_utils.paper.report import Report
from irmas_utils.project import records, settings

CFG = settings.load("smoke")


def test_a_network_answers_once_by_the_mean_of_its_seeds_logits():
    clips = pd.DataFrame({"name": list("ab"), "recording": list("ab"), "duration": [5.0, 9.0]})
    clips["labels"] = [("cel",)] * 2
    rng = np.random.default_rng(0)
    scores = {seed: rng.uniform(0.1, 0.9, (2, 11)) for seed in (0, 1, 2)}
    history = pd.DataFrame({"epoch": [1] * 3, "seconds": [1.0] * 3, "seed": [0, 1, 2]})
    trained = SimpleNamespace(scores=scores, history=history, facts={})
    network = SimpleNamespace(name="lstm", settings=CFG.lstm)
    record = records.Record("03_lstm_model", CFG, run="lstm-own")
    report = Report(network, trained, SimpleNamespace(testing=clips), record)
    report.answers()
    report.save()
    _, saved, decisions = records.load_predictions("smoke", "lstm-own")
    joined = windows.aggregate(np.stack(list(scores.values())))
    np.testing.assert_allclose(saved, joined, rtol=1e-6)
    assert (decisions == (joined > 0.5)).all()
    found = records.load_metrics("smoke", "lstm-own")
    assert found["evaluation"]["labels_per_clip"]["predicted"] == (joined > 0.5).sum() / 2
    assert len(found["over_seeds"]["lrap"]["values"]) == 3
