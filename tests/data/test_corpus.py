import io
import shutil

import numpy as np
import pandas as pd
import pytest
from conftest import noise_for_music, write_clip
from hypothesis import given
from hypothesis import settings as settings_of_tests
from hypothesis import strategies as st

from irmas_utils import __main__ as cli
from irmas_utils.data import collection, corpus, integrity
from irmas_utils.data.sample.corpus import _altered
from irmas_utils.project import files, paths, settings
from irmas_utils.project.errors import DataError


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
        assert corpus.fingerprint(corpus.load(here)) == corpus.fingerprint(first)
        assert kept.read_bytes() == whole
        said = capsys.readouterr().out.splitlines()
        assert said == [f"{kept} is made again: {kept} is not what was written"]


SMALL = settings.load("smoke", corpus={"training_clips": 11, "testing_clips": 11})


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    cache = tmp_path_factory.mktemp("rendered")
    with noise_for_music() as patch:
        patch.setenv("IRMAS_CACHE", str(cache))
        yield corpus.folder(SMALL)


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
    assert _altered(root, seal) == []
    DAMAGE[damage](path := sorted(root.rglob(pattern))[-1])
    (name,) = _altered(root, seal)
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


def collect(folder, n=12, **columns):
    """Write a collection of noise, two clips a recording, with its CSV."""
    rows = {
        "file": [f"audio/{k}.wav" for k in range(n)],
        "labels": [("drums bass", "bass", "zither")[k // 2 % 3] for k in range(n)],
        "recording": [f"r{k // 2}" for k in range(n)],
    } | columns
    for k, file in enumerate(rows["file"]):
        write_clip(folder / file, seed=k)
    pd.DataFrame(rows).to_csv(folder / "own.csv", index=False)
    return folder / "own.csv"


def test_a_split_of_irmas_has_no_leak(here, tiny_irmas, tmp_path, capsys):
    one, other = sorted(tiny_irmas.rglob("*cel*__1.wav"))[:2]
    shutil.copy(one, other)
    profile = tmp_path / "part.yaml"
    profile.write_text("extends: full\ncorpus:\n  allow_incomplete: true\n")
    arguments = ["split", "--profile", str(profile), "--fraction", "0.5", "--folds", "2"]
    assert cli.main(arguments) == 0
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert len(table) == 69
    assert (table.groupby("recording")["split"].nunique() == 1).all()
    assert (table[table["split"] != "testing"].groupby("recording")["fold"].nunique() == 1).all()
    assert table[table["split"] == "testing"]["fold"].isna().all()
    joined = table.set_index("clip")["recording"]
    assert joined[one.stem] == joined[other.stem]
    assert (tiny_irmas / table["file"][0]).is_file()
    assert cli.main([*arguments, "--seed", "1"]) == 0
    assert not table.equals(pd.read_csv(io.StringIO(capsys.readouterr().out)))


def test_a_collection_is_split_in_three_and_read_again(tmp_path):
    own = collect(tmp_path)
    arguments = ["split", "--labels", str(own), "--fraction", "0.3", "--folds", "2"]
    assert cli.main([*arguments, "--to", str(tmp_path / "split.csv")]) == 0
    clips, vocabulary = collection.read_audio(tmp_path / "split.csv")
    assert vocabulary.codes == ("bass", "drums", "zither")
    assert clips["labels"][0] == ("bass", "drums")
    assert set(clips["split"]) == {"training", "validation", "testing"}
    assert (clips.groupby("recording")["split"].nunique() == 1).all()


def test_training_clips_of_a_tested_recording_are_left_out(tmp_path):
    splits = ["testing", "training", *["training"] * 10]  # r0 in both
    clips, _ = collection.read(collect(tmp_path, split=splits))
    table = corpus.split_table(clips, 0.5, seed=0, n_folds=2)
    assert table["split"].tolist()[:2] == ["testing", "left out"]
    assert table["fold"].isna().tolist()[:3] == [True, True, False]


def test_what_was_left_out_stays_so(tmp_path):
    splits = [name for name in ("training", "validation", "testing", "left out") for _ in range(3)]
    clips, _ = collection.read(collect(tmp_path, split=splits))
    clips["recording"] = clips["name"]
    table = corpus.split_table(clips, 0.4, seed=0, n_folds=2)
    assert table["split"].tolist()[6:] == splits[6:]
    assert table["fold"].isna().tolist() == [False] * 6 + [True] * 6


@pytest.mark.parametrize("wrong", [
    "--folds 9", "--folds 1", "--folds -3", "--fraction 0", "--fraction 5e-324", "--fraction nan",
    "--fraction .15",  # of 7 folds, and there are 4 clips of a label
    "--seed -1", "--seed 10000000000",
])  # fmt: skip
def test_impossible_splits_are_one_line_that_names_what_to_change(tmp_path, capsys, wrong):
    own = ["split", "--labels", str(collect(tmp_path)), "--folds", "2", "--fraction", ".3"]
    assert cli.main([*own, *wrong.split()]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert wrong.split()[0] in error.partition(". Change")[2]
    assert cli.main(own) == 0


def test_files_that_cannot_be_read_are_named(tmp_path):
    own = collect(tmp_path)
    (tmp_path / "audio" / "3.wav").write_bytes(b"no audio")
    with pytest.raises(DataError, match="files that cannot be read.*3.wav"):
        collection.read_audio(own)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file\na.wav\n", "column labels"),
        ("file,labels\na.wav,\n", "clips without labels"),
        ("file,labels\na.wav,x\na.wav,y\n", "doubled rows"),
        ("file,labels\na.wav,x\nb/../a.wav,y\n", "files with two rows"),
        ("file,labels,file\na.wav,x,b.wav\n", "doubled columns: 'file'"),
        ("file,labels,split\na.wav,x,dev\n", "split 'dev'"),
        ("", "no table"),
        ("a,b\n1,2\n", "column clip, name or file"),
    ],
)
def test_bad_collections_are_refused(tmp_path, text, message):
    (tmp_path / "own.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        collection.read(tmp_path / "own.csv")


@pytest.mark.parametrize(
    "labels", ["oud ney", '"oud, ney"', "oud|ney", "\"['ney', 'oud']\"", '"[""oud"",""ney""]"']
)
def test_labels_are_read_as_others_write_them(tmp_path, labels):
    (tmp_path / "own.csv").write_text(f"file, labels, recording\n a.wav, {labels}, one \n")
    clips, vocabulary = collection.read(tmp_path / "own.csv")
    assert vocabulary.codes == ("ney", "oud")
    assert clips["path"].tolist() == [str(tmp_path / "a.wav")]
    assert clips["recording"].tolist() == ["one"]


def test_brackets_in_a_label_are_its_own(tmp_path):
    (tmp_path / "own.csv").write_text("file,labels\na.wav,sax(alto) oud\nb.wav,\"['sax(alto)']\"\n")
    clips, _ = collection.read(tmp_path / "own.csv")
    assert clips["labels"].tolist() == [("oud", "sax(alto)"), ("sax(alto)",)]


def test_paths_may_be_written_as_on_windows(tmp_path):
    own = collect(tmp_path)
    paths = collection.read(own)[0]["path"]
    own.write_text(own.read_text().replace("audio/", "audio\\"))
    assert collection.read(own)[0]["path"].equals(paths)


def test_a_split_does_not_take_the_place_of_what_it_splits(tmp_path, capsys):
    text = (own := collect(tmp_path)).read_text()
    assert (
        cli.main(
            ["split", "--labels", str(own), "--to", f"{tmp_path}/../{own.parent.name}/own.csv"]
        )
        == 1
    )
    assert "the file that is split" in capsys.readouterr().err
    assert own.read_text() == text


def test_labels_and_recordings_are_the_same_in_any_form_of_unicode(tmp_path):
    text = "file,labels,recording\na.wav,S\xf3,\xe9\nb.wav,So\u0301,e\u0301\n"
    (tmp_path / "own.csv").write_text(text)
    clips, vocabulary = collection.read(tmp_path / "own.csv")
    assert vocabulary.codes == ("S\xf3",)
    assert clips["recording"].nunique() == 1


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="/\\"), min_size=1)))
@settings_of_tests(deadline=None)
def test_a_clip_is_found_by_its_name_wherever_it_lies(names):
    names = [*dict.fromkeys(filter(None, map(collection.key, names)))]
    clips = [collection.key(f"C:\\data\\set/{name}.WAV") for name in names]
    rows = collection.rows_of(pd.Series(clips, dtype=object), pd.Series(names, dtype=object))
    assert rows.tolist() == [*range(len(names))]
