"""Bounds on what a hostile input may take."""

import resource
import time
from contextlib import contextmanager


@contextmanager
def bounded(seconds=5, megabytes=100):
    """Fail if the block computes for longer, or makes the process's largest memory grow by more.

    The processor's time counts, not the clock's, which a busy machine lengthens.
    """
    started, before = time.process_time(), _peak()
    yield
    assert _peak() - before < megabytes
    assert time.process_time() - started < seconds


def _peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
