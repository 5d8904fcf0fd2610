"""Jobs of the smoke paper through a real Slurm on this machine, set up for the test."""

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import paper_cache

from irmas_utils.project import paths
from tools import reference

GOLDEN = paths.ROOT / "tests" / "golden" / "smoke"
CONFIGURATION = Path("/etc/slurm/slurm.conf")  # jobs do not inherit SLURM_CONF
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
JOBS = ("lstm-base", "lstm-units-2")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(shutil.which(name) is None for name in PROGRAMS) or os.getuid() != 0,
        reason="no Slurm that may be started",
    ),
    pytest.mark.skipif(
        importlib.util.find_spec("snakemake_executor_plugin_slurm") is None,
        reason="no plugin for Slurm",
    ),
    pytest.mark.skipif(CONFIGURATION.exists(), reason="there is a Slurm already"),
]

SETTINGS = """\
ClusterName=irmas
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=20000
PartitionName=paper Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def until(condition, seconds):
    """Wait for a condition; whether it came true in time."""
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.5)
    return found


def told(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def munge():
    """Start what Slurm's parts know each other by, unless it runs."""
    if told("munge", "-n"):
        return None
    key = Path("/etc/munge/munge.key")
    for folder in ("/etc/munge", "/run/munge", "/var/log/munge", "/var/lib/munge"):
        Path(folder).mkdir(exist_ok=True)
        shutil.chown(folder, "munge", "munge")
    if not key.exists():
        key.write_bytes(os.urandom(1024))
    shutil.chown(key, "munge", "munge")
    key.chmod(0o400)
    return subprocess.Popen(
        ["munged", "--foreground"], user="munge", group="munge", extra_groups=[]
    )


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """A cluster of one node; ends with the tests."""
    folder, host = tmp_path_factory.mktemp("slurm"), socket.gethostname().partition(".")[0]
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    started = [munge()]
    CONFIGURATION.parent.mkdir(exist_ok=True)
    CONFIGURATION.write_text(SETTINGS.format(host=host, folder=folder))
    try:
        assert until(lambda: told("munge", "-n"), 20)
        started += [subprocess.Popen([name, "-D"]) for name in ("slurmctld", "slurmd")]
        assert until(lambda: "idle" in told("sinfo"), 60), told("sinfo")
        yield
    finally:
        for process in filter(None, reversed(started)):
            process.terminate()
            process.wait()
        CONFIGURATION.unlink()


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    results = tmp_path_factory.mktemp("results")
    folders = {
        "IRMAS_CACHE": str(paper_cache(tmp_path_factory)),
        "IRMAS_RESULTS": str(results),
    }
    return dict(os.environ) | folders


def submitted(environment, names, *options):
    """Start some jobs of the smoke paper, of which nothing is known that was not asked for."""
    command = [sys.executable, "-m", "irmas_utils", "paper", "--profile", "smoke"]
    command += ["--cluster", "slurm", "--slurm-status-command", "squeue", "--latency-wait", "10"]
    command += ["--slurm-init-seconds-before-status-checks", "2", *options]
    command += [word for name in names for word in ("--notebook", name)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=paths.ROOT, env=environment, **streams)


def running(name):
    """The number of the Slurm job that runs a rule, if there is one."""
    rows = told("squeue", "--noheader", "--format=%i %T %k").splitlines()
    return next((row.split()[0] for row in rows if f"RUNNING rule_{name}" in row), None)


def test_jobs_that_are_cancelled_or_need_more_memory_are_tried_again(slurm, environment, tmp_path):
    first, second = JOBS
    small = f"{second}:mem_mb=150*attempt*attempt*attempt*attempt"
    with submitted(environment, JOBS, "--set-resources", small) as process:
        number = until(lambda: running(first), 900)
        assert number, told("squeue")
        time.sleep(3)
        told("scancel", number)
        said = process.communicate(timeout=1800)[0]
    assert process.returncode == 0, said
    for name in JOBS:
        assert re.search(rf"Error in rule {name}:.*SLURM-job '\d+' failed", said, re.S), said
        assert re.search(rf"Finished jobid: \d+ \(Rule: {name}\)", said), said
    assert "Trying to restart job" in said
    metrics = Path(environment["IRMAS_RESULTS"]) / "smoke" / "metrics"
    assert {path.stem for path in metrics.iterdir()} == {*JOBS}
    golden = tmp_path / "metrics"
    golden.mkdir()
    for name in JOBS:
        shutil.copy(GOLDEN / "metrics" / f"{name}.json", golden)
    assert reference.differences(metrics.parent, tmp_path) == []


def test_a_job_that_never_gets_enough_is_named(slurm, environment):
    options = "--retries", "0", "--set-resources", f"{JOBS[0]}:mem_mb=50", "--force"
    with submitted(environment, JOBS[:1], *options) as process:
        said = process.communicate(timeout=900)[0]
    assert process.returncode == 1
    assert re.search(rf"Error in rule {JOBS[0]}:.*SLURM-job '\d+' failed", said, re.S), said
    assert "Stopped. What was finished is kept in" in said


@pytest.mark.skipif("IRMAS_TEST_WHOLE" not in os.environ, reason="a quarter of an hour, by hand")
def test_the_whole_smoke_paper_has_the_metrics_that_it_has_on_this_machine(slurm, environment):
    with submitted(environment, ()) as process:
        said = process.communicate(timeout=3600)[0]
    assert process.returncode == 0, said
    assert reference.differences(Path(environment["IRMAS_RESULTS"]) / "smoke", GOLDEN) == []
