"""Claims that follow, or should, from other published numbers: no data needed.

Every number is read when a check runs: changed evidence changes what it finds.
"""

import itertools
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from irmas_utils import metrics
from irmas_utils.paper.claims.finding import Checks, Finding, claim, fact, stated
from irmas_utils.project.vocabulary import INSTRUMENTS

PAPER_CONSTANT = np.isin(INSTRUMENTS, metrics.PAPER_CONSTANT)
_ROUNDING = np.array([0, -0.005, 0.005])  # a value of two decimals, and its bounds
_GAC, _CLA = INSTRUMENTS.index("gac"), INSTRUMENTS.index("cla")


def label_counts(split: str) -> NDArray:
    """Clips with each label in the training or testing set of IRMAS, int (11,)."""
    return np.array([fact(f"irmas.{split}.clips")[code] for code in INSTRUMENTS])


def codes(labels: ArrayLike) -> str:
    """Write a label vector, bool (11,), as its codes."""
    return " ".join(np.array(INSTRUMENTS)[np.asarray(labels, dtype=bool)])


def constant_scores(labels: ArrayLike) -> dict[str, float]:
    """Scores of giving every clip of the IRMAS test set the same labels, bool (11,).

    Follows from the set's label counts: "precision", "recall" and "f1" (micro), and "macro_f1".
    """
    counts, on = label_counts("testing"), np.asarray(labels, dtype=bool)
    tp = np.where(on, counts, 0)
    table = np.stack([tp, np.where(on, fact("irmas.testing.n_clips") - counts, 0), counts - tp])
    micro = {k: float(v) for k, v in metrics.from_counts(table, "micro").items()}
    return micro | {"macro_f1": float(metrics.from_counts(table, "macro")["f1"])}


def best_constant() -> NDArray:
    """Labels of the constant answer of highest micro F1 on the test set, bool (11,)."""
    # For a given number of labels the most frequent ones are best, so k = 1 to 11 are enough.
    tops = [metrics.prior_top(label_counts("testing"), k) for k in range(1, 12)]
    return max(tops, key=lambda labels: constant_scores(labels)["f1"])


def parameters(sizes: list[int], lstm: bool = False) -> int:
    """Weights and biases of layers from the first size to the last, the first one's an LSTM's."""
    dense = sum(a * b + b for a, b in itertools.pairwise(sizes))
    return dense + lstm * 4 * sizes[0] * (1 + sizes[0] + 1)


def _bosch() -> list[float]:
    return [e["micro_f1"] for e in fact("bosch2012.experiments").values()]


def _f1(where: dict[str, float]) -> NDArray:
    """F1, and its low and high bounds given that two decimals are stated."""
    p, r = (where[ratio] + _ROUNDING for ratio in ("precision", "recall"))
    return 2 * p * r / (p + r)


def _f1_of(network: str) -> NDArray:
    return _f1({ratio: stated(f"{network}-{ratio}") for ratio in ("precision", "recall")})


def _best_of_paper() -> float:
    return max(stated("fft-f1"), stated("lstm-f1"))


def _named_a_clip(network: str) -> tuple[float, float]:
    """Labels that a clip is given, from precision and recall, and the true ones."""
    true = fact("irmas.testing.n_labels") / fact("irmas.testing.n_clips")
    return true * stated(f"{network}-recall") / stated(f"{network}-precision"), true


def _constant(score: str) -> float:
    return constant_scores(PAPER_CONSTANT)[score]


def _top_three() -> NDArray:
    return metrics.prior_top(label_counts("training"), 3)


def _improvement() -> Finding:
    first, best = _bosch()[0], _bosch()[-1]
    bounds = [(best + s) / (first - s) - 1 for s in (-0.0005, 0.0005)]
    return Finding(best / first - 1, *bounds, comment="Taking experiment 1 as the benchmark.")


def _same_output() -> Finding:
    p, r = (stated(f"lstm-guitar-{ratio}") for ratio in ("precision", "recall"))
    clips = label_counts("testing")[_GAC] * (r + _ROUNDING) / (p - _ROUNDING)
    comment = "Sections 5 and 6 say nearly and almost, as the acoustic guitar's scores require."
    return Finding(*map(round, clips), comment=comment)


def _worse_by_43() -> Finding:
    value, high, low = 1 - _f1_of("fft") / stated("bosch-best")
    comment = f"From F1 = {_f1_of('fft')[0]:.4f}; 42 % follows from .29."
    return Finding(float(value), low, high, comment=comment)


def _constant_precision() -> Finding:
    # Precision that the stated F1 and recall leave open.
    f1, recall = stated("lstm-f1"), stated("lstm-recall")
    bounds = [(f1 + s) * (recall - s) / (2 * (recall - s) - f1 - s) for s in (-0.005, 0.005)]
    value, comment = _constant("precision"), "Rounds to .26; the stated F1 and recall allow it."
    return Finding(value, *bounds, comment) if bounds[0] <= value <= bounds[1] else Finding(value)


def _constant_f1() -> Finding:
    comment = (
        f"Macro F1 {_constant('macro_f1'):.3f}. Always {codes(_top_three())}, the three most "
        f"frequent of training, gives {constant_scores(_top_three())['f1']:.4f}."
    )
    return Finding(_constant("f1"), comment=comment)


def _batch_2() -> Finding | None:
    """Share with the interval of Wilson (1927)."""
    row = fact("benchmarks.prior_only.batch 2")
    if row is None:
        return None
    n, hits, z = row["seeds"], row["the paper's five"], special.ndtri(0.975)
    centre, half = hits + z**2 / 2, z * math.sqrt(hits * (n - hits) / n + z**2 / 4)
    low, high = ((centre + end) / (n + z**2) for end in (-half, half))
    return Finding(hits / n, low, high, f"{hits} of {n} seeds; of all: {row['sets']}.")


def _other_recalls() -> Finding:
    counts = label_counts("testing")
    found = counts[PAPER_CONSTANT].sum() + stated("lstm-guitar-recall") * counts[_GAC]
    left = (stated("lstm-recall") + _ROUNDING) * counts.sum() - found
    recalls = left / (counts[~PAPER_CONSTANT].sum() - counts[_GAC])
    return Finding(*map(float, recalls), comment="About none; below zero, by rounding.")


def _guitar() -> Finding:
    true = label_counts("testing")[_GAC]
    hits, rate = round(true * stated("lstm-guitar-recall")), true / fact("irmas.testing.n_clips")
    named = round(true * stated("lstm-guitar-recall") / stated("lstm-guitar-precision"))
    # Exact interval of a share (Clopper and Pearson 1934).
    low = special.betaincinv(hits, named - hits + 1, 0.025) - rate
    high = special.betaincinv(hits + 1, named - hits, 0.975) - rate
    comment = f"{hits} of {named}, where chance gives {rate:.3f}."
    return Finding(hits / named - rate, low, high, comment)


def _clarinet() -> Finding:
    clarinet = claim("clarinet-f1-from-precision-recall")
    f1, recall = clarinet["stated"] - clarinet["tolerance"], clarinet["recall"]
    comment = f"To round to .05 it takes a precision of {f1 * recall / (2 * recall - f1):.4f}."
    return Finding(*_f1(clarinet), comment=comment)


def _represented() -> Finding:
    counts = label_counts("training")
    ranks = [int((counts >= counts[k]).sum()) for k in (INSTRUMENTS.index("voi"), _CLA)]
    rate = label_counts("testing")[_CLA] / fact("irmas.testing.n_clips")
    comment = (
        f"In training {codes(counts < counts[_CLA])} are rarer than the clarinet, whose precision "
        f"of .02 is its base rate in testing, {rate:.4f}: chance."
    )
    return Finding(ranks, comment=comment)


def _frequent() -> Finding:
    six = metrics.prior_top(label_counts("training"), 6)
    return Finding(int((six & PAPER_CONSTANT).sum()), comment=f"The six: {codes(six)}.")


def _best() -> Finding:
    f1 = constant_scores(best_constant())["f1"]
    return Finding(codes(best_constant()), comment=f"{f1:.4f} against {_constant('f1'):.4f}.")


def _indicative() -> Finding:
    top = constant_scores(_top_three())["f1"]
    comment = f"Three labels for every clip score {top:.4f}."
    return Finding(*(_f1_of("fft") - top), comment=comment)


def _lenient() -> Finding:
    predicted, true = _named_a_clip("fft")
    return Finding(predicted - true, comment=f"{predicted:.2f} predicted, {true:.2f} true.")


def _balance() -> Finding:
    share = label_counts("training") / label_counts("training").sum()
    now, balanced = float(special.entr(share).sum()), float(np.log(len(share)))
    return Finding(balanced / now - 1, comment=f"{now:.3f} now, {balanced:.3f} then.")


def _vector() -> str:
    vector = claim("lstm-output-vector")["quote"].partition("[")[2]
    return codes([int(c) for c in vector if c in "01"])


def _23_percent() -> Finding:
    comment = f"Of the real worst, {min(_bosch())}: {1 - stated('fft-f1') / min(_bosch()):.0%}."
    return Finding(1 - stated("fft-f1") / stated("bosch-worst"), comment=comment)


def _demanding() -> float | None:
    peak = fact("benchmarks.real_size.FFT features in batches.peak MiB")
    gib = sum(fact(f"irmas.{split}.size_gib") for split in ("training", "testing"))
    return peak and 1024 * gib / peak


CHECKS: Checks = {
    "lstm-same-output": _same_output,
    "fft-43-percent-worse": _worse_by_43,
    "bosch-labels": lambda: len(fact("irmas.testing.clips")),
    "bosch-improvement": _improvement,
    "bosch-worst": lambda: Finding(
        min(_bosch()), comment="Section 2.1.1 contradicts section 6: experiment 3 has less."
    ),
    "flatten-used": lambda: str(fact("literature.this_paper.layer_kinds")).count("flatten"),
    "loading-all-demanding": _demanding,
    "lstm-steps": lambda: round(
        fact("irmas.training.duration") * fact("irmas.training.sample_rate")
    ),
    "fft-window": lambda: 2 * stated("fft-features") / fact("irmas.testing.sample_rate"),
    "voice-f1-from-precision-recall": lambda: Finding(
        *_f1(claim("voice-f1-from-precision-recall"))
    ),
    "lstm-f1-from-precision-recall": lambda: Finding(*_f1_of("lstm")),
    "lstm-more-positives": lambda: _named_a_clip("lstm")[0],
    "lstm-output-vector": _vector,
    "lstm-constant-precision": _constant_precision,
    "lstm-constant-recall": lambda: _constant("recall"),
    "lstm-constant-f1": _constant_f1,
    "lstm-constant-set-batch-2": _batch_2,
    "lstm-other-recalls": _other_recalls,
    "lstm-guitar-successful": _guitar,
    "fft-f1-from-precision-recall": lambda: Finding(*_f1_of("fft")),
    "fft-highest": lambda: Finding(
        _best_of_paper(), comment="The LSTM's score is higher, though a constant output's."
    ),
    "fft-below-worst": lambda: stated("fft-f1") - min(_bosch()),
    "clarinet-f1-from-precision-recall": _clarinet,
    "clarinet-base-rate": _represented,
    "fft-not-overfitting": lambda: stated("fft-75-epochs") - constant_scores(np.ones(11))["f1"],
    "lstm-above-worst": lambda: stated("lstm-f1") - min(_bosch()),
    "lstm-f1-meaningless": lambda: stated("lstm-f1") - _constant("f1"),
    "most-frequent-instruments": _frequent,
    "constant-is-best": _best,
    "fft-more-indicative": _indicative,
    "fft-too-lenient": _lenient,
    "fft-42-percent-below": lambda: 1 - stated("fft-f1") / stated("bosch-best"),
    "fft-23-percent-below": _23_percent,
    "balance-costs-constant": _balance,
    "deep-learning-possible": lambda: (
        fact("state_of_the_art.systems.zhong2023.micro_f1") - constant_scores(best_constant())["f1"]
    ),
}
