"""Hybrid Transformer Demucs as a separator: an optional extra that brings PyTorch along.

S. Rouard, F. Massa and A. Défossez, "Hybrid transformers for music source separation",
ICASSP 2023; code and weights under the MIT licence.
"""

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from irmas_utils.audio import io as audio
from irmas_utils.data import fetch
from irmas_utils.project import paths
from irmas_utils.project.errors import SettingsError
from irmas_utils.systems.bosch.separation.protocol import check_channels

WEIGHTS = "955717e8-8726e21a.th"  # the single model called htdemucs
ADDRESS = f"https://dl.fbaipublicfiles.com/demucs/hybrid_transformer/{WEIGHTS}"
SHA256 = "8726e21a993978c7ba086d3872e7608d7d5bfca646ca4aca459ffda844faa8b4"
SOURCES = {"drums": "drums", "bass": "bass", "vocals": "melody", "other": "other"}


class DemucsSeparator:
    """Separate with htdemucs into drums, bass, melody and other.

    The network knows voices and not melodies: *melody* is its ``vocals``, so in instrumental
    music the lead stays in *other*. What the network leaves over, some 1 % of the energy, is
    added to *other*, so that the stems sum to the input.

    Raises
    ------
    SettingsError
        If the package ``demucs`` is not installed.
    """

    stems: ClassVar[tuple[str, ...]] = ("drums", "bass", "melody", "other")

    def __init__(self) -> None:
        if importlib.util.find_spec("demucs") is None:
            raise SettingsError(
                "separator",
                found="'demucs', which is not installed",
                expected="the optional extra 'demucs', or another separator",
                remedy="Run pip install 'irmas-notebooks[demucs]', or choose 'spectral'.",
            )

    def __call__(self, samples: np.ndarray, rate: int) -> dict[str, np.ndarray]:
        """Separate `samples` (n, n_channels); deterministic, without random shifts.

        Raises
        ------
        AudioError
            If there are more than two channels.
        DownloadError
            If the weights are not here and cannot be fetched, or are damaged.
        """
        check_channels(samples)
        network = _network()
        stereo = np.repeat(samples, 3 - samples.shape[1], axis=1)
        sources = _apply(network, audio.resample(stereo, rate, network.samplerate))
        found = {
            SOURCES[source]: _fitted(stem, network.samplerate, rate, samples.shape)
            for source, stem in zip(network.sources, sources, strict=True)
        }
        named = {stem: found[stem] for stem in self.stems[:-1]}
        return named | {"other": samples - sum(named.values())}


def fetch_weights() -> Path:
    """Return the path of the weights, fetched once into the cache and checked.

    Raises
    ------
    DownloadError
        If they cannot be fetched or their SHA-256 is another.
    """
    folder = paths.cache_root() / "weights"
    remedy = f"Check the connection, or put {WEIGHTS} into {folder}."
    return fetch.file(ADDRESS, f"sha256:{SHA256}", folder, WEIGHTS, remedy)


@cache
def _network() -> Any:
    from demucs.states import load_model

    return load_model(fetch_weights()).eval()


def _apply(network: Any, samples: np.ndarray) -> np.ndarray:
    """Return (n_sources, n, 2), scaled to unit deviation on the way as in training."""
    import torch
    from demucs.apply import apply_model

    scale = max(float(samples.std()), 1e-8)
    mix = torch.from_numpy(np.ascontiguousarray(samples.T[None] / scale, dtype=np.float32))
    with torch.no_grad():
        sources = apply_model(network, mix, shifts=0, split=True, overlap=0.25)
    return sources[0].numpy().transpose(0, 2, 1) * scale


def _fitted(stem: np.ndarray, rate: int, target: int, shape: tuple[int, int]) -> np.ndarray:
    """Resample `stem` back, and cut or pad it to `shape`."""
    stem = audio.resample(stem, rate, target)[: shape[0]]
    stem = np.pad(stem, ((0, shape[0] - len(stem)), (0, 0)))
    return stem if shape[1] == 2 else stem.mean(axis=1, keepdims=True)
