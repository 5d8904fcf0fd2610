"""The hyper-parameter studies: which runs there are, and tables of their results.

A study varies one parameter of notebook 03 or 04 around its study setting: an execution a value,
with all its seeds. The variants of notebook 07's networks are executed likewise. Notebooks:
05_lstm_hyperparameters.ipynb and 06_fft_hyperparameters.ipynb.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from irmas_utils.project import paths, records
from irmas_utils.project.settings import LstmChange, Settings, load
from irmas_utils.systems.networks import registry

NOTEBOOKS = {"lstm": "03_lstm_model", "fft": "04_fft_model"}
BASES = {"samples": "lstm-samples", "frames": "lstm-working"}
"""Runs that can hear, from which `study.lstm.causes` changes one thing each."""
CONSTANT_HEAD = paths.reference_dir("real") / "constant_head.csv"
"""Committed, written by ``benchmarks/constant_head.py``, which says what a row is."""


class Job(NamedTuple):
    """One execution: of which notebook, under which name, with what, after which jobs."""

    notebook: str
    run: str | None
    parameters: Mapping[str, Any]
    needs: tuple[str, ...] = ()

    def output(self, folder: Path) -> Path:
        """Where the executed notebook lies below a profile's results."""
        return records.executed(folder, self.notebook, self.run)


def runs(settings: Settings) -> dict[str, Job]:
    """Return every run of every study by its name, such as ``fft-batch_size-8``.

    All of a network's studies share the run of their base, ``lstm-base`` or ``fft-base``, which is
    there whether or not the values of a study name it.
    ``lstm-working`` is the LSTM that reads short frames, `BASES` has those that causes start from;
    variants such as ``han-wide`` come last.
    """
    found = {}
    for network, notebook in NOTEBOOKS.items():
        study = getattr(settings.study, network)
        base = {"seeds": settings.study.seeds} | study.base
        found[f"{network}-base"] = Job(notebook, f"{network}-base", base)
        for parameter, values in study.vary.items():
            for value in values:
                name = run_name(settings, network, parameter, value)
                found.setdefault(name, Job(notebook, name, base | {parameter: value}))
        if network == "lstm":
            found["lstm-working"] = Job(notebook, "lstm-working", base | study.working)
            found |= _causes(settings, base)
    for name in settings.networks.plans:  # a misspelt one is told of before anything slow begins
        registry.network(name, "networks.plans")
    for name in settings.networks.variants:
        network, change, _ = registry.variant(name)
        found[name] = Job(registry.NOTEBOOK, name, {"train": [network], "change": change})
    return found


def _causes(settings: Settings, base: dict[str, Any]) -> dict[str, Job]:
    """Return the runs that change one thing each in the LSTM, and what they start from."""
    study, found = settings.study.lstm, {}
    for name, (kind, key, value) in changes(settings).items():
        start = base | (study.working if kind == "frames" else {})
        start |= getattr(study.causes, kind).base
        other = LstmChange.of({key: value})
        change = {"change": other} if other else {key: value}
        found[BASES[kind]] = Job(NOTEBOOKS["lstm"], BASES[kind], start)
        found[name] = Job(NOTEBOOKS["lstm"], name, start | change)
    return found


def changes(settings: Settings) -> dict[str, tuple[str, str, Any]]:
    """Return what `study.lstm.causes` changes, by the run's name: key of `BASES`, key and value."""
    return {
        f"{BASES[kind]}-{key}-{_as_name(value)}": (kind, key, value)
        for kind in BASES
        for change in getattr(settings.study.lstm.causes, kind).changes
        for key, value in change.items()
    }


def describe(settings: Settings, network: str) -> str:
    """Say what a network's studies start from, and where that is not the paper's own run."""
    base, whole = settings.with_base(network), getattr(load("full"), network).model_dump()
    changes = [f"{k} {v} instead of {whole[k]}" for k, v in base.items() if v != whole[k]]
    narrowed = f" Not as in the paper's own run: {'; '.join(changes)}." if changes else ""
    setting = ", ".join(f"{key} {value}" for key, value in base.items())
    return f"Every study starts from: {setting}.{narrowed}"


def run_name(settings: Settings, network: str, parameter: str, value: Any) -> str:
    """Return the name that a run's results are kept under; it can be a file's name anywhere."""
    if value == settings.with_base(network)[parameter]:
        return f"{network}-base"
    return f"{network}-{parameter}-{_as_name(value)}"


def _as_name(value: Any) -> str:
    text = "x".join(map(str, value)) if isinstance(value, list) else str(value)
    if len(text) > 30 or not re.fullmatch(r"[\w.+-]+", text):
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    return text


def tables(settings: Settings, network: str) -> dict[str, pd.DataFrame]:
    """Read the results of each study of a network: parameter to `table`."""
    vary = getattr(settings.study, network).vary
    return {parameter: table(settings, network, parameter) for parameter in vary}


def table(settings: Settings, network: str, parameter: str) -> pd.DataFrame:
    """Read one study's results: a row a value and seed, as `rows`."""
    found = []
    for value in getattr(settings.study, network).vary[parameter]:
        shown = "–".join(map(str, value)) if isinstance(value, list) else value
        found.append(rows(settings, run_name(settings, network, parameter, value), shown))
    return pd.concat(found, ignore_index=True)


def rows(settings: Settings, run: str, value: Any) -> pd.DataFrame:
    """Read one run's results: a row a seed. Raises DataError if it has not been executed.

    Columns value, seed, micro F1, macro F1, LRAP, labels a clip, parameters, seconds (an epoch),
    memory MiB (peak), heard seconds and heard trained (before and after: notebook 03), base
    (whether this is the study's base setting), listens (whether the outputs are shown to depend on
    what sounds) and those of `metrics.evaluation.answers` and `metrics.dependence`.
    """
    from irmas_utils.metrics.tables import TITLES  # scipy takes a second, which no plan needs

    result = records.load_metrics(settings.profile, run)
    scores = {TITLES[key]: leaf["values"] for key, leaf in result["over_seeds"].items()}
    shared = {"value": value, "base": run.endswith("-base"), "parameters": result["n_parameters"]}
    shared |= {"seconds": result["seconds_per_epoch"], "memory MiB": result["memory_peak_mib"]}
    shared |= {"heard seconds": result.get("heard_seconds")}
    shared |= {"heard trained": result.get("heard_trained")}
    found = pd.DataFrame(result["answers"])
    return found.assign(listens=listening(result), **scores, **shared)


def listening(run: Mapping[str, Any]) -> list[bool]:
    """Say of each seed, by the metrics of a run of notebook 03 or 04, if it is shown to listen."""
    return [seed["information"] > seed["detectable"] for seed in run["answers"]]


def means(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return the mean scores of each value of a study over its seeds, ready for JSON."""
    from irmas_utils.metrics.tables import KEYS

    by_value = table.rename(columns=KEYS).groupby(table["value"].map(str), sort=False)
    return by_value[["micro_f1", "macro_f1", "lrap"]].mean().to_dict("index")


def closing(table: pd.DataFrame) -> str:
    """Say in a sentence which value of a study scores best, and what that gains over the base."""
    from irmas_utils.metrics import mean_interval

    by_seed = table.pivot(index="seed", columns="value", values="micro F1")
    base, best = [*table.loc[table["base"], "value"], None][0], by_seed.mean().idxmax()
    if base in (best, None):
        return f"**The highest mean micro F1 is that of {best}.**"
    gain = mean_interval(by_seed[best] - by_seed[base])
    one = "; one seed decides nothing"
    bounds = one if gain["low"] is None else f", {gain['low']:+.3f} to {gain['high']:+.3f}"
    return (
        f"**{best} has the highest mean micro F1, {gain['value']:+.3f} on the base's {base} (by "
        f"{len(by_seed)} seeds{bounds}).**"
    )


def history(settings: Settings, network: str, parameter: str, value: Any) -> pd.DataFrame:
    """Read the training history of one run of a study, all seeds. Raises as `rows`."""
    name = run_name(settings, network, parameter, value)
    return records.load_table(settings.profile, f"{name}_history")
