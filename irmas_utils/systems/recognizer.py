"""Recognizers: a network with all that is needed to use it, saved as two files, and its card.

The ``.keras`` file holds the network from samples to scores, front end included; the ``.json``
beside it says how to feed it and how to read it: sample rate, windows, aggregation, labels and
their thresholds, and where the model came from. It also holds the digest of the ``.keras`` file,
so that the two cannot be of different models. Notebook: 07_other_networks.ipynb.

References
----------
.. [1] Mitchell et al. (2019): Model cards for model reporting. FAT*.
"""

import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from irmas_utils.audio import windows
from irmas_utils.audio.io import load_mono
from irmas_utils.models import front_ends, layers  # noqa: F401 - saved models are made of these
from irmas_utils.project import files
from irmas_utils.project.backend import keras, tf
from irmas_utils.project.errors import ModelError
from irmas_utils.project.vocabulary import IRMAS

FORMAT = "irmas-notebooks model"
VERSION = 1
_USED = ("sample_rate", "window", "hop", "aggregation", "provenance")
_BATCH = 16  # windows at a time: more does not go faster, and memory stays small

_TEMPLATE = """\
# {name}

Names which of {n_labels} instruments are predominant in a recording: {instruments}.

| | |
| --- | --- |
{facts}

## Training

{training}

## Scores

{scores}

## Decision

A window of {window:.2f} s every {hop:.2f} s; their scores are joined by `{aggregation}`; an
instrument is named where its score is above its threshold.

| instrument | threshold |
| --- | ---: |
{thresholds}

## Limits

* Trained for these instruments; any other sound is scored as one of them.
* Scores are not calibrated probabilities.
* {licence}
{notes}"""


@dataclass(frozen=True)
class Recognizer:
    """A network and how to use it.

    Attributes
    ----------
    model : keras.Model
        Maps mono samples, (batch, window), to scores, (batch, n_labels).
    sample_rate : int
        In hertz.
    window, hop : int
        Length of a window and from one to the next, in samples.
    thresholds : tuple of float
        For each label; it is named where its score is larger.
    aggregation : str
        How the windows' scores are joined; see `audio.windows.aggregate`.
    provenance : dict
        Plain JSON: where the model came from. Keys that the model card explains: ``name``,
        ``data``, ``notebook``, ``settings``, ``metrics``, ``licence``, ``notes``.
    labels : tuple of str
        What the scores are of, in their order.
    """

    model: keras.Model
    sample_rate: int
    window: int
    hop: int
    thresholds: tuple[float, ...]
    aggregation: str = "mean_logit"
    provenance: Mapping[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = IRMAS.codes

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
        scores : numpy.ndarray, float32, (n_windows, n_labels)
        """
        cut = windows.stream(blocks, self.window, self.hop)
        starts, scores = [], [np.zeros((0, len(self.labels)), np.float32)]
        while batch := list(itertools.islice(cut, _BATCH)):
            starts += [start / self.sample_rate for start, _ in batch]
            scores.append(self._scores([window for _, window in batch]))
        return np.array(starts), np.concatenate(scores)

    def score(self, samples: np.ndarray) -> np.ndarray:
        """Score a whole clip, (n_samples,) at `sample_rate`: float64, (n_labels,)."""
        return windows.aggregate(self.score_windows([samples])[1], self.aggregation)

    def score_files(self, paths: Iterable[str | Path]) -> np.ndarray:
        """Score audio files: (n_files, n_labels). Raises AudioError as `audio.io.read`."""
        return np.array([self.score(load_mono(file, self.sample_rate)) for file in paths])

    def _scores(self, held: list[np.ndarray]) -> np.ndarray:
        # A window alone goes twice: oneDNN's convolutions are ten times slower for a batch of one.
        batch = np.stack(held if len(held) > 1 else held * 2)
        return self._forward(batch).numpy()[: len(held)]

    @cached_property
    def _forward(self):
        signature = [tf.TensorSpec([None, self.window], tf.float32)]
        return tf.function(lambda x: self.model(x, training=False), input_signature=signature)

    def save(self, path: str | Path) -> Path:
        """Write ``<path>.keras`` and ``<path>.json``, each atomically, and return the first."""
        path = Path(path)
        path = path if path.suffix == ".keras" else path.with_name(path.name + ".keras")
        with files.replacing(path) as temporary:
            self.model.save(temporary)
        file = {"model": path.name, "sha256": files.sha256(path), "keras": keras.__version__}
        used = {name: getattr(self, name) for name in _USED}
        lists = {
            "labels": list(self.labels),
            "thresholds": [float(value) for value in self.thresholds],
        }
        files.write_json(
            path.with_suffix(".json"), {"format": FORMAT, "version": VERSION} | file | used | lists
        )
        return path

    @classmethod
    def load(cls, path: str | Path) -> "Recognizer":
        """Read a saved model: the ``.keras`` file `path` and the ``.json`` beside it.

        Raises
        ------
        ModelError
            If either file is missing or damaged, if they do not belong together, or if they were
            written by an incompatible version. No code in the file is executed.
        """
        path = Path(path).with_suffix(".keras")
        description = describe(path)
        if (found := files.sha256(path)) != description["sha256"]:
            raise _unusable(path, f"SHA-256 {found}", f"{description['sha256']}, as in the JSON")
        model = _network(path, f"one of Keras {description['keras']}")
        labels, thresholds = tuple(description["labels"]), tuple(description["thresholds"])
        if model.output_shape[-1:] != (len(labels),):
            raise _unusable(path, f"outputs {model.output_shape}", f"{len(labels)} scores")
        used = {name: description[name] for name in _USED}
        return cls(model, thresholds=thresholds, labels=labels, **used)


def _network(path: Path, expected: str) -> keras.Model:
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras raises whatever the file makes it raise
        reason = str(error).strip().split("\n")[0][:200]
        raise _unusable(path, f"a model that does not load ({reason})", expected) from error


def describe(path: str | Path) -> dict[str, Any]:
    """Read and check the JSON of a saved model, not its network. Raises as `Recognizer.load`."""
    file = Path(path).with_suffix(".json")
    for part in (Path(path).with_suffix(".keras"), file):
        if not part.is_file():
            raise _unusable(part, "no such file", "a .keras file and a .json file of one name")
    try:
        description = json.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        found = f"text that is not JSON ({error})"
        raise _unusable(file, found, "a model's description") from error
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
    labels = description.get("labels")
    texts = isinstance(labels, list) and all(isinstance(label, str) for label in labels)
    if not texts or not labels or len(set(labels)) < len(labels):
        yield "labels", "a list of texts, each another"
    if description.get("aggregation") not in list(windows.AGGREGATIONS):
        yield "aggregation", f"one of {', '.join(windows.AGGREGATIONS)}"
    if not isinstance(description.get("provenance"), dict):
        yield "provenance", "a mapping"
    thresholds = description.get("thresholds")
    numbers = isinstance(thresholds, list) and all(type(v) in (int, float) for v in thresholds)
    if not numbers or len(thresholds) != len(labels):
        yield "thresholds", "a number for each label"


def _unusable(where: Path, found: str, expected: str) -> ModelError:
    return ModelError(
        where,
        found=found,
        expected=expected,
        remedy="Train the model again with this version, or copy both of its files afresh.",
    )


def card(path: str | Path) -> str:
    """Return a saved model's card (reference 1), in Markdown: what it is, and what it is not for.

    Every number is read from the model's own description. Raises as `describe`.
    """
    description = describe(path)
    provenance, rate = description["provenance"], description["sample_rate"]
    names = [IRMAS.name(label) for label in description["labels"]]
    values = zip(names, description["thresholds"], strict=True)
    return _TEMPLATE.format(
        name=provenance.get("name", Path(path).stem),
        n_labels=len(names),
        instruments=", ".join(names),
        facts=_table(_facts(description)),
        training=_headed({f"`{k}`": f"`{v}`" for k, v in provenance.get("settings", {}).items()}),
        scores=_scores(provenance),
        window=description["window"] / rate,
        hop=description["hop"] / rate,
        aggregation=description["aggregation"],
        thresholds=_table({name: f"{value:.3f}" for name, value in values}),
        licence=provenance.get("licence", "No licence is recorded."),
        notes="".join(f"* {note}\n" for note in provenance.get("notes", [])),
    )


def _facts(description: Mapping[str, Any]) -> dict[str, Any]:
    provenance = description["provenance"]
    facts = {
        "file": f"`{description['model']}`",
        "SHA-256": f"`{description['sha256']}`",
        "input": f"mono, {description['sample_rate']} Hz",
    }
    keys = ("data", "notebook", "parameters", "start", "trained", "seed", "duration")
    facts |= {key: provenance[key] for key in keys if key in provenance}
    return facts | {"Keras": description["keras"]}


def _scores(provenance: Mapping[str, Any]) -> str:
    """Write a table of named scores, each a number or a value with its interval."""
    return _headed({name: _score(value) for name, value in provenance.get("metrics", {}).items()})


def _score(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{value['value']:.3f} (95 % interval {value['low']:.3f} to {value['high']:.3f})"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _headed(rows: Mapping[str, Any]) -> str:
    return f"| | |\n| --- | --- |\n{_table(rows)}" if rows else "Not recorded."


def _table(rows: Mapping[str, Any]) -> str:
    return "\n".join(f"| {key} | {value} |" for key, value in rows.items())
