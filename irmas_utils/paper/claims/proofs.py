"""Claims, most of sections 3 and 4, that a small computation decides.

Each check takes what it computes with as arguments: given something else, it must find something
else.
"""

import functools
import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, logsumexp, softmax

from irmas_utils import metrics
from irmas_utils.audio import features, io
from irmas_utils.paper.claims.arithmetic import codes, label_counts, parameters
from irmas_utils.paper.claims.finding import Checks, Finding, fact

RATE = 44_100
Function = Callable[[NDArray], NDArray]


def _clip(n_samples: int) -> NDArray:
    return np.random.default_rng(0).standard_normal(n_samples)


def magnitudes(samples: NDArray) -> NDArray:
    """Magnitudes of a signal's spectrum, (n_samples // 2 + 1,)."""
    return np.abs(np.fft.rfft(samples))


def _change(values: NDArray, other: NDArray) -> float:
    return float(np.abs(other / values - 1).max())


def _padded(pad: Callable = io.pad) -> int:
    rng, clips = np.random.default_rng(0), (np.ones(seconds * RATE) for seconds in (5, 12, 20))
    return len({len(pad(clip, features.FFT_SAMPLES, rng)) for clip in clips})


def _position(transform: Function = magnitudes) -> float:
    return _change(*(transform(np.pad(_clip(1000), (n, 3000 - n))) for n in (0, 1234)))


def _padding(seconds: float = 3.0) -> float:
    # At a tenth of the lengths, the same ratio between them.
    clip = _clip(round(seconds * RATE / 10))
    before, after = magnitudes(clip), magnitudes(io.pad(clip, features.FFT_SAMPLES // 10))
    drawn = np.interp(np.linspace(0, 1, len(after)), np.linspace(0, 1, len(before)), before)
    return float(np.sqrt(((after - drawn) ** 2).mean() / (after**2).mean()))


def cell(state: NDArray, x: float) -> NDArray:
    """One step of an LSTM of one unit whose weights are all 1: (h, c) to (h, c)."""
    gate, new = expit(x + state[0]), np.tanh(x + state[0])
    c = gate * state[1] + gate * new
    return np.array([gate * np.tanh(c), c])


def _any_length(step: Callable = cell) -> int:
    states = [functools.reduce(step, _clip(n), np.zeros(2)) for n in (3, 7)]
    return len({np.shape(state) for state in states})


def radix_2(x: NDArray) -> tuple[NDArray, int]:
    """Fourier transform of 2**k samples by halves, and how many multiplications it took."""
    if len(x) == 1:
        return x.astype(complex), 0
    (even, first), (odd, second) = radix_2(x[::2]), radix_2(x[1::2])
    turned = np.exp(-2j * np.pi * np.arange(len(odd)) / len(x)) * odd
    return np.concatenate([even + turned, even - turned]), first + second + len(odd)


def _exponent(transform: Callable = radix_2) -> float:
    small, large = (transform(_clip(size))[1] for size in (64, 1024))
    return float(np.log(large / small) / np.log(1024 / 64))


def _linear(activation: Function = np.asarray) -> float:
    first, second, (a, b, *_) = np.random.default_rng(0).standard_normal((3, 5, 5))

    def stacked(x: NDArray) -> NDArray:
        return second @ activation(first @ x + 1) + 1

    return float(np.abs(stacked(a) + stacked(b) - stacked(a + b) - stacked(0 * a)).max())


def _products(layers: Sequence[int]) -> tuple[int, int]:
    """Multiplications for a training clip: of the LSTM, and of the dense layers after it."""
    steps = round(fact("irmas.training.duration") * RATE)
    dense = sum(a * b for a, b in itertools.pairwise(layers))
    return steps * 4 * layers[0] * (layers[0] + 1), dense


def _share_of_lstm() -> float:
    lstm, dense = _products(fact("literature.this_paper.lstm_layers"))
    return lstm / (lstm + dense)


def _half_as_many() -> Finding:
    units, *dense = fact("literature.this_paper.lstm_layers")
    whole, half = (sum(_products([n, *dense])) for n in (units, units // 2))
    comment = "By multiplications; batches, which the paper also made smaller, change speed too."
    return Finding(1 - half / whole, comment=comment)


def paper_loss(label: float, others: float) -> float:
    """Softmax cross-entropy of a clip with one label, from eleven outputs after the sigmoid."""
    logits = logit(np.array([label] + [others] * 10))
    return float(logsumexp(logits) - logits[0])


def _confidence(loss: Callable[[float, float], float] = paper_loss) -> Finding:
    before, after = loss(0.4, 0.5), loss(0.6, 0.5)
    return Finding(after - before, comment=f"From {before:.3f} to {after:.3f}.")


def _all_together(loss: Callable[[float, float], float] = paper_loss) -> Finding:
    comment = "The text describes binary cross-entropy; the softmax sees only differences."
    return Finding(round(abs(loss(0.6, 0.6) - loss(0.4, 0.4)), 12), comment=comment)


def _cut(shift: float = 3.0) -> Finding:
    logits = np.linspace(-1, 1, 11)
    same = bool(np.allclose(softmax(logits), softmax(logits + shift)))
    named = [int(metrics.binarize(expit(z)).sum()) for z in (logits, logits + shift)]
    return Finding((named[1] - named[0]) * same, comment=f"{named[0]} or {named[1]} of eleven.")


def adam(gradient: float, steps: int, corrects: bool, inside: bool) -> float:
    """Length of Adam's last step, in learning rates, at a constant gradient."""
    m = v = step = 0.0
    for t in range(1, steps + 1):
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        m_t, v_t = (m / (1 - 0.9**t), v / (1 - 0.999**t)) if corrects else (m, v)
        step = m_t / (v_t + 1e-8) ** 0.5 if inside else m_t / (v_t**0.5 + 1e-8)
    return step


def _as_printed(gradient: float, steps: int) -> Finding:
    """Step by the paper's formula over that by the authors of Adam."""
    work, printed = fact("literature.references.8"), adam(gradient, steps, False, True)
    original = adam(gradient, steps, work["bias_correction"], work["epsilon_inside_root"])
    return Finding(printed / original, comment=f"{printed:.3g} against {original:.3g}.")


def _dead(slope: float = 0.0) -> float:
    x, w = np.abs(_clip(20).reshape(5, 4)), np.zeros(4)
    for _ in range(50):  # towards an output of 1
        z = x @ w
        w -= 0.1 * x.T @ ((np.where(z > 0, z, slope * z) - 1) * np.where(z > 0, 1, slope)) / len(x)
    return float((x @ w).max())


def _slope(function: Function, x: float) -> float:
    return float(function(np.array(x + 1.0)) - function(np.array(x)))


def _saturates(function: Function = expit) -> Finding:
    late, early = _slope(function, 10), _slope(function, 1)
    return Finding(late - early, comment=f"{late:.2g} against {early:.2g}.")


def reach(units: int = 22, forget_bias: float = 1.0) -> Finding:
    """Seconds over which the gradient of the untrained LSTM falls below the smallest float32.

    Around silence, where all gates but the forget gate's are half open, a step multiplies the
    cell's gradient by ``f + i o U``; its spectral radius says how fast it vanishes. The recurrent
    weights, U of the cell among them, begin as orthogonal rows.
    """
    rows = np.linalg.qr(np.random.default_rng(0).standard_normal((4 * units, units)))[0].T
    step = expit(forget_bias) * np.eye(units) + expit(0) ** 2 * rows[:, 2 * units : 3 * units]
    radius = min(np.abs(np.linalg.eigvals(step)).max(), 1 - 1e-9)  # above, it never vanishes
    seconds = float(np.log(np.finfo(np.float32).tiny) / np.log(radius) / RATE)
    comment = "Of the untrained network; training moves nothing by what no gradient reaches."
    return Finding(seconds, comment=comment)


def _small_layer() -> Finding:
    lstm, fft = (fact(f"literature.this_paper.{name}_layers") for name in ("lstm", "fft"))
    of_lstm = parameters([*lstm[:2], *lstm[3:]], lstm=True) / parameters(lstm, lstm=True)
    of_fft = parameters([*fft[:3], *fft[4:]]) / parameters(fft)
    return Finding([round(of_lstm, 1), round(of_fft, 1)], comment="Times as many; LSTM, FFT model.")


def _prior() -> Finding:
    counts = label_counts("training")
    on, mean = metrics.prior_only_labels(counts), float(np.exp(np.log(counts).mean()))
    sigmoid = counts / (counts + mean)
    barely = np.flatnonzero(on & (sigmoid < 0.52))
    margin = ", ".join(f"{codes(np.arange(11) == i)} {sigmoid[i]:.3f}" for i in barely)
    comment = f"All above the geometric mean {mean:.1f}, but barely (sigmoid): {margin}."
    return Finding(codes(on), comment=comment)


_IMAGE = _clip(12).reshape(3, 4)
CHECKS: Checks = {
    "padding-equal-length": _padded,
    "padding-recognise-silence": _position,
    "padding-not-needed": _any_length,
    "binarizer-several-ones": lambda made=features.label_matrix: int(made([("cel", "voi")]).sum()),
    "fft-n-log-n": _exponent,
    "dense-linear": _linear,
    "flatten-same": lambda flatten=np.ravel: np.array_equal(flatten(_IMAGE), [*_IMAGE.flat]),
    "lstm-large-power": _share_of_lstm,
    "lstm-size-run-time": _half_as_many,
    "loss-rewards-confidence": _confidence,
    "loss-counts-right": _all_together,
    "threshold-half": _cut,
    "adam-first-step": lambda gradient=1.0, steps=1: _as_printed(gradient, steps),
    "adam-epsilon": lambda gradient=1e-6, steps=20_000: _as_printed(gradient, steps),
    "relu-dead-at-zero": _dead,
    "relu-flat": lambda mu=0.0: _slope(lambda x: np.maximum(mu * x, x), -1000),
    "leaky-gradient": lambda mu=0.01: _slope(lambda x: np.maximum(mu * x, x), -1000),
    "sigmoid-saturates": _saturates,
    "sigmoid-flat-tails": lambda function=expit: max(_slope(function, x) for x in (10, -11)),
    "tanh-range": lambda function=np.tanh: [float(function(x)) for x in (-50.0, 50.0)],
    "lstm-tells-sustained": reach,
    "lstm-learns-patterns": reach,
    "lstm-learns-tempo": reach,
    "lstm-parameters": lambda: parameters(fact("literature.this_paper.lstm_layers"), lstm=True),
    "fft-parameters": lambda: parameters(fact("literature.this_paper.fft_layers")),
    "fft-features": lambda n=features.FFT_SAMPLES: len(features.fft_magnitude(_clip(1000), n)),
    "fft-prunes-time": lambda transform=magnitudes: _change(
        transform(_clip(1000)), transform(_clip(1000)[::-1])
    ),
    "fft-padding-shared": lambda transform=magnitudes: _change(
        transform(_clip(1000)), transform(np.pad(_clip(1000), (1234, 1766)))[::4]
    ),
    "fft-padding": _padding,
    "lstm-small-layer": _small_layer,
    "lstm-constant-set": _prior,
}
