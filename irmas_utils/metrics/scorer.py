"""Score what any system says of the clips: the command ``irmas score``.

A file of answers has a row a clip: its name, and a column a label, called by its code (or by
``score_`` or ``decision_`` before it, as this project writes them). Only 0 and 1 are decisions,
all else are scores in [0, 1]. The labels come from the data set, or from a `data.collection`.
"""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from irmas_utils import metrics
from irmas_utils.audio.features import label_matrix
from irmas_utils.data import collection, corpus, integrity, published
from irmas_utils.data.collection import refused, several
from irmas_utils.data.index import LEFT_OUT, load_index
from irmas_utils.metrics import tables
from irmas_utils.project.errors import printable
from irmas_utils.project.settings import Settings
from irmas_utils.project.vocabulary import IRMAS, Vocabulary, of

METRICS = ("micro_f1", "macro_f1", "lrap")
_CAPTION = {ord(c): f"\\{c}" for c in "&%$#_{}"}
_CAPTION |= {126: r"\textasciitilde{}", 94: r"\textasciicircum{}", 92: r"\textbackslash{}"}
_LATEX = str.maketrans({"–": "--", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"})
_ELSEWHERE = "Published results are of IRMAS's whole testing set and its labels alone: left out."


class Truth(NamedTuple):
    """The clips to score, the others whose labels are known, and what they may be labelled."""

    data: str  # what the set is called
    clips: pd.DataFrame  # rows of the index
    others: pd.DataFrame
    vocabulary: Vocabulary

    def matrix(self, labels: pd.Series) -> np.ndarray:
        """Return the label matrix, bool (n_clips, n_labels)."""
        return label_matrix(labels, self.vocabulary.codes).astype(bool)

    @property
    def is_official(self) -> bool:
        """Whether this is IRMAS's whole testing set, by its number of clips and of each label."""
        official = published.load("irmas")["testing"]
        counts = self.matrix(self.clips["labels"]).sum(axis=0).tolist()
        same = len(self.clips) == official["n_clips"]
        return self.vocabulary is IRMAS and same and counts == [*official["clips"].values()]

    def with_labels_of(self, *answers: Path) -> "Truth":
        """Add those that answers give and no clip has: to name one is a false alarm."""
        codes = self.vocabulary.codes
        for path in answers:
            codes = (*codes, *_answers(path, codes)[1])
        return self._replace(vocabulary=of(codes))

    def prior(self) -> np.ndarray | None:
        """Return the training labels: of the training clips, else, of IRMAS, the official ones."""
        training = self.others[self.others["split"] != LEFT_OUT]
        if len(training):
            return self.matrix(training["labels"])
        if self.vocabulary is not IRMAS:
            return None
        counts = [*published.load("irmas")["training"]["clips"].values()]
        return np.repeat(np.eye(len(counts), dtype=bool), counts, axis=0)


def truth(source: Settings | Path) -> Truth:
    """Read the truth from a profile's data set or from the CSV of a collection.

    Of a collection that has splits the testing clips are scored, else all. DataError if there is
    nothing to score, or the data set is incomplete and may not be.
    """
    if isinstance(source, Path):
        index, vocabulary = collection.read(source)
        name, tested = source.name, index["split"].fillna("testing") == "testing"
        where, remedy = source, "Give some the split testing, or leave the column out to score all."
    else:
        root = corpus.folder(source)
        index = load_index(root, skip_bad_clips=source.corpus.skip_bad_clips)
        if not source.corpus.allow_incomplete:
            integrity.require_complete(root, index)
        twice = index.duplicated(["split", "name"], keep=False)  # in two parts of the testing set
        index["name"] = index["name"].where(~twice, index["part"] + "/" + index["name"])
        name, vocabulary, tested = corpus.name(source), IRMAS, index["split"] == "testing"
        where, remedy = root, "Fetch it with `make data`, or name another set with --labels."
    if not tested.any():
        raise refused(where, f"no testing clips among {len(index)}", "clips to score", remedy)
    return Truth(name, index[tested].reset_index(drop=True), index[~tested], vocabulary)


def _answers(path: Path, codes: tuple[str, ...]) -> tuple[pd.DataFrame, set[str]]:
    """Read a file of answers: its table, and the labels that it gives, also such as no clip has.

    What stands after ``score_`` or ``decision_`` is a label, alone only one of `codes` or IRMAS's.
    DataError as `collection.read_table`, and if but for capitals a column is called as a label is.
    """
    table, given = collection.read_table(path), {}
    spelled = {collection.folded(code): code for code in (*IRMAS.codes, *codes)}
    for column in table:
        kind, label = re.findall("(?is)^(score_|decision_|)(.*)", column)[0]
        if label and (kind or collection.folded(label) in spelled):
            given[column] = kind.lower(), spelled.setdefault(collection.folded(label), label)
    if right := {c: "".join(pair) for c, pair in given.items() if c != "".join(pair)}:
        expected = f"the spelling {', '.join(right.values())}"
        raise refused(path, f"columns {several([*right])}", expected, "Rename them.")
    return table, {label for _, label in given.values()}


def read(
    path: Path, names: pd.Series, codes: tuple[str, ...]
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Read scores and decisions, or one of them, (n_clips, n_labels), in the order of `names`.

    Raises DataError, which names them, if labels lack a column, or one is almost called so, if rows
    are missing, doubled or of unknown clips, or if values are no finite numbers in [0, 1].
    """
    table, _ = _answers(path, codes)
    found = collection.rows_of(table["clip"], names)
    faults = {
        "unknown clips": table["clip"][found.isna()],
        "doubled rows": table["clip"][found.notna() & found.duplicated()],
        "missing clips": names[~names.index.isin(found)],
    }
    if told := [f"{what}: {several([*which])}" for what, which in faults.items() if len(which)]:
        raise refused(path, "; ".join(told), f"a row for each of the {len(names)} clips")
    table = table.assign(row=found).sort_values("row")
    decisions = _columns(path, table, [f"decision_{code}" for code in codes])
    scores = _columns(path, table, [f"score_{code}" for code in codes])
    if scores is None:
        scores = _columns(path, table, [*codes], needed=decisions is None)
    if decisions is None and np.isin(scores, (0, 1)).all():
        scores, decisions = None, scores
    if decisions is not None and not np.isin(decisions, (0, 1)).all():
        raise refused(path, "decisions other than 0 and 1", "0 or 1")
    return scores, None if decisions is None else decisions.astype(bool)


def _columns(path: Path, table: pd.DataFrame, named: list[str], needed: bool = False) -> Any:
    """Return the values of some columns, (n_clips, n_labels), or None if all are missing."""
    missing = [name for name in named if name not in table]
    if len(missing) == len(named) and not needed:
        return None
    if missing:
        expected = f"a column for each label that there is: {' '.join(named)}"
        remedy = "Rename or add it; of what the system never names, zeros."
        raise refused(path, f"no column {several(missing)}", expected, remedy)
    # As pandas, R and spreadsheets write decisions, and decimals where a comma is their point.
    plain = {r"(?i)^\s*true\s*$": "1", r"(?i)^\s*false\s*$": "0", ",": "."}
    texts = table[named].replace(plain, regex=True)
    values = texts.apply(pd.to_numeric, errors="coerce").to_numpy(float)
    if len(bad := np.argwhere(~((values >= 0) & (values <= 1)))):
        places = [f"{table['clip'].iloc[r]}: {texts.iat[r, k]} for {named[k]}" for r, k in bad]
        remedy = "Write 0 and 1, or probabilities: the sigmoid of logits, a hundredth of percent."
        raise refused(path, several(places), "finite numbers in [0, 1]", remedy)
    return values


class System(NamedTuple):
    """A file of answers, and how its scores become decisions: see `decide`."""

    path: Path
    threshold: list[float] | None = None
    validation: Path | None = None


class Decided(NamedTuple):
    """What a system says, how its decisions came about, whether the scored clips had a say."""

    scores: np.ndarray | None
    decisions: np.ndarray
    told: str
    optimistic: bool = False


def decide(system: System, known: Truth) -> Decided:
    """Read answers and make decisions (docs/scoring.md). DataError as `read` and `validated`."""
    codes, threshold, validation = known.vocabulary.codes, system.threshold, system.validation
    scores, decisions = read(system.path, known.clips["name"], codes)
    if scores is None and (threshold or validation):
        raise refused(system.path, "decisions", "scores to cut", "Leave the threshold out.")
    if threshold and validation:
        raise refused("--threshold", "validation scores beside it", "one of both", "Leave one out.")
    if threshold:
        if len(threshold) not in (1, len(codes)) or not all(0 <= t <= 1 for t in threshold):
            expected = f"one number in [0, 1], or one each, commas between, for {' '.join(codes)}"
            raise refused("--threshold", f"{threshold}", expected, "Correct it.")
        named = codes if len(threshold) > 1 else ("the threshold given,",)
        told = "cut at " + ", ".join(f"{n} {t:g}" for n, t in zip(named, threshold, strict=True))
        return Decided(scores, metrics.binarize(scores, threshold), told)
    if validation:
        labels, on = validated(validation, known)
        chosen = metrics.choose_threshold(labels, on)
        told = f"{_cut(chosen)}, of the best micro F1 on the {len(on)} clips of {validation.name}"
        if (labels.sum(axis=1) == 1).all():
            told += ", which have one label each: too high a threshold for clips of several"
        return Decided(scores, metrics.binarize(scores, chosen), told)
    if decisions is not None:
        return Decided(scores, decisions, "the file's own")
    chosen = metrics.choose_threshold(known.matrix(known.clips["labels"]), scores)
    told = f"{_cut(chosen)}, chosen on the scored clips themselves"
    return Decided(scores, metrics.binarize(scores, chosen), told, optimistic=True)


def _cut(chosen: float) -> str:
    return f"cut at {chosen:.4g}" if chosen >= 0 else "every label named, also with a score of 0"


def validated(path: Path, known: Truth) -> tuple[np.ndarray, np.ndarray]:
    """Read validation scores: labels and scores, (n_clips, n_labels) each.

    Labels stand in a column ``labels`` or are those of the data set's other clips. Raises
    DataError if they are not known, if a clip, or its recording, is scored, and as `read`.
    """
    table = collection.read_table(path)
    scored = collection.rows_of(table["clip"], known.clips["name"]).notna()
    others = collection.rows_of(table["clip"], known.others["name"])
    from_scored = known.others["recording"].isin(known.clips["recording"])
    scored |= others.isin(np.flatnonzero(from_scored))
    if "recording" in table:
        scored |= table["recording"].map(collection.plain).isin(known.clips["recording"])
    if scored.any():
        leaked = several([*table["clip"][scored]])
        raise refused(path, f"clips, or recordings, that are scored: {leaked}", "others alone")
    if "labels" in table:
        labels = collection.parse_labels(table["labels"])
    else:
        labels = others.map(dict(enumerate(known.others["labels"])), na_action="ignore").fillna("")
    odd = labels.map(lambda row: not row or not {*row} <= {*known.vocabulary.codes})
    if odd.any():
        told = table["clip"][odd] + labels[odd].map(lambda row: f": {' '.join(row)}" if row else "")
        found = f"clips without known labels: {several(told.tolist())}"
        raise refused(path, found, "clips of the training set, or a column labels")
    scores, _ = read(path, table["clip"], known.vocabulary.codes)
    if scores is None:
        raise refused(path, "decisions", "scores")
    return known.matrix(labels), scores


def score(system: System, known: Truth, against: System | None = None) -> dict[str, Any]:
    """Score a system beside those that do not listen and the published ones: ready for JSON.

    With a system `against`, the two are tested pair by pair over recordings (`metrics.paired_test`,
    adjusted after Holm). Raises DataError as `decide`.
    """
    known = known.with_labels_of(system.path, *([against.path] if against else []))
    labels, codes = known.matrix(known.clips["labels"]), known.vocabulary.codes
    options = {"groups": [*known.clips["recording"]], "codes": codes}
    ours, prior = decide(system, known), known.prior()
    constants = {} if prior is None else metrics.trivial_predictors(prior, len(labels), codes)
    found = {
        "file": system.path.name,
        "data": known.data,
        "labels": [*codes],
        "decisions": ours.told,
        "optimistic": ours.optimistic,
        "evaluation": metrics.evaluate(labels, ours.decisions, ours.scores, **options),
        "trivial": {k: metrics.evaluate(labels, *v, **options) for k, v in constants.items()},
        "published": published.results() if known.is_official else [],
    }
    if against is None:
        return found
    other, tests = decide(against, known), {}
    for metric in METRICS:
        said = "scores" if metric == "lrap" else "decisions"
        pair = getattr(ours, said), getattr(other, said)
        if pair[0] is not None and pair[1] is not None:
            tests[metric] = metrics.paired_test(labels, *pair, options["groups"], metric)
    adjusted = metrics.holm([test["p_value"] for test in tests.values()]).tolist()
    tests = {k: t | {"p_adjusted": p} for (k, t), p in zip(tests.items(), adjusted, strict=True)}
    told = {"decisions": other.told, "optimistic": other.optimistic, "tests": tests}
    return found | {"against": {"file": against.path.name} | told}


def render(found: dict[str, Any], style: str = "markdown") -> str:
    """Write what `score` returns as ``markdown``, ``latex`` or ``json``."""
    if style == "json":
        return json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)
    found = _shown(found, style)
    ours = found["evaluation"]
    name = found["file"] + (" (optimistic)" if found["optimistic"] else "")
    systems = [tables.average_table(each) for each in ({name: ours}, found["trivial"])]
    rows = [
        {"system": each["name"] + (" *" if each["caution"] else "")}
        | {tables.TITLES[metric]: each[metric] for metric in METRICS}
        for each in found["published"]
    ]
    shown = {
        "Scores": _scores(ours),
        "Beside trivial and published systems": pd.concat([*systems, pd.DataFrame(rows)]),
        "An instrument at a time": tables.per_label_table(ours),
    }
    if other := found.get("against"):
        tested = [
            (tables.TITLES[k], t["difference"], tables.interval(t), t["p_value"], t["p_adjusted"])
            for k, t in other["tests"].items()
        ]
        columns = ["score", "difference", "95 % interval", "p", "p, Holm"]
        title = f"Less {other['file']}, paired over recordings"
        shown[title] = tables.with_p(pd.DataFrame(tested, columns=columns))
    mark = "% " if style == "latex" else ""
    notes = (mark + note for note in _notes(found))
    return "\n\n".join([*notes, *(_table(*each, style) for each in shown.items())])


def _shown(found: Any, style: str) -> Any:
    """Return what was found with names that are text in a table, whatever files are called."""
    if isinstance(found, dict):
        return {_shown(key, style): _shown(value, style) for key, value in found.items()}
    if isinstance(found, list):
        return [_shown(value, style) for value in found]
    if not isinstance(found, str):
        return found
    text = printable(found)
    return text if style == "latex" else re.sub(r"([\\`*<\[|])", r"\\\1", text)


def _scores(ours: dict[str, Any]) -> pd.DataFrame:
    leaves = {f"{a} {q}": ours[a][q] for a in ("micro", "macro") for q in ours[a]}
    leaves |= {"LRAP": ours["lrap"]} if ours["lrap"] else {}
    rows = [(k.replace("f1", "F1"), x["value"], tables.interval(x)) for k, x in leaves.items()]
    return pd.DataFrame(rows, columns=["score", "value", "95 % interval"])


def _notes(found: dict[str, Any]) -> list[str]:
    ours = found["evaluation"]
    size = f"{ours['n_clips']} clips of {ours['n_groups']} recordings"
    notes = [f"{found['file']} on {found['data']}: {size}. Decisions: {found['decisions']}."]
    if (other := found.get("against")) is not None:
        notes.append(f"Decisions of {other['file']}: {other['decisions']}.")
    if {*found["labels"]} < {*IRMAS.codes}:
        notes.append("Scored over the labels that there are, of IRMAS's eleven these alone: "
                     f"{' '.join(found['labels'])}.")  # fmt: skip
    if found["optimistic"] or (other and other["optimistic"]):
        notes.append("Optimistic: the testing clips chose a threshold. Not a score to report; give "
                     "--threshold, or validation scores with --validation.")  # fmt: skip
    if ours["lrap"] is None:
        notes.append("Decisions rank no labels: no LRAP.")
    cautions = [f"{r['name']}: {r['caution']}" for r in found["published"] if r["caution"]]
    return [*notes, "* " + "; ".join(cautions) + "." if cautions else _ELSEWHERE]


def _table(title: str, table: pd.DataFrame, style: str) -> str:
    if style == "latex":
        options = {"index": False, "escape": True, "na_rep": "--", "float_format": "%.3f"}
        title = title.translate(_CAPTION)
        return table.to_latex(caption=title, position="tbp", **options).translate(_LATEX)
    return f"## {title}\n\n" + tables.markdown(table)
