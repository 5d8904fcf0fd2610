import os
import shutil

import numpy as np
import pytest
from conftest import write_clip

from irmas_utils.audio.io import load_mono
from irmas_utils.data import integrity
from irmas_utils.data.index import COLUMNS, fingerprint, load_index, scan, split_validation
from irmas_utils.project import files
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
    return clip, "truncated audio, 1000 of"


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


FAULTS = [break_truncated, break_header, break_empty, break_name, break_folder, break_label,
          break_no_label_file, break_no_audio]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_clip_is_reported_and_can_be_skipped(tiny_irmas, fault):
    file, message = fault(tiny_irmas)
    with pytest.raises(DataError) as caught:
        load_index(tiny_irmas)
    assert str(file) in str(caught.value)
    assert message in str(caught.value)
    index, problems = scan(tiny_irmas)
    assert [(p.path, message in p.found) for p in problems] == [(file, True)]
    assert len(index) == 68
    assert len(load_index(tiny_irmas, skip_bad_clips=True)) == 68
    assert integrity.report(problems).columns.tolist() == ["path", "found", "expected"]


def test_all_bad_clips_are_listed_at_once(tiny_irmas):
    break_label(tiny_irmas)
    break_header(tiny_irmas)
    with pytest.raises(DataError, match="2 bad clips"):
        load_index(tiny_irmas)


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
