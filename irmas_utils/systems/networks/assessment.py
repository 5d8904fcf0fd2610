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


class Judged(NamedTuple):
    """Thresholds, chosen on mixtures, and `metrics.evaluate` of scores cut there."""

    threshold: float  # one for all instruments, of the best micro F1 on the mixtures
    thresholds: np.ndarray  # (11,), each of an instrument's own best F1 there
    on_mixtures: dict[str, Any]  # with `threshold`
    on_testing: dict[str, Any]  # with `threshold`
    per_label: dict[str, Any]  # on the testing set with `thresholds`


class System(NamedTuple):
    """A network, or several joined, with what is judged of it, and of each seed's alone."""

    trained: Trained
    judged: Judged
    by_seed: dict[int, Judged]


def assess(trained: Mapping[str, Trained], data: Data, settings: Settings) -> dict[str, System]:
    """Judge every network, and an ``ensemble`` of those trained here if there are several."""
    members = [each for name, each in trained.items() if registry.network(name).learns]
    joined, found = {registry.ENSEMBLE: ensemble(members)} if len(members) > 1 else {}, {}
    for name, each in (trained | joined).items():
        by_seed = {seed: judge(outcome, data, settings) for seed, outcome in each.by_seed.items()}
        first, *others = by_seed.values()
        found[name] = System(each, judge(each.whole, data, settings) if others else first, by_seed)
    return found


def ensemble(members: Sequence[Trained]) -> Trained:
    """Join several systems' scores by their mean on the logistic scale."""
    wholes = [member.whole for member in members]
    arrays = {
        part: windows.aggregate(np.stack([whole.arrays[part] for whole in wholes]))
        for part in ("mixtures", "testing")
    }
    told = [whole.facts for whole in wholes]
    facts = {key: sum(each[key] for each in told) for key in ("n_parameters", "clip_seconds")}
    facts["memory_peak_mib"] = max(each["memory_peak_mib"] for each in told)
    joined, seed = Outcome(arrays, facts), next(iter(members[0].by_seed))
    seconds = sum(member.history["seconds"].sum() for member in members)
    history = pd.DataFrame({"epoch": [1], "seconds": [seconds], "seed": [seed]})
    return Trained(joined, {seed: joined}, history, {})


def judge(outcome: Outcome, data: Data, settings: Settings) -> Judged:
    """Choose thresholds on the mixtures and evaluate with them."""
    labels, on_mixtures = label_matrix(data.mixed["labels"]), outcome.arrays["mixtures"]
    threshold = float(metrics.choose_threshold(labels, on_mixtures))
    thresholds = metrics.choose_threshold(labels, on_mixtures, per_label=True)
    testing = data.parts.testing, outcome.arrays["testing"], settings
    return Judged(
        threshold,
        thresholds,
        evaluation.score(data.mixed, on_mixtures, settings, threshold),
        evaluation.score(*testing, threshold),
        evaluation.score(*testing, thresholds),
    )


def listener(trained: Trained) -> predominance.Listener:
    """Let a network listen to many clips at a time; it is loaded when the first come."""
    path = trained.whole.folder / "recognizer.keras"
    network = functools.cache(lambda: Recognizer.load(path))

    def score(clips: np.ndarray) -> np.ndarray:
        used = network()
        cut = [list(used.cut([clip])) for clip in clips]
        scores = used.score_windows(itertools.chain.from_iterable(cut))[1]
        each = np.split(scores, np.cumsum([len(own) for own in cut])[:-1])
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
    told = {name: (registry.title(name), systems[name].judged.threshold) for name in found}
    said = [
        predominance.answers(title, found[name], threshold, clips, settings)
        for name, (title, threshold) in told.items()
    ]
    return pd.concat(said, ignore_index=True)
