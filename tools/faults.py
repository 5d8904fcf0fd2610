"""Disturb runs in the ways that happen, and see what comes of them: ``python -m tools.faults``.

Some notebooks of the smoke paper are run undisturbed, then again and again in folders of their own:
killed, stopped, two at a time, on a full or read-only disk, with a clock set back, with damage in
each kind of file that is read back. After every fault the run is done again, and must end with the
undisturbed metrics, to the digit. ``--scale 1`` tries each fault as often as the table in
docs/security.md has it; ``--only "full disk"`` one of them. On Linux, for it looks into /proc; what
takes mounts is left out where they are not permitted.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import psutil

from irmas_utils.project import files, paths

RNG = np.random.default_rng()
LIMIT = 1800  # seconds that one run may take
VARY = ("seconds", "memory")  # what differs from run to run
NOTEBOOKS = ("01_data_analysis", "04_fft_model")


class Fault(NamedTuple):
    """What one fault did: how it ended at once, in the standard error, and what was wrong."""

    said: str
    wrong: str = ""


class Place:
    """Folders of one run, which begins with the rendered clips of an undisturbed one."""

    def __init__(self, folder: Path, notebooks: list[str], like: "Place | None" = None) -> None:
        self.folder, self.notebooks, self.like = folder, notebooks, like
        self.cache, self.results = folder / "cache", folder / "results"
        self.profile = self.results / "smoke"
        if like:
            for inside in ("sample", "soundfonts"):
                shutil.copytree(like.cache / inside, self.cache / inside)

    def start(self) -> subprocess.Popen:
        """Begin a run in a session of its own; `end` says how it ended."""
        named = [word for name in self.notebooks for word in ("--notebook", name)]
        command = [sys.executable, "-m", "irmas_utils", "paper", "--profile", "smoke", *named]
        environment = os.environ | {
            "IRMAS_CACHE": str(self.cache),
            "IRMAS_RESULTS": str(self.results),
            "PYTHONPATH": str(paths.ROOT),
        }
        return subprocess.Popen(
            [*command, "--cores", "2"], env=environment, cwd=paths.ROOT, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def run(self) -> tuple[int, str]:
        """Run to the end."""
        return end(self.start())

    def metrics(self) -> dict[str, Any]:
        """Return all metrics but for what varies."""
        read = {path.stem: json.loads(path.read_bytes()) for path in self.profile.glob("metrics/*")}
        return steady(read)

    def again(self, said: str = "") -> Fault:
        """Do a disturbed run again; say what is not as it was undisturbed."""
        status, told = self.run()
        wrong = [f"status {status}: {told[-300:]}"] if status else []
        wrong += ["a traceback"] if "Traceback" in said + told else []
        wrong += ["other metrics"] if self.like and self.metrics() != self.like.metrics() else []
        wrong += [f"left: {path.name}" for path in self.folder.rglob(".tmp-*")]
        return Fault(said + told, "; ".join(wrong))


def steady(value: Any) -> Any:
    """Leave times and memory out."""
    if isinstance(value, list):
        return [steady(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    return {k: steady(v) for k, v in value.items() if not any(word in k for word in VARY)}


def end(process: subprocess.Popen) -> tuple[int, str]:
    """Return a run's exit status and all that it said."""
    said, _ = process.communicate(timeout=LIMIT)
    return process.returncode, said


def family(process: subprocess.Popen) -> list[psutil.Process]:
    """Return a process and all that it has started."""
    with suppress(psutil.NoSuchProcess):
        mine = psutil.Process(process.pid)
        return [mine, *mine.children(recursive=True)]
    return []


def alive(processes: list[psutil.Process], seconds: float = 20) -> list[str]:
    """Name those that have not ended after so many seconds."""
    _, left = psutil.wait_procs(processes, timeout=seconds)
    return [process.name() for process in left if process.status() != psutil.STATUS_ZOMBIE]


def killed(place: Place, seconds: float) -> Fault:
    """SIGKILL to the run alone, or to all of it at once, at a random moment."""
    for _ in range(int(RNG.integers(1, 4))):
        process = place.start()
        with suppress(subprocess.TimeoutExpired):
            process.wait(RNG.uniform(0.5, seconds))
        for victim in family(process)[: None if RNG.integers(2) else 1]:
            with suppress(psutil.NoSuchProcess):
                victim.kill()
        process.communicate()  # those that live on have its standard output
    return place.again()


def stopped(place: Place, seconds: float) -> Fault:
    """Ctrl-C in the terminal, or SIGTERM to the run alone, at a random moment: no child is left."""
    process = place.start()
    with suppress(subprocess.TimeoutExpired):
        process.wait(RNG.uniform(2, seconds))
    started = family(process)
    if RNG.integers(2):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
    else:
        process.terminate()
    _, said = end(process)
    fault = place.again(said)
    left = alive(started, 5)
    return fault._replace(wrong=fault.wrong + f" left: {left}") if left else fault


def kernel_killed(place: Place, seconds: float) -> Fault:
    """What the system does to a kernel that takes too much memory: one error names the notebook."""
    process, kernels = place.start(), []
    deadline = time.monotonic() + RNG.uniform(0.3, 0.9) * seconds
    while process.poll() is None and not (kernels and time.monotonic() > deadline):
        commands = {child: " ".join(child.cmdline()) for child in living(process)}
        kernels = [child for child, command in commands.items() if "ipykernel" in command]
        time.sleep(0.05)
    for kernel in kernels:
        with suppress(psutil.NoSuchProcess):
            kernel.kill()
    status, said = end(process)
    if status and "error: " not in said:
        return Fault(said, f"no error: {said[-300:]}")
    return place.again(said)


def living(process: subprocess.Popen) -> Iterator[psutil.Process]:
    """Yield those of a run that have not ended."""
    for child in family(process)[1:]:
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            child.cmdline()
            yield child


def two_runs(place: Place, seconds: float) -> Fault:
    """Two runs in one folder: one waits for the other, both end well."""
    return beside(place, place)


def two_clones(place: Place, seconds: float) -> Fault:
    """Two clones that share a cache, at a time."""
    other = Place(place.folder / "other", place.notebooks)
    other.cache, other.like = place.cache, place.like
    fault = beside(place, other)
    return fault if fault.wrong else other.again()


def beside(place: Place, other: Place) -> Fault:
    """Run in both places at a time."""
    ends = [end(process) for process in (place.start(), other.start())]
    wrong = "; ".join(told[-300:] for status, told in ends if status)
    return Fault(wrong, wrong) if wrong else place.again("".join(told for _, told in ends))


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Put another file system in the place of a folder. PermissionError where one may not."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", *options, str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        raise PermissionError("no mounts here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def full_disk(place: Place, seconds: float) -> Fault:
    """Run out of room in the results or in the cache: one error, and nothing that is half there."""
    if RNG.integers(2):
        folder, size = place.results, RNG.integers(1, 900)
    else:
        folder, size = place.cache / "features", RNG.integers(1, 20_000)
    with mounted(folder, "-t", "tmpfs", "-o", f"size={size}k", "none"):
        status, said = place.run()
        kept = shutil.copytree(folder, place.folder / "kept", symlinks=True)
    shutil.copytree(kept, folder, dirs_exist_ok=True, symlinks=True)
    shutil.rmtree(kept)
    if status and "error: " not in said:
        return Fault(said, f"no error: {said[-300:]}")
    return place.again(said)


def read_only(place: Place, seconds: float) -> Fault:
    """Results or a cache that may not be written: one error."""
    folder = place.results if RNG.integers(2) else place.cache
    with mounted(folder, "-t", "tmpfs", "-o", "ro", "none"):
        status, said = place.run()
    if not status or said.count("error: ") != 1:
        return Fault(said, f"status {status}: {said[-300:]}")
    return place.again(said)


def clock_set_back(place: Place, seconds: float) -> Fault:
    """Results and cache are of the future, as where a clock was set back, or very old."""
    place.run()
    when = time.time() + float(RNG.choice([-1e9, 1e5, 3e8]))
    for path in [*place.cache.rglob("*"), *place.results.rglob("*")]:
        if RNG.integers(2):
            os.utime(path, (when, when), follow_symlinks=False)
    return place.again()


KINDS = {
    "features": "cache/features/*/*/*", "stored runs": "cache/runs/*/*/*.*",
    "rendered clips": "cache/sample/*/*/*/*.wav", "labels": "cache/sample/*/*/*/*.txt",
    "their seal": "cache/sample/*.json", "digests": "cache/digests.json",
    "soundfont": "cache/soundfonts/*", "predictions": "results/smoke/predictions/*",
    "metrics": "results/smoke/metrics/*", "tables": "results/smoke/tables/*",
    "figures": "results/smoke/figures/*", "manifests": "results/smoke/manifests/*",
    "executed notebooks": "results/smoke/notebooks/*", "data": "results/smoke/corpus.json",
    "state": "results/smoke/state.json", "Snakemake's": "results/smoke/.snakemake/metadata/*",
}  # fmt: skip


def damaged(place: Place, seconds: float) -> Fault:
    """Flip a bit of, cut or empty a file of each kind that is read back, one kind at a time."""
    if not place.profile.exists():
        place.run()
    kind = KINDS.pop(RNG.choice([*KINDS]))
    found = [path for path in place.folder.glob(kind) if path.is_file()]
    path = found[RNG.integers(len(found))]
    content = bytearray(path.read_bytes())
    where = int(RNG.integers(len(content)))
    content[where] ^= 1 << RNG.integers(8)
    path.write_bytes([content, content[:where], b""][RNG.integers(3)])
    if kind.startswith("cache"):  # so that it is read
        for executed in place.profile.glob("notebooks/*.ipynb"):
            executed.unlink()
    fault = place.again()
    name = path.relative_to(place.folder)
    return fault._replace(wrong=f"{name}: {fault.wrong}" if fault.wrong else "")


STORE = """
import sys, numpy as np, pandas as pd
from irmas_utils.project import records, runs, settings
clips = pd.DataFrame({"name": ["a", "b"], "recording": ["a", "b"], "labels": [("cel",)] * 2})
scores = np.linspace(0, 1, 22, dtype=np.float32).reshape(2, 11)
print("ready", flush=True)
for number in range(10**6):
    record = records.Record("04_fft_model", settings.load("smoke"))
    make = lambda _: runs.Outcome({"scores": scores}, {"n": 1})
    made = runs.once("net", {"seed": number % 3}, make)
    record.save_predictions(clips, made.arrays["scores"], scores > 0.5, "fft")
    record.save_metrics({"f1": 0.5}, "fft")
    if len(sys.argv) > 1:
        assert records.load_metrics("smoke", "fft") == {"f1": 0.5}
        assert (records.load_predictions("smoke", "fft", clips)[1] == scores).all()
        assert (made.arrays["scores"] == scores).all() and made.facts == {"n": 1}
        if number == 6: break
"""

MODEL = """
from irmas_utils.project.backend import keras
from irmas_utils.systems.recognizer import Recognizer
waveform = keras.Input((100,))
network = keras.Model(waveform, keras.layers.Dense(11, "sigmoid")(waveform))
print("ready", flush=True)
for number in range(10**6):
    network.layers[1].bias.assign([number] * 11)
    about = {"name": "x", "n": number % 10}
    Recognizer(network, 8000, 100, 50, (number % 10 / 10,) * 11, provenance=about).save("model")
"""

TRAINING = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import tiny_training as tiny
print("ready", flush=True)
model = tiny.build()
history = tiny.fit(model, 300, checkpoint_dir="checkpoints")
print(history["loss"].tolist(), tiny.predict(model, tiny.validation).tobytes().hex())
"""


def child(code: str, folder: Path, *arguments: str) -> subprocess.Popen:
    """Start some code in a folder, with cache and results in it."""
    folder.mkdir(exist_ok=True)
    environment = os.environ | {"PYTHONPATH": str(paths.ROOT)}
    environment |= {f"IRMAS_{name}": str(folder / name) for name in ("CACHE", "RESULTS")}
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def killed_at_work(code: str, folder: Path, seconds: float, *arguments: str) -> None:
    """SIGKILL to some code that has said that it is ready, at a random moment."""
    process = child(code, folder, *arguments)
    process.stdout.readline()
    with suppress(subprocess.TimeoutExpired):
        process.wait(RNG.uniform(0, seconds))
    process.kill()
    process.communicate()


def store_killed(place: Place, seconds: float) -> Fault:
    """SIGKILL while results and stored runs are written: all that is there can be read."""
    killed_at_work(STORE, place.folder, 0.5)
    status, said = end(child(STORE, place.folder, "check"))
    return Fault(said, said[-300:] if status else "")


def save_killed(place: Place, seconds: float) -> Fault:
    """SIGKILL while a model is saved: it is the one or the other, or its digest says it is none."""
    killed_at_work(MODEL, place.folder, 3)
    path = place.folder / "model.keras"
    if not path.with_suffix(".json").exists():
        return Fault("no model yet")
    description = json.loads(path.with_suffix(".json").read_bytes())
    if description["sha256"] != files.sha256(path):
        return Fault("a network and a description that are of two: refused")
    whole = zipfile.ZipFile(path).testzip() is None
    alike = {*description["thresholds"]} == {description["provenance"]["n"] / 10}
    return Fault("a model", "" if whole and alike else "a damaged model")


def training_killed(place: Place, seconds: float) -> Fault:
    """SIGKILL in a training, again and again, until it has ended: to the bit as undisturbed."""
    tests = str(paths.ROOT / "tests")
    if not UNDISTURBED:
        process = child(TRAINING, place.folder / "undisturbed", tests)
        process.stdout.readline()
        started = time.monotonic()
        _, said = end(process)
        UNDISTURBED.extend((said.splitlines()[-1], time.monotonic() - started))
    for _ in range(3):
        killed_at_work(TRAINING, place.folder / "mine", UNDISTURBED[1], tests)
    status, said = end(child(TRAINING, place.folder / "mine", tests))
    same = not status and said.splitlines()[-1] == UNDISTURBED[0]
    return Fault(said, "" if same else said[-300:] or "nothing")


UNDISTURBED: list[Any] = []  # the last line of a training, and its seconds

FAULTS: dict[str, tuple[Callable[[Place, float], Fault], int]] = {
    "results and stored runs, SIGKILL": (store_killed, 50),
    "training, SIGKILL": (training_killed, 17),
    "model's save, SIGKILL": (save_killed, 50),
    "paper, SIGKILL": (killed, 10),
    "Ctrl-C or SIGTERM": (stopped, 5),
    "kernel killed": (kernel_killed, 5),
    "two runs in a folder": (two_runs, 2),
    "two clones on a cache": (two_clones, 2),
    "full disk": (full_disk, 10),
    "read-only folder": (read_only, 4),
    "clock set back": (clock_set_back, 3),
    "damage": (damaged, len(KINDS)),
}
ALONE = ("results and stored runs, SIGKILL", "training, SIGKILL", "model's save, SIGKILL")
"""Faults that need no notebook."""


def tried(name: str, count: int, base: Place, seconds: float, folder: Path) -> dict[str, Any]:
    """Try a fault so many times, each in a new place, damage in one; return a row of the table."""
    fault, _ = FAULTS[name]
    place, faults = None, []
    for number in range(count):
        if place is None or fault is not damaged:
            like = None if name in ALONE else base
            place = Place(folder / f"{name[:6]}-{number}", base.notebooks, like)
            place.folder.mkdir(exist_ok=True)
        try:
            faults.append(fault(place, seconds))
        except PermissionError as error:
            return {"fault": name, "tries": 0, "note": str(error)}
        if faults[-1].wrong:
            print(f"{name}: {faults[-1].wrong}", file=sys.stderr, flush=True)
        if fault is not damaged:
            shutil.rmtree(place.folder, ignore_errors=True)
    wrong = sum(bool(fault.wrong) for fault in faults)
    return {"fault": name, "tries": count, "as undisturbed": count - wrong, "not": wrong}


def main() -> int:
    """Try every fault and print a Markdown table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--scale", type=float, default=0.1, help="factor on all counts")
    parser.add_argument("--only", choices=FAULTS, action="append")
    parser.add_argument("--notebook", action="append", help="instead of 01 and 04")
    options = parser.parse_args()
    names, rows = options.only or [*FAULTS], []
    with tempfile.TemporaryDirectory() as folder:
        base = Place(Path(folder) / "base", options.notebook or [*NOTEBOOKS])
        started = time.monotonic()
        if {*names} - {*ALONE}:
            status, said = base.run()
            if status:
                raise SystemExit(said)
        seconds = time.monotonic() - started
        for name in names:
            count = max(1, round(FAULTS[name][1] * options.scale))
            rows.append(tried(name, count, base, seconds, Path(folder)))
            print(rows[-1], file=sys.stderr, flush=True)
    print(pd.DataFrame(rows).to_markdown(index=False))
    return int(any(row.get("not") for row in rows))


if __name__ == "__main__":
    sys.exit(main())
