"""The paper's claims about training: what the studies' results say of each.

What is measured is written down here, and by which margin it is judged in the ledger, before any
result. It is paired by seed, with its 95 % interval over the seeds; one seed decides nothing.
Notebooks: 05_lstm_hyperparameters.ipynb and 06_fft_hyperparameters.ipynb.
"""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pandas as pd
from numpy.typing import ArrayLike

from irmas_utils.data import published
from irmas_utils.metrics import mean_interval
from irmas_utils.paper import claims, studies
from irmas_utils.paper.claims import Finding, formulas
from irmas_utils.project import paths, records
from irmas_utils.project.settings import Settings

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
    found, systems = {k: f for k, f in _judged(settings, network) if f}, {}
    if network == "fft" and 75 in settings.study.fft.vary["epochs"]:
        run = studies.run_name(settings, "fft", "epochs", 75)
        systems["fft-75-epochs"] = records.load_metrics(settings.profile, run)["evaluation"]
    is_irmas = settings.corpus.source == "irmas"
    rows = claims.check(index, systems, found, is_irmas=is_irmas, ids=IDS[network])
    here = rows["id"].map({name: finding.comment for name, finding in found.items()})
    return rows.assign(here=here.fillna("not run in this profile"))


def closing(judged: pd.DataFrame) -> str:
    """Say in a sentence how many of the claims of `check` have which verdict."""
    counts = judged["verdict"].value_counts()
    return f"**Of {len(judged)}: {', '.join(f'{n} {v}' for v, n in counts.items())}.**"


def answer(tables: pd.DataFrame | Mapping[str, pd.DataFrame]) -> str:
    """Say which values score otherwise than the base, in micro F1, beyond the spread of the seeds.

    `tables` is one of `studies.table`, or several, by what to write before a value. Where a value
    and the base name the same labels for all clips, they differ by a constant: nothing is told.
    """
    better, worse, unsure, constant = [], [], [], []
    several = {"": tables} if isinstance(tables, pd.DataFrame) else tables
    for name, table in several.items():
        scores, alike = _by_seed(table), table.groupby("value")["share"].min() == 1
        for base in table.loc[table["base"], "value"].unique():
            for value in scores.columns.drop(base):
                gain = mean_interval(scores[value] - scores[base])
                low, high = gain["low"] or 0, gain["high"] or 0
                shown = better if low > 0 else worse if high < 0 else unsure
                shown = constant if alike[value] and alike[base] else shown
                shown.append(f"{name} {value}".strip())
    told = {"better than the base": better or ["none"], "worse": worse or ["none"]}
    told |= {"cannot tell, but more seeds would": unsure}
    told |= {"cannot tell, all constant, but a base that hears would": constant}
    said = "; ".join(f"{what}: {', '.join(values)}" for what, values in told.items() if values)
    return f"**So in micro F1, beyond the spread of the seeds, {said}.**"


def on_real_clips() -> dict[str, Finding]:
    """What committed results on real clips say of the claims that the ledger lets them decide.

    The value is what the claim holds against its opposite, in gain (notebook 05) or in micro F1
    (notebook 06), with its 95 % interval over recordings; or by the metrics that the claim names.
    """
    folder, found = paths.reference_dir("real"), {}
    systems = {f.stem: json.loads(f.read_text("utf-8")) for f in folder.glob("metrics/*.json")}
    for claim in published.load("paper_claims")["claims"]:
        if claim["kind"] == "real clips" and "metric" in claim:
            found[claim["id"]] = claims.by_metric(claim, systems)
        elif "listens" in claim:
            found[claim["id"]] = _listens(claim, systems)
        elif "real" in claim:
            found[claim["id"]] = _changes(*claim["real"])
    return {name: finding for name, finding in found.items() if finding}


def _listens(claim: dict[str, Any], systems: Mapping[str, Any]) -> Finding | None:
    """Find 1 if all seeds of the first system listen and none of the second, -1 the other way."""
    if not {*claim["listens"]} <= {*systems}:
        return None
    first, second = (studies.listening(systems[name]) for name in claim["listens"])
    value = int(all(first) and not any(second)) - int(all(second) and not any(first))
    low, high = (value, value) if value else (-1, 1)
    seeds = " seeds, and ".join(f"{sum(each)} of {len(each)}" for each in (first, second))
    return Finding(value, low, high, formulas.noted(claim, f"Shown to listen: {seeds}."))


def _changes(name: str, idea: str, sign: int) -> Finding | None:
    """Find what a table of comparisons says of the first idea that begins so."""
    file = paths.reference_dir("real") / "tables" / f"{name}.csv"
    for row in pd.read_csv(file).to_dict("records") if file.is_file() else ():
        if str(row["idea"]).startswith(idea):
            value, *ends = (sign * row[key] for key in ("difference", "low", "high"))
            return Finding(value, min(ends), max(ends), f"{row['idea']}: {row['verdict']}.")
    return None


def _over_seeds(values: ArrayLike, said: str) -> Finding:
    """Find the mean of values, one a seed, with its interval; `said` has a place for it."""
    found = mean_interval(values)
    if found["low"] is not None:
        said += " 95 % interval over the seeds: {low:.3f} to {high:.3f}."
    return Finding(**found, comment=said.format(**found))


def _judged(settings: Settings, network: str) -> Iterator[tuple[str, Finding | None]]:
    """Yield what is found of each claim of sections 5.1.2 and 5.2.2; None where nothing was run."""
    history, table = (partial(f, settings, network) for f in (studies.history, studies.table))
    if network == "lstm":
        base = history("units", settings.with_base("lstm")["units"])
        yield "lstm-first-epochs", first_epochs(base)
        yield "lstm-no-overfitting", no_overfitting(base)
        yield "lstm-batch-size", same_score(table("batch_size"), 1, 2)
    else:
        vary = settings.study.fft.vary
        longest = history("epochs", max(vary["epochs"]))
        yield "fft-plateau", plateau(longest)
        yield "fft-diverging-loss", diverging_loss(longest)
        yield "fft-batch-size", enough(table("batch_size"), 4)
        rates = {rate: history("learning_rate", rate) for rate in vary["learning_rate"]}
        yield "fft-learning-rate", unlearning(rates)


def first_epochs(history: pd.DataFrame, epochs: int = 5) -> Finding | None:
    """Share of the training loss's movement within the first `epochs` (section 5.1.2)."""
    if history["epoch"].max() <= epochs:
        return None
    losses = _by_epoch(history, "loss")
    steps, spread = losses.diff().abs(), (losses.max() - losses.min()) / losses.iloc[0]
    said = f"{{value:.0%}} of the training loss's movement is within {epochs} epochs, of "
    said += f"{len(losses)} in which it moves by {spread.mean():.2%} of where it began."
    return _over_seeds(steps.iloc[:epochs].sum() / steps.sum(), said)


def no_overfitting(history: pd.DataFrame) -> Finding:
    """Relative distance of validation and training loss at the end (section 5.1.2)."""
    end = history[history["epoch"] == history["epoch"].max()]
    said = "The validation loss is {value:+.1%} off the training loss at the end."
    return _over_seeds((end["val_loss"] - end["loss"]) / end["loss"], said)


def same_score(table: pd.DataFrame, one: float, other: float) -> Finding | None:
    """What the testing score gains from one value of a setting to another (section 5.1.2)."""
    scores = _by_seed(table)
    if not {one, other} <= set(scores):
        return None
    said = f"Micro F1 changes by {{value:+.3f}} from {one:g} to {other:g}."
    return _over_seeds(scores[other] - scores[one], said)


def plateau(history: pd.DataFrame, epoch: int = 75) -> Finding | None:
    """Share of the rise of both accuracies that comes before `epoch`, the lower one (5.2.2)."""
    if history["epoch"].max() <= epoch:
        return None
    curves = _by_epoch(history, ["accuracy", "val_accuracy"])
    rise = (curves.loc[epoch] - curves.iloc[0]) / (curves.iloc[-1] - curves.iloc[0])
    said = f"At least {{value:.0%}} of the rise in accuracy is before epoch {epoch}."
    return _over_seeds(rise.groupby("seed").min(), said)


def diverging_loss(history: pd.DataFrame) -> Finding:
    """How far the validation loss ends above its lowest, by the mean of the other seeds (5.2.2)."""
    losses, rise = _by_epoch(history, "val_loss"), []
    for seed, own in losses.items():
        others = losses.drop(columns=seed) if losses.shape[1] > 1 else losses
        rise.append(own.iloc[-1] - own.loc[others.mean(axis=1).idxmin()])
    return _over_seeds(rise, "The validation loss ends {value:.3f} above where others are lowest.")


def enough(table: pd.DataFrame, value: float) -> Finding | None:
    """What the best of the larger values of a setting gains over `value` (section 5.2.2)."""
    larger = [other for other in _by_seed(table) if other > value]
    gains = [gain for other in larger if (gain := same_score(table, value, other))]
    return max(gains, key=lambda gain: gain.value, default=None)


def unlearning(histories: dict[float, pd.DataFrame], chosen: float = 1e-4) -> Finding | None:
    """How much more training accuracy falls back at the largest rate than at `chosen` (5.2.2)."""
    largest = max(histories)
    if chosen not in histories or largest <= chosen:
        return None
    said = f"Accuracy falls back by {{value:+.3f}} more at {largest:g} than at {chosen:g}."
    return _over_seeds(setback(histories[largest]) - setback(histories[chosen]), said)


def setback(history: pd.DataFrame) -> pd.Series:
    """Return how far training accuracy falls below what it had reached: a value a seed."""
    accuracy = _by_epoch(history, "accuracy")
    return (accuracy.cummax() - accuracy).max()


def _by_epoch(history: pd.DataFrame, values: str | list[str]) -> pd.DataFrame:
    return history.pivot(index="epoch", columns="seed", values=values)


def _by_seed(table: pd.DataFrame) -> pd.DataFrame:
    return table.pivot(index="seed", columns="value", values="micro F1")
