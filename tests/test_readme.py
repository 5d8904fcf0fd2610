"""The README is short, its links lead somewhere, and its commands work as they are written."""

import os
import re
import subprocess

import pytest
from conftest import write_clip

from irmas_utils.project import paths

README = (paths.ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [paths.ROOT / "README.md", *sorted((paths.ROOT / "docs").glob("*.md"))]
LONG = {"make paper", "make test", "make data", "make paper PROFILE=full"}
"""Commands that take minutes to days; each is run in other tests, or by whoever has the data."""

COMMANDS = [
    line.partition("#")[0].strip()
    for block in re.findall(r"^```\n(.*?)^```", README, flags=re.M | re.S)
    for line in block.splitlines()
]


def test_it_takes_two_screens():
    assert len(README.split()) < 1000


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_and_pictures_are_there(page):
    text = page.read_text(encoding="utf-8")
    folder = paths.ROOT if page.name == "index.md" else page.parent  # where the site has it
    links = re.findall(
        r"\]\((?!https?:)([^)#\s]+)", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    )
    assert [link for link in links if not (folder / link).exists()] == []


def test_no_command_needs_a_program_that_is_not_on_the_path():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for command in re.findall(r"`(papermill|irmas|snakemake|jupyter|pytest|python) ", text):
            assert ".venv/bin/activate" in text, (page, command)


def test_the_commands_that_take_long_are_in_it():
    assert {*COMMANDS} >= LONG
    assert len({*COMMANDS} - LONG) >= 3


# The site, whose pages tests/site looks at, is not made twice in the short tier.
MARKS = {"make site": pytest.mark.slow}


@pytest.mark.parametrize(
    "command", [pytest.param(c, marks=MARKS.get(c, ())) for c in sorted({*COMMANDS} - LONG)]
)
def test_a_command_works_in_a_fresh_shell(command, tmp_path):
    for path in [*paths.ROOT.iterdir(), *(paths.ROOT / ".venv").iterdir()]:
        link = tmp_path / path.relative_to(paths.ROOT)
        if path.name not in (".venv", ".ready", "results", "recording.wav"):
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(path)
    (tmp_path / ".venv" / ".ready").touch()  # the tests' own environment is set up
    (tmp_path / "results").mkdir()
    write_clip(tmp_path / "recording.wav", seconds=3)
    names = ("PATH", "HOME", "IRMAS_CACHE", "IRMAS_RESULTS", "IRMAS_WEIGHTS")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=kept, capture_output=True, text=True, check=False
    )
    if "No pre-trained weights" in done.stderr:
        pytest.skip("the published weights cannot be had here")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout
