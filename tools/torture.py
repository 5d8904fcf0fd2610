"""Feed every surface mutated input and print what came of it: ``python -m tools.torture``.

Each surface has a maker of sound input, a mutation and a reader. A reader may give a right result
or one of the project's errors; anything else is a fault, and is printed. ``--scale 1`` makes half
a million trials of the names alone, and as many of each as the table in docs/security.md has;
``--only profiles`` tries one surface.
"""

import argparse
import ast
import functools
import io
import json
import os
import resource
import signal
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from irmas_utils.project import records, settings
from irmas_utils.project.errors import IrmasError

RNG = np.random.default_rng(0)
SIGNS = [*"\0\n\u2028\ud800é🎹:[{", "../", "$(ls)", "<b>", "&a", "*a", "9" * 400]
LIMIT = 60  # seconds that one input may take


def mutated(content: bytes) -> bytes:
    """Flip bits, cut, repeat, or overwrite a few bytes."""
    damaged = bytearray(content)
    kind, place = RNG.integers(5), int(RNG.integers(max(1, len(content))))
    if kind == 0:
        return content[:place]
    if kind == 1:
        return content[:place] + content[place // 2 :]
    for at in RNG.integers(len(content), size=RNG.integers(1, 5)) if content else ():
        damaged[at] = damaged[at] ^ (1 << RNG.integers(8)) if kind == 2 else RNG.integers(256)
    return bytes(damaged)


def odd_text(text: str) -> str:
    """Put signs that mean something to somebody into a text."""
    for _ in range(RNG.integers(3)):
        at = RNG.integers(len(text) + 1)
        text = text[:at] + SIGNS[RNG.integers(len(SIGNS))] + text[at + RNG.integers(3) :]
    return text


def same(found, expected) -> None:
    """Raise AssertionError unless arrays or values are alike."""
    assert np.array_equal(found, expected), "a wrong result"


def names(folder: Path) -> Iterator[Callable[[], None]]:
    """Names and label files: parsed, or ValueError, which the index reports by clip."""
    from irmas_utils.data import names as module

    def check(text: str) -> None:
        with suppress(ValueError):
            module.parse_training_name(text)
        with suppress(ValueError):
            module.parse_labels(text.encode("utf-8", "surrogatepass"))
        module.song_of(text)

    while True:
        start = RNG.choice(["008__[cel][nod][cla]0058__1", "[sax][jaz_blu]1__2", "gel\t\nvoi\t\n"])
        yield lambda start=str(start): check(odd_text(start))


KINDS = {
    "a.wav": "PCM_U8 PCM_16 PCM_24 PCM_32 FLOAT DOUBLE ULAW ALAW IMA_ADPCM MS_ADPCM",
    "a.w64": "PCM_16", "a.rf64": "PCM_16", "a.aiff": "PCM_24 FLOAT", "a.au": "PCM_16",
    "a.caf": "PCM_16 ALAC_16", "a.flac": "PCM_16 PCM_24", "a.ogg": "VORBIS OPUS",
    "a.mp3": "MPEG_LAYER_III",
}  # fmt: skip


def mutated_audio(folder: Path) -> Iterator[Path]:
    """Yield the path of an audio file of some format, each time with other damage."""
    noise, sound = RNG.uniform(-0.5, 0.5, (4000, 2)), []
    for name, kinds in KINDS.items():
        for kind in kinds.split():
            soundfile.write(folder / name, noise, 48000, subtype=kind)
            sound.append((name, (folder / name).read_bytes()))
    while True:
        name, content = sound[RNG.integers(len(sound))]
        (folder / name).write_bytes(mutated(content))
        yield folder / name


def audio(folder: Path) -> Iterator[Callable[[], None]]:
    """Audio files of several formats, read whole."""
    from irmas_utils.audio import io as module

    def check(path: Path) -> None:
        samples, _ = module.read(path)
        assert np.isfinite(samples).all(), "samples that are no numbers"

    for path in mutated_audio(folder):
        yield lambda path=path: check(path)


def predicted(folder: Path) -> Iterator[Callable[[], None]]:
    """Audio files, told of as ``irmas predict --json`` does: JSON, with scores or an error."""
    from irmas_utils.project.backend import keras
    from irmas_utils.systems import answers, predict
    from irmas_utils.systems.recognizer import Recognizer

    waveform = keras.Input((1000,))
    network = keras.Model(waveform, keras.layers.Dense(11, "sigmoid")(waveform))
    recognizer = Recognizer(network, 8000, 1000, 500, (0.5,) * 11)

    def check(path: Path) -> None:
        with redirect_stdout(io.StringIO()) as said, redirect_stderr(io.StringIO()):
            answers.tell([path], form="json")
        (entry,) = json.loads(said.getvalue(), parse_constant=lambda name: 1 / 0)
        assert "error" in entry or len(entry["scores"]) == 11, "neither scores nor an error"

    predict.listeners = lambda _: (recognizer, None)  # in a process of this surface's own
    for path in mutated_audio(folder):
        yield lambda path=path: check(path)


def notebooks(folder: Path) -> Iterator[Callable[[], None]]:
    """Notebooks: their parameters, or NotebookError; and always some code."""
    from irmas_utils.project import execute, paths, sources

    whole = [path.read_bytes() for path in sorted(paths.NOTEBOOKS.glob("*.ipynb"))]

    def check() -> None:
        (path := folder / "a.ipynb").write_bytes(mutated(whole[RNG.integers(len(whole))]))
        compile(sources.of_notebook(path), "a", "exec", flags=ast.PyCF_ONLY_AST)
        json.dumps(execute.parameters_of(path))

    while True:
        yield check


def profiles(folder: Path) -> Iterator[Callable[[], None]]:
    """Profiles: settings whose name is a file's, or SettingsError."""
    text = "extends: smoke\nseed: 7\nfft: {epochs: 3, dense: [8, 32]}\nprofile: mine\n"
    read, parent = settings._read, functools.cache(settings._read)  # of which there are three
    settings._read = lambda path: read(path) if folder in path.parents else dict(parent(path))

    def check() -> None:
        (folder / "mine.yaml").write_bytes(odd_text(text).encode("utf-8", "surrogatepass"))
        name = settings.load(folder / "mine.yaml").profile
        assert "/" not in name, f"profile {name}"
        assert not name.startswith("."), f"profile {name}"

    while True:
        yield check


def weights(folder: Path) -> Iterator[Callable[[], None]]:
    """PyTorch files: the bytes of the zip, and its pickle with the zip made whole again."""
    from irmas_utils.models import torch_weights

    key = b"((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0" + b"0X\x03\0\0\0cpuK\x06tQ"
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n" + key + b"K\0(K\x02K\x03t(K\x03K\x01ttR"
    program = b"\x80\x02}(X\x01\0\0\0a" + rebuild + b"u."

    def packed(content: bytes) -> bytes:
        with zipfile.ZipFile(buffer := io.BytesIO(), "w") as archive:
            archive.writestr("m/data.pkl", content)
            archive.writestr("m/data/0", np.arange(6, dtype="<f4").tobytes())
        return buffer.getvalue()

    def check(content: bytes) -> None:
        (folder / "a.pt").write_bytes(content)
        for value in torch_weights.read(folder / "a.pt").values():
            assert isinstance(value, np.ndarray), "something that is no tensor"

    (folder / "a.pt").write_bytes(packed(program))
    same(torch_weights.read(folder / "a.pt")["a"], np.arange(6).reshape(2, 3))
    while True:
        yield lambda: check(mutated(packed(program)))
        yield lambda: check(packed(mutated(program)))


def models(folder: Path) -> Iterator[Callable[[], None]]:
    """Saved models: the network's bytes, its description, and its card."""
    from irmas_utils.project.backend import keras
    from irmas_utils.systems.recognizer import Recognizer, card

    waveform = keras.Input((100,))
    network = keras.Model(waveform, keras.layers.Dense(11, "sigmoid")(waveform))
    recognizer = Recognizer(network, 8000, 100, 50, (0.5,) * 11, provenance={"name": "x"})
    path = recognizer.save(folder / "m")
    whole, text = path.read_bytes(), path.with_suffix(".json").read_text()

    def check(content: bytes, description: str) -> None:
        from irmas_utils.project import files

        path.write_bytes(content)
        if content != whole and RNG.integers(2):  # whoever makes such a file makes its digest too
            description = json.dumps(json.loads(text) | {"sha256": files.sha256(path)})
        path.with_suffix(".json").write_bytes(description.encode("utf-8", "surrogatepass"))
        assert "<b>" not in card(path), "a tag in the card"
        if content != whole:
            Recognizer.load(path)

    while True:
        yield lambda: check(mutated(whole), text)
        for _ in range(9):
            yield lambda: check(whole, odd_text(text))


def caches(folder: Path) -> Iterator[Callable[[], None]]:
    """Features: what comes back is what was computed."""
    from irmas_utils.audio.cache import FeatureCache

    feature = RNG.normal(size=(3, 40)).astype(np.float32)
    soundfile.write(clip := folder / "clip.wav", np.zeros(100), 8000)
    cache = FeatureCache("torture", lambda samples: feature)
    same(cache(clip), feature)
    whole = (entry := cache.entry(clip)).read_bytes()

    def check() -> None:
        entry.write_bytes(mutated(whole))
        same(cache(clip), feature)

    while True:
        yield check


def checkpoints(folder: Path) -> Iterator[Callable[[], None]]:
    """Checkpoints: the values that were saved, or TrainingError."""
    from irmas_utils.models import checkpoints as module
    from irmas_utils.project.backend import keras

    values = [RNG.normal(size=shape).astype(np.float32) for shape in ((3, 4), (5,))]
    variables = [keras.Variable(value) for value in values]
    module.save(path := folder / "checkpoint.npz", {"seed": 1}, variables, [{"epoch": 1}])
    whole = path.read_bytes()

    def check() -> None:
        path.write_bytes(mutated(whole))
        assert module.load(path, {"seed": 1}, variables) == [{"epoch": 1}], "a wrong history"
        for variable, value in zip(variables, values, strict=True):
            same(variable.numpy(), value)

    while True:
        yield check


def stored_runs(folder: Path) -> Iterator[Callable[[], None]]:
    """Stored runs: what was computed, read back or computed again."""
    from irmas_utils.project import runs

    scores = RNG.normal(size=(4, 11)).astype(np.float32)

    def once() -> runs.Outcome:
        return runs.once("net", {"seed": 1}, lambda _: runs.Outcome({"scores": scores}, {"n": 1}))

    whole = {path: path.read_bytes() for path in once().folder.iterdir()}

    def check() -> None:
        path = list(whole)[RNG.integers(len(whole))]
        path.write_bytes(mutated(whole[path]))
        found = once()
        same(found.arrays["scores"], scores)
        assert found.facts == {"n": 1}, "wrong facts"

    while True:
        yield check


def results(folder: Path) -> Iterator[Callable[[], None]]:
    """Results and their manifest: what was recorded, or DataError."""
    record = records.Record("04_fft_model", settings.load("smoke"))
    clips = pd.DataFrame({"name": ["007", "b"], "recording": ["1", "01"], "labels": [("cel",)] * 2})
    scores = RNG.uniform(size=(2, 11)).astype(np.float32)
    record.save_predictions(clips, scores, scores > 0.5, "fft")
    record.save_metrics({"f1": 0.5}, "fft")
    whole = {path: path.read_bytes() for path in record.folder.rglob("*.*") if path.is_file()}

    def check() -> None:
        for path, content in whole.items():
            path.write_bytes(content)
        path = list(whole)[RNG.integers(len(whole))]
        path.write_bytes(mutated(whole[path]))
        if RNG.integers(2):
            assert records.load_metrics("smoke", "fft") == {"f1": 0.5}, "wrong metrics"
        read, found, decisions = records.load_predictions("smoke", "fft", clips)
        assert read["name"].tolist() == ["007", "b"], "wrong names"
        same(found, scores)
        same(decisions, scores > 0.5)

    while True:
        yield check


def trees(folder: Path) -> Iterator[Callable[[], None]]:
    """Folders in IRMAS's layout: an index, with a line for each clip that is bad."""
    from irmas_utils.data import index

    root = folder / "irmas"
    sound = root / "IRMAS-TrainingData" / "cel"
    sound.mkdir(parents=True)
    soundfile.write(sound / "[cel][cla]0001__1.wav", RNG.uniform(-1, 1, 100), 8000)
    part = root / "IRMAS-TestingData-Part1" / "Part1"
    part.mkdir(parents=True)

    def check(number: int) -> None:
        for path in [*part.iterdir(), *sound.iterdir()][1:]:
            path.unlink()
        soundfile.write(wav := sound / "[cel][cla]0001__1.wav", RNG.uniform(-1, 1, 100), 8000)
        clip = wav.read_bytes()
        for target, content in ((sound, clip), (part, b"cel\t\n"), (part, clip)):
            start = "[cel][cla]0001__2" if target == sound else "Song-1"
            name = odd_text(start).replace("/", "_").replace("\0", "")[:60]
            name = name.encode("utf-8", "surrogatepass") + RNG.choice([b".wav", b".txt"])
            with open(os.fsencode(target) + b"/" + name, "wb") as file:
                file.write(mutated(content) if number % 2 else content)
        found, problems = index.scan(root)
        assert len(found) + len(problems) >= 1, "a clip vanished"

    while True:
        yield lambda: check(int(RNG.integers(10)))


SURFACES = {
    "names and labels": (names, 500_000), "audio files": (audio, 50_000),
    "audio files, predicted": (predicted, 1_000), "profiles": (profiles, 50_000),
    "notebooks": (notebooks, 5_000), "weights": (weights, 18_000), "saved models": (models, 2_000),
    "feature caches": (caches, 30_000), "checkpoints": (checkpoints, 10_000),
    "stored runs": (stored_runs, 10_000), "result files": (results, 5_000),
    "index trees": (trees, 2_000),
}  # fmt: skip


@contextmanager
def limited() -> Iterator[None]:
    """Raise TimeoutError in what takes longer than `LIMIT`."""

    def late(*_) -> None:
        raise TimeoutError(f"more than {LIMIT} s")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)


def torture(surface: Callable, count: int) -> dict[str, float | str]:
    """Try a surface so many times; say what came of it, how long it took at most, and how much."""
    outcomes, slowest = Counter(), 0.0
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"IRMAS_CACHE": f"{folder}/cache", "IRMAS_RESULTS": f"{folder}/results"}
        warnings.simplefilter("ignore")
        trials = surface(Path(folder))
        for trial in (next(trials) for _ in range(count)):
            started = time.perf_counter()
            try:
                with limited(), redirect_stdout(io.StringIO()):
                    trial()
                outcomes["right result"] += 1
            except IrmasError:
                outcomes["project error"] += 1
            except Exception as error:
                outcomes["anything else"] += 1
                print(f"{surface.__name__}: {type(error).__name__}: {error}"[:300], file=sys.stderr)
            slowest = max(slowest, time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    kinds = ("right result", "project error", "anything else")
    return {"count": count, **{kind: outcomes[kind] for kind in kinds},
            "max seconds": round(slowest, 2), "max memory [MiB]": round(peak)}  # fmt: skip


def main() -> int:
    """Torture every surface in a process of its own and print a Markdown table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--scale", type=float, default=0.02, help="factor on all counts")
    parser.add_argument("--only", choices=SURFACES, action="append")
    options = parser.parse_args()
    rows = []
    for name in options.only or SURFACES:
        surface, count = SURFACES[name]
        read, write = os.pipe()
        if not (child := os.fork()):
            found = torture(surface, max(1, round(count * options.scale)))
            os.write(write, json.dumps(found).encode())
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as told:
            found = told.read()
        _, status = os.waitpid(child, 0)
        rows.append(
            {"surface": name}
            | (json.loads(found) if found else {"anything else": f"status {status}"})
        )
        print(f"{name}: {rows[-1]}", file=sys.stderr, flush=True)
    print(pd.DataFrame(rows).to_markdown(index=False))
    return int(any(row["anything else"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
