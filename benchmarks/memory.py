"""Peak resident memory of training, each case in a process of its own.

Batches are made as they are asked for, as `irmas_utils.pipeline` does, so the number of clips
plays no part; checkpoints are written. ``python benchmarks/memory.py [--quick]``
"""

import json
import subprocess
import sys
import tempfile

import numpy as np
import report

LIMIT = 4.0  # GiB
CASES = {
    "LSTM, batch 2": ("lstm", 2),
    "LSTM, batch 128": ("lstm", 128),
    "FFT, batch 4": ("fft", 4),
    "FFT, batch 16": ("fft", 16),
}


def train(network: str, batch: int, quick: bool) -> None:
    """Train a few batches and print the peak of resident memory [GiB] as JSON."""
    import resource

    from irmas_utils import training
    from irmas_utils.models import fft, lstm

    size = (13_230 if network == "lstm" else 44_200) if quick else None
    size = size or (132_300 if network == "lstm" else 442_000)
    model = lstm.build() if network == "lstm" else fft.build(size)

    def batches(epoch: int):
        rng = np.random.default_rng(epoch)
        for _ in range(3):
            x = rng.random((batch, size), np.float32)
            y = np.eye(11, dtype=np.float32)[rng.integers(11, size=batch)]
            yield ((x, np.full(batch, size, np.int32)) if network == "lstm" else x), y

    with tempfile.TemporaryDirectory() as folder:
        training.fit(
            model, batches, None, loss="paper", learning_rate=1e-4, epochs=1, seed=0,
            checkpoint_dir=folder, jit_compile=network == "fft", progress=True,
        )  # fmt: skip
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps(peak))


def main() -> None:
    """Run the benchmark."""
    if "--case" in sys.argv:
        _, _, network, batch, quick = sys.argv
        return train(network, int(batch), quick == "True")
    options = report.arguments(__doc__)
    rows = []
    for name, (network, batch) in CASES.items():
        command = [sys.executable, __file__, "--case", network, str(batch), str(options.quick)]
        result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        peak = json.loads(result.stdout)
        rows.append({"training": name, "peak GiB": peak, "under 4 GiB": peak < LIMIT})
    report.write(options.out, "memory", rows, quick=options.quick)


if __name__ == "__main__":
    main()
