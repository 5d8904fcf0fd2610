"""Training speed of the paper's LSTM: ours against the stock Keras loop, in one run.

Stock is `keras.layers.LSTM` in a model trained by ``fit`` from a Python generator, without XLA,
at the paper's batch of 2. Both start from the same weights and see the same clips, so the losses
must agree. ``python benchmarks/lstm_training.py [--quick]``
"""

import numpy as np
import report

from irmas_utils.models import losses, lstm
from irmas_utils.models.layers import LEAKY_SLOPE, hidden, scores
from irmas_utils.models.training import Trainer
from irmas_utils.project.backend import keras, tf

PAPER_BATCH = 2


def clips(batch: int, time: int, seed: int = 0):
    """Noise at the level of music, with labels."""
    rng = np.random.default_rng(seed)
    y = np.eye(11, dtype=np.float32)[rng.integers(11, size=batch)]
    return rng.normal(scale=0.1, size=(batch, time)).astype(np.float32), y


def stock_model(weights) -> keras.Model:
    """Build the paper's model as one would write it with Keras's own layers."""
    inputs = keras.Input((None, 1))
    x = keras.layers.LSTM(22)(inputs)
    model = keras.Model(inputs, scores(hidden(x, (2048, 32, 1024), LEAKY_SLOPE)))
    model.set_weights(weights)
    model.compile("adam", "categorical_crossentropy", jit_compile=False)
    return model


def our_step(model: keras.Model, batch: int, time: int):
    """Compile a training step; returns a function that runs one and gives the mean loss."""
    trainer = Trainer(model, losses.get("paper"), 1e-3, jit_compile=False)
    waveform, y = clips(batch, time)
    x, y = (tf.constant(waveform), tf.fill((batch,), time)), tf.constant(y)

    def step() -> float:
        return float(trainer._step(x, y)[0]) / batch

    return step


def main() -> None:
    """Run the benchmark."""
    options = report.arguments(__doc__)
    time, turns = (4410, 3) if options.quick else (132_300, 2)
    model = lstm.build()
    stock = stock_model(model.get_weights())
    waveform, y = clips(PAPER_BATCH, time)

    def stock_step() -> float:
        generator = ((waveform[..., None], y) for _ in range(1))
        return stock.fit(generator, steps_per_epoch=1, verbose=0).history["loss"][0]

    ours = our_step(model, PAPER_BATCH, time)
    losses_seen = [(ours(), stock_step()) for _ in range(2)]  # the first compiles
    seconds = report.best_of_turns({"stock": stock_step, "ours": ours}, turns)
    rows = [
        {"loop": name, "batch": PAPER_BATCH, "clips/s": PAPER_BATCH / value}
        for name, value in seconds.items()
    ]
    for batch in (8, 32, 64) if options.quick else (8, 32, 64, 128):
        step = our_step(lstm.build(), batch, time)
        step()
        best = report.best_of_turns({"ours": step}, turns)["ours"]
        rows.append({"loop": "ours", "batch": batch, "clips/s": batch / best})
    for row in rows:
        row["times stock"] = row["clips/s"] / rows[0]["clips/s"]
        row["hours an epoch of 6705 clips"] = 6705 / row["clips/s"] / 3600
    difference = max(abs(a - b) for a, b in losses_seen)
    report.write(
        options.out, "lstm_training", rows, time_steps=time, largest_loss_difference=difference
    )


if __name__ == "__main__":
    main()
