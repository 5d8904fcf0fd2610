"""Claims about IRMAS, recounted from the index of the complete set.

A check here takes the clips of the split that its claim is about. Without a complete set at hand
the official figures decide, which the ledger's formulas read.
"""

from collections.abc import Callable

import pandas as pd

from irmas_utils.audio import io
from irmas_utils.paper.claims.finding import Finding, fact

BYTES_PER_SAMPLE = 2  # 16 bits


def _format(clips: pd.DataFrame) -> list[int]:
    columns = (clips["sample_rate"], clips["channels"], clips["path"].map(bits))
    return [v for column in columns for v in sorted({*map(int, column)})]


def bits(path: str) -> int:
    """Return the bits of a sample that a file's header states; 0 if they are not of PCM."""
    with io.opened(path) as file:
        return int(file.subtype[4:]) if file.subtype.startswith("PCM_") else 0


def _recordings(clips: pd.DataFrame) -> Finding:
    groups = clips["name"].str.replace(r"__\d+$", "", regex=True).nunique()
    return Finding(groups, fact("irmas.training.n_recordings_official"), groups)


def _size(clips: pd.DataFrame) -> Finding:
    samples = (clips["duration"] * clips["sample_rate"] * clips["channels"]).sum()
    gib = float(samples) * BYTES_PER_SAMPLE / 2**30
    return Finding(gib, comment=f"In GiB; {gib * 2**30 / 1e9:.2f} GB.")


def _most_labels(clips: pd.DataFrame) -> int:
    return int(clips["labels"].map(len).max())


_BOTH = {
    "clips": len,
    "duration": lambda clips: clips["duration"].astype(float).agg(["min", "max"]).tolist(),
    "format": _format,
    "size": _size,
}
CHECKS: dict[str, Callable] = {
    **{f"{split}-{what}": _BOTH[what] for split in ("training", "testing") for what in _BOTH},
    "training-recordings": _recordings,
    "training-instruments": lambda clips: clips["labels"].explode().nunique(),
    "training-one-label": _most_labels,
    "testing-multi-label": _most_labels,
    "testing-durations-differ": lambda clips: float(
        clips["duration"].agg("max") - clips["duration"].min()
    ),
}
