"""The lock, the conda environment and the package's metadata say the same."""

import importlib.util
import re

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
