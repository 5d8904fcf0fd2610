"""Claims about IRMAS, recomputed from the index of the complete set.

A check here takes the clips of the split that its claim is about.
"""

import functools

import pandas as pd

from irmas_utils.paper.claims.finding import Checks, Finding, register

CHECKS: Checks = {}
_check = functools.partial(register, CHECKS)

BYTES_PER_SAMPLE = 2  # 16 bits


@_check("training-clips")
@_check("testing-clips")
def _clips(clips: pd.DataFrame) -> Finding:
    return Finding(len(clips))


@_check("training-duration")
@_check("testing-duration")
def _durations(clips: pd.DataFrame) -> Finding:
    return Finding([float(clips["duration"].min()), float(clips["duration"].max())])


@_check("training-format")
@_check("testing-format")
def _format(clips: pd.DataFrame) -> Finding:
    values = [sorted({int(v) for v in clips[c]}) for c in ("sample_rate", "channels")]
    return Finding([v for column in values for v in column])


@_check("training-recordings")
def _recordings(clips: pd.DataFrame) -> Finding:
    names = clips["name"].str.replace(r"__\d+$", "", regex=True)
    return Finding(names.nunique(), comment="The makers of the set say more than 2000.")


@_check("training-instruments")
def _instruments(clips: pd.DataFrame) -> Finding:
    return Finding(clips["labels"].explode().nunique())


@_check("testing-multi-label")
def _multi_label(clips: pd.DataFrame) -> Finding:
    return Finding(bool((clips["labels"].map(len) > 1).any()))


@_check("testing-durations-differ")
def _durations_differ(clips: pd.DataFrame) -> Finding:
    return Finding(clips["duration"].nunique() > 1)


@_check("training-size")
@_check("testing-size")
def _size(clips: pd.DataFrame) -> Finding:
    samples = (clips["duration"] * clips["sample_rate"] * clips["channels"]).sum()
    gib = float(samples) * BYTES_PER_SAMPLE / 2**30
    return Finding(gib, comment=f"In GiB; {gib * 2**30 / 1e9:.2f} GB.")
