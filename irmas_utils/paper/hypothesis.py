"""The one test of the paper's hypothesis (section 1.1): "higher F1 score can be achieved".

Notebooks 09 and 10 show it, and state its protocol before any score. One network is judged, the
best on mixtures of validation recordings, by micro and by macro F1. Every system answers once, by
the mean of its seeds' logits, cut at a threshold from mixtures.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from irmas_utils import metrics
from irmas_utils.audio.features import label_matrix
from irmas_utils.data.corpus import Splits
from irmas_utils.metrics import evaluation
from irmas_utils.metrics.tables import TITLES
from irmas_utils.paper.claims.formulas import fact
from irmas_utils.project import records
from irmas_utils.project.settings import Settings
from irmas_utils.systems.networks import registry

Evaluations = Mapping[str, Mapping[str, Any]]
RERUN, PUBLISHED = "Bosch et al. 5, re-run", "Bosch et al. 2012, published"
LEVEL = 0.05  # greatest adjusted p-value of a difference that counts


def systems() -> dict[str, str]:
    """Return what tables call each system that is compared, by its run."""
    titles = {"lstm": "LSTM on raw audio", "fft": "dense network on FFT"} | registry.titles()
    return titles | {f"bosch-{n}": f"Bosch et al. {n}, re-run" for n in range(1, 6)}


def kept(settings: Settings) -> str:
    """Return the run of the network to judge by: the one that notebook 07 picks on mixtures."""
    runs = registry.recorded(settings, registry.NETWORKS)
    found = {run: records.load_metrics(settings.profile, run) for run in runs}
    return registry.best({run: each["on_mixtures"] for run, each in found.items()})


def decided(tests: pd.DataFrame) -> pd.DataFrame:
    """Add to the tests of one family, with difference and p_value: p_adjusted (Holm), verdict."""
    adjusted = metrics.holm(tests["p_value"])
    clear = np.where(tests["difference"] > 0, "better", "worse")
    said = np.where(adjusted <= LEVEL, clear, "no clear difference")
    return tests.assign(p_adjusted=adjusted, verdict=said)


def beaten(settings: Settings, runs: Iterable[str], parts: Splits, rival: str) -> pd.DataFrame:
    """Test the micro F1 of runs, of `systems`, against a trivial predictor, paired by song.

    Returns `decided` of a row a run: "against `rival`" (its title) and `metrics.paired_test`.
    """
    constant, rows = evaluation.constants(parts)[rival][0], []
    labels, songs = label_matrix(parts.testing["labels"]), list(parts.testing["recording"])
    for run in runs:
        ours = records.load_predictions(settings.profile, run, parts.testing)[2]
        test = metrics.paired_test(labels, ours, constant, songs, seed=settings.seed)
        rows.append({f"against {rival}": systems()[run]} | test)
    return decided(pd.DataFrame(rows))


def judge(settings: Settings) -> pd.DataFrame:
    """Test the kept network against the best system of Bosch et al.

    Against its re-run: paired by song, a family of two tests. On IRMAS itself also against the
    published numbers, which have no songs to pair: the network's interval lies above or not.
    Returns a row a score and opponent: score, against, network, other, difference, low, high (95 %
    interval over songs), p_value, p_adjusted (Holm) and verdict.
    """
    run, rows = kept(settings), []
    clips, _, ours = records.load_predictions(settings.profile, run)
    theirs = records.load_predictions(settings.profile, "bosch-5", clips)[2]
    labels, songs = label_matrix(clips["labels"]), list(clips["recording"])
    whole = records.load_metrics(settings.profile, run)["evaluation"]
    for score in ("micro_f1", "macro_f1"):
        test = metrics.paired_test(labels, ours, theirs, songs, score, seed=settings.seed)
        shown = {"score": TITLES[score], "network": test.pop("a"), "other": test.pop("b")}
        rows.append({"against": RERUN} | shown | test)
        if settings.corpus.source == "irmas":
            number, leaf = fact(f"bosch2012.experiments.5.{score}"), whole[score[:5]]["f1"]
            ends = {"difference": "value", "low": "low", "high": "high"}
            row = {key: leaf[end] - number for key, end in ends.items()} | {"p_value": np.nan}
            rows.append({"against": PUBLISHED} | shown | {"other": number} | row)
    table = decided(pd.DataFrame(rows).sort_values("against", kind="stable", ignore_index=True))
    published = table["against"] == PUBLISHED
    table.loc[published & (table["low"] > 0), "verdict"] = "better"
    table.loc[published & (table["high"] < 0), "verdict"] = "worse"
    return table


def answer(settings: Settings, table: pd.DataFrame) -> str:
    """Answer the paper's question in words: from IRMAS itself, or else from the literature."""
    name, said = registry.title(kept(settings)), _said(table)
    if settings.corpus.source == "irmas":
        decides = table.query("against == @PUBLISHED and score == 'micro F1'")["verdict"].item()
        holds = "holds" if decides == "better" else "is not shown to hold"
        return f"**The hypothesis {holds}** on IRMAS, judged by {name}: {said}."
    best, bosch = fact("state_of_the_art.systems.zhong2023"), fact("bosch2012.experiments.5")
    return (
        f"**The hypothesis holds, by the literature**: {best['name']} ({best['source']}), reach "
        f"micro F1 {best['micro_f1']} on IRMAS's testing set, where Bosch et al. reached "
        f"{bosch['micro_f1']}. This run has not heard that set and decides nothing about it; on "
        f"its own corpus {name} is {said}. {_on_real_clips(settings)}"
    )


def _said(table: pd.DataFrame) -> str:
    words = {"better": "better than", "worse": "worse than"}
    return "; ".join(
        f"by {row.score} {words.get(row.verdict, 'not clearly different from')} {row.against} "
        f"({row.difference:+.3f})"
        for row in table.itertuples()
    )


def _on_real_clips(settings: Settings) -> str:
    """Conclude from real clips where the run's own are not real, if they have been computed."""
    if settings.corpus.source != "sample":
        return ""
    compared = records.real_metrics(settings, "comparison")
    tested = records.real_table(settings, "hypothesis")
    if compared is None or tested is None:
        return f"Real clips have not been asked yet (`{records.REAL}`)."
    return (
        f"**On real clips {compared['kept']} is {_said(tested)}**; of music that, and not the "
        "sample corpus, is what our own runs can say. The lead is too high: mn04's recipe was "
        "chosen on folds of these clips, AudioSet may hold their sources, artists are in both "
        "parts, and without panning, in mono, Bosch et al. separate less "
        "(`results/reference/real/README.md`)."
    )


def heard(ours: Evaluations, trivial: Evaluations, data: str) -> str:
    """Say which system scores best on some data, and how many beat all that never listen."""
    best, f1 = evaluation.strongest(ours)
    text = f"So on {data}, **{best}** has the highest micro F1, {f1:.3f}"
    if not trivial:
        return f"{text}."
    constant, most = evaluation.strongest(trivial)
    above = sum((each["micro"]["f1"]["low"] or 0) > most for each in ours.values())
    return (
        f"{text}, and {above} of {len(ours)} systems lie with their whole interval above the best "
        f"that never listens, {constant} ({most:.3f}); paired tests decide (notebook 09, "
        "section 4)."
    )
