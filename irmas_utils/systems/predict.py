"""Name the instruments in audio files: which model does it, and what it says of a file.

How it is told is `systems.answers`. Notebook: 11_your_own_audio.ipynb.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from irmas_utils.audio import io, windows
from irmas_utils.data import fetch, published
from irmas_utils.project import files, paths
from irmas_utils.project.backend import tf
from irmas_utils.project.errors import AudioError, DiskError, ModelError
from irmas_utils.systems.networks import zero_shot
from irmas_utils.systems.networks.zero_shot import untrained
from irmas_utils.systems.recognizer import Recognizer, describe

PROFILE = "full"
"""Whose models are trained on IRMAS: no other's is taken unless it is named."""

SILENCE = 1e-3
"""A window without a sample above it, 60 dB below full scale, is silence and has no say."""

HEARD, MOST = 0.2, 5
"""Other sounds are told of from this score in any window on, so many at most; tuned on no data."""


@dataclass(frozen=True)
class Prediction:
    """What a model says of a file: of each window, and as a whole."""

    path: Path
    recognizer: Recognizer
    sample_rate: int
    channels: int
    duration: float  # [s]
    starts: np.ndarray  # [s], (n_windows,)
    window_scores: np.ndarray  # (n_windows, n_labels), 0 where there is silence
    silent: np.ndarray  # bool, (n_windows,)
    others: Mapping[str, float] = field(default_factory=dict)  # other sounds, the surest first
    shortfall: str = ""  # what could not be read or heard, if something could not

    @cached_property
    def scores(self) -> np.ndarray:
        """Of the whole file: (n_labels,)."""
        if self.silent.all():
            return np.zeros(len(self.recognizer.labels))
        return windows.aggregate(self.window_scores[~self.silent], self.recognizer.aggregation)

    @property
    def named(self) -> np.ndarray:
        """Whether each label's score is above its threshold: bool, (n_labels,)."""
        return self.scores > np.array(self.recognizer.thresholds)

    @property
    def edges(self) -> np.ndarray:
        """Where each window's share begins, halfway between their middles, and the end [s]."""
        window = self.recognizer.window / self.recognizer.sample_rate
        between = (self.starts[1:] + self.starts[:-1] + window) / 2
        return np.concatenate([[0.0], between, [self.duration]])


def predict(path: str | Path, recognizer: Recognizer, ear: Recognizer | None = None) -> Prediction:
    """Score a file in constant memory; `ear` tells of other sounds. Raises as `audio.io.stream`."""
    scores, about = _hear(path, recognizer)
    others = {}
    if ear:
        heard = scores if ear is recognizer else _hear(path, ear)[0]
        most = heard[:, len(ear.labels) :].max(axis=0)
        surest = [k for k in np.argsort(-most, kind="stable")[:MOST] if most[k] >= HEARD]
        others = {ear.others[k]: float(most[k]) for k in surest}
    about["window_scores"] = scores[:, : len(recognizer.labels)]
    return Prediction(Path(path), recognizer, others=others, **about)


def _hear(path: str | Path, recognizer: Recognizer) -> tuple[np.ndarray, dict[str, Any]]:
    """Return all outputs for each window, and the rest of a `Prediction`."""
    peaks: list[float] = []

    def metered() -> Iterator[tuple[int, np.ndarray]]:
        for start, window in recognizer.cut(io.stream(file, recognizer.sample_rate)):
            peaks.append(max(window.max(), -window.min()))
            yield start, window

    with io.opened(path) as file:
        starts, scores = recognizer.score_windows(metered())
        about = {"sample_rate": file.samplerate, "channels": file.channels}
        about |= {"duration": file.n_read / file.samplerate, "shortfall": file.shortfall()}
    if not (len(starts) and np.isfinite(scores).all()):
        raise io.unusable(path, "audio that the model gives no score")
    silent = np.array(peaks) < SILENCE
    lost = _cancelled(path, recognizer) if silent.any() and about["channels"] > 1 else 0
    if lost and silent.all():
        found, expected = "channels that cancel each other", "sound that is left in mono"
        raise AudioError(path, found, expected, "Save one of its channels alone.")
    if lost:
        said = f"{lost:.1f} s are heard as silence: the channels cancel; save one of them alone"
        about["shortfall"] = ", and ".join(filter(None, [about["shortfall"], said]))
    scores[silent] = 0
    return scores, about | {"starts": starts, "silent": silent}


def _cancelled(path: str | Path, recognizer: Recognizer) -> float:
    """Return the length [s] of the stretches that are silence in mono, since channels cancel."""
    with io.opened(path) as file:
        seconds, lost = min(1, recognizer.hop / recognizer.sample_rate), 0
        for x in file.rest(round(seconds * file.samplerate), partly=True):
            # The loudest channel alone would be no silence: the others take it away.
            if np.abs(io.mono(x)).max() < SILENCE <= np.abs(x).max() / file.channels:
                lost += len(x)
        return lost / file.samplerate


def listeners(model: str | Path | None = None) -> tuple[Recognizer, Recognizer | None]:
    """Return the recognizer to use, and one that knows other sounds if it is at hand.

    `model` is a saved one's path. Without it, the newest of the profile `PROFILE` that was trained
    on IRMAS; if there is none, the published network with its own classes for our instruments.
    ModelError if the model is damaged, or there is none.
    """
    if path := model or _trained():
        at_hand = (paths.weights_root() / fetch.MN04.name).is_file() and fetch.available()[0]
        return Recognizer.load(path), untrained(others=True) if at_hand else None
    try:
        as_published = _published()
    except ModelError as error:
        found = f"none trained on IRMAS, nor published weights ({error.found})"
        sample = f"--model {paths.results_root() / 'sample' / 'models' / 'recognizer.keras'}"
        remedy = f"{error.remedy} Or take the sample corpus's, which `make paper` makes, with"
        raise ModelError("default model", found, "one of the two", f"{remedy} {sample}.") from error
    return as_published, as_published


def _published() -> Recognizer:
    """Return `untrained` with others, as a graph in the cache: the network takes 3 s to build."""
    zero_shot.weights()
    code = [files.digest(file) for file in sorted((paths.PACKAGE / "models").glob("*.py"))]
    sounds = published.load("audioset")["sounds"]
    name = f"{files.seal([fetch.MN04.sha256, tf.__version__, [*sounds], code])}.pb"
    try:
        kept = files.kept(paths.cache_root() / "graphs" / name, _write_graph)
    except DiskError:
        return untrained(others=True)
    graph = tf.compat.v1.GraphDef.FromString(kept.read_bytes())

    def network(x: tf.Tensor, training: bool) -> tf.Tensor:
        ends = {"input_map": {"x": x}, "return_elements": ["Identity:0"]}
        return tf.graph_util.import_graph_def(graph, **ends, name="")[0]

    return zero_shot.recognizer(network, tuple(sounds.values()))


def _write_graph(file: Path) -> None:
    from tensorflow.python.framework import convert_to_constants

    recognizer = untrained(others=True)  # stays: a graph does not keep its variables alive
    whole = recognizer.forward.get_concrete_function()
    constant = convert_to_constants.convert_variables_to_constants_v2(whole)
    file.write_bytes(constant.graph.as_graph_def().SerializeToString())


def _trained() -> Path | None:
    found = (paths.results_root() / PROFILE / "models").glob("*.keras")
    newest = sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
    return next((p for p in newest if describe(p)["provenance"].get("data") == "IRMAS"), None)
