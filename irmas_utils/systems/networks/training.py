"""Set up and train the networks of notebook 07, as a profile says or with a change for a study.

Each is trained once a seed; what is scored and saved under its name is one network of the mean
of the seeds' logits. Runs are stored (`project.runs`): the same network from the same clips,
options and code is trained once. Notebook: 07_other_networks.ipynb.
"""

import dataclasses
import functools
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from irmas_utils.data import fetch
from irmas_utils.data.corpus import content
from irmas_utils.project import runs, sources
from irmas_utils.project.backend import keras, set_determinism
from irmas_utils.project.errors import SettingsError
from irmas_utils.project.files import digest
from irmas_utils.project.runs import Outcome
from irmas_utils.project.settings import Settings
from irmas_utils.systems.networks import fine_tuning, registry
from irmas_utils.systems.networks.fine_tuning import Data, Plan
from irmas_utils.systems.networks.mixing import Recipe

FACTORS = {"width"}
"""Options that a change multiplies and does not replace: "half as wide" in every profile."""


class Trained(NamedTuple):
    """A network that was trained and scored, or several joined.

    Attributes
    ----------
    whole : Outcome
        Of all seeds' networks in one; see `systems.networks.fine_tuning.scored`.
    by_seed : dict
        Seed to the outcome of that seed's network alone.
    history : pandas.DataFrame
        A row an epoch and seed; only epoch, seconds and seed for what is not trained in epochs.
    setup : dict
        Options and plan, as JSON.
    """

    whole: Outcome
    by_seed: dict[int, Outcome]
    history: pd.DataFrame
    setup: dict[str, Any]


def train_all(
    names: Sequence[str] | None,
    data: Data,
    settings: Settings,
    change: Mapping[str, Any] | None = None,
) -> dict[str, Trained]:
    """Train networks, or read them back: all that are registered if `names` is None.

    Those that need published weights are left out where there are none, which is said.

    Raises
    ------
    AudioError, TrainingError, SettingsError
        As `train`.
    """
    path, missing = fetch.available()
    chosen = registry.chosen(names, weights=path is not None)
    left_out = [name for name in registry.chosen(names, weights=True) if name not in chosen]
    if left_out:
        print(f"Left out: {', '.join(map(registry.title, left_out))}. {missing}")
    return {name: train(name, data, settings, path, change) for name in chosen}


def train(
    name: str,
    data: Data,
    settings: Settings,
    weights: Path | None,
    change: Mapping[str, Any] | None = None,
) -> Trained:
    """Train a registered network on the fitting part, once a seed, and score it.

    Parameters
    ----------
    name : str
    data : Data
        The validation part is watched; nothing is chosen on it here.
    settings : Settings
        ``networks.seeds`` and what `configure` reads. What knows no epochs knows no seed either.
    weights : Path, optional
        The published weights.
    change : mapping, optional
        See `configure`.

    Raises
    ------
    AudioError, TrainingError, SettingsError
        As `systems.networks.fine_tuning.train` and `configure`.
    """
    options, plan = configure(name, settings, change)
    entry, module = registry.network(name), registry.module(name)
    setup = options | (plan.describe() if plan else {})
    made_from = {
        "setup": setup,
        "clips": {part: content(clips) for part, clips in data.parts._asdict().items()}
        | {"mixtures": content(data.mixed)},
        "weights": digest(weights) if entry.pretrained else None,
        "code": sources.digest_of(entry.module, fine_tuning.__name__),
    }
    seeds = settings.networks.seeds[: None if plan else 1]
    train_seed = functools.partial(fine_tuning.run, module, options, plan, weights, data)
    by_seed = {
        seed: runs.once(
            f"{name}-seed{seed}", made_from | {"seed": seed}, functools.partial(train_seed, seed)
        )
        for seed in seeds
    }
    whole = by_seed[seeds[0]]
    if len(seeds) > 1:
        folders = [outcome.folder for outcome in by_seed.values()]
        whole = runs.once(
            f"{name}-joined",
            made_from | {"seeds": seeds},
            functools.partial(fine_tuning.run_joined, folders, data),
        )
    rows = [pd.DataFrame(o.facts["history"]).assign(seed=seed) for seed, o in by_seed.items()]
    return Trained(whole, by_seed, pd.concat(rows, ignore_index=True), setup)


def build(name: str, seed: int, options: Mapping[str, Any], weights: Path | None) -> keras.Model:
    """Build a network with the options of `configure`, untrained."""
    set_determinism(seed)
    return registry.module(name).build(seed, weights, **options)


def configure(
    name: str, settings: Settings, change: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], Plan | None]:
    """Say how a network is built and trained.

    Parameters
    ----------
    name : str
        A registered network.
    settings : Settings
        ``networks.batch_size`` and the network's line in ``networks.plans``.
    change : mapping, optional
        What is different from the profile's. Here and in a profile a key is an option of the
        network's ``build`` (or ``fit``), a field of `Plan` or of its `Recipe`; a `FACTORS` here
        multiplies the profile's value.

    Returns
    -------
    options : dict
        All of them, with their values.
    plan : Plan or None
        None for what knows no epochs.

    Raises
    ------
    SettingsError
        If there is no such network, or a key or a value is none of it; the key is named.
    """
    for network in (name, *settings.networks.plans):
        registry.network(network, "train" if network == name else "networks.plans")
    module = registry.module(name)
    trains = hasattr(module, "build")
    known = [_keys(kind) for kind in ([module.build, Plan, Recipe] if trains else [module.fit])]
    stated = settings.networks.plans.get(name, {})
    values = {key: default for key, (_, default) in known[0].items()}
    values |= {"batch_size": settings.networks.batch_size} if trains else {}
    values |= _checked(stated, known, f"networks.plans.{name}")
    for key, value in _checked(change or {}, known, "change").items():
        values[key] = values[key] * value if key in FACTORS else value
    options, *rest = ({key: values[key] for key in values.keys() & keys} for keys in known)
    if not trains:
        return options, None
    of_plan, of_recipe = rest
    recipe = dataclasses.replace(module.PLAN.recipe, **of_recipe)
    return options, dataclasses.replace(module.PLAN, recipe=recipe, **of_plan)


def _keys(kind: Callable) -> dict[str, tuple[Any, Any]]:
    """Return the parameters that have a default: name to type and default."""
    types = get_type_hints(kind.__init__ if inspect.isclass(kind) else kind, include_extras=True)
    return {
        name: (types.get(name, Any), parameter.default)
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.default is not parameter.empty and name != "recipe"
    }


def _checked(values: Mapping[str, Any], known: list[dict], where: str) -> dict[str, Any]:
    """Return values with tuples where lists were. Raises SettingsError."""
    types = {key: kind for keys in known for key, (kind, _) in keys.items()}
    checked = {}
    for key, value in values.items():
        if key not in types:
            raise SettingsError(
                f"{where}.{key}",
                found="an unknown key",
                expected=f"one of {', '.join(sorted(types))}",
                remedy="Check the spelling.",
            )
        try:
            # As JSON, for there a list is a tuple, and a whole number a float, but no text is.
            checked[key] = TypeAdapter(types[key]).validate_json(json.dumps(value), strict=True)
        except ValidationError as error:
            raise SettingsError(
                f"{where}.{key}",
                found=repr(value),
                expected=error.errors()[0]["msg"].lower(),
                remedy="Correct the value.",
            ) from error
    return checked
