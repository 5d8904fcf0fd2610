"""Every system on real training data: grouped folds, scored on multi-label mixtures.

The testing set of IRMAS is for the paper's own figures. To choose between systems, its training
set is split into five folds by recording. Of the four folds for training, some recordings are
held out and mixed to choose thresholds; recordings of the fifth are mixed to be scored. One row:

``python benchmarks/networks.py --data FOLDER --systems mn04``

Every fold, system and seed is kept under ``--out`` and not run twice; several processes may share
the folder. Rows of a table there whose systems are not asked for stay in it. Intervals are over
recordings (that of a mixture's first label). The scores are of recordings that have nothing to do
with each other played together, which a test clip is not.
"""

import argparse
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import report
from sklearn.model_selection import StratifiedGroupKFold

from irmas_utils import metrics
from irmas_utils.audio import windows
from irmas_utils.audio.batches import epoch_order
from irmas_utils.audio.cache import FeatureCache
from irmas_utils.audio.features import fft_magnitude, label_matrix
from irmas_utils.data import fetch, integrity
from irmas_utils.data import index as dataset
from irmas_utils.metrics.tables import interval
from irmas_utils.models import fft
from irmas_utils.models.training import Trainer, fit
from irmas_utils.project import backend, files, paths, settings
from irmas_utils.systems import mixtures
from irmas_utils.systems.bosch import experiments
from irmas_utils.systems.bosch.streams import TRAINING_STREAMS, extract
from irmas_utils.systems.networks import fine_tuning, registry
from irmas_utils.systems.networks import training as networks

FOLDS = 5
FULL = settings.load("full")
EPOCHS = {"mn04": {"epochs": 8}, "han": {"epochs": 10}}

Score = Callable[[pd.DataFrame], np.ndarray]
"""From rows with a column ``path`` to scores, (n_clips, 11)."""


@dataclass(frozen=True)
class Fold:
    """What a system may see: `fitting` and `held_out`; and what it is scored on."""

    number: int
    fitting: pd.DataFrame
    held_out: pd.DataFrame
    held_out_mixtures: pd.DataFrame
    clips: pd.DataFrame
    mixtures: pd.DataFrame


def fold(index: pd.DataFrame, number: int, n_mixtures: int) -> Fold:
    """Split and mix; the same for every system and seed."""
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    classes = index["labels"].str[0].to_numpy(dtype=str)
    rows = list(folds.split(classes, classes, index["recording"]))[number]
    learn, clips = (index.iloc[part] for part in rows)
    fitting, held_out = dataset.split_validation(learn, 0.125, seed=number)
    mixed = [mixtures.make(part, n_mixtures, seed=number) for part in (held_out, clips)]
    return Fold(number, fitting, held_out, mixed[0], clips, mixed[1])


def network(data: Fold, seed: int, *, name: str, **change) -> tuple:
    """Train a registered network as the full profile does, but for fewer epochs and a change."""
    path = fetch.weights() if registry.network(name).pretrained else None
    plan = networks.configure(name, FULL, EPOCHS.get(name, {}) | change)
    if isinstance(plan, fine_tuning.Plan):
        backend.set_determinism(seed)
        recognizer, _ = fine_tuning.train(plan.build(seed, path), data.fitting, plan, seed=seed)
    else:
        recognizer = plan.fit(data.fitting, path)
    return lambda clips: recognizer.score_files(clips["path"]), recognizer.model.count_params()


def dense(data: Fold, seed: int) -> tuple:
    """Train the paper's FFT network: 3 epochs in batches of 16 and not 4, for time."""
    backend.set_determinism(seed)
    own = FULL.fft.model_copy(update={"epochs": 3, "batch_size": 16})
    load = FeatureCache("fft", fft_magnitude, length=own.samples).compute  # 9 GB if kept
    paper = fft.Network(own, load=load)
    trainer = Trainer(paper.build(), own.loss, own.learning_rate)
    fit(
        trainer,
        lambda epoch: paper.batches(data.fitting, epoch_order(len(data.fitting), seed, epoch)),
        None,
        epochs=own.epochs,
        seed=seed,
    )
    return lambda clips: trainer.predict(paper.batches(clips)), trainer.model.count_params()


def machine(data: Fold, seed: int, *, experiment: int):
    """Train one of the five systems of Bosch et al."""
    streams = ("mono",) if experiment == 1 else TRAINING_STREAMS
    labels = label_matrix(data.held_out_mixtures["labels"])
    heard = extract(data.fitting["path"], streams)
    models = experiments.fit_models(heard, data.fitting, seed=seed)

    def hear(clips: pd.DataFrame) -> experiments.Heard:
        return experiments.hear(models, extract(clips["path"], streams))

    system = experiments.build(experiment, hear(data.held_out_mixtures), labels)
    return lambda clips: system.predict(hear(clips)), 0


def constant(data: Fold, seed: int, *, most_frequent: int):
    """Name the most frequent labels of the training part, whatever is heard."""
    counts = label_matrix(data.fitting["labels"]).sum(axis=0)
    named = metrics.prior_top(counts, most_frequent).astype(float)
    return lambda clips: np.tile(named, (len(clips), 1)), 0


mn04, han = partial(network, name="mn04"), partial(network, name="han")
SYSTEMS = {
    "mn04": mn04,
    "mn04, forty epochs": partial(mn04, epochs=40),  # as in the full profile
    "mn04, excerpts alone": partial(mn04, sources=[1.0], pan=0.0),
    "mn04, mixes of two": partial(mn04, sources=[0.2, 0.8]),
    "mn04, no masks or filters": partial(mn04, masks=False),
    "mn04, no average of weights": partial(mn04, ema=None),
    "mn04, soft negatives": partial(mn04, negative=0.05),
    "mn04, balanced classes": partial(mn04, balance=0.5),
    "mn04, from scratch": partial(mn04, published=False),
    "mn04, linear probe": partial(network, name="probe"),
    "mn04, untrained": partial(network, name="zero-shot"),
    "Han et al. CNN": han,
    "Han et al. CNN, mixed": partial(han, sources=[0.3, 0.5, 0.2], pan=0.2),
    "Han et al. CNN, half as wide": partial(han, width=0.5),
    "paper's FFT network": dense,
    "Bosch et al. 1": partial(machine, experiment=1),
    "Bosch et al. 5": partial(machine, experiment=5),
    "three most frequent labels": partial(constant, most_frequent=3),
    "all eleven labels": partial(constant, most_frequent=11),
}
TRIVIAL = ("three most frequent labels", "all eleven labels")  # these have no threshold to choose
ENSEMBLES = {"ensemble": ("mn04", "Han et al. CNN", "Bosch et al. 5", "mn04, linear probe")}


def run(data: Fold, name: str, seed: int, out: Path) -> None:
    """Train and score one system, unless that was done before."""
    path = out / "runs" / f"{name}-fold{data.number}-seed{seed}.npz"
    if path.exists():
        return
    started = time.perf_counter()
    score, n_parameters = SYSTEMS[name](data, seed)
    trained = time.perf_counter()
    scores = {p: score(getattr(data, p)) for p in ("held_out_mixtures", "mixtures", "clips")}
    n_scored = sum(map(len, scores.values()))
    facts = {
        "parameters": n_parameters,
        "training": trained - started,
        "scoring": (time.perf_counter() - trained) / n_scored,
    }
    with files.replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, facts=json.dumps(facts), **scores)


@dataclass(frozen=True)
class Pooled:
    """What a system, or several joined, says of the clips that all folds hold out.

    A mixture appears once for each seed.

    Attributes
    ----------
    true, scores, decisions, per_label : numpy.ndarray, (n_mixtures, 11)
        Labels; scores; what is named with one threshold, and with one for each label.
    groups, seeds : numpy.ndarray, (n_mixtures,)
        Recording of each mixture, by which to resample; the seed of what judged it.
    accuracy : float
        Share of the single clips whose highest score is at the label.
    facts : list of dict
        One for each run behind it.
    """

    true: np.ndarray
    scores: np.ndarray
    decisions: np.ndarray
    per_label: np.ndarray
    groups: np.ndarray
    seeds: np.ndarray
    accuracy: float
    facts: list[dict]


def pool(folds: list[Fold], name: str, seeds: list[int], out: Path) -> Pooled:
    """Read the runs of a system, or of an ensemble's members joined, on each fold and seed."""
    parts, right, facts = [], [], []
    for data, seed in itertools.product(folds, seeds):
        runs = [
            np.load(out / "runs" / f"{member}-fold{data.number}-seed{seed}.npz")
            for member in ENSEMBLES.get(name, (name,))
        ]
        joined = {
            p: windows.aggregate(np.stack([r[p] for r in runs])) for p in runs[0] if p != "facts"
        }
        decisions = [_decide(data, joined, name, per_label) for per_label in (False, True)]
        true, groups = label_matrix(data.mixtures["labels"]), data.mixtures["recording"].to_numpy()
        parts.append((true, joined["mixtures"], *decisions, groups, np.full(len(true), seed)))
        right.append(joined["clips"].argmax(1) == label_matrix(data.clips["labels"]).argmax(1))
        facts += [json.loads(str(r["facts"])) for r in runs]
    arrays = map(np.concatenate, zip(*parts, strict=True))
    return Pooled(*arrays, float(np.concatenate(right).mean()), facts)


def row(name: str, pooled: Pooled, reference: Pooled | None, n_folds: int) -> dict:
    """Score a system; with a reference, also its lead in micro F1 on the same mixtures."""
    found = metrics.evaluate(pooled.true, pooled.decisions, pooled.scores, groups=pooled.groups)
    micro, macro = found["micro"]["f1"], found["macro"]["f1"]
    seeds = np.unique(pooled.seeds)
    runs = n_folds * len(seeds)
    compared = {}
    if reference:
        test = metrics.paired_test(
            pooled.true, pooled.decisions, reference.decisions, groups=pooled.groups
        )
        each = [
            metrics.f1(pooled.true[chosen], pooled.decisions[chosen], "micro")
            for chosen in (pooled.seeds == seed for seed in seeds)
        ]
        compared = {
            "lead": test["difference"],
            "its 95 % interval": interval(test),
            "micro F1 of each seed": ", ".join(f"{f1:.3f}" for f1 in each),
        }
    return {
        "system": name,
        "micro F1": micro["value"],
        "95 % interval": interval(micro),
        **compared,
        "macro F1": macro["value"],
        "macro 95 % interval": interval(macro),
        "LRAP": found["lrap"]["value"],
        "micro F1, a threshold a label": metrics.f1(pooled.true, pooled.per_label, "micro"),
        "macro F1, a threshold a label": metrics.f1(pooled.true, pooled.per_label, "macro"),
        "accuracy on single clips": pooled.accuracy,
        "parameters": sum(f["parameters"] for f in pooled.facts) // runs or "–",
        "training [s]": sum(f["training"] for f in pooled.facts) / runs,
        "a clip [ms]": 1000 * sum(f["scoring"] for f in pooled.facts) / runs,
        "folds": n_folds,
        "seeds": len(seeds),
    }


def _decide(data: Fold, joined: dict, name: str, per_label: bool) -> np.ndarray:
    """Cut the scores of the fold's mixtures where those of the held-out ones say."""
    if name in TRIVIAL:
        return metrics.binarize(joined["mixtures"])
    held_out = label_matrix(data.held_out_mixtures["labels"])
    cut = metrics.choose_threshold(held_out, joined["held_out_mixtures"], per_label)
    return metrics.binarize(joined["mixtures"], cut)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=paths.data_root())
    parser.add_argument("--out", type=Path, default=paths.results_root() / "benchmarks")
    parser.add_argument("--systems", nargs="*", choices=[*SYSTEMS, *ENSEMBLES], default=["mn04"])
    parser.add_argument(
        "--against",
        choices=[*SYSTEMS, *ENSEMBLES],
        help="also the lead over this system, in a table named ablations",
    )
    parser.add_argument("--folds", nargs="*", type=int, default=list(range(FOLDS)))
    parser.add_argument("--only-run", action="store_true", help="write no table")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument(
        "--mixtures", type=int, default=200, help="a fold to score, and as many for thresholds"
    )
    return parser.parse_args()


def _joined(rows: list[dict], asked: list[str], table: Path, n_clips: int) -> list[dict]:
    """Put the rows asked for, and others that it lacks, into an earlier table of the same clips."""
    earlier = json.loads(table.read_text()) if table.exists() else {}
    kept = earlier["rows"] if earlier.get("clips") == n_clips else []
    by_name = {row["system"]: row for row in kept}
    new = {row["system"]: row for row in rows}
    by_name |= {n: row for n, row in new.items() if n in asked or n not in by_name}
    return list(by_name.values())


def main() -> None:
    """Run the benchmark."""
    options = _arguments()
    index = dataset.load_index(options.data)
    index = index[index["split"] == "training"]
    index = integrity.join_duplicates(index)
    folds = [fold(index, number, options.mixtures) for number in options.folds]
    systems = dict.fromkeys([*([options.against] if options.against else []), *options.systems])
    for name in systems:
        for data in folds:
            for member in ENSEMBLES.get(name, (name,)):
                for seed in options.seeds:
                    run(data, member, seed, options.out)
    if options.only_run:
        return
    pooled = {name: pool(folds, name, options.seeds, options.out) for name in systems}
    reference = pooled.get(options.against)
    table = "ablations" if reference else "networks"
    rows = [row(n, p, reference, len(folds)) for n, p in pooled.items()]
    rows = _joined(rows, options.systems, options.out / f"{table}.json", len(index))
    report.write(options.out, table, rows, clips=len(index))


if __name__ == "__main__":
    main()
