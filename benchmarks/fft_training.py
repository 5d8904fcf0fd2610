"""Training speed of the paper's FFT network at batch 4: ours against stock ``model.fit``.

Stock is the same layers from Keras, trained from a Python generator without XLA. The features are
random, made beforehand: this measures the network alone.

The bound is memory traffic: the weights are read by the forward pass, those above the first layer
by the backward pass, and weights and both moments are read and written by Adam, at the bandwidth
that all threads reach together in reading and writing an array in place.
``python benchmarks/fft_training.py [--quick]``
"""

import itertools
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import report

from irmas_utils.models import fft
from irmas_utils.models.dense import DenseTrainer
from irmas_utils.models.layers import hidden, scores
from irmas_utils.models.training import Trainer
from irmas_utils.project.backend import keras
from irmas_utils.project.parallel import threads

WIDTHS = (64, 100_000, 32, 50_000)
BATCHES, SIZE = 8, 4


def step_bytes(n_features: int, widths: tuple[int, ...]) -> int:
    """Bytes that one step cannot help moving: float32, however few clips there are."""
    layers = [a * b for a, b in itertools.pairwise((n_features, *widths, 11))]
    return 4 * (sum(layers) + sum(layers[1:]) + 6 * sum(layers))


def bandwidth() -> float:
    """Bytes a second, read and written, of scaling arrays in place, the best of ten."""
    arrays = [np.ones(2**26, np.float32) for _ in range(threads())]
    seconds = []
    with ThreadPoolExecutor(len(arrays)) as pool:
        for _ in range(10):
            started = time.perf_counter()
            list(pool.map(lambda a: np.multiply(a, np.float32(1), out=a), arrays))
            seconds.append(time.perf_counter() - started)
    return 2 * sum(array.nbytes for array in arrays) / min(seconds)


def main() -> None:
    """Run the benchmark."""
    options = report.arguments(__doc__)
    n_features, widths = (44_200, (64, 10_000, 32, 5_000)) if options.quick else (442_000, WIDTHS)
    rng = np.random.default_rng(0)
    x = rng.random((BATCHES, SIZE, n_features), np.float32)
    y = np.eye(11, dtype=np.float32)[rng.integers(11, size=(BATCHES, SIZE))]

    def stock_model(precision: str, jit_compile: bool) -> keras.Model:
        keras.config.set_dtype_policy(precision)
        spectrum = keras.Input((n_features,))
        model = keras.Model(spectrum, scores(hidden(spectrum, widths)))
        adam = keras.optimizers.Adam(1e-4)
        model.compile(adam, "categorical_crossentropy", jit_compile=jit_compile)
        keras.config.set_dtype_policy("float32")
        return model

    stock = {
        "stock": stock_model("float32", False),
        "stock, XLA": stock_model("float32", True),
        "stock, XLA, bfloat16": stock_model("mixed_bfloat16", True),
    }
    trainers = {
        name: trainer(fft.build(n_features, widths), "paper", 1e-4)
        for name, trainer in (("ours, by TensorFlow", Trainer), ("ours", DenseTrainer))
    }

    def stock_epoch(model: keras.Model) -> None:
        generator = ((x[i], y[i]) for i in range(BATCHES))
        model.fit(generator, steps_per_epoch=BATCHES, verbose=0)

    def our_epoch(trainer) -> None:
        trainer.train([*zip(x, y, strict=True)], epoch=1, epochs=1, progress=False)

    tasks = {name: lambda m=model: stock_epoch(m) for name, model in stock.items()}
    tasks |= {name: lambda t=trainer: our_epoch(t) for name, trainer in trainers.items()}
    report.best_of_turns(tasks, 1)  # compiles
    seconds = report.best_of_turns(tasks, 3 if options.quick else 4)
    moved, rate = step_bytes(n_features, widths), bandwidth()
    seconds["bound"] = BATCHES * moved / rate
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
    context = {"gb_a_step": moved / 1e9, "gb_per_second": rate / 1e9}
    report.write(options.out, "fft_training", rows, features=n_features, batch=SIZE, **context)


if __name__ == "__main__":
    main()
