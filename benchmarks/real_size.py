"""Index, features and batches of a corpus of IRMAS's size: seconds, clips a second, memory.

Renders 6705 training and 2874 testing clips on first use (some 10 GB) and streams the FFT
magnitudes of every one of them once, past the cache, in batches of 4.
``python benchmarks/real_size.py [--quick]``
"""

import os
import time

import report

from irmas_utils.audio import batches as pipeline
from irmas_utils.audio import features
from irmas_utils.audio.cache import FeatureCache
from irmas_utils.data import corpus, integrity
from irmas_utils.data.index import load_index
from irmas_utils.project.backend import tf


def main() -> None:
    """Run the benchmark."""
    options = report.arguments(__doc__)
    cfg = report.irmas_sized(options.quick)
    n_clips = cfg.corpus.training_clips + cfg.corpus.testing_clips
    root = corpus.folder(cfg)
    tf.constant(0)
    rows = [{"step": "TensorFlow imported", "seconds": 0.0, "peak MiB": report.peak_mib()}]

    def timed(step: str, action):
        start = time.perf_counter()
        result = action()
        seconds = time.perf_counter() - start
        rows.append({"step": step, "seconds": seconds, "clips/s": n_clips / seconds,
                     "peak MiB": report.peak_mib()})  # fmt: skip
        return result

    index = timed("index", lambda: load_index(root))
    timed("duplicates", lambda: integrity.find_duplicates(index))
    load = FeatureCache("fft", features.fft_magnitude, length=features.FFT_SAMPLES).compute
    order = pipeline.epoch_order(len(index), 0, 0)

    def stream() -> None:
        for _ in pipeline.fixed_batches(index, load, features.FFT_SAMPLES // 2, 4, order):
            pass

    timed("FFT features in batches", stream)
    report.write(options.out, "real_size", rows, clips=n_clips, folder_gib=_gib(root))


def _gib(root) -> float:
    files = (os.path.join(base, name) for base, _, names in os.walk(root) for name in names)
    return round(sum(map(os.path.getsize, files)) / 2**30, 2)


if __name__ == "__main__":
    main()
