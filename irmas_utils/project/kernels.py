"""Kernels that outlive a notebook: those of one run of the paper.

A kernel that starts and imports TensorFlow takes longer than most notebooks of a study, so that a
run keeps a few (`kept`), and each notebook borrows one (`lent`). A kernel is renewed before that:
nothing that a notebook has made reaches the next, whose results are the same to the bit.
"""

import contextlib
import ctypes
import fcntl
import gc
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from irmas_utils.project import paths

FOLDER = "IRMAS_KERNELS"
"""Environment variable: where the kernels of the run are found."""

# A kernel warns that local sockets are not encrypted, and complains when it is stopped.
OPTIONS = ("--IPKernelApp.log_level=50", "--HistoryManager.enabled=False")
_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR")


def sockets() -> tempfile.TemporaryDirectory:
    """Make a folder for sockets, whose paths may have a hundred characters at most."""
    short = None if len(os.fsencode(tempfile.gettempdir())) < 60 else "/tmp"
    return tempfile.TemporaryDirectory(prefix="irmas-", dir=short)


@contextlib.contextmanager
def kept(count: int, log: Path, environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Keep kernels of a thread each while a run lasts, noise to `log`: `lent`'s environment."""
    from jupyter_client.manager import KernelManager

    own = {f"{library}_NUM_THREADS": "1" for library in _THREADS} | {"IRMAS_BATCH": "1"}
    with contextlib.ExitStack() as stack, log.open("ab") as output:
        folder = stack.enter_context(sockets())
        for number in range(count):
            file = f"{folder}/{number}"
            kernel = KernelManager(transport="ipc", connection_file=f"{file}.json")
            streams = {"stdout": output, "stderr": output, "extra_arguments": [*OPTIONS]}
            kernel.start_kernel(cwd=paths.NOTEBOOKS, env={**environment, **own}, **streams)
            stack.callback(kernel.shutdown_kernel, now=True)
            Path(f"{file}.pid").write_text(str(kernel.provisioner.pid))
        yield {**environment, FOLDER: folder}


@contextlib.contextmanager
def lent() -> Iterator[dict]:
    """Borrow an idle kernel of the run: papermill's options for it, none if none answers."""
    for file in sorted(Path(os.environ.get(FOLDER, "/nowhere")).glob("*.pid")):
        with file.open() as lock, contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if kernel := _renewed(file.with_suffix(".json"), int(lock.read())):
                yield {"km": kernel}
                return
    yield {}


def _renewed(connection: Path, pid: int):
    """Return a manager of the kernel for papermill, or None if the kernel is of no use."""
    from jupyter_client.manager import AsyncKernelManager

    class Borrowed(AsyncKernelManager):
        has_kernel = True

        async def is_alive(self) -> bool:
            return _alive(pid)

        _async_is_alive = is_alive  # what a client asks, while a cell is at work

        async def shutdown_kernel(self, now: bool = False, restart: bool = False) -> None:
            # Only an interrupted execution comes here, and leaves the kernel at work.
            psutil.Process(pid).kill()

        async def cleanup_resources(self, restart: bool = False) -> None:
            """Leave the sockets to the run."""

    if not _alive(pid):
        return None
    manager = Borrowed(connection_file=str(connection), owns_kernel=False)
    manager.load_connection_file()
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=120)
        client.execute_interactive(f"import {__name__} as k; k.renew()", silent=True, timeout=60)
    except (RuntimeError, TimeoutError):
        return None
    finally:
        client.stop_channels()
    return manager


def _alive(pid: int) -> bool:
    """A kernel that has died stays a zombie until its run ends."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def renew() -> None:
    """Forget, inside a kernel, all that the notebook before has made."""
    from IPython import get_ipython

    shell = get_ipython()
    of_module = {name: value for name, value in shell.user_ns.items() if name.startswith("__")}
    shell.reset(new_session=True)
    shell.user_ns |= of_module  # multiprocessing looks for the module's ``__spec__``
    if plt := sys.modules.get("matplotlib.pyplot"):
        plt.close("all")
    if keras := sys.modules.get("keras"):
        keras.backend.clear_session(free_memory=False)
    gc.collect()
    gc.freeze()  # a million objects of imported modules need not be looked at again
    lower_peak()


def lower_peak() -> None:
    """Let the peak of this process's memory begin anew, where there is glibc and /proc."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
