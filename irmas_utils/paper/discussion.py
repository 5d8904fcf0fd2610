"""What each idea of the paper's discussion brings: systems compared on the same clips.

Systems cut their scores at thresholds of their own, so each one's scores are first shifted until
its threshold is 0.5. Notebook: 10_discussion.ipynb.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from irmas_utils import metrics
from irmas_utils.audio import windows
from irmas_utils.audio.features import label_matrix
from irmas_utils.metrics import evaluation
from irmas_utils.metrics.tables import KEYS, score_row
from irmas_utils.paper import fft_causes, hypothesis, studies
from irmas_utils.project import records
from irmas_utils.project.settings import Settings
from irmas_utils.systems.networks import registry

SMALL = 0.02  # a difference in gain or micro F1 that would not matter, set before any result


class Idea(NamedTuple):
    """A change, the system with it and the one without; several systems are one, combined."""

    idea: str
    systems: tuple[str, ...]
    against: tuple[str, ...]


def dense_causes(settings: Settings) -> pd.DataFrame:
    """Weigh the causes of the dense network's failure that have been tried (`fft_causes`).

    Each is held against the network as printed but cut by mixtures, and that cut against as
    printed. Of a training that went astray, which learnt not even its own excerpts, nothing
    follows. Returns `fft_causes.table`, without learnt, with idea, difference in micro F1, low,
    high, p_value, p_adjusted, verdict.
    """
    causes = fft_causes.table(settings)
    if len(causes) < 2:
        return causes.drop(columns="learnt", errors="ignore").assign(idea=np.nan, verdict=np.nan)
    against = {"cut": ("fft-cause-printed",)}
    ideas = [
        Idea(row.cause, (f"fft-cause-{row.name}",), against.get(row.name, ("fft-cause-cut",)))
        for row in causes.iloc[1:].itertuples(index=False)
    ]
    found = compare(settings, {"causes": (ideas, "micro_f1")})["causes"]
    lost = found["idea"].isin(causes.loc[~causes.pop("learnt"), "cause"])
    verdict = pd.Series(map(_helps, found.to_dict("records")), found.index, str)
    found["verdict"] = verdict.mask(lost, "cannot tell, not even its excerpts are learnt")
    columns = ["idea", "difference", "low", "high", "p_value", "p_adjusted", "verdict"]
    return causes.merge(found[columns], left_on="cause", right_on="idea", how="left")


def _helps(row: Mapping[str, Any]) -> str:
    """Say whether a change makes a network better, and what would have been seen."""
    if row["verdict"] == "worse":
        return "not supported: worse"
    if max(row["gain"], row["gain without"]) < SMALL:
        return "cannot tell, deaf either way"
    said = "not supported" if row["high"] < SMALL else "inconclusive"
    said = "supported" if row["verdict"] == "better" else said
    return f"{said}; {row['seen']:.3f} would have been seen"


def lstm_causes(settings: Settings) -> pd.DataFrame:
    """Hold each change to the LSTM against the base that can hear (`studies.changes`).

    Returns a row a change that has been run: idea (base, key and value), gain, information and
    detectable (means over seeds), listens (share of the seeds), difference in gain with low and
    high, p_value, p_adjusted, verdict.
    """
    asked = [
        Idea(f"{kind}: {key} {value}", (run,), (studies.BASES[kind],))
        for run, (kind, key, value) in studies.changes(settings).items()
    ]
    ideas = [idea for idea in asked if _there(settings, idea)]
    if not ideas:
        return pd.DataFrame({"idea": [], "verdict": []})
    runs = {run for idea in ideas for run in idea.systems + idea.against}
    of_seeds = pd.concat([studies.rows(settings, run, run) for run in runs])
    means = of_seeds.groupby("value")[["information", "detectable", "listens"]].mean()
    found = compare(settings, {"causes": (ideas, "gain")})["causes"].join(means, on="system")
    found["deaf"] = (found["listens"] + found["against"].map(means["listens"])) == 0
    found["verdict"] = [*map(_weighed, found.to_dict("records"))]
    tested = ["difference", "low", "high", "p_value", "p_adjusted", "verdict"]
    return found[["idea", *means, "gain", *tested]]


def _weighed(row: Mapping[str, Any]) -> str:
    """Say whether a change matters at all, and what would have been seen."""
    if row["deaf"]:  # what does not listen either way tells nothing of what would matter to it
        return f"cannot tell, deaf either way; {row['detectable']:.3f} bits would have been seen"
    if row["verdict"] in ("better", "worse"):
        said = f"supported: {row['verdict']}"
    elif max(-row["low"], row["high"]) < SMALL:
        said = "not supported"
    else:
        said = "inconclusive"
    return f"{said}; {row['seen']:.3f} would have been seen"


def outlook(settings: Settings) -> list[Idea]:
    """Return the ideas of section 7's outlook that this profile has results for."""
    learnt = [name for name, entry in registry.NETWORKS.items() if entry.learns]
    trained = ["lstm", "fft", *registry.recorded(settings, learnt)]
    every, best = [*trained, *(f"bosch-{n}" for n in range(1, 6))], (hypothesis.kept(settings),)
    # Where published weights are needed the name says so, and the reference can leave it out.
    width = settings.networks.plans.get("han", {}).get("width", 1)
    at = f", han ×{width:g}" if width != 1 else ""  # it stands where the number stands
    ideas = [
        Idea("FFT of separated streams", ("fft-separated",), ("fft-base",)),
        Idea("separated streams, as Bosch et al. use them", ("bosch-5",), ("bosch-1",)),
        Idea(f"spectrogram images{at}", ("han",), ("fft",)),
        Idea("the paper's two combined", ("lstm", "fft"), ("fft",)),
        Idea(f"ensemble of {len(trained)} networks, the paper's two too", tuple(trained), best),
        Idea(f"ensemble of these and Bosch's, {len(every)} systems", tuple(every), best),
        Idea(f"larger network{at}", ("han-wide",), ("han",)),
        Idea(f"balanced classes{at}", ("han-balanced",), ("han",)),
        Idea("mn04 with balanced classes", ("mn04-balanced",), ("mn04",)),
        Idea("mn04, pre-trained (not an idea of the paper)", ("mn04",), ("han",)),
    ]
    return [idea for idea in ideas if _there(settings, idea)]


def ablation(settings: Settings) -> list[Idea]:
    """Return the variants of notebook 07's networks that are no idea of `outlook`."""
    asked = {idea.systems for idea in outlook(settings)}
    found = {name: registry.variant(name) for name in settings.networks.variants}
    ideas = [Idea(f"{v.network}: {v.description}", (n,), (v.network,)) for n, v in found.items()]
    return [idea for idea in ideas if idea.systems not in asked and _there(settings, idea)]


def _there(settings: Settings, idea: Idea) -> bool:
    """Say whether an idea can be shown; what every profile has is always asked for."""
    optional = ("mn04", "bosch", "han-", *studies.BASES.values())
    runs = [run for run in idea.systems + idea.against if run.startswith(optional)]
    return all(records.exists(settings.profile, run) for run in runs)


def combined(
    settings: Settings, runs: Sequence[str], clips: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, np.ndarray]:
    """Combine what runs said of the testing clips, in the order of `clips` if given.

    It is the mean on the logistic scale. Each system counts the same and keeps the threshold that
    it came with, so that nothing is chosen on the clips that are scored: 0.5 cuts the result.
    Returns the clips (name, recording and labels) and their scores, float64, (n_clips, 11).
    Raises DataError if a run has not been executed, or two runs were on different clips.
    """
    shifted = []
    for run in runs:
        clips, scores, _ = records.load_predictions(settings.profile, run, clips)
        recorded = records.load_metrics(settings.profile, run)
        # Without any that was recorded, it is the paper's.
        threshold = recorded.get("thresholds", recorded.get("threshold", metrics.THRESHOLD))
        shifted.append(metrics.relative(scores, threshold))
    return clips, windows.aggregate(np.stack(shifted))


def compare(
    settings: Settings, questions: Mapping[str, tuple[Iterable[Idea], str]]
) -> dict[str, pd.DataFrame]:
    """Put each idea's system beside the one without it, on the same clips.

    `questions` is name to ideas and the metric to compare by, "micro_f1" or "gain". All their
    tests are one family: the adjusted p-value decides, the interval describes.
    Returns tables of a row an idea: idea, system, the scores of `metrics.tables.score_row` with
    95 % intervals, share (of the clips that get the commonest answer), gain (`metrics.clip_gain`)
    with and without, against, difference in the metric with low, high and p_value of
    `metrics.paired_test`, p_adjusted (Holm), verdict, and seen, the difference that half of such
    tests would find at the first of Holm's levels. What lies within `SMALL` is called neither
    better nor worse.
    """
    rows = [
        {"question": name, **_row(settings, idea, metric)}
        for name, (ideas, metric) in questions.items()
        for idea in ideas
    ]
    table = hypothesis.decided(pd.DataFrame(rows))
    if rows:
        wider = NormalDist().inv_cdf(1 - 0.025 / len(rows)) / NormalDist().inv_cdf(0.975)
        table["seen"] = wider * (table["high"] - table["low"]) / 2
        told = table.eval("-low < @SMALL and high < @SMALL and p_adjusted <= @hypothesis.LEVEL")
        table["verdict"] = table["verdict"].mask(told, "too small to matter")
    parts = {name: table[table["question"] == name] for name in questions}
    return {name: part.drop(columns="question") for name, part in parts.items()}


def _row(settings: Settings, idea: Idea, metric: str) -> dict[str, Any]:
    clips, scores = combined(settings, idea.systems)
    _, without = combined(settings, idea.against, clips)
    decisions = metrics.binarize(scores)
    ranks = metric in ("lrap", "gain")
    pair = (scores, without) if ranks else (decisions, metrics.binarize(without))
    labels, groups = label_matrix(clips["labels"]), list(clips["recording"])
    test = metrics.paired_test(labels, *pair, groups, metric, seed=settings.seed)
    result = evaluation.score(clips, scores, settings)
    system, against = (runs[0] if len(runs) == 1 else f"{len(runs)} systems" for runs in idea[1:])
    return {
        "idea": idea.idea,
        "system": system,
        **score_row(result, ("micro_f1", "macro_f1", "lrap")),
        "share": evaluation.answers({0: decisions})["share"].iloc[0],
        "gain": float(metrics.clip_gain(labels, scores, groups).mean()),
        "gain without": float(metrics.clip_gain(labels, without, groups).mean()),
        "against": against,
        **{key: test[key] for key in ("difference", "low", "high", "p_value")},
    }


def summary(table: pd.DataFrame) -> dict[str, Any]:
    """Return a table of `compare` as JSON: idea to scores and difference."""
    columns = ["micro_f1", "macro_f1", "lrap", "difference", "low", "high", "p_adjusted"]
    rows = table.rename(columns=KEYS).set_index("idea")
    return rows[columns].astype(float).to_dict("index")
