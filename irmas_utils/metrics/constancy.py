"""Does the output depend on the input? A constant answer is a hypothesis, and is tested here.

The same answers are dealt to other clips. If a system listens, its own clips fit its answers better
than others do; of a constant nothing changes. Clips of one recording resemble each other, so each
recording gets the answers to another.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from irmas_utils.metrics import scores

_BINS = 4  # of a label's scores, equally filled
_DEALS = 100  # behind the mean of `clip_gain`


def dependence(
    y_true: ArrayLike,
    y_score: ArrayLike,
    groups: Sequence[Any] | None = None,
    n_permutations: int = 1000,
    seed: int = 0,
) -> dict[str, float]:
    """Mutual information of outputs and labels, and what it is if the answers are dealt anew.

    Arguments are as for `metrics.evaluate`. The scores enter by their quartiles among the clips,
    so that no threshold matters, and the information is summed over the labels. Keys:
    "information" [bits a clip]; "chance", its mean over permutations of the recordings;
    "detectable", their 95 % quantile: the least information that the test would have seen;
    "p_value"; "gain", the mean of `clip_gain`.
    """
    scores.validate(y_true, y_score=y_score, groups=groups)
    true, bins = np.asarray(y_true, dtype=float), _binned(np.asarray(y_score))
    rng = np.random.default_rng(seed)
    dealt = _dealt(groups, len(true), rng, n_permutations)
    observed = float(_information(true, bins))
    drawn = np.array([_information(true, bins[order]) for order in dealt])
    # Rounding must not make an equal value a smaller one: a constant has none in every deal.
    above = np.sum(drawn >= observed - 1e-12)
    return {
        "information": observed,
        "chance": float(drawn.mean()),
        "detectable": float(np.quantile(drawn, 0.95)),
        "p_value": float((1 + above) / (1 + n_permutations)),
        "gain": float(clip_gain(y_true, y_score, groups).mean()),
    }


def clip_gain(
    y_true: ArrayLike, y_score: ArrayLike, groups: Sequence[Any] | None = None, seed: int = 0
) -> NDArray:
    """LRAP of each clip with its own answer over that with answers to other clips, (n_clips,).

    It is exactly 0 for any constant, whose LRAP itself only tells its one arbitrary ranking.
    """
    score, rng = np.asarray(y_score), np.random.default_rng(seed)
    own = scores.clip_lrap(y_true, score)
    dealt = _dealt(groups, len(score), rng, _DEALS)
    others = [scores.clip_lrap(y_true, score[order]) for order in dealt]
    return np.mean([own - other for other in others], axis=0)


def _dealt(
    groups: Sequence[Any] | None, n_clips: int, rng: np.random.Generator, n: int
) -> list[NDArray]:
    """Whose answer each clip gets, n times: the clips of a group get those of one other group.

    Of a group with fewer clips they come again, of one with more the first ones: answers that were
    dealt across the borders of groups would agree less than those of a group do, and chance would
    look smaller than it is.
    """
    members = scores.members(groups, n_clips)
    clips = [np.flatnonzero(members == group) for group in range(members.max() + 1)]
    longest = max(map(len, clips))
    again = np.array([np.resize(own, longest) for own in clips])  # clip k of each group
    place = pd.Series(members).groupby(members).cumcount().to_numpy()
    dealt = (np.argsort(rng.permutation(len(clips))) for _ in range(n))
    return [again[to[members], place] for to in dealt]


def _binned(y_score: NDArray) -> NDArray:
    """In which quarter of its label's scores each lies, as one-hot float (n_clips, n_labels, 4)."""
    twice = (2 * pd.DataFrame(y_score).rank().to_numpy()).astype(int) - 1  # equals share a place
    return np.eye(_BINS)[twice * _BINS // (2 * len(y_score))]


def _information(true: NDArray, bins: NDArray) -> NDArray:
    """Bits that the bins tell of the labels, (n, n_labels) and (n, n_labels, n_bins), summed."""
    of_bin = bins.mean(axis=0)
    on = np.einsum("nl,nlb->lb", true, bins) / len(true)
    joint = np.stack([on, of_bin - on])
    apart = joint.sum(axis=2, keepdims=True) * of_bin
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nansum(np.where(joint > 1e-12, joint * np.log2(joint / apart), 0))
