"""What tests and runs have shown, in sentences of notebooks 05, 06 and 10 and of the front page."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from irmas_utils import metrics
from irmas_utils.data.corpus import Splits
from irmas_utils.metrics import evaluation
from irmas_utils.metrics.tables import score_row
from irmas_utils.paper import fft_causes, hypothesis, studies
from irmas_utils.project import records
from irmas_utils.project.settings import Settings, load
from irmas_utils.project.vocabulary import INSTRUMENTS

REASONS = {
    "1. structure": ("dense", "cell"),
    "2. size": ("units",),
    "3. data": ("fraction", "balanced"),
    "4. something else": ("loss", "prior", "batch_size", "learning_rate", "input_scale", "n_mels",
                          "frame_size", "decimation"),
}  # fmt: skip
"""Which changes of `lstm_causes` test which reason that section 7 of the paper gives for the LSTM's
constant answer; the fourth is ours."""


def so_far(causes: pd.DataFrame | None, network: str = "lstm") -> str:
    """Say how many of the changes that the profile of real clips asks for are in a table."""
    if causes is None:
        return ""
    real, of_dense = load("real"), network == "fft"
    dense = [*fft_causes.COMPUTED, *real.study.fft.causes.changes][1:]
    run, asked = causes["verdict"].count(), len(dense if of_dense else studies.changes(real))
    said = [f"All its {asked} changes have been run."]
    if run < asked:
        said = [f"Of its {asked} changes {run} have been run, and p is adjusted over these."]
    if of_dense:
        epochs = real.with_base("fft", **real.study.fft.causes.base)["epochs"]
        said.append(f"Each training takes {epochs} epochs, unless it says otherwise.")
    if "before" in causes:
        said.append(
            "Some were trained twice, on processors that round in different ways: where the other "
            "difference (`before`, in notebook 06) has another sign, nothing is concluded."
        )
    if of_dense and "base" in causes:
        trained = ~causes["idea"].isin(fft_causes.COMPUTED.values())
        bases = sorted(causes.loc[trained, "base"].dropna().round(3).unique())
        if len(bases) > 1:
            said.append(
                "Their bases (`base`), trained alike on such processors, score "
                f"{', '.join(f'{base:.3f}' for base in bases)}: as far as these lie apart may a "
                "row be off that was trained once, and *inconclusive, trained once* is what that "
                "could turn."
            )
    return " ".join(said)


def by_reason(causes: pd.DataFrame | None) -> dict[str, str]:
    """Say of each reason what a table of `lstm_causes` shows, or what would tell."""
    if causes is None or causes.empty:
        return dict.fromkeys(REASONS, concluded(causes))
    keys = causes["idea"].str.split().str[1]
    return {reason: concluded(causes[keys.isin(own)]) for reason, own in REASONS.items()}


def heard(lstm: Mapping[str, Any] | None) -> str:
    """Say of a run of notebook 03 whether it listens, what it answers, how far back it reaches."""
    if lstm is None:
        return concluded(None)
    seeds, listen = pd.DataFrame(lstm["answers"]), studies.listening(lstm)
    said = (f"{s.commonest or 'none'} ({s.share:.0%} of the clips)" for s in seeds.itertuples())
    return (
        f"**shown to listen in {sum(listen)} of {len(listen)} seeds**. Its outputs tell "
        f"{seeds['information'].mean():.2f} bits, where {seeds['detectable'].mean():.2f} would "
        f"have been seen; to a thousandth, its untrained gradient reaches back "
        f"{lstm['heard_seconds']:.3f} s. Its commonest answer, by seed: {', '.join(said)}; the "
        f"paper's was {' '.join(metrics.PAPER_CONSTANT)}."
    )


def deaf_heads(heads: pd.DataFrame, paper: str, six: str) -> str:
    """Say how far heads of `studies.CONSTANT_HEAD`, which hear nothing, explain an answer.

    `paper` and `six` are labels: the paper's answer, and the most frequent ones, which the
    frequencies alone would give.
    """
    found, frequent = heads["labels"], {*six.split()}
    some = found.map(lambda labels: set() < {*labels.split()} <= frequent).mean()
    share = heads["share of the paper's"].mean()
    on, rates = np.isin(INSTRUMENTS, paper.split()), (heads[[*INSTRUMENTS]] > 0).mean()
    chance = {
        "eleven coins": 0.5 ** len(INSTRUMENTS),
        "coins for the six alone": 0.5 ** len(frequent),
        "each label by itself, as often as here": np.where(on, rates, 1 - rates).prod(),
    }
    ranks = found.value_counts()
    by_chance = ", ".join(f"{name} {rate:.2%}" for name, rate in chance.items())
    return (
        f"Of {len(heads)} heads, {(found == paper).mean():.1%} end with the paper's labels, and "
        f"over the last epoch these are the answer after {share:.1%} of the steps; "
        f"by chance: {by_chance}. **So in kind, and not in detail**: {some:.0%} name some of the "
        f"six most frequent labels and no other, {(found == '').mean():.0%} none, "
        f"{(found == six).mean():.0%} all six. The paper's five are one of {len(ranks)} answers, "
        f"of which the likeliest is {ranks.index[0] or 'none'} ({ranks.iloc[0]} of {len(heads)})."
    )


def remembered(settings: Settings) -> str:
    """Say what the dense network as printed makes of real clips, and of those it learnt from."""
    found = records.real_metrics(settings, "fft")
    history = records.real_table(settings, "fft_history")
    if found is None or history is None:
        return concluded(None)
    last = history[history["epoch"] == history["epoch"].max()].mean()
    row, listen = score_row(found["evaluation"], ("micro_f1",)), studies.listening(found)
    return (
        f"after {last['epoch']:.0f} epochs its highest output is right for {last['accuracy']:.0%} "
        f"of the excerpts that it was trained on, for {last['val_accuracy']:.0%} of those held "
        f"out; it is shown to listen in {sum(listen)} of {len(listen)} seeds, and names "
        f"{row['labels a clip']:.1f} labels a clip, at a micro F1 of {row['micro F1']:.3f} "
        f"({row['micro F1, 95 % interval']})."
    )


def concluded(causes: pd.DataFrame | None) -> str:
    """Say in a sentence what a table of causes has shown, or what would tell if there is none."""
    if causes is None:
        return f"cannot tell yet; `{records.REAL}` would tell."
    causes = causes.dropna(subset="verdict")
    if causes.empty:
        return "no cause was put to the test."
    said, ideas = causes["verdict"].str.split(";").str[0], causes["idea"].str.rpartition(": ")
    heads = said + ": " + ideas[0] + ideas[1]  # a base, where there are several, is said once
    parts = [f"{head}{', '.join(changes)}" for head, changes in ideas[2].groupby(heads)]
    return f"{'; '.join(parts[::-1])}."


def turned(causes: pd.DataFrame | None) -> str:
    """Say of `lstm_causes` which changes make *samples* listen, and which leave *frames* deaf."""
    if causes is None or causes.empty:
        return ""
    samples, listens = causes["idea"].str.startswith("samples:"), causes["listens"]
    asked = samples & (listens > 0.5), ~samples & (listens == 0)
    woken, deaf = (", ".join(causes.loc[found, "idea"]) or "none" for found in asked)
    return (
        f"So of the changes run these make most seeds of *samples* listen: {woken}; these leave "
        f"no seed of *frames* that does: {deaf}."
    )


def of_use(settings: Settings, parts: Splits) -> str:
    """Say how the LSTMs on frames name the instruments of real clips, beside what never listens."""
    is_sample = settings.corpus.source == "sample"
    changes = studies.changes(load("real") if is_sample else settings).items()
    runs = {studies.BASES["frames"]: "the base"}
    runs |= {run: f"{key} {value}" for run, (kind, key, value) in changes if kind == "frames"}
    found = {name: records.real_metrics(settings, run) for run, name in runs.items()}
    ours = {name: each["evaluation"] for name, each in found.items() if each}
    if is_sample:
        trivial = records.real_metrics(settings, "trivial")
    else:
        trivial = evaluation.trivial(parts, settings)
    if not ours or trivial is None:
        return ""
    (best, f1), (rival, most) = map(evaluation.strongest, (ours, trivial))
    return (
        f"**Listening is not yet naming**: of {len(ours)} networks on *frames*, cut at .5, the "
        f"best micro F1 is {f1:.3f}, of {best}; *{rival}*, which never listens, has {most:.3f}."
    )


def enough(causes: pd.DataFrame, trivial: hypothesis.Evaluations) -> str:
    """Say whether the cause that scores best on mixtures beats all that never listen."""
    best = causes.loc[causes["on mixtures"].idxmax()]
    rival, most = evaluation.strongest(trivial)
    above = float(best["micro F1, 95 % interval"].split("–")[0] or 0) > most
    return (
        f"**Best on the mixtures: {best['cause']}.** Its micro F1 is {best['micro F1']:.3f} "
        f"({best['micro F1, 95 % interval']}), as printed it was {causes['micro F1'].iloc[0]:.3f}. "
        f"That it beats the {most:.3f} of *{rival}*, which never listens, is "
        f"**{'shown' if above else 'not shown'}**"
    )


def closing(table: pd.DataFrame) -> str:
    """Say in a sentence what a table of `compare` tells apart."""
    told = {v: table.loc[table["verdict"] == v, "idea"].tolist() for v in ("better", "worse")}
    words = "; ".join(f"{v}: {', '.join(ideas) or 'none'}" for v, ideas in told.items())
    return f"**Of {len(table)}, {words}.** The others are not told apart."
