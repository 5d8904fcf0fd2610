"""Hybrid Transformer Demucs as a separator: an optional extra that brings PyTorch along.

S. Rouard, F. Massa and A. Défossez, "Hybrid transformers for music source separation",
ICASSP 2023; code and weights under the MIT licence.
"""

from functools import cache
from typing import Any

import numpy as np

from irmas_utils.audio import io
from irmas_utils.data import fetch
from irmas_utils.project.errors import SettingsError

WEIGHTS = fetch.Weights(
    name="955717e8-8726e21a.th",
    address="https://dl.fbaipublicfiles.com/demucs/hybrid_transformer/",
    sha256="8726e21a993978c7ba086d3872e7608d7d5bfca646ca4aca459ffda844faa8b4",
    licence="MIT",
    source="htdemucs (Rouard et al. 2023)",
)
STEM_OF = {"drums": "drums", "bass": "bass", "vocals": "melody"}  # by the network's names


def separate(samples: np.ndarray, rate: int) -> dict[str, np.ndarray]:
    """Separate with htdemucs, without random shifts; as `separation.separate`.

    The network knows voices and not melodies: *melody* is its ``vocals``, so in instrumental
    music the lead stays in *other*. What the network leaves over, some 1 % of the energy, is
    in *other* too. Raises DownloadError if the weights are neither here nor to be had.
    """
    network = _network()
    stereo = np.repeat(samples, 3 - samples.shape[1], axis=1)
    heard = _apply(network, io.resample(stereo, rate, network.samplerate))
    sources = dict(zip(network.sources, heard, strict=True))
    stems = {
        stem: _fitted(sources[source], network.samplerate, rate, samples.shape)
        for source, stem in STEM_OF.items()
    }
    return stems | {"other": samples - sum(stems.values())}


@cache
def _network() -> Any:
    try:
        from demucs.states import load_model
    except ImportError as error:
        found = "'demucs', which is not installed"
        expected = "the optional extra 'demucs', or another separator"
        remedy = "Run `.venv/bin/uv pip install demucs`, or choose 'spectral'."
        raise SettingsError("separator", found, expected, remedy) from error
    return load_model(fetch.weights(WEIGHTS)).eval()


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
    stem = io.resample(stem, rate, target)[: shape[0]]
    stem = np.pad(stem, ((0, shape[0] - len(stem)), (0, 0)))
    return stem if shape[1] == 2 else stem.mean(axis=1, keepdims=True)
