"""What docs/adding.md says of adding a model, carried out to the letter in a clone."""

import os
import re
import subprocess
import sys

import pytest

from irmas_utils.project import paths, records

pytestmark = pytest.mark.long

PAGE = (paths.ROOT / "docs" / "adding.md").read_text(encoding="utf-8")


def blocks(section):
    """The code blocks of a section of the page."""
    text = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```\w*\n(.*?)^```", text, flags=re.M | re.S)


def test_the_model_of_the_page_gets_a_row_in_the_comparison(tmp_path, monkeypatch):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", paths.ROOT, clone], check=True)
    module, line, *_ = blocks("A model")
    file = re.match(r"# (\S+)\n", module)[1]
    (clone / file).write_text(module)
    registry = clone / "irmas_utils/systems/networks/registry.py"
    text = registry.read_text()
    registry.write_text(text.replace("NETWORKS = {\n", f"NETWORKS = {{\n{line}", 1))
    profile = tmp_path / "mine.yaml"
    profile.write_text("extends: smoke\nnetworks:\n  plans:\n    spectrum: {epochs: 1}\n")

    environment = dict(os.environ) | {"PYTHONPATH": str(clone), "IRMAS_WEIGHTS": str(tmp_path)}
    command = [sys.executable, "-m", "irmas_utils", "paper", "--profile", str(profile)]
    done = subprocess.run(
        [*command, "--notebook", "09"],
        cwd=clone, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert records.load_metrics("mine", "spectrum")["evaluation"]["n_clips"] == 11
    table = records.load_table("mine", "comparison")
    assert "mean spectrum" in set(table["system"])
