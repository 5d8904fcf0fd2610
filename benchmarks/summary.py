"""One table and one picture of what the other benchmarks measured: ours, stock and the bound.

Stock is what a user would otherwise write, the bound what the machine cannot do faster; both are
from the same run as ours. ``python benchmarks/summary.py [--out FOLDER]``
"""

import json
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import pandas as pd
import report


class Source(NamedTuple):
    """Where a task's speeds stand in a benchmark: the column, and the rows by their name."""

    task: str
    file: str
    rows: str
    speed: str
    ours: str
    stock: str
    bound: str | None


SOURCES = (
    Source("FFT network, step at batch 4", "fft_training", "loop", "clips/s",
           "ours", "stock", "bound"),
    Source("clip decoded", "input_pipeline", "input", "clips/s",
           "decode: ours, one thread", "decode: librosa.load(path, sr=None)", None),
    Source("clip decoded and transformed", "input_pipeline", "input", "clips/s",
           "with FFT: ours, computed", "with FFT: librosa.load(path, sr=None) and numpy",
           "bound: read the bytes and scipy.fft.rfft"),
)  # fmt: skip


def compare(task: str, ours: float, stock: float, bound: float | None) -> dict:
    """Make a row of speeds, in one unit."""
    row = {"task": task, "times stock": ours / stock}
    if bound is None:
        return row | {"bound, times stock": None, "share of the bound": None}
    return row | {"bound, times stock": bound / stock, "share of the bound": ours / bound}


def read(folder: Path, name: str) -> pd.DataFrame:
    return pd.DataFrame(json.loads((folder / f"{name}.json").read_text())["rows"])


def lstm(folder: Path) -> list[dict[str, float | str]]:
    """Compare the LSTM at each batch size, at stock's own batch; the bound is the full pass's."""
    found = []
    for batch, rows in read(folder, "lstm_training").groupby("batch"):
        rows = rows.set_index("loop")
        speed = rows["Msteps/s"]
        bound = speed["ours, full"] / rows["share of the bound"]["ours, full"]
        task = f"LSTM, step at batch {batch}, whole gradient"
        found.append(compare(task, speed["ours, full"], speed["stock"], bound))
    return found


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw how many times as fast as stock ours is, and the bound, on a logarithmic scale."""
    figure, ax = plt.subplots(figsize=(8, 0.5 * len(table) + 1.3), layout="constrained")
    ax.barh(table["task"], table["times stock"], color="C0", label="ours")
    ax.scatter(table["bound, times stock"], table["task"], marker="|", s=300, color="C3",
               label="bound of the machine", zorder=3)  # fmt: skip
    for number, times in enumerate(table["times stock"]):
        place = {"textcoords": "offset points", "va": "center", "ha": "right", "color": "white"}
        ax.annotate(f"{times:.3g}", (times, number), (-4, 0), **place)
    ax.axvline(1, color="black", linewidth=1)
    ax.set(xscale="log", xlabel="times as fast as stock", xlim=(0.5, None))
    ax.invert_yaxis()
    ax.legend(loc="lower right")
    figure.savefig(path, dpi=150)


def main() -> None:
    """Write ``summary.md``, ``.json`` and ``.png`` beside the benchmarks."""
    options = report.arguments(__doc__)
    rows = lstm(options.out)
    for source in SOURCES:
        speed = read(options.out, source.file).set_index(source.rows)[source.speed]
        bound = speed[source.bound] if source.bound else None
        rows.append(compare(source.task, speed[source.ours], speed[source.stock], bound))
    report.write(options.out, "summary", rows)
    draw(pd.DataFrame(rows), options.out / "summary.png")


if __name__ == "__main__":
    main()
