"""Descriptors, separation and support vector machines on one core, and the full set projected.

``python benchmarks/descriptors.py [--quick]``. The clip is noise with notes, 3 s in stereo; the
machine is trained on made-up descriptors, as many as IRMAS has training clips.
"""

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

import librosa
import numpy as np
import report

from irmas_utils.audio import io as audio
from irmas_utils.data import published
from irmas_utils.project.vocabulary import INSTRUMENTS
from irmas_utils.systems.bosch import descriptors, separation, streams, svm

RATE = 44100
CORES = 2


def clip() -> np.ndarray:
    """Return 3 s of notes in noise, (n, 2)."""
    rng, t = np.random.default_rng(0), np.arange(3 * RATE) / RATE
    notes = sum(np.sin(2 * np.pi * 220 * h * t) / h for h in range(1, 12)) * np.exp(-4 * (t % 0.5))
    return (0.1 * notes[:, None] * (0.8, 0.4) + rng.normal(0, 0.01, (len(t), 2))).astype(np.float32)


def learn(n_clips: int) -> None:
    """Train a machine on noisy class means, three clips a recording."""
    rng = np.random.default_rng(0)
    classes = np.arange(n_clips) // 3 % len(INSTRUMENTS)
    means = rng.normal(size=(len(INSTRUMENTS), descriptors.N_DESCRIPTORS))
    values = 0.15 * means[classes] + rng.normal(size=(n_clips, means.shape[1]))
    svm.fit(values, np.array(INSTRUMENTS)[classes], np.arange(n_clips) // 3)


def main() -> None:
    """Run the benchmark."""
    options = report.arguments(__doc__)
    samples = clip()
    mono = audio.mono(samples)
    tasks = {
        "descriptors": lambda: descriptors.describe(mono, RATE),
        "librosa's pitch tracker alone": lambda: librosa.yin(mono, fmin=55, fmax=1760, sr=RATE),
        "separation into four stems": lambda: separation.separate(samples, RATE, "spectral"),
        "training clip, all its streams": lambda: streams.describe_clip(
            samples, RATE, streams=streams.TRAINING_STREAMS
        ),
        "test window, all its streams": lambda: streams.describe_clip(
            samples, RATE, streams=streams.ALL_STREAMS
        ),
    }
    report.best_of_turns(tasks, 1)  # compile, and fill the filter banks
    seconds = report.best_of_turns(tasks, 3 if options.quick else 15)
    facts = published.load("irmas")
    n_clips = 600 if options.quick else facts["training"]["n_clips"]
    name = f"support vector machine, {n_clips} clips"
    seconds |= report.best_of_turns({name: lambda: learn(n_clips)}, 1)
    rows = [{"3 s of stereo, one core": task, "ms": 1000 * s} for task, s in seconds.items()]
    report.write(
        options.out, "descriptors", rows, projected_full_set=projection(seconds, name, facts)
    )


def projection(seconds: dict[str, float], machine: str, facts: dict) -> str:
    """Say how long all five experiments take on the full set, without a cache."""
    testing = facts["testing"]
    n_windows = testing["duration_total"] / streams.WINDOW_SECONDS + testing["n_clips"] / 2
    total = (
        seconds["training clip, all its streams"] * facts["training"]["n_clips"]
        + seconds["test window, all its streams"] * n_windows
        + seconds[machine] * len(streams.TRAINING_STREAMS)
    )
    return f"{total / CORES / 60:.0f} minutes on {CORES} cores"


if __name__ == "__main__":
    main()
