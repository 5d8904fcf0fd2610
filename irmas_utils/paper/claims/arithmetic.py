"""Claims that follow, or should, from other published numbers: no data needed."""

import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit, logsumexp

from irmas_utils import metrics
from irmas_utils.data import published
from irmas_utils.paper.claims.finding import Checks, Finding, claim, stated
from irmas_utils.project.vocabulary import INSTRUMENTS

IRMAS = published.load("irmas")
SAMPLE_RATE, SECONDS = (IRMAS["training"][key] for key in ("sample_rate", "duration"))
BOSCH = [e["micro_f1"] for e in published.load("bosch2012")["experiments"].values()]
LSTM_LAYERS = (22, 2048, 32, 1024, 11)  # paper, section 4.1.2
FFT_LAYERS = (442_000, 64, 100_000, 32, 50_000, 11)  # paper, section 4.2.2
PAPER_CONSTANT = np.isin(INSTRUMENTS, metrics.PAPER_CONSTANT)


def label_counts(split: str) -> NDArray:
    """Clips with each label in the training or testing set of IRMAS, int (11,)."""
    return np.array([IRMAS[split]["clips"][code] for code in INSTRUMENTS])


def codes(labels: ArrayLike) -> str:
    """Write a label vector, bool (11,), as its codes."""
    return " ".join(np.array(INSTRUMENTS)[np.asarray(labels, dtype=bool)])


def constant_scores(labels: ArrayLike) -> dict[str, float]:
    """Scores of giving every clip of the IRMAS test set the same labels, bool (11,).

    Follows from the set's label counts: "precision", "recall" and "f1" (micro), and "macro_f1".
    """
    counts, on = label_counts("testing"), np.asarray(labels, dtype=bool)
    tp = np.where(on, counts, 0)
    table = np.stack([tp, np.where(on, IRMAS["testing"]["n_clips"] - counts, 0), counts - tp])
    micro = {k: float(v) for k, v in metrics.from_counts(table, "micro").items()}
    return micro | {"macro_f1": float(metrics.from_counts(table, "macro")["f1"])}


def _f1_from(precision: float, recall: float) -> tuple[float, ...]:
    """F1, and its low and high bounds given that two decimals are stated."""
    p, r = (ratio + np.array([0, -0.005, 0.005]) for ratio in (precision, recall))
    return tuple((2 * p * r / (p + r)).tolist())


def _f1_of(network: str) -> tuple[float, ...]:
    return _f1_from(stated(f"{network}-precision"), stated(f"{network}-recall"))


def _f1_in(claim_id: str) -> tuple[float, ...]:
    return _f1_from(claim(claim_id)["precision"], claim(claim_id)["recall"])


def _dense_parameters(*sizes: int) -> int:
    """Weights and biases of dense layers from the first size to the last."""
    return sum(a * b + b for a, b in itertools.pairwise(sizes))


def _lstm_parameters(units: int, *sizes: int) -> int:
    """Parameters of an LSTM on one input, and of dense layers after it."""
    return 4 * units * (1 + units + 1) + _dense_parameters(units, *sizes)


def _best_of_paper() -> float:
    return max(stated("fft-f1"), stated("lstm-f1"))


CHECKS: Checks = {
    "bosch-best": lambda: Finding(max(BOSCH)),
    "bosch-worst": lambda: Finding(min(BOSCH), comment="Experiment 3, as section 2.1.1 says."),
    "lstm-parameters": lambda: Finding(
        _lstm_parameters(*LSTM_LAYERS), comment="Implied by the layers; not stated."
    ),
    "fft-parameters": lambda: Finding(
        _dense_parameters(*FFT_LAYERS), comment="Implied by the layers; not stated."
    ),
    "lstm-steps": lambda: Finding(
        round(SECONDS * SAMPLE_RATE), comment="Implied by 3 s at 44.1 kHz; not stated."
    ),
    "fft-features": lambda: Finding(
        stated("fft-features") + 1,
        *(stated("fft-features") + n for n in (0, 1)),
        comment="One bin is dropped of those that rfft gives.",
    ),
    "voice-f1-from-precision-recall": lambda: Finding(*_f1_in("voice-f1-from-precision-recall")),
    "lstm-f1-from-precision-recall": lambda: Finding(*_f1_of("lstm")),
    "fft-f1-from-precision-recall": lambda: Finding(*_f1_of("fft")),
    "lstm-constant-recall": lambda: Finding(constant_scores(PAPER_CONSTANT)["recall"]),
    "fft-highest": lambda: Finding(
        _best_of_paper(), comment="The LSTM's score is higher, though a constant output's."
    ),
    "fft-below-worst": lambda: Finding(
        f"{stated('fft-f1')} below {min(BOSCH)}", holds=stated("fft-f1") < min(BOSCH)
    ),
    "hypothesis-false": lambda: Finding(
        f"{_best_of_paper()} below {max(BOSCH)}", holds=_best_of_paper() < max(BOSCH)
    ),
    "fft-42-percent-below": lambda: Finding(1 - stated("fft-f1") / stated("bosch-best")),
    "fft-23-percent-below": lambda: Finding(
        1 - stated("fft-f1") / stated("bosch-worst"),
        comment=f"Below the real worst, {min(BOSCH)}: {1 - stated('fft-f1') / min(BOSCH):.0%}.",
    ),
}
"""Claim to its check; those that take more than an expression are entered below."""


def _check(claim_id: str) -> Callable:
    """Enter a function as the check of a claim."""
    return lambda function: CHECKS.setdefault(claim_id, function)


@_check("lstm-same-output")
def _same_output() -> Finding:
    true = label_counts("testing")[INSTRUMENTS.index("gac")]
    predicted = round(true * stated("lstm-guitar-recall") / stated("lstm-guitar-precision"))
    return Finding(
        f"about {predicted} clips differ",
        holds=False,
        comment="Sections 5 and 6 say nearly and almost, as the acoustic guitar's scores require.",
    )


@_check("fft-43-percent-worse")
def _worse_by_43() -> Finding:
    f1 = _f1_of("fft")
    value, low, high = (1 - score / stated("bosch-best") for score in f1)
    return Finding(value, high, low, comment=f"From F1 = {f1[0]:.4f}; 42 % follows from .29.")


@_check("bosch-improvement")
def _improvement() -> Finding:
    first, best = BOSCH[0], BOSCH[-1]
    bounds = [(best + s) / (first - s) - 1 for s in (-0.0005, 0.0005)]
    return Finding(best / first - 1, *bounds, comment="Taking experiment 1 as the benchmark.")


@_check("loss-rewards-confidence")
def _confidence() -> Finding:
    # All eleven logits move together: the softmax, and with it the loss, stays what it was.
    low, high = (logsumexp(np.full(11, logit(p))) - logit(p) for p in (0.4, 0.6))
    return Finding(
        f"{low:.4f} and {high:.4f}",
        holds=bool(high < low - 1e-12),
        comment="The text describes binary cross-entropy; the softmax sees only differences.",
    )


@_check("sigmoid-saturates")
def _saturates() -> Finding:
    late, early = expit([11, 2]) - expit([10, 1])
    return Finding(f"{late:.2g} against {early:.2g}", holds=bool(late < early))


@_check("fft-window")
def _window() -> Finding:
    seconds = 2 * stated("fft-features") / SAMPLE_RATE
    return Finding(f"{seconds:.3f} s", holds=seconds > 20)


@_check("fft-padding")
def _padding() -> Finding:
    clip = np.random.default_rng(0).standard_normal(1000)
    spectrum = np.abs(np.fft.rfft(clip))
    padded = [np.abs(np.fft.rfft(np.pad(clip, (n, 3000 - n))))[::4] for n in (0, 1234)]
    change = max(np.abs(p / spectrum - 1).max() for p in padded)
    return Finding(float(change), comment="The position of the padding has no effect either.")


@_check("lstm-output-vector")
def _vector() -> Finding:
    vector = claim("lstm-output-vector")["quote"].partition("[")[2]
    return Finding(codes([int(c) for c in vector if c in "01"]))


@_check("lstm-constant-precision")
def _constant_precision() -> Finding:
    # Precision that the stated F1 and recall leave open.
    f1, recall = stated("lstm-f1"), stated("lstm-recall")
    bounds = [(f1 + s) * (recall - s) / (2 * (recall - s) - f1 - s) for s in (-0.005, 0.005)]
    value = constant_scores(PAPER_CONSTANT)["precision"]
    return Finding(value, *bounds, comment="Rounds to .26; the stated F1 and recall allow it.")


@_check("lstm-constant-f1")
def _constant_f1() -> Finding:
    scores = constant_scores(PAPER_CONSTANT)
    top = metrics.prior_top(label_counts("training"), 3)
    comment = (
        f"Macro F1 {scores['macro_f1']:.3f}. Always {codes(top)}, the three most frequent of "
        f"training, gives {constant_scores(top)['f1']:.4f}."
    )
    return Finding(scores["f1"], comment=comment)


@_check("lstm-constant-set")
def _constant_set() -> Finding:
    counts = label_counts("training")
    mean = float(np.exp(np.log(counts).mean()))
    on, sigmoid = metrics.prior_only_labels(counts), counts / (counts + mean)
    barely = np.flatnonzero(on & (sigmoid < 0.52))
    margin = ", ".join(f"{INSTRUMENTS[i]} {sigmoid[i]:.3f}" for i in barely)
    return Finding(
        codes(on),
        holds=bool(on[PAPER_CONSTANT].all()),
        comment=f"All above the geometric mean {mean:.1f}, but barely (sigmoid): {margin}.",
    )


@_check("lstm-small-layer")
def _small_layer() -> Finding:
    lstm = _lstm_parameters(22, 2048, 1024, 11) / _lstm_parameters(*LSTM_LAYERS)
    fft = _dense_parameters(*FFT_LAYERS[:3], *FFT_LAYERS[4:]) / _dense_parameters(*FFT_LAYERS)
    comment = f"FFT model: {fft:.0f} times."
    return Finding(f"{lstm:.1f} times", holds=min(lstm, fft) > 10, comment=comment)


@_check("clarinet-f1-from-precision-recall")
def _clarinet() -> Finding:
    clarinet = claim("clarinet-f1-from-precision-recall")
    f1, recall = clarinet["stated"] - clarinet["tolerance"], clarinet["recall"]
    comment = f"To round to .05 it takes a precision of {f1 * recall / (2 * recall - f1):.4f}."
    return Finding(*_f1_in(clarinet["id"]), comment=comment)


@_check("clarinet-base-rate")
def _clarinet_rate() -> Finding:
    counts, clarinet = label_counts("training"), INSTRUMENTS.index("cla")
    rate = label_counts("testing")[clarinet] / IRMAS["testing"]["n_clips"]
    rarer = codes(counts < counts[clarinet])
    return Finding(
        f"base rate {rate:.4f} in testing",
        holds=not rarer,
        comment=f"A precision of .02 is chance; in training {rarer} are rarer than the clarinet.",
    )


@_check("most-frequent-instruments")
def _frequent() -> Finding:
    six = metrics.prior_top(label_counts("training"), 6)
    return Finding(int((six & PAPER_CONSTANT).sum()), comment=f"The six: {codes(six)}.")


@_check("constant-is-best")
def _best_constant() -> Finding:
    # For a given number of labels the most frequent ones are best, so k = 1 to 11 are enough.
    tops = [metrics.prior_top(label_counts("testing"), k) for k in range(1, 12)]
    best = max(tops, key=lambda labels: constant_scores(labels)["f1"])
    ours, theirs = (constant_scores(labels)["f1"] for labels in (best, PAPER_CONSTANT))
    return Finding(codes(best), comment=f"Micro F1 {ours:.4f} against {theirs:.4f}.")


@_check("fft-too-lenient")
def _lenient() -> Finding:
    true = IRMAS["testing"]["n_labels"] / IRMAS["testing"]["n_clips"]
    predicted = true * stated("fft-recall") / stated("fft-precision")
    return Finding(f"{predicted:.2f} predicted, {true:.2f} true", holds=predicted > true)
