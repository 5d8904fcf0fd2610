"""What notebook 07 shows and keeps of its networks: tables, metrics, the best as a saved model.

Notebook: 07_other_networks.ipynb.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from irmas_utils import metrics
from irmas_utils.data import corpus, fetch
from irmas_utils.metrics import tables as experiment
from irmas_utils.metrics.tables import Splits, interval
from irmas_utils.project import files as atomic
from irmas_utils.project import records
from irmas_utils.project.records import Record
from irmas_utils.project.settings import Settings
from irmas_utils.systems.networks import variants
from irmas_utils.systems.networks.assessment import System
from irmas_utils.systems.networks.registry import Trained
from irmas_utils.systems.recognizer import card


def score_table(
    systems: Mapping[str, System], trivial: Mapping[str, dict[str, Any]]
) -> pd.DataFrame:
    """Return a row a system: micro F1, macro F1 and LRAP on the testing set, with intervals.

    Parameters
    ----------
    systems : mapping
        Of `systems.networks.assessment.assess`.
    trivial : mapping
        Name to evaluation, of predictors that never listen.
    """
    results = {shown(name): system.judged.on_testing for name, system in systems.items()}
    rows = []
    for name, result in (results | dict(trivial)).items():
        leaves = {
            "micro F1": result["micro"]["f1"],
            "macro F1": result["macro"]["f1"],
            "LRAP": result["lrap"],
        }
        row = {"system": name}
        for score, leaf in leaves.items():
            row |= {score: leaf["value"], f"{score}, 95 % interval": interval(leaf)}
        rows.append(row | {"labels a clip": result["labels_per_clip"]["predicted"]})
    return pd.DataFrame(rows)


def threshold_table(systems: Mapping[str, System]) -> pd.DataFrame:
    """Return a row a system: its threshold, what it does on mixtures and on the testing set.

    The last two columns are of a threshold for each instrument.
    """
    rows = []
    for name, system in systems.items():
        judged = system.judged
        row = {"system": shown(name), "threshold": judged.threshold}
        for part, result in (("mixtures", judged.on_mixtures), ("testing", judged.on_testing)):
            row[f"micro F1, {part}"] = result["micro"]["f1"]["value"]
            row[f"labels a clip, {part}"] = result["labels_per_clip"]["predicted"]
        row["micro F1, each its own"] = judged.per_label["micro"]["f1"]["value"]
        row["macro F1, each its own"] = judged.per_label["macro"]["f1"]["value"]
        rows.append(row)
    return pd.DataFrame(rows)


def cost_table(systems: Mapping[str, System]) -> pd.DataFrame:
    """Return a row a system: seeds, parameters, seconds of training, milliseconds a clip."""
    rows = [
        {
            "system": shown(name),
            "seeds": len(system.by_seed),
            "parameters": f"{system.n_parameters:,}",
            "training [s]": system.history["seconds"].sum(),
            "a clip [ms]": 1000 * system.scores.clip_seconds,
        }
        for name, system in systems.items()
    ]
    return pd.DataFrame(rows)


def shown(name: str) -> str:
    """Return what tables call a run."""
    return variants.NETWORKS.get(name, name)


def summary(system: System, settings: Settings, per_label: bool = False) -> dict[str, Any]:
    """Collect what a run's metrics file holds, as `metrics.tables.summary` does.

    Parameters
    ----------
    system : System
        ``over_seeds`` is of each seed's network alone, ``evaluation`` of all in one.
    settings : Settings
    per_label : bool
        With a threshold for each instrument and not one for all.
    """
    judged = {
        seed: (j.per_label, j.thresholds) if per_label else (j.on_testing, j.threshold)
        for seed, j in (system.by_seed | {"all": system.judged}).items()
    }
    whole, threshold = judged.pop("all")
    decisions = {
        seed: metrics.binarize(system.scores.by_seed[seed].testing, found).astype(float)
        for seed, (_, found) in judged.items()
    }
    by_seed = {seed: evaluation for seed, (evaluation, _) in judged.items()}
    facts = {
        "n_parameters": system.n_parameters,
        "settings": settings.networks.model_dump(),
        "thresholds": np.asarray(threshold).tolist(),
        "seconds_of_training": float(system.history["seconds"].sum()),
        "seconds_a_clip": system.scores.clip_seconds,
    }
    result = experiment.summary(by_seed, decisions, system.history, **facts)
    return result | {"evaluation": whole, "on_mixtures": system.judged.on_mixtures}


def write(
    record: Record, systems: Mapping[str, System], testing: pd.DataFrame, without_weights: bool
) -> None:
    """Record metrics, predictions and history of each system under its name, or its study's.

    Of what is left out for lack of weights, what an earlier execution recorded is removed, so
    that nothing shows the scores of other code beside these.
    """
    for name, system in systems.items():
        run = record.run or name
        decisions = metrics.binarize(system.scores.testing, system.judged.threshold)
        record.save_predictions(testing, system.scores.testing, decisions, run)
        record.save_metrics(summary(system, record.settings), run)
        record.save_table(system.history, f"{run}_history")
        if run == "mn04":
            record.save_metrics(
                summary(system, record.settings, per_label=True), variants.PER_LABEL
            )
    if without_weights:
        runs = [record.run] if record.run else [*variants.NETWORKS, variants.PER_LABEL]
        for run in filter(variants.needs_weights, runs):
            records.discard(record.settings.profile, run)


def save(record: Record, system: System, trained: Trained, name: str, parts: Splits) -> Path:
    """Save a network as ``models/recognizer.keras`` among the results, with its model card.

    Parameters
    ----------
    record : irmas_utils.project.records.Record
        Says where, and of which data and settings.
    system : System
        Its one threshold for all instruments is saved with the network.
    trained : Trained
    name : str
        Of the network's run.
    parts : irmas_utils.metrics.tables.Splits
        What it was fitted on.

    Returns
    -------
    Path
        The ``.keras`` file; the card is beside it with the suffix ``.md``.
    """
    thresholds = (system.judged.threshold,) * system.judged.thresholds.size
    provenance = _provenance(record, system, name, parts)
    recognizer = replace(trained.recognizer, thresholds=thresholds, provenance=provenance)
    path = recognizer.save(record.folder / "models" / "recognizer")
    atomic.write_text(path.with_suffix(".md"), card(path))
    return path


def _provenance(record: Record, system: System, name: str, parts: Splits) -> dict[str, Any]:
    clips, seeds = parts.fitting, list(system.by_seed)
    tested, mixed = system.judged.on_testing, system.judged.on_mixtures
    pretrained = variants.needs_weights(name)
    return {
        "name": f"{shown(name)}, trained on {corpus.name(record.settings)}",
        "data": corpus.name(record.settings),
        "notebook": record.notebook,
        "parameters": system.n_parameters,
        "start": fetch.MN04.source if pretrained else "random weights",
        "trained": f"{len(clips)} clips of {clips['recording'].nunique()} recordings, "
        f"data {record.data}",
        "seed": ", ".join(map(str, seeds)) + (", logits averaged" if len(seeds) > 1 else ""),
        "duration": f"{system.history['seconds'].sum():.0f} s",
        "settings": record.settings.networks.model_dump(),
        "metrics": {
            "micro F1 on the testing set": tested["micro"]["f1"],
            "macro F1 on the testing set": tested["macro"]["f1"],
            "LRAP on the testing set": tested["lrap"],
            "micro F1 on mixtures of validation recordings": mixed["micro"]["f1"],
        },
        "licence": _licence(record.settings, pretrained),
        "notes": [
            "The threshold and this network were chosen on mixtures of validation recordings."
        ],
    }


def _licence(settings: Settings, pretrained: bool) -> str:
    data = (
        "Trained on IRMAS: for research and non-commercial use only (CC BY-NC-SA 3.0)."
        if settings.corpus.source == "irmas"
        else "Trained on the built-in sample corpus: its scores say nothing about IRMAS."
    )
    start = f" Its initial weights are under the {fetch.MN04.licence} licence."
    return data + start * pretrained
