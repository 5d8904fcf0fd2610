"""One instrument's level is swept against others'."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from irmas_utils.metrics import levels
from irmas_utils.project import settings
from irmas_utils.project.vocabulary import INSTRUMENTS
from irmas_utils.systems import predominance
from irmas_utils.systems.predominance import Listener

RATE = 8000
TONES = dict(zip(INSTRUMENTS[:4], (300, 600, 1200, 2400), strict=True))  # [Hz] of each class


@pytest.fixture
def cfg():
    sweep = {"excerpts": 2, "others": [1, 3], "decibels": [-24.0, 0.0, 12.0]}
    return settings.load("smoke", corpus={"source": "rebuilt"}, sweep=sweep)


@pytest.fixture
def clips(tmp_path):
    rows = []
    for code, hertz in TONES.items():
        for take in range(4):  # of two recordings
            path = tmp_path / f"{code}{take}.wav"
            tone = 0.1 * (take + 1) * np.sin(2 * np.pi * hertz * np.arange(3 * RATE) / RATE)
            soundfile.write(path, tone, RATE)
            rows.append((str(path), path.stem, (code,), f"{code} {take // 2}", RATE))
    columns = ["path", "name", "labels", "recording", "sample_rate"]
    return pd.DataFrame(rows, columns=columns)


def test_excerpts_are_of_different_recordings_and_others_of_other_classes(cfg, clips):
    rows = predominance.plan(clips, cfg.sweep, 1)
    assert len(rows) == 4 * 2 * 2
    for _, own in rows[rows["others"] == 1].groupby("instrument"):
        assert clips["recording"].iloc[own["target"]].nunique() == 2
    for row in rows.itertuples():
        classes = [clips["labels"].iloc[p][0] for p in (row.target, *row[-1])]
        assert classes[0] == row.instrument
        assert len({*classes}) == 1 + row.others
    few, many = (rows[rows["others"] == n].reset_index() for n in (1, 3))
    assert all(a[0] == b[0] for a, b in zip(few["with"], many["with"], strict=True))
    pd.testing.assert_frame_equal(rows, predominance.plan(clips, cfg.sweep, 1))


def test_levels_are_against_the_sum_of_the_others(cfg, clips):
    load = predominance.source(clips, cfg)
    row = predominance.plan(clips, cfg.sweep, 1).query("others == 3").iloc[0]
    mixed = predominance.mixtures(tuple(row), load, RATE, [-np.inf, -6.0, 0.0])
    power = abs(np.fft.rfft(mixed)) ** 2
    own = power[:, 3 * TONES[row["instrument"]]]
    rest = sum(power[:, 3 * hertz] for c, hertz in TONES.items() if c != row["instrument"])
    assert own[0] < 1e-6 * rest[0]
    assert 10 * np.log10(own[1:] / rest[1:]) == pytest.approx([-6, 0], abs=0.01)
    assert np.abs(mixed).max(axis=1) == pytest.approx(0.9, abs=1e-4)


def test_silence_against_silence_stays_silent():
    mixed = predominance.mixtures((0, (1,)), lambda *_: np.zeros(8), RATE, [-np.inf, 0.0])
    assert not mixed.any()


def test_a_system_that_hears_from_a_level_on_is_found_out_and_asked_once(cfg, clips):
    asked = []

    def score(batch):  # names a class from -6 dB on, that is from a fifth of the power
        asked.append(len(batch))
        power = abs(np.fft.rfft(batch)[:, [3 * hertz for hertz in TONES.values()]]) ** 2
        scores = np.zeros((len(batch), 11))
        scores[:, :4] = power / power.sum(axis=1, keepdims=True)
        return scores

    listener, load = Listener(RATE, score, "ideal"), predominance.source(clips, cfg)
    found = predominance.scores("ideal", listener, load, clips, cfg)
    assert found.shape == (16, 4, 11)
    again = predominance.scores("ideal", listener, load, clips, cfg)
    assert np.array_equal(found, again)
    assert asked == [4] * 16
    table = predominance.answers("ideal", found, 0.2, clips, cfg)
    assert table[["absent", "-24"]].to_numpy().max() == 0
    assert table[["0", "12"]].to_numpy().min() == 1
    thresholds = levels.thresholds(table, ["system", "others"], 50, 0)
    assert thresholds["threshold"].tolist() == [-12, -12]  # in the middle: halves of a step


def test_the_example_gets_louder(cfg, clips):
    code, rising = predominance.example(predominance.source(clips, cfg), clips, cfg)
    assert code in TONES
    assert len(rising) == 3 * predominance.RATE
