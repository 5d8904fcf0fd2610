"""Whether outputs depend on the input: of a constant nothing, of a listener all is seen."""

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from irmas_utils import metrics
from irmas_utils.metrics import constancy

RNG = np.random.default_rng(0)
SONGS = np.repeat(np.arange(30), 4)
TRUE = np.repeat(RNG.random((30, 11)) < 0.3, 4, axis=0)  # the clips of a song are alike
NOISE = RNG.random(TRUE.shape)


def test_a_constant_tells_nothing_whatever_its_ranking():
    constant = np.tile(np.linspace(0, 1, 11), (len(TRUE), 1))
    found = metrics.dependence(TRUE, constant, SONGS, 200)
    assert found["information"] == found["gain"] == 0
    assert found["p_value"] == 1
    assert metrics.clip_lrap(TRUE, constant).std() > 0
    assert (metrics.clip_gain(TRUE, constant, SONGS) == 0).all()


def test_a_listener_is_seen_at_any_threshold():
    found = metrics.dependence(TRUE, 0.1 * (TRUE + NOISE), SONGS, 200)
    assert found["information"] > found["detectable"] > found["chance"] > 0
    assert found["p_value"] == pytest.approx(1 / 201)
    assert found["gain"] > 0.3


@pytest.mark.parametrize("by_song", [True, False])
def test_what_differs_by_song_and_not_by_label_is_rarely_taken_for_listening(by_song):
    p_values = []
    for seed in range(40):
        score = np.random.default_rng(seed + 1).random((30, 11))[SONGS]
        groups = SONGS if by_song else None
        p_values.append(metrics.dependence(TRUE, score, groups, 100)["p_value"])
    wrong = np.mean(np.array(p_values) <= 0.05)
    assert wrong <= 0.15 if by_song else wrong > 0.5  # clips dealt one by one are no test


def test_the_information_is_that_of_scikit_learn():
    bins = constancy._binned(NOISE)
    own = constancy._information(TRUE.astype(float), bins)
    places = bins.argmax(axis=2).T
    theirs = sum(map(mutual_info_score, TRUE.T, places))
    assert own == pytest.approx(theirs / np.log(2))


def test_songs_of_unequal_length_make_chance_no_smaller():
    songs, p_values = np.repeat(np.arange(15), [1, 2, 3, 4, 5] * 3), []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        true, score = rng.random((2, 15, 3))[:, songs]
        p_values.append(metrics.dependence(true < 0.3, score, songs, 99, seed)["p_value"])
    assert np.mean(np.array(p_values) <= 0.05) <= 0.15


def test_each_song_gets_the_answers_to_one_other():
    songs = [*"abbcccbadd"]
    for order in constancy._dealt(songs, len(songs), np.random.default_rng(2), 20):
        given = {(song, songs[of]) for song, of in zip(songs, order, strict=True)}
        assert len(given) == len({song for song, _ in given}) == len({of for _, of in given}) == 4


def test_clips_of_a_song_stay_together():
    for order in constancy._dealt([f"{s}" for s in SONGS], len(SONGS), np.random.default_rng(1), 5):
        assert sorted(order) == list(range(len(SONGS)))
        assert (np.diff(SONGS[order].reshape(-1, 4), axis=1) == 0).all()


def test_a_paired_test_of_the_gain_does_not_prefer_one_constant_to_another():
    rankings = [np.tile(row, (len(TRUE), 1)) for row in RNG.random((2, 11))]
    test = metrics.paired_test(TRUE, *rankings, SONGS, "gain", 100)
    assert test["difference"] == test["low"] == test["high"] == 0
    assert test["p_value"] == 1
    assert metrics.paired_test(TRUE, *rankings, SONGS, "lrap", 100)["difference"] != 0
