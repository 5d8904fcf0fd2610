import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import SHARED

from irmas_utils.models.layers import scores
from irmas_utils.project.backend import keras, set_determinism
from irmas_utils.project.errors import TrainingError
from irmas_utils.project.vocabulary import INSTRUMENTS
from irmas_utils.systems.networks import fine_tuning, mixing, probe
from irmas_utils.systems.networks.fine_tuning import Plan
from irmas_utils.systems.recognizer import Recognizer

WEIGHTS = SHARED / "weights" / "mn04_as_mAP_432.pt"
RATE = 8000
PLAN = Plan(sample_rate=RATE, window=0.25, hop=0.125, epochs=15, batch_size=11, learning_rate=0.1,
            ema=0.8)  # fmt: skip


@keras.saving.register_keras_serializable(package="tests")
class Spectrum(keras.layers.Layer):
    def call(self, x):
        x = keras.ops.reshape(x[:, :2000], (-1, 20, 100))
        real, imaginary = keras.ops.rfft(x)
        power = keras.ops.mean(real**2 + imaginary**2, axis=1)
        return power / keras.ops.sum(power, axis=-1, keepdims=True)


def _network():
    set_determinism(0)
    waveform = keras.Input((None,))
    return keras.Model(waveform, scores(Spectrum()(waveform)))


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Two recordings a class, each a tone of its class with some noise."""
    folder, rng, rows = tmp_path_factory.mktemp("tones"), np.random.default_rng(0), []
    for k, code in enumerate(INSTRUMENTS):
        for number in range(2):
            tone = np.sin(2 * np.pi * (240 + 320 * k) * np.arange(4000) / RATE)
            path = folder / f"{code}{number}.wav"
            soundfile.write(path, 0.5 * tone + rng.normal(0, 0.02, 4000), RATE)
            rows.append((str(path), (code,), f"{code}{number}"))
    return pd.DataFrame(rows, columns=["path", "labels", "recording"])


@pytest.fixture(scope="module")
def trained(clips):
    return fine_tuning.train(_network(), clips, PLAN, seed=1, validation=clips, progress=False)


def test_learns(clips, trained):
    recognizer, history = trained
    found = recognizer.score_files(clips["path"])
    assert found.shape == (22, 11)
    assert found.argmax(axis=1).tolist() == [k for k in range(11) for _ in range(2)]
    assert history["val_accuracy"].iloc[-1] > 0.9
    assert (recognizer.window, recognizer.hop) == (2000, 1000)


def test_resumes_and_refuses_another_plan(clips, trained, tmp_path, monkeypatch):
    options = {"seed": 1, "validation": clips, "progress": False, "checkpoint_dir": tmp_path}

    original = mixing.batches

    def killed(*args, epoch, **kwargs):
        if epoch == 8:
            raise KeyboardInterrupt
        return original(*args, epoch=epoch, **kwargs)

    monkeypatch.setattr(mixing, "batches", killed)
    with pytest.raises(KeyboardInterrupt):
        fine_tuning.train(_network(), clips, PLAN, **options)
    monkeypatch.setattr(mixing, "batches", original)
    other = PLAN.model_copy(update={"learning_rate": 0.2})
    with pytest.raises(TrainingError, match="learning_rate"):
        fine_tuning.train(_network(), clips, other, **options)
    recognizer, _ = fine_tuning.train(_network(), clips, PLAN, **options)
    np.testing.assert_array_equal(
        recognizer.score_files(clips["path"]), trained[0].score_files(clips["path"])
    )


def test_schedule_rises_and_falls():
    short = {"epochs": 10, "batch_size": 10, "learning_rate": 0.5, "warmup": 0.1}
    plan = PLAN.model_copy(update=short)
    schedule = plan.schedule(100)
    rates = [float(schedule(step)) for step in range(101)]
    assert np.argmax(rates) == 10
    assert max(rates) == pytest.approx(0.5)
    assert rates[0] == 0
    assert rates[-1] < 1e-6


@pytest.mark.slow
@pytest.mark.skipif(not WEIGHTS.is_file(), reason="no weights at hand")
def test_probe_learns_and_can_be_saved(clips, tmp_path, monkeypatch):
    monkeypatch.setattr(probe, "WINDOWS", Plan(sample_rate=32000, window=0.4, hop=0.2))
    fitted = probe.Plan(strength=10.0).fit(clips, WEIGHTS)
    found = fitted.score_files(clips["path"])
    assert np.mean(found.argmax(axis=1) == np.arange(11).repeat(2)) > 0.9
    loaded = Recognizer.load(fitted.save(tmp_path / "probe"))
    np.testing.assert_array_equal(loaded.score_files(clips["path"]), found)
    part = clips[clips["labels"].str[0].isin(["cel", "voi"])]
    found = probe.Plan(strength=10.0).fit(part, WEIGHTS).score_files(part["path"])
    assert found.argmax(axis=1).tolist() == [0, 0, 10, 10]
    assert found[:, 1:10].max() < 1e-6
