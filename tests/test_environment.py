"""The lock, the conda environment, Binder's and all metadata say the same."""

import importlib.util
import json
import re
import tomllib

import yaml

from irmas_utils.project import paths

spec = importlib.util.spec_from_file_location("environment", paths.ROOT / "tools/environment.py")
environment = importlib.util.module_from_spec(spec)
spec.loader.exec_module(environment)

LOCK = (paths.ROOT / "requirements.lock").read_text()


def test_environment_has_the_pins_of_the_lock():
    assert (paths.ROOT / "environment.yml").read_text() == environment.render()


def test_every_pin_has_a_hash_and_none_an_address():
    pins = re.findall(r"^[a-z0-9].*?(?=^[a-z0-9]|\Z)", LOCK, flags=re.M | re.S)
    assert len(pins) > 100
    assert all("==" in pin and "--hash=sha256:" in pin for pin in pins)
    assert not re.search(r"://|--index-url|--extra-index-url|--find-links", LOCK)


def test_binder_installs_the_lock():
    folder = paths.ROOT / "binder"
    assert (folder / "requirements.txt").read_text().split() == [
        "--require-hashes", "-r", "../requirements.lock"]  # fmt: skip
    assert (folder / "runtime.txt").read_text() == f"python-{environment.PYTHON}\n"
    assert (folder / "postBuild").stat().st_mode & 0o111


def test_what_is_said_for_citing_agrees():
    cited = yaml.safe_load((paths.ROOT / "CITATION.cff").read_text())
    archived = json.loads((paths.ROOT / ".zenodo.json").read_text())
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())["project"]
    assert cited["title"] == archived["title"]
    assert cited["version"] == archived["version"] == project["version"]
    assert cited["license"].lower() == archived["license"] == project["license"].lower()
    for work in cited["references"]:
        assert any(work["title"] in text for text in archived["references"])
        assert work["title"] in (paths.ROOT / "docs" / "references.bib").read_text()


def test_workflows_can_be_read_and_give_no_more_rights_than_they_need():
    for path in (paths.ROOT / ".github" / "workflows").glob("*.yml"):
        workflow = yaml.safe_load(path.read_text())
        assert workflow["permissions"]["contents"] == "read"
        assert all(job["timeout-minutes"] <= 20 for job in workflow["jobs"].values())
