import json

import numpy as np
import pandas as pd
import pytest

from irmas_utils.data import index as dataset
from irmas_utils.metrics import tables as experiment
from irmas_utils.project import settings
from irmas_utils.project.errors import DataError
from irmas_utils.project.vocabulary import INSTRUMENTS

CFG = settings.load("smoke", evaluation={"validation_fraction": 0.5})


@pytest.fixture
def parts(tiny_irmas):
    return experiment.split(dataset.load_index(tiny_irmas), CFG)


def test_parts_share_no_recording(parts):
    recordings = [set(part["recording"]) for part in parts]
    assert not recordings[0] & recordings[1]
    assert sum(map(len, parts)) == 69
    assert "| validation |      33 |" in parts.sizes()


@pytest.mark.parametrize(("keep", "missing"), [("training", "testing"), ("testing", "training")])
def test_an_empty_part_is_an_error(tiny_irmas, keep, missing):
    index = dataset.load_index(tiny_irmas)
    with pytest.raises(DataError, match=f"no {missing} clips"):
        experiment.split(index[index["split"] == keep], CFG)


def test_scores_tables_and_summary(parts):
    scores = {seed: np.full((3, 11), 0.4, np.float32) for seed in (0, 1)}
    scores[0][:, 4] = scores[1][:, 4] = 0.9
    by_seed = {seed: experiment.score(parts.testing, s, CFG) for seed, s in scores.items()}
    assert by_seed[0]["per_label"]["gel"]["recall"]["value"] == 1
    table = experiment.average_table({"ours": by_seed[0], **experiment.trivial(parts, CFG)})
    assert table["system"].tolist()[:2] == ["ours", "prior top-1"]
    labels = experiment.per_label_table(by_seed[0])
    assert labels["instrument"].tolist()[4] == "electric guitar"
    assert labels["predicted"].tolist()[4] == 3
    history = pd.DataFrame({"seed": [0, 1], "epoch": [1, 1], "seconds": [1.0, 3.0]})
    result = json.loads(json.dumps(experiment.summary(by_seed, scores, history, n_parameters=5)))
    assert result["answers"][1] == {"seed": 1, "answers": 1, "commonest": "gel", "share": 1.0}
    assert result["over_seeds"]["micro F1"]["values"] == [table["micro F1"][0]] * 2
    assert result["seconds_per_epoch"] == 2.0


def test_answers_count_what_differs():
    scores = np.zeros((4, 11))
    scores[0, 2] = 1
    row = experiment.answers({7: scores}).iloc[0]
    assert (row["seed"], row["answers"], row["commonest"], row["share"]) == (7, 2, "none", 0.75)


def test_rows_of_the_comparison_are_sorted_within_their_kind(parts):
    ours = experiment.trivial(parts, CFG)
    rows = experiment.comparison_rows(ours, ours, {"a": 0.1, "b": 0.2})
    assert rows["kind"].unique().tolist() == ["ours", "trivial", "published"]
    assert rows["name"].tolist()[-2:] == ["b", "a"]
    assert rows[rows["kind"] == "ours"]["value"].is_monotonic_decreasing


def test_training_a_seed_twice_gives_the_same_scores(parts, tmp_path):
    from irmas_utils.audio import batches as pipeline
    from irmas_utils.audio import io as audio
    from irmas_utils.models import fft

    def batches(clips, order=None):
        return pipeline.fixed_batches(clips, lambda p: audio.load_mono(p)[:20], 20, 8, order)

    results = [
        experiment.train_seeds(
            lambda: fft.build(20, [4]),
            batches,
            parts,
            seeds=[3, 5],
            checkpoint_dir=lambda seed, n=n: tmp_path / f"{n}-{seed}",
            loss="binary",
            learning_rate=0.01,
            epochs=2,
        )
        for n in range(2)
    ]
    (history, first), (_, second) = results
    assert history["seed"].tolist() == [3, 3, 5, 5]
    assert np.array_equal(first[3], second[3])
    assert not np.array_equal(first[3], first[5])
    assert first[3].shape == (3, len(INSTRUMENTS))
