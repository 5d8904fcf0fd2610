"""Training speed of the paper's FFT network at batch 4: ours against stock ``model.fit``.

Stock is the same layers from Keras, trained from a Python generator without XLA. The features are
random, made beforehand: this measures the network alone. Each loop runs in processes of its own,
in turns: what one leaves behind in a process slows the next.

The bound is memory traffic: the forward pass reads the weights, and Adam reads and writes weights
and both moments, each at the bandwidth that all threads reach together: in reading arrays, and in
scaling them in place.
``python benchmarks/fft_training.py [--quick]``
"""

import itertools
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import report

from irmas_utils.models import fft
from irmas_utils.models.dense import DenseTrainer
from irmas_utils.models.layers import hidden, scores
from irmas_utils.models.training import Trainer
from irmas_utils.project.backend import keras
from irmas_utils.project.parallel import threads

FEATURES, WIDTHS = 442_000, (64, 100_000, 32, 50_000)
BATCHES, SIZE = 8, 4
STOCK = {
    "stock": ("float32", False),
    "stock, XLA": ("float32", True),
    "stock, XLA, bfloat16": ("mixed_bfloat16", True),
}
OURS = {"ours, by TensorFlow": Trainer, "ours": DenseTrainer}


def n_weights() -> int:
    """Weights of the dense layers."""
    return sum(a * b for a, b in itertools.pairwise((FEATURES, *WIDTHS, 11)))


def fastest(task: Callable[[], None], turns: int) -> float:
    """Shortest time of a task [s], after a first one that compiles."""
    task()
    return report.best_of_turns({"": task}, turns)[""]


def bandwidth(task: Callable[[np.ndarray], object]) -> float:
    """Bytes a second of large arrays that all threads together give to a task, at its fastest."""
    arrays = [np.ones(2**26, np.float32) for _ in range(threads())]
    with ThreadPoolExecutor(len(arrays)) as pool:
        seconds = fastest(lambda: list(pool.map(task, arrays)), 10)
    return sum(array.nbytes for array in arrays) / seconds


def stock_model(precision: str, jit_compile: bool) -> keras.Model:
    """Compile the network as Keras builds it."""
    keras.config.set_dtype_policy(precision)
    spectrum = keras.Input((FEATURES,))
    model = keras.Model(spectrum, scores(hidden(spectrum, WIDTHS)))
    adam = keras.optimizers.Adam(1e-4)
    model.compile(adam, "categorical_crossentropy", jit_compile=jit_compile)
    return model


def epoch_seconds(loop: str, turns: int) -> float:
    """Shortest time of an epoch by one of the loops."""
    rng = np.random.default_rng(0)
    x = rng.random((BATCHES, SIZE, FEATURES), np.float32)
    y = np.eye(11, dtype=np.float32)[rng.integers(11, size=(BATCHES, SIZE))]
    if loop in OURS:
        trainer = OURS[loop](fft.build(FEATURES, WIDTHS), "paper", 1e-4)
        batches = [*zip(x, y, strict=True)]
        return fastest(lambda: trainer.train(batches, 1, 1, progress=False), turns)
    model = stock_model(*STOCK[loop])
    return fastest(
        lambda: model.fit(
            ((x[i], y[i]) for i in range(BATCHES)), steps_per_epoch=BATCHES, verbose=0
        ),
        turns,
    )


def main() -> None:
    """Run the benchmark, or one of its loops as a process of its own."""
    if "--loop" in sys.argv:
        return print(epoch_seconds(sys.argv[2], int(sys.argv[3])))
    options = report.arguments(__doc__)
    turns, seconds = 1 if options.quick else 3, {}
    for loop in [*STOCK, *OURS] * turns:
        command = [sys.executable, __file__, "--loop", loop, str(2 * turns)]
        told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        seconds[loop] = min(seconds.get(loop, np.inf), float(told.splitlines()[-1]))
    scaled = bandwidth(lambda array: np.multiply(array, np.float32(1), out=array))
    rates = {"read": bandwidth(np.max), "read and written": 2 * scaled}
    moved = {"read": 4 * n_weights(), "read and written": 6 * 4 * n_weights()}
    seconds["bound"] = BATCHES * sum(moved[way] / rates[way] for way in moved)
    rows = [
        {
            "loop": name,
            "ms a step": 1000 * value / BATCHES,
            "clips/s": BATCHES * SIZE / value,
            "times stock": seconds["stock"] / value,
            "times the bound's time": value / seconds["bound"],
        }
        for name, value in seconds.items()
    ]
    context = {f"gb_{way.replace(' ', '_')}": moved[way] / 1e9 for way in moved}
    context |= {f"gb_per_second_{way.replace(' ', '_')}": rates[way] / 1e9 for way in rates}
    report.write(options.out, "fft_training", rows, features=FEATURES, batch=SIZE, **context)


if __name__ == "__main__":
    main()
