import numpy as np
import pandas as pd
import pytest
from conftest import write_clip

from irmas_utils.data.corpus import Splits
from irmas_utils.models import fft_variants as variants
from irmas_utils.project import settings

LENGTH = 13_230
SMALL = {"base": {"samples": LENGTH, "dense": [3, 4], "epochs": 1, "batch_size": 4}, "changes": []}
CFG = settings.load("smoke", study={"fft": {"causes": SMALL}})
RATE = 44_100


def clips(folder, n, seconds):
    codes = ["cel", "cla", "flu", "gac"]
    rows = []
    for k in range(n):
        path = write_clip(folder / f"{k}.wav", seconds=seconds, channels=1, seed=k)
        rows.append((str(path), (codes[k % 4],), f"song {k // 2}", "training"))
    return pd.DataFrame(rows, columns=["path", "labels", "recording", "split"])


@pytest.fixture
def parts(tmp_path):
    training = [clips(tmp_path / name, 8, 0.1) for name in ("fitting", "validation")]
    return Splits(*training, clips(tmp_path / "testing", 4, 0.25))


def tone(hertz):
    time = np.arange(LENGTH // 5) / RATE
    samples = np.sin(2 * np.pi * hertz * time).astype(np.float32)
    return variants.fft_magnitude(samples, LENGTH)


def test_a_clip_that_is_some_cents_higher_is_that_much_higher():
    higher = variants._higher(tone(440), "", cents=1200)
    peak = np.argmax(tone(880))
    assert abs(int(np.argmax(higher)) - int(peak)) <= 1
    np.testing.assert_array_equal(variants._higher(tone(440), "", cents=0), tone(440))


@pytest.mark.parametrize("reads", ["log", "bands"])
def test_logarithms_know_nothing_of_the_level(reads):
    see, loud = variants.READS[reads], 1 + tone(440) * 1000
    once, twice = see(loud), see(2 * loud)
    np.testing.assert_allclose(once, twice, atol=0.01 * np.abs(once).max())
    assert len(see(loud)) == (len(loud) if reads == "log" else len(variants.BANDS) - 1)


@pytest.mark.parametrize("name", [None, "bands", "waveform", "half"])
def test_each_change_is_trained_scored_and_read_back(name, parts, monkeypatch):
    monkeypatch.setattr(variants, "EXCERPT", 0.1)
    change = variants.CHANGES[name] if name else variants.PRINTED
    outcome, of = variants.trained(name or "printed", change, parts, parts.testing, CFG)
    assert outcome.arrays["mixtures"].shape == outcome.arrays["testing"].shape == (4, 11)
    assert len(outcome.arrays["validation 0"]) == 4  # one a recording
    assert ("validation 25" in outcome.arrays) == (name != "waveform")
    assert ("testing windows" in outcome.arrays) == (name in (None, "half"))
    assert set(of["fitting"]["path"]) < set(parts.fitting["path"]) or name != "half"
    monkeypatch.setattr(variants.training, "fit", print)  # which gives no history
    again, _ = variants.trained(name or "printed", change, parts, parts.testing, CFG)
    np.testing.assert_array_equal(again.arrays["testing"], outcome.arrays["testing"])
