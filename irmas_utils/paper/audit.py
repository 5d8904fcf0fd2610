"""What the official counts of IRMAS's testing set say of a paper's scores: ``irmas audit``.

Each number is taken for the interval that rounds to it. Predictions are not at hand, so there are
two standard errors: of label decisions that are independent, and of songs whose own are all alike.
"""

import math
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import hmean

from irmas_utils.data import published
from irmas_utils.metrics.tables import TITLES
from irmas_utils.paper.claims import formulas
from irmas_utils.paper.claims.formulas import fact
from irmas_utils.project.errors import DataError

_MICRO = ("precision", "recall", "f1")
_LABELS = 11


class Stated(NamedTuple):
    """A number as printed, and the ends of what rounds to it."""

    value: float
    low: float
    high: float


_ANY = Stated(math.nan, 0.0, 1.0)


def read(name: str, text: str) -> Stated:
    """Read a score, ``".38"``: its digits tell its rounding. DataError unless it is in [0, 1]."""
    try:
        value = Decimal(text)
        half = 0.5 * 10.0 ** int(value.as_tuple().exponent) + 1e-9
        if not 0 <= value <= 1:
            raise InvalidOperation
    except (InvalidOperation, ValueError, OverflowError):
        remedy = "Write it as printed; of percent, a hundredth."
        raise DataError(f"--{name}", repr(text), "a number from 0 to 1", remedy) from None
    return Stated(float(value), max(0.0, float(value) - half), min(1.0, float(value) + half))


def audit(texts: Mapping[str, str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Check stated scores, by the names of the command's options, as texts; raises as `read`.

    Returns a table with the columns check, found and verdict, and one of `literature`.
    """
    stated = {name: read(name, text) for name, text in texts.items()}
    micro, macro = ([stated.get(kind + each, _ANY) for each in _MICRO] for kind in ("", "macro-"))
    rows, f1, reach, fits = [], micro[2], (_ANY, _ANY), counts(*micro)
    if any(each is not _ANY for each in micro):
        rows.append(_micro(fits))
        reach = _reach(fits) if len(fits) else reach
    if len(fits) and f1 is _ANY and _ANY not in micro[:2]:
        f1 = Stated(hmean([each.value for each in micro[:2]]), *_ends(fits))
    if sum(each is not _ANY for each in macro) > (reach[0] is _ANY):
        rows.append(_macro(*macro, *reach))
    rows += [_lrap(stated["lrap"])] if "lrap" in stated else []
    rows += [_trivial("f1", f1)] if f1 is not _ANY else []
    rows += [_trivial("macro_f1", macro[2])] if macro[2] is not _ANY else []
    checks = pd.DataFrame(rows, columns=["check", "found", "verdict"])
    return checks, literature(f1, stated.get("lrap", _ANY))


def counts(precision: Stated, recall: Stated, f1: Stated) -> NDArray:
    """Return the counts that round to three micro scores: rows of TP, least and most predicted."""
    true, every = fact("irmas.testing.n_labels"), fact("irmas.testing.n_clips") * _LABELS
    tp = np.arange(true + 1)
    tp = tp[(tp >= recall.low * true) & (tp <= recall.high * true)]
    with np.errstate(divide="ignore", invalid="ignore"):
        least = np.maximum(tp / precision.high, 2 * tp / f1.high - true)
        most = np.minimum(tp / precision.low, 2 * tp / f1.low - true)
    if precision.low <= 0 >= f1.low:  # no hit: all are zero, however many labels are named
        most = np.where(tp == 0, every, most)
    least, most = np.maximum(least, tp), np.nan_to_num(most, nan=-1)
    least = np.ceil(least).astype(int)
    most = np.floor(np.minimum(most, every - true + tp)).astype(int)
    return np.stack([tp, least, most], axis=1)[least <= most]


def _ends(fits: NDArray) -> tuple[float, float]:
    true = fact("irmas.testing.n_labels")
    f1 = 2 * fits[:, :1] / (fits[:, 1:] + true)
    return float(f1.min()), float(f1.max())


def _micro(fits: NDArray) -> tuple[str, str, str]:
    if not len(fits):
        return "micro scores", "no counts give them all", "impossible"
    clips, (low, high) = fact("irmas.testing.n_clips"), _ends(fits)
    named = f"{fits[:, 1].min() / clips:.2f} to {fits[:, 2].max() / clips:.2f} labels a clip"
    hits = (
        f"{fits[:, 0].min()} to {fits[:, 0].max()} of {fact('irmas.testing.n_labels')} labels hit"
    )
    return "micro scores", f"{hits}, {named}, F1 {low:.4f} to {high:.4f}", "possible"


def _reach(fits: NDArray) -> tuple[Stated, Stated]:
    """Bound macro precision and recall by the misses and false alarms that counts leave.

    Of recall, hits go first to the instruments where they raise it least, or most. Of precision,
    k false alarms among N clips take at least k / N from an instrument of n clips, at most
    k / (n + k), and n misses all: prices of both bound the sum over instruments (Lagrange).
    """
    n = np.array(sorted(fact("irmas.testing.clips").values()))
    hits, least, most = fits.T
    least_of, most_of = (np.r_[0, order.cumsum()] for order in (n[::-1], n))
    share = np.arange(_LABELS + 1) / _LABELS
    recall = np.interp(hits.min(), least_of, share), np.interp(hits.max(), most_of, share)
    miss, alarm, each = np.meshgrid(*[np.geomspace(1e-6, 1, 80)] * 2, n)
    taken = np.maximum(1 - miss * each, (1 - np.sqrt(alarm * each)).clip(0) ** 2).clip(0).sum(-1)
    taken += (miss * (n.sum() - hits.min()) + alarm * (most - hits).max())[..., 0]
    kept = (least - hits).min() / fact("irmas.testing.n_clips")
    precision = max(0.0, 1 - taken.min() / _LABELS), 1 - kept / _LABELS
    return Stated(math.nan, *precision), Stated(math.nan, *recall)


def _macro(precision: Stated, recall: Stated, f1: Stated, *reach: Stated) -> tuple[str, str, str]:
    """The mean of harmonic means is at most that of the means: both are concave, and Jensen's.

    What is not stated is taken for whatever it can be, within `reach` of the micro scores, so a
    high F1 needs both of the others.
    """
    told = {"precision": precision, "recall": recall, "micro scores": reach[0]}
    stated = " and ".join(name for name, each in told.items() if each is not _ANY)
    ends = np.array([(precision, recall), reach])[..., 1:]
    low, high = ends[..., 0].max(axis=0), ends[..., 1].min(axis=0)
    if (low > high).any():
        found = "precision {:.4f} to {:.4f}, recall {:.4f} to {:.4f}".format(*ends[1].ravel())
        return "macro scores", found + " follow from micro scores", "impossible beside those"
    floor, top = max(0.0, low.sum() - 1), hmean(high)
    found = f"F1 of {floor:.4f} to {top:.4f} follows from {stated}"
    if f1.low > top or f1.high < floor:
        return "macro scores", found, "impossible as the mean of the instruments' F1"
    if _ANY not in (precision, recall, f1) and hmean([precision.low, recall.low]) <= f1.high:
        verdict = "possible, but rather the F1 of the mean precision and recall"
        return "macro scores", found, verdict
    return "macro scores", found, "possible"


def _lrap(lrap: Stated) -> tuple[str, str, str]:
    """The worst ranking has a clip's k labels last; of random ones, the places are uniform."""
    sizes = fact("irmas.testing.clips_by_number_of_labels")
    clips, place = sum(sizes.values()), np.arange(1, _LABELS + 1)
    last = {k: (place[:k] / (_LABELS - k + place[:k])).mean() for k in sizes}
    chance = {k: ((1 + (k - 1) * (place - 1) / (_LABELS - 1)) / place).mean() for k in sizes}
    floor, random = (sum(n * v[k] for k, n in sizes.items()) / clips for v in (last, chance))
    verdict = "possible, above chance" if lrap.low > random else "possible, not above chance"
    verdict = "impossible" if lrap.high < floor else verdict
    return "LRAP", f"at least {floor:.4f}; random rankings {random:.4f}", verdict


def _trivial(score: str, stated: Stated) -> tuple[str, str, str]:
    constants = {f"prior top-{k}": formulas.top("training", k) for k in (1, 3)}
    constants |= {"all eleven": np.ones(_LABELS), "paper's constant": formulas.PAPER}
    values = {name: formulas.constant_scores(on)[score] for name, on in constants.items()}
    found = ", ".join(f"{name} {value:.4f}" for name, value in values.items())
    above = ", ".join(n for n, v in values.items() if stated.high < v)
    same = ", ".join(n for n, v in values.items() if stated.low <= v <= stated.high)
    said = []
    if above:
        said.append(f"not above {above}")
    if same:
        said.append(f"equal to {same}")
    title = TITLES.get(score, "micro F1")
    return f"{title} beside trivial predictors", found, "; ".join(said) or "above all"


def literature(f1: Stated, lrap: Stated) -> pd.DataFrame:
    """Compare stated scores with the published ones: a row each.

    ``told apart beyond`` is the difference that needs no more than songs that are independent.
    """
    rows = []
    for system in published.results():
        for score, stated in (("micro_f1", f1), ("lrap", lrap)):
            if system[score] is None or stated is _ANY:
                continue
            pair = errors(score, stated.value), errors(score, system[score])
            alone, songs = 1.96 * np.hypot(*pair)
            difference = stated.value - system[score]
            verdict = "not told apart" if abs(difference) < alone else "cannot tell"
            if abs(difference) > songs:
                verdict = "higher" if difference > 0 else "lower"
            rows.append((system["name"], TITLES[score], system[score], difference, songs, verdict))
    columns = ["system", "score", "published", "difference", "told apart beyond", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def errors(score: str, value: float) -> tuple[float, float]:
    """Return two standard errors: of decisions that are independent, of songs (as many in each).

    Micro F1 is a function of the share J of hits among hits and errors, ``2 J / (1 + J)``, whose
    error is that of a binomial share, for as many labels named as there are. A clip's LRAP lies in
    [0, 1], so its variance is at most ``value (1 - value)``; how much less is not known.
    """
    testing = fact("irmas.testing")
    if score == "lrap":
        return 0.0, math.sqrt(value * (1 - value) / testing["n_songs"])
    decided = testing["n_labels"] * (2 - value)
    share = value / (2 - value)
    slope = 2 / (1 + share) ** 2
    alone = slope * math.sqrt(share * (1 - share))
    return alone / math.sqrt(decided), alone / math.sqrt(testing["n_songs"])
