"""TensorFlow and Keras, imported quietly: ``from irmas_utils.project.backend import tf, keras``.

Every module takes the two from here. TensorFlow writes to file descriptor 2 whatever its log
level, so the descriptor itself is redirected while it is imported; if the import fails, what was
held back is shown. Later messages below "fatal" are off (set ``TF_CPP_MIN_LOG_LEVEL`` to see
them). The number of threads comes from ``TF_NUM_INTRAOP_THREADS`` and
``TF_NUM_INTEROP_THREADS``, or from ``OMP_NUM_THREADS`` where these are not set.
"""

import gc
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from irmas_utils.project.parallel import keep_freed_memory

__all__ = ["has_gpu", "keras", "set_determinism", "tf"]


def _prepare_environment() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Numbers depend on both; nobody's keras.json is read, and none is written.
    os.environ |= {"KERAS_BACKEND": "tensorflow", "KERAS_HOME": os.devnull}
    # Without this TensorFlow takes all the memory of a GPU at its first use.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    # oneDNN's convolutions take two thirds of the time, also where TensorFlow leaves them off.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if threads := os.environ.get("OMP_NUM_THREADS"):
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", threads)
        os.environ.setdefault("TF_NUM_INTEROP_THREADS", threads)


@contextmanager
def _importing() -> Iterator[None]:
    """Hold back what anything, C++ included, writes to file descriptor 2.

    And spare the garbage collector: none of a million new objects is garbage.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    gc.disable()
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(saved, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            gc.enable()


_prepare_environment()
keep_freed_memory()
with _importing(), warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import keras
    import tensorflow as tf

tf.get_logger().setLevel(logging.ERROR)


def set_determinism(seed: int) -> None:
    """Make what follows repeatable to the bit on one machine.

    Seeds Python, NumPy and Keras and asks TensorFlow for deterministic kernels. The number of
    threads is part of the machine: a sum split differently rounds differently.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def has_gpu() -> bool:
    """Whether TensorFlow computes on a GPU."""
    return bool(tf.config.list_logical_devices("GPU"))
