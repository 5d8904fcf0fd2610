"""What every compute notebook does around its model: split, train each seed, score.

Notebooks: 03_lstm_model.ipynb and 04_fft_model.ipynb, and the studies that run them.
"""

import resource
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from irmas_utils import INSTRUMENT_NAMES, INSTRUMENTS, metrics
from irmas_utils.audio.features import label_matrix
from irmas_utils.data import index as dataset
from irmas_utils.project.errors import DataError
from irmas_utils.project.settings import Settings


class Splits(NamedTuple):
    """Clips to fit on, to watch while fitting, and to report on; rows of the index."""

    fitting: pd.DataFrame
    validation: pd.DataFrame
    testing: pd.DataFrame

    def sizes(self) -> str:
        """Say how many clips and recordings there are in each part, as a Markdown table."""
        rows = [
            (part, len(clips), clips["recording"].nunique())
            for part, clips in self._asdict().items()
        ]
        table = pd.DataFrame(rows, columns=["part", "clips", "recordings"])
        return table.to_markdown(index=False)


def split(index: pd.DataFrame, settings: Settings) -> Splits:
    """Split the training set by recording and put the testing set beside it.

    Parameters
    ----------
    index : pandas.DataFrame
        As `data.corpus.load` returns it.
    settings : Settings
        Its `validation_fraction` and `seed` are used.

    Raises
    ------
    DataError
        If the training or the testing set is empty.
    """
    parts = {name: index[index["split"] == name] for name in ("training", "testing")}
    if empty := [name for name, clips in parts.items() if clips.empty]:
        raise DataError(
            "data set",
            found=f"no {' and no '.join(empty)} clips",
            expected="both sets: models are fitted on one and scored on the other",
            remedy="Fetch the missing archives with `python -m irmas_utils download`.",
        )
    fitting, validation = dataset.split_validation(
        parts["training"], settings.validation_fraction, settings.seed
    )
    return Splits(fitting, validation, parts["testing"])


def score(
    clips: pd.DataFrame, scores: np.ndarray, settings: Settings, threshold: ArrayLike = 0.5
) -> dict[str, Any]:
    """Evaluate scores cut at a threshold, with intervals over recordings.

    Parameters
    ----------
    clips : pandas.DataFrame
        Rows of the index, (n_clips, …).
    scores : numpy.ndarray, (n_clips, 11)
    settings : Settings
        Its `bootstrap_samples` and `seed` are used.
    threshold : float or array (11,)
        A label is predicted where its score is above it; the paper's is 0.5 (section 3.3.4).

    Returns
    -------
    dict
        See `metrics.evaluate`.
    """
    return metrics.evaluate(
        label_matrix(clips["labels"]),
        metrics.binarize(scores, threshold),
        scores,
        groups=list(clips["recording"]),
        n_bootstrap=settings.bootstrap_samples,
        seed=settings.seed,
    )


def per_label_table(evaluation: dict[str, Any]) -> pd.DataFrame:
    """Return precision, recall and F1 an instrument beside its base rate (paper section 5)."""
    rows = [
        {
            "instrument": INSTRUMENT_NAMES[code],
            **{key: values[key]["value"] for key in ("precision", "recall", "f1")},
            "F1 95 % interval": interval(values["f1"]),
            "base rate": values["base_rate"],
            "clips": values["support"],
            "predicted": values["predicted"],
        }
        for code, values in evaluation["per_label"].items()
    ]
    return pd.DataFrame(rows)


def average_table(evaluations: dict[Any, dict[str, Any]]) -> pd.DataFrame:
    """Return a row a system: micro precision, recall and F1 with its interval, macro F1, LRAP.

    Parameters
    ----------
    evaluations : dict
        Name of a system, or a seed, to what `metrics.evaluate` returned.
    """
    return pd.DataFrame(average_row(name, result) for name, result in evaluations.items())


def average_row(name: Any, evaluation: dict[str, Any]) -> dict[str, Any]:
    """Return one row of `average_table`."""
    micro, macro = evaluation["micro"], evaluation["macro"]
    return {
        "system": name,
        "micro P": micro["precision"]["value"],
        "micro R": micro["recall"]["value"],
        "micro F1": micro["f1"]["value"],
        "95 % interval": interval(micro["f1"]),
        "macro F1": macro["f1"]["value"],
        "LRAP": evaluation["lrap"]["value"] if evaluation["lrap"] else None,
        "labels a clip": evaluation["labels_per_clip"]["predicted"],
    }


def comparison_rows(
    ours: dict[str, dict[str, Any]],
    trivial: dict[str, dict[str, Any]],
    published: dict[str, float],
) -> pd.DataFrame:
    """Return the rows that `plots.comparison` draws, best first within a kind.

    Parameters
    ----------
    ours, trivial : dict
        System name to evaluation.
    published : dict
        System name to micro F1.
    """
    rows = [
        {"name": name, "kind": kind, **result["micro"]["f1"]}
        for kind, results in (("ours", ours), ("trivial", trivial))
        for name, result in results.items()
    ]
    rows += [{"name": name, "kind": "published", "value": f1} for name, f1 in published.items()]
    table = pd.DataFrame(rows, columns=["name", "kind", "value", "low", "high"])
    table["kind"] = pd.Categorical(table["kind"], ["ours", "trivial", "published"])
    return table.sort_values(["kind", "value"], ascending=[True, False], ignore_index=True)


def interval(leaf: dict[str, float | None]) -> str:
    """Write a score's interval as text; a dash where there is none."""
    return "–" if leaf["low"] is None else f"{leaf['low']:.3f}–{leaf['high']:.3f}"


def trivial_decisions(splits: Splits) -> dict[str, np.ndarray]:
    """Answers of the predictors that never listen: name to (n_testing_clips, 11), bool.

    They know how frequent each label is in the training set and nothing else.
    """
    training = pd.concat([splits.fitting, splits.validation])
    return metrics.trivial_predictors(label_matrix(training["labels"]), len(splits.testing))


def trivial(splits: Splits, settings: Settings) -> dict[str, dict[str, Any]]:
    """Evaluate `trivial_decisions` on the testing set: name to evaluation."""
    return {
        name: score(splits.testing, decisions.astype(float), settings)
        for name, decisions in trivial_decisions(splits).items()
    }


def answers(scores: dict[int, np.ndarray]) -> pd.DataFrame:
    """Say whether a system listens: how many different answers it gives, and the commonest one.

    Parameters
    ----------
    scores : dict
        Seed to scores, (n_clips, 11).

    Returns
    -------
    pandas.DataFrame
        A row a seed: seed, answers (how many different ones), commonest (its codes) and share
        (of the clips that get the commonest).
    """
    rows = []
    for seed, values in scores.items():
        found, counts = np.unique(metrics.binarize(values), axis=0, return_counts=True)
        first = int(np.argmax(counts))
        codes = " ".join(c for c, on in zip(INSTRUMENTS, found[first], strict=True) if on)
        share = float(counts[first] / len(values))
        rows.append(
            {"seed": seed, "answers": len(found), "commonest": codes or "none", "share": share}
        )
    return pd.DataFrame(rows)


def train_seeds(
    build: Callable[[], Any],
    batches: Callable[..., Iterable[tuple[Any, Any]]],
    splits: Splits,
    *,
    seeds: Sequence[int],
    checkpoint_dir: Callable[[int], Path],
    **options: Any,
) -> tuple[pd.DataFrame, dict[int, np.ndarray]]:
    """Train a network once a seed on the fitting part and score the testing part.

    Parameters
    ----------
    build : callable
        ``build() -> keras.Model``, untrained; its initial weights follow Keras's seed.
    batches : callable
        ``batches(clips, order=None)`` streams ``(x, y)``; see `audio.batches`.
    splits : Splits
    seeds : sequence of int
        Each sets the initial weights and the order of the clips.
    checkpoint_dir : callable
        ``checkpoint_dir(seed) -> Path``.
    **options
        Of `models.training.fit`: loss, learning_rate, epochs, jit_compile.

    Returns
    -------
    history : pandas.DataFrame
        A row an epoch and seed, as `models.training.fit` gives them, with a column ``seed``.
    scores : dict
        Seed to scores, float32, (n_testing_clips, 11).

    Raises
    ------
    TrainingError
        As `models.training.fit`.
    """
    # TensorFlow takes seconds to import, and the notebooks that only compare do without it.
    from irmas_utils.audio.batches import epoch_order
    from irmas_utils.models import losses, training
    from irmas_utils.project import backend

    histories, scores = [], {}
    n_clips = len(splits.fitting)
    model = build()
    trainer = training.Trainer(
        model,
        losses.get(options["loss"]),
        options["learning_rate"],
        options.get("jit_compile", False),
    )
    for seed in seeds:
        backend.set_determinism(seed)
        # One model takes each seed's weights in turn, so that it is compiled once and not again.
        for variable, fresh in zip(model.variables, build().variables, strict=True):
            variable.assign(fresh)
        history = training.fit(
            model,
            lambda epoch, seed=seed: batches(splits.fitting, epoch_order(n_clips, seed, epoch)),
            batches(splits.validation),
            seed=seed,
            checkpoint_dir=checkpoint_dir(seed),
            trainer=trainer,
            **options,
        )
        histories.append(history.assign(seed=seed))
        scores[seed] = trainer.predict(batches(splits.testing))
    return pd.concat(histories, ignore_index=True), scores


def summary(
    by_seed: dict[int, dict[str, Any]],
    scores: dict[int, np.ndarray],
    history: pd.DataFrame,
    **facts: Any,
) -> dict[str, Any]:
    """Collect what a run's metrics file holds.

    Parameters
    ----------
    by_seed : dict
        Seed to evaluation; the first seed's is kept in full.
    scores : dict
        Seed to scores, (n_clips, 11).
    history : pandas.DataFrame
        With columns ``seed``, ``epoch`` and ``seconds``.
    **facts
        JSON values, such as the number of parameters.
    """
    rows = average_table(by_seed)
    values = {name: rows[name].tolist() for name in ("micro F1", "macro F1", "LRAP")}
    values["labels a clip"] = rows["labels a clip"].tolist()
    return {
        **facts,
        "seeds": list(by_seed),
        "over_seeds": {
            name: {"values": value, **metrics.mean_interval(value)}
            for name, value in values.items()
        },
        "answers": answers(scores).to_dict("records"),
        "seconds_per_epoch": float(history["seconds"].median()),
        "memory_peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "evaluation": next(iter(by_seed.values())),
    }
