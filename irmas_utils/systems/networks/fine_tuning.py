"""From a network to a recognizer: train on mixed clips, score, join several in one.

What is stored under a run depends on this module and on the network's own.
"""

import dataclasses
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field, ValidationInfo, field_validator

from irmas_utils.audio.features import label_matrix
from irmas_utils.data.corpus import Splits
from irmas_utils.models import training
from irmas_utils.project.backend import keras, set_determinism
from irmas_utils.project.runs import Outcome
from irmas_utils.project.settings import BatchSize, Positive, PositiveInt, Section
from irmas_utils.project.vocabulary import INSTRUMENTS
from irmas_utils.systems.networks import mixing
from irmas_utils.systems.recognizer import LONGEST, Recognizer


class Plan(mixing.Recipe):
    """How a network is trained and used; a network's own adds its options and ``build``."""

    sample_rate: Annotated[int, Field(ge=1000, le=192_000)]  # [Hz]
    window: Annotated[float, Field(ge=0.1, le=60)] = 3.0  # of what is heard at a time [s]
    hop: Positive = 1.5  # from one window to the next [s]
    epochs: PositiveInt = 20
    batch_size: BatchSize = 32
    learning_rate: Positive = 1e-3  # the largest; it falls along a cosine
    warmup: mixing.Share = 0.1  # of all steps, over which the rate rises
    ema: Annotated[float, Field(gt=0, lt=1)] | None = 0.99  # momentum of the weights' average
    aggregation: Literal["mean_logit", "s1"] = "mean_logit"

    @field_validator("window", "hop")
    @classmethod
    def _fits(cls, value: float, info: ValidationInfo) -> float:
        window = info.data.get("window", value)
        if window * info.data.get("sample_rate", 0) > LONGEST:
            raise ValueError(f"up to {LONGEST} samples")
        if not window / 50 <= value <= window:
            raise ValueError("a fiftieth to all of the window")
        return value

    def schedule(self, n_clips: int) -> keras.optimizers.schedules.LearningRateSchedule:
        """Return the learning rate by step, for a training set of `n_clips`."""
        steps = self.epochs * math.ceil(n_clips / self.batch_size)
        rising = max(1, round(self.warmup * steps))
        return keras.optimizers.schedules.CosineDecay(
            0.0, max(1, steps - rising), warmup_target=self.learning_rate, warmup_steps=rising
        )


def train(
    model: keras.Model,
    clips: pd.DataFrame,
    plan: Plan,
    *,
    seed: int,
    validation: pd.DataFrame | None = None,
    checkpoint_dir: str | Path | None = None,
    progress: bool | None = None,
    codes: Sequence[str] = INSTRUMENTS,
) -> tuple[Recognizer, pd.DataFrame]:
    """Train `model`, from samples to scores of `codes`, in place on clips mixed every epoch afresh.

    Returns it as a recognizer, with thresholds of 0.5, and its history; all else is as in
    `models.training.fit`. Raises AudioError if a clip cannot be read.
    """
    history = training.fit(
        training.Trainer(model, "binary", plan.schedule(len(clips)), ema=plan.ema),
        lambda epoch: batches(clips, plan, seed, codes, epoch),
        None if validation is None else list(batches(validation, plan, seed, codes)),
        epochs=plan.epochs,
        seed=seed,
        checkpoint_dir=checkpoint_dir,
        progress=progress,
    )
    return recognizer(model, plan, codes), history


def batches(
    clips: pd.DataFrame, plan: Plan, seed: int, codes: Sequence[str], epoch: int | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield clips mixed for an epoch, as `systems.networks.mixing.batches` does.

    Without an epoch every clip comes once, alone and as it is.
    """
    return mixing.batches(
        mixing.excerpts(clips, plan.sample_rate),
        label_matrix(clips["labels"], codes),
        n_samples=round(plan.window * plan.sample_rate),
        batch_size=plan.batch_size,
        recipe=mixing.ALONE if epoch is None else plan,
        seed=seed,
        epoch=epoch or 0,
        fill=epoch is not None,
    )


def recognizer(model: keras.Model, plan: Plan, codes: Sequence[str] = INSTRUMENTS) -> Recognizer:
    """Wrap a network as a recognizer that cuts windows as `plan` says, with thresholds of 0.5."""
    return Recognizer(
        model,
        sample_rate=plan.sample_rate,
        window=round(plan.window * plan.sample_rate),
        hop=round(plan.hop * plan.sample_rate),
        thresholds=(0.5,) * len(codes),
        aggregation=plan.aggregation,
        labels=tuple(codes),
    )


def joined(members: Sequence[Recognizer]) -> Recognizer:
    """Return one recognizer of the mean logits of several; all else it takes from the first."""
    waveform = keras.Input((None,), name="waveform")
    logits = [
        keras.Model(m.model.input, m.model.get_layer("logits").output, name=f"member_{n}")(waveform)
        for n, m in enumerate(members)
    ]
    mean = keras.layers.Average(name="logits")(logits)
    output = keras.layers.Activation("sigmoid", name="scores")(mean)
    first = members[0]
    return dataclasses.replace(first, model=keras.Model(waveform, output, name=first.model.name))


class Data(NamedTuple):
    """The index's parts, and mixtures of validation recordings (`systems.mixtures`)."""

    parts: Splits
    mixed: pd.DataFrame


def run(plan: Plan | Section, weights: Path | None, data: Data, seed: int, folder: Path) -> Outcome:
    """Build and train a network, or fit what knows no epochs, and score it; see `scored`."""
    print(f"{type(plan).__module__.rpartition('.')[2]}, seed {seed}", flush=True)
    fitting, validation, _ = data.parts
    if isinstance(plan, Plan):
        set_determinism(seed)
        options = {"validation": validation, "checkpoint_dir": folder / "unfinished"}
        trained, history = train(plan.build(seed, weights), fitting, plan, seed=seed, **options)
    else:
        started = time.perf_counter()
        trained = plan.fit(fitting, weights)
        history = pd.DataFrame({"epoch": [1], "seconds": [time.perf_counter() - started]})
    return scored(trained, history, data, folder)


def run_joined(folders: Sequence[Path], data: Data, folder: Path) -> Outcome:
    """Join the recognizers in `folders` and score them as one; see `scored`."""
    members = [Recognizer.load(each / "recognizer") for each in folders]
    return scored(joined(members), pd.DataFrame(), data, folder)


def scored(trained: Recognizer, history: pd.DataFrame, data: Data, folder: Path) -> Outcome:
    """Save a recognizer as ``recognizer.keras`` in `folder` and score the data with it.

    Arrays ``mixtures`` and ``testing``, (n_clips, 11). Facts: `models.training.facts`, and
    ``clip_seconds``, to read and score a testing clip.
    """
    trained.save(folder / "recognizer")
    on_mixtures = trained.score_files(data.mixed["path"])
    started = time.perf_counter()  # the network is compiled by now
    on_testing = trained.score_files(data.parts.testing["path"])
    clip_seconds = (time.perf_counter() - started) / len(on_testing)
    facts = training.facts(trained.model, history) | {"clip_seconds": clip_seconds}
    return Outcome({"mixtures": on_mixtures, "testing": on_testing}, facts)
