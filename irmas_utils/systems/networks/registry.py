"""The networks of notebook 07: the table to add one to, and the variants that a study trains.

A network is one file in this folder and one line of `NETWORKS`: docs/adding.md. The file is
imported only where the network is trained: what merely tells of networks needs no TensorFlow.
"""

import importlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from irmas_utils.project import errors, records
from irmas_utils.project.settings import Section, Settings

NOTEBOOK = "07_other_networks"
FOLDER = "irmas_utils.systems.networks"


class Entry(NamedTuple):
    """A network: what tables call it, and its file."""

    title: str
    module: str
    pretrained: bool = False  # needs the published weights; left out where there are none
    learns: bool = True  # from our training set; else it is neither joined nor saved as the best


NETWORKS = {
    "han": Entry("Han et al. CNN", f"{FOLDER}.han"),
    "zero-shot": Entry("mn04 zero-shot", f"{FOLDER}.zero_shot", pretrained=True, learns=False),
    "probe": Entry("mn04 linear probe", f"{FOLDER}.probe", pretrained=True),
    "mn04": Entry("mn04 fine-tuned", f"{FOLDER}.mn04", pretrained=True),
}
"""By the names of their runs, in the order of tables."""

ENSEMBLE = "ensemble"
"""Recorded where two networks or more were trained: the mean of their logits."""


class Variant(NamedTuple):
    """Which network, what is changed (see `systems.networks.training.configure`), in words."""

    network: str
    change: dict[str, Any]
    description: str


VARIANTS = {
    "han-mixed": Variant("han", {"sources": [0.3, 0.5, 0.2], "pan": 0.2}, "mixed clips"),
    "han-narrow": Variant("han", {"width": 0.5}, "half as wide"),
    "han-wide": Variant("han", {"width": 1.5}, "half as wide again"),
    "han-balanced": Variant("han", {"balance": 0.5}, "classes balanced half-way"),
    "mn04-alone": Variant("mn04", {"sources": [1.0]}, "excerpts alone, not mixed"),
    "mn04-no_masks": Variant("mn04", {"masks": False}, "no masks or filters"),
    "mn04-balanced": Variant("mn04", {"balance": 0.5}, "classes balanced half-way"),
    "mn04-soft": Variant("mn04", {"negative": 0.05}, "unlabelled means 0.05, not 0"),
    "mn04-no_average": Variant("mn04", {"ema": None}, "no average of weights"),
    "mn04-scratch": Variant("mn04", {"published": False}, "random initial weights"),
}
"""Name of a run to what it trains; a profile's ``networks.variants`` says which are run."""


def titles() -> dict[str, str]:
    """Return the runs that notebook 07 records, and what tables call them, in their order."""
    found = {name: entry.title for name, entry in NETWORKS.items()}
    return found | {ENSEMBLE: "ensemble of networks"}


def title(run: str) -> str:
    """Return what tables call a run."""
    return titles().get(run, run)


def network(name: str, key: str = "train") -> Entry:
    """Look a network up by the name that `key` gives. Raises SettingsError."""
    return errors.chosen(NETWORKS, name, key)


def plan(name: str) -> Section:
    """Import the file of a network, and return its plan. Raises SettingsError."""
    return importlib.import_module(network(name).module).PLAN


def variant(name: str) -> Variant:
    """Look a variant up by the name that a profile uses. Raises SettingsError."""
    return errors.chosen(VARIANTS, name, "networks.variants")


def best(mixed: Mapping[str, dict[str, Any]]) -> str | None:
    """Name the network to keep, trained here, by micro F1 on mixtures; None if there is none.

    `mixed` has what `metrics.evaluate` finds there, by run.
    """
    own = [run for run in mixed if run in NETWORKS and NETWORKS[run].learns]
    return max(own, key=lambda run: mixed[run]["micro"]["f1"]["value"], default=None)


def needs_weights(run: str) -> bool:
    """Say whether a run, or a variant's, is there only where published weights are."""
    if run == ENSEMBLE:
        return sum(entry.learns and not entry.pretrained for entry in NETWORKS.values()) < 2
    names = [name for name, entry in NETWORKS.items() if entry.pretrained]
    return f"{run}-".startswith(tuple(f"{name}-" for name in names))


def recorded(settings: Settings, runs: Iterable[str]) -> list[str]:
    """Return `runs` without those that need weights and have no results."""
    return [run for run in runs if not needs_weights(run) or records.exists(settings.profile, run)]
