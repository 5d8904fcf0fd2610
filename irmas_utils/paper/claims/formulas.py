"""The words of the ledger's formulas, which read facts anew: numbers and small proofs."""

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce  # noqa: F401 - as below, a word of the ledger's formulas
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit, logsumexp, softmax  # noqa: F401
from scipy.stats import binomtest, entropy, gmean, hmean  # noqa: F401

from irmas_utils import metrics
from irmas_utils.audio.features import FFT_SAMPLES, fft_magnitude, label_matrix  # noqa: F401
from irmas_utils.audio.io import opened, pad
from irmas_utils.data import published
from irmas_utils.metrics import prior_only_labels  # noqa: F401
from irmas_utils.project import paths
from irmas_utils.project.vocabulary import INSTRUMENTS

PAPER = np.isin(INSTRUMENTS, metrics.PAPER_CONSTANT)
RATE, LOGITS = 44_100, np.linspace(-1, 1, 11)
flatten, identity, leaky, tanh = np.ravel, np.asarray, 0.01, np.tanh


@dataclass(frozen=True)
class Finding:
    """The recomputed side of a claim: number, numbers or words, and what a reader should know.

    `low` and `high` bound what the rounding of stated inputs leaves open, or our 95 % interval.
    """

    value: Any
    low: float | None = None
    high: float | None = None
    comment: str = ""


class NotMeasured(LookupError):
    """A benchmark has not been run."""


def stated(claim_id: str) -> Any:
    """Return the value that the paper states."""
    return fact(f"paper_claims.claims.{claim_id}.stated")


def fact(path: str) -> Any:
    """Look up a published fact, or a committed benchmark: file and keys with dots between.

    Of a list a key is what stands in an entry's first column: its id, or a benchmark's row. Raises
    NotMeasured if there is no such row.
    """
    name, *keys = path.split(".")
    if name == "benchmarks":
        file = paths.reference_dir(name) / f"{keys.pop(0)}.json"
        found = json.loads(file.read_text("utf-8"))["rows"] if file.is_file() else []
    else:
        found = published.load(name)
    for key in keys:
        if isinstance(found, list):
            found = next((row for row in found if next(iter(row.values())) == key), None)
            if found is None:
                raise NotMeasured(path)
        else:
            found = found[int(key) if key.isdigit() else key]
    return found


def compute(ledger: dict[str, Any], clips: pd.DataFrame | None = None) -> Finding:
    """Compute the formula of a claim of the ledger, and its note.

    From `clips`, rows of the index of the complete set, if given. An array or a tuple is a value
    and its two bounds. The ledger is part of the package and as much to be trusted as its code.
    """
    found = eval(ledger["compute" if clips is None else "recount"], globals() | {"clips": clips})
    if isinstance(found, tuple | np.ndarray) and np.ndim(found):
        value, *bounds = (float(v) for v in found)
        return Finding(value, min(bounds), max(bounds), noted(ledger))
    return Finding(found.item() if isinstance(found, np.generic) else found, comment=noted(ledger))


def noted(ledger: dict[str, Any], said: str = "") -> str:
    """Write after `said` the note of a claim, whose formulas are computed as in `compute`."""
    note = eval(f'f"""{ledger.get("note", "")}"""', globals())
    return f"{said} {note}".strip()


def kinds(clips: pd.DataFrame) -> list[int]:
    """The sample rates, numbers of channels, and bits of a sample that clips have."""
    columns = (clips["sample_rate"], clips["channels"], clips["path"].map(bits))
    return [value for column in columns for value in sorted({*map(int, column)})]


def bits(path: str) -> int:
    """Bits of a sample that a file's header states; 0 if they are not of PCM."""
    with opened(path) as file:
        return int(file.subtype[4:]) if file.subtype.startswith("PCM_") else 0


def gib(clips: pd.DataFrame) -> float:
    """Size of clips in GiB, in 16 bits."""
    return float((clips["duration"] * clips["sample_rate"] * clips["channels"]).sum()) * 2 / 2**30


def grouped(clips: pd.DataFrame) -> int:
    """How many groups of excerpts there are, by their files' names."""
    return clips["name"].str.replace(r"__\d+$", "", regex=True).nunique()


def label_counts(split: str) -> NDArray:
    """Clips with each label in the training or testing set of IRMAS, int (11,)."""
    return np.array([fact(f"irmas.{split}.clips")[code] for code in INSTRUMENTS])


def codes(labels: ArrayLike) -> str:
    """Write a label vector, bool (11,), as its codes."""
    return " ".join(np.array(INSTRUMENTS)[np.asarray(labels, dtype=bool)])


def constant_scores(labels: ArrayLike) -> dict[str, float]:
    """Micro "precision", "recall", "f1" and "macro_f1" of a constant, bool (11,), on IRMAS."""
    counts, on = label_counts("testing"), np.asarray(labels, dtype=bool)
    tp = np.where(on, counts, 0)
    table = np.stack([tp, np.where(on, fact("irmas.testing.n_clips") - counts, 0), counts - tp])
    found = metrics.from_counts(table, "micro")
    found["macro_f1"] = metrics.from_counts(table, "macro")["f1"]
    return {score: float(value) for score, value in found.items()}


def top(split: str, k: int) -> NDArray:
    """The k most frequent labels of a set, bool (11,)."""
    return metrics.prior_top(label_counts(split), k)


def best_constant() -> NDArray:
    """Labels of the constant answer of highest micro F1 on the test set, bool (11,)."""
    # For a given number of labels the most frequent ones are best, so k = 1 to 11 are enough.
    tops = [top("testing", k) for k in range(1, 12)]
    return max(tops, key=lambda labels: constant_scores(labels)["f1"])


def bosch() -> list[float]:
    """Micro F1 of the five experiments of Bosch et al."""
    return [e["micro_f1"] for e in fact("bosch2012.experiments").values()]


def near(value: float) -> NDArray:
    """A value that is stated with two decimals, and the bounds of its rounding, (3,)."""
    return value + np.array([0, -0.005, 0.005])


def f1(what: str) -> NDArray:
    """F1 from the stated precision and recall, and what their rounding leaves open, (3,)."""
    return hmean([near(stated(f"{what}-{ratio}")) for ratio in ("precision", "recall")])


def room(value: float, ends: Sequence[float]) -> Any:
    """A value with its bounds if it lies between them, else alone."""
    return (value, *ends) if min(ends) <= value <= max(ends) else value


def share(hits: int, n: int, less: float = 0.0) -> tuple[float, ...]:
    """A share less a number, with its exact 95 % interval (Clopper and Pearson 1934)."""
    interval = binomtest(hits, n).proportion_ci()
    return hits / n - less, interval.low - less, interval.high - less


def labels_a_clip(network: str) -> float:
    """Labels that a network names a clip, from the stated precision and recall."""
    true = fact("irmas.testing.n_labels") / fact("irmas.testing.n_clips")
    return true * stated(f"{network}-recall") / stated(f"{network}-precision")


def parameters(sizes: list[int], lstm: bool = False) -> int:
    """Weights and biases of layers from the first size to the last, the first one's an LSTM's."""
    dense = sum(a * b + b for a, b in itertools.pairwise(sizes))
    return dense + lstm * 4 * sizes[0] * (1 + sizes[0] + 1)


def products(layers: list[int], part: float = 1.0) -> tuple[float, float]:
    """Multiplications for a training clip, with a part of the units: of the LSTM, of the rest."""
    units, steps = layers[0] * part, round(fact("irmas.training.duration") * RATE)
    dense = sum(a * b for a, b in itertools.pairwise([units, *layers[1:]]))
    return steps * 4 * units * (units + 1), dense


def noise(n_samples: int) -> NDArray:
    """Always the same noise, (n_samples,)."""
    return np.random.default_rng(0).standard_normal(n_samples)


def magnitudes(samples: NDArray) -> NDArray:
    """Magnitudes of a signal's spectrum, (n_samples // 2 + 1,)."""
    return np.abs(np.fft.rfft(samples))


def change(values: NDArray, other: NDArray) -> float:
    """Largest relative difference."""
    return float(np.abs(other / values - 1).max())


def redrawn(n_samples: int, length: int) -> float:
    """Relative distance of the spectrum of padded noise to the unpadded one drawn on its bins."""
    before, after = magnitudes(noise(n_samples)), magnitudes(pad(noise(n_samples), length))
    drawn = np.interp(np.linspace(0, 1, len(after)), np.linspace(0, 1, len(before)), before)
    return float(np.sqrt(((after - drawn) ** 2).mean() / (after**2).mean()))


def radix_2(x: NDArray) -> tuple[NDArray, int]:
    """Fourier transform of 2**k samples by halves, and how many multiplications it took."""
    if len(x) == 1:
        return x.astype(complex), 0
    (even, first), (odd, second) = radix_2(x[::2]), radix_2(x[1::2])
    turned = np.exp(-2j * np.pi * np.arange(len(odd)) / len(x)) * odd
    return np.concatenate([even + turned, even - turned]), first + second + len(odd)


def cell(state: NDArray, x: float) -> NDArray:
    """One step of an LSTM of one unit whose weights are all 1: (h, c) to (h, c)."""
    gate = expit(x + state[0])
    c = gate * (state[1] + np.tanh(x + state[0]))
    return np.array([gate * np.tanh(c), c])


def departure(activation: Callable[[NDArray], NDArray]) -> float:
    """How far two stacked dense layers are from one affine map."""
    first, second, (a, b, *_) = np.random.default_rng(0).standard_normal((3, 5, 5))
    at = [second @ activation(first @ x + 1) + 1 for x in (a, b, a + b, 0 * a)]
    return float(np.abs(at[0] + at[1] - at[2] - at[3]).max())


def paper_loss(label: float, others: float) -> float:
    """Softmax cross-entropy of a clip with one label, from eleven outputs after the sigmoid."""
    logits = logit(np.array([label] + [others] * 10))
    return float(logsumexp(logits) - logits[0])


def adam(gradient: float, steps: int, corrects: bool, inside: bool) -> float:
    """Length of Adam's last step, in learning rates, at a constant gradient."""
    m, v = gradient, gradient**2  # as both moments are at a constant gradient, once corrected
    if not corrects:
        m, v = m * (1 - 0.9**steps), v * (1 - 0.999**steps)
    return m / (v + 1e-8) ** 0.5 if inside else m / (v**0.5 + 1e-8)


def relu(x: NDArray, mu: float = 0.0) -> NDArray:
    """Rectified linear unit, with a slope of `mu` below zero."""
    return np.maximum(mu * x, x)


def slope(function: Callable[[NDArray], NDArray], x: float) -> float:
    """How much a function rises from x to x + 1."""
    return float(function(np.array(x + 1.0)) - function(np.array(x)))


def dead(slope: float) -> float:
    """Largest output of a neuron that starts at zero, `slope` at and below 0, trained towards 1."""
    x, w = np.abs(noise(20).reshape(5, 4)), np.zeros(4)
    for _ in range(50):
        z = x @ w
        w -= 0.1 * x.T @ ((np.where(z > 0, z, slope * z) - 1) * np.where(z > 0, 1, slope)) / len(x)
    return float((x @ w).max())


def reach(units: int = 22, forget_bias: float = 1.0) -> float:
    """Seconds over which the gradient of the untrained LSTM falls below the smallest float32.

    Around silence, where all gates but the forget gate's are half open, a step multiplies the
    cell's gradient by ``f + i o U``; its spectral radius says how fast it vanishes. The recurrent
    weights, U of the cell among them, begin as orthogonal rows.
    """
    rows = np.linalg.qr(np.random.default_rng(0).standard_normal((4 * units, units)))[0].T
    step = expit(forget_bias) * np.eye(units) + expit(0) ** 2 * rows[:, 2 * units : 3 * units]
    radius = min(np.abs(np.linalg.eigvals(step)).max(), 1 - 1e-9)  # above, it never vanishes
    return float(np.log(np.finfo(np.float32).tiny) / np.log(radius) / RATE)
