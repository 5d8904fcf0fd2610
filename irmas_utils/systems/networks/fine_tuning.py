"""From a network to a recognizer: train on mixed clips, choose thresholds on mixtures.

What the networks of notebook 07 have in common, whether they start from scratch or from
published weights. Nothing here ever sees a testing clip: thresholds are chosen on mixtures of
held-out training recordings (`systems.mixtures`).
"""

import dataclasses
import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from irmas_utils import metrics
from irmas_utils.audio import windows
from irmas_utils.audio.features import label_matrix
from irmas_utils.models import efficientat, layers, training
from irmas_utils.project.backend import keras
from irmas_utils.project.vocabulary import INSTRUMENTS
from irmas_utils.systems.networks import mixing
from irmas_utils.systems.networks.mixing import ALONE, Recipe
from irmas_utils.systems.recognizer import Recognizer


@dataclass(frozen=True)
class Plan:
    """How a network is trained and used.

    Attributes
    ----------
    sample_rate : int
        Of the network, in hertz.
    window, hop : float
        Length of a training clip and of a window, and from one window to the next, in seconds.
    epochs, batch_size : int
    learning_rate : float
        The largest; it rises over the first `warmup` of the steps and falls along a cosine.
    warmup : float
        Share of all steps.
    ema : float, optional
        Momentum of the average of the weights; None for the weights as they are.
    recipe : Recipe
        How clips are mixed.
    balance : float
        See `systems.networks.mixing.batches`.
    aggregation : str
        See `audio.windows.aggregate`.
    """

    sample_rate: int
    window: float = 3.0
    hop: float = 1.5
    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 1e-3
    warmup: float = 0.1
    ema: float | None = 0.99
    recipe: Recipe = field(default_factory=Recipe)
    balance: float = 0.0
    aggregation: str = "mean_logit"

    def schedule(self, n_clips: int) -> keras.optimizers.schedules.LearningRateSchedule:
        """Return the learning rate by step, for a training set of `n_clips`."""
        steps = self.epochs * math.ceil(n_clips / self.batch_size)
        rising = max(1, round(self.warmup * steps))
        return keras.optimizers.schedules.CosineDecay(
            0.0, max(1, steps - rising), warmup_target=self.learning_rate, warmup_steps=rising
        )

    def describe(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        return json.loads(json.dumps(dataclasses.asdict(self)))  # lists where tuples were


def train(
    model: keras.Model,
    clips: pd.DataFrame,
    plan: Plan,
    *,
    seed: int,
    validation: pd.DataFrame | None = None,
    labels: np.ndarray | None = None,
    checkpoint_dir: str | Path | None = None,
    progress: bool | None = None,
) -> tuple[Recognizer, pd.DataFrame]:
    """Train `model` in place on clips mixed afresh every epoch.

    Parameters
    ----------
    model : keras.Model
        From samples to scores.
    clips : pandas.DataFrame
        Rows of the index.
    plan : Plan
    seed : int
    validation : pandas.DataFrame, optional
        Clips to watch, each alone.
    labels : numpy.ndarray, (n_clips, 11), optional
        Soft labels to train on in place of the clips' own (see `soft_labels`).
    checkpoint_dir, progress
        As `models.training.fit`, which resumes an interrupted run.

    Returns
    -------
    recognizer : Recognizer
        With thresholds of 0.5 until `with_thresholds` chooses better ones.
    history : pandas.DataFrame

    Raises
    ------
    AudioError
        If a clip cannot be read.
    TrainingError
        As `models.training.fit`.
    """
    history = training.fit(
        model,
        lambda epoch: _batches(clips, plan, seed, epoch, labels, fill=True),
        None if validation is None else list(_alone(validation, plan, seed)),
        loss="binary",
        learning_rate=plan.schedule(len(clips)),
        epochs=plan.epochs,
        seed=seed,
        checkpoint_dir=checkpoint_dir,
        settings=plan.describe() | {"labels": 0 if labels is None else zlib.crc32(labels)},
        ema=plan.ema,
        progress=progress,
    )
    return recognizer(model, plan), history


def _batches(
    clips: pd.DataFrame, plan: Plan, seed: int, epoch: int, labels=None, fill: bool = False
):
    return mixing.batches(
        mixing.excerpts(clips, plan.sample_rate),
        label_matrix(clips["labels"]) if labels is None else labels,
        n_samples=round(plan.window * plan.sample_rate),
        batch_size=plan.batch_size,
        recipe=plan.recipe,
        seed=seed,
        epoch=epoch,
        balance=plan.balance,
        fill=fill,
    )


def _alone(clips: pd.DataFrame, plan: Plan, seed: int):
    """Every clip once, alone and as it is."""
    return _batches(clips, dataclasses.replace(plan, recipe=ALONE, balance=0.0), seed, 0)


def recognizer(model: keras.Model, plan: Plan) -> Recognizer:
    """Wrap a network as a recognizer that cuts windows as `plan` says, with thresholds of 0.5."""
    return Recognizer(
        model,
        sample_rate=plan.sample_rate,
        window=round(plan.window * plan.sample_rate),
        hop=round(plan.hop * plan.sample_rate),
        thresholds=(0.5,) * len(INSTRUMENTS),
        aggregation=plan.aggregation,
    )


def with_thresholds(
    untuned: Recognizer, held_out: pd.DataFrame, *, per_label: bool = False
) -> Recognizer:
    """Return a recognizer with the thresholds of the best micro F1 on held-out clips.

    Parameters
    ----------
    untuned : Recognizer
    held_out : pandas.DataFrame
        Multi-label clips, from `systems.mixtures.make`; columns ``path`` and ``labels``.
    per_label : bool
        A threshold for each instrument (best F1 of its own) instead of one for all.
    """
    scores = untuned.score_files(held_out["path"])
    chosen = metrics.choose_threshold(label_matrix(held_out["labels"]), scores, per_label)
    values = np.broadcast_to(chosen, len(INSTRUMENTS)).tolist()
    return dataclasses.replace(untuned, thresholds=tuple(values))


def joined(members: Sequence[Recognizer]) -> Recognizer:
    """Return one recognizer of the mean logits of several that are used alike.

    All it is not told here (rate, windows, thresholds) it takes from the first; one alone is
    returned as it is.
    """
    first, *others = members
    if not others:
        return first
    waveform = keras.Input((None,), name="waveform")
    logits = [
        keras.Model(m.model.input, m.model.get_layer("logits").output, name=f"member_{n}")(waveform)
        for n, m in enumerate(members)
    ]
    mean = keras.layers.Average(name="logits")(logits)
    output = keras.layers.Activation("sigmoid", name="scores")(mean)
    return dataclasses.replace(first, model=keras.Model(waveform, output, name=first.model.name))


def soft_labels(labels: np.ndarray, teacher: np.ndarray, trust: float = 0.5) -> np.ndarray:
    """Complete single labels with what another model hears.

    Parameters
    ----------
    labels, teacher : numpy.ndarray, (n_clips, 11)
        Labels, and scores of a model that was not trained on these clips.
    trust : float
        Largest soft label of an instrument that is not labelled.

    Returns
    -------
    numpy.ndarray, float32, (n_clips, 11)
        1 where labelled, else `trust` times the score.
    """
    return np.maximum(labels, trust * teacher).astype(np.float32)


def ensemble(scores: Sequence[np.ndarray]) -> np.ndarray:
    """Join several models' scores, each (n_clips, 11), by their mean on the logistic scale."""
    return windows.aggregate(np.stack(scores))


def probe(
    weights: str | Path, clips: pd.DataFrame, plan: Plan, strength: float = 0.01
) -> Recognizer:
    """Fit a linear probe: logistic regressions on the pre-trained network's embedding.

    Parameters
    ----------
    weights : str or Path
        Of `efficientat.pretrained`.
    clips : pandas.DataFrame
        Rows of the index.
    plan : Plan
        Its sample rate, window, hop and aggregation are used.
    strength : float
        scikit-learn's ``C``: the inverse of the regularization.

    Returns
    -------
    Recognizer
        The regressions are its last layer.
    """
    body = efficientat.pretrained(weights, len(INSTRUMENTS), level=efficientat.LEVEL)
    body = keras.Model(body.input, body.get_layer("embedding").output)
    pairs = [(body(x, training=False), y) for x, y in _alone(clips, plan, 0)]
    x, y = (np.concatenate(part) for part in zip(*pairs, strict=True))
    scaler = StandardScaler().fit(x)
    fits = [LogisticRegression(C=strength, max_iter=1000).fit(scaler.transform(x), k) for k in y.T]
    kernel = np.stack([fit.coef_[0] / scaler.scale_ for fit in fits], axis=1)
    bias = np.array([fit.intercept_[0] for fit in fits]) - scaler.mean_ @ kernel
    model = keras.Model(body.input, layers.scores(body.output), name="probe")
    model.get_layer("logits").set_weights([kernel, bias])
    return recognizer(model, plan)
