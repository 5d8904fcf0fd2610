"""Name the instruments in audio files: ``python -m irmas_utils.systems.predict FILE… [--json]``.

Any format that libsndfile reads, any length, rate and number of channels. A file is read block
by block, so an hour takes no more memory than a minute. The model is the one named, or one that
this project trained (``results/<profile>/models/``), or else EfficientAT as its authors trained
it, which has never seen IRMAS. Notebook: 11_your_own_audio.ipynb.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import soxr

from irmas_utils import INSTRUMENT_NAMES, INSTRUMENTS
from irmas_utils.audio import io as audio
from irmas_utils.audio import windows
from irmas_utils.data import weights
from irmas_utils.models import efficientat
from irmas_utils.project import paths
from irmas_utils.project.errors import AudioError, IrmasError, ModelError
from irmas_utils.systems import saved
from irmas_utils.systems.saved import Recognizer

_BLOCK_SECONDS = 10
UNTRAINED = "EfficientAT mn04_as, untrained on IRMAS"
UNTRAINED_THRESHOLD = 0.014
"""Global threshold of the untrained network, chosen on mixtures of IRMAS's training excerpts."""


@dataclass(frozen=True)
class Prediction:
    """What a model says of a file.

    Attributes
    ----------
    path : Path
    sample_rate, channels : int
        Of the file.
    duration : float
        In seconds.
    scores : numpy.ndarray, (11,)
        Of the whole file.
    named : numpy.ndarray of bool, (11,)
        Where the score is above the instrument's threshold.
    window : float
        Length of a window in seconds.
    starts : numpy.ndarray, (n_windows,)
        In seconds.
    window_scores : numpy.ndarray, (n_windows, 11)
    """

    path: Path
    sample_rate: int
    channels: int
    duration: float
    scores: np.ndarray
    named: np.ndarray
    window: float
    starts: np.ndarray
    window_scores: np.ndarray

    @property
    def edges(self) -> np.ndarray:
        """Where each window's part of the file begins, and the file's end: (n_windows + 1,).

        Windows overlap; a moment belongs to the window whose middle is nearest.
        """
        between = (self.starts[1:] + self.starts[:-1] + self.window) / 2
        return np.concatenate([[0.0], between, [self.duration]])


def predict(path: str | Path, recognizer: Recognizer) -> Prediction:
    """Score a file, as a whole and over time, in constant memory.

    Raises
    ------
    AudioError
        If the file is missing, unreadable or empty, or holds NaN or infinity.
    """
    try:
        with soundfile.SoundFile(os.fsencode(path)) as file:
            blocks = _blocks(file, recognizer.sample_rate, path)
            starts, window_scores = recognizer.score_windows(blocks)
            rate, channels, duration = file.samplerate, file.channels, file.tell() / file.samplerate
    except (soundfile.LibsndfileError, OSError) as error:
        raise _unusable(path, str(error)) from error
    if not len(starts):
        raise _unusable(path, "no samples")
    scores = windows.aggregate(window_scores, recognizer.aggregation)
    named = scores > np.array(recognizer.thresholds)
    window = recognizer.window / recognizer.sample_rate
    return Prediction(
        Path(path), rate, channels, duration, scores, named, window, starts, window_scores
    )


def _blocks(file: soundfile.SoundFile, rate: int, path: str | Path) -> Iterator[np.ndarray]:
    """Yield the file in mono at `rate`, a few seconds at a time."""
    resampler = soxr.ResampleStream(file.samplerate, rate, 1, dtype="float32")
    more = True
    while more:
        block = file.read(_BLOCK_SECONDS * file.samplerate, dtype="float32", always_2d=True)
        if not np.isfinite(block).all():
            raise _unusable(path, "samples that are NaN or infinite")
        more = len(block) > 0
        yield resampler.resample_chunk(audio.mono(block), last=not more)


def _unusable(path: str | Path, found: str) -> AudioError:
    return AudioError(
        path,
        found=found,
        expected="an audio file that libsndfile reads, with at least one sample",
        remedy="Convert it to WAV or FLAC, or leave it out.",
    )


def default_recognizer() -> Recognizer:
    """Return the best model at hand.

    The newest under ``results/*/models/``, those trained on IRMAS before those trained on the
    sample corpus; without any, the untrained network with its own classes for our instruments.

    Raises
    ------
    ModelError
        If there is neither, or the model found is damaged.
    """
    found = sorted(paths.results_root().glob("*/models/*.keras"), key=_preference)
    return saved.load(found[-1]) if found else untrained()


def _preference(path: Path) -> tuple[bool, float]:
    try:
        data = saved.describe(path)["provenance"].get("data")
    except ModelError:  # to be told of only if there is nothing else
        return False, 0.0
    return data == "IRMAS", path.stat().st_mtime


def untrained() -> Recognizer:
    """Return EfficientAT with the outputs of our instruments, as published. Raises ModelError."""
    path, reason = weights.available()
    if path is None:
        raise ModelError(
            "default model",
            found=f"no trained model in {paths.results_root()}, nor published weights ({reason})",
            expected="one of the two",
            remedy="Train one with `make notebook NAME=07_other_networks`, or name one with "
            "--model.",
        )
    rate = efficientat.SAMPLE_RATE
    return Recognizer(
        efficientat.pretrained(path, len(INSTRUMENTS)),
        sample_rate=rate,
        window=3 * rate,
        hop=3 * rate // 2,
        thresholds=(UNTRAINED_THRESHOLD,) * len(INSTRUMENTS),
        provenance={"name": UNTRAINED, "data": "AudioSet", "licence": weights.MN04.licence},
    )


def label_table(prediction: Prediction, recognizer: Recognizer) -> pd.DataFrame:
    """Return a row an instrument, the most probable first: what is said of the whole file.

    Returns
    -------
    pandas.DataFrame
        Columns instrument, probability, threshold and named (whether it is above it).
    """
    table = pd.DataFrame(
        {
            "instrument": [INSTRUMENT_NAMES[code] for code in INSTRUMENTS],
            "probability": prediction.scores,
            "threshold": recognizer.thresholds,
            "named": prediction.named,
        }
    )
    return table.sort_values("probability", ascending=False, ignore_index=True)


def as_dict(prediction: Prediction) -> dict[str, Any]:
    """Return a prediction as plain JSON values; scores by instrument code."""
    return {
        "file": str(prediction.path),
        "duration": prediction.duration,
        "sample_rate": prediction.sample_rate,
        "channels": prediction.channels,
        "instruments": [c for c, on in zip(INSTRUMENTS, prediction.named, strict=True) if on],
        "scores": _by_code(prediction.scores),
        "windows": [
            {"start": float(start), "scores": _by_code(scores)}
            for start, scores in zip(prediction.starts, prediction.window_scores, strict=True)
        ],
    }


def _by_code(scores: np.ndarray) -> dict[str, float]:
    return {code: round(float(s), 4) for code, s in zip(INSTRUMENTS, scores, strict=True)}


def as_table(prediction: Prediction) -> str:
    """Return a prediction as text: a row an instrument, with its course over time as a strip."""
    minutes, seconds = divmod(round(prediction.duration), 60)
    title = f"{minutes}:{seconds:02}, {prediction.sample_rate} Hz, {prediction.channels} channels"
    lines = [f"{prediction.path}  ({title})"]
    for k in np.argsort(-prediction.scores, kind="stable"):
        mark = "*" if prediction.named[k] else " "
        name = INSTRUMENT_NAMES[INSTRUMENTS[k]]
        strip = _strip(prediction.window_scores[:, k])
        lines.append(f"  {mark} {name:<16} {prediction.scores[k]:5.3f}  {strip}")
    return "\n".join(lines)


def _strip(values: np.ndarray, width: int = 60) -> str:
    """Draw scores over time with eight heights of blocks."""
    parts = np.array_split(values, min(width, len(values)))
    heights = [int(min(part.mean() * 8, 7.999)) for part in parts]
    return "".join("▁▂▃▄▅▆▇█"[height] for height in heights)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit status, 1 if any file failed."""
    parser = argparse.ArgumentParser(
        prog="python -m irmas_utils.systems.predict", description=__doc__
    )
    parser.add_argument("files", nargs="+", metavar="FILE", type=Path)
    parser.add_argument(
        "--json", action="store_true", help="print JSON, a list with an entry a file"
    )
    parser.add_argument("--model", type=Path, help="a saved model (.keras, with its .json)")
    options = parser.parse_args(arguments)
    try:
        recognizer = saved.load(options.model) if options.model else default_recognizer()
    except IrmasError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    name = recognizer.provenance.get("name", "unnamed model")
    if not options.json:
        print(f"model: {name}. * marks the instruments named.\n")
    entries, failed = [], 0
    for path in options.files:
        try:
            prediction = predict(path, recognizer)
            entries.append(as_dict(prediction) | {"model": name})
            if not options.json:
                print(as_table(prediction) + "\n", flush=True)
        except IrmasError as error:
            failed += 1
            entries.append({"file": str(path), "error": str(error), "model": name})
            print(f"error: {error}", file=sys.stderr, flush=True)
    if options.json:
        print(json.dumps(entries, indent=2, ensure_ascii=False))
    return int(failed > 0)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:  # the reader, `head` for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
