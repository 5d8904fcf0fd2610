import os
import shutil
import unicodedata

import numpy as np
import pytest
import soundfile
from conftest import write_clip

from irmas_utils.audio.io import load_mono
from irmas_utils.data import integrity
from irmas_utils.data.corpus import fingerprint
from irmas_utils.data.index import COLUMNS, load_index, scan, split_validation
from irmas_utils.project import files, paths
from irmas_utils.project.errors import DataError
from irmas_utils.project.vocabulary import INSTRUMENTS


def a_training_clip(root):
    return next((root / "IRMAS-TrainingData" / "cel").glob("*.wav"))


def test_index_of_a_small_set(tiny_irmas):
    index = load_index(tiny_irmas)
    assert tuple(index.columns) == COLUMNS
    assert index["split"].tolist() == ["training"] * 66 + ["testing"] * 3
    assert index["recording"].nunique() == 22 + 1
    assert index["labels"].iloc[-2] == ("gac", "voi")
    assert index["name"].iloc[-1] == "01 - Sólo piano-3"
    assert index["duration"].iloc[0] == pytest.approx(0.1)
    assert set(index["part"].dropna()) == {"Part1"}


@pytest.mark.parametrize("keep", ["IRMAS-TrainingData", "IRMAS-TestingData-Part1"])
def test_a_part_loads_and_says_what_is_missing(tiny_irmas, keep):
    for folder in tiny_irmas.iterdir():
        if folder.name != keep:
            shutil.rmtree(folder)
    index = load_index(tiny_irmas)
    assert len(index) in {66, 3}
    gaps = integrity.missing(index)
    assert any(gap.startswith("testing Part3: 0 of 766") for gap in gaps)
    with pytest.raises(DataError, match="incomplete IRMAS.*Part3: 0 of 766"):
        integrity.require_complete(tiny_irmas, index)


def test_missing_folder_is_one_clear_error(tmp_path):
    with pytest.raises(DataError, match="no such folder.*IRMAS_DATA"):
        load_index(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no folder of the IRMAS data set"):
        load_index(tmp_path)


def break_truncated(root):
    clip = a_training_clip(root)
    clip.write_bytes(clip.read_bytes()[:1000])
    return clip, "only the first 0.0 s can be read: the file ends early"


def break_mp3(root):
    clip = a_training_clip(root)
    soundfile.write(clip, np.zeros((44100, 2)), 44100, format="MP3")
    clip.write_bytes(clip.read_bytes()[:-1000])
    return clip, "s can be read: the file ends early"


def break_header(root):
    clip = a_training_clip(root)
    clip.write_bytes(b"not audio")
    return clip, "unreadable audio"


def break_empty(root):
    return write_clip(a_training_clip(root), seconds=0), "no samples"


def break_name(root):
    clip = a_training_clip(root)
    return clip.rename(clip.with_name("cello 1.wav")), "name 'cello 1' is not"


def break_folder(root):
    clip = a_training_clip(root)
    return clip.rename(root / "IRMAS-TrainingData" / "pia" / clip.name), "cel in folder pia"


def break_label(root):
    label_file = next(root.rglob("*-1.txt"))
    label_file.write_bytes(b"gel\nxyz\n")
    return label_file, "unknown label 'xyz'"


def break_no_label_file(root):
    label_file = next(root.rglob("*-1.txt"))
    label_file.unlink()
    return label_file.with_suffix(".wav"), "no label file"


def break_no_audio(root):
    clip = next(root.rglob("*-1.wav"))
    clip.unlink()
    return clip.with_suffix(".txt"), "no audio file"


def break_pipe(root):
    clip = a_training_clip(root)
    clip.unlink()
    os.mkfifo(clip)
    return clip, "a pipe, device"


def break_label_pipe(root):
    label_file = next(root.rglob("*-1.txt"))
    label_file.with_suffix(".wav").unlink()
    label_file.unlink()
    os.mkfifo(label_file)
    return label_file, "a pipe, device"


def break_link(root):
    clip = a_training_clip(root)
    clip.unlink()
    clip.symlink_to("nothing")
    return clip, "dead or looping link"


def break_git_lfs(root):
    clip = a_training_clip(root)
    clip.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    return clip, "unreadable audio"


FAULTS = [break_truncated, break_mp3, break_header, break_empty, break_name, break_folder,
          break_label, break_no_label_file, break_no_audio, break_pipe, break_label_pipe,
          break_link, break_git_lfs]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_clip_is_reported_and_can_be_skipped(tiny_irmas, fault):
    file, message = fault(tiny_irmas)
    with pytest.raises(DataError) as caught:
        load_index(tiny_irmas)
    assert str(file) in str(caught.value)
    assert message in str(caught.value)
    index, problems = scan(tiny_irmas)
    assert [(p.path, message in p.found) for p in problems.itertuples()] == [(file, True)]
    assert len(index) == 68
    assert len(load_index(tiny_irmas, skip_bad_clips=True)) == 68
    assert problems.columns.tolist() == ["path", "found", "expected"]


def test_all_bad_clips_are_listed_at_once(tiny_irmas):
    break_label(tiny_irmas)
    break_header(tiny_irmas)
    with pytest.raises(DataError, match="2 bad clips"):
        load_index(tiny_irmas)


def test_of_very_many_bad_clips_some_are_listed(tiny_irmas):
    for clip in tiny_irmas.rglob("*.wav"):
        clip.write_bytes(b"")
    with pytest.raises(DataError, match="69 bad clips") as caught:
        load_index(tiny_irmas)
    assert str(caught.value).count("unreadable") == 20


def test_names_in_latin1_on_disk(tiny_irmas):
    folder = tiny_irmas / "IRMAS-TestingData-Part2" / "IRTestingData-Part2"
    clip = write_clip(folder / "plain-1.wav")
    os.rename(clip, os.fsencode(folder) + "/Canción-1.wav".encode("latin-1"))
    with open(os.fsencode(folder) + "/Canción-1.txt".encode("latin-1"), "wb") as file:
        file.write(b"\xef\xbb\xbfvoi\r\n")
    row = load_index(tiny_irmas).query("part == 'Part2'").iloc[0]
    assert (row["name"], row["recording"], row["labels"]) == ("Canción-1", "Canción", ("voi",))
    assert files.digest(row["path"])
    assert load_mono(row["path"]).shape == (4410,)


def test_a_size_that_is_wrong_around_whole_audio_is_no_fault(tiny_irmas):
    for clip in tiny_irmas.rglob("*__1.wav"):
        content = bytearray(clip.read_bytes())
        content[4:8] = len(content).to_bytes(4, "little")  # eight too many
        clip.write_bytes(content)
    assert len(load_index(tiny_irmas)) == 69


def test_linked_class_folders_parts_and_clips_are_found(tiny_irmas, tmp_path):
    training = tiny_irmas / "IRMAS-TrainingData"
    for folder in (training / "cel", tiny_irmas / "IRMAS-TestingData-Part1" / "Part1"):
        shutil.move(folder, tmp_path / folder.name)
        folder.symlink_to(tmp_path / folder.name)
    for clip in (training / "voi").iterdir():
        clip.rename(tmp_path / clip.name)
        clip.symlink_to(tmp_path / clip.name)
    assert len(load_index(tiny_irmas)) == 69


@pytest.mark.parametrize("target", [".", "..", "../..", "loop"])
def test_a_loop_of_links_is_named(tiny_irmas, target):
    loop = tiny_irmas / "IRMAS-TrainingData" / "cel" / "loop"
    loop.symlink_to(target)
    index, problems = scan(tiny_irmas)
    assert len(index) == 69
    assert problems["path"].tolist() == [loop]


def test_a_folder_that_may_not_be_read_is_named(tiny_irmas, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("cel"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match="cel: Permission denied"):
        load_index(tiny_irmas)


def test_the_label_file_beside_a_clip_is_its_own(tiny_irmas):
    part = tiny_irmas / "IRMAS-TestingData-Part1" / "Part1"
    for name in ("labels_before_correction", "zz"):
        (part / name).mkdir()
        for label_file in part.glob("*.txt"):
            (part / name / label_file.name).write_text("tru")
    labels = load_index(tiny_irmas).query("split == 'testing'")["labels"].tolist()
    assert labels == [("gel",), ("gac", "voi"), ("pia",)]


def test_names_that_differ_in_unicode_form_alone_keep_their_labels(tiny_irmas):
    part = tiny_irmas / "IRMAS-TestingData-Part1" / "Part1"
    for number, form in enumerate(("NFC", "NFD")):
        name = unicodedata.normalize(form, "01 - Sólo piano-1")
        write_clip(part / f"{name}.wav")
        (part / f"{name}.txt").write_text(("sax", "flu")[number])
    index, problems = scan(tiny_irmas)
    row = index[index["name"] == "01 - Sólo piano-1"].iloc[0]
    is_composed = unicodedata.is_normalized("NFC", row["path"])
    assert row["labels"] == (("sax",) if is_composed else ("flu",))
    assert "a clip that is also" in problems["found"][0]
    assert row["path"] in problems["found"][0]


def test_a_label_file_in_another_unicode_form_is_found(tiny_irmas):
    for label_file in (tiny_irmas / "IRMAS-TestingData-Part1").rglob("*.txt"):
        label_file.rename(unicodedata.normalize("NFD", str(label_file)))
    assert len(load_index(tiny_irmas)) == 69


def test_a_set_that_was_unpacked_twice_is_one_set_or_an_error(tiny_irmas):
    part, training = tiny_irmas / "IRMAS-TestingData-Part1", tiny_irmas / "IRMAS-TrainingData"
    shutil.copytree(part / "Part1", part / "IRMAS-TestingData-Part1" / "Part1")
    shutil.copytree(training, tiny_irmas / "unzipped" / training.name)
    with pytest.raises(DataError, match="69 bad clips.*") as caught:
        load_index(tiny_irmas)
    assert f"{training}/cel" in str(caught.value)
    assert f"{tiny_irmas}/unzipped/{training.name}/cel" in str(caught.value)
    assert len(load_index(tiny_irmas, skip_bad_clips=True)) == 69


def test_two_label_files_of_one_clip_are_named_and_neither_is_taken(tiny_irmas):
    (first := sorted(tiny_irmas.rglob("*.txt"))[0]).with_suffix(".TXT").write_text("tru\n")
    with pytest.raises(DataError, match=r"(?s)3 bad clips.*piano-1\.TXT: one of two label"):
        load_index(tiny_irmas)
    names = load_index(tiny_irmas, skip_bad_clips=True)["name"]
    assert len(names) == 68
    assert first.stem not in set(names)


def test_what_systems_leave_behind_is_no_clip(tiny_irmas):
    for path in [*tiny_irmas.rglob("*.wav"), *tiny_irmas.rglob("*.txt")]:
        beside = [
            path.with_name(name) for name in (f"{path.name}:Zone.Identifier", f"._{path.name}")
        ]
        for left in (*beside, tiny_irmas / "__MACOSX" / path.relative_to(tiny_irmas)):
            left.parent.mkdir(parents=True, exist_ok=True)
            left.write_bytes(b"\0\5\x16\7")
        (path.parent / "desktop.ini").write_text("x")
        (path.parent / "Thumbs.db").write_text("x")
    assert len(load_index(tiny_irmas)) == 69


def test_the_folder_of_mirdata_is_the_default(tmp_path, monkeypatch):
    monkeypatch.delenv("IRMAS_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(paths, "ROOT", tmp_path / "project")
    assert paths.data_root() == tmp_path / "project" / "data"
    (tmp_path / "mir_datasets" / "irmas").mkdir(parents=True)
    assert paths.data_root() == tmp_path / "mir_datasets" / "irmas"
    (tmp_path / "project" / "data").mkdir(parents=True)
    assert paths.data_root() == tmp_path / "project" / "data"


def test_duplicates_and_conflicting_labels(tiny_irmas):
    training = tiny_irmas / "IRMAS-TrainingData"
    shutil.copy(a_training_clip(tiny_irmas), training / "gel" / "[gel][pop_roc]0001__1.wav")
    for number in (1, 2):
        write_clip(training / "voi" / f"[voi][pop_roc]0009__{number}.wav", seed=77)
    index = load_index(tiny_irmas)
    twins = integrity.find_duplicates(index)
    assert twins.groupby("group").size().tolist() == [2, 2]
    assert twins.groupby("group")["conflict"].first().tolist() == [True, False]
    joined = integrity.join_duplicates(index)
    of = dict(zip(joined["name"], joined["recording"], strict=True))
    assert of["[gel][pop_roc]0001__1"] == of["000__[cel][nod][cla]0000__2"]
    assert joined["recording"].nunique() == index["recording"].nunique() - 1


def test_no_duplicates_gives_an_empty_table(tiny_irmas):
    index = load_index(tiny_irmas)
    twins = integrity.find_duplicates(index)
    assert twins.empty
    assert integrity.join_duplicates(index).equals(index)


def test_validation_holds_whole_recordings_out(tiny_irmas):
    training = load_index(tiny_irmas).query("split == 'training'")
    fit, held_out = split_validation(training, 0.5, seed=3)
    assert not set(fit["recording"]) & set(held_out["recording"])
    assert len(fit) + len(held_out) == 66
    assert held_out["labels"].nunique() == len(INSTRUMENTS)
    again = split_validation(training, 0.5, seed=3)[1]
    assert held_out["name"].tolist() == again["name"].tolist()
    for fraction in (0, 0.9, -1, 0.001, np.nan):
        with pytest.raises(DataError, match="validation_fraction"):
            split_validation(training, fraction, seed=3)


def test_fingerprint_follows_labels_and_not_place(tiny_irmas, tmp_path):
    before = fingerprint(load_index(tiny_irmas))
    moved = shutil.move(tiny_irmas, tmp_path / "moved")
    assert fingerprint(load_index(moved)) == before
    next(moved.rglob("*-1.txt")).write_bytes(b"voi\n")
    assert fingerprint(load_index(moved)) != before


def test_real_clips_load(real_clips):
    index = load_index(real_clips)
    assert index["labels"].str[0].value_counts().to_dict() == {
        "cel": 18, "cla": 1, "flu": 8, "pia": 9, "sax": 10, "tru": 13, "vio": 1}  # fmt: skip
    assert set(zip(index["sample_rate"], index["channels"], strict=True)) == {(44100, 2)}
    assert "training gel: 0 of 760 clips" in integrity.missing(index)


def test_a_trash_and_a_link_to_the_whole_are_no_copies(tiny_irmas):
    whole = len(load_index(tiny_irmas))
    training = tiny_irmas / "IRMAS-TrainingData"
    shutil.copytree(training / "cel", training / ".Trash-1000" / "cel")
    (tiny_irmas / "loop").symlink_to(tiny_irmas)
    assert len(load_index(tiny_irmas)) == whole


def test_no_label_file_is_read_in_part(tiny_irmas):
    text = next(path for path in sorted(tiny_irmas.rglob("*.txt")) if path.stem.startswith("01"))
    text.write_text("gel\n".ljust(4096, "\n") + "voi\n")
    with pytest.raises(DataError, match="more than any label file has"):
        load_index(tiny_irmas)
