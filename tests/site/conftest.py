import sys

import pytest

from irmas_utils.project import paths

sys.path.insert(0, str(paths.ROOT / "docs" / "_ext"))


@pytest.fixture(autouse=True)
def _quick_imports(monkeypatch):
    """As in docs/conf.py: without it nbformat takes seconds to import."""
    if "rfc3987_syntax" not in sys.modules:
        monkeypatch.setitem(sys.modules, "rfc3987_syntax", None)
