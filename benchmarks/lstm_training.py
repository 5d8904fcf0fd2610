"""Training speed of the paper's LSTM: ours against the stock Keras loop, in one run.

Stock is `keras.layers.LSTM` in a model trained by ``fit`` from a Python generator, without XLA.
Both start from the same weights and see the same clips, so the losses must agree. A row of ours
stands beside stock at the paper's batch of 2 and at its own batch; the larger batches have clips
of a tenth of the paper's, since stock would fill the memory with longer ones.

Of a new network the gradient vanishes after some hundred steps, and ours then spares itself the
rest of the way back. In the rows called "full" the forget gates are open, so that it does not
vanish and the whole of the backward pass is done. The bound is what the processor could do if it
did nothing but the multiplications and additions of the three matrix products (gates, gradient of
input and state, gradient of the weights), measured on as many threads as are used.

``python benchmarks/lstm_training.py [--quick]``
"""

import time as clock
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import report

from irmas_utils.models import lanes, lstm
from irmas_utils.models.layers import hidden, scores
from irmas_utils.models.training import Trainer
from irmas_utils.project.backend import keras, tf
from irmas_utils.project.parallel import threads

PAPER_BATCH, UNITS, FEATURES = 2, 22, 1
OPEN = 10.0  # bias of open forget gates: they keep 0.99995 a step


def clips(batch: int, time: int, seed: int = 0):
    """Noise at the level of music, with labels."""
    rng = np.random.default_rng(seed)
    y = np.eye(11, dtype=np.float32)[rng.integers(11, size=batch)]
    return rng.normal(scale=0.1, size=(batch, time)).astype(np.float32), y


def our_model(full: bool) -> keras.Model:
    """Build the paper's model, with open forget gates if `full`."""
    keras.utils.set_random_seed(0)
    model = lstm.build(UNITS)
    if full:
        bias = model.get_layer("lstm").bias
        bias.assign(np.repeat(np.float32([0, OPEN, 0, 0]), UNITS))
    return model


def stock_model(weights) -> keras.Model:
    """Build the paper's model as one would write it with Keras's own layers."""
    inputs = keras.Input((None, FEATURES))
    x = keras.layers.LSTM(UNITS)(inputs)
    model = keras.Model(inputs, scores(hidden(x, (2048, 32, 1024))))
    model.set_weights(weights)
    model.compile("adam", "categorical_crossentropy", jit_compile=False)
    return model


def our_step(batch: int, time: int, full: bool):
    """Compile a training step; returns a function that runs one and gives the mean loss."""
    trainer = Trainer(our_model(full), "paper", 1e-3)
    waveform, y = clips(batch, time)
    x, y = (tf.constant(waveform), tf.fill((batch,), time)), tf.constant(y)
    return lambda: trainer.step(x, y)[0] / batch


def stock_step(batch: int, time: int, full: bool):
    """Do the same for stock."""
    model = stock_model(our_model(full).get_weights())
    waveform, y = clips(batch, time)

    def step() -> float:
        generator = ((waveform[..., None], y) for _ in range(1))
        return model.fit(generator, steps_per_epoch=1, verbose=0).history["loss"][0]

    return step


@numba.njit(nogil=True)
def multiply_and_add(rounds, number):
    """Ten vectors at once, as many as it takes to keep two units busy."""
    x = lanes.splat(number)
    a = b = c = d = e = f = g = h = i = j = lanes.splat(np.float32(0))
    for _ in range(rounds):
        a, b, c, d, e = a * x + x, b * x + x, c * x + x, d * x + x, e * x + x
        f, g, h, i, j = f * x + x, g * x + x, h * x + x, i * x + x, j * x + x
    out = np.empty(lanes.LANES, np.float32)
    lanes.store(out, 0, a + b + c + d + e + f + g + h + i + j)
    return out


def bound(turns: int = 20, rounds: int = 2_000_000) -> float:
    """Steps of one clip a second that the multiplications and additions alone would allow."""
    multiply_and_add(1, np.float32(0.5))
    best = np.inf
    with ThreadPoolExecutor(threads()) as pool:
        for _ in range(turns):
            started = clock.perf_counter()
            list(pool.map(multiply_and_add, [rounds] * threads(), [np.float32(0.5)] * threads()))
            best = min(best, clock.perf_counter() - started)
    a_second = threads() * rounds * 10 * lanes.LANES / best
    return a_second / (3 * 4 * UNITS * (1 + FEATURES + UNITS))


def compare(batch: int, time: int, turns: int) -> tuple[list[dict], float]:
    """Rows of one batch size, and how far the losses of ours and stock are apart."""
    loops = {
        "stock": stock_step(batch, time, False),
        "ours": our_step(batch, time, False),
        "ours, full": our_step(batch, time, True),
    }
    # The first step compiles; the second loss is that after a step and so tells of gradients too.
    losses_seen = [[step() for step in loops.values()] for _ in range(2)]
    seconds = report.best_of_turns(loops, turns)
    rows = [
        {"loop": name, "batch": batch, "steps of a clip": time,
         "Msteps/s": batch * time / seconds[name] / 1e6,
         "times stock at its batch": seconds["stock"] / seconds[name]}
        for name in loops
    ]  # fmt: skip
    return rows, max(abs(ours - stock) for stock, ours, _ in losses_seen)


def main() -> None:
    """Run the benchmark."""
    options = report.arguments(__doc__)
    paper_time, turns = (4410, 3) if options.quick else (132_300, 4)
    rows, difference = [], 0.0
    for batch in (PAPER_BATCH, 8, 64) if options.quick else (PAPER_BATCH, 8, 32, 64, 128):
        time = paper_time if batch == PAPER_BATCH else paper_time // 10
        found, apart = compare(batch, time, turns)
        rows, difference = rows + found, max(difference, apart)
    possible = bound() / 1e6
    for row in rows:
        row["times stock at batch 2"] = row["Msteps/s"] / rows[0]["Msteps/s"]
        row["share of the bound"] = row["Msteps/s"] / possible if "full" in row["loop"] else None
        row["hours an epoch of 6705 clips"] = 6705 * paper_time / row["Msteps/s"] / 3.6e9
    report.write(
        options.out,
        "lstm_training",
        rows,
        threads=threads(),
        bound_Msteps_per_second=possible,
        largest_loss_difference=difference,
    )


if __name__ == "__main__":
    main()
