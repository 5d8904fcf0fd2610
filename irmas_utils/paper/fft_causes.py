"""Why the dense FFT network fails: the suspected causes, each by itself (paper section 5.2).

The studies' base is trained as the paper prints it, and once for each change to what it reads or
learns from (`models.fft_variants`). What takes no training comes from the base: another cut, or
long clips as excerpts are. But for the one that is cut as printed, all are cut at a threshold from
mixtures of validation recordings. Notebook: 06_fft_hyperparameters.ipynb.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import logit

from irmas_utils import metrics
from irmas_utils.audio.features import label_matrix
from irmas_utils.data.corpus import Splits
from irmas_utils.metrics import evaluation
from irmas_utils.metrics.tables import score_row
from irmas_utils.project import records
from irmas_utils.project.records import Record
from irmas_utils.project.runs import Outcome
from irmas_utils.project.settings import Settings
from irmas_utils.project.vocabulary import INSTRUMENTS
from irmas_utils.systems import mixtures

COMPUTED = {
    "printed": "as printed", "cut": "own cut", "norm": "norm of a clip of 3 s",
    "peak": "peaks of a clip of 3 s", "windows": "windows of 3 s",
}  # fmt: skip
"""What comes of the network as printed, by name; all but the first are cut by mixtures."""

_OF_LONG = ("norm", "peak", "windows")  # changes of what is longer than a training clip


def examine(names: Sequence[str], parts: Splits, record: Record) -> None:
    """Train the base and each change of `names`, and record what each scores.

    Under ``fft-cause-NAME``: those of `CHANGES`, and of the base `COMPUTED`. Raises as
    `models.training.fit`.
    """
    # TensorFlow takes seconds to import, and what only reads does without it.
    from irmas_utils.models.fft_variants import CHANGES, PRINTED, trained

    mixed = mixtures.make(parts.validation, record.settings.bosch.mixtures, record.settings.seed)
    base = trained("printed", PRINTED, parts, mixed, record.settings)
    for name, description in COMPUTED.items():
        _save(name, description, *base, record)
    for name in names:
        own = trained(name, CHANGES[name], parts, mixed, record.settings)
        _save(name, CHANGES[name].description, *own, record)


def table(settings: Settings) -> pd.DataFrame:
    """Read what `examine` has recorded so far: a row a cause, the network as printed first.

    Columns name, cause, cut (as a logit), parameters, on mixtures, micro F1, LRAP, gain, labels a
    clip, learnt (whether it is right for more of its training excerpts than a guess would be), and
    the accuracy on training and validation excerpts, also where these are higher by some cents.
    """
    rows, names = [], (*COMPUTED, *settings.study.fft.causes.changes)
    for name in (n for n in names if records.exists(settings.profile, f"fft-cause-{n}")):
        found = records.load_metrics(settings.profile, f"fft-cause-{name}")
        row = {"name": name, "cause": found["description"], "cut": logit(found["threshold"])}
        row |= {"parameters": found["n_parameters"], "on mixtures": found["on_mixtures"]}
        row |= score_row(found["evaluation"], ("micro_f1",))
        fitting = found["accuracy"]["fitting 0"]
        least = fitting["value"] if fitting["low"] is None else fitting["low"]
        row |= {"gain": found["dependence"]["gain"], "learnt": least > 1 / len(INSTRUMENTS)}
        rows.append(row | {key: leaf["value"] for key, leaf in found["accuracy"].items()})
    return pd.DataFrame(rows)


def by_duration(settings: Settings, testing: pd.DataFrame) -> pd.DataFrame:
    """Return `metrics.evaluation.by_duration` of `COMPUTED`: a row a cause and part."""
    rows = []
    for name, cause in COMPUTED.items():
        decided = records.load_predictions(settings.profile, f"fft-cause-{name}", testing)[2]
        parts = evaluation.by_duration(testing, decided.astype(float), settings)
        rows += [{"cause": cause} | part for part in parts.values()]
    return pd.DataFrame(rows)


def _save(
    name: str, said: str, outcome: Outcome, clips: dict[str, pd.DataFrame], record: Record
) -> None:
    settings, arrays = record.settings, outcome.arrays
    ending = f" {name}" if name in _OF_LONG else ""
    scores, testing = arrays[f"testing{ending}"], clips["testing"]
    labels, mixed = label_matrix(clips["mixtures"]["labels"]), arrays[f"mixtures{ending}"]
    own = float(metrics.choose_threshold(labels, mixed))
    threshold = metrics.THRESHOLD if name == "printed" else own
    run, accuracy = f"fft-cause-{name}", {}
    record.save_predictions(testing, scores, metrics.binarize(scores, threshold), run)
    for key, answers in arrays.items():
        if (part := key.split()[0]) in ("fitting", "validation"):
            first = np.eye(scores.shape[1])[answers.argmax(axis=1)]
            heard = clips[part].drop_duplicates("recording")
            # Of clips with one label, of which one is named, micro F1 is the share of those right.
            accuracy[key] = evaluation.score(heard, first, settings)["micro"]["f1"]
    found = {
        "description": said,
        "threshold": threshold,
        "accuracy": accuracy,
        "on_mixtures": metrics.f1(labels, metrics.binarize(mixed, threshold), "micro"),
        "n_parameters": outcome.facts["n_parameters"],
        "evaluation": evaluation.score(testing, scores, settings, threshold),
        "dependence": evaluation.listens(testing, scores, settings),
    }
    record.save_metrics(found, run)
