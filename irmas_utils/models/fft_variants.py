"""The dense FFT network with one change to what it reads or learns from (paper section 5.2).

For taking its failure apart (`paper.fft_causes`). Besides mixtures and the testing set it scores
training excerpts a few cents higher and, as printed, long clips brought to the level, or cut to the
length, of the excerpts. Notebook: 06_fft_hyperparameters.ipynb.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from irmas_utils.audio import io, windows
from irmas_utils.audio.batches import fixed_batches
from irmas_utils.audio.cache import FeatureCache
from irmas_utils.audio.features import fft_magnitude, waveform
from irmas_utils.data import selection
from irmas_utils.data.corpus import Splits, content
from irmas_utils.models import fft, training
from irmas_utils.project import runs, sources
from irmas_utils.project.backend import set_determinism
from irmas_utils.project.settings import Fft, Settings

EXCERPT = 3.0  # seconds of a training clip
CENTS = (0, 5, 25)  # hundredths of a semitone: hardly anybody hears five
INPUTS = 3000  # sum of the magnitudes of a training clip, roughly
BANDS = np.geomspace(27.5, 22_050, 241)  # edges [Hz]: quarter tones, or nearly


class Reader(NamedTuple):
    """What a network reads of a clip's features, which may be changed before."""

    features: FeatureCache
    see: Callable[[np.ndarray], np.ndarray]
    seen: dict[str, np.ndarray] | None = None  # what is small stays in memory, by path

    def __call__(self, path: str, change: Callable | None = None) -> np.ndarray:
        """Return it, (n_features,)."""
        if change:
            return self.see(change(self.features(path), path))
        if self.seen is None:
            return self.see(self.features(path))
        if path not in self.seen:
            self.seen[path] = self.see(self.features(path))
        return self.seen[path]


class Change(NamedTuple):
    """A change to the network as printed, in words, and what it is."""

    description: str
    settings: Mapping[str, Any] = MappingProxyType({})
    reads: str = "magnitudes"
    fraction: float = 1.0  # of the fitting recordings; the steps stay as many


PRINTED = Change("as printed")
CHANGES = {
    "binary": Change("binary loss", {"loss": "binary"}),
    "log": Change("logarithm of the magnitudes", reads="log"),
    "bands": Change("logarithm of the energy in bands of a quarter tone", reads="bands"),
    "waveform": Change("waveform at half its rate instead of magnitudes", reads="waveform"),
    "working": Change(
        "such bands, binary loss, ten times the learning rate and 30 epochs",
        {"loss": "binary", "learning_rate": 1e-3, "epochs": 30},
        reads="bands",
    ),  # rate and epochs by mixtures of the sample corpus
    "half": Change("half of the recordings", fraction=0.5),
    "quarter": Change("a quarter of the recordings", fraction=0.25),
}
"""What takes a training of its own, by the names that ``study.fft.causes`` has."""

LEVELS = {"norm": 0.5, "peak": 1.0}
"""Powers of 3 s over a clip's length that bring its spectrum to the level of a training clip's.

The norm of the magnitudes grows with the root of the length, a steady tone's peak with the length.
"""


def trained(
    name: str, change: Change, parts: Splits, mixed: pd.DataFrame, settings: Settings
) -> tuple[runs.Outcome, dict[str, pd.DataFrame]]:
    """Train with a change, or read back what was stored: scores of clips, and the clips."""
    own = Fft(**settings.with_base("fft", **settings.study.fft.causes.base | change.settings))
    size = 2 * (len(BANDS) - 1) if change.reads == "bands" else own.samples
    load = _reader(change.reads, own.samples)
    reads = {"as": change.reads, "length": own.samples}
    sized = own.model_copy(update={"samples": size})
    network = fft.Network(sized, f"fft-cause-{name}", load, reads)
    fitting = selection.fewer(parts.fitting, change.fraction, settings.seed)
    clips = parts._replace(fitting=fitting)._asdict() | {"mixtures": mixed}
    made_from = {
        "settings": network.describe(),
        "clips": {part: content(rows) for part, rows in clips.items()},
        "code": sources.digest_of(__name__),
    }
    make, seed = partial(_train, network, clips), own.seeds[0]
    return training.each_seed(network.name, made_from, [seed], make)[0][seed], clips


def _train(
    network: fft.Network, clips: dict[str, pd.DataFrame], seed: int, folder: Path
) -> runs.Outcome:
    set_determinism(seed)
    model, own = network.build(), network.settings
    trainer = network.trainer(model, own.loss, own.learning_rate)
    history = training.fit_network(trainer, network, clips, seed, folder)
    of_clips = {p: trainer.predict(network.batches(clips[p])) for p in ("mixtures", "testing")}
    arrays = of_clips | _changed(network, trainer, clips)
    return runs.Outcome(arrays, training.facts(model, history))


def _changed(
    network: fft.Network, trainer: training.Trainer, clips: dict[str, pd.DataFrame]
) -> dict[str, np.ndarray]:
    """Score clips that are changed: excerpts in pitch, as printed long ones in level, and cut."""

    def scores(rows: pd.DataFrame, change: Callable | None) -> np.ndarray:
        load = partial(network.load, change=change)
        return trainer.predict(fixed_batches(rows, load, network.n_features, 16))

    reads, found = network.reads["as"], {}
    for part in ("fitting", "validation"):
        for cents in CENTS if reads != "waveform" else CENTS[:1]:
            change = partial(_higher, cents=cents) if cents else None
            found[f"{part} {cents}"] = scores(one_each(clips[part]), change)
    for part in ("mixtures", "testing") if reads == "magnitudes" else ():
        rows = clips[part]
        found |= {f"{part} {k}": scores(rows, partial(_level, power=p)) for k, p in LEVELS.items()}
        cut = (np.stack([*_windows(path, network.load.features)]) for path in rows["path"])
        each = [windows.aggregate(trainer.predict([(x, None)])) for x in cut]
        found[f"{part} windows"] = np.array(each, np.float32)
    return found


def one_each(clips: pd.DataFrame) -> pd.DataFrame:
    """Return a clip of each recording."""
    return clips.drop_duplicates("recording")


def _reader(reads: str, length: int) -> Reader:
    if reads != "waveform":
        features = FeatureCache("fft", fft_magnitude, length=length)
        return Reader(features, READS[reads], {} if reads == "bands" else None)
    half = {"sample_rate": 22_050, "length": length // 2}
    return Reader(FeatureCache("waveform", waveform, **half), np.asarray)


def _logarithm(magnitudes: np.ndarray) -> np.ndarray:
    """Log(1 + 1000 x) less its mean, and so the clip's level, in a sum like the magnitudes'.

    Adam moves each weight by as much whatever its input, so the sum of the inputs sets how far a
    step goes.
    """
    logarithms = np.log1p(1000 * magnitudes)
    return (logarithms - logarithms.mean()) * np.float32(INPUTS / len(magnitudes))


def _bands(magnitudes: np.ndarray) -> np.ndarray:
    """Logarithm of the root mean square of the bins of each band, (n_bands,)."""
    edges = np.round(BANDS / BANDS[-1] * len(magnitudes)).astype(int)
    sums = np.add.reduceat(np.square(magnitudes[: edges[-1]]), edges[:-1])
    return _logarithm(np.sqrt(sums / np.maximum(np.diff(edges), 1)))


READS = {"magnitudes": np.asarray, "log": _logarithm, "bands": _bands}


def _higher(magnitudes: np.ndarray, path: str, cents: float) -> np.ndarray:
    """Stretch the spectrum of a clip of 3 s, which its padding to 20 s has made smooth."""
    bins = np.arange(len(magnitudes))
    return np.interp(bins / 2 ** (cents / 1200), bins, magnitudes).astype(np.float32)


def _level(magnitudes: np.ndarray, path: str, power: float) -> np.ndarray:
    return magnitudes * np.float32((EXCERPT / io.header(path)["duration"]) ** power)


def _windows(path: str, features: FeatureCache) -> Iterator[np.ndarray]:
    samples, rate = io.read(path)
    size = round(EXCERPT * rate)
    for _, window in windows.stream([io.mono(samples)], size, size):
        yield features.function(window, **features.parameters)
