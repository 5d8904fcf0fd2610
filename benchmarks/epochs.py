"""One whole epoch of each network at full length: seconds, projected to the full profile.

The LSTM reads 132,300 samples of each clip, unpadded; the dense network 442,000 magnitudes, read
back from disk; EfficientAT hears them mixed afresh, as notebook 07 fine-tunes it.
``python benchmarks/epochs.py [--quick]`` trains on 600 clips of the sample corpus (rendered on
first use).
"""

import dataclasses

import pandas as pd
import report

from irmas_utils import (
    backend,
    corpus,
    features,
    networks,
    pipeline,
    recognition,
    settings,
    training,
)
from irmas_utils.cache import FeatureCache
from irmas_utils.models import fft, lstm

FULL = settings.load("full")
FITTING_CLIPS = 6705 * (1 - FULL.validation_fraction)


def main() -> None:
    """Run the benchmark."""
    options = report.arguments(__doc__)
    sample = settings.load("sample")
    cfg = dataclasses.replace(sample, corpus_training_clips=660, corpus_testing_clips=22)
    cfg = sample if options.quick else cfg
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
        subset = stream.take(8) if size == 2 else stream
        rows.append(_epoch(f"LSTM, batch {size}", lstm.build(), subset, 1e-3, FULL.lstm_epochs,
                           min(8 * size, len(clips)) if size == 2 else len(clips)))  # fmt: skip
    stream = pipeline.fixed_batches(clips, load, features.FFT_SAMPLES // 2, 4)
    rows.append(
        _epoch("FFT network, batch 4", fft.build(), stream, 1e-4, FULL.fft_epochs, len(clips), True)
    )
    rows.append(_mixed_epoch(clips))
    report.write(options.out, "epochs", rows)


def _mixed_epoch(clips: pd.DataFrame) -> dict:
    options, plan = networks.configure("mn04", FULL, {"published": False})
    model = networks.build("mn04", 0, options, None)
    plan = dataclasses.replace(plan, epochs=2)  # the first also resamples every clip
    _, history = recognition.train(model, clips, plan, seed=0, progress=False)
    name = f"EfficientAT, batch {plan.batch_size}"
    return _row(name, history, FULL.networks_mn04_epochs, len(clips))


def _epoch(name, model, stream, rate, full_epochs, n_clips, jit=False) -> dict:
    history: pd.DataFrame = training.fit(
        model, lambda epoch: stream, None, loss="paper", learning_rate=rate, epochs=1, seed=0,
        jit_compile=jit, progress=False,
    )  # fmt: skip
    return _row(name, history, full_epochs, n_clips)


def _row(name: str, history: pd.DataFrame, full_epochs: int, n_clips: int) -> dict:
    seconds = float(history["seconds"].iloc[-1])
    return {
        "network": name,
        "clips": n_clips,
        "seconds": seconds,
        "clips/s": n_clips / seconds,
        "hours for one seed of the full profile": FITTING_CLIPS
        / n_clips
        * seconds
        * full_epochs
        / 3600,
    }


if __name__ == "__main__":
    main()
