"""Set up and train the networks of notebook 07, as a profile says or with a change for a study.

Each is trained once a seed (`project.runs`); what is scored and saved under its name is one
network of the mean of the seeds' logits. Notebook: 07_other_networks.ipynb.
"""

import dataclasses
import functools
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import pandas as pd
from pydantic import ValidationError, create_model

from irmas_utils.data import fetch
from irmas_utils.data.corpus import content
from irmas_utils.project import runs, sources
from irmas_utils.project.errors import SettingsError
from irmas_utils.project.files import digest
from irmas_utils.project.runs import Outcome
from irmas_utils.project.settings import Section, Settings
from irmas_utils.systems.networks import fine_tuning, registry
from irmas_utils.systems.networks.fine_tuning import Data, Plan
from irmas_utils.systems.networks.mixing import Recipe

Change = Mapping[str, Any] | None
FACTORS = {"width"}
"""Options that a change multiplies and does not replace: "half as wide" in every profile."""


class Trained(NamedTuple):
    """A network that was trained and scored, or several joined; see `fine_tuning.scored`."""

    whole: Outcome  # of all seeds' networks in one
    by_seed: dict[int, Outcome]  # of each seed's alone
    history: pd.DataFrame  # a row an epoch and seed: epoch, seconds, seed and, if any, losses
    setup: dict[str, Any]  # options and plan


def train_all(
    names: Sequence[str] | None, data: Data, settings: Settings, change: Change = None
) -> dict[str, Trained]:
    """Train networks, or all that are registered if `names` is None; see `train`.

    Those that need published weights are left out where there are none, which is said.
    """
    path, missing = fetch.available()
    chosen = registry.chosen(names, weights=path is not None)
    left_out = [name for name in registry.chosen(names, weights=True) if name not in chosen]
    if left_out:
        print(f"Left out: {', '.join(map(registry.title, left_out))}. {missing}")
    return {name: train(name, data, settings, path, change) for name in chosen}


def train(
    name: str, data: Data, settings: Settings, weights: Path | None, change: Change = None
) -> Trained:
    """Train a registered network on the fitting part, once a seed, and score it.

    The validation part is watched; nothing is chosen on it here. What knows no epochs knows no
    seed either. `weights` are the published ones. Raises as `configure` and `fine_tuning.train`.
    """
    options, plan = configure(name, settings, change)
    entry, module = registry.network(name), registry.module(name)
    setup = options | (dataclasses.asdict(plan) if plan else {})
    made_from = {
        "setup": setup,
        "clips": {part: content(clips) for part, clips in data.parts._asdict().items()}
        | {"mixtures": content(data.mixed)},
        "weights": digest(weights) if entry.pretrained else None,
        "code": sources.digest_of(entry.module, fine_tuning.__name__),
    }
    seeds = settings.networks.seeds[: None if plan else 1]
    by_seed = {
        seed: runs.once(
            f"{name}-seed{seed}",
            made_from | {"seed": seed},
            functools.partial(fine_tuning.run, module, options, plan, weights, data, seed),
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


def configure(
    name: str, settings: Settings, change: Change = None
) -> tuple[dict[str, Any], Plan | None]:
    """Say how a registered network is built and trained: its options, and its plan if it has one.

    Its line in ``networks.plans`` and then `change` replace defaults, or multiply them where
    `change` has one of the `FACTORS`. A key is an option of the network's ``build`` (or ``fit``),
    a field of `Plan` or of its `Recipe`. Raises SettingsError, which names the key, if there is
    no such network, or a key or a value is none of it.
    """
    for network in (name, *settings.networks.plans):
        registry.network(network, "train" if network == name else "networks.plans")
    module = registry.module(name)
    trains = hasattr(module, "build")
    known = [_keys(kind) for kind in ([module.build, Plan, Recipe] if trains else [module.fit])]
    values = {key: default for key, (_, default) in known[0].items()}
    values |= {"batch_size": settings.networks.batch_size} if trains else {}
    values |= _checked(settings.networks.plans.get(name, {}), known, f"networks.plans.{name}")
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
    fields = {key: field for keys in known for key, field in keys.items()}
    kind = create_model("Keys", __base__=Section, **fields)
    try:
        # As JSON, for there a list is a tuple, and a whole number a float, but no text is.
        return kind.model_validate_json(json.dumps(values)).model_dump(exclude_unset=True)
    except ValidationError as error:
        first = error.errors()[0]
        key, known_keys = first["loc"][0], ", ".join(sorted(fields))
        misspelt = key not in fields
        raise SettingsError(
            f"{where}.{key}",
            found="an unknown key" if misspelt else repr(values[key]),
            expected=f"one of {known_keys}" if misspelt else first["msg"].lower(),
            remedy="Check the spelling." if misspelt else "Correct the value.",
        ) from error
