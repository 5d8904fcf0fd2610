"""What our re-run of Bosch et al. (2012) reproduces of their experiments 3 and 5, and why.

Published of experiment 3: it lies below the mono system 1, "due to low precision"; of 5: it is the
best. Both ways to join streams are asked. Notebook: 08_bosch_baselines.ipynb.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from irmas_utils import metrics
from irmas_utils.audio.features import label_matrix
from irmas_utils.data import corpus, sample
from irmas_utils.paper.claims.formulas import fact
from irmas_utils.paper.hypothesis import decided
from irmas_utils.project import runs, sources
from irmas_utils.project.settings import Settings
from irmas_utils.systems.bosch import separation
from irmas_utils.systems.bosch.baselines import Baseline
from irmas_utils.systems.bosch.experiments import Heard

SCORES = ("precision", "recall", "F1")


def table(
    joined: Mapping[str, Mapping[int, Baseline]],
    mixed: tuple[pd.DataFrame, Heard],
    testing: pd.DataFrame,
    settings: Settings,
) -> pd.DataFrame:
    """Test experiments 3 and 5 against 1, paired by song, one family for both ways of joining.

    `joined` has the experiments by the way that streams are joined, `mixed` the mixtures that
    thresholds and streams were chosen on, with what was heard of them.
    Returns a row a way, experiment and micro score: joined, experiment, score, ours, mono,
    published (the difference of F1), difference, low, high, on mixtures (the same difference
    there), p_adjusted (Holm), verdict, labels a clip, and those of mono.
    """
    truth, songs = label_matrix(testing["labels"]), list(testing["recording"])
    labels, theirs, rows = label_matrix(mixed[0]["labels"]), fact("bosch2012.experiments"), []
    for way, results in joined.items():
        for number in (3, 5):
            pair = results[number], results[1]
            named = [metrics.binarize(b.scores, b.system.threshold) for b in pair]
            there = [metrics.binarize(b.system.predict(mixed[1]), b.system.threshold) for b in pair]
            counts = (metrics.clip_counts(labels, each).sum(axis=0) for each in there)
            ours_there, mono_there = (metrics.from_counts(each, "micro") for each in counts)
            a_clip, of_mono = (each.sum() / len(truth) for each in named)
            gain = theirs[number]["micro_f1"] - theirs[1]["micro_f1"]
            for score in SCORES:
                key = score.lower()
                test = metrics.paired_test(truth, *named, songs, f"micro_{key}", seed=settings.seed)
                row = {"joined": way, "experiment": number, "score": score}
                row |= {"ours": test.pop("a"), "mono": test.pop("b")}
                row |= {"published": gain if score == "F1" else np.nan}
                row |= {"on mixtures": float(ours_there[key] - mono_there[key])}
                rows.append(row | {"labels a clip": a_clip, "labels of mono": of_mono} | test)
    return decided(pd.DataFrame(rows)).drop(columns="p_value")


def answers(found: pd.DataFrame) -> list[str]:
    """Say for each way of joining and experiment what is reproduced, and by which numbers."""
    said = []
    for (way, number), rows in found.groupby(["joined", "experiment"], sort=False):
        by = rows.set_index("score")
        precision, recall, f1 = (by.loc[score] for score in SCORES)
        what, like, clear = "the gain", f1.difference > 0, f1.verdict == "better"
        if number == 3:
            what, clear = "low precision", precision.verdict == "worse"
            like = precision.difference < min(0, recall.difference)
        if like:
            outcome = "is reproduced" if clear else "shows, but not beyond chance"
        elif number == 3 and precision.difference < 0:
            part = "reproduced in part: it falls" if clear else "not shown: it may fall"
            outcome = f"is {part}, but recall falls more"
        else:
            outcome = "is not reproduced"
        said.append(
            f"**Experiment {number}, {way}: {what} {outcome}.** Against the mono system precision "
            f"is {precision.ours:.3f} for {precision.mono:.3f} ({precision.verdict}), recall "
            f"{recall.ours:.3f} for {recall.mono:.3f} ({recall.verdict}), micro F1 "
            f"{f1.difference:+.3f} ({f1.verdict}; published {f1.published:+.3f}, on the mixtures "
            f"{f1['on mixtures']:+.3f}); it names {f1['labels a clip']:.2f} labels a clip for "
            f"{f1['labels of mono']:.2f}."
        )
    return said


def conclusion(found: pd.DataFrame) -> str:
    """Say whether the way of joining explains experiment 3, and what became of 5's gain."""
    by = found.set_index("joined")
    third = by.query("experiment == 3 and score == 'precision'")
    fifth = by.query("experiment == 5 and score == 'F1'")
    ways, lower = [*third.index], [*third.index[third["verdict"] == "worse"]]
    which = "with none" if not lower else "with each" if len(lower) == len(ways) else "with one"
    gains = "; ".join(
        f"{way}: {row['on mixtures']:+.3f} on the mixtures that streams were chosen on, "
        f"{row.difference:+.3f} in the testing set"
        for way, row in fifth.iterrows()
    )
    drop = "; ".join(f"{way}: {change:+.3f}" for way, change in third["difference"].items())
    why = "it comes with the union" if lower == ways[:1] else "joining does not explain it"
    why = why if lower else "not reproduced, so there is nothing that joining could explain"
    return (
        f"So {which} of the {len(ways)} ways of joining experiment 3 is shown to have a lower "
        f"precision than mono ({drop}): {why}. Of experiment 5's gain we find – {gains}."
    )


def separated(clips: pd.DataFrame, rate: int, settings: Settings) -> pd.DataFrame:
    """Return `separation.quality` of clips of the sample corpus, by their true stems; stored."""
    separator = settings.bosch.separator
    made_from = {
        "separator": separator,
        "clips": corpus.content(clips),
        "code": sources.digest_of(separation.__name__, corpus.__name__),
    }

    def make(_: Path) -> runs.Outcome:
        true = {name: sample.stems(settings, name) for name in clips["name"]}
        return runs.Outcome({}, separation.quality(true, rate, separator).to_dict("list"))

    return pd.DataFrame(runs.once("separation", made_from, make).facts)
