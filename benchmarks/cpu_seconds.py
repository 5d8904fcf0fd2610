"""CPU seconds by cause of a whole ``make paper``, from nothing, in folders of its own.

Every process of the run is sampled (`sampler/`). A cause is a module of the package, with what it
calls, a package that is imported, or a program such as Snakemake.
``python benchmarks/cpu_seconds.py [--quick]``
"""

import collections
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import report

from irmas_utils.project import paths


def main() -> None:
    args = report.arguments(__doc__)
    profile = "smoke" if args.quick else "sample"
    with tempfile.TemporaryDirectory() as scratch:
        sampler = f"{paths.ROOT / 'benchmarks' / 'sampler'}:{os.environ.get('PYTHONPATH', '')}"
        folders = {"PYTHONPATH": sampler, "IRMAS_CPU_SECONDS": scratch}
        folders |= {key: f"{scratch}/{key}" for key in ("IRMAS_CACHE", "IRMAS_RESULTS")}
        started = time.perf_counter()
        command = [sys.executable, "-m", "irmas_utils", "paper", "--profile", profile]
        subprocess.run(command, env=os.environ | folders, check=True)
        wall, used = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        sums: collections.Counter = collections.Counter()
        for part in Path(scratch).glob("*.json"):
            sums.update(json.loads(part.read_text()))
    total = used.ru_utime + used.ru_stime
    rows = [{"cause": cause, "CPU s": s, "share": s / total} for cause, s in sums.most_common(40)]
    rest = total - sum(row["CPU s"] for row in rows)
    rows.append({"cause": "all else", "CPU s": rest, "share": rest / total})
    report.write(args.out, "cpu_seconds", rows, profile=profile, wall_s=wall, cpu_s=total)


if __name__ == "__main__":
    main()
