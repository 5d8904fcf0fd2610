"""Clips that a CSV lists, a row each: a collection of one's own, truth to score against, answers.

Columns of a collection: ``file`` (or ``clip``, or ``name``; seen from the CSV's folder), ``labels``
(codes with blanks, commas, semicolons or bars between them) and, where they are known,
``recording`` (clips of one value stay together in a split) and ``split`` (one of `SPLITS`).
"""

import codecs
import os
import re
import unicodedata
from io import StringIO
from pathlib import Path

import pandas as pd

from irmas_utils.audio import io
from irmas_utils.data.index import COLUMNS, LEFT_OUT
from irmas_utils.project import files, paths
from irmas_utils.project.errors import AudioError, DataError
from irmas_utils.project.vocabulary import Vocabulary, of

SPLITS = ("training", "validation", "testing", LEFT_OUT)
NAMES = ("clip", "name", "file")
RESERVED = {*NAMES, "recording", "labels", "split", "fold", "model", "duration", "silent", "error",
            "warning", "instruments", "also_heard"}  # fmt: skip
"""Columns that tables of clips have besides those of labels: no label may have such a name."""
_NONE = ("NA", "<NA>", "N/A", "#N/A", "NaN", "nan", "None")  # as other programs write it
_AUDIO = re.compile(r"\.(wav|flac|mp3|ogg|opus|m4a|aiff?)$", re.IGNORECASE)


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a CSV as texts, with a first column ``clip``, its `key`.

    Between columns are commas, semicolons or tabs; those of `RESERVED` may have capitals. DataError
    if the file is no such table, has no row, or a clip or a column is there twice.
    """
    files.require(path, DataError, "a CSV file")
    options = {"header": None, "dtype": str, "keep_default_na": False, "skipinitialspace": True}
    try:
        content = Path(path).read_bytes()
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if wide else "utf-8-sig").strip("\r\n")
        separator = max(",;\t", key=text.partition("\n")[0].count)
        rows = pd.read_csv(StringIO(text), sep=separator, **options)
    except (OSError, ValueError) as error:
        found = f"no table ({' '.join(str(error).split())})"[:300]
        raise refused(path, found, "a CSV file in UTF-8") from error
    rows = rows[(rows != "").any(axis=1)]  # spreadsheets write rows of separators alone
    if rows.empty:
        raise refused(path, "separators alone", "a row of names, and one a clip")
    heads = rows.iloc[0].map(lambda head: f if (f := folded(head)) in RESERVED else plain(head))
    if twice := sorted({*heads[heads.duplicated()]} - {""}):
        raise refused(path, f"doubled columns: {several(twice)}", "each once")
    table = rows[1:].set_axis(heads, axis=1).reset_index(drop=True)
    named = next((column for column in NAMES if column in table), None)
    if named is None or table.empty:
        found = f"{len(table)} rows of the columns {', '.join(table)[:200]}"
        raise refused(path, found, f"rows, with a column {', '.join(NAMES[:-1])} or {NAMES[-1]}")
    clips = table[named].map(key).rename("clip")
    if doubled := clips[clips.duplicated()].unique().tolist():
        raise refused(path, f"doubled rows: {several(doubled)}", "one row a clip")
    return pd.concat([clips, table.drop(columns="clip", errors="ignore")], axis=1)


def key(text: str) -> str:
    """Return what a clip is known by: its path less the suffix of an audio file, composed."""
    return plain(_AUDIO.sub("", text.strip().replace("\\", "/")))


def plain(text: str) -> str:
    """Return a text as it is compared: composed, without blanks around it."""
    return unicodedata.normalize("NFC", text.strip())


def folded(text: str) -> str:
    """Return what a text has in common with others that are easily taken for it, as in capitals."""
    return unicodedata.normalize("NFKC", text.strip()).casefold()


def parse_labels(texts: pd.Series) -> pd.Series:
    """Split texts, also lists as Python or JSON writes them, into sorted codes, each once."""
    texts = texts.map(plain).str.replace(r"np\.str_\((.*?)\)", r"\1", regex=True)  # of NumPy 2
    inner = texts.str.replace(r"^[\[({](.*)[\])}]$", r"\1", regex=True)
    parts = inner.str.split(r"[\s,;|]+", regex=True)
    return parts.map(lambda row: tuple(sorted({code.strip("'\"") for code in row} - {"", *_NONE})))


def read(path: str | Path) -> tuple[pd.DataFrame, Vocabulary]:
    """Read a collection: its index, and its vocabulary, IRMAS's if its clips have all those.

    The index is as `data.index.load_index`; ``name`` is the `key`, and what needs the audio is
    None. ``recording`` is the name where the CSV states none. DataError as `read_table`; if a clip
    has no label, or its split is none of `SPLITS`; if a label is called as a column is.
    """
    table = read_table(path)
    if "labels" not in table:
        raise refused(path, f"the columns {', '.join(table)[:200]}", "a column labels")
    labels = parse_labels(table["labels"])
    if bare := table["clip"][labels.map(len) == 0].tolist():
        raise refused(path, f"clips without labels: {several(bare)}", "a code or more a clip")
    file, beside = table["file" if "file" in table else "clip"], Path(path).absolute().parent
    index = pd.DataFrame(index=table.index, columns=list(COLUMNS), dtype=object)
    index = index.assign(name=table["clip"], labels=labels, split=table.get("split"))
    recording = table.get("recording", table["clip"]).map(plain)
    index["recording"] = recording.where(~recording.isin(("", *_NONE)), index["name"])
    index["path"] = [_found(each.strip(), beside) for each in file]
    if doubled := index["path"][index["path"].duplicated()].tolist():
        raise refused(path, f"files with two rows: {several(doubled)}", "one row a file")
    if "split" in table and (odd := {*table["split"]} - {*SPLITS}):
        raise refused(path, f"split {several(sorted(odd))}", f"one of {', '.join(SPLITS)}")
    codes = sorted({code for row in labels for code in row})
    if odd := [c for c in codes if re.match("(score|decision)_", f := folded(c)) or f in RESERVED]:
        found = f"labels that are called as columns of tables are: {several(odd)}"
        raise refused(path, found, "labels of other names", "Rename them.")
    spelled = {folded(code): code for code in codes}
    if odd := [code for code in codes if spelled[folded(code)] != code]:
        found = f"labels that are others' in capitals: {several(odd)}"
        raise refused(path, found, "one spelling of each label")
    return index, of(codes)


def _found(file: str, folder: Path) -> str:
    """Return a file's path; where there is none as written, as a list from Windows means it."""
    here, there = (paths.given(name, folder) for name in (file, file.replace("\\", "/")))
    return str(there if os.path.lexists(there) else here)


def read_audio(path: str | Path) -> tuple[pd.DataFrame, Vocabulary]:
    """Read a collection with the headers of its files. Raises as `read`, also for a bad file."""
    index, vocabulary = read(path)
    headers, bad = [], []
    for file in index["path"]:
        try:
            headers.append(io.header(file))
        except AudioError as error:
            bad.append(f"{file} ({error.found})")
    if bad:
        raise refused(path, f"files that cannot be read: {several(bad)}", "audio files")
    return index.assign(**pd.DataFrame(headers, index=index.index)), vocabulary


def rows_of(clips: pd.Series, names: pd.Series) -> pd.Series:
    """Return each clip's place among `names`, or NaN; either may lack folders of the other."""
    known = {name: place for place, name in enumerate(names)}
    last = names.str.split("/").str[-1].drop_duplicates(keep=False)
    short = {name: known[names[row]] for row, name in last.items()}

    def place(clip: str) -> float:
        ends = ("/".join(clip.split("/")[n:]) for n in range(clip.count("/") + 1))
        return next((known[end] for end in ends if end in known), short.get(clip, float("nan")))

    return clips.map(place).astype(float)


def several(names: list[str]) -> str:
    """Write up to ten names, and how many there are beyond them."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(map(repr, names[:10])) + more


def refused(path: str | Path, found: str, expected: str, remedy: str = "") -> DataError:
    """Return the error for a file that cannot be used as it is."""
    return DataError(path, found, expected, remedy or "Mend the file.")
