"""Training speed of EfficientAT: fused batch normalization and oneDNN against stock Keras.

Stock is the same network with Keras's own layer, and oneDNN off, as TensorFlow leaves it on
processors without the newest vector units. Each runs in a process of its own, since oneDNN is
switched when TensorFlow is imported. ``python benchmarks/fine_tuning.py [--quick]``
"""

import itertools
import os
import subprocess
import sys
import time

import report

BATCH, SECONDS = 32, 3


def step_ms(layer: str, jit_compile: bool, steps: int) -> float:
    """Time a step on random clips [ms a clip], the shortest of several."""
    import numpy as np

    from irmas_utils.models import efficientat
    from irmas_utils.models.training import Trainer
    from irmas_utils.project.backend import keras, tf

    if layer == "stock":
        efficientat.layers.FusedBatchNormalization = keras.layers.BatchNormalization
    trainer = Trainer(efficientat.mn04(11), "binary", 1e-3)
    step = tf.function(trainer._train_batch, autograph=False, jit_compile=jit_compile)
    n_samples = SECONDS * efficientat.SAMPLE_RATE
    x = tf.constant(np.random.default_rng(0).normal(size=(BATCH, n_samples)), tf.float32)
    y = tf.zeros((BATCH, 11))
    times = []
    for _ in range(steps + 1):  # the first compiles
        started = time.perf_counter()
        float(step(x, y)[0])
        times.append(time.perf_counter() - started)
    return 1000 * min(times[1:]) / BATCH


def in_process(layer: str, onednn: str, jit_compile: str, steps: int) -> float:
    """Do `step_ms` in a new process."""
    environment = os.environ | {"TF_ENABLE_ONEDNN_OPTS": onednn}
    command = [sys.executable, __file__, "--step", layer, jit_compile, str(steps)]
    printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(printed.stdout.split()[-1])


def main() -> None:
    """Run the benchmark."""
    options = report.arguments(__doc__)
    steps = 2 if options.quick else 6
    cases = [("stock", "0", "1"), *itertools.product(("stock", "fused"), "01", "0")]
    ms = {case: in_process(*case, steps) for case in cases}
    rows = [
        {
            "batch normalization": layer,
            "oneDNN": onednn == "1",
            "XLA": jit == "1",
            "ms a clip": value,
            "times stock": ms["stock", "0", "0"] / value,
        }
        for (layer, onednn, jit), value in ms.items()
    ]
    report.write(options.out, "fine_tuning", rows, batch=BATCH, seconds_a_clip=SECONDS)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--step"]:
        print(step_ms(sys.argv[2], sys.argv[3] == "1", int(sys.argv[4])))
    else:
        main()
