"""Build and train the networks of notebook 07, as a profile says or with one change for a study.

Each network is trained once a seed; what is scored and saved under its name is one network that
averages the seeds' logits (`systems.networks.assessment`). Notebook: 07_other_networks.ipynb.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from irmas_utils.metrics import tables as experiment
from irmas_utils.models import efficientat, han
from irmas_utils.project import backend
from irmas_utils.project.backend import keras
from irmas_utils.project.errors import SettingsError
from irmas_utils.project.settings import Settings
from irmas_utils.project.vocabulary import INSTRUMENTS
from irmas_utils.systems import predict
from irmas_utils.systems.networks import fine_tuning as recognition
from irmas_utils.systems.networks.fine_tuning import Plan
from irmas_utils.systems.networks.mixing import ALONE, Recipe
from irmas_utils.systems.recognizer import Recognizer

HAN = Plan(han.SAMPLE_RATE, window=1.0, hop=0.5, ema=None, recipe=ALONE, aggregation="s1")
MN04 = Plan(efficientat.SAMPLE_RATE)
MASKS = {"mask_bands": 24, "mask_frames": 60, "filter_db": 6.0}
"""Of the fine-tuned network: at most 24 of 128 mel bands and 0.6 s are masked."""

_OPTIONS = {"han": {"width": 1.0}, "mn04": {"masks": True, "published": True}}


@dataclass(frozen=True)
class Trained:
    """A network, trained once a seed.

    Attributes
    ----------
    members : dict
        Seed to recognizer.
    history : pandas.DataFrame
        A row an epoch and seed; only epoch, seconds and seed for what is not trained in epochs.
    """

    members: dict[int, Recognizer]
    history: pd.DataFrame

    @functools.cached_property
    def recognizer(self) -> Recognizer:
        """All members in one."""
        return recognition.joined(list(self.members.values()))


def configure(
    network: str, settings: Settings, change: Mapping[str, Any]
) -> tuple[dict[str, Any], Plan]:
    """Say how a network is built and trained.

    Parameters
    ----------
    network : str
        ``han`` or ``mn04``.
    settings : Settings
        Its ``networks_`` keys are used.
    change : mapping
        What is different from the profile's: any field of `Plan` or of its `Recipe`; for ``han``
        ``width`` (a factor), for ``mn04`` ``masks`` and ``published`` (false: without masks and
        filters; from random weights).

    Returns
    -------
    options : dict
        For `build`.
    plan : Plan

    Raises
    ------
    SettingsError
        If `change` has a key that is none of these.
    """
    change = {key: tuple(v) if isinstance(v, list) else v for key, v in change.items()}
    options, plan = dict(_OPTIONS[network]), _plan(network, settings)
    known = [options.keys(), _fields(Plan), _fields(Recipe)]
    if unknown := change.keys() - set().union(*known):
        raise SettingsError(
            "change",
            found=f"unknown key {', '.join(sorted(unknown))}",
            expected=f"one of {', '.join(sorted(set().union(*known)))}",
            remedy="Check the spelling.",
        )
    of_network, of_plan, of_recipe = ({k: change[k] for k in change.keys() & kn} for kn in known)
    recipe = replace(plan.recipe, **of_recipe)
    options |= of_network
    if network == "han":
        options["width"] *= settings.networks.han.width
    return options, replace(plan, recipe=recipe, **of_plan)


def _plan(network: str, settings: Settings) -> Plan:
    batch_size = settings.networks.batch_size
    if network == "han":
        return replace(HAN, epochs=settings.networks.han.epochs, batch_size=batch_size)
    return replace(
        MN04,
        epochs=settings.networks.mn04.epochs,
        batch_size=batch_size,
        learning_rate=settings.networks.mn04.learning_rate,
        ema=settings.networks.mn04.ema,
    )


def _fields(kind: type) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


def build(network: str, seed: int, options: Mapping[str, Any], weights: Path | None) -> keras.Model:
    """Build a network as `configure` says; published weights are read from `weights`."""
    backend.set_determinism(seed)
    if network == "han":
        return han.build(options["width"], seed=seed)
    augment = MASKS if options["masks"] else {}
    start = efficientat.mn04
    if options["published"]:
        start = functools.partial(efficientat.pretrained, weights)
    return start(len(INSTRUMENTS), level=efficientat.LEVEL, seed=seed, **augment)


def train(
    network: str,
    parts: experiment.Splits,
    settings: Settings,
    *,
    weights: Path | None,
    checkpoint_dir: Callable[[int], Path],
    change: Mapping[str, Any] | None = None,
) -> Trained:
    """Train a network on the fitting part, once a seed.

    Parameters
    ----------
    network : str
        ``han``, ``mn04``; or ``zero-shot`` and ``probe``, which know no seed.
    parts : irmas_utils.metrics.tables.Splits
        The validation part is watched; nothing is chosen on it here.
    settings : Settings
    weights : Path, optional
        The published weights, which all but ``han`` need.
    checkpoint_dir : callable
        ``checkpoint_dir(seed) -> Path``; an interrupted training goes on from there.
    change : mapping, optional
        See `configure`.

    Raises
    ------
    AudioError, TrainingError, SettingsError
        As `systems.networks.fine_tuning.train` and `configure`.
    """
    if network in ("zero-shot", "probe"):
        return _fitted_at_once(network, parts, settings.networks.seeds[0], weights)
    options, plan = configure(network, settings, change or {})
    members, histories = {}, []
    for seed in settings.networks.seeds:
        print(f"{network}, seed {seed}", flush=True)
        members[seed], history = recognition.train(
            build(network, seed, options, weights),
            parts.fitting,
            plan,
            seed=seed,
            validation=parts.validation,
            checkpoint_dir=checkpoint_dir(seed) / network,
        )
        histories.append(history.assign(seed=seed))
    return Trained(members, pd.concat(histories, ignore_index=True))


def _fitted_at_once(network: str, parts: experiment.Splits, seed: int, weights: Path) -> Trained:
    started = time.perf_counter()
    if network == "probe":
        recognizer = recognition.probe(weights, parts.fitting, MN04)
    else:
        recognizer = predict.untrained()
    seconds = time.perf_counter() - started if network == "probe" else 0.0
    history = pd.DataFrame({"epoch": [1], "seconds": [seconds], "seed": [seed]})
    return Trained({seed: recognizer}, history)
