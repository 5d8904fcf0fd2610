"""Write environment.yml: the direct dependencies, pinned as requirements.lock pins them."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PYTHON = "3.11"


def locked() -> dict[str, str]:
    """Return the version that requirements.lock pins for each package under `PYTHON`."""
    pins = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if re.match(r"[a-zA-Z0-9]", line):
            requirement = Requirement(line.rstrip("\\ "))
            environment = {"python_version": PYTHON, "python_full_version": f"{PYTHON}.0"}
            if requirement.marker is None or requirement.marker.evaluate(environment):
                pins[requirement.name] = str(requirement.specifier)
    return pins


def render() -> str:
    """Return the text of environment.yml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    names = [Requirement(text).name.replace("_", "-") for text in wanted]
    pins = locked()
    lines = "".join(f"      - {name}{pins[name]}\n" for name in names)
    return (
        "# Made by `make lock` from requirements.lock; the same versions for conda users.\n"
        "name: irmas-notebooks\nchannels:\n  - conda-forge\ndependencies:\n"
        f"  - python={PYTHON}\n  - pip\n  - pip:\n{lines}      - --editable .\n"
    )


if __name__ == "__main__":
    (ROOT / "environment.yml").write_text(render())
