"""The paper's claims about training, judged from the studies' results.

Each rule is written down before any result, so that a verdict is not a matter of taste. What is
compared is paired by seed, and a difference counts where its 95 % interval over the seeds leaves
out zero. A claim whose values a profile does not run is not judged.

Notebooks: 05_lstm_hyperparameters.ipynb and 06_fft_hyperparameters.ipynb.
"""

from typing import Any

import pandas as pd

from irmas_utils.metrics import mean_interval
from irmas_utils.paper import claims, studies
from irmas_utils.paper.claims import Finding
from irmas_utils.project import records
from irmas_utils.project.settings import Settings

NEARLY = 0.05
"""Relative distance up to which two curves are nearly identical, or a curve has levelled off."""

IDS = {
    "lstm": ("lstm-first-epochs", "lstm-no-overfitting", "lstm-batch-size"),
    "fft": ("fft-plateau", "fft-diverging-loss", "fft-75-epochs", "fft-batch-size",
            "fft-learning-rate"),
}  # fmt: skip
"""The claims that are judged here, by the network whose studies they need."""


def check(settings: Settings, network: str, index: pd.DataFrame | None = None) -> pd.DataFrame:
    """Judge the paper's claims about the training of a network, "lstm" or "fft".

    Returns a row a claim, with the columns of `paper.claims.check` and ``here``: what the studies
    show on this data, IRMAS or not. On a part of IRMAS, which `index` tells, nothing is judged.
    Raises DataError if a study has not been executed.
    """
    judged = _lstm(settings) if network == "lstm" else _fft(settings)
    found = {name: finding for name, finding in judged.items() if finding is not None}
    systems = _after_75_epochs(settings) if network == "fft" else {}
    rows = claims.check(index, systems, found, is_irmas=settings.corpus.source == "irmas")
    rows = rows[rows["id"].isin(IDS[network])]
    here = {name: finding.comment for name, finding in found.items()}
    return rows.assign(here=[here.get(name, "not run in this profile") for name in rows["id"]])


def _lstm(settings: Settings) -> dict[str, Finding | None]:
    """What section 5.1.2 says of training: a finding a claim, None where values were not run."""
    units = settings.with_base("lstm")["units"]
    history = studies.history(settings, "lstm", "units", units)
    return {
        "lstm-first-epochs": first_epochs(history),
        "lstm-no-overfitting": no_overfitting(history),
        "lstm-batch-size": same_score(studies.table(settings, "lstm", "batch_size"), 1, 2),
    }


def _fft(settings: Settings) -> dict[str, Finding | None]:
    """What section 5.2.2 says of training, as `_lstm`."""
    vary = settings.study.fft.vary
    longest = studies.history(settings, "fft", "epochs", max(vary["epochs"]))
    rates = vary["learning_rate"]
    by_rate = {r: studies.history(settings, "fft", "learning_rate", r) for r in rates}
    return {
        "fft-plateau": plateau(longest),
        "fft-diverging-loss": diverging_loss(longest),
        "fft-batch-size": enough(studies.table(settings, "fft", "batch_size"), 4),
        "fft-learning-rate": unlearning(by_rate),
    }


def _after_75_epochs(settings: Settings) -> dict[str, Any]:
    if 75 not in settings.study.fft.vary["epochs"]:
        return {}
    run = studies.run_name(settings, "fft", "epochs", 75)
    return {"fft-75-epochs": records.load_metrics(settings.profile, run)["evaluation"]}


def first_epochs(history: pd.DataFrame, epochs: int = 5) -> Finding | None:
    """Whether most of the training loss's movement is over after `epochs` (section 5.1.2)."""
    moved = _means(history)["loss"].diff().abs()
    if moved.index.max() <= epochs or not moved.sum():
        return None
    share = float(moved[moved.index <= epochs].sum() / moved.sum())
    comment = f"{share:.0%} of the training loss's movement is within the first {epochs} epochs."
    return Finding(share, holds=share > 0.5, comment=comment)


def no_overfitting(history: pd.DataFrame) -> Finding:
    """Whether training and validation loss end up nearly identical (section 5.1.2)."""
    end = history[history["epoch"] == history["epoch"].max()]
    gap = mean_interval((end["val_loss"] - end["loss"]) / end["loss"])
    comment = f"The validation loss is {gap['value']:+.1%} off the training loss at the end."
    return Finding(**gap, holds=abs(gap["value"]) <= NEARLY, comment=comment)


def same_score(table: pd.DataFrame, one: float, other: float) -> Finding | None:
    """Whether two values of a setting score alike on the testing set (section 5.1.2)."""
    scores = _by_seed(table)
    if not {one, other} <= set(scores):
        return None
    gain = mean_interval(scores[other] - scores[one])
    comment = f"Micro F1 changes by {gain['value']:+.3f} from {one:g} to {other:g}."
    return Finding(**gain, holds=_sign(gain) == 0, comment=comment)


def plateau(history: pd.DataFrame, epoch: int = 75) -> Finding | None:
    """Whether both accuracies have made all but `NEARLY` of their rise by `epoch` (5.2.2)."""
    curves = _means(history)[["accuracy", "val_accuracy"]]
    if curves.index.max() <= epoch:
        return None
    rise = (curves.loc[epoch] - curves.iloc[0]) / (curves.iloc[-1] - curves.iloc[0])
    share = float(rise.min())
    comment = f"At least {share:.0%} of the rise in accuracy comes before epoch {epoch}."
    return Finding(share, holds=share >= 1 - NEARLY, comment=comment)


def diverging_loss(history: pd.DataFrame) -> Finding:
    """Whether the validation loss ends above its lowest point (section 5.2.2)."""
    runs = history.groupby("seed")["val_loss"]
    rise = mean_interval(runs.last() - _means(history)["val_loss"].min())
    comment = f"The validation loss ends {rise['value']:.3f} above the lowest of its mean curve."
    return Finding(**rise, holds=_sign(rise) > 0, comment=comment)


def enough(table: pd.DataFrame, value: float) -> Finding | None:
    """Whether no larger value of a setting scores higher than `value` (section 5.2.2)."""
    scores = _by_seed(table)
    larger = [other for other in scores if other > value]
    if value not in scores or not larger:
        return None
    gains = {other: mean_interval(scores[other] - scores[value]) for other in larger}
    best = max(gains, key=lambda other: gains[other]["value"])
    comment = f"Micro F1 changes by {gains[best]['value']:+.3f} from {value:g} to {best:g}."
    holds = all(_sign(gain) <= 0 for gain in gains.values())
    return Finding(**gains[best], holds=holds, comment=comment)


def unlearning(histories: dict[float, pd.DataFrame], chosen: float = 1e-4) -> Finding | None:
    """Whether training accuracy falls back further at the largest rate than at `chosen` (5.2.2)."""
    largest = max(histories)
    if chosen not in histories or largest <= chosen:
        return None
    more = mean_interval(setback(histories[largest]) - setback(histories[chosen]))
    comment = f"Accuracy falls back by {more['value']:+.3f} more at {largest:g} than at {chosen:g}."
    return Finding(**more, holds=_sign(more) > 0, comment=comment)


def setback(history: pd.DataFrame) -> pd.Series:
    """Return how far training accuracy falls below what it had reached: a value a seed."""
    runs = history.groupby("seed")["accuracy"]
    return runs.apply(lambda accuracy: float((accuracy.cummax() - accuracy).max()))


def _means(history: pd.DataFrame) -> pd.DataFrame:
    return history.groupby("epoch").mean()


def _by_seed(table: pd.DataFrame) -> pd.DataFrame:
    return table.pivot(index="seed", columns="value", values="micro F1")


def _sign(leaf: dict[str, float | None]) -> int:
    """Say whether a difference counts, as 1 or -1; of a single seed every difference does."""
    low, high = (leaf["value"] if leaf[end] is None else leaf[end] for end in ("low", "high"))
    return (low > 0) - (high < 0)
