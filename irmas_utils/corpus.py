"""The data set that a profile names: the real IRMAS, or the built-in sample corpus."""

from pathlib import Path

import pandas as pd

from irmas_utils import dataset, integrity, paths, sample
from irmas_utils.errors import SettingsError
from irmas_utils.settings import Settings


def load(settings: Settings) -> pd.DataFrame:
    """Return the index of the profile's data set, rendering the sample corpus on first use.

    Clips that are the same byte for byte share a recording key, so that no split separates them.

    Raises
    ------
    DataError
        As `irmas_utils.dataset.load_index`.
    SettingsError
        If ``corpus_source`` is unknown.
    """
    index = dataset.load_index(
        folder(settings),
        skip_bad_clips=settings.corpus_skip_bad_clips,
        allow_incomplete=settings.corpus_allow_incomplete,
    )
    return integrity.join_duplicates(index, integrity.find_duplicates(index))


def folder(settings: Settings) -> Path:
    """Return the folder in the IRMAS layout that the profile's data is in. Raises as `load`."""
    if settings.corpus_source == "irmas":
        return paths.data_root()
    if settings.corpus_source == "sample":
        return sample.ensure(
            training_clips=settings.corpus_training_clips,
            testing_clips=settings.corpus_testing_clips,
            seed=settings.seed,
            soundfont=settings.corpus_soundfont,
        )
    raise SettingsError(
        "corpus_source",
        found=repr(settings.corpus_source),
        expected="sample or irmas",
        remedy="Correct the profile.",
    )


def name(settings: Settings) -> str:
    """Return what figures and tables call the data set."""
    return "IRMAS" if settings.corpus_source == "irmas" else "sample corpus, not IRMAS"
