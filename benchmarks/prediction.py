"""How fast instruments are named in a long file, on one core, and that memory does not grow.

Times and memory are of a process that is bound to one core, with the published network (or one of
its shape with random weights, where there are none), once its graph is built.
``python benchmarks/prediction.py [--quick]``
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import report
import soundfile

RATE = 44_100
BLOCK = 10  # s
GOAL = 50  # times real time


def compose(path: Path, minutes: float) -> None:
    """Write stereo chords in noise, block by block."""
    rng, seconds = np.random.default_rng(0), np.arange(BLOCK * RATE) / RATE
    with soundfile.SoundFile(path, "w", RATE, 2, "PCM_16") as file:
        for _ in range(round(minutes * 60 / BLOCK)):
            pitches = rng.uniform(100, 1000, (3, 1))
            chord = np.sin(2 * np.pi * pitches * seconds).sum(axis=0)[:, None]
            file.write(0.2 * chord + rng.normal(0, 0.05, (len(seconds), 2)))


def measure(minutes: float) -> None:
    """Name the instruments of a file and print seconds, core seconds and peak MiB as JSON."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    from irmas_utils.data import fetch
    from irmas_utils.models import efficientat
    from irmas_utils.project.vocabulary import INSTRUMENTS
    from irmas_utils.systems import predict

    if fetch.available()[0]:
        recognizer = predict.untrained()
    else:
        rate = efficientat.SAMPLE_RATE
        network = efficientat.mn04(len(INSTRUMENTS))
        recognizer = predict.Recognizer(network, rate, 3 * rate, 3 * rate // 2, (0.5,) * 11)
    with tempfile.TemporaryDirectory() as folder:
        compose(short := Path(folder) / "short.wav", 1 / 2)
        predict.predict(short, recognizer)
        compose(path := Path(folder) / "long.wav", minutes)
        started, core_started = time.perf_counter(), time.process_time()
        predict.predict(path, recognizer)
    seconds = time.perf_counter() - started
    peak = report.peak_mib()
    print(json.dumps([seconds, time.process_time() - core_started, peak]))


def main() -> None:
    """Run the benchmark."""
    if "--minutes" in sys.argv:
        return measure(float(sys.argv[-1]))
    options = report.arguments(__doc__)
    rows = []
    for minutes in (1, 2) if options.quick else (1, 10):
        command = [sys.executable, __file__, "--minutes", str(minutes)]
        single = os.environ | {"OMP_NUM_THREADS": "1"}
        result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=single)
        seconds, of_core, peak = json.loads(result.stdout)
        speed = 60 * minutes / of_core
        row = {"minutes": minutes, "seconds": seconds, "core seconds": of_core}
        row |= {"times real time": speed, "above 50": speed > GOAL, "peak MiB": peak}
        rows.append(row)
    report.write(options.out, "prediction", rows, quick=options.quick)


if __name__ == "__main__":
    main()
