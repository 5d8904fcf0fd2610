import contextlib
import os
import shutil
import signal
import subprocess
import sys
import warnings

import matplotlib
import numpy as np
import pytest
import soundfile

from irmas_utils.data.sample import render
from irmas_utils.project import parallel, paths
from irmas_utils.project.vocabulary import INSTRUMENTS

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SHARED = paths.ROOT.parent / "shared"


@pytest.fixture(autouse=True)
def _process_as_it_was():
    """Set back what a test may leave of the whole process to all that follow it there."""
    folder, path, errors = os.getcwd(), [*sys.path], np.geterr()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    hooks = (sys.excepthook, sys.displayhook)
    with matplotlib.rc_context():
        yield
    os.chdir(folder)
    sys.path[:] = path
    np.seterr(**errors)
    sys.excepthook, sys.displayhook = hooks
    for each in handlers.items():  # which the command line sets
        signal.signal(*each)
    if plt := sys.modules.get("matplotlib.pyplot"):
        plt.close("all")
    if shell := sys.modules.get("IPython.core.interactiveshell"):
        shell.InteractiveShell.clear_instance()


@pytest.fixture(autouse=True)
def _own_folders(_process_as_it_was, tmp_path_factory, monkeypatch):
    """No test reads or writes the user's cache or results."""
    monkeypatch.setenv("IRMAS_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("IRMAS_RESULTS", str(tmp_path_factory.mktemp("results")))
    before = dict(os.environ)
    yield
    os.environ.clear()  # of what a command has settled
    os.environ.update(before)


@pytest.fixture
def no_warnings():
    """Turn the warnings that bad numbers give into errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("error", RuntimeWarning)
        yield


def write_clip(path, seconds=0.1, channels=2, rate=44100, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, (round(seconds * rate), channels))
    soundfile.write(str(path), noise, rate, subtype="PCM_16")
    return path


def write_irmas(root):
    """Two training recordings a class and three testing clips, all noise, in the IRMAS layout."""
    seed = 0
    for number, code in enumerate(INSTRUMENTS):
        for recording in range(2):
            for excerpt in (1, 2, 3):
                seed += 1
                name = f"{number:03d}__[{code}][nod][cla]{recording:04d}__{excerpt}.wav"
                write_clip(root / "IRMAS-TrainingData" / code / name, seed=seed)
    testing = root / "IRMAS-TestingData-Part1" / "Part1"
    for number, labels in enumerate([b"gel\t\n", b"voi\t\ngac\t\n", b"pia\t\n"], 1):
        write_clip(testing / f"01 - Sólo piano-{number}.wav", seed=1000 + number)
        (testing / f"01 - Sólo piano-{number}.txt").write_bytes(labels)
    return root


@contextlib.contextmanager
def noise_for_music():
    """Let sample corpora be rendered as noise, where only what becomes of the files matters."""

    def noise(piece, _):
        n_samples = round(piece.seconds * 44100)
        sound = np.random.default_rng(piece.noise_seed).standard_normal((n_samples, 2), np.float32)
        return sound / np.abs(sound).max()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render, "mixture", noise)
        patch.setattr(parallel, "cores", lambda: 1)  # another process would render music
        yield patch


@pytest.fixture
def tiny_irmas(tmp_path):
    """What `write_irmas` writes."""
    return write_irmas(tmp_path / "irmas")


@pytest.fixture
def real_clips():
    folder = SHARED / "irmas_real"
    if not folder.is_dir():
        pytest.skip("no real IRMAS clips at hand")
    return folder


def paper_cache(tmp_path_factory):
    """A cache for a paper, with the clips that were rendered and the code compiled for others."""
    cache, common = tmp_path_factory.mktemp("cache"), tmp_path_factory.getbasetemp()
    common = common.parent if "PYTEST_XDIST_WORKER" in os.environ else common
    for kept in ("sample", "soundfonts", "numba"):
        (common / kept).mkdir(exist_ok=True)
        (cache / kept).symlink_to(common / kept)
    return cache


@pytest.fixture(scope="session")
def site_pages(tmp_path_factory):
    """The site of the committed sample run, in a folder that it was moved to."""
    results = tmp_path_factory.mktemp("results")
    environment = {"PATH": "", "PYTHONPATH": str(paths.ROOT), "IRMAS_RESULTS": str(results),
                   "IRMAS_CACHE": str(tmp_path_factory.mktemp("cache"))}  # fmt: skip
    command = [sys.executable, "-m", "irmas_utils", "site", "sample"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return shutil.move(results / "sample" / "site", tmp_path_factory.mktemp("moved") / "site")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Begin with the files that take minutes: one must not be the last, with one core idle."""
    for item in items:
        if "site_pages" in item.fixturenames:  # all of them are made for whoever looks at one
            item.add_marker("slow")
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path.name != "test_workflow.py", item.path not in slow))
