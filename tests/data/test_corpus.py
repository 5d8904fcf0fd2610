import shutil

import numpy as np
import pytest

from irmas_utils.data import corpus, index, integrity
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


def test_what_two_add_to_the_digests_at_a_time_is_all_kept(here, monkeypatch):
    index, kept = corpus.load(here), paths.cache_root() / "digests.json"
    whole = files.read_sealed(kept)
    kept.unlink()
    plain, meanwhile = files.digest, []

    def slow(path):
        if not meanwhile:  # another process looks at other clips, while this one looks at its own
            meanwhile.append(path)
            integrity.digests(index[20:])
        return plain(path)

    monkeypatch.setattr(files, "digest", slow)
    integrity.digests(index[:30])
    assert files.read_sealed(kept) == whole


def test_one_flipped_bit_of_the_digests_changes_no_fingerprint(here, capsys):
    first, kept = corpus.load(here), paths.cache_root() / "digests.json"
    whole, rng = kept.read_bytes(), np.random.default_rng(0)
    for _ in range(20):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        kept.write_bytes(damaged)
        assert index.fingerprint(corpus.load(here)) == index.fingerprint(first)
        assert kept.read_bytes() == whole
        said = capsys.readouterr().out.splitlines()
        assert said == [f"{kept} is made again: {kept} is not what was written"]


SMALL = settings.load("smoke", corpus={"training_clips": 11, "testing_clips": 11})


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    cache = tmp_path_factory.mktemp("rendered")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IRMAS_CACHE", str(cache))
        return corpus.folder(SMALL)


DAMAGE = {
    "a flipped bit": lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"),
    "a cut": lambda path: path.write_bytes(path.read_bytes()[:-3]),
    "a deletion": lambda path: path.unlink(),
    "another beside it": lambda path: shutil.copy(path, path.with_name(f"a{path.name}")),
}


@pytest.mark.parametrize("pattern", ["*.wav", "*-1.txt", "SAMPLE*.json"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_of_a_rendered_clip_is_noticed(rendered, monkeypatch, tmp_path, pattern, damage):
    monkeypatch.setenv("IRMAS_CACHE", str(tmp_path))
    root = shutil.copytree(rendered, tmp_path / "sample" / rendered.name)
    seal = shutil.copy(rendered.with_name(f"{rendered.name}.json"), root.parent)
    assert corpus._altered(root, seal) == []
    DAMAGE[damage](path := sorted(root.rglob(pattern))[-1])
    (name,) = corpus._altered(root, seal)
    assert path.name in name.encode().decode("unicode_escape")


def test_a_sample_corpus_is_what_was_rendered(rendered, monkeypatch, capsys):
    monkeypatch.setenv("IRMAS_CACHE", str(rendered.parent.parent))
    first, told = corpus.load(SMALL), sorted(rendered.rglob("*.wav"))[0]
    whole = told.read_bytes()
    capsys.readouterr()
    DAMAGE["a flipped bit"](told)
    assert corpus.folder(SMALL) == rendered
    assert told.read_bytes() == whole
    (said,) = capsys.readouterr().out.splitlines()
    assert f"is rendered again: '{told.relative_to(rendered)}' is not what was rendered" in said
    assert corpus.load(SMALL).equals(first)
    assert capsys.readouterr().out == ""


def test_a_damaged_seal_renders_nothing(rendered, monkeypatch):
    monkeypatch.setenv("IRMAS_CACHE", str(rendered.parent.parent))
    seal = rendered.with_name(f"{rendered.name}.json")
    whole = seal.read_bytes()
    monkeypatch.setattr(shutil, "rmtree", None)
    for content in (b"", b"{}", whole.replace(b"wav", b"waw", 1)):
        seal.write_bytes(content)
        corpus.folder(SMALL)
        assert seal.read_bytes() == whole


def test_a_changed_file_is_looked_at_again(here):
    clips = corpus.load(here).query("split == 'training'")
    one, other = clips["path"].iloc[0], clips["path"].iloc[-1]
    assert clips["recording"].iloc[0] != clips["recording"].iloc[-1]
    shutil.copy(one, other)
    joined = corpus.load(here).set_index("path")["recording"]
    assert joined[one] == joined[other]
