"""What networks hear, and when they hear whom (02, 03, 08, 11). Long signals keep extremes."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import EngFormatter
from numpy.typing import ArrayLike, NDArray

from irmas_utils.plots import style

POINTS = 1500  # more than a figure has pixels across
FREQUENCY_TICKS = (125, 250, 500, 1000, 2000, 4000, 8000, 16000)  # Hz
HERTZ = EngFormatter(sep="")  # 16000 is 16k
FLOOR = -100  # dB
HOP = 512  # samples from frame to frame of `audio.features.log_mel`


def waveform(samples: ArrayLike, rate: float, ax: Axes | None = None) -> Axes:
    """Amplitude of mono samples, (n_samples,), against time; `rate` in samples a second."""
    ax = style.axes_or_new(ax, 9, 2.4)
    samples, edges = np.asarray(samples), _edges(samples)
    high, low = np.maximum.reduceat(samples, edges), np.minimum.reduceat(samples, edges)
    ax.fill_between(edges / rate, low, high, color=style.COLOURS["line"], linewidth=0.6)
    ax.set(xlabel="time [s]", ylabel="amplitude", xlim=(0, len(samples) / rate))
    return ax


def _edges(signal: ArrayLike) -> NDArray:
    return np.arange(0, len(signal), max(1, len(signal) // POINTS))


def padded_waveform(samples: ArrayLike, rate: int, ax: Axes | None = None) -> Axes:
    """Draw `waveform` with the silence before and after the clip shaded (paper, section 3.2.1)."""
    ax = waveform(samples, rate, ax)
    sound = np.flatnonzero(np.asarray(samples))
    first, last = (sound[0], sound[-1] + 1) if len(sound) else (len(samples), len(samples))
    for start, stop in ((0, first), (last, len(samples))):
        if stop > start:
            shade = {"color": style.COLOURS["quiet"], "alpha": 0.25, "linewidth": 0}
            ax.axvspan(start / rate, stop / rate, label="padding", **shade)
    return ax


def spectrum(magnitude: ArrayLike, rate: int, ax: Axes | None = None) -> Axes:
    """Magnitude, (n_bins,), from 0 Hz to half the `rate` [Hz], in decibels below the largest."""
    ax = style.axes_or_new(ax, 9, 3.2)
    magnitude = np.asarray(magnitude, dtype=float)
    width = rate / 2 / len(magnitude)  # Hz a bin
    first = max(1, round(20 / width))
    edges = np.unique(np.geomspace(first, len(magnitude) - 1, POINTS).astype(int))
    level = np.maximum.reduceat(magnitude, edges)
    level = 20 * np.log10(np.maximum(level / max(level.max(), 1e-30), 10 ** (FLOOR / 20)))
    ax.plot(edges * width, level, color=style.COLOURS["line"], linewidth=0.8)
    ax.set_xscale("log")
    ticks = (31, 62, *FREQUENCY_TICKS)
    ax.set_xticks(ticks, [HERTZ(hertz) for hertz in ticks])
    ax.minorticks_off()
    ax.set(xlabel="frequency [Hz]", ylabel="magnitude [dB]", xlim=(first * width, rate / 2))
    return ax


def log_mel(levels: ArrayLike, rate: int, ax: Axes | None = None) -> Axes:
    """Log-mel spectrogram of `audio.features.log_mel` at `rate` hertz: levels in decibels."""
    ax = style.axes_or_new(ax, 9, 3.2)
    image = _draw_mel(np.asarray(levels), rate, ax)
    ax.figure.colorbar(image, ax=ax, label="level [dB]", pad=0.01)
    return ax


def _draw_mel(levels: NDArray, rate: int, ax: Axes, **limits: float) -> AxesImage:
    import librosa

    n_mels, n_frames = levels.shape
    extent = (0, n_frames * HOP / rate, -0.5, n_mels - 0.5)
    look = {"origin": "lower", "aspect": "auto", "cmap": "magma", "interpolation": "nearest"}
    image = ax.imshow(levels, extent=extent, **look, **limits)
    centres = librosa.mel_frequencies(n_mels + 2, fmin=0, fmax=rate / 2)[1:-1]
    ticks = [hertz for hertz in FREQUENCY_TICKS if hertz < centres[-1]][::2]
    ax.set_yticks(np.interp(ticks, centres, np.arange(n_mels)), [HERTZ(hertz) for hertz in ticks])
    ax.grid(visible=False)
    ax.set(xlabel="time [s]", ylabel="frequency [Hz]")
    return image


def stems(spectrograms: Mapping[str, ArrayLike], rate: int) -> Figure:
    """Log-mel spectrograms of a clip's stems, two side by side, on one scale of level.

    `spectrograms` are by the stem's name and as for `log_mel`, in decibels of one reference.
    """
    n_rows = -(-len(spectrograms) // 2)
    shape = {"figsize": (10, 2.2 * n_rows), "squeeze": False, "layout": "constrained"}
    figure, grid = plt.subplots(n_rows, 2, sharex=True, sharey=True, **shape)
    figure.get_layout_engine().set(w_pad=0.1)
    axes, spare = np.split(grid.ravel(), [len(spectrograms)])
    top = max(float(np.max(levels)) for levels in spectrograms.values())
    for ax, (name, levels) in zip(axes, spectrograms.items(), strict=True):
        image = _draw_mel(np.asarray(levels), rate, ax, vmin=top - 80, vmax=top)
        ax.set_title(name)
        ax.label_outer()
    for ax in axes[-2:]:  # the lowest of each column, be there room left below it or not
        ax.set_xlabel("time [s]")
        ax.tick_params(labelbottom=True)
    for ax in spare:
        ax.set_visible(False)
    figure.colorbar(image, ax=grid, label="level [dB]", pad=0.01)
    return figure


def instruments_over_time(
    edges: ArrayLike, scores: pd.DataFrame, ax: Axes | None = None, *, label: str = "score"
) -> Axes:
    """Heat map of scores, from 0 to 1, a row a window, a column an instrument, against time.

    `edges`, (n_windows + 1,), are the start of each window in seconds and the end of the last;
    `label` says what the scores are.
    """
    ax = style.axes_or_new(ax, 9, 3.6)
    look = {"cmap": style.QUANTITY_MAP, "vmin": 0, "vmax": 1, "rasterized": True}
    rows = np.arange(len(scores.columns) + 1) - 0.5
    image = ax.pcolormesh(np.asarray(edges, dtype=float), rows, np.transpose(scores), **look)
    ax.set_yticks(rows[1:] - 0.5, scores.columns, parse_math=False)
    style.colour_names(ax.yaxis)
    ax.invert_yaxis()
    ax.grid(visible=False)
    ax.set(xlabel="time [s]")
    ax.figure.colorbar(image, ax=ax, label=label, pad=0.01)
    return ax


def gradient_norm(curves: Mapping[str, ArrayLike], rate: float, ax: Axes | None = None) -> Axes:
    """Gradient of the loss with respect to each sample, log scale; `rate` in hertz.

    `curves` are gradients of one length, (time,), by what they are of. A dotted line marks where
    each is first above a thousandth of its greatest.
    """
    ax = style.axes_or_new(ax, 9, 3.4)
    for name, norms in curves.items():
        edges = _edges(norms := np.asarray(norms))
        level = np.maximum.reduceat(norms, edges)
        # Zero is "too small for float32"; it has no place on a log scale.
        (line,) = ax.plot(edges / rate, np.where(level > 0, level, np.nan), lw=1, label=name)
        ax.set_xlim(0, len(norms) / rate)  # how little of the clip is heard is the point
        if len(heard := np.flatnonzero(norms > 1e-3 * norms.max())):
            ax.axvline(heard[0] / rate, color=line.get_color(), ls=":", lw=1)
    ax.set_yscale("log")
    ax.set(xlabel="time of the sample [s]", ylabel="gradient of the loss")
    ax.legend(loc="upper left")
    return ax
