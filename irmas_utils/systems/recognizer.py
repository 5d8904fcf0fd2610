"""Recognizers: a network with all that is needed to use it, saved as two files, and its card.

The ``.keras`` file holds the network from samples to scores, front end included; the ``.json``
beside it says how to feed and read it, and where it came from. It also holds the digest of the
``.keras`` file, so that the two cannot be of different models. Notebook: 07_other_networks.ipynb.

References
----------
.. [1] Mitchell et al. (2019): Model cards for model reporting. FAT*.
"""

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
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
_USED = ("sample_rate", "window", "hop", "aggregation", "provenance", "labels", "thresholds")
_BATCH = 16  # windows at a time: more does not go faster, and memory stays small

_TEMPLATE = """\
# {name}

Names which of {n_labels} instruments are predominant in a recording: {instruments}.

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

    Its provenance is plain JSON: where it came from. Keys that the model card explains: ``name``,
    ``data``, ``notebook``, ``settings``, ``metrics``, ``licence``, ``notes``.
    """

    model: keras.Model  # from mono samples, (batch, window), to scores, (batch, n_labels)
    sample_rate: int  # [Hz]
    window: int  # its length, and from one to the next [samples]
    hop: int
    thresholds: tuple[float, ...]  # of each label, which is named where its score is larger
    aggregation: str = "mean_logit"  # of the windows' scores: see `audio.windows.aggregate`
    provenance: Mapping[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = IRMAS.codes

    def score_windows(self, blocks: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Score every window of a clip that comes in blocks, mono, at `sample_rate`.

        Returns the windows' starts in seconds and their scores, float32, (n_windows, n_labels).
        """
        cut = windows.stream(blocks, self.window, self.hop)
        starts, scores = [], [np.zeros((0, len(self.labels)), np.float32)]
        while batch := list(itertools.islice(cut, _BATCH)):
            starts += [start / self.sample_rate for start, _ in batch]
            # One alone goes twice: oneDNN's convolutions are ten times slower for a batch of one.
            held = np.stack([window for _, window in (batch if len(batch) > 1 else batch * 2)])
            scores.append(self._forward(held).numpy()[: len(batch)])
        return np.array(starts), np.concatenate(scores)

    def score(self, samples: np.ndarray) -> np.ndarray:
        """Score a whole clip, (n_samples,) at `sample_rate`: float64, (n_labels,)."""
        return windows.aggregate(self.score_windows([samples])[1], self.aggregation)

    def score_files(self, paths: Iterable[str | Path]) -> np.ndarray:
        """Score audio files: (n_files, n_labels). Raises AudioError as `audio.io.read`."""
        return np.array([self.score(load_mono(file, self.sample_rate)) for file in paths])

    @cached_property
    def _forward(self):
        signature = [tf.TensorSpec([None, self.window], tf.float32)]
        forward = lambda x: self.model(x, training=False)  # noqa: E731
        return tf.function(forward, input_signature=signature, autograph=False)

    def save(self, path: str | Path) -> Path:
        """Write ``<path>.keras`` and ``<path>.json``, each atomically, and return the first."""
        path = Path(path)
        path = path if path.suffix == ".keras" else path.with_name(path.name + ".keras")
        with files.replacing(path) as temporary:
            self.model.save(temporary)
        file = {"model": path.name, "sha256": files.sha256(path), "keras": keras.__version__}
        used = {name: getattr(self, name) for name in _USED}
        description = {"format": FORMAT, "version": VERSION} | file | used
        files.write_json(path.with_suffix(".json"), description)
        return path

    @classmethod
    def load(cls, path: str | Path) -> "Recognizer":
        """Read a saved model: the ``.keras`` file `path` and the ``.json`` beside it.

        Raises ModelError if either file is missing or damaged, if they do not belong together, or
        if they are of an incompatible version. No code in the file is executed.
        """
        path = Path(path).with_suffix(".keras")
        description = describe(path)
        if (found := files.sha256(path)) != description["sha256"]:
            raise _unusable(path, f"SHA-256 {found}", f"{description['sha256']}, as in the JSON")
        try:
            model = keras.saving.load_model(path, compile=False)
        except Exception as error:  # Keras raises whatever the file makes it raise
            reason = str(error).strip().split("\n")[0][:200]
            found = f"a model that does not load ({reason})"
            raise _unusable(path, found, f"one of Keras {description['keras']}") from error
        used = {name: description[name] for name in _USED}
        used |= {name: tuple(used[name]) for name in ("labels", "thresholds")}
        if model.output_shape[-1:] != (n_labels := len(used["labels"]),):
            raise _unusable(path, f"outputs {model.output_shape}", f"{n_labels} scores")
        return cls(model, **used)


def describe(path: str | Path) -> dict[str, Any]:
    """Read and check the JSON of a saved model, not its network. Raises as `Recognizer.load`."""
    file = Path(path).with_suffix(".json")
    for part in (Path(path).with_suffix(".keras"), file):
        if not part.is_file():
            raise _unusable(part, "no such file", "a .keras file and a .json file of one name")
    try:
        description = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        found = f"text that is not JSON ({error})"
        raise _unusable(file, found, "a model's description") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise _unusable(file, "another kind of JSON", f'"format": "{FORMAT}"')
    if description.get("version") != VERSION:
        raise _unusable(file, f"version {description.get('version')!r}", f"version {VERSION}")
    for key, right, expected in _checks(description):
        if not right:
            raise _unusable(file, f"{key} = {description.get(key)!r}"[:300], expected)
    return description


def _checks(description: dict[str, Any]) -> Iterator[tuple[str, bool, str]]:
    """Yield keys, whether their values can be right, and what would be."""
    value = description.get
    for key in ("sha256", "keras", "model"):
        yield key, isinstance(value(key), str), "a text"
    _, window, hop = sizes = [value(key) for key in ("sample_rate", "window", "hop")]
    right = all(type(size) is int and size > 0 for size in sizes) and hop <= window
    yield "window", right, "positive integers sample_rate, window and hop, hop at most window"
    labels, thresholds = (_list(value(key)) for key in ("labels", "thresholds"))
    right = all(isinstance(x, str) for x in labels) and 0 < len(labels) == len(set(labels))
    yield "labels", right, "a list of texts, each another"
    named = ", ".join(windows.AGGREGATIONS)
    yield "aggregation", value("aggregation") in [*windows.AGGREGATIONS], f"one of {named}"
    yield "provenance", isinstance(value("provenance"), dict), "a mapping"
    right = all(type(x) in (int, float) for x in thresholds) and len(thresholds) == len(labels)
    yield "thresholds", right, "a number for each label"


def _list(value: Any) -> list:
    return value if isinstance(value, list) else []


def _unusable(where: Path, found: str, expected: str) -> ModelError:
    return ModelError(
        where,
        found=found,
        expected=expected,
        remedy="Train the model again with this version, or copy both of its files afresh.",
    )


def card(path: str | Path) -> str:
    """Write a saved model's card (reference 1), in Markdown. Raises as `describe`."""
    description = describe(path)
    provenance, rate = description["provenance"], description["sample_rate"]
    names = [IRMAS.name(label) for label in description["labels"]]
    values = zip(names, description["thresholds"], strict=True)
    keys = ("data", "notebook", "parameters", "start", "trained", "seed", "duration")
    facts = {
        "file": f"`{description['model']}`",
        "SHA-256": f"`{description['sha256']}`",
        "input": f"mono, {rate} Hz",
        **{key: provenance[key] for key in keys if key in provenance},
        "Keras": description["keras"],
    }
    return _TEMPLATE.format(
        name=provenance.get("name", Path(path).stem),
        n_labels=len(names),
        instruments=", ".join(names),
        facts=_headed(facts),
        training=_headed({f"`{k}`": f"`{v}`" for k, v in provenance.get("settings", {}).items()}),
        scores=_headed({k: _score(v) for k, v in provenance.get("metrics", {}).items()}),
        window=description["window"] / rate,
        hop=description["hop"] / rate,
        aggregation=description["aggregation"],
        thresholds=_table({name: f"{value:.3f}" for name, value in values}),
        licence=provenance.get("licence", "No licence is recorded."),
        notes="".join(f"* {note}\n" for note in provenance.get("notes", [])),
    )


def _score(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{value['value']:.3f} (95 % interval {value['low']:.3f} to {value['high']:.3f})"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _headed(rows: Mapping[str, Any]) -> str:
    return f"| | |\n| --- | --- |\n{_table(rows)}" if rows else "Not recorded."


def _table(rows: Mapping[str, Any]) -> str:
    return "\n".join(f"| {key} | {value} |" for key, value in rows.items())
