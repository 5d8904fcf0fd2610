"""The paper's outlook (section 7): separate first, "then applying the FFT to each stream".

The dense network of the studies' base setting, on the spectra of separated streams instead of
the mono mix's. Notebook: 08_bosch_baselines.ipynb.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from irmas_utils import metrics
from irmas_utils.audio.cache import FeatureCache
from irmas_utils.audio.features import fft_magnitude
from irmas_utils.metrics import tables
from irmas_utils.metrics.tables import Splits
from irmas_utils.project.records import Record
from irmas_utils.project.settings import Settings
from irmas_utils.systems.bosch.streams import split


def spectra(
    samples: np.ndarray, rate: int, *, streams: Sequence[str], length: int, separator: str
) -> np.ndarray:
    """Transform every stream of a clip by itself, in as many numbers as the mono mix has.

    So that a network of the same size reads them, each stream keeps one magnitude, the root mean
    square, of as many neighbouring bins as there are streams. A training excerpt of 3 s, padded
    to 20, has spectra so much finer than its own resolution that four bins say what one says.

    Parameters
    ----------
    samples, rate, streams, separator
        As in `streams.split`.
    length : int
        Padded length in samples, as in `audio.features.fft_magnitude`.

    Returns
    -------
    ndarray of float32, shape (length // 2 // n_streams * n_streams,)
        The streams one after another. Errors as in `streams.split`; AudioError too if the clip
        is longer than `length`.
    """
    n_kept = length // 2 // len(streams)
    pooled = []
    for signal in split(samples, rate, streams, separator).values():
        bins = fft_magnitude(signal, length)[: n_kept * len(streams)]
        pooled.append(np.sqrt(np.square(bins).reshape(n_kept, -1).mean(axis=1)))
    return np.concatenate(pooled)


def train(
    parts: Splits, settings: Settings, checkpoint_dir: Callable[[int], Path]
) -> tuple[pd.DataFrame, dict[int, np.ndarray], int]:
    """Train the network once a seed and score the testing part.

    Returns
    -------
    history, scores
        As `metrics.tables.train_seeds`, which see for `checkpoint_dir` and errors.
    n_parameters : int
    """
    # TensorFlow takes seconds to import, and the rest of this wing does without it.
    from irmas_utils.audio.batches import fixed_batches
    from irmas_utils.models import fft

    streams, length = settings.study_fft_separated_stems, settings.fft_samples
    options = {"streams": streams, "length": length, "separator": settings.bosch_separator}
    load = FeatureCache("spectra", spectra, mono=False, **options)
    n_features = length // 2 // len(streams) * len(streams)
    batch_size = settings.study_fft_base_batch_size
    build = partial(fft.build, n_features, settings.study_fft_base_dense)
    history, scores = tables.train_seeds(
        build,
        lambda clips, order=None: fixed_batches(clips, load, n_features, batch_size, order),
        parts,
        seeds=settings.study_seeds,
        loss=settings.study_fft_base_loss,
        learning_rate=settings.study_fft_base_learning_rate,
        epochs=settings.study_fft_base_epochs,
        checkpoint_dir=checkpoint_dir,
        jit_compile=True,
    )
    return history, scores, build().count_params()


def write(
    record: Record,
    testing: pd.DataFrame,
    history: pd.DataFrame,
    scores: dict[int, np.ndarray],
    n_parameters: int,
) -> None:
    """Record what `train` returned, and the first seed's predictions, as ``fft-separated``."""
    by_seed = {seed: tables.score(testing, s, record.settings) for seed, s in scores.items()}
    facts = {"n_parameters": n_parameters, "settings": record.settings.section("study_fft_base_")}
    first = next(iter(scores.values()))
    record.save_table(history, "fft-separated_history")
    record.save_predictions(testing, first, metrics.binarize(first), "fft-separated")
    record.save_metrics(tables.summary(by_seed, scores, history, **facts), "fft-separated")
