"""The networks of notebook 07 by the names of their runs, and the variants that a study trains.

A variant is one execution of notebook 07 with one network, trained as the profile says but for
one change; its results are kept under the variant's name. What needs the published weights is
left out where there are none, and nothing else changes. Notebooks: 07_other_networks.ipynb trains;
09_comparison.ipynb and 10_discussion.ipynb read.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import pandas as pd

from irmas_utils.project import records
from irmas_utils.project.errors import SettingsError
from irmas_utils.project.settings import Settings

NOTEBOOK = "07_other_networks"

NETWORKS = {
    "han": "Han et al. CNN",
    "zero-shot": "mn04 zero-shot",
    "probe": "mn04 linear probe",
    "mn04": "mn04 fine-tuned",
    "ensemble": "ensemble of networks",
}
"""Name of a run to what tables call it."""


class Variant(NamedTuple):
    """Which network, what is changed (see `systems.networks.registry.configure`), in words."""

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

PER_LABEL = "mn04-per_label"
"""Recorded with ``mn04``: the same networks, but a threshold for each instrument."""

_PRETRAINED = ("zero-shot", "probe", "mn04", "ensemble")


def variant(name: str) -> Variant:
    """Look a variant up by the name that a profile uses. Raises SettingsError."""
    if name not in VARIANTS:
        raise SettingsError(
            "networks.variants",
            found=name,
            expected=f"one of {', '.join(VARIANTS)}",
            remedy="Correct the profile.",
        )
    return VARIANTS[name]


def needs_weights(name: str) -> bool:
    """Say whether a run, or a row of a table, is there only where published weights are."""
    return name.startswith(_PRETRAINED)


def recorded(settings: Settings, names: Iterable[str]) -> list[str]:
    """Return `names` without the runs that need weights and have no results."""
    return [n for n in names if records.exists(settings.profile, n) or not needs_weights(n)]


def table(settings: Settings) -> pd.DataFrame:
    """Read what each variant scores on the testing set, beside the network that it varies.

    Returns
    -------
    pandas.DataFrame
        A row a run and seed, a network before its variants. Columns run (such as
        ``mn04-alone``), network (``han`` or ``mn04``), variant (what differs, in words; "as it
        is" for the network itself), base (whether it is that), seed, micro F1, macro F1, LRAP,
        parameters (of one seed's network) and seconds (an epoch). Runs that need published
        weights are missing where there were none; the table is never empty.

    Raises
    ------
    DataError
        If another run has not been executed.
    SettingsError
        If the profile names a variant that there is not.
    """
    return pd.concat(
        [_rows(settings, run) for run in recorded(settings, _compared(settings))],
        ignore_index=True,
    )


def _compared(settings: Settings) -> list[str]:
    """Return the runs of `table` in order."""
    varied = {"han": [], "mn04": [PER_LABEL]}
    for name in settings.networks.variants:
        varied[variant(name).network].append(name)
    return [run for network, names in varied.items() for run in (network, *names)]


def _rows(settings: Settings, run: str) -> pd.DataFrame:
    result = records.load_metrics(settings.profile, run)
    scores = {name: leaf["values"] for name, leaf in result["over_seeds"].items()}
    descriptions = {name: found.description for name, found in VARIANTS.items()}
    descriptions[PER_LABEL] = "a threshold for each instrument"
    return pd.DataFrame(
        {
            "run": run,
            "network": run.partition("-")[0],
            "variant": descriptions.get(run, "as it is"),
            "base": run in NETWORKS,
            "seed": result["seeds"],
            **{name: scores[name] for name in ("micro F1", "macro F1", "LRAP")},
            "parameters": result["n_parameters"] // len(result["seeds"]),
            "seconds": result["seconds_per_epoch"],
        }
    )
