"""What the head of the paper's LSTM learns from a constant: ``python benchmarks/constant_head.py``.

The LSTM of notebook 03 gives nearly the same state for every clip, so the dense layers after it
(2048, 32, 1024, 11) can learn how frequent each label is and no more. Here they are trained on one
fixed state, with IRMAS's label counts, Adam at 0.001, the paper's loss and its 15 epochs. The state
is that of each seed's own initial LSTM at the end of a second of sound, a tone of 220 Hz, or of
silence, for which it is zero.

A row of the table is one input, batch size and seed: the labels above 0.5 at the end, the logits,
and which share of the last epoch's steps had the paper's labels, six labels or the commonest.
Rows that are there are not computed again; several runs may not share the file.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from irmas_utils import metrics
from irmas_utils.models import losses, lstm
from irmas_utils.models.adam import FusedAdam
from irmas_utils.models.prior import batch_labels
from irmas_utils.paper.claims import codes, label_counts
from irmas_utils.project import files, paths, settings
from irmas_utils.project.backend import keras, set_determinism, tf
from irmas_utils.project.vocabulary import INSTRUMENTS

FULL = settings.load("full").lstm
TABLE = paths.reference_dir("real") / "constant_head.csv"
INPUTS = {"tone": 0.3, "silence": 0.0}  # amplitude


class Head:
    """The layers after the paper's LSTM, compiled once and trained from each seed's weights."""

    def __init__(self) -> None:
        self.model, self.lstm = self._build(0)
        self.optimizer = FusedAdam(FULL.learning_rate)
        self.optimizer.build(self.model.trainable_variables)
        self.epoch = tf.function(self._epoch, jit_compile=True, reduce_retracing=True)

    def _build(self, seed: int) -> tuple[keras.Model, keras.Model]:
        set_determinism(seed)
        whole = lstm.build(FULL.units, FULL.dense)
        state = whole.get_layer("lstm").output
        return keras.Model(state, whole.get_layer("logits").output), keras.Model(whole.input, state)

    def restart(self, seed: int, amplitude: float) -> tf.Tensor:
        """Take the weights of a seed; give the LSTM's state after a second of sound, (1, 22)."""
        fresh, initial_lstm = self._build(seed)
        for variable, value in zip(self.model.variables, fresh.variables, strict=True):
            variable.assign(value)
        for variable in self.optimizer.variables:
            if variable is not self.optimizer._learning_rate:
                variable.assign(tf.zeros_like(variable.value))
        time = np.arange(lstm.SAMPLE_RATE, dtype=np.float32) / lstm.SAMPLE_RATE
        tone = amplitude * np.sin(2 * np.pi * 220 * time)
        return initial_lstm((tone[None].astype(np.float32), np.array([len(tone)], np.int32)))

    def _epoch(self, state: tf.Tensor, batches: tf.Tensor) -> tf.Tensor:
        """Take a step a batch; the logits before each, (n_batches, 11)."""
        steps, weights = tf.shape(batches)[0], self.model.trainable_variables
        seen = tf.TensorArray(tf.float32, steps, element_shape=(batches.shape[1],))
        for step in tf.range(steps):
            with tf.GradientTape() as tape:
                logits = self.model(state, training=True)
                # Of clips with one state the mean loss is that of their mean label vector.
                loss = losses.paper(batches[step][None], logits)
            seen = seen.write(step, logits[0])
            self.optimizer.apply(tape.gradient(loss, weights), weights)
        return seen.stack()


def train(head: Head, name: str, batch_size: int, seed: int) -> dict:
    """Train once and describe what was learnt."""
    state, counts = head.restart(seed, INPUTS[name]), label_counts("training")
    for epoch in range(1, FULL.epochs + 1):
        seen = head.epoch(state, tf.constant(batch_labels(counts, batch_size, seed, epoch)))
    last = head.model(state).numpy()[0]
    sets = pd.Series(map(codes, seen.numpy() > 0)).value_counts(normalize=True)
    return {
        "input": name,
        "batch": batch_size,
        "seed": seed,
        "labels": codes(last > 0),
        "share of the paper's": sets.get(" ".join(metrics.PAPER_CONSTANT), 0.0),
        "share of the six": sets.get(codes(metrics.prior_only_labels(counts)), 0.0),
        "commonest": sets.index[0],
        "share of the commonest": sets.iloc[0],
        **dict(zip(INSTRUMENTS, last.tolist(), strict=True)),
    }


def main() -> None:
    """Compute the rows that are missing, seed by seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 2, 1])
    parser.add_argument("--inputs", nargs="+", choices=INPUTS, default=list(INPUTS))
    parser.add_argument("--out", type=Path, default=TABLE)
    options = parser.parse_args()
    keys, head, rows = ["input", "batch", "seed"], Head(), []
    if options.out.exists():
        rows = pd.read_csv(options.out, keep_default_na=False).to_dict("records")
    done = {tuple(row[key] for key in keys) for row in rows}
    wanted = itertools.product(range(options.seeds), options.inputs, options.batches)
    for seed, name, batch in wanted:
        if (name, batch, seed) not in done:
            rows.append(train(head, name, batch, seed))
            table = pd.DataFrame(rows).sort_values(keys)
            files.write_text(options.out, table.to_csv(index=False, float_format="%.5g"))
            print({key: rows[-1][key] for key in (*keys, "labels")}, flush=True)


if __name__ == "__main__":
    main()
