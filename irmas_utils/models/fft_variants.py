"""The dense FFT network with one change to what it reads or learns from (paper section 5.2).

For taking its failure apart (`paper.fft_causes`). Besides mixtures and the testing set it scores
training excerpts a few cents higher and, as printed, long clips brought to the level, or cut to the
length, of the excerpts. Notebook: 06_fft_hyperparameters.ipynb.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial
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
from irmas_utils.project import runs
from irmas_utils.project.settings import Fft, Settings

EXCERPT = 3.0  # seconds of a training clip
CENTS = (0, 5, 25)  # hundredths of a semitone: hardly anybody hears five
INPUTS = 3000  # sum of the magnitudes of a training clip, roughly
BANDS = np.geomspace(27.5, 22_050, 241)  # edges [Hz]: quarter tones, or nearly


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
    fitting = selection.fewer(parts.fitting, change.fraction, settings.seed)
    parts = parts._replace(fitting=fitting)
    found = training.train_seeds(Variant(name, change, mixed, settings), parts)
    (seed,) = found.scores
    arrays = {"testing": found.scores[seed]} | found.looks[seed]
    return runs.Outcome(arrays, found.facts), parts._asdict() | {"mixtures": mixed}


class Variant(fft.Network):
    """The network with a change, trained once and then looked at on mixtures and changed clips."""

    def __init__(self, name: str, change: Change, mixed: pd.DataFrame, settings: Settings) -> None:
        own = Fft(**settings.with_base("fft", **settings.study.fft.causes.base | change.settings))
        self.mixed, self.see = mixed, READS[change.reads]
        length = samples = own.samples
        self.features, load = FeatureCache("fft", fft_magnitude, length=length), self.read
        if change.reads == "waveform":
            half = {"sample_rate": 22_050, "length": length // 2}
            self.features = FeatureCache("waveform", waveform, **half)
        elif change.reads == "bands":  # which are so small that they stay in memory
            samples, load = 2 * (len(BANDS) - 1), cache(self.read)
        own = own.model_copy(update={"samples": samples, "seeds": own.seeds[:1]})
        reads = {"as": change.reads, "length": length}
        super().__init__(own, f"fft-cause-{name}", load, reads, (__name__,))

    def read(self, path: str, change: Callable | None = None) -> np.ndarray:
        """Return what the network reads of a clip, (n_features,), whose features may be changed."""
        features = self.features(path)
        return self.see(change(features, path) if change else features)

    def describe(self) -> dict[str, Any]:
        """Return what the network, its input and what is looked at depend on, as JSON."""
        return super().describe() | {"mixtures": content(self.mixed)}

    def look(self, trainer: training.Trainer, parts: Splits) -> dict[str, np.ndarray]:
        """Score mixtures, excerpts in pitch and, as printed, long clips in level and cut."""

        def scores(clips: pd.DataFrame, change: Callable | None) -> np.ndarray:
            load = partial(self.read, change=change)
            return trainer.predict(fixed_batches(clips, load, self.n_features, 16))

        found = {"mixtures": trainer.predict(self.batches(self.mixed))}
        for part in ("fitting", "validation"):
            excerpts = getattr(parts, part).drop_duplicates("recording")
            for cents in CENTS if self.reads["as"] != "waveform" else CENTS[:1]:
                change = partial(_higher, cents=cents) if cents else None
                found[f"{part} {cents}"] = scores(excerpts, change)
        if self.reads["as"] != "magnitudes":
            return found
        for part, clips in {"mixtures": self.mixed, "testing": parts.testing}.items():
            for name, power in LEVELS.items():
                found[f"{part} {name}"] = scores(clips, partial(_level, power=power))
            cut = (_windows(path, self.reads["length"]) for path in clips["path"])
            each = [windows.aggregate(trainer.predict([(x, None)])) for x in cut]
            found[f"{part} windows"] = np.array(each, np.float32)
        return found


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


READS = {"magnitudes": np.asarray, "log": _logarithm, "bands": _bands, "waveform": np.asarray}


def _higher(magnitudes: np.ndarray, path: str, cents: float) -> np.ndarray:
    """Stretch the spectrum of a clip of 3 s, which its padding to 20 s has made smooth."""
    bins = np.arange(len(magnitudes))
    return np.interp(bins / 2 ** (cents / 1200), bins, magnitudes).astype(np.float32)


def _level(magnitudes: np.ndarray, path: str, power: float) -> np.ndarray:
    return magnitudes * np.float32((EXCERPT / io.header(path)["duration"]) ** power)


def _windows(path: str, length: int) -> np.ndarray:
    samples, rate = io.read(path)
    size = round(EXCERPT * rate)
    cut = windows.stream([io.mono(samples)], size, size)
    return np.stack([fft_magnitude(window, length) for _, window in cut])
