"""Work spread over the cores, one process each."""

import ctypes
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from typing import TypeVar

import threadpoolctl

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Return the number of cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def threads() -> int:
    """As many as TensorFlow was asked to use (see `project.backend`), else one a core."""
    return int(os.environ.get("TF_NUM_INTRAOP_THREADS") or 0) or cores()


def keep_freed_memory() -> None:
    """Ask glibc to keep what is freed, up to a bound: fresh memory is half a spectrum's time."""
    trim_threshold, mmap_threshold = -1, -3  # of malloc.h
    with suppress(AttributeError, OSError, TypeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(trim_threshold, 64 * 2**20)
        libc.mallopt(mmap_threshold, 32 * 2**20)


def run(
    function: Callable[[Item], Result], items: Iterable[Item], jobs: int, chunk: int = 8
) -> Iterator[Result]:
    """Yield ``function(item)`` for each item, in their order, from up to `jobs` processes.

    Each has a single BLAS thread and gets `chunk` items at a time. So few items that a process
    would take longer to start than to do its share are done here; else `function` must be
    importable. Its first exception ends all.
    """
    items = list(items)
    keep_freed_memory()
    if min(jobs, len(items) // (4 * chunk)) < 2:
        with threadpoolctl.threadpool_limits(1):
            yield from map(function, items)
        return
    context = multiprocessing.get_context("spawn")  # forking a TensorFlow process hangs
    with ProcessPoolExecutor(jobs, context, initializer=_start_worker) as pool:
        try:
            yield from pool.map(function, items, chunksize=chunk)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _start_worker() -> None:
    keep_freed_memory()
    import scipy.linalg  # noqa: F401 - only a BLAS that is loaded can be limited

    threadpoolctl.threadpool_limits(1)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """End this worker when its parent is killed: an orphan would wait for work for ever."""
    multiprocessing.parent_process().join()
    os._exit(1)
