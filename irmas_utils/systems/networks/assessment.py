"""Choose thresholds for networks (07) on mixtures of validation recordings, and judge them."""

import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from irmas_utils import metrics
from irmas_utils.audio import windows
from irmas_utils.audio.features import label_matrix
from irmas_utils.metrics import evaluation
from irmas_utils.project import files
from irmas_utils.project.runs import Outcome
from irmas_utils.project.settings import Settings
from irmas_utils.systems import predominance
from irmas_utils.systems.networks import registry
from irmas_utils.systems.networks.fine_tuning import Data
from irmas_utils.systems.networks.training import Trained
from irmas_utils.systems.recognizer import Recognizer, describe


class System(NamedTuple):
    """A network, or several joined, with `metrics.evaluate` of its scores cut at a threshold."""

    trained: Trained
    threshold: float  # one for all instruments, of the best micro F1 on the mixtures
    on_mixtures: dict[str, Any]  # with `threshold`
    on_testing: dict[str, Any]  # with `threshold`
    per_label: dict[str, Any]  # on the testing set with each instrument's own, of its best F1


def assess(trained: Mapping[str, Trained], data: Data, settings: Settings) -> dict[str, System]:
    """Judge every network, and an ``ensemble`` of those trained here if there are several."""
    members = [each for name, each in trained.items() if registry.network(name).learns]
    joined = {registry.ENSEMBLE: ensemble(members)} if len(members) > 1 else {}
    return {name: judge(each, data, settings) for name, each in (trained | joined).items()}


def ensemble(members: Sequence[Trained]) -> Trained:
    """Join several systems' scores by their mean on the logistic scale."""
    wholes = [member.whole for member in members]
    arrays = {
        part: windows.aggregate(np.stack([whole.arrays[part] for whole in wholes]))
        for part in ("mixtures", "testing")
    }
    facts = {
        key: join(whole.facts[key] for whole in wholes)
        for key, join in {"n_parameters": sum, "clip_seconds": sum, "memory_peak_mib": max}.items()
    }
    joined, seed = Outcome(arrays, facts), next(iter(members[0].by_seed))
    seconds = sum(member.history["seconds"].sum() for member in members)
    history = pd.DataFrame({"epoch": [1], "seconds": [seconds], "seed": [seed]})
    return Trained(joined, {seed: joined}, history, {})


def judge(trained: Trained, data: Data, settings: Settings) -> System:
    """Choose thresholds on the mixtures and evaluate with them."""
    scores, threshold = trained.whole.arrays, cut(trained.whole, data)
    labels = label_matrix(data.mixed["labels"])
    each = metrics.choose_threshold(labels, scores["mixtures"], per_label=True)
    testing = data.parts.testing, scores["testing"], settings
    return System(
        trained,
        threshold,
        on_mixtures=evaluation.score(data.mixed, scores["mixtures"], settings, threshold),
        on_testing=evaluation.score(*testing, threshold),
        per_label=evaluation.score(*testing, each),
    )


def cut(outcome: Outcome, data: Data) -> float:
    """Return the threshold of the best micro F1 on the mixtures."""
    labels = label_matrix(data.mixed["labels"])
    return float(metrics.choose_threshold(labels, outcome.arrays["mixtures"]))


def listener(trained: Trained) -> predominance.Listener:
    """Let a network listen to many clips at a time; it is loaded when the first come."""
    path = trained.whole.folder / "recognizer.keras"
    network = functools.cache(lambda: Recognizer.load(path))

    def score(clips: np.ndarray) -> np.ndarray:
        used = network()
        held = [list(used.cut([clip])) for clip in clips]
        scores = used.score_windows(itertools.chain.from_iterable(held))[1]
        each = np.split(scores, np.cumsum([len(own) for own in held])[:-1])
        return np.stack([windows.aggregate(part, used.aggregation) for part in each])

    return predominance.Listener(describe(path)["sample_rate"], score, files.digest(path))


def levels(systems: Mapping[str, System], clips: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Sweep an instrument's level before every system: `systems.predominance.answers` of each."""
    load = predominance.source(clips, settings)
    found = {
        name: predominance.scores(name, listener(system.trained), load, clips, settings)
        for name, system in systems.items()
        if name != registry.ENSEMBLE
    }
    if registry.ENSEMBLE in systems:
        members = [found[name] for name in found if registry.network(name).learns]
        found[registry.ENSEMBLE] = windows.aggregate(np.stack(members))
    said = [
        predominance.answers(registry.title(name), scores, systems[name].threshold, clips, settings)
        for name, scores in found.items()
    ]
    return pd.concat(said, ignore_index=True)
