"""Train a network of 07, its last layer of another size, on one's own: docs/own_collection.md."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from irmas_utils import metrics
from irmas_utils.audio.features import label_matrix
from irmas_utils.data import collection
from irmas_utils.data.collection import refused, several
from irmas_utils.project import files
from irmas_utils.project.errors import DataError, SettingsError
from irmas_utils.project.settings import Settings

if TYPE_CHECKING:
    from irmas_utils.project.backend import keras
    from irmas_utils.systems.networks.fine_tuning import Plan
    from irmas_utils.systems.recognizer import Recognizer

_PARTS = ("training", "validation", "testing")


def train(
    path: Path, to: Path, network: str, settings: Settings, change: Mapping[str, Any]
) -> "Recognizer":
    """Train a network on the collection that a CSV with splits lists, and save it.

    Its one threshold is that of the best micro F1 on the validation clips. Beside the model lie the
    scores of these and of the testing clips. Where training clips have several labels, none are
    mixed. Raises DataError as `data.collection.read`, if a part of the split is empty or two share
    a recording, or if there is no place `to` save it, ModelError as
    `zero_shot.weights`, SettingsError as `training.changed`.
    """
    _require_place(to)
    index, vocabulary = collection.read_audio(path)
    parts = _split(path, index)
    # TensorFlow takes seconds to import: what is wrong so far is told before.
    from irmas_utils.systems.networks import fine_tuning, mixing, registry
    from irmas_utils.systems.networks.training import changed, configure

    plan = changed(configure(network, settings), change, "change")
    if (parts["training"]["labels"].map(len) > 1).any():
        plan = plan.model_copy(update={"sources": mixing.ALONE.sources})
    model = _build(network, plan, settings.seed, len(vocabulary.codes))
    options = {"validation": parts["validation"], "codes": vocabulary.codes}
    trained, _ = fine_tuning.train(model, parts["training"], plan, seed=settings.seed, **options)
    scores = {k: trained.score_files(parts[k]["path"]) for k in _PARTS[1:]}
    labels = label_matrix(parts["validation"]["labels"], vocabulary.codes)
    threshold = float(metrics.choose_threshold(labels, scores["validation"]))
    told = {
        "name": f"{registry.title(network)}, trained on {path.name}",
        "data": path.name,
        "settings": plan.model_dump(mode="json"),
        "licence": "The audio that it was trained on has its own.",
    }
    whole = dataclasses.replace(
        trained, thresholds=(threshold,) * len(vocabulary.codes), provenance=told
    )
    whole.save(to)
    for part, found in scores.items():
        names = pd.Index(parts[part]["name"], name="clip")
        table = pd.DataFrame(found, names, vocabulary.codes).to_csv(float_format="%.9g")
        files.write_text(_beside(to, part), table)
    return whole


def _build(network: str, plan: "Plan", seed: int, n_labels: int) -> "keras.Model":
    """Build a network with a head for so many labels, and let it hear a window of silence."""
    from irmas_utils.models import layers
    from irmas_utils.project.backend import keras, set_determinism, tf
    from irmas_utils.systems.networks import registry, zero_shot

    weights = zero_shot.weights() if registry.network(network).pretrained else None
    set_determinism(seed)
    try:
        body = plan.build(seed, weights)
        head = layers.scores(body.get_layer("logits").input, n_labels)
        model = keras.Model(body.input, head, name=body.name)
        model(np.zeros((1, round(plan.window * plan.sample_rate)), np.float32))
    except (ValueError, MemoryError, tf.errors.OpError) as error:
        found = f"no network of these sizes ({str(error).splitlines()[0]})"[:300]
        remedy = "Leave window, sample_rate and width as they are."
        raise SettingsError(f"plan of {network}", found, "one that hears", remedy) from error
    return model


def _split(path: Path, index: pd.DataFrame) -> dict[str, pd.DataFrame]:
    parts = {name: index[index["split"] == name] for name in _PARTS}
    remedy = "Split it: irmas split --labels FILE --to SPLIT.csv"
    if empty := [name for name, clips in parts.items() if clips.empty]:
        raise refused(path, f"no clips for {' and '.join(empty)}", "clips for each part", remedy)
    sides = pd.concat([*parts.values()]).groupby("recording")["split"].nunique()
    if leaks := sides.index[sides > 1].tolist():
        found = f"recordings on several sides of the split: {several(leaks)}"
        raise refused(path, found, "each on one side", remedy)
    return parts


def _beside(to: Path, part: str) -> Path:
    return to.with_name(f"{files.suffixed(to, '.keras').stem}-{part}.csv")


def _require_place(to: Path) -> None:
    """Raise DataError, before anything is trained, where the model and its scores cannot lie."""
    if to in (Path.cwd(), *Path.cwd().parents):
        raise DataError(to, "a folder", "the name of a model", "Name it, as in --to models/mine")
    theirs = [file for part in _PARTS[1:] if (file := _beside(to, part)).exists()]
    if theirs and not files.suffixed(to, ".keras").exists():
        expected = "a file of an earlier model of that name, or none"
        raise DataError(theirs[0], "another file", expected, "Rename it, or the model.")
