"""Name the instruments in audio files: ``python -m irmas_utils predict FILE… [--json]``.

Any format that libsndfile reads, any length, rate and number of channels, block by block. The
model is the one named, or one that this project trained (``results/<profile>/models/``), or
else EfficientAT as its authors trained it. Notebook: 11_your_own_audio.ipynb.
"""

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from irmas_utils.audio import io, windows
from irmas_utils.data import fetch
from irmas_utils.models import efficientat
from irmas_utils.project import paths
from irmas_utils.project.errors import AudioError, ModelError
from irmas_utils.project.vocabulary import IRMAS
from irmas_utils.systems.recognizer import Recognizer, describe

UNTRAINED = "EfficientAT mn04_as, untrained on IRMAS"
UNTRAINED_THRESHOLD = 0.014
"""Global threshold of the untrained network, chosen on mixtures of IRMAS's training excerpts."""


@dataclass(frozen=True)
class Prediction:
    """What a model says of a file: of each window, and as a whole."""

    path: Path
    recognizer: Recognizer
    sample_rate: int
    channels: int
    duration: float  # [s]
    starts: np.ndarray  # [s], (n_windows,)
    window_scores: np.ndarray  # (n_windows, n_labels)
    shortfall: str = ""  # what could not be read, if something could not

    @cached_property
    def scores(self) -> np.ndarray:
        """Of the whole file: (n_labels,)."""
        return windows.aggregate(self.window_scores, self.recognizer.aggregation)

    @property
    def named(self) -> np.ndarray:
        """Whether each label's score is above its threshold: bool, (n_labels,)."""
        return self.scores > np.array(self.recognizer.thresholds)

    @property
    def edges(self) -> np.ndarray:
        """Where each window's part of the file begins, and the file's end: (n_windows + 1,).

        Windows overlap; a moment belongs to the window whose middle is nearest.
        """
        window = self.recognizer.window / self.recognizer.sample_rate
        between = (self.starts[1:] + self.starts[:-1] + window) / 2
        return np.concatenate([[0.0], between, [self.duration]])


def predict(path: str | Path, recognizer: Recognizer) -> Prediction:
    """Score a file, as a whole and over time, in constant memory. Raises as `audio.io.stream`."""
    with io.opened(path) as file:
        blocks = io.stream(file, recognizer.sample_rate)
        starts, window_scores = recognizer.score_windows(blocks)
        about = file.samplerate, file.channels, file.n_read / file.samplerate
        shortfall = file.shortfall()
    if not (len(starts) and np.isfinite(window_scores).all()):
        raise io.unusable(path, "audio that the model gives no score")
    return Prediction(Path(path), recognizer, *about, starts, window_scores, shortfall)


def default_recognizer() -> Recognizer:
    """Return the best model at hand. Raises ModelError if it is damaged, or there is none.

    The newest under ``results/*/models/``, those trained on IRMAS before those trained on the
    sample corpus; without any, the untrained network with its own classes for our instruments.
    """
    found = sorted(paths.results_root().glob("*/models/*.keras"), key=_preference)
    return Recognizer.load(found[-1]) if found else untrained()


def _preference(path: Path) -> tuple[bool, float]:
    try:
        data = describe(path)["provenance"].get("data")
    except ModelError:  # to be told of only if there is nothing else
        return False, 0.0
    return data == "IRMAS", path.stat().st_mtime


def untrained() -> Recognizer:
    """Return EfficientAT with the outputs of our instruments, as published. Raises ModelError."""
    path, reason = fetch.available()
    if path is None:
        raise ModelError(
            "default model",
            found=f"no trained model in {paths.results_root()}, nor published weights ({reason})",
            expected="one of the two",
            remedy="Train one (`make notebook NAME=07_other_networks`), or name one (--model).",
        )
    rate = efficientat.SAMPLE_RATE
    return Recognizer(
        efficientat.pretrained(path, len(IRMAS.codes)),
        sample_rate=rate,
        window=3 * rate,
        hop=3 * rate // 2,
        thresholds=(UNTRAINED_THRESHOLD,) * len(IRMAS.codes),
        provenance={"name": UNTRAINED, "data": "AudioSet", "licence": fetch.MN04.licence},
    )


def label_table(prediction: Prediction) -> pd.DataFrame:
    """Return a row an instrument, the most probable first: what is said of the whole file.

    Columns instrument, probability, threshold and named (whether the one is above the other).
    """
    table = pd.DataFrame(
        {
            "instrument": [IRMAS.name(label) for label in prediction.recognizer.labels],
            "probability": prediction.scores,
            "threshold": prediction.recognizer.thresholds,
            "named": prediction.named,
        }
    )
    return table.sort_values("probability", ascending=False, ignore_index=True)


def as_dict(prediction: Prediction) -> dict[str, Any]:
    """Return a prediction as plain JSON values; scores by label."""
    labels = prediction.recognizer.labels

    def by_label(scores: np.ndarray) -> dict[str, float]:
        return {label: round(float(s), 4) for label, s in zip(labels, scores, strict=True)}

    return {
        "file": str(prediction.path),
        "duration": prediction.duration,
        "sample_rate": prediction.sample_rate,
        "channels": prediction.channels,
        **({"warning": prediction.shortfall} if prediction.shortfall else {}),
        "instruments": np.array(labels)[prediction.named].tolist(),
        "scores": by_label(prediction.scores),
        "windows": [
            {"start": float(start), "scores": by_label(scores)}
            for start, scores in zip(prediction.starts, prediction.window_scores, strict=True)
        ],
    }


def as_table(prediction: Prediction) -> str:
    """Return a prediction as text: a row an instrument, with its course over time as a strip."""
    minutes, seconds = divmod(round(prediction.duration), 60)
    title = f"{minutes}:{seconds:02}, {prediction.sample_rate} Hz, {prediction.channels} channels"
    lines = [f"{prediction.path}  ({title})"]
    for k in np.argsort(-prediction.scores, kind="stable"):
        mark = "*" if prediction.named[k] else " "
        name = IRMAS.name(prediction.recognizer.labels[k])
        strip = _strip(prediction.window_scores[:, k])
        lines.append(f"  {mark} {name:<16} {prediction.scores[k]:5.3f}  {strip}")
    return "\n".join(lines)


def _strip(values: np.ndarray, width: int = 60) -> str:
    """Draw scores over time with eight heights of blocks."""
    parts = np.array_split(values, min(width, len(values)))
    heights = [int(min(part.mean() * 8, 7.999)) for part in parts]
    return "".join("▁▂▃▄▅▆▇█"[height] for height in heights)


def tell(files: Iterable[Path], recognizer: Recognizer, as_json: bool = False) -> int:
    """Print what is in each file, as text or as one JSON list; returns how many could not be read.

    Why they could not goes to the standard error.
    """
    name = recognizer.name
    if not as_json:
        print(f"model: {name}. * marks the instruments named.\n")
    entries: list[dict[str, Any]] = []
    for path in files:
        try:
            prediction = predict(path, recognizer)
            entries.append(as_dict(prediction) | {"model": name})
            if not as_json:
                print(as_table(prediction) + "\n", flush=True)
            if prediction.shortfall:
                print(f"warning: {path}: {prediction.shortfall}", file=sys.stderr, flush=True)
        except AudioError as error:
            entries.append({"file": str(path), "error": str(error), "model": name})
            print(f"error: {error}", file=sys.stderr, flush=True)
    if as_json:
        print(json.dumps(entries, indent=2))
    return sum("error" in entry for entry in entries)
