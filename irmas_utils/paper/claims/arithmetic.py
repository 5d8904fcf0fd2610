"""Claims that follow, or should, from other published numbers: no data needed."""

from collections.abc import Callable

import numpy as np

from irmas_utils import metrics
from irmas_utils.data import published
from irmas_utils.paper.claims.finding import Checks, Finding, claim, stated
from irmas_utils.paper.claims.formulas import (
    codes,
    constant_scores,
    dense_parameters,
    f1_from,
    label_counts,
    lstm_parameters,
)
from irmas_utils.project.vocabulary import INSTRUMENTS

SAMPLE_RATE = published.load("irmas")["training"]["sample_rate"]
LSTM_LAYERS = (22, 2048, 32, 1024, 11)  # paper, section 4.1.2
FFT_LAYERS = (442_000, 64, 100_000, 32, 50_000, 11)  # paper, section 4.2.2
PAPER_CONSTANT = np.isin(INSTRUMENTS, metrics.PAPER_CONSTANT)


def _bosch() -> list[float]:
    return [e["micro_f1"] for e in published.load("bosch2012")["experiments"].values()]


def _best_of_paper() -> float:
    return max(stated("fft-f1"), stated("lstm-f1"))


def _f1_of(network: str) -> tuple[float, ...]:
    return f1_from(stated(f"{network}-precision"), stated(f"{network}-recall"))


CHECKS: Checks = {
    "bosch-best": lambda: Finding(max(_bosch())),
    "bosch-worst": lambda: Finding(min(_bosch()), comment="Experiment 3, as section 2.1.1 says."),
    "lstm-parameters": lambda: Finding(
        lstm_parameters(LSTM_LAYERS), comment="Implied by the layers; not stated."
    ),
    "fft-parameters": lambda: Finding(
        dense_parameters(FFT_LAYERS), comment="Implied by the layers; not stated."
    ),
    "lstm-f1-from-precision-recall": lambda: Finding(*_f1_of("lstm")),
    "fft-f1-from-precision-recall": lambda: Finding(*_f1_of("fft")),
    "lstm-constant-recall": lambda: Finding(constant_scores(PAPER_CONSTANT)["recall"]),
    "fft-highest": lambda: Finding(
        _best_of_paper(), comment="The LSTM's score is higher, though a constant output's."
    ),
    "fft-below-worst": lambda: Finding(
        f"{stated('fft-f1')} below {min(_bosch())}", holds=stated("fft-f1") < min(_bosch())
    ),
    "hypothesis-false": lambda: Finding(
        f"{_best_of_paper()} below {max(_bosch())}", holds=_best_of_paper() < max(_bosch())
    ),
    "fft-42-percent-below": lambda: Finding(1 - stated("fft-f1") / stated("bosch-best")),
}
"""Claim to its check; those that take more than an expression are entered below."""


def _check(claim_id: str) -> Callable:
    """Enter a function as the check of a claim."""
    return lambda function: CHECKS.setdefault(claim_id, function)


@_check("lstm-same-output")
def _same_output() -> Finding:
    true = label_counts("testing")[INSTRUMENTS.index("gac")]
    precision, recall = stated("lstm-guitar-precision"), stated("lstm-guitar-recall")
    predicted = round(true * recall / precision)
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
    first, best = _bosch()[0], _bosch()[-1]
    half = 0.0005
    bounds = [(best + s * half) / (first - s * half) - 1 for s in (-1, 1)]
    return Finding(best / first - 1, *bounds, comment="Taking experiment 1 as the benchmark.")


@_check("loss-rewards-confidence")
def _confidence() -> Finding:
    # All eleven logits move together: the softmax, and with it the loss, stays what it was.
    low, high = (np.full(11, np.log(p / (1 - p))) for p in (0.4, 0.6))
    losses = [float(np.log(np.exp(z).sum()) - z[0]) for z in (low, high)]
    return Finding(
        f"{losses[0]:.4f} and {losses[1]:.4f}",
        holds=losses[1] < losses[0] - 1e-12,
        comment="The text describes binary cross-entropy; the softmax sees only differences.",
    )


@_check("sigmoid-saturates")
def _saturates() -> Finding:
    def rise(x: float) -> float:
        return 1 / (1 + np.exp(-x - 1)) - 1 / (1 + np.exp(-x))

    return Finding(f"{rise(10):.2g} against {rise(1):.2g}", holds=rise(10) < rise(1))


@_check("lstm-steps")
def _steps() -> Finding:
    seconds = published.load("irmas")["training"]["duration"]
    return Finding(round(seconds * SAMPLE_RATE), comment="Implied by 3 s at 44.1 kHz; not stated.")


@_check("fft-window")
def _window() -> Finding:
    seconds = 2 * stated("fft-features") / SAMPLE_RATE
    return Finding(f"{seconds:.3f} s", holds=seconds > 20)


@_check("fft-features")
def _features() -> Finding:
    half = stated("fft-features")
    return Finding(half + 1, half, half + 1, comment="One bin is dropped of those that rfft gives.")


@_check("fft-padding")
def _padding() -> Finding:
    clip = np.random.default_rng(0).standard_normal(1000)
    spectrum = np.abs(np.fft.rfft(clip))
    padded = [np.abs(np.fft.rfft(np.pad(clip, (n, 3000 - n))))[::4] for n in (0, 1234)]
    change = max(np.abs(p / spectrum - 1).max() for p in padded)
    return Finding(float(change), comment="The position of the padding has no effect either.")


@_check("lstm-output-vector")
def _vector() -> Finding:
    quote = claim("lstm-output-vector")["quote"]
    return Finding(codes([int(c) for c in quote[quote.index("[") :] if c in "01"]))


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
    on = metrics.prior_only_labels(counts)
    sigmoid = counts / (counts + mean)
    margin = ", ".join(
        f"{code} {sigmoid[i]:.3f}"
        for i, code in enumerate(INSTRUMENTS)
        if on[i] and sigmoid[i] < 0.52
    )
    return Finding(
        codes(on),
        holds=bool(on[PAPER_CONSTANT].all()),
        comment=f"All above the geometric mean {mean:.1f}, but barely (sigmoid): {margin}.",
    )


@_check("lstm-small-layer")
def _small_layer() -> Finding:
    ratios = [
        lstm_parameters((22, 2048, 1024, 11)) / lstm_parameters(LSTM_LAYERS),
        dense_parameters((*FFT_LAYERS[:3], *FFT_LAYERS[4:])) / dense_parameters(FFT_LAYERS),
    ]
    return Finding(
        f"{ratios[0]:.1f} times",
        holds=min(ratios) > 10,
        comment=f"FFT model: {ratios[1]:.0f} times.",
    )


@_check("voice-f1-from-precision-recall")
def _voice() -> Finding:
    voice = claim("voice-f1-from-precision-recall")
    return Finding(*f1_from(voice["precision"], voice["recall"]))


@_check("clarinet-f1-from-precision-recall")
def _clarinet() -> Finding:
    clarinet = claim("clarinet-f1-from-precision-recall")
    f1, recall = clarinet["stated"] - clarinet["tolerance"], clarinet["recall"]
    needed = f1 * recall / (2 * recall - f1)
    finding = f1_from(clarinet["precision"], recall)
    return Finding(*finding, comment=f"To round to .05 it takes a precision of {needed:.4f}.")


@_check("clarinet-base-rate")
def _clarinet_rate() -> Finding:
    counts, clarinet = label_counts("training"), INSTRUMENTS.index("cla")
    rate = label_counts("testing")[clarinet] / published.load("irmas")["testing"]["n_clips"]
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
    testing = published.load("irmas")["testing"]
    true = testing["n_labels"] / testing["n_clips"]
    predicted = true * stated("fft-recall") / stated("fft-precision")
    return Finding(f"{predicted:.2f} predicted, {true:.2f} true", holds=predicted > true)


@_check("fft-23-percent-below")
def _below_23() -> Finding:
    worst = stated("bosch-worst")
    comment = f"Below the real worst, {min(_bosch())}: {1 - stated('fft-f1') / min(_bosch()):.0%}."
    return Finding(1 - stated("fft-f1") / worst, comment=comment)
