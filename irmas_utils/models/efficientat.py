"""EfficientAT's ``mn04_as``: a MobileNetV3 of about a million parameters that knows 527 sounds.

Trained by its authors on AudioSet (mean average precision .432), MIT licence; here a Keras model
whose layers carry the names of the original parameters. Notebook: 07_other_networks.ipynb.

References
----------
.. [1] Schmid, Koutini, Widmer (2023): Efficient large-scale audio tagging via
   transformer-to-CNN knowledge distillation. ICASSP. https://github.com/fschmid56/EfficientAT
.. [2] Howard et al. (2019): Searching for MobileNetV3. ICCV.
"""

import itertools
from functools import partial
from pathlib import Path

import numpy as np

from irmas_utils.models import layers, torch_weights
from irmas_utils.models.front_ends import KaldiLogMel, Level, RandomFilter, SpecAugment
from irmas_utils.project.backend import keras
from irmas_utils.project.errors import ModelError
from irmas_utils.project.vocabulary import INSTRUMENTS

SAMPLE_RATE = KaldiLogMel.sample_rate
LEVEL = 0.1  # RMS that inputs are brought to for fine-tuning; loud, like commercial recordings
N_AUDIOSET = 527
AUDIOSET_INDEX = dict(
    zip(INSTRUMENTS, (193, 198, 196, 143, 141, 155, 153, 197, 187, 191, 27), strict=True)
)
"""AudioSet class of each instrument; that of the voice is "Singing"."""

_other_network = partial(
    ModelError,
    expected="the weights of mn04_as, release v0.0.1 of EfficientAT",
    remedy="Remove the file and fetch it again.",
)


# MobileNetV3-large (reference 2, table 1), before the width factor: of each block the kernel, the
# channels within and after it, whether it squeezes and excites, activation and stride.
_BLOCKS = (
    (3, 16, 16, False, "relu", 1),
    (3, 64, 24, False, "relu", 2),
    (3, 72, 24, False, "relu", 1),
    (5, 72, 40, True, "relu", 2),
    (5, 120, 40, True, "relu", 1),
    (5, 120, 40, True, "relu", 1),
    (3, 240, 80, False, "hard_swish", 2),
    (3, 200, 80, False, "hard_swish", 1),
    (3, 184, 80, False, "hard_swish", 1),
    (3, 184, 80, False, "hard_swish", 1),
    (3, 480, 112, True, "hard_swish", 1),
    (3, 672, 112, True, "hard_swish", 1),
    (5, 672, 160, True, "hard_swish", 2),
    (5, 960, 160, True, "hard_swish", 1),
    (5, 960, 160, True, "hard_swish", 1),
)


def mn04(
    n_labels: int = N_AUDIOSET,
    *,
    width: float = 0.4,
    level: float | None = None,
    dropout: float = 0.2,
    mask_bands: int = 0,
    mask_frames: int = 0,
    filter_db: float = 0.0,
    seed: int = 0,
) -> keras.Model:
    """Build the network with random weights.

    It takes mono samples at 32 kHz, (batch, time), of any length from 402 samples, and gives
    scores, (batch, n_labels); its layers are ``mel``, ``embedding``, ``logits``, ``scores`` and
    others. `width` is a factor on all channel counts, 0.4 for ``mn04``; `level` the RMS that each
    input is brought to first (`Level`), None as published. While training there are `dropout`
    before the last layer, the masks of `SpecAugment`, and a `RandomFilter` in decibels.
    """
    waveform = keras.Input((None,), name="waveform")
    x = Level(level, name="level")(waveform) if level else waveform
    x = KaldiLogMel(name="mel")(x)
    x = RandomFilter(filter_db * KaldiLogMel.per_decibel, seed=seed, name="random_filter")(x)
    x = SpecAugment(mask_bands, mask_frames, seed, name="spec_augment")(x)
    x = _conv(x, "features.0", _scaled(16, width), 3, 2, "hard_swish")
    for number, block in enumerate(_BLOCKS, start=1):
        x = _inverted_residual(x, f"features.{number}.block", block, width)
    x = _conv(x, "features.16", 6 * _scaled(160, width), 1, 1, "hard_swish")
    x = keras.layers.GlobalAveragePooling2D(name="embedding")(x)
    x = keras.layers.Dense(_scaled(1280, width), "hard_swish", name="classifier.2")(x)
    x = keras.layers.Dropout(dropout, seed=seed, name="dropout")(x)
    return keras.Model(waveform, layers.scores(x, n_labels), name="mn04")


def pretrained(path: str | Path, n_labels: int = N_AUDIOSET, **options) -> keras.Model:
    """Build the network with the published weights; options are those of `mn04`.

    `path` is the original file, ``mn04_as_mAP_432.pt`` (see `data.fetch`); `n_labels` is 527 for
    the published network, 11 for the outputs of our instruments alone. ModelError if the file is
    damaged or holds another network.
    """
    tensors = torch_weights.read(path)
    model = mn04(n_labels, **options)
    used = {name for layer in model.layers for name in _load(path, layer, tensors, n_labels)}
    spare = sorted(n for n in tensors.keys() - used if not n.endswith("num_batches_tracked"))
    if spare:
        raise _other_network(path, f"parameters that this network has no place for: {spare[:3]}")
    return model


def _scaled(channels: int, width: float) -> int:
    """Scale a channel count to the nearest multiple of 8, but not by more than 10 % down."""
    value = channels * width
    rounded = max(8, int(value + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * value else rounded


def _conv(x, name: str, channels: int | None, kernel: int, stride: int, activation: str | None):
    """Convolution, batch normalization, activation; depthwise where `channels` is None."""
    options = {"padding": "same", "use_bias": False, "name": f"{name}.0"}
    if stride > 1:
        # PyTorch pads both sides alike; "same" would pad an even size only at its end.
        x = keras.layers.ZeroPadding2D(kernel // 2, name=f"{name}.pad")(x)
        options["padding"] = "valid"
    if channels is None:
        x = keras.layers.DepthwiseConv2D(kernel, stride, **options)(x)
    else:
        x = keras.layers.Conv2D(channels, kernel, stride, **options)(x)
    x = layers.FusedBatchNormalization(momentum=0.99, epsilon=1e-3, name=f"{name}.1")(x)
    return keras.layers.Activation(activation, name=f"{name}.2")(x) if activation else x


def _inverted_residual(x, name: str, block: tuple, width: float):
    """Expand, filter each channel, squeeze and excite, project; add the input if it fits."""
    kernel, expanded, out, squeeze, activation, stride = block
    entry, expanded, out = x, _scaled(expanded, width), _scaled(out, width)
    parts = (f"{name}.{number}" for number in itertools.count())
    if expanded != x.shape[-1]:
        x = _conv(x, next(parts), expanded, 1, 1, activation)
    x = _conv(x, next(parts), None, kernel, stride, activation)
    if squeeze:
        x = _squeeze_excite(x, f"{next(parts)}.conc_se_layers.0")
    x = _conv(x, next(parts), out, 1, 1, None)
    if stride == 1 and entry.shape[-1] == out:
        x = keras.layers.Add(name=f"{name}.add")([x, entry])
    return x


def _squeeze_excite(x, name: str):
    channels = x.shape[-1]
    gate = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}.mean")(x)
    gate = keras.layers.Dense(_scaled(channels // 4, 1.0), "relu", name=f"{name}.fc1")(gate)
    gate = keras.layers.Dense(channels, "sigmoid", name=f"{name}.fc2")(gate)
    return keras.layers.Multiply(name=f"{name}.scale")([x, gate])


# A layer has the first of these, as many as it has weights.
_PARTS = ("weight", "bias", "running_mean", "running_var")


def _load(path, layer: keras.layers.Layer, tensors, n_labels: int) -> list[str]:
    """Set the weights of one layer and return the names of the tensors that it stands for."""
    name = "classifier.5" if layer.name == "logits" else layer.name
    if not layer.trainable_weights:  # such as the state of a random generator
        return []
    names = [f"{name}.{part}" for part in _PARTS[: len(layer.weights)]]
    if missing := [n for n in names if n not in tensors]:
        raise _other_network(path, f"no parameter {missing[0]}")
    narrowed = name == "classifier.5" and n_labels != N_AUDIOSET
    kept = [*AUDIOSET_INDEX.values()] if narrowed else slice(None)
    values = []
    for n, weight in zip(names, layer.weights, strict=True):
        try:
            value = _transposed(tensors[n], layer)
            values.append(value[..., kept])
        except (ValueError, IndexError):
            raise _other_network(path, f"{n} of shape {tensors[n].shape}") from None
        if values[-1].shape != tuple(weight.shape) or not np.isfinite(values[-1]).all():
            raise _other_network(path, f"{n} of shape {value.shape}, or numbers that are none")
    layer.set_weights(values)
    return names


def _transposed(tensor: np.ndarray, layer: keras.layers.Layer) -> np.ndarray:
    """Turn PyTorch's order of axes into that of Keras."""
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return tensor.transpose(2, 3, 0, 1)
    return tensor.transpose(2, 3, 1, 0) if tensor.ndim == 4 else tensor.T
