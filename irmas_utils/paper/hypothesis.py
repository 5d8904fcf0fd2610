"""The one test of the paper's hypothesis (section 1.1): "higher F1 score can be achieved".

Notebooks 09 and 10 show it, and state its protocol before any score. One network is judged, the
best on mixtures of validation recordings, by micro and by macro F1. Every system answers once, by
the mean of its seeds' logits, cut at a threshold from mixtures.
"""

import numpy as np
import pandas as pd

from irmas_utils import metrics
from irmas_utils.audio.features import label_matrix
from irmas_utils.metrics.tables import TITLES
from irmas_utils.paper.claims.finding import claim, fact
from irmas_utils.project import records
from irmas_utils.project.settings import Settings
from irmas_utils.systems.networks import registry

RERUN, PUBLISHED = "Bosch et al. 5, re-run", "Bosch et al. 2012, published"
LEVEL = 0.05
"""Greatest adjusted p-value of a difference that counts."""


def kept(settings: Settings) -> str:
    """Return the run of the network to judge by: the best on mixtures; the testing set is unasked.

    Of the networks that learn from our training set and are one network, as notebook 07 picks it.
    """

    def on_mixtures(run: str) -> float:
        return records.load_metrics(settings.profile, run)["on_mixtures"]["micro"]["f1"]["value"]

    learning = [name for name, entry in registry.NETWORKS.items() if entry.learns]
    return max(registry.recorded(settings, learning), key=on_mixtures)


def verdict(difference: float, p_value: float) -> str:
    """Say what an adjusted p-value makes of a difference."""
    if not p_value <= LEVEL:
        return "no clear difference"
    return "better" if difference > 0 else "worse"


def judge(settings: Settings) -> pd.DataFrame:
    """Test the kept network against the best system of Bosch et al.

    Against its re-run: paired by song, a family of two tests. On IRMAS itself also against the
    published number, which has no songs to pair: the network's interval lies above it or not.

    Returns
    -------
    pandas.DataFrame
        A row a score and opponent: score, against, network, other, difference, low, high (95 %
        interval over songs), p_value, p_adjusted (Holm) and verdict.
    """
    run = kept(settings)
    clips, _, ours = records.load_predictions(settings.profile, run)
    theirs = records.load_predictions(settings.profile, "bosch-5")[2]
    labels, songs, rows = label_matrix(clips["labels"]), list(clips["recording"]), []
    for score in ("micro_f1", "macro_f1"):
        test = metrics.paired_test(labels, ours, theirs, songs, score, seed=settings.seed)
        shown = {"network": test.pop("a"), "other": test.pop("b")}
        rows.append({"score": TITLES[score], "against": RERUN} | shown | test)
    table = pd.DataFrame(rows)
    table["p_adjusted"] = metrics.holm(table["p_value"])
    table["verdict"] = [*map(verdict, table["difference"], table["p_adjusted"])]
    if settings.corpus.source == "irmas":
        return pd.concat([_against_published(settings, run), table], ignore_index=True)
    return table


def _against_published(settings: Settings, run: str) -> pd.DataFrame:
    evaluation, rows = records.load_metrics(settings.profile, run)["evaluation"], []
    for score in ("micro_f1", "macro_f1"):
        leaf, number = evaluation[score[:5]]["f1"], fact(f"bosch2012.experiments.5.{score}")
        value, low, high = (leaf[end] - number for end in ("value", "low", "high"))
        said = "better" if low > 0 else "worse" if high < 0 else "no clear difference"
        row = {"score": TITLES[score], "against": PUBLISHED, "network": leaf["value"]}
        row |= {"other": number, "difference": value, "low": low, "high": high}
        rows.append(row | {"p_value": np.nan, "p_adjusted": np.nan, "verdict": said})
    return pd.DataFrame(rows)


def answer(settings: Settings, table: pd.DataFrame) -> str:
    """Answer the paper's question in words: from IRMAS itself, or else from the literature."""
    name = registry.title(kept(settings))
    words = {"better": "better than", "worse": "worse than"}
    said = "; ".join(
        f"by {row.score} {words.get(row.verdict, 'not clearly different from')} {row.against} "
        f"({row.difference:+.3f})"
        for row in table.itertuples()
    )
    if settings.corpus.source == "irmas":
        decides = table.query("against == @PUBLISHED and score == 'micro F1'")["verdict"].item()
        holds = "holds" if decides == "better" else "is not shown to hold"
        return f"**The hypothesis {holds}** on IRMAS, judged by {name}: {said}."
    best = fact(claim("hypothesis")["from"].rpartition(".")[0])
    return (
        f"**The hypothesis holds, by the literature**: {best['name']} ({best['source']}), reach "
        f"micro F1 {best['micro_f1']} on IRMAS's testing set, where Bosch et al. reached "
        f"{fact('bosch2012.experiments.5.micro_f1')}. This run has not heard that set and decides "
        f"nothing about it; on its own corpus {name} is {said}."
    )
