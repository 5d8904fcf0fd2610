"""Speed of the input: from WAV files to ready batches, ours against a librosa generator.

Decoding: a mono waveform a clip, in batches of 4 and of 64, an epoch of the real training set
long (the clips again and again). Features: the paper's 442000 magnitudes a clip, batches of 4.
First batch: how long a changed preprocessing waits for its first update, by a generator and where
an epoch's clips are loaded at once.
The bound is what no pipeline can beat: reading the same bytes, and scipy's rfft by itself.
``python benchmarks/input_pipeline.py [--quick]``
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
import report
import scipy.fft

from irmas_utils.audio import batches as pipeline
from irmas_utils.audio import features
from irmas_utils.audio import io as audio
from irmas_utils.audio.cache import FeatureCache
from irmas_utils.data import corpus
from irmas_utils.project import settings


def main() -> None:
    """Run the benchmark on the sample corpus, whose files are in the system's cache by then."""
    options = report.arguments(__doc__)
    n_clips, turns, passes = (32, 1, 2) if options.quick else (200, 3, 34)
    index = corpus.load(settings.load("sample"))
    clips = index[index["split"] == "training"].iloc[:n_clips]
    epoch = pd.concat([clips] * passes)
    paths = clips["path"].tolist()
    waveform = FeatureCache("waveform", features.waveform)
    fft = FeatureCache("fft", features.fft_magnitude, length=features.FFT_SAMPLES)
    at_own_rate = partial(librosa.load, sr=None)
    at_own_rate(paths[0])
    padded = np.zeros(features.FFT_SAMPLES, np.float32)

    def ours_decoded(batch_size: int) -> None:
        for _ in pipeline.waveform_batches(epoch, waveform.compute, batch_size):
            pass

    def first_batch() -> None:
        next(iter(pipeline.waveform_batches(epoch, waveform.compute, 4)))

    def all_at_once() -> None:
        for _ in pipeline.waveform_batches(epoch, waveform.compute, len(epoch)):
            pass

    def ours_transformed(load) -> None:
        for _ in pipeline.fixed_batches(clips, load, features.FFT_SAMPLES // 2, 4):
            pass

    def one_by_one(load) -> None:
        for path in paths:  # A list of the results would time fresh memory, not the loader.
            load(path)

    def librosa_features() -> None:
        for path in paths:
            samples, _ = librosa.load(path, sr=None)
            np.abs(np.fft.rfft(np.pad(samples, (0, features.FFT_SAMPLES - len(samples)))))

    def bound() -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(_read_and_transform, paths))

    def _read_and_transform(path: str) -> None:
        Path(path).read_bytes()
        scipy.fft.rfft(padded)

    tasks = {
        "decode: librosa.load(path), its default": lambda: one_by_one(librosa.load),
        "decode: librosa.load(path, sr=None)": lambda: one_by_one(at_own_rate),
        "decode: ours, one thread": lambda: one_by_one(audio.load_mono),
        "decode: ours, in batches of 4": lambda: ours_decoded(4),
        "decode: ours, in batches of 64": lambda: ours_decoded(64),
        "first batch: all clips loaded at once": all_at_once,
        "first batch: by a generator": first_batch,
        "with FFT: librosa.load(path, sr=None) and numpy": librosa_features,
        "with FFT: ours, computed": lambda: ours_transformed(fft.compute),
        "with FFT: ours, kept on disk": lambda: ours_transformed(fft),
        "bound: read the bytes and scipy.fft.rfft": bound,
    }
    ours_transformed(fft)
    times = report.best_of_turns(tasks, turns)
    n_made = {"decode: ours, in": len(epoch), "first batch": 4}
    a_clip = {
        name: seconds / next((n for start, n in n_made.items() if name.startswith(start)), n_clips)
        for name, seconds in times.items()
    }
    reference = {"decode": "decode: librosa.load(path, sr=None)",
                 "first batch": "first batch: all clips loaded at once",
                 "with FFT": "with FFT: librosa.load(path, sr=None) and numpy",
                 "bound": "with FFT: librosa.load(path, sr=None) and numpy"}  # fmt: skip
    rows = [
        {
            "input": name,
            "clips/s": 1 / seconds,
            "times stock": a_clip[reference[name.split(":")[0]]] / seconds,
        }
        for name, seconds in a_clip.items()
    ]
    report.write(options.out, "input_pipeline", rows, clips=n_clips)


if __name__ == "__main__":
    main()
