"""CPU seconds by cause of a whole ``make paper``, from nothing, in a copy of the project.

Every process of the run is sampled (`sampler/`, which Python finds in the copy's root). A cause
is a module of the package, with what it calls, a package that is imported, or a program such as
Snakemake.
``python benchmarks/cpu_seconds.py [--quick]``
"""

import collections
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import report

from irmas_utils.project import paths


def unneeded(folder: str, names: list[str]) -> set[str]:
    """Say what of a folder a bare clone has not."""
    made = {".venv", ".git", ".cache", ".snakemake"}
    return {*names} & (made | {"smoke", "sample", "full"} if folder.endswith("results") else made)


def main() -> None:
    args = report.arguments(__doc__)
    profile = "smoke" if args.quick else "sample"
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "project"
        shutil.copytree(paths.ROOT, copy, ignore=unneeded)
        shutil.copy(Path(__file__).parent / "sampler" / "sitecustomize.py", copy)
        folders = {"PYTHONPATH": str(copy), "IRMAS_CPU_SECONDS": scratch}
        started = time.perf_counter()
        command = [sys.executable, "-m", "irmas_utils", "paper", "--profile", profile]
        subprocess.run(command, env=os.environ | folders, cwd=copy, check=True)
        wall, used = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        sums: collections.Counter = collections.Counter()
        for part in Path(scratch).glob("*.json"):
            sums.update(json.loads(part.read_text()))
    total = used.ru_utime + used.ru_stime
    rows = [{"cause": cause, "CPU s": s, "share": s / total} for cause, s in sums.most_common(20)]
    rest = total - sum(row["CPU s"] for row in rows)
    rows.append({"cause": "all else", "CPU s": rest, "share": rest / total})
    report.write(args.out, "cpu_seconds", rows, profile=profile, wall_s=wall, cpu_s=total)


if __name__ == "__main__":
    main()
