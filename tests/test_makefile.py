"""What make hands to the shell is what was given to make; what it installs is in the lock."""

import re
import shlex
import shutil
import subprocess
import tomllib

import pytest

from irmas_utils.project import paths

LOCK = (paths.ROOT / "requirements.lock").read_text()

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="there is no make")


def recipe(*arguments):
    """The commands that make would run, as words."""
    command = ["make", "--no-print-directory", "--dry-run", *arguments]
    done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=True)
    return [shlex.split(line) for line in done.stdout.replace("\\\n", " ").splitlines()]


@pytest.mark.parametrize("target", ["paper", "notebook", "figure", "estimate"])
def test_a_value_reaches_a_command_as_one_word(target):
    odd = 'it\'s $(touch x) `y` $HOME "b" #1 & {2}; %.yaml'
    arguments = [target, "--old-file=.venv/.ready", f"PROFILE={odd}", f"NAME={odd}", "CORES=2"]
    (words,) = recipe(*arguments)
    assert words[:4] == [
        ".venv/bin/python",
        "-m",
        "irmas_utils",
        target.replace("notebook", "paper"),
    ]
    assert words.count(odd) == (1 if target in ("paper", "estimate") else 2)
    assert words[words.index("--profile") + 1] == odd


def test_what_is_installed_first_is_pinned_by_hash_and_builds_the_package():
    commands = recipe("--always-make", "setup")
    (extract,) = (words for words in commands if words[0] == "sed")
    lines = subprocess.run(extract[:4], cwd=paths.ROOT, capture_output=True, text=True).stdout
    assert re.match(r"uv==\S+ \\\n( +--hash=sha256:\w{64}( \\)?\n)+\Z", lines)
    assert lines in LOCK
    installs = [words for words in commands if "install" in words or "sync" in words]
    assert all("--require-hashes" in words or "--offline" in words for words in installs)
    assert "--no-build-isolation" in installs[-1]
    build = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())["build-system"]
    assert build["build-backend"] == "uv_build"  # which is part of uv


def test_the_folder_of_real_clips_reaches_its_command_as_one_word():
    odd = "my clips $(touch x)"
    (words,) = recipe("reference-real", "--old-file=.venv/.ready", f"CLIPS={odd}")
    assert words[1:] == ["-m", "tools.real_reference", "run", "--clips", odd]
    (words,) = recipe("reference-real", "--old-file=.venv/.ready", "OPTIONS=--commit")
    assert words[1:] == ["-m", "tools.real_reference", "run", "--commit"]
