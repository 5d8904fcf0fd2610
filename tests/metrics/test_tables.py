import json

import numpy as np
import pandas as pd
import pytest

from irmas_utils.data import corpus
from irmas_utils.data.index import load_index
from irmas_utils.metrics import evaluation, tables
from irmas_utils.project import settings
from irmas_utils.project.errors import DataError
from irmas_utils.project.vocabulary import INSTRUMENTS

CFG = settings.load("smoke", evaluation={"validation_fraction": 0.5})


@pytest.fixture
def parts(tiny_irmas):
    return corpus.split(load_index(tiny_irmas), CFG)


def test_parts_share_no_recording(parts):
    recordings = [set(part["recording"]) for part in parts]
    assert not recordings[0] & recordings[1]
    assert sum(map(len, parts)) == 69
    assert "| validation |      33 |" in parts.sizes()


@pytest.mark.parametrize(("keep", "missing"), [("training", "testing"), ("testing", "training")])
def test_an_empty_part_is_an_error(tiny_irmas, keep, missing):
    index = load_index(tiny_irmas)
    with pytest.raises(DataError, match=f"no {missing} clips"):
        corpus.split(index[index["split"] == keep], CFG)


@pytest.mark.parametrize(
    ("seconds", "means", "values"),
    [
        ([5, 20, 7, 18, 6, 19], [5.5, 12.5, 19.5], [1, 2 / 3, 0]),
        ([5, 20, 20], [5, 20], [1, 0]),  # what is of one length stays together
        ([5, 20, 20, 20], [16.25], [0.4]),
        ([5, 5, 5], [], []),
    ],
)
def test_thirds_of_the_clips_by_their_length(seconds, means, values):
    n = len(seconds)
    clips = {"duration": seconds, "labels": [("cel",)] * n, "recording": [*map(str, range(n))]}
    clips, scores = pd.DataFrame(clips, index=range(7, 7 + n)), np.zeros((n, 11))
    scores[:, 0] = np.array(seconds) < 10
    found = evaluation.by_duration(clips, scores, CFG)
    names = {0: [], 1: ["shortest"], 2: ["shortest", "longest"]}
    assert [*found] == names.get(len(means), ["shortest", "middle", "longest"])
    assert [part["seconds"] for part in found.values()] == means
    assert [part["value"] for part in found.values()] == pytest.approx(values)


def test_scores_tables_and_summary(parts):
    scores = {seed: np.full((3, 11), 0.4, np.float32) for seed in (0, 1)}
    scores[0][:, 4] = scores[1][:, 4] = 0.9
    whole = evaluation.score(parts.testing, scores[0], CFG)
    assert whole["per_label"]["gel"]["recall"]["value"] == 1
    table = tables.average_table({"ours": whole, **evaluation.trivial(parts, CFG)})
    assert table["system"].tolist()[:2] == ["ours", "prior top-1"]
    labels = tables.per_label_table(whole)
    assert labels["instrument"].tolist()[4] == "electric guitar"
    assert labels["predicted"].tolist()[4] == 3
    said = {seed: (s, 0.5) for seed, s in scores.items()}
    history = pd.DataFrame({"seed": [0, 1], "epoch": [1, 1], "seconds": [1.0, 3.0]})
    found = evaluation.summary(parts.testing, whole, said, history, n_parameters=5)
    result = json.loads(json.dumps(found))
    assert result["answers"][1] == {"seed": 1, "answers": 1, "commonest": "gel", "share": 1.0}
    assert result["over_seeds"]["micro_f1"]["values"] == [table["micro F1"][0]] * 2
    assert result["seconds_per_epoch"] == 2.0


def test_the_ranked_prior_names_three_and_ranks_all(parts):
    trivial = evaluation.trivial(parts, CFG)
    ranked, tied = trivial["prior, ranked"], trivial["prior top-3"]
    assert ranked["micro"] == tied["micro"]
    assert ranked["labels_per_clip"]["predicted"] == 3
    # By hand: the labels of each testing clip among the places of the training frequencies.
    training = pd.concat([parts.fitting, parts.validation])["labels"].explode().value_counts()
    order = sorted(INSTRUMENTS, key=lambda code: -training.get(code, 0))  # stable, as IRMAS's
    places = [
        sorted(order.index(code) + 1 for code in labels) for labels in parts.testing["labels"]
    ]
    by_hand = [np.mean([(n + 1) / place for n, place in enumerate(clip)]) for clip in places]
    assert ranked["lrap"]["value"] == pytest.approx(np.mean(by_hand))
    assert ranked["lrap"]["value"] != tied["lrap"]["value"]


def test_answers_count_what_differs():
    decisions = np.zeros((4, 11), bool)
    decisions[0, 2] = True
    row = evaluation.answers({7: decisions}).iloc[0]
    assert (row["seed"], row["answers"], row["commonest"], row["share"]) == (7, 2, "none", 0.75)


def test_rows_of_the_comparison_are_sorted_within_their_kind(parts):
    ours = evaluation.trivial(parts, CFG)
    rows = tables.comparison_rows(ours, ours, {"a": 0.1, "b": 0.2})
    assert rows["kind"].unique().tolist() == ["ours", "trivial", "published"]
    assert rows["name"].tolist()[-2:] == ["b", "a"]
    assert rows[rows["kind"] == "ours"]["value"].is_monotonic_decreasing


def test_texts_of_digits_are_shown_as_they_are():
    table = pd.DataFrame({"what": ["rate", None], "A": ["0.0002", "1e5"], "x": [0.5, np.nan]})
    shown = tables.markdown(table.astype(object).where(table.notna(), None))
    rows = [line.replace(" ", "") for line in shown.splitlines()[2:]]
    assert rows == ["|rate|0.0002|0.500|", "|–|1e5|–|"]
