"""Metrics against scikit-learn, hand-made cases, and golden values."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sklearn_metrics

from irmas_utils import metrics
from irmas_utils.project.vocabulary import INSTRUMENTS

GOLDEN = Path(__file__).parent.parent / "golden" / "metrics.json"
TRAINING_COUNTS = [388, 505, 451, 637, 760, 682, 721, 626, 577, 580, 778]

clips = st.integers(1, 30)
scores = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5000001, 0.75, 0.9, 1.0]) | st.floats(0, 1)
relaxed = settings(deadline=None, max_examples=60)


@st.composite
def predictions(draw):
    """A label matrix and a score matrix of the same shape; ties and empty rows included."""
    shape = (draw(clips), len(INSTRUMENTS))
    return draw(hnp.arrays(bool, shape)), draw(hnp.arrays(float, shape, elements=scores))


def fake_system(n_clips=400, n_groups=40, seed=0, noise=1.0):
    """Labels, scores and groups with the label dependence within a group that songs have."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(n_groups, size=n_clips)
    tendency = rng.normal(-1.2, 1, (n_groups, len(INSTRUMENTS)))
    labels = tendency[groups] + rng.normal(0, 0.5, (n_clips, len(INSTRUMENTS))) > 0
    logits = 2.0 * labels - 1 + noise * rng.normal(size=labels.shape)
    return labels, 1 / (1 + np.exp(-logits)), groups


@relaxed
@given(predictions(), st.sampled_from([None, *metrics.AVERAGES]))
def test_precision_recall_f1_equal_scikit_learn(data, average):
    y_true, y_score = data
    y_pred = metrics.binarize(y_score)
    ours = metrics.from_counts(metrics.clip_counts(y_true, y_pred).sum(axis=0), average)
    assert list(ours) == ["precision", "recall", "f1"]
    for name, value in ours.items():
        theirs = getattr(sklearn_metrics, f"{name}_score")
        expected = theirs(y_true, y_pred, average=average, zero_division=0)
        assert value == pytest.approx(expected)
    np.testing.assert_array_equal(metrics.f1(y_true, y_pred, average), ours["f1"])


@relaxed
@given(predictions())
def test_lrap_equals_scikit_learn(data):
    expected = sklearn_metrics.label_ranking_average_precision_score(*data)
    assert metrics.clip_lrap(*data).mean() == pytest.approx(expected)


@relaxed
@given(predictions())
def test_cooccurrence_has_the_true_positives_on_its_diagonal(data):
    y_true, y_pred = data[0], metrics.binarize(data[1])
    matrix = metrics.cooccurrence(y_true, y_pred)
    assert matrix[2, 5] == sum(t[2] and p[5] for t, p in zip(y_true, y_pred, strict=True))
    per_label = sklearn_metrics.multilabel_confusion_matrix(y_true, y_pred)
    assert np.diag(matrix).tolist() == per_label[:, 1, 1].tolist()


@relaxed
@given(predictions(), st.integers(0, 3), st.integers(1, 5))
def test_evaluate_is_consistent_with_the_single_metrics(data, seed, n_groups):
    y_true, y_score = data
    y_pred = metrics.binarize(y_score)
    groups = np.arange(len(y_true)) % n_groups
    result = metrics.evaluate(y_true, y_pred, y_score, groups, n_bootstrap=50, seed=seed)
    json.dumps(result, allow_nan=False)
    for average in metrics.AVERAGES:
        assert result[average]["f1"]["value"] == metrics.f1(y_true, y_pred, average)
    assert result["lrap"]["value"] == pytest.approx(metrics.clip_lrap(y_true, y_score).mean())
    recall = sklearn_metrics.recall_score(y_true, y_pred, average=None, zero_division=0)
    for i, code in enumerate(INSTRUMENTS):
        entry = result["per_label"][code]
        assert (entry["support"], entry["predicted"]) == (y_true[:, i].sum(), y_pred[:, i].sum())
        assert entry["recall"]["value"] == pytest.approx(recall[i])
    assert result["n_groups"] == min(n_groups, len(y_true))
    assert (result["micro"]["f1"]["low"] is None) == (result["n_groups"] < 2)


def test_a_lead_of_precision_is_that_over_the_base_rate_of_the_same_songs():
    """Label 0 is named in one song alone, rightly; label 1 at random; label 2 always."""
    groups = np.repeat(np.arange(20), 3)
    y_true = np.zeros((60, 11), int)
    y_true[:3, 0], y_true[::2, 1], y_true[:30, 2] = 1, 1, 1
    y_pred = np.zeros((60, 11), bool)
    y_pred[:3, 0], y_pred[::3, 1], y_pred[:, 2], y_pred[::2, 3] = True, True, True, True
    once, chance, always, wrong, never = metrics.precision_lead(y_true, y_pred, groups)[:5]
    assert once == {"value": pytest.approx(0.95), "low": 0, "high": pytest.approx(0.95)}
    assert chance["low"] < 0 < chance["high"]
    assert always == {"value": 0, "low": 0, "high": 0}
    assert wrong["value"] == never["value"] == 0  # no clip has either
    assert metrics.precision_lead(y_true, y_pred, n_bootstrap=0)[1]["low"] is None


def test_bootstrap_agrees_with_resampling_the_clips_themselves():
    y_true, y_score, groups = fake_system(n_clips=120, n_groups=12)
    y_pred = metrics.binarize(y_score)
    result = metrics.evaluate(y_true, y_pred, y_score, groups, n_bootstrap=4000)
    rng, members = np.random.default_rng(1), [np.flatnonzero(groups == g) for g in range(12)]
    drawn, whole = [], metrics.f1(y_true, y_pred)
    for _ in range(2000):
        rows = np.concatenate([members[g] for g in rng.integers(12, size=12)])
        has_clips, own = y_true[rows].any(axis=0), metrics.f1(y_true[rows], y_pred[rows])
        drawn.append(
            (
                np.where(has_clips, own, whole).mean(),
                metrics.clip_lrap(y_true[rows], y_score[rows]).mean(),
            )
        )
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    for i, leaf in enumerate([result["macro"]["f1"], result["lrap"]]):
        assert leaf["low"] == pytest.approx(low[i], abs=0.01)
        assert leaf["high"] == pytest.approx(high[i], abs=0.01)


def test_groups_widen_the_interval_and_labels_of_any_type_name_them():
    y_true, _, groups = fake_system()
    y_pred = np.repeat([y_true[0]], len(y_true), axis=0)
    width = {}
    for name, keys in {"clip": None, "song": [f"song {g}" for g in groups]}.items():
        leaf = metrics.evaluate(y_true, y_pred, groups=keys)["micro"]["f1"]
        width[name] = leaf["high"] - leaf["low"]
    assert width["song"] > 1.5 * width["clip"]
    as_tuples = metrics.evaluate(y_true, y_pred, groups=[(int(g), "x") for g in groups])
    assert as_tuples["n_groups"] == 40


def test_intervals_cover_the_true_score_about_as_often_as_they_say():
    covered = 0
    y_true, y_score, _ = fake_system(n_clips=40_000, n_groups=4000, seed=5)
    truth = metrics.f1(y_true, metrics.binarize(y_score), "micro")
    for seed in range(100):
        labels, values, groups = fake_system(n_clips=600, n_groups=60, seed=seed)
        leaf = metrics.evaluate(labels, metrics.binarize(values), groups=groups, n_bootstrap=300)
        covered += leaf["micro"]["f1"]["low"] <= truth <= leaf["micro"]["f1"]["high"]
    assert 85 <= covered <= 100


def test_same_seed_gives_identical_bits_and_another_seed_does_not():
    y_true, y_score, groups = fake_system()
    y_pred = metrics.binarize(y_score)
    first = metrics.evaluate(y_true, y_pred, y_score, groups, seed=3)
    assert first == metrics.evaluate(y_true, y_pred, y_score, groups, seed=3)
    assert first != metrics.evaluate(y_true, y_pred, y_score, groups, seed=4)


def test_a_label_of_one_song_does_not_pull_the_macro_average_down():
    y_true = np.eye(11, dtype=bool)[np.arange(44) % 10]
    y_true[0] = np.arange(11) == 10  # the only clip of the eleventh label
    result = metrics.evaluate(y_true, y_true, groups=np.arange(44) // 2, n_bootstrap=300)
    assert result["macro"]["f1"] == {"value": 1, "low": 1, "high": 1}
    assert result["per_label"][INSTRUMENTS[10]]["recall"] == {"value": 1, "low": 1, "high": 1}
    wrong = y_true.copy()
    wrong[0] = False
    test = metrics.paired_test(y_true, y_true, wrong, np.arange(44) // 2, "macro_f1", 300)
    assert test["low"] > 0.08  # everywhere a label better, though most resamples lack it


def test_a_label_without_clips_stays_zero_in_every_resample():
    y_true = np.eye(11, dtype=bool)[np.arange(40) % 10]
    result = metrics.evaluate(y_true, y_true, n_bootstrap=100)
    assert result["macro"]["f1"]["value"] == pytest.approx(10 / 11)
    assert result["macro"]["f1"]["high"] == pytest.approx(10 / 11)
    assert result["per_label"][INSTRUMENTS[10]]["f1"] == {"value": 0, "low": 0, "high": 0}


def test_an_interval_over_seeds_ends_where_its_quantity_does():
    assert metrics.mean_interval([0.1, 0.9], 0, 1) == {"value": 0.5, "low": 0, "high": 1}
    assert metrics.mean_interval([0.1, 0.9])["low"] < -4


def test_golden_values():
    y_true, y_score, groups = fake_system(n_clips=60, n_groups=9, seed=7)
    result = metrics.evaluate(y_true, metrics.binarize(y_score), y_score, groups, n_bootstrap=200)
    golden = json.loads(GOLDEN.read_text())
    assert _flat(result) == pytest.approx(_flat(golden))


def _flat(tree, path=""):
    if not isinstance(tree, dict):
        return {path: tree}
    return {k: v for key, sub in tree.items() for k, v in _flat(sub, f"{path}/{key}").items()}


def test_paired_test_sees_a_difference_and_no_difference():
    y_true, good, groups = fake_system(noise=0.7)
    _, bad, _ = fake_system(noise=1.5)
    a, b = metrics.binarize(good), metrics.binarize(bad)
    different = metrics.paired_test(y_true, a, b, groups)
    assert different["p_value"] < 0.001
    assert 0 < different["low"] < different["difference"] < different["high"]
    assert different["difference"] == pytest.approx(different["a"] - different["b"])
    same = metrics.paired_test(y_true, a, a, groups, metric="macro_f1")
    assert (same["p_value"], same["low"], same["high"]) == (1, 0, 0)
    backwards = metrics.paired_test(y_true, b, a, groups)
    assert backwards["difference"] == -different["difference"]
    assert metrics.paired_test(y_true, good, bad, groups, "lrap")["difference"] > 0


def test_p_value_equals_that_of_all_swaps():
    y_true, _, _ = fake_system(n_clips=40)
    rng, groups = np.random.default_rng(1), np.arange(40) // 5
    a, b = (y_true ^ (rng.random(y_true.shape) < flipped) for flipped in (0.2, 0.25))
    observed = metrics.f1(y_true, a, "macro") - metrics.f1(y_true, b, "macro")
    extreme = []
    for swap in itertools.product([False, True], repeat=8):
        rows = np.array(swap)[groups][:, None]
        swapped_a, swapped_b = np.where(rows, b, a), np.where(rows, a, b)
        difference = metrics.f1(y_true, swapped_a, "macro") - metrics.f1(y_true, swapped_b, "macro")
        extreme.append(abs(difference) >= abs(observed) - 1e-12)
    test = metrics.paired_test(y_true, a, b, groups, "macro_f1", n_resamples=20_000)
    assert 0.02 < np.mean(extreme) < 0.98
    assert test["p_value"] == pytest.approx(np.mean(extreme), abs=0.015)


def test_p_values_are_uniform_when_the_systems_are_equally_good():
    p_values = []
    for seed in range(200):
        y_true, a, groups = fake_system(n_clips=100, n_groups=20, seed=seed)
        # Another noise on the same labels: an equally good system.
        noise = np.random.default_rng(1000 + seed).normal(size=y_true.shape)
        b = 1 / (1 + np.exp(-(2.0 * y_true - 1 + noise)))
        test = metrics.paired_test(
            y_true, metrics.binarize(a), metrics.binarize(b), groups, n_resamples=200
        )
        p_values.append(test["p_value"])
    assert 0.01 <= np.mean(np.array(p_values) < 0.05) <= 0.1
    assert 0.4 <= np.mean(p_values) <= 0.6


@relaxed
@given(predictions())
def test_chosen_threshold_is_the_best_of_all(data):
    y_true, y_score = data
    best = metrics.f1(
        y_true, metrics.binarize(y_score, metrics.choose_threshold(y_true, y_score)), "micro"
    )
    for threshold in [-1e-300, *np.unique(y_score)]:
        other = metrics.f1(y_true, metrics.binarize(y_score, threshold), "micro")
        assert best >= other or best == pytest.approx(other)


@relaxed
@given(predictions())
def test_thresholds_per_label_are_the_best_of_each(data):
    y_true, y_score = data
    thresholds = metrics.choose_threshold(y_true, y_score, per_label=True)
    best = metrics.f1(y_true, metrics.binarize(y_score, thresholds))
    for threshold in [-1e-300, *np.unique(y_score)]:
        assert np.all(best >= metrics.f1(y_true, metrics.binarize(y_score, threshold)) - 1e-12)


@relaxed
@given(predictions())
def test_threshold_curve_holds_what_its_thresholds_give(data):
    y_true, y_score = data
    curve = metrics.threshold_curve(y_true, y_score)
    assert np.all(np.diff(curve["threshold"]) < 0)
    for threshold, value in zip(curve["threshold"], curve["f1"], strict=True):
        y_pred = metrics.binarize(y_score, threshold)
        assert value == pytest.approx(metrics.f1(y_true, y_pred, "micro"))


def test_label_without_a_true_clip_gets_the_common_threshold():
    y_true, y_score, _ = fake_system(n_clips=50)
    y_true[:, 4] = False
    thresholds = metrics.choose_threshold(y_true, y_score, per_label=True)
    assert thresholds[4] == metrics.choose_threshold(y_true, y_score)


def test_score_equal_to_the_threshold_is_not_predicted():
    assert not metrics.binarize(np.full((1, 11), 0.5)).any()


def test_trivial_predictors_on_irmas_counts():
    training = np.repeat(np.eye(11, dtype=bool), TRAINING_COUNTS, axis=0)
    systems = metrics.trivial_predictors(training, 4)
    decided = {name: decisions for name, (decisions, _) in systems.items()}
    on = {name: set(np.array(INSTRUMENTS)[p[0]]) for name, p in decided.items()}
    assert on == {
        "prior top-1": {"voi"},
        "prior top-3": {"voi", "gel", "pia"},
        "all eleven": set(INSTRUMENTS),
        "paper's constant": {"gel", "org", "pia", "sax", "voi"},
        "softmax prior": {"gac", "gel", "org", "pia", "sax", "voi"},
        "prior, ranked": {"voi", "gel", "pia"},
    }
    assert all(p.shape == (4, 11) and (p == p[0]).all() for both in systems.values() for p in both)


def test_prior_only_labels_of_equal_or_absent_labels():
    for count in range(1, 200):  # the mean of equal logarithms may round below them
        assert not metrics.prior_only_labels([count] * 11).any()
    assert metrics.prior_only_labels([30, 0, 10]).tolist() == [True, False, True]


def test_lrap_of_a_constant_is_that_of_its_ranking():
    y_true = np.repeat(np.eye(11, dtype=bool), TRAINING_COUNTS, axis=0)
    best, worst = np.asarray(TRAINING_COUNTS), -np.asarray(TRAINING_COUNTS)
    found = []
    for ranking in (best, worst, np.zeros(11)):
        scores = np.tile((ranking - ranking.min() + 1) / 1000, (len(y_true), 1))
        decided = metrics.binarize(scores, 0.999)
        assert not decided.any()  # one and the same answer
        found.append(metrics.clip_lrap(y_true, scores).mean())
    places = np.argsort(np.argsort(-best, kind="stable")) + 1
    assert found[0] == pytest.approx((best / places).sum() / best.sum())
    assert found[0] > 1.3 * found[1]
    assert found[2] == pytest.approx(1 / 11)


def test_holm_by_hand():
    adjusted = metrics.holm([0.01, np.nan, 0.04, 0.03, 0.005])
    np.testing.assert_allclose(adjusted, [0.03, np.nan, 0.06, 0.06, 0.02])
    assert metrics.holm([0.5, 0.9]).tolist() == [1, 1]
    assert metrics.holm([0.04]).tolist() == [0.04]


def test_mean_interval():
    leaf = metrics.mean_interval([1.0, 2.0, 3.0])
    assert leaf["value"] == 2
    assert leaf["high"] == pytest.approx(2 + 4.302653 / np.sqrt(3), rel=1e-6)
    assert metrics.mean_interval([1.0]) == {"value": 1.0, "low": None, "high": None}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_true": np.zeros((0, 11))}, "y_true has shape"),
        ({"y_true": np.zeros((3, 10))}, "y_true has shape"),
        ({"y_pred": np.zeros((2, 11))}, "y_pred has shape"),
        ({"y_pred": np.full((3, 11), 0.4)}, "y_pred has values"),
        ({"y_score": np.full((3, 11), np.nan)}, "y_score has values outside"),
        ({"y_score": np.full((3, 11), 1.5)}, "y_score has values outside"),
        ({"groups": [1, 2]}, "groups has 2 entries"),
    ],
)
def test_malformed_input_names_the_argument(change, message):
    arguments = {"y_true": np.eye(3, 11), "y_pred": np.eye(3, 11)} | change
    with pytest.raises(ValueError, match=message):
        metrics.evaluate(**arguments)


def test_unknown_names_are_refused():
    y = np.eye(3, 11)
    with pytest.raises(ValueError, match="average is 'samples'"):
        metrics.f1(y, y, "samples")
    with pytest.raises(ValueError, match="metric is 'f1'"):
        metrics.paired_test(y, y, y, metric="f1")


def test_relative_scores_keep_the_decisions_and_the_ranks():
    scores = np.random.default_rng(0).uniform(0, 1, (200, 11))
    scores[0, :3] = 0, 1, 0.1
    moved = metrics.relative(scores, 0.1)
    assert moved[0, 2] == 0.5
    assert ((moved > 0.5) == (scores > 0.1)).all()
    assert (np.argsort(moved[0]) == np.argsort(scores[0])).all()
    np.testing.assert_allclose(metrics.relative(scores, 0.5), scores, atol=1e-6)
    own = np.linspace(0.1, 0.9, 11)
    assert ((metrics.relative(scores, own) > 0.5) == (scores > own)).all()
    edge = np.array([0, 5e-324, 1e-9, 0.3, np.nextafter(0.3, 1), 1 - 1e-9, 1])
    for cut in (-5e-324, 0, 1e-9, np.nextafter(0.3, 0), 0.3, 1 - 1e-9, 1):
        moved = metrics.relative(edge, cut)
        assert ((moved > 0.5) == (edge > cut)).all(), cut
