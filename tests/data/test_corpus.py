import shutil

import pytest

from irmas_utils.data import corpus
from irmas_utils.project import files, paths, settings


@pytest.fixture
def here(tiny_irmas, tmp_path, monkeypatch):
    monkeypatch.setenv("IRMAS_DATA", str(tiny_irmas))
    monkeypatch.setenv("IRMAS_CACHE", str(tmp_path / "cache"))
    return settings.load("smoke", corpus={"source": "irmas"})


def test_duplicates_are_looked_for_once(here, monkeypatch):
    first = corpus.load(here)
    monkeypatch.setattr(files, "digest", None)
    assert corpus.load(here).equals(first)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a": 1}', b'{"a": "1234"}'])
def test_damaged_digests_are_computed_anew(here, content):
    first = corpus.load(here)
    kept = paths.cache_root() / "digests.json"
    good = kept.read_text()
    kept.write_bytes(content)
    assert corpus.load(here).equals(first)
    assert kept.read_text() == good


def test_a_changed_file_is_looked_at_again(here):
    clips = corpus.load(here).query("split == 'training'")
    one, other = clips["path"].iloc[0], clips["path"].iloc[-1]
    assert clips["recording"].iloc[0] != clips["recording"].iloc[-1]
    shutil.copy(one, other)
    joined = corpus.load(here).set_index("path")["recording"]
    assert joined[one] == joined[other]
