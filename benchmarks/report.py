"""What the benchmark scripts share: a corpus, measuring time and memory, writing the table."""

import argparse
import os
import platform
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from irmas_utils.project import files as atomic
from irmas_utils.project import paths, records, settings
from irmas_utils.project.settings import Settings


def arguments(description: str) -> argparse.Namespace:
    """Read ``--quick`` and ``--out`` from the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="shorter input, fewer repeats")
    parser.add_argument("--out", type=Path, default=paths.results_root() / "benchmarks")
    return parser.parse_args()


def irmas_sized(quick: bool) -> Settings:
    """Return the sample profile with as many clips as IRMAS has; as it is when `quick`."""
    irmas = {"training_clips": 6705, "testing_clips": 2874}
    return settings.load("sample", corpus={} if quick else irmas)


def peak_mib() -> float:
    """Greatest resident memory of this process so far [MiB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def best_of_turns(tasks: dict[str, Callable[[], Any]], turns: int) -> dict[str, float]:
    """Run the tasks in turn, `turns` times each; the shortest time of each [s].

    Turns let all tasks share what else the machine is doing; the shortest time has least of it.
    """
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(turns):
        for name, task in tasks.items():
            started = time.perf_counter()
            task()
            times[name].append(time.perf_counter() - started)
    return {name: min(values) for name, values in times.items()}


def write(folder: Path, name: str, rows: list[dict[str, Any]], **context: Any) -> None:
    """Print the rows as a Markdown table; write it and the same as JSON into `folder`."""
    table = records.markdown(pd.DataFrame(rows), ".3g")
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(table, f"({machine}; {context})", sep="\n\n")
    atomic.write_text(folder / f"{name}.md", table + "\n")
    value = {"benchmark": name, "machine": machine, **context, "rows": rows}
    atomic.write_json(folder / f"{name}.json", value)
