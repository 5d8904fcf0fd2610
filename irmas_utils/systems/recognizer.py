"""Recognizers: a network with all that is needed to use it, saved as two files, and its card.

The ``.keras`` file holds the network from samples to scores, front end included; the ``.json``
beside it says how to feed and read it, where it came from, and the digest of the ``.keras`` file.
Either may come from anybody: no code of theirs runs, and neither takes more memory than it has
bytes. The card is that of Mitchell et al. (2019): Model cards for model reporting, FAT*.
"""

import html
import itertools
import json
import math
import os
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from irmas_utils.audio import windows
from irmas_utils.audio.io import load_mono
from irmas_utils.data.collection import RESERVED
from irmas_utils.models import front_ends, layers  # noqa: F401 - saved models are made of these
from irmas_utils.project import files
from irmas_utils.project.backend import keras, tf
from irmas_utils.project.errors import ModelError
from irmas_utils.project.vocabulary import IRMAS

FORMAT = "irmas-notebooks model"
VERSION = 1
LONGEST = 2**22  # samples of a window, which fit any memory
_JSON_BYTES = 2**20
_USED = ("sample_rate", "window", "hop", "aggregation", "provenance", "labels", "thresholds")
_unusable = partial(
    ModelError,
    remedy="Train the model again with this version, or copy both of its files afresh.",
)
_BATCH = 16  # windows at a time: more does not go faster, and memory stays small


@dataclass(frozen=True)
class Recognizer:
    """A network and how to use it.

    Its provenance is plain JSON: where it came from. Keys that the model card explains: ``name``,
    ``data``, ``notebook``, ``settings``, ``metrics``, ``licence``, ``notes``.
    """

    model: keras.Model  # or a function: from mono samples, (batch, window), to scores
    sample_rate: int  # [Hz]
    window: int  # its length, and from one to the next [samples]
    hop: int
    thresholds: tuple[float, ...]  # of each label, which is named where its score is larger
    aggregation: str = "mean_logit"  # of the windows' scores: see `audio.windows.aggregate`
    provenance: Mapping[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = IRMAS.codes
    others: tuple[str, ...] = ()  # sounds that it knows besides, of outputs after; not saved

    @property
    def name(self) -> str:
        """What its makers call it: a text that anybody may have written (see `shown`)."""
        return self.provenance.get("name") or "unnamed model"

    def cut(self, blocks: Iterable[np.ndarray]) -> Iterator[tuple[int, np.ndarray]]:
        """Cut a clip that comes in blocks, mono, at `sample_rate`, as `audio.windows.stream`."""
        return windows.stream(blocks, self.window, self.hop)

    def score_windows(self, cut: Iterable[tuple[int, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
        """Score all windows of `cut`: starts [s], and float32, (n_windows, n_outputs)."""
        cut, n_outputs = iter(cut), len(self.labels + self.others)
        starts, scores = [], [np.zeros((0, n_outputs), np.float32)]
        while batch := list(itertools.islice(cut, _BATCH)):
            starts += [start / self.sample_rate for start, _ in batch]
            # One alone goes twice: oneDNN's convolutions are ten times slower for a batch of one.
            held = np.stack([window for _, window in (batch if len(batch) > 1 else batch * 2)])
            scores.append(self.forward(held).numpy()[: len(batch)])
        return np.array(starts), np.concatenate(scores)

    def score(self, samples: np.ndarray) -> np.ndarray:
        """Score a whole clip, (n_samples,) at `sample_rate`: float64, (n_labels,)."""
        return windows.aggregate(self.score_windows(self.cut([samples]))[1], self.aggregation)

    def score_files(self, paths: Iterable[str | Path]) -> np.ndarray:
        """Score audio files: (n_files, n_labels). Raises AudioError as `audio.io.read`."""
        return np.array([self.score(load_mono(file, self.sample_rate)) for file in paths])

    @cached_property
    def forward(self):
        """The network as one graph: float32 (n, window) to (n, n_outputs)."""
        signature = [tf.TensorSpec([None, self.window], tf.float32)]
        forward = lambda x: self.model(x, training=False)  # noqa: E731
        return tf.function(forward, input_signature=signature, autograph=False)

    def save(self, path: str | Path) -> Path:
        """Write ``<path>.keras`` and ``<path>.json``, each atomically, and return the first."""
        path = files.suffixed(path, ".keras")
        with files.replacing(path) as temporary:
            self.model.save(temporary)
        file = {"model": path.name, "sha256": files.sha256(path), "keras": keras.__version__}
        used = {name: getattr(self, name) for name in _USED}
        write_description(path, {"format": FORMAT, "version": VERSION} | file | used)
        return path

    @classmethod
    def load(cls, path: str | Path) -> "Recognizer":
        """Read a ``.keras`` and its ``.json``; ModelError if they are not whole or do not fit."""
        path = files.suffixed(path, ".keras")
        description = describe(path)
        if (found := files.sha256(path)) != description["sha256"]:
            raise _unusable(path, f"SHA-256 {found}", f"{description['sha256']}, as in the JSON")
        used = {name: description[name] for name in _USED}
        used |= {name: tuple(used[name]) for name in ("labels", "thresholds")}
        sizes = f"{used['window']} samples to {len(used['labels'])} scores from 0 to 1"
        try:
            with ThreadPoolExecutor(1) as pool:  # Keras remembers, in each thread, what it plans
                model = pool.submit(_read_network, path).result()
            if model.output_shape[-1:] != (len(used["labels"]),):
                raise ValueError(f"outputs {model.output_shape}")
            whole = cls(model, **used)
            noise = np.random.default_rng(0).uniform(-1, 1, whole.window).astype(np.float32)
            scores = whole.score_windows([(0, noise)])[1]
            if not (abs(scores - 0.5) <= 0.5).all():  # else each recording would be blamed
                raise ValueError(f"scores from {scores.min():.3g} to {scores.max():.3g}")
        except Exception as error:  # Keras raises whatever the file makes it raise
            reason = str(error).strip().split("\n")[0][:200]
            found = f"a model that does not load ({reason})"
            expected = f"one of Keras {description['keras']}, from {sizes}"
            raise _unusable(path, found, expected) from error
        return whole


def write_description(path: Path, description: dict[str, Any]) -> None:
    """Write what `describe` reads beside a ``.keras`` file, sealed: an edited one is told of."""
    sealed = description | {"digest": files.seal(description)}
    files.write_json(path.with_suffix(".json"), sealed)


def describe(path: str | Path) -> dict[str, Any]:
    """Read and check the JSON of a saved model, not its network. Raises as `Recognizer.load`."""
    path = files.suffixed(path, ".keras")
    file = path.with_suffix(".json")
    for part in (path, file):
        if not os.path.isfile(part):
            raise _unusable(part, "no such file", "a .keras file and a .json file of one name")
    try:
        with file.open(encoding="utf-8") as text:
            description = json.loads(text.read(_JSON_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        found = f"text that is not JSON ({error})"
        raise _unusable(file, found, f"a description of up to {_JSON_BYTES} characters") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise _unusable(file, "another kind of JSON", f'"format": "{FORMAT}"')
    try:
        _Description.model_validate(description)
    except ValidationError as error:
        first = error.errors()[0]
        found = f"{'.'.join(map(str, first['loc'][:2]))} {first['input']!r}"[:300]
        raise _unusable(file, found, first["msg"].lower()) from error
    # Models of before have none.
    if "digest" in description and description.pop("digest") != files.seal(description):
        print(f"warning: {file} is not what was saved: edited or damaged", file=sys.stderr)
    return description


def _read_network(path: Path) -> keras.Model:
    """Read a network as Keras does, but planned first: ValueError if it is larger than its file."""
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > 2 * size:
            raise ValueError("it is compressed, which Keras does not do")
        config = json.loads(archive.read("config.json")) | {"compile_config": None}
    with keras.StatelessScope(initialize_variables=False) as plan:
        model = keras.saving.deserialize_keras_object(config, safe_mode=True)
        needed = sum(4 * math.prod(variable.shape) for variable in model.variables)
        if needed > size:
            raise ValueError(f"it needs {needed} bytes of weights, and its file has {size}")
        plan.initialize_variables = True  # on leaving
    model.load_weights(path)
    return model


_Text = Annotated[str, Field(max_length=10_000)]


class _Provenance(BaseModel):
    """What the card shows; all else is shown as it is."""

    name: _Text = ""
    settings: dict[str, Any] = {}
    metrics: dict[str, float | int | str | dict[str, float | None]] = {}
    notes: list[_Text] = []


class _Description(BaseModel):
    """The JSON of a saved model."""

    model_config = ConfigDict(strict=True)

    version: Literal[VERSION]
    model: _Text
    sha256: _Text
    keras: _Text
    sample_rate: Annotated[int, Field(ge=1000, le=192_000)]
    window: Annotated[int, Field(gt=0, le=LONGEST)]
    hop: Annotated[int, Field(gt=0)]
    aggregation: Literal[*windows.AGGREGATIONS]
    provenance: _Provenance
    labels: Annotated[list[_Text], Field(min_length=1, max_length=10**5)]
    thresholds: list[Annotated[float, Field(ge=-1e-9, le=1)]]

    @field_validator("hop", "labels", "thresholds")
    @classmethod
    def _fits(cls, value: Any, info: ValidationInfo) -> Any:
        if info.field_name == "hop":
            window = info.data.get("window", value)
            fits, expected = window / 100 <= value <= window, "a hundredth to all of the window"
        else:
            labels = info.data.get("labels", value)
            expected = "each label once, with a threshold, and none called as a column of tables is"
            fits = len(value) == len(labels) == len({*labels} - RESERVED)
        if not fits:
            raise ValueError(expected)
        return value


def card(path: str | Path) -> str:
    """Write a saved model's card, in Markdown. Raises as `describe`."""
    from jinja2 import Environment

    text = resources.files(__package__).joinpath("card.md").read_text("utf-8")
    options = {"trim_blocks": True, "keep_trailing_newline": True}
    environment = Environment(finalize=shown, **options)  # no value is left as somebody wrote it
    environment.filters["score"] = _score
    description = describe(path)
    names = [IRMAS.name(label) for label in description["labels"]]
    return environment.from_string(text).render(description, names=names, stem=Path(path).stem)


def shown(text: Any) -> str:
    """Return a text that Markdown and HTML show as it is, in one line, whoever wrote it."""
    line = " ".join(str(text).split())
    return re.sub(r"([\\`*\[\]|$])", r"\\\1", html.escape(line, quote=False))


def _score(value: Any) -> str:
    if isinstance(value, Mapping):
        score, low, high = (_score(value.get(key, "–")) for key in ("value", "low", "high"))
        return f"{score} (95 % interval {low} to {high})"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
