import io
import json
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from limits import bounded
from numpy.testing import assert_array_equal
from tiny_training import build, epoch_batches, fit, predict, trainer_of, validation

from irmas_utils.models import checkpoints, lstm, training
from irmas_utils.models.dense import DenseTrainer
from irmas_utils.models.layers import hidden, scores
from irmas_utils.project.backend import keras, set_determinism
from irmas_utils.project.errors import CheckpointError, TrainingError


def metrics(history):
    return history.drop(columns="seconds").to_numpy()


@pytest.fixture(scope="module")
def undisturbed():
    model = build()
    history = fit(model, 5)
    return metrics(history), predict(model, validation)


@pytest.fixture(scope="module")
def after_an_epoch(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    fit(build(), 1, checkpoint_dir=folder)
    return folder / "checkpoint.npz"


@pytest.fixture
def checkpoint(after_an_epoch, tmp_path):
    """The checkpoint of a run of one epoch, alone in its folder."""
    return Path(shutil.copy(after_an_epoch, tmp_path))


def test_history_has_a_row_an_epoch_and_the_network_learns(undisturbed):
    history, _ = undisturbed
    assert_array_equal(history[:, 0], np.arange(1, 6))
    loss, accuracy, val_loss, val_accuracy = history[:, 1:].T
    assert loss[-1] < 0.6 * loss[0]
    assert accuracy[-1] > 0.5 > accuracy[0]
    assert val_loss[-1] < val_loss[0]
    assert val_accuracy[-1] > val_accuracy[0]


def test_two_runs_give_the_same_bits(undisturbed):
    model = build()
    assert_array_equal(metrics(fit(model, 5)), undisturbed[0])
    assert_array_equal(predict(model, validation), undisturbed[1])


@pytest.mark.parametrize(
    ("loss", "keras_loss"),
    [
        ("paper", "categorical_crossentropy"),
        ("binary", "binary_crossentropy"),
    ],
)
@pytest.mark.parametrize("trainer", [training.Trainer, DenseTrainer])
def test_an_epoch_is_what_model_fit_does(loss, keras_loss, trainer):
    def network():
        set_determinism(1)
        inputs = keras.Input((20,))
        return keras.Model(inputs, scores(hidden(inputs, [16])))

    ours, theirs = network(), network()
    history = fit(ours, 1, trainer=trainer(ours, loss, 1e-2))
    theirs.compile(keras.optimizers.Adam(1e-2), keras_loss, metrics=["accuracy"])
    reference = theirs.fit(
        ((xb, yb) for xb, yb in epoch_batches(1)),
        verbose=0,
        validation_data=(
            np.concatenate([xb for xb, _ in validation]),
            np.concatenate([yb for _, yb in validation]),
        ),
    ).history
    for column in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert history[column][0] == pytest.approx(reference[column][0], rel=1e-4), column
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, atol=2e-5)


@pytest.mark.parametrize("option", ["kernel_regularizer", "activity_regularizer"])
def test_what_a_layer_adds_to_the_loss_is_trained_on(option):
    def network():
        set_determinism(1)
        inputs = keras.Input((20,))
        return keras.Model(inputs, scores(keras.layers.Dense(16, "relu", **{option: "l2"})(inputs)))

    ours, theirs = network(), network()
    fit(ours, 1)
    theirs.compile(keras.optimizers.Adam(1e-2), "categorical_crossentropy")
    theirs.fit(((xb, yb) for xb, yb in epoch_batches(1)), verbose=0)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, atol=2e-5)


def test_loss_curve_of_the_lstm_is_that_of_kerass_own_loop():
    """The paper's setting on short clips: batch 2, Adam, a few dozen steps."""
    rng = np.random.default_rng(0)
    x = np.cumsum(rng.normal(size=(40, 2, 200)), axis=2).astype(np.float32)
    y = np.eye(11, dtype=np.float32)[rng.integers(11, size=(40, 2))]
    ours = lstm.build(dense=(32, 8, 16))
    waveform = keras.Input((None, 1))
    layers = hidden(keras.layers.LSTM(22)(waveform), (32, 8, 16))
    theirs = keras.Model(waveform, scores(layers))
    theirs.set_weights(ours.get_weights())
    theirs.compile(keras.optimizers.Adam(1e-2), "categorical_crossentropy", jit_compile=False)
    expected = [
        float(theirs.train_on_batch(xb[..., None], yb)) for xb, yb in zip(x, y, strict=True)
    ]

    length = np.full(2, 200, np.int32)
    steps = [[((xb, length), yb)] for xb, yb in zip(x, y, strict=True)]
    trainer = training.Trainer(ours, "paper", 1e-2)
    history = training.fit(
        trainer, lambda epoch: steps[epoch - 1], None, epochs=40, seed=0, progress=False
    )
    np.testing.assert_allclose(history["loss"], expected, rtol=1e-3)
    assert np.ptp(history["loss"]) > 0.5


def test_resumed_run_ends_with_the_same_bits(tmp_path, undisturbed):
    fit(build(), 2, checkpoint_dir=tmp_path)
    model = build()
    history = fit(model, 5, checkpoint_dir=tmp_path)
    assert_array_equal(metrics(history), undisturbed[0])
    assert_array_equal(predict(model, validation), undisturbed[1])


def test_finished_run_is_read_back_without_training(tmp_path, undisturbed):
    fit(build(), 5, checkpoint_dir=tmp_path)
    model = build()
    trainer = training.Trainer(model, "paper", 1e-2)
    history = training.fit(trainer, None, validation, epochs=5, seed=3, checkpoint_dir=tmp_path)
    assert_array_equal(metrics(history), undisturbed[0])
    assert_array_equal(predict(model, validation), undisturbed[1])
    with pytest.raises(TrainingError, match="5 epochs; expected at most the 4"):
        fit(build(), 4, checkpoint_dir=tmp_path)


KILLED = """
import os, signal, sys
import tiny_training
from irmas_utils.models import checkpoints
from irmas_utils.project import files as atomic

def fatal(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def fatal_batches(epoch):
    for number, batch in enumerate(ordered(epoch)):
        if (epoch, number) == (3, 4):
            fatal()
        yield batch

def fatal_save(path, run, variables, history):
    if len(history) == 3:
        atomic._sync = fatal  # all bytes written, not yet renamed
    save(path, run, variables, history)

where, folder = sys.argv[1:]
ordered, save = tiny_training.epoch_batches, checkpoints.save
if where == "epoch":
    tiny_training.epoch_batches = fatal_batches
else:
    checkpoints.save = fatal_save
tiny_training.fit(tiny_training.build(), 5, checkpoint_dir=folder)
"""


# What kills the writing of any file: tests/project/test_files.py.
@pytest.mark.parametrize("where", ["epoch", pytest.param("checkpoint", marks=pytest.mark.slow)])
def test_sigkilled_run_continues_to_the_same_bits(tmp_path, undisturbed, where):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    command = [sys.executable, "-c", KILLED, where, tmp_path]
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    with np.load(tmp_path / "checkpoint.npz") as kept:
        assert len(json.loads(str(kept["meta"]))["history"]) == 2
    model = build()
    assert_array_equal(metrics(fit(model, 5, checkpoint_dir=tmp_path)), undisturbed[0])
    assert_array_equal(predict(model, validation), undisturbed[1])


def test_a_slow_write_takes_a_tenth_of_the_time_at_most(tmp_path, monkeypatch):
    now, kept = [0.0], []

    def slow_save(path, run, variables, history):
        now[0] += 2.0
        kept.append(len(history))

    def tick():
        now[0] += 0.5
        return now[0]

    monkeypatch.setattr(training.checkpoints, "save", slow_save)
    monkeypatch.setattr(training.time, "perf_counter", tick)
    fit(build(), 25, checkpoint_dir=tmp_path)
    assert kept[0] == 1
    assert len(kept) == 2
    assert 10 < kept[1] <= 25


@pytest.mark.parametrize(
    "option",
    [
        {"loss": "binary"},
        {"learning_rate": 1e-3},
        {"seed": 4},
    ],
)
def test_checkpoint_of_another_run_is_refused(checkpoint, option):
    ((name, _),) = option.items()
    with pytest.raises(TrainingError, match=f"checkpoint of {name} = .*Delete the file"):
        fit(build(), 2, checkpoint_dir=checkpoint.parent, **option)


def test_checkpoint_of_another_network_is_refused(checkpoint):
    inputs = keras.Input((20,))
    other = keras.Model(inputs, scores(hidden(inputs, [17])))
    with pytest.raises(TrainingError, match="checkpoint of variables"):
        fit(other, 2, checkpoint_dir=checkpoint.parent)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-200])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def leave_out_an_array(path):
    with zipfile.ZipFile(path) as archive:
        kept = {n: archive.read(n) for n in archive.namelist() if n != "2.npy"}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in kept.items():
            archive.writestr(name, content)


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut_short, flip_a_bit, leave_out_an_array, empty])
def test_damaged_checkpoint_is_refused_before_anything_is_assigned(checkpoint, damage):
    damage(checkpoint)
    model = build()
    before = model.get_weights()
    with pytest.raises(TrainingError, match=r"checkpoint\.npz: found a damaged checkpoint"):
        fit(model, 2, checkpoint_dir=checkpoint.parent)
    for mine, other in zip(model.get_weights(), before, strict=True):
        assert_array_equal(mine, other)


def rewritten(path, change, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, member in change(content).items():
            archive.writestr(name, member)


def array(header, numbers=b""):
    text = f"{header}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + numbers


def text_array(text):
    np.save(buffer := io.BytesIO(), np.array(text))
    return buffer.getvalue()


HUGE = array("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}")
OBJECTS = array("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", pickle.dumps([1]))


@pytest.mark.parametrize(
    "change",
    [
        lambda kept: kept | {"0.npy": HUGE},
        lambda kept: kept | {"0.npy": OBJECTS},
        lambda kept: kept | {"meta.npy": HUGE},
        lambda kept: kept | {"meta.npy": text_array("[" * 100_000)},
        lambda kept: kept | {"meta.npy": text_array("{}")},
        lambda kept: kept | {"meta.npy": text_array('{"run": 3, "history": []}')},
        lambda kept: kept | {"0.npy": array("(" * 5000)},
        lambda kept: kept | {"spare.npy": bytes(300 << 20)},
        lambda kept: {},
    ],
)
def test_a_crafted_checkpoint_is_one_error_of_bounded_memory(checkpoint, change):
    rewritten(checkpoint, change, zipfile.ZIP_DEFLATED)
    trainer = trainer_of(build())
    run = trainer.describe() | {"seed": 3}
    with bounded(), pytest.raises(CheckpointError, match="found a damaged checkpoint"):
        checkpoints.load(checkpoint, run, trainer.variables)


def test_no_mutated_checkpoint_is_believed(tmp_path):
    model = build()
    trainer = trainer_of(model)
    run, path = trainer.describe() | {"seed": 3}, tmp_path / "checkpoint.npz"
    checkpoints.save(path, run, trainer.variables, [{"epoch": 1}])
    before = [variable.numpy() for variable in trainer.variables]
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for place in rng.integers(len(whole), size=200):
        content = bytearray(whole)
        content[place] ^= 1 << rng.integers(8)
        path.write_bytes(content[:place] if place % 10 == 0 else content)
        try:
            assert checkpoints.load(path, run, trainer.variables) == [{"epoch": 1}]
        except CheckpointError:
            refused += 1
        else:
            for variable, value in zip(trainer.variables, before, strict=True):
                assert_array_equal(variable.numpy(), value)
    assert refused > 100


def test_a_zip_of_another_version_or_locked_is_one_error(checkpoint):
    whole = checkpoint.read_bytes()
    for place, value in ((6, 99), (8, 1), (10, 99)):
        content = bytearray(whole)
        content[whole.index(b"PK\x01\x02") + place] = value
        checkpoint.write_bytes(content)
        with pytest.raises(CheckpointError):
            fit(build(), 2, checkpoint_dir=checkpoint.parent)


def test_loss_that_is_not_a_number_stops_and_keeps_the_last_checkpoint(tmp_path):
    def poisoned(epoch):
        found = epoch_batches(epoch)
        if epoch == 3:
            found[5][0][0] = np.nan
        return found

    options = {"epochs": 5, "seed": 3, "progress": False}
    trainer = training.Trainer(build(), "paper", 1e-2)
    with pytest.raises(TrainingError, match="epoch 3, batch 6: found a loss of nan") as caught:
        training.fit(trainer, poisoned, validation, checkpoint_dir=tmp_path, **options)
    assert "is of epoch 2" in str(caught.value)
    assert len(fit(build(), 2, checkpoint_dir=tmp_path)) == 2


def test_full_disk_gives_one_error_and_loses_no_epoch(tmp_path, undisturbed, monkeypatch):
    """A limit on the size of files fails a write as a full disk does, after some of its bytes."""
    save = checkpoints.save

    def save_on_full_disk(path, run, variables, history):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        if len(history) == 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        try:
            save(path, run, variables, history)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save", save_on_full_disk)
        with pytest.raises(TrainingError, match="a failed write .File too large. after epoch 3"):
            fit(build(), 5, checkpoint_dir=tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint.npz"]
    assert_array_equal(metrics(fit(build(), 5, checkpoint_dir=tmp_path)), undisturbed[0])


def test_batch_mode_prints_one_line_an_epoch(capfd):
    fit(build(), 2)
    out, err = capfd.readouterr()
    assert [line.split(":")[0] for line in out.splitlines()] == ["epoch 1/2", "epoch 2/2"]
    assert err == ""


def test_a_watched_run_draws_a_bar_and_prints_nothing(capfd):
    fit(build(), 1, progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "epoch 1/1: 100%" in err


def test_predict_keeps_the_order():
    model = build()
    expected = model(np.concatenate([xb for xb, _ in validation])).numpy()
    np.testing.assert_allclose(predict(model, validation), expected, rtol=1e-5)


def test_a_trainer_used_again_gives_the_bits_of_a_new_one(undisturbed):
    model = build()
    trainer = training.Trainer(model, "paper", 1e-2)
    start = [variable.numpy() for variable in model.variables]
    fit(model, 2, trainer=trainer)
    for variable, value in zip(model.variables, start, strict=True):
        variable.assign(value)
    assert_array_equal(metrics(fit(model, 5, trainer=trainer)), undisturbed[0])
    assert_array_equal(trainer.predict(validation), undisturbed[1])
