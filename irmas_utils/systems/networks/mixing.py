"""Make multi-label training clips out of IRMAS's single-label ones, a new set every epoch.

A network that has only seen excerpts of one label learns that instruments exclude each other. So
excerpts of different classes are added, each at a random level, place and polarity, and their
labels united; a share stays alone. In mixup (Zhang et al. 2018, ICLR) labels are mixed as well;
here two instruments at once are two labels. Masks and filters are a layer: `models.front_ends`.
"""

import math
from collections.abc import Callable, Iterator
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import AfterValidator, Field

from irmas_utils.audio.cache import FeatureCache
from irmas_utils.project.settings import Section

Share = Annotated[float, Field(ge=0, le=1)]


def _one_in_all(shares: tuple[float, ...]) -> tuple[float, ...]:
    if abs(sum(shares) - 1) > 1e-8:
        raise ValueError("numbers from 0 to 1 whose sum is 1")
    return shares


Shares = Annotated[tuple[Share, ...], AfterValidator(_one_in_all)]


class Recipe(Section):
    """What happens to a training clip."""

    sources: Shares = (0.3, 0.5, 0.2)  # probability of 1, 2, 3… excerpts in a clip
    below_db: Annotated[float, Field(ge=0, le=100)] = 6.0  # how far others may lie below the first
    pan: Annotated[float, Field(ge=0, le=0.5)] = 0.2  # how far a channel's weight may be from half
    negative: Share = 0.0
    """Target of an unlabelled instrument: annotators heard one in half of the training excerpts."""
    balance: Share = 0.0
    """0: every excerpt is the first of a clip once an epoch. Else as many are drawn, with
    replacement, an excerpt of a class of n with a weight of ``n ** -balance``; 1 balances them."""


ALONE = Recipe(sources=(1.0,), pan=0.0)
"""Every excerpt alone and as it is."""

Load = Callable[[int], np.ndarray]
"""From the position of an excerpt to its samples, float32, (n_samples, 2)."""


def excerpts(clips: pd.DataFrame, sample_rate: int) -> Load:
    """Return what loads the excerpt of a row in stereo, resampled once and then cached.

    A mono file is in both channels. It raises AudioError if the file cannot be read.
    """
    cache = FeatureCache("stereo", _stereo_16_bit, mono=False, sample_rate=sample_rate)
    files = list(clips["path"])
    return lambda position: cache(files[position]) * np.float32(1 / 32767)


def batches(
    load: Load,
    labels: np.ndarray,
    *,
    n_samples: int,
    batch_size: int,
    recipe: Recipe,
    seed: int,
    epoch: int,
    fill: bool = False,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield one epoch of mixed clips in pairs of float32, (batch, n_samples) and (batch, 11).

    `labels` are float32, (n_excerpts, 11), 0 or 1. Excerpts longer than `n_samples` are cut and
    shorter ones repeated, from a random place. `fill` fills the last batch up with the epoch's
    first excerpts: batch normalization has no use for a batch of a few clips, and a training step
    is compiled once for each size.
    """
    rng = np.random.default_rng([seed, epoch])
    classes = labels.argmax(axis=1)
    if recipe.balance:
        weights = np.bincount(classes)[classes] ** -recipe.balance
        order = rng.choice(len(classes), size=len(classes), p=weights / weights.sum())
    else:
        order = rng.permutation(len(classes))
    if fill:
        order = np.resize(order, math.ceil(len(order) / batch_size) * batch_size)
    for start in range(0, len(order), batch_size):
        x, united = [], []
        for first in order[start : start + batch_size]:
            positions = _companions(first, classes, recipe, rng)
            x.append(components(load, positions, n_samples, recipe, rng).sum(axis=0))
            united.append(labels[positions].max(axis=0))
        yield np.stack(x), recipe.negative + (1 - recipe.negative) * np.stack(united)


def components(
    load: Load, positions: list[int], n_samples: int, recipe: Recipe, rng: np.random.Generator
) -> np.ndarray:
    """Return what is summed of the excerpts at `positions`: float32, (n_excerpts, n_samples).

    The first one is the loudest.
    """
    levels = -rng.uniform(0, recipe.below_db, len(positions))
    levels[0] = 0.0
    parts = np.empty((len(positions), n_samples), np.float32)
    for part, position, level in zip(parts, positions, levels, strict=True):
        part[:] = excerpt(load(position), n_samples, recipe.pan, rng)
        part *= np.float32(10 ** (level / 20) * rng.choice((-1, 1)))
    return parts


def excerpt(samples: np.ndarray, length: int, pan: float, rng: np.random.Generator) -> np.ndarray:
    """Bring an excerpt, (n, 2), to one channel and unit RMS, from a random place.

    float32, (length,); silence stays silent. For `pan` see `Recipe`.
    """
    left = np.float32(0.5 + rng.uniform(-pan, pan))
    samples = left * samples[:, 0] + (1 - left) * samples[:, 1]
    if len(samples) > length:
        start = rng.integers(len(samples) - length + 1)
        samples = samples[start : start + length]
    else:
        samples = np.resize(np.roll(samples, -int(rng.integers(len(samples)))), length)
    rms = math.sqrt(np.dot(samples, samples) / length)
    return (samples / np.float32(max(rms, 1e-6))).astype(np.float32, copy=False)


def _companions(
    first: int, classes: np.ndarray, recipe: Recipe, rng: np.random.Generator
) -> list[int]:
    """Draw how many excerpts sound, and the others, no two of them of one class."""
    wanted = 1 + int(rng.choice(len(recipe.sources), p=recipe.sources))
    positions = [int(first)]
    for candidate in rng.integers(len(classes), size=20 * (wanted - 1)):
        if len(positions) == wanted:
            break
        if classes[candidate] not in classes[positions]:
            positions.append(int(candidate))
    return positions


def _stereo_16_bit(samples: np.ndarray, rate: int) -> np.ndarray:
    return np.round(np.clip(samples[:, [0, -1]], -1, 1) * 32767).astype(np.int16)
