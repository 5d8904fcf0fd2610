"""Train the networks of notebook 07, as a profile says or with a change for a study.

Each is trained once a seed; what is scored is one network of the mean of the seeds' logits.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from pydantic import ValidationError

from irmas_utils.data import fetch
from irmas_utils.data.corpus import content
from irmas_utils.models import training
from irmas_utils.project import runs, sources
from irmas_utils.project.errors import SettingsError
from irmas_utils.project.files import digest
from irmas_utils.project.settings import Section, Settings
from irmas_utils.systems.networks import fine_tuning, registry
from irmas_utils.systems.networks.fine_tuning import Data, Plan

Change = Mapping[str, Any] | None
FACTORS = {"width"}
"""Options that a change multiplies and does not replace: "half as wide" in every profile."""


class Trained(NamedTuple):
    """A network that was trained and scored, or several joined; see `fine_tuning.scored`."""

    whole: runs.Outcome  # of all seeds' networks in one
    by_seed: dict[int, runs.Outcome]  # of each seed's alone
    history: pd.DataFrame  # a row an epoch and seed: epoch, seconds, seed and, if any, losses
    setup: dict[str, Any]  # its plan


def train_all(
    names: Sequence[str] | None, data: Data, settings: Settings, change: Change = None
) -> dict[str, Trained]:
    """Train networks, or all that are registered if `names` is None; see `train`.

    Those that need published weights are left out where there are none, which is said.
    """
    chosen = registry.NETWORKS if names is None else names
    pretrained = [name for name in chosen if registry.network(name).pretrained]
    path, missing = fetch.available()
    left_out = pretrained if path is None else []
    if left_out:
        print(f"Left out: {', '.join(map(registry.title, left_out))}. {missing}")
    return {
        name: train(name, data, settings, path, change) for name in chosen if name not in left_out
    }


def train(
    name: str, data: Data, settings: Settings, weights: Path | None, change: Change = None
) -> Trained:
    """Train a registered network on the fitting part, once a seed, and score it.

    The validation part is watched; nothing is chosen on it here. What knows no epochs knows no
    seed either. `weights` are the published ones. Raises as `configure` and `fine_tuning.train`.
    """
    plan, entry = configure(name, settings, change), registry.network(name)
    made_from = {
        "setup": plan.model_dump(),
        "clips": {part: content(clips) for part, clips in data.parts._asdict().items()}
        | {"mixtures": content(data.mixed)},
        "weights": digest(weights) if entry.pretrained else None,
        "code": sources.digest_of(entry.module, fine_tuning.__name__),
    }
    seeds = settings.networks.seeds[: None if isinstance(plan, Plan) else 1]
    make = functools.partial(fine_tuning.run, plan, weights, data)
    by_seed, history = training.each_seed(name, made_from, seeds, make)
    whole = by_seed[seeds[0]]
    if len(seeds) > 1:
        folders = [outcome.folder for outcome in by_seed.values()]
        join = functools.partial(fine_tuning.run_joined, folders, data)
        whole = runs.once(f"{name}-joined", made_from | {"seeds": seeds}, join)
    return Trained(whole, by_seed, history, plan.model_dump())


def configure(name: str, settings: Settings, change: Change = None) -> Plan | Section:
    """Return the plan that a registered network is built and trained by.

    Its line in ``networks.plans`` and then `change` replace what its file says, or multiply it
    where `change` has one of the `FACTORS`. Raises SettingsError, which names the key, if there is
    no such network, or a key or a value is none of its plan's.
    """
    plan = registry.plan(name)
    for network in settings.networks.plans:
        registry.network(network, "networks.plans")
    if isinstance(plan, Plan):
        plan = plan.model_copy(update={"batch_size": settings.networks.batch_size})
    plan = changed(plan, settings.networks.plans.get(name, {}), f"networks.plans.{name}")
    new, scaled = changed(plan, change or {}, "change"), FACTORS & (change or {}).keys()
    return changed(new, {k: getattr(plan, k) * getattr(new, k) for k in scaled}, "change")


def changed(plan: Section, values: Mapping[str, Any], where: str) -> Section:
    """Return a plan with other values; SettingsError names the key of `where` if one is wrong."""
    known = type(plan).model_fields
    try:
        # As JSON, for there a list is a tuple, and a whole number a float, but no text is.
        return type(plan).model_validate_json(json.dumps(plan.model_dump() | values))
    except ValidationError as error:
        first = error.errors()[0]
        key = first["loc"][0]
        if key in known:
            value = (plan.model_dump() | values)[key]
            said = repr(value), first["msg"].lower(), "Correct the value."
        else:
            said = "an unknown key", f"one of {', '.join(sorted(known))}", "Check the spelling."
        raise SettingsError(f"{where}.{key}", *said) from error
