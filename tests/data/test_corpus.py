import shutil

import pytest

from irmas_utils.data import corpus, integrity
from irmas_utils.project import settings


@pytest.fixture
def here(tiny_irmas, tmp_path, monkeypatch):
    monkeypatch.setenv("IRMAS_DATA", str(tiny_irmas))
    monkeypatch.setenv("IRMAS_CACHE", str(tmp_path / "cache"))
    return settings.load("smoke", corpus={"source": "irmas"})


def test_duplicates_are_looked_for_once(here, monkeypatch):
    first = corpus.load(here)
    monkeypatch.setattr(integrity, "find_duplicates", None)
    assert corpus.load(here).equals(first)


def test_a_changed_file_is_looked_at_again(here):
    clips = corpus.load(here).query("split == 'training'")
    one, other = clips["path"].iloc[0], clips["path"].iloc[-1]
    assert clips["recording"].iloc[0] != clips["recording"].iloc[-1]
    shutil.copy(one, other)
    joined = corpus.load(here).set_index("path")["recording"]
    assert joined[one] == joined[other]
