"""A model card: what a saved model is, how good it is and what it is not for, in Markdown.

Every number is read from the model's own description.

References
----------
.. [1] Mitchell et al. (2019): Model cards for model reporting. FAT*.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from irmas_utils import INSTRUMENT_NAMES, INSTRUMENTS
from irmas_utils.systems import saved

_TEMPLATE = """\
# {name}

Names which of eleven instruments are predominant in a recording: {instruments}.

| | |
| --- | --- |
{facts}

## Training

{training}

## Scores

{scores}

## Decision

A window of {window:.2f} s every {hop:.2f} s; their scores are joined by `{aggregation}`; an
instrument is named where its score is above its threshold.

| instrument | threshold |
| --- | ---: |
{thresholds}

## Limits

* Trained for eleven instruments of western music; any other sound is scored as one of them.
* Scores are not calibrated probabilities.
* {licence}
{notes}"""


def write(path: str | Path) -> str:
    """Return the card of a saved model.

    Parameters
    ----------
    path : str or Path
        The ``.keras`` file.

    Raises
    ------
    ModelError
        As `systems.saved.describe`.
    """
    description = saved.describe(path)
    provenance, rate = description["provenance"], description["sample_rate"]
    values = zip(INSTRUMENTS, description["thresholds"], strict=True)
    return _TEMPLATE.format(
        name=provenance.get("name", Path(path).stem),
        instruments=", ".join(INSTRUMENT_NAMES.values()),
        facts=_table(_facts(description)),
        training=_headed({f"`{k}`": f"`{v}`" for k, v in provenance.get("settings", {}).items()}),
        scores=_scores(provenance),
        window=description["window"] / rate,
        hop=description["hop"] / rate,
        aggregation=description["aggregation"],
        thresholds=_table({INSTRUMENT_NAMES[code]: f"{value:.3f}" for code, value in values}),
        licence=provenance.get("licence", "No licence is recorded."),
        notes="".join(f"* {note}\n" for note in provenance.get("notes", [])),
    )


def _facts(description: Mapping[str, Any]) -> dict[str, Any]:
    provenance = description["provenance"]
    facts = {
        "file": f"`{description['model']}`",
        "SHA-256": f"`{description['sha256']}`",
        "input": f"mono, {description['sample_rate']} Hz",
    }
    keys = ("data", "notebook", "parameters", "start", "trained", "seed", "duration")
    facts |= {key: provenance[key] for key in keys if key in provenance}
    return facts | {"Keras": description["keras"]}


def _scores(provenance: Mapping[str, Any]) -> str:
    """Write a table of named scores, each a number or a value with its interval."""
    return _headed({name: _score(value) for name, value in provenance.get("metrics", {}).items()})


def _score(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{value['value']:.3f} (95 % interval {value['low']:.3f} to {value['high']:.3f})"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _headed(rows: Mapping[str, Any]) -> str:
    return f"| | |\n| --- | --- |\n{_table(rows)}" if rows else "Not recorded."


def _table(rows: Mapping[str, Any]) -> str:
    return "\n".join(f"| {key} | {value} |" for key, value in rows.items())
