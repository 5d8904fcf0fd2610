"""Bounds on what a hostile input may take."""

import resource
import time
from contextlib import contextmanager


@contextmanager
def bounded(seconds=5, megabytes=100):
    """Fail if the block takes longer, or makes the process's largest memory grow by more."""
    started, before = time.perf_counter(), _peak()
    yield
    assert _peak() - before < megabytes
    assert time.perf_counter() - started < seconds


def _peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
