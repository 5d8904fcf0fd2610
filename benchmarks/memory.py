"""Peak resident memory of training on a corpus of IRMAS's size, each case in a process of its own.

The clips are read, transformed, batched and trained on as in notebooks 03 and 04, past the cache,
in the order of an epoch of the whole training set; the paper's batch of 2 hears fewer of them,
since it takes its time. The peak after a quarter of them tells whether memory still grows.
``python benchmarks/memory.py [--quick]``
"""

import json
import subprocess
import sys
import tempfile

import report

LIMIT = 4.0  # GiB
CASES = {  # network, batch, clips
    "LSTM, batch 2": ("lstm", 2, 64),
    "LSTM, batch 64": ("lstm", 64, 1280),
    "LSTM, batch 128": ("lstm", 128, 1280),
    "FFT, batch 4": ("fft", 4, 1280),
    "FFT, batch 16": ("fft", 16, 1280),
}


def train(network: str, batch: int, n_clips: int, quick: bool) -> None:
    """Train on `n_clips` and print the peaks of resident memory [GiB] as JSON."""
    from irmas_utils.audio import batches as pipeline
    from irmas_utils.audio import features
    from irmas_utils.audio.cache import FeatureCache
    from irmas_utils.data import corpus
    from irmas_utils.models import fft, lstm, training
    from irmas_utils.models.dense import DenseTrainer

    index = corpus.load(report.irmas_sized(quick))
    index = index[index["split"] == "training"]
    peaks = []

    def stream(order):
        if network == "lstm":
            load = FeatureCache("waveform", features.waveform).compute
            return pipeline.waveform_batches(index, load, batch, order)
        load = FeatureCache("fft", features.fft_magnitude, length=features.FFT_SAMPLES).compute
        return pipeline.fixed_batches(index, load, features.FFT_SAMPLES // 2, batch, order)

    def batches(epoch: int):
        order = pipeline.epoch_order(len(index), 0, epoch)[:n_clips]
        for number, pair in enumerate(stream(order)):
            if number == max(n_clips // batch // 4, 1):
                peaks.append(report.peak_mib() / 1024)
            yield pair

    model = lstm.build() if network == "lstm" else fft.build(features.FFT_SAMPLES // 2)
    with tempfile.TemporaryDirectory() as folder:
        few = network == "fft" and batch <= DenseTrainer.few
        kind = DenseTrainer if few else training.Trainer
        trainer = kind(model, "paper", 1e-4)
        training.fit(trainer, batches, None, epochs=1, seed=0, checkpoint_dir=folder,
                     progress=False)  # fmt: skip
    peaks.append(report.peak_mib() / 1024)
    print(json.dumps(peaks))


def main() -> None:
    """Run the benchmark."""
    if "--case" in sys.argv:
        _, _, network, batch, n_clips, quick = sys.argv
        return train(network, int(batch), int(n_clips), quick == "True")
    options = report.arguments(__doc__)
    rows = []
    for name, (network, batch, n_clips) in CASES.items():
        n_clips = 4 * batch if options.quick else n_clips
        case = [network, str(batch), str(n_clips), str(options.quick)]
        command = [sys.executable, __file__, "--case", *case]
        result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        early, peak = json.loads(result.stdout.splitlines()[-1])
        rows.append({"training": name, "clips": n_clips, "peak GiB after a quarter": early,
                     "peak GiB": peak, "under 4 GiB": peak < LIMIT})  # fmt: skip
    report.write(options.out, "memory", rows, quick=options.quick)


if __name__ == "__main__":
    main()
