"""Saved models: everything needed to predict, in one ``.keras`` file and one ``.json`` beside it.

The ``.keras`` file holds the network from samples to scores, front end included; the JSON says
how to feed it and how to read it: sample rate, windows, aggregation, thresholds, the order of the
labels, and where the model came from. It also holds the digest of the ``.keras`` file, so that
the two cannot be of different models. Notebook: 07_other_networks.ipynb.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from irmas_utils import INSTRUMENTS
from irmas_utils.audio import io as audio
from irmas_utils.audio import windows
from irmas_utils.models import front_ends, layers  # noqa: F401 - saved models are made of these
from irmas_utils.project import files as atomic
from irmas_utils.project.backend import keras, tf
from irmas_utils.project.errors import ModelError

FORMAT = "irmas-notebooks model"
VERSION = 1
_BATCH = 16  # windows at a time: more does not go faster, and memory stays small


@dataclass(frozen=True)
class Recognizer:
    """A network and how to use it.

    Attributes
    ----------
    model : keras.Model
        Maps mono samples, (batch, window), to scores, (batch, 11).
    sample_rate : int
        In hertz.
    window, hop : int
        Length of a window and from one to the next, in samples.
    thresholds : tuple of float
        For each instrument; it is named where its score is larger.
    aggregation : str
        How the windows' scores are joined; see `audio.windows.aggregate`.
    provenance : dict
        Plain JSON: where the model came from. Keys that the model card explains: ``name``,
        ``data``, ``notebook``, ``settings``, ``metrics``, ``licence``, ``notes``.
    """

    model: keras.Model
    sample_rate: int
    window: int
    hop: int
    thresholds: tuple[float, ...]
    aggregation: str = "mean_logit"
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def score_windows(self, blocks: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Score every window of a clip.

        Parameters
        ----------
        blocks : iterable of numpy.ndarray, each (n_samples,)
            Consecutive pieces of the clip, mono, at `sample_rate`.

        Returns
        -------
        starts : numpy.ndarray, (n_windows,)
            In seconds.
        scores : numpy.ndarray, float32, (n_windows, 11)
        """
        starts, scores, held = [], [], []
        for start, window in windows.stream(blocks, self.window, self.hop):
            starts.append(start / self.sample_rate)
            held.append(window)
            if len(held) == _BATCH:
                scores.append(self._scores(held))
                held = []
        if held:
            scores.append(self._scores(held))
        return np.array(starts), np.concatenate(scores or [np.zeros((0, len(INSTRUMENTS)))])

    def score(self, samples: np.ndarray) -> np.ndarray:
        """Score a whole clip, (n_samples,) at `sample_rate`: float64, (11,)."""
        return windows.aggregate(self.score_windows([samples])[1], self.aggregation)

    def score_files(self, files: Iterable[str | Path]) -> np.ndarray:
        """Score audio files: (n_files, 11). Raises AudioError as `audio.io.read`."""
        rate = self.sample_rate
        return np.array([self.score(audio.load_mono(file, rate)) for file in files])

    def _scores(self, held: list[np.ndarray]) -> np.ndarray:
        # A window alone goes twice: oneDNN's convolutions are ten times slower for a batch of one.
        batch = np.stack(held if len(held) > 1 else held * 2)
        return self._forward(batch).numpy()[: len(held)]

    @cached_property
    def _forward(self):
        signature = [tf.TensorSpec([None, self.window], tf.float32)]
        return tf.function(lambda x: self.model(x, training=False), input_signature=signature)


def save(path: str | Path, recognizer: Recognizer) -> Path:
    """Write ``<path>.keras`` and ``<path>.json``, each atomically, and return the first.

    Parameters
    ----------
    path : str or Path
        With or without the suffix ``.keras``.
    recognizer : Recognizer
    """
    path = Path(path)
    path = path if path.suffix == ".keras" else path.with_name(path.name + ".keras")
    with atomic.replacing(path) as temporary:
        recognizer.model.save(temporary)
    description = {
        "format": FORMAT,
        "version": VERSION,
        "model": path.name,
        "sha256": _sha256(path),
        "keras": keras.__version__,
        "labels": list(INSTRUMENTS),
        "sample_rate": recognizer.sample_rate,
        "window": recognizer.window,
        "hop": recognizer.hop,
        "aggregation": recognizer.aggregation,
        "thresholds": [float(value) for value in recognizer.thresholds],
        "provenance": dict(recognizer.provenance),
    }
    atomic.write_json(path.with_suffix(".json"), description)
    return path


def load(path: str | Path) -> Recognizer:
    """Read a saved model.

    Parameters
    ----------
    path : str or Path
        The ``.keras`` file; its ``.json`` is beside it.

    Raises
    ------
    ModelError
        If either file is missing or damaged, if they do not belong together, or if they were
        written by an incompatible version. No code in the file is executed.
    """
    path = Path(path).with_suffix(".keras")
    description = describe(path)
    if (found := _sha256(path)) != description["sha256"]:
        raise _unusable(path, f"SHA-256 {found}", f"{description['sha256']}, as in the JSON")
    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras raises whatever the file makes it raise
        written = f"Keras {description['keras']}"
        reason = str(error).strip().split("\n")[0][:200]
        raise _unusable(
            path, f"a model that does not load ({reason})", f"one of {written}"
        ) from error
    if model.output_shape[-1:] != (len(INSTRUMENTS),):
        raise _unusable(path, f"outputs {model.output_shape}", f"{len(INSTRUMENTS)} scores")
    names = ("sample_rate", "window", "hop", "aggregation", "provenance")
    thresholds = tuple(description["thresholds"])
    return Recognizer(model, thresholds=thresholds, **{n: description[n] for n in names})


def describe(path: str | Path) -> dict[str, Any]:
    """Read and check the JSON of a saved model, without its network. Raises as `load`."""
    file = Path(path).with_suffix(".json")
    for part in (Path(path).with_suffix(".keras"), file):
        if not part.is_file():
            raise _unusable(part, "no such file", "a .keras file and a .json file of one name")
    try:
        description = json.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise _unusable(
            file, f"text that is not JSON ({error})", "a model's description"
        ) from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise _unusable(file, "another kind of JSON", f'"format": "{FORMAT}"')
    if description.get("version") != VERSION:
        raise _unusable(file, f"version {description.get('version')!r}", f"version {VERSION}")
    for key, problem in _problems(description):
        raise _unusable(file, f"{key} = {description.get(key)!r}"[:300], problem)
    return description


def _problems(description: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """Yield the keys whose values cannot be right, each with what would be."""
    for key in ("sha256", "keras", "model"):
        if not isinstance(description.get(key), str):
            yield key, "a text"
    sizes = [description.get(key) for key in ("sample_rate", "window", "hop")]
    if not all(type(size) is int and size > 0 for size in sizes) or sizes[2] > sizes[1]:
        yield "window", "positive integers sample_rate, window and hop, hop at most window"
    if description.get("labels") != list(INSTRUMENTS):
        yield "labels", f"the instruments in the order {' '.join(INSTRUMENTS)}"
    if description.get("aggregation") not in list(windows.AGGREGATIONS):
        yield "aggregation", f"one of {', '.join(windows.AGGREGATIONS)}"
    if not isinstance(description.get("provenance"), dict):
        yield "provenance", "a mapping"
    thresholds = description.get("thresholds")
    numbers = isinstance(thresholds, list) and all(type(v) in (int, float) for v in thresholds)
    if not numbers or len(thresholds) != len(INSTRUMENTS):
        yield "thresholds", f"{len(INSTRUMENTS)} numbers"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unusable(where: Path, found: str, expected: str) -> ModelError:
    return ModelError(
        where,
        found=found,
        expected=expected,
        remedy="Train the model again with this version, or copy both of its files afresh.",
    )
