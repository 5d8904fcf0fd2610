import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irmas_utils.data import names
from irmas_utils.project.vocabulary import INSTRUMENTS


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("008__[cel][nod][cla]0058__1", ("008__[cel][nod][cla]0058", "cel", "nod", "cla")),
        ("[gac][pop_roc]0627__1", ("[gac][pop_roc]0627", "gac", None, "pop_roc")),
        ("205__[tru][---][jaz_blu]1987__1", ("205__[tru][---][jaz_blu]1987", "tru", "---",
                                             "jaz_blu")),
        ("[cla][cla]0189__2", ("[cla][cla]0189", "cla", None, "cla")),
    ],
)  # fmt: skip
def test_every_form_of_training_name(name, expected):
    assert tuple(names.parse_training_name(name).values()) == expected


@given(
    st.none() | st.integers(0, 999),
    st.sampled_from(INSTRUMENTS),
    st.none() | st.sampled_from(names.DRUMS),
    st.sampled_from(names.GENRES),
    st.integers(0, 9999),
    st.integers(1, 9),
)
def test_training_names_round_trip(lead, instrument, drums, genre, number, excerpt):
    recording = "" if lead is None else f"{lead:03d}__"
    recording += f"[{instrument}]" + (f"[{drums}]" if drums else "") + f"[{genre}]{number:04d}"
    parsed = names.parse_training_name(f"{recording}__{excerpt}")
    assert tuple(parsed.values()) == (recording, instrument, drums, genre)


@pytest.mark.parametrize(
    "name",
    ["", "cello", "[xxx][cla]1__1", "[cel][cla]0001", "[cel][nod]0001__1", "[cel][cla]0001__1x"],
)
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="is not"):
        names.parse_training_name(name)


@given(st.text())
def test_any_text_is_parsed_or_refused(text):
    with contextlib.suppress(ValueError):
        assert names.parse_training_name(text)["instrument"] in INSTRUMENTS


@given(
    st.lists(st.sampled_from(INSTRUMENTS), min_size=1, max_size=5),
    st.sampled_from(["\t\n", "\n", "\r\n", "\t\r\n", "\n\n", " \n"]),
    st.booleans(),
    st.booleans(),
)
def test_labels_in_every_layout(codes, ending, with_mark, last_newline):
    content = ending.join(codes) + (ending if last_newline else "")
    data = (b"\xef\xbb\xbf" if with_mark else b"") + content.encode()
    labels = names.parse_labels(data)
    assert set(labels) == set(codes)
    assert list(labels) == sorted(labels, key=INSTRUMENTS.index)


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "no label"), (b"\t\n", "no label"), (b"pia\nxyz\n", "'xyz'")]
)
def test_bad_labels_are_refused(content, message):
    with pytest.raises(ValueError, match=message):
        names.parse_labels(content)


def test_file_names_in_any_encoding_become_text():
    import os

    assert names.readable(os.fsdecode("Sólo".encode("latin-1"))) == "Sólo"
    assert names.readable("So\u0301lo") == "Sólo"


@pytest.mark.parametrize(
    ("name", "song"),
    [
        ("06 - Lali Puna - Faking the Books-3", "06 - Lali Puna - Faking the Books"),
        ("no number", "no number"),
        ("a-b-12", "a-b"),
        ("a-1-2", "a-1"),
        ("-3", "-3"),
    ],
)
def test_song_of(name, song):
    assert names.song_of(name) == song
