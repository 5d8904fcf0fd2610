"""The hyper-parameter studies: which runs there are, and tables of their results.

A study varies one parameter of notebook 03 or 04 around that notebook's study setting. Each value
is one execution of the notebook, with all its seeds, so a value that is added to a profile means
one more execution. The variants of notebook 07's networks are executed
likewise. Notebooks: 05_lstm_hyperparameters.ipynb and 06_fft_hyperparameters.ipynb.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from irmas_utils.project import records
from irmas_utils.project.settings import Settings, load
from irmas_utils.project.vocabulary import INSTRUMENTS
from irmas_utils.systems.networks import registry

NOTEBOOKS = {"lstm": "03_lstm_model", "fft": "04_fft_model"}


class Run(NamedTuple):
    """One execution: of which notebook, with which parameters besides profile and run."""

    notebook: str
    parameters: dict[str, Any]


def runs(settings: Settings) -> dict[str, Run]:
    """Return every run of every study by its name, such as ``fft-batch_size-8``.

    A value that is the study's base value has no run of its own: all of a model's studies share
    the run ``lstm-base`` or ``fft-base``. ``lstm-working`` is the LSTM that reads short frames.
    The variants of notebook 07's networks come last, under names such as ``han-wide``.
    """
    found = {}
    for model, notebook in NOTEBOOKS.items():
        for parameter, values in varied(settings, model).items():
            for value in values:
                name = run_name(settings, model, parameter, value)
                found[name] = Run(notebook, _changed(settings, model) | {parameter: value})
    working = _changed(settings, "lstm") | settings.study.lstm.working
    found["lstm-working"] = Run(NOTEBOOKS["lstm"], working)
    for name in settings.networks.variants:
        network, change, _ = registry.variant(name)
        found[name] = Run(registry.NOTEBOOK, {"train": [network], "change": change})
    return found


def base(settings: Settings, model: str) -> dict[str, Any]:
    """Return the settings of a model that its studies start from."""
    return settings.with_base(model)


def _changed(settings: Settings, model: str) -> dict[str, Any]:
    """Return the parameters of a model's notebook that make its studies' base."""
    return {"seeds": settings.study.seeds} | getattr(settings.study, model).base


def varied(settings: Settings, model: str) -> dict[str, list[Any]]:
    """Return the values that each parameter of a model takes in its study."""
    return getattr(settings.study, model).vary


def narrowed(settings: Settings, model: str) -> str:
    """Say in what a profile's studies are smaller than the full profile's; nothing if in none."""
    whole = base(load("full"), model)
    changes = [
        f"{key} {value} instead of {whole[key]}"
        for key, value in base(settings, model).items()
        if value != whole[key]
    ]
    return f"Narrowed in this profile: {'; '.join(changes)}." if changes else ""


def run_name(settings: Settings, model: str, parameter: str, value: Any) -> str:
    """Return the name that a run's results are kept under; it can be a file's name anywhere."""
    if value == base(settings, model)[parameter]:
        return f"{model}-base"
    text = "x".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"{model}-{parameter}-{text}"


def table(settings: Settings, model: str, parameter: str) -> pd.DataFrame:
    """Read a study's results: a row a value and seed.

    Returns
    -------
    pandas.DataFrame
        Columns as in `rows`.

    Raises
    ------
    DataError
        If a run of the study has not been executed.
    """
    return pd.concat(
        [
            rows(
                settings,
                run_name(settings, model, parameter, value),
                "–".join(map(str, value)) if isinstance(value, list) else value,
            )
            for value in varied(settings, model)[parameter]
        ],
        ignore_index=True,
    )


def rows(settings: Settings, run: str, value: Any) -> pd.DataFrame:
    """Read one run's results: a row a seed.

    Returns
    -------
    pandas.DataFrame
        Columns value, seed, micro F1, macro F1, LRAP, labels a clip, parameters, seconds (an
        epoch), memory MiB (peak), heard seconds (see notebook 03), base (whether this is the
        study's base setting) and those of `metrics.tables.answers`.

    Raises
    ------
    DataError
        If the run has not been executed.
    """
    result = records.load_metrics(settings.profile, run)
    scores = {name: leaf["values"] for name, leaf in result["over_seeds"].items()}
    shared = {
        "value": value,
        "base": run.endswith("-base"),
        "parameters": result["n_parameters"],
        "seconds": result["seconds_per_epoch"],
        "memory MiB": result["memory_peak_mib"],
        "heard seconds": result.get("heard_seconds"),
    }
    return pd.DataFrame(result["answers"]).assign(**scores, **shared)


def means(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return the mean scores of each value of a study over its seeds, ready for JSON."""
    grouped = table.groupby(table["value"].map(str), sort=False)[["micro F1", "macro F1", "LRAP"]]
    return grouped.mean().to_dict("index")


def codes(on: np.ndarray) -> str:
    """Write a label vector, (11,), as its codes."""
    return " ".join(code for code, is_on in zip(INSTRUMENTS, on, strict=True) if is_on)


def history(settings: Settings, model: str, parameter: str, value: Any) -> pd.DataFrame:
    """Read the training history of one run of a study, all seeds. Raises as `table`."""
    name = run_name(settings, model, parameter, value)
    return records.load_table(settings.profile, f"{name}_history")
