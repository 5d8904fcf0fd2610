"""Train a network epoch by epoch, so that a run can be watched, killed and continued.

The state after epoch *e* is a function of the seed, the data and *e* alone, and a checkpoint holds
every variable that moves: a run that was killed and continued ends with the same bits.

Accuracy is what Keras's ``"accuracy"`` means for eleven outputs, and so what the paper's Figure 2
shows: the share of clips whose highest score is at the label (of several the first counts).
Training loss and accuracy are averages over the epoch while the weights move, as in Keras;
validation ones are taken at its end.
"""

import math
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from irmas_utils.audio.batches import epoch_order
from irmas_utils.data.corpus import Splits, content
from irmas_utils.models import checkpoints, losses
from irmas_utils.models.adam import FusedAdam
from irmas_utils.models.layers import logits_view
from irmas_utils.project import runs, sources
from irmas_utils.project.backend import keras, set_determinism, tf
from irmas_utils.project.errors import TrainingError
from irmas_utils.project.settings import Fft, Lstm

Batches = Iterable[tuple[Any, Any]]
"""Pairs (x, y): x as the model takes it, y (batch, 11). One may be iterated again and again."""


def fit(
    trainer: "Trainer",
    epoch_batches: Callable[[int], Batches],
    validation: Batches | None,
    *,
    epochs: int,
    seed: int,
    checkpoint_dir: str | Path | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Train the model of `trainer` in place and return its history.

    It starts from the weights that it has, its optimizer afresh. ``epoch_batches(epoch)``, counted
    from 1, gives that epoch's batches in an order that depends on a seed and on the epoch alone;
    those of `validation` are evaluated after each. `seed` is of what is random inside the network,
    such as dropout.

    `epochs` counts those of earlier runs: one that left a ``checkpoint.npz`` in `checkpoint_dir`
    goes on from it. It is replaced after each epoch, or less often where that would take more than
    a tenth of the time. `progress` True draws a bar, False prints a line an epoch; None finds out
    if a person is watching.

    Returns a row an epoch: epoch, loss, accuracy, val_loss, val_accuracy (NaN without
    `validation`), seconds. Raises TrainingError if the loss is not finite (the last checkpoint
    stays), if a checkpoint cannot be written, or if the one found is damaged or of another run.
    """
    set_determinism(seed)
    trainer.restart()
    run = trainer.describe() | {"seed": seed}
    path = Path(checkpoint_dir) / "checkpoint.npz" if checkpoint_dir is not None else None
    history = checkpoints.load(path, run, trainer.variables) if path and path.exists() else []
    if len(history) > epochs:
        found, expected = f"a run of {len(history)} epochs", f"at most the {epochs} asked for"
        remedy = "Ask for as many epochs, or delete the file to start afresh."
        raise TrainingError(path, found, expected, remedy)
    progress = _is_watched() if progress is None else progress
    saved, pause = time.perf_counter(), 0.0
    for epoch in range(len(history) + 1, epochs + 1):
        started = time.perf_counter()
        row = {"epoch": epoch, **trainer.train(epoch_batches(epoch), epoch, epochs, progress)}
        row |= trainer.evaluate(validation) | {"seconds": time.perf_counter() - started}
        history.append(row)
        if path and (began := time.perf_counter()) - saved >= pause:
            checkpoints.save(path, run, trainer.variables, history)
            saved = time.perf_counter()
            pause = 10 * (saved - began) if saved - began > 1 else 0.0
        if not progress:
            print(_line(row, epochs), flush=True)
    # Puts the average of the weights, if there is one, in their place.
    trainer.optimizer.finalize_variable_values(trainer.model.trainable_variables)
    columns = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds"]
    return pd.DataFrame(history, columns=columns)


class Network(Protocol):
    """One of the paper's networks as a profile sets it up: how it is built, what it reads."""

    name: str  # of its runs
    code: tuple[str, ...]  # the modules that it and its input are made of
    trainer: Callable[[keras.Model, str, float], "Trainer"]
    settings: Lstm | Fft

    def describe(self) -> dict[str, Any]:
        """Return what it and its input depend on, seeds aside, as JSON."""

    def build(self) -> keras.Model:
        """Build it untrained; the initial weights follow Keras's seed."""

    def batches(self, clips: pd.DataFrame, order: np.ndarray | None = None) -> Batches:
        """Stream clips as the network reads them, in the order of `order`."""

    def look(self, trainer: "Trainer", parts: Splits) -> dict[str, np.ndarray]:
        """Return what is looked up in the trained network before its weights are forgotten."""
        return {}


class Trained(NamedTuple):
    """A network that was trained once a seed."""

    history: pd.DataFrame  # of `fit`, with a column ``seed``
    scores: dict[int, np.ndarray]  # seed to scores of the testing clips, float32, (n_clips, 11)
    looks: dict[int, dict[str, np.ndarray]]  # seed to what `Network.look` gives
    facts: dict[str, Any]  # ``n_parameters``, and ``memory_peak_mib`` of the process that trained


def train_seeds(network: Network, parts: Splits) -> Trained:
    """Train a network on the fitting part once a seed of its settings; score the testing part.

    A seed sets the initial weights and the clips' order. What was trained before from the same
    clips, settings, code and seed is read back. Raises as `fit`.
    """
    own = network.settings
    # One model takes each seed's weights in turn, so that it is compiled once and not again.
    trainer = cache(lambda: network.trainer(network.build(), own.loss, own.learning_rate))
    made_from = {
        "settings": network.describe(),
        "clips": {name: content(clips) for name, clips in parts._asdict().items()},
        "code": sources.digest_of(__name__, *network.code),
    }
    outcomes, history = each_seed(
        network.name,
        made_from,
        own.seeds,
        lambda seed, folder: _train_seed(trainer(), network, parts, seed, folder),
    )
    looks = {seed: dict(outcome.arrays) for seed, outcome in outcomes.items()}
    scores = {seed: arrays.pop("testing") for seed, arrays in looks.items()}
    first = outcomes[own.seeds[0]].facts
    kept = {key: first[key] for key in ("n_parameters", "memory_peak_mib")}
    return Trained(history, scores, looks, kept)


def each_seed(
    name: str,
    parts: Mapping[str, Any],
    seeds: Sequence[int],
    make: Callable[[int, Path], runs.Outcome],
) -> tuple[dict[int, runs.Outcome], pd.DataFrame]:
    """Train a network once a seed by ``make(seed, folder)``, or read back what `runs.once` stored.

    Returns the outcomes by seed and all their `facts`' histories, with a column ``seed``.
    """
    outcomes = {
        seed: runs.once(f"{name}-seed{seed}", {**parts, "seed": seed}, partial(make, seed))
        for seed in seeds
    }
    histories = [pd.DataFrame(o.facts["history"]).assign(seed=s) for s, o in outcomes.items()]
    return outcomes, pd.concat(histories, ignore_index=True)


def facts(model: keras.Model, history: pd.DataFrame) -> dict[str, Any]:
    """Return what every stored run tells: its history, its size and the process's memory."""
    return {
        "history": history.to_dict("list"),
        "n_parameters": model.count_params(),
        "memory_peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _train_seed(
    trainer: "Trainer", network: Network, parts: Splits, seed: int, folder: Path
) -> runs.Outcome:
    set_determinism(seed)
    for variable, value in zip(trainer.model.variables, network.build().variables, strict=True):
        variable.assign(value)
    history = fit(
        trainer,
        lambda epoch: network.batches(parts.fitting, epoch_order(len(parts.fitting), seed, epoch)),
        network.batches(parts.validation),
        epochs=network.settings.epochs,
        seed=seed,
        checkpoint_dir=folder / "unfinished",
    )
    arrays = {"testing": trainer.predict(network.batches(parts.testing))}
    return runs.Outcome(arrays | network.look(trainer, parts), facts(trainer.model, history))


class Trainer:
    """A model, its loss (of `models.losses`) and its optimizer, with the compiled steps over them.

    That is Adam with Keras's constants (the paper's, section 3.3.3, but for an epsilon of 1e-7).
    `ema` is the momentum a step of an exponential moving average of the weights, which is left in
    the model at the end; validation sees the moving weights themselves. A loss that a layer
    adds, such as of a regularizer, is trained on as in Keras; what is told is without it.
    """

    def __init__(
        self,
        model: keras.Model,
        loss: str,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        ema: float | None = None,
    ) -> None:
        self.model, self.view = model, logits_view(model)
        self.loss_name, self.loss = loss, losses.LOSSES[loss]
        average = {"use_ema": True, "ema_momentum": ema} if ema else {}
        self.optimizer = FusedAdam(learning_rate, name="adam", **average)
        self.optimizer.build(model.trainable_variables)
        # No branch here hangs on a tensor, and to look for one takes longer than a short training.
        compiled = partial(tf.function, reduce_retracing=True, autograph=False)
        self._step = compiled(self._train_batch)
        self._score = compiled(lambda x, y: self._judged(y, self.view(x, training=False)))
        self._forward = compiled(lambda x: model(x, training=False))

    def restart(self) -> None:
        """Forget what the optimizer has gathered; the model's weights stay as they are."""
        for variable in self.optimizer.variables:
            # All of Adam's state is zero at first, its step count and averages included.
            if variable is not self.optimizer._learning_rate:
                variable.assign(tf.zeros_like(variable.value))

    def predict(self, batches: Batches) -> np.ndarray:
        """Score every clip of `batches` of (x, y), in order: float32, (n_clips, n_labels)."""
        return np.concatenate([self._forward(_tensors(x)).numpy() for x, _ in batches])

    @property
    def variables(self) -> list[keras.Variable]:
        """Everything that training changes, the states of random generators included."""
        return [*self.model.variables, *self.optimizer.variables]

    def describe(self) -> dict[str, Any]:
        """Say what the trained weights depend on, as far as the trainer knows."""
        shapes = [list(variable.shape) for variable in self.model.variables]
        return {"variables": shapes, "loss": self.loss_name} | self.optimizer.get_config()

    def _judged(self, y, logits):
        # Of the sigmoids, for Keras sees no more: where two of them round to 1 it takes the first.
        hits = tf.argmax(tf.sigmoid(logits), axis=-1) == tf.argmax(y, axis=-1)
        total = tf.reduce_sum(self.loss(y, logits))
        return total, tf.reduce_sum(tf.cast(hits, tf.float32))

    def _train_batch(self, x, y):
        with tf.GradientTape() as tape:
            total, hits = self._judged(y, self.view(x, training=True))
            mean = sum(self.view.losses, total / tf.cast(tf.shape(y)[0], tf.float32))
        weights = self.model.trainable_variables
        self.optimizer.apply(tape.gradient(mean, weights), weights)
        return total, hits

    def step(self, x: Any, y: np.ndarray) -> tuple[float, float]:
        """Train on one batch and return its summed loss and its hits."""
        total, hits = self._step(_tensors(x), _tensors(y))
        return float(total), float(hits)

    def train(self, batches: Batches, epoch: int, epochs: int, progress: bool) -> dict[str, float]:
        """Train one epoch and return its mean loss and accuracy."""
        bar = tqdm(batches, f"epoch {epoch}/{epochs}", unit="batch", disable=not progress)
        sums = np.zeros(3)  # float64, in the order of the batches: repeatable
        for number, (x, y) in enumerate(bar, start=1):
            total, hits = self.step(x, y)
            if not math.isfinite(loss := total / len(y)):
                where, found = f"epoch {epoch}, batch {number}", f"a loss of {loss}"
                remedy = "Lower the learning rate or look for bad values in this batch. The last "
                remedy += f"checkpoint, if any, is of epoch {epoch - 1}."
                raise TrainingError(where, found, "a finite number", remedy)
            sums += total, hits, len(y)
            bar.set_postfix_str(f"loss {sums[0] / sums[2]:.4f}", refresh=False)
        return _means(sums)

    def evaluate(self, batches: Batches | None) -> dict[str, float]:
        """Mean loss and accuracy over `batches`, without training."""
        sums = np.zeros(3)
        for x, y in batches or ():
            total, hits = map(float, self._score(_tensors(x), _tensors(y)))
            sums += total, hits, len(y)
        return {f"val_{name}": mean for name, mean in _means(sums).items()}


def _tensors(x: Any) -> Any:
    """Convert arrays, so that a compiled step does not take each for a new constant."""
    if isinstance(x, (tuple, list)):
        return tuple(map(_tensors, x))
    if isinstance(x, np.ndarray) and x.flags.carray and x.ctypes.data % 64 == 0 and x.size:
        # An aligned one, as `audio.batches` gives them, is taken over and not copied.
        return tf.experimental.dlpack.from_dlpack(x.__dlpack__())
    return tf.convert_to_tensor(x)


def _means(sums: np.ndarray) -> dict[str, float]:
    loss, accuracy = sums[:2] / sums[2] if sums[2] else (math.nan, math.nan)
    return {"loss": loss, "accuracy": accuracy}


def _line(row: Mapping[str, float], epochs: int) -> str:
    parts = [f"{k} {v:.4f}" for k, v in row.items() if k not in ("epoch", "seconds") and v == v]
    return f"epoch {row['epoch']}/{epochs}: {', '.join(parts)} ({row['seconds']:.1f} s)"


def _is_watched() -> bool:
    """Whether a person looks on: a terminal, or a notebook that no executor runs."""
    watched = sys.stderr.isatty() or "ipykernel" in sys.modules
    return watched and not os.environ.get("IRMAS_BATCH")
