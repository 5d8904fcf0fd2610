"""Growth of time and memory with the corpus, up to IRMAS's size: straight, or not?

Renders 6705 training and 2874 testing clips on first use (some 10 GB). Each step is done on an
eighth, a quarter, a half and all of them, in a process of its own; features are computed past the
cache. The last column is the exponent of the time's growth from the row before: 1 is straight.
``python benchmarks/real_size.py [--quick]``
"""

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import report

from irmas_utils.data import corpus, integrity
from irmas_utils.data.index import load_index
from irmas_utils.models import fft, lstm
from irmas_utils.project import paths
from irmas_utils.project.settings import Settings

SHARES = (1 / 8, 1 / 4, 1 / 2, 1)
STEPS = ("index", "duplicates", "FFT features", "LSTM, an epoch", "FFT network, an epoch")


def linked(root: Path, share: float, target: Path) -> Path:
    """Make a folder of hard links to a share of a corpus's files."""
    for clip in sorted(root.rglob("*.wav"))[:: round(1 / share)]:
        for file in filter(Path.is_file, (clip, clip.with_suffix(".txt"))):
            link = target / file.relative_to(root)
            link.parent.mkdir(parents=True, exist_ok=True)
            os.link(file, link)
    return target


def tasks(step: str, clips: pd.DataFrame, cfg: Settings) -> tuple[int, Callable[[], object]]:
    """Return how many of the clips a step takes, and what does it."""
    if step == "duplicates":
        return len(clips), lambda: integrity.find_duplicates(clips)
    network = fft.Network(cfg.fft)
    network.load = network.load.compute
    if step == "FFT features":
        return len(clips), lambda: sum(len(y) for _, y in network.batches(clips))
    clips = clips[clips["split"] == "training"]
    if step.startswith("LSTM"):
        network = lstm.Network(cfg.lstm.model_copy(update={"batch_size": 64}), 0)
    own = network.settings
    trainer = network.trainer(network.build(), own.loss, own.learning_rate)
    trainer.train([next(iter(network.batches(clips)))], 1, 1, progress=False)  # compiles
    return len(clips), lambda: trainer.train(network.batches(clips), 1, 1, progress=False)


def measure(step: str, share: float, quick: bool) -> None:
    """Do a step on a share of the clips; print the clips, the seconds and the peak MiB."""
    cfg = report.irmas_sized(quick)
    with tempfile.TemporaryDirectory(dir=paths.cache_root()) as folder:
        if step == "index":
            root = linked(corpus.folder(cfg), share, Path(folder))
            n_clips, task = len(list(root.rglob("*.wav"))), lambda: load_index(root)
        else:
            n_clips, task = tasks(step, corpus.load(cfg).sample(frac=share, random_state=0), cfg)
        started = time.perf_counter()
        task()
    print(json.dumps([n_clips, time.perf_counter() - started, report.peak_mib()]))


def main() -> None:
    """Run the benchmark."""
    options = report.arguments(__doc__)
    rows = []
    for step in STEPS:
        before = None
        for share in SHARES:
            call = f"import real_size; real_size.measure({step!r}, {share}, {options.quick})"
            run = subprocess.run([sys.executable, "-c", call], cwd=sys.path[0], check=True,
                                 stdout=subprocess.PIPE, text=True)  # fmt: skip
            n_clips, seconds, peak = json.loads(run.stdout.splitlines()[-1])
            growth = math.log2(seconds / before) if before else None
            rows.append({"step": step, "clips": n_clips, "seconds": seconds, "peak MiB": peak,
                         "clips/s": n_clips / seconds, "exponent": growth})  # fmt: skip
            before = seconds
    report.write(options.out, "real_size", rows)


if __name__ == "__main__":
    main()
