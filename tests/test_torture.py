"""The suites of ``make torture``, in small: what comes of mutated input, and of disturbed runs."""

import os
import subprocess
import sys

import pytest

from irmas_utils.project import paths
from tools import faults, torture

pytestmark = pytest.mark.slow


def suite(module, *options):
    command = [sys.executable, "-m", f"tools.{module}", *options]
    done = subprocess.run(
        command, cwd=paths.ROOT, env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    return done.stdout


def test_mutated_input_is_a_right_result_or_an_error():
    said = suite("torture", "--scale", "0.002")
    assert all(surface in said for surface in torture.SURFACES)


def test_after_a_fault_a_run_ends_as_undisturbed():
    """Those that take seconds; ``make torture`` tries all."""
    tried = [*faults.ALONE, "Ctrl-C or SIGTERM", "read-only folder"]
    only = [word for fault in tried for word in ("--only", fault)]
    said = suite("faults", "--scale", "0.02", "--notebook", "02_data_preparation", *only)
    assert all(fault in said for fault in tried)
