"""How a prediction is told: text, JSON, CSV, labels for Audacity, a web page of its own."""

import base64
import itertools
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import soundfile

from irmas_utils.audio import io
from irmas_utils.data import index, names
from irmas_utils.metrics import relative
from irmas_utils.project import files
from irmas_utils.project.errors import AudioError, IrmasError, printable
from irmas_utils.project.vocabulary import IRMAS

if TYPE_CHECKING:
    from irmas_utils.systems.predict import Prediction
    from irmas_utils.systems.recognizer import Recognizer

SUFFIXES = {f".{name.lower()}" for name in soundfile.available_formats()} - {".raw"} | {
    ".aif", ".aifc", ".bwf", ".mp2", ".oga", ".opus", ".snd", ".sph", ".wave", *io.CLOSED,
}  # fmt: skip
"""Of the files that are taken from a folder, also to be told of; one that is named may have any."""

_NEITHER = "a folder without audio files that can be read, a pipe or a device"
_COLUMNS = 400  # of a page's picture


def recordings(given: Iterable[str | Path]) -> list[str | Path]:
    """Return the files that are meant: of a folder its audio and what is closed, or itself."""
    found: list[str | Path] = []
    for path in given:
        inside, odd = index.below(path)
        loops = {x.path for x in odd if os.path.isdir(x.path) and os.access(x.path, os.R_OK)}
        every = {*inside, *(x.path for x in odd)} - {Path(path), *loops}
        sounds = [x for x in every if x.suffix.lower() in SUFFIXES or os.path.isdir(x)]
        found += sorted(sounds) or [path]
    return found


def label_table(prediction: "Prediction") -> pd.DataFrame:
    """Return a row an instrument, the highest score first: instrument, score, threshold, named."""
    names, cuts = map(IRMAS.name, prediction.recognizer.labels), prediction.recognizer.thresholds
    table = pd.DataFrame({"instrument": names, "score": prediction.scores, "threshold": cuts})
    table = table.assign(named=prediction.named)
    return table.sort_values("score", ascending=False, kind="stable")


def in_words(prediction: "Prediction") -> str:
    """Return what is said of the whole file in one line: instruments by their names."""
    table = label_table(prediction)
    named = ", ".join(table.loc[table["named"], "instrument"])
    return "silence" if prediction.silent.all() else named or "none of these instruments"


def also_heard(prediction: "Prediction") -> str:
    """Return the other sounds with their scores, or ``""``."""
    return ", ".join(f"{name} {score:.2f}" for name, score in prediction.others.items())


def as_dict(prediction: "Prediction") -> dict[str, Any]:
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
        "silent": bool(prediction.silent.all()),
        "instruments": np.array(labels)[prediction.named].tolist(),
        "scores": by_label(prediction.scores),
        "also_heard": {name: round(score, 4) for name, score in prediction.others.items()},
        "windows": [
            {"start": float(start), "scores": by_label(scores)}
            for start, scores in zip(prediction.starts, prediction.window_scores, strict=True)
        ],
    }


def as_rows(entries: list[dict[str, Any]], labels: Sequence[str]) -> pd.DataFrame:
    """Return what `tell` knows of files as a table, a row each."""
    table = pd.DataFrame([entry | entry.get("scores", {}) for entry in entries])
    plain, lists = "file model duration silent error warning", ["instruments", "also_heard"]
    table = table.reindex(columns=[*plain.split(), *lists, *labels])
    table = table.assign(**{key: table[key].map("; ".join, na_action="ignore") for key in lists})
    # A spreadsheet takes what begins so for a formula; what follows ./ is the same file.
    return table.replace(dict.fromkeys(("file", "error"), r"^(?=[-=+@\t\r])"), "./", regex=True)


def about(prediction: "Prediction") -> str:
    """Return length, rate and channels as people write them."""
    minutes, seconds = divmod(round(prediction.duration), 60)
    channels = f"{prediction.channels} channel{'s' * (prediction.channels > 1)}"
    return f"{minutes}:{seconds:02}, {prediction.sample_rate} Hz, {channels}"


def as_table(prediction: "Prediction") -> str:
    """Return a prediction as text: a row an instrument, with its course over time as a strip."""
    lines = [f"{printable(prediction.path)}  ({about(prediction)})"]
    if prediction.silent.all():
        return f"{lines[0]}\n  silence"
    parts = np.array_split(prediction.window_scores, min(60, len(prediction.window_scores)))
    heights = np.clip([part.mean(axis=0) * 8 for part in parts], 0, 7).astype(int)
    for row in label_table(prediction).itertuples():
        strip = "".join("▁▂▃▄▅▆▇█"[height] for height in heights[:, row.Index])
        name = printable(row.instrument)
        lines.append(f"  {' *'[row.named]} {name:<16} {row.score:5.3f}  {strip}")
    lines += [f"  also heard: {also_heard(prediction)}"] * bool(prediction.others)
    return "\n".join(lines)


def overview(
    paths: Iterable[Path], recognizer: "Recognizer", ear: "Recognizer | None"
) -> pd.DataFrame:
    """Return a row a file: its name, the instruments named or why there are none, other sounds."""
    from irmas_utils.systems.predict import predict

    rows = []
    for path in paths:
        try:
            found = predict(path, recognizer, ear)
            rows.append((path.name, in_words(found), also_heard(found)))
        except AudioError as error:
            rows.append((path.name, str(error), ""))
    return pd.DataFrame(rows, columns=["file", "instruments", "also heard"])


def as_labels(prediction: "Prediction") -> str:
    """Return a label track for Audacity: from when to when each instrument is named, or silence."""
    above = prediction.window_scores > np.array(prediction.recognizer.thresholds)
    names, stretches = [*map(IRMAS.name, prediction.recognizer.labels), "silence"], []
    for name, on in zip(names, [*above.T, prediction.silent], strict=True):
        turns = np.flatnonzero(np.diff(on, prepend=False, append=False))
        pairs = prediction.edges[turns].reshape(-1, 2)
        stretches += [(*pair, " ".join(name.split())) for pair in pairs]
    return "".join(f"{start:.6f}\t{end:.6f}\t{name}\n" for start, end, name in sorted(stretches))


def as_page(prediction: "Prediction") -> str:
    """Return a web page that needs no other file: waveform, instruments over time, a player."""
    from jinja2 import Environment

    text = resources.files(__package__).joinpath("recording.html").read_text("utf-8")
    points, density = io.outline(prediction.path)
    return Environment(autoescape=True).from_string(text).render(
        name=names.readable(prediction.path.name), about=about(prediction), prediction=prediction,
        words=in_words(prediction), also=also_heard(prediction), rows=list(_rows(prediction)),
        table=label_table(prediction).to_dict("records"),
        waveform=_waveform(points, prediction.duration * density),
        sound=base64.b64encode(_sound(prediction.path)).decode(),
    )  # fmt: skip


def _waveform(points: np.ndarray, length: float) -> str:
    """Return the outline as an SVG path in a box of 1000 by 2, as wide as `length` points."""
    pairs = points[: len(points) // 2 * 2].reshape(-1, 2)
    parts = np.array_split(pairs, min(len(pairs), 2 * _COLUMNS))
    ends = np.cumsum([2 * len(part) for part in parts]) * 1000 / max(length, 1)
    low, high = ([f(part) for part in parts] for f in (np.min, np.max))
    there = [f"{x:.1f} {1 - y:.3f}" for x, y in zip(ends, high, strict=True)]
    back = [f"{x:.1f} {1 - y:.3f}" for x, y in zip(ends, low, strict=True)]
    return f"M0 1L{'L'.join(there + back[::-1])}Z"


def _rows(prediction: "Prediction") -> Iterator[dict[str, Any]]:
    """Yield each instrument's name and its cells over time: start and width of 1000, darkness."""
    above = relative(prediction.window_scores, prediction.recognizer.thresholds)
    above[prediction.silent] = 0
    parts = np.array_split(np.arange(len(above)), min(len(above), _COLUMNS))
    starts = [part[0] for part in parts]
    edges = np.append(prediction.edges[starts], prediction.duration) * 1000 / prediction.duration
    mean = np.stack([above[part].mean(axis=0) for part in parts])
    for label, values in zip(prediction.recognizer.labels, mean.T, strict=True):
        cells = zip(edges, np.diff(edges), values, strict=False)
        yield {"name": IRMAS.name(label), "cells": [c for c in cells if c[2] >= 0.01]}


def _sound(path: Path) -> bytes:
    """Encode a file for the page's player: mono, MP3."""
    sound, form = BytesIO(), ("w", io.PLAYED_RATE, 1)
    with io.opened(path) as file, soundfile.SoundFile(sound, *form, format="MP3") as encoded:
        for block in io.stream(file, io.PLAYED_RATE):
            encoded.write(np.clip(block, -1, 1))
    return sound.getvalue()


FILES = {"html": (".html", as_page), "labels": (".txt", as_labels)}
"""What may be written of each recording: a suffix, and its text."""

FORMS = {
    "json": lambda entries, _: json.dumps(entries, indent=2),
    "csv": lambda entries, labels: as_rows(entries, labels).to_csv(index=False).rstrip("\n"),
}
"""How what is known of all files is told to programs."""


def tell(
    given: Iterable[str | Path],
    model: str | Path | None = None,
    form: str | None = None,
    wanted: Iterable[str] = (),
    out: Path = Path(),
) -> int:
    """Print what is in each file; returns how many could not be read, which goes to stderr.

    `form` is a key of `FORMS` or, for text, None; `wanted` are keys of `FILES`: what is written of
    each recording to the folder `out`. Errors of `predict.listeners` are raised.
    """
    from irmas_utils.systems import predict  # TensorFlow takes seconds

    recognizer, ear = predict.listeners(model)
    say = partial(print, flush=True) if form is None else str
    complain = partial(print, file=sys.stderr, flush=True)
    say(f"model: {printable(recognizer.name)}. * marks the instruments named.\n")
    entries: list[dict[str, Any]] = []
    try:
        for path in recordings(given):
            entry: dict[str, Any] = {"file": str(path), "model": recognizer.name}
            try:
                files.require(path, AudioError, "audio, or a folder of some", _NEITHER)
                prediction = predict.predict(path, recognizer, ear)
                entry |= as_dict(prediction)
                if prediction.shortfall:
                    complain(f"warning: {printable(path)}: {prediction.shortfall}")
                say(as_table(prediction))
                for key in wanted:
                    entry[key] = _write(prediction, key, out, entries)
                    say(f"  {key}: {printable(entry[key])}")
                say("")
            except BrokenPipeError:  # nobody reads any more
                raise
            except Exception as error:  # whatever a file makes a library raise: others are told
                said = f"{printable(path)}: {type(error).__name__}: {error}".partition("\n")[0]
                entry["error"] = str(error) if isinstance(error, IrmasError) else printable(said)
                complain(f"error: {entry['error']}")
            entries.append(entry)
    finally:  # also of those before it was stopped
        if form:
            print(FORMS[form](entries, recognizer.labels))
    return sum("error" in entry for entry in entries)


def _write(prediction: "Prediction", key: str, folder: Path, entries: list[dict[str, Any]]) -> str:
    """Write a file of a recording under its name; what is there of others gets it a number."""
    suffix, make = FILES[key]
    text, name = make(prediction), os.fsencode(prediction.path.name)[:240]  # of 255 at the most
    taken = {entry.get(key) for entry in entries}  # by recordings of other folders
    for n in itertools.count(1):
        number = f"-{n}" if n > 1 else ""
        file = f"{folder / os.fsdecode(name)}{number}{suffix}"
        if file not in taken and _free(file, text):
            files.write_text(file, text)
            return file


def _free(file: str, text: str) -> bool:
    """Say whether no file is there, or one of the same text: nobody's edited track is lost."""
    # A pipe would be waited for.
    there = os.access(file, os.R_OK) and os.path.isfile(file) and Path(file).read_bytes()
    return there == text.encode() or not os.path.isfile(file)
