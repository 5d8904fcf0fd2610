"""A whole epoch of each network at full length, the second: seconds, projected to the full profile.

The LSTM reads 132,300 samples of each clip, unpadded; the dense network 442,000 magnitudes, read
back from disk; EfficientAT hears them mixed afresh, as notebook 07 fine-tunes it. Busy is the share
of the epoch in which the network does not wait for its input.
``python benchmarks/epochs.py [--quick]`` trains on 600 clips of the sample corpus (rendered on
first use).
"""

import time
from collections.abc import Iterator

import pandas as pd
import report

from irmas_utils.audio import batches as pipeline
from irmas_utils.audio import features
from irmas_utils.audio.cache import FeatureCache
from irmas_utils.data import corpus
from irmas_utils.models import fft, lstm, training
from irmas_utils.models.dense import DenseTrainer
from irmas_utils.project import backend, settings
from irmas_utils.systems.networks import fine_tuning
from irmas_utils.systems.networks import training as networks

FULL = settings.load("full")
FITTING_CLIPS = 6705 * (1 - FULL.evaluation.validation_fraction)


class Timed:
    """Batches that add up how long their reader waits for them [s]."""

    def __init__(self, batches: training.Batches) -> None:
        self.batches, self.waited = batches, 0.0

    def __iter__(self) -> Iterator:
        batches = iter(self.batches)
        while True:
            started = time.perf_counter()
            batch = next(batches, None)
            self.waited += time.perf_counter() - started
            if batch is None:
                return
            yield batch


def main() -> None:
    """Run the benchmark."""
    options = report.arguments(__doc__)
    enough = {"training_clips": 660, "testing_clips": 22}
    cfg = settings.load("sample", corpus={} if options.quick else enough)
    index = corpus.load(cfg)
    clips = index[index["split"] == "training"].iloc[: 16 if options.quick else 600]
    waveform = FeatureCache("waveform", features.waveform).compute
    load = FeatureCache("fft", features.fft_magnitude, length=features.FFT_SAMPLES)
    for path in clips["path"]:
        load(path)
    rows = []
    for size in (2, 64):
        backend.set_determinism(0)
        stream = pipeline.waveform_batches(clips, waveform, size)
        trainer = training.Trainer(lstm.build(), "paper", FULL.lstm.learning_rate)
        rows.append(_epoch(f"LSTM, batch {size}", trainer, stream, FULL.lstm.epochs, len(clips)))
    stream = pipeline.fixed_batches(clips, load, features.FFT_SAMPLES // 2, 4)
    trainer = DenseTrainer(fft.build(), "paper", FULL.fft.learning_rate)
    rows.append(_epoch("FFT network, batch 4", trainer, stream, FULL.fft.epochs, len(clips)))
    rows.append(_mixed_epoch(clips))
    report.write(options.out, "epochs", rows)


def _mixed_epoch(clips: pd.DataFrame) -> dict:
    plan = networks.configure("mn04", FULL, {"published": False})
    backend.set_determinism(0)
    short = plan.model_copy(update={"epochs": 2})  # the first also resamples every clip
    _, history = fine_tuning.train(plan.build(0, None), clips, short, seed=0, progress=False)
    name = f"EfficientAT, batch {plan.batch_size}"
    return _row(name, history, plan.epochs, len(clips))


def _epoch(
    name: str, trainer: training.Trainer, batches: training.Batches, full_epochs: int, n_clips: int
) -> dict:
    timed = Timed(batches)
    of_epoch = {1: batches, 2: timed}.get  # the first also compiles
    history = training.fit(trainer, of_epoch, None, epochs=2, seed=0, progress=False)
    busy = 1 - timed.waited / history["seconds"].iloc[-1]
    return _row(name, history, full_epochs, n_clips, f"{busy:.0%}")


def _row(name: str, history: pd.DataFrame, full_epochs: int, n_clips: int, busy: str = "–") -> dict:
    seconds = float(history["seconds"].iloc[-1])
    return {
        "network": name,
        "clips": n_clips,
        "seconds": seconds,
        "clips/s": n_clips / seconds,
        "busy": busy,
        "hours for one seed of the full profile": FITTING_CLIPS
        / n_clips
        * seconds
        * full_epochs
        / 3600,
    }


if __name__ == "__main__":
    main()
