"""Claims about IRMAS, recomputed from the index of the complete set.

A check here takes the clips of the split that its claim is about.
"""

import pandas as pd

from irmas_utils.paper.claims.finding import Checks, Finding

BYTES_PER_SAMPLE = 2  # 16 bits


def _format(clips: pd.DataFrame) -> Finding:
    columns = (clips["sample_rate"], clips["channels"])
    return Finding([v for column in columns for v in sorted({*map(int, column)})])


def _recordings(clips: pd.DataFrame) -> Finding:
    names = clips["name"].str.replace(r"__\d+$", "", regex=True)
    return Finding(names.nunique(), comment="The makers of the set say more than 2000.")


def _size(clips: pd.DataFrame) -> Finding:
    samples = (clips["duration"] * clips["sample_rate"] * clips["channels"]).sum()
    gib = float(samples) * BYTES_PER_SAMPLE / 2**30
    return Finding(gib, comment=f"In GiB; {gib * 2**30 / 1e9:.2f} GB.")


_BOTH = {
    "clips": lambda clips: Finding(len(clips)),
    "duration": lambda clips: Finding(clips["duration"].astype(float).agg(["min", "max"]).tolist()),
    "format": _format,
    "size": _size,
}
CHECKS: Checks = {
    **{f"{split}-{what}": _BOTH[what] for split in ("training", "testing") for what in _BOTH},
    "training-recordings": _recordings,
    "training-instruments": lambda clips: Finding(clips["labels"].explode().nunique()),
    "testing-multi-label": lambda clips: Finding(bool((clips["labels"].map(len) > 1).any())),
    "testing-durations-differ": lambda clips: Finding(clips["duration"].nunique() > 1),
}
