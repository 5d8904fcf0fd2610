"""The reference scorer: against scikit-learn, the paper's own figures, and files that are wrong."""

import json
import re
import shutil
import subprocess
import sys
import unicodedata

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sklearn_metrics

from irmas_utils import __main__ as cli
from irmas_utils.data import collection, published
from irmas_utils.metrics import scorer
from irmas_utils.project.errors import DataError
from irmas_utils.project.settings import load
from irmas_utils.project.vocabulary import INSTRUMENTS

TESTING = published.load("irmas")["testing"]
OTHER = ("bass", "drums")


def official_labels():
    """Deal labels as often as IRMAS's testing set has them: always the commonest that are left."""
    left = np.array([TESTING["clips"][code] for code in INSTRUMENTS])
    rows = []
    for n, clips in sorted(TESTING["clips_by_number_of_labels"].items(), reverse=True):
        for _ in range(clips):
            on = np.argsort(-left, kind="stable")[:n]
            left[on] -= 1
            rows.append([INSTRUMENTS[k] for k in sorted(on)])
    assert not left.any()
    return rows


def write(path, names, values, codes=INSTRUMENTS, **columns):
    table = pd.DataFrame(np.asarray(values), columns=[*codes])
    pd.concat([pd.DataFrame({"clip": names, **columns}), table], axis=1).to_csv(path, index=False)
    return path


def write_truth(path, labels, **columns):
    names = [f"song {n // 3}-{n % 3 + 1}" for n in range(len(labels))]
    recordings = [f"song {n // 3}" for n in range(len(labels))]
    table = {"clip": names, "labels": map(" ".join, labels), "recording": recordings, **columns}
    pd.DataFrame(table).to_csv(path, index=False)
    return scorer.truth(path)


@pytest.fixture
def truth(tmp_path):
    rng = np.random.default_rng(0)
    labels = [[INSTRUMENTS[k] for k in sorted({n % 11, *rng.integers(11, size=2)})]
              for n in range(30)]  # fmt: skip
    return write_truth(tmp_path / "truth.csv", labels)


@pytest.fixture
def scores(truth):
    labels = truth.matrix(truth.clips["labels"])
    return np.clip(np.random.default_rng(1).normal(0.3, 0.2, labels.shape) + 0.4 * labels, 0, 1)


def test_the_papers_constant_on_the_official_counts(tmp_path):
    known = write_truth(tmp_path / "truth.csv", official_labels())
    assert known.is_official
    constant = np.tile(np.isin(INSTRUMENTS, ("gel", "org", "pia", "sax", "voi")), (2874, 1))
    path = write(tmp_path / "constant.csv", known.clips["name"], constant.astype(int))
    found = scorer.score(scorer.System(path), known)
    micro = {k: round(leaf["value"], 4) for k, leaf in found["evaluation"]["micro"].items()}
    assert micro == {"precision": 0.2553, "recall": 0.746, "f1": 0.3804}
    assert found["evaluation"]["macro"]["f1"]["value"] == pytest.approx(0.179, abs=5e-4)
    f1 = {name: round(each["micro"]["f1"]["value"], 4) for name, each in found["trivial"].items()}
    assert f1["paper's constant"] == 0.3804
    assert (f1["prior top-3"], f1["all eleven"]) == (0.4404, 0.2692)
    shown = scorer.render(found)
    assert "Bosch et al. 5" in shown
    assert "claim of 2025" not in shown
    assert "remembered" not in shown


@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_scores_are_those_of_scikit_learn(tmp_path, data):
    shape = (data.draw(st.integers(2, 12)), 11)
    labels = data.draw(hnp.arrays(bool, shape))
    labels[:, 3] |= ~labels.any(axis=1)
    values = data.draw(hnp.arrays(float, shape, elements=st.floats(0, 1, width=16)))
    values[0, 0] = 0.25  # so that they are no decisions
    rows = [[c for c, on in zip(INSTRUMENTS, row, strict=True) if on] for row in labels]
    known = write_truth(tmp_path / "truth.csv", rows)
    order = data.draw(st.permutations(range(len(rows))))
    names = [f"folder/{known.clips['name'][n]}.wav" for n in order]
    path = write(tmp_path / "answers.csv", names, values[order])
    found = scorer.score(scorer.System(path, [0.5]), known)["evaluation"]
    for average in ("micro", "macro"):
        for quantity in ("precision", "recall", "f1"):
            theirs = getattr(sklearn_metrics, f"{quantity}_score")
            expected = theirs(labels, values > 0.5, average=average, zero_division=0)
            assert found[average][quantity]["value"] == pytest.approx(expected)
    lrap = sklearn_metrics.label_ranking_average_precision_score(labels, values)
    assert found["lrap"]["value"] == pytest.approx(lrap)


def test_it_runs_without_tensorflow(tmp_path, truth, scores):
    path = write(tmp_path / "answers.csv", truth.clips["name"], scores)
    code = (
        "import sys; from irmas_utils.__main__ import main\n"
        f"status = main(['score', '{path}', '--labels', '{tmp_path / 'truth.csv'}'])\n"
        "sys.exit(status or {'tensorflow', 'keras', 'torch', 'librosa'} & set(sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "optimistic" in done.stdout


def test_thresholds_are_given_or_chosen_elsewhere_or_told_of(tmp_path, truth, scores):
    path = write(tmp_path / "answers.csv", truth.clips["name"], scores)
    given_ = scorer.score(scorer.System(path, [0.45]), truth)
    elsewhere = write(
        tmp_path / "validation.csv", ["a", "b"], [[0.1] * 11, [0.3, 0.15] + [0.1] * 9],
        labels=["cla", "cel cla"],
    )  # fmt: skip
    chosen = scorer.score(scorer.System(path, validation=elsewhere), truth)
    neither = scorer.score(scorer.System(path), truth)
    assert [each["optimistic"] for each in (given_, chosen, neither)] == [False, False, True]
    assert "cut at 0.125, of the best micro F1 on the 2 clips" in chosen["decisions"]
    best = neither["evaluation"]["micro"]["f1"]["value"]
    assert best >= max(each["evaluation"]["micro"]["f1"]["value"] for each in (given_, chosen))
    assert "Optimistic" in scorer.render(neither)
    assert "Optimistic" not in scorer.render(chosen)


def test_a_threshold_below_all_scores_is_told_in_words(tmp_path, truth):
    scores = 1 - truth.matrix(truth.clips["labels"])
    path = write(tmp_path / "answers.csv", truth.clips["name"], scores * 0.5)  # all wrong
    told = scorer.score(scorer.System(path), truth)["decisions"]
    assert (
        told == "every label named, also with a score of 0, chosen on the scored clips themselves"
    )


def test_single_label_validation_is_warned_of(tmp_path, truth, scores):
    path = write(tmp_path / "answers.csv", truth.clips["name"], scores)
    single = write(tmp_path / "v.csv", ["a"], [[0.2] + [0.1] * 10], labels=["cel"])
    assert (
        "one label each" in scorer.score(scorer.System(path, validation=single), truth)["decisions"]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.iloc[2:], "missing clips: 'song 0-1', 'song 0-2'"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "doubled rows: 'song 0-1'"),
        (lambda t: t.replace({"song 0-1": "song x"}), "unknown clips: 'song x'; missing"),
        (lambda t: t.assign(pia=["inf", *t["pia"][1:]]), "'song 0-1: inf for pia'"),
        (lambda t: t.assign(pia=["", *t["pia"][1:]]), "'song 0-1:  for pia'"),
        (lambda t: t.assign(voi=-3.0), "20 more.*sigmoid"),
        (lambda t: t.drop(columns="voi"), "no column 'voi'; expected .* cel"),
        (
            lambda t: (
                t.drop(columns="voi").add_prefix("score_").rename(columns={"score_clip": "clip"})
            ),
            "no column 'score_voi'; expected",
        ),
        (lambda t: t.assign(decision_cel=1), "no column 'decision_cla'"),
        (lambda t: pd.concat([t, t[["cel"]]], axis=1), "doubled columns: 'cel'"),
        (lambda t: t.assign(voi=63.7), "a hundredth of percent"),
        (lambda t: t.drop(columns="clip"), "column clip, name or file"),
        (lambda t: t.iloc[:0], "0 rows"),
    ],
)
def test_wrong_files_are_told_of(tmp_path, truth, scores, change, message):
    path = write(tmp_path / "answers.csv", truth.clips["name"], scores)
    change(pd.read_csv(path)).to_csv(path, index=False)
    with pytest.raises(DataError, match=message):
        scorer.score(scorer.System(path), truth)


@pytest.mark.parametrize(
    "odd",
    [
        lambda text: "\ufeff" + text.replace("\n", "\r\n"),
        lambda text: text.replace(",", ";"),
        lambda text: text.replace(",", "\t"),
        lambda text: text.replace(",", ", "),
        lambda text: text.replace("song", "C:\\music\\song"),
        lambda text: text.replace("\n", ",\n"),
        lambda text: text.replace(",", ";").replace(".", ","),
        lambda text: text + "," * 11 + "\n",
        lambda text: "\n" + text.replace(",", ";"),
        lambda text: text.replace(",", "\t").encode("utf-16"),
    ],
    ids=[
        "bom, crlf",
        "semicolons",
        "tabs",
        "blanks",
        "paths",
        "an empty column",
        "decimal commas",
        "a row of commas",
        "an empty line first",
        "utf-16",
    ],
)
def test_tables_of_other_programs_are_read_alike(tmp_path, truth, scores, odd):
    path = write(tmp_path / "answers.csv", truth.clips["name"], scores.round(3))
    expected = scorer.read(path, truth.clips["name"], INSTRUMENTS)[0]
    text = odd(path.read_text())
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    np.testing.assert_array_equal(scorer.read(path, truth.clips["name"], INSTRUMENTS)[0], expected)


@pytest.mark.parametrize("form", [str, str.upper, str.lower])
def test_decisions_may_be_true_and_false(tmp_path, truth, scores, form):
    path = write(tmp_path / "answers.csv", truth.clips["name"], scores > 0.5)
    path.write_text(re.sub("True|False", lambda word: form(word[0]), path.read_text()))
    np.testing.assert_array_equal(
        scorer.read(path, truth.clips["name"], INSTRUMENTS)[1], scores > 0.5
    )


@pytest.mark.parametrize("name", ["a.zip", "a.csv.gz", "a.csv.xz", "a.csv.zst", "a.tar"])
def test_no_name_of_a_table_makes_it_be_unpacked(tmp_path, truth, scores, name):
    path = tmp_path / name
    path.write_bytes(b"PK\3\4\xff")
    with pytest.raises(DataError, match="no table"):
        scorer.read(path, truth.clips["name"], INSTRUMENTS)
    write(tmp_path / "a.csv", truth.clips["name"], scores).rename(path)
    scorer.read(path, truth.clips["name"], INSTRUMENTS)


@pytest.mark.parametrize("threshold", [2, 50, -0.1, float("nan")])
def test_no_threshold_is_outside_of_all_scores(tmp_path, truth, scores, threshold):
    path = write(tmp_path / "answers.csv", truth.clips["name"], scores)
    with pytest.raises(DataError, match="one number in"):
        scorer.score(scorer.System(path, [threshold]), truth)


def test_options_of_another_file_want_that_file(tmp_path, truth, scores, capsys):
    path = write(tmp_path / "answers.csv", truth.clips["name"], scores)
    arguments = ["score", str(path), "--labels", str(tmp_path / "truth.csv"), "--threshold", ".5"]
    assert cli.main([*arguments, "--against-threshold", ".5"]) == 1
    assert capsys.readouterr().err.startswith("error: --against: ")


def test_clips_without_labels_are_refused(tmp_path, truth):
    with pytest.raises(DataError, match="clips without labels: 'song 0-2'"):
        write_truth(tmp_path / "truth.csv", [["cel"], [], ["voi"]])


@pytest.mark.parametrize(
    ("names", "labels", "message"),
    [
        (["song 0-1"], ["cel"], "clips, or recordings, that are scored"),
        (["x"], [""], "without known labels"),
        (["x"], ["zither"], "without known labels: 'x: zither'"),
    ],
)
def test_validation_clips_are_others_with_labels(tmp_path, truth, scores, names, labels, message):
    path = write(tmp_path / "answers.csv", truth.clips["name"], scores)
    elsewhere = write(tmp_path / "v.csv", names, [[0.5] * 11], labels=labels)
    with pytest.raises(DataError, match=message):
        scorer.score(scorer.System(path, validation=elsewhere), truth)


def test_clips_of_a_recording_that_is_scored_choose_no_threshold(tmp_path, scores):
    labels = [["cel"], ["cel", "voi"], ["voi"], ["pia"]]
    splits = ["testing", "training", "testing", "training"]  # the first three are of one song
    truth = write_truth(tmp_path / "truth.csv", labels, split=splits)
    path = write(tmp_path / "answers.csv", truth.clips["name"], scores[:2])
    elsewhere = write(tmp_path / "v.csv", truth.others["name"], scores[2:4])
    with pytest.raises(DataError, match="clips, or recordings, that are scored: 'song 0-2'; "):
        scorer.score(scorer.System(path, validation=elsewhere), truth)


def test_a_recording_that_the_validation_scores_name_is_known_too(tmp_path, scores):
    columns = {"recording": ["tape 1", "tape 2"]}
    truth = write_truth(tmp_path / "truth.csv", [["cel"], ["voi"]], **columns)
    path = write(tmp_path / "answers.csv", truth.clips["name"], scores[:2])
    columns = {"recording": ["tape 3", " tape 2"], "labels": ["cel", "voi"]}
    elsewhere = write(tmp_path / "v.csv", ["v 1", "v 2"], scores[2:4], **columns)
    with pytest.raises(DataError, match="clips, or recordings, that are scored: 'v 2'; "):
        scorer.score(scorer.System(path, validation=elsewhere), truth)


def test_a_cleared_sheet_is_one_error(tmp_path, truth):
    (tmp_path / "answers.csv").write_text(",,,\n,,,\n")
    with pytest.raises(DataError, match="answers.csv: found separators alone"):
        scorer.score(scorer.System(tmp_path / "answers.csv"), truth)


def test_lists_as_numpy_2_writes_them_are_labels():
    texts = pd.Series([str([*np.array(["pia", "voi"])]), "['cel', 'voi']", "gac"])
    expected = [("pia", "voi"), ("cel", "voi"), ("gac",)]
    assert collection.parse_labels(texts).tolist() == expected


def test_a_threshold_is_given_or_chosen_and_not_both(tmp_path, truth, scores):
    path = write(tmp_path / "answers.csv", truth.clips["name"], scores)
    with pytest.raises(DataError, match="validation scores beside it; expected one of both"):
        scorer.score(scorer.System(path, [0.5], path), truth)


def test_two_systems_are_tested_in_pairs(tmp_path, truth, scores, capsys):
    good = write(tmp_path / "good_one.csv", truth.clips["name"], scores)
    decided = (np.random.default_rng(2).random(scores.shape) < 0.2).astype(int)
    bad = write(tmp_path / "bad.csv", truth.clips["name"][::-1], decided[::-1])
    arguments = ["score", str(good), "--labels", str(tmp_path / "truth.csv"), "--threshold", "0.45"]
    assert cli.main([*arguments, "--against", str(bad), "--format", "json"]) == 0
    tests = json.loads(capsys.readouterr().out)["against"]["tests"]
    assert set(tests) == {"micro_f1", "macro_f1"}  # decisions rank nothing
    assert tests["micro_f1"]["p_adjusted"] < 0.05
    assert cli.main([*arguments, "--against", str(good), "--format", "latex"]) == 0
    written = capsys.readouterr()
    assert written.out.count(r"\begin{table}") == 4
    assert r"Less good\_one.csv" in written.out
    assert "% Optimistic" in written.out  # of the other, whose threshold is not given


def test_own_predictions_and_another_vocabulary(tmp_path):
    labels = [["bass"], ["bass", "drums"]] * 4
    splits = ["training", "training"] + ["testing"] * 6
    known = write_truth(tmp_path / "truth.csv", labels, split=splits)
    assert known.vocabulary.codes == OTHER
    answers = known.matrix(known.clips["labels"])
    columns = [f"decision_{code}" for code in OTHER]
    path = write(tmp_path / "answers.csv", known.clips["name"], answers.astype(int), columns)
    found = scorer.score(scorer.System(path), known)
    assert found["evaluation"]["micro"]["f1"]["value"] == 1
    assert set(found["evaluation"]["per_label"]) == {*OTHER}
    assert "all labels" in found["trivial"]
    assert "paper's constant" not in found["trivial"]
    assert "left out" in scorer.render(found)


def test_the_data_set_itself_is_the_truth(tiny_irmas, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("IRMAS_DATA", str(tiny_irmas))
    profile = tmp_path / "part.yaml"
    profile.write_text("extends: full\ncorpus:\n  allow_incomplete: true\n")
    names = [f"01 - Sólo piano-{n}.wav" for n in (1, 2, 3)]
    path = write(tmp_path / "answers.csv", names, np.eye(11)[[4, 10, 6]].astype(int))
    assert cli.main(["score", str(path), "--profile", str(profile)]) == 0
    assert "3 clips of 1 recordings" in capsys.readouterr().out


def test_some_of_irmas_labels_are_all_that_is_scored(tmp_path):
    known = write_truth(tmp_path / "truth.csv", [["cel"], ["cel", "voi"], ["voi"], ["pia"]])
    assert known.vocabulary.codes == ("cel", "pia", "voi")
    answers = known.matrix(known.clips["labels"]).astype(int)
    path = write(tmp_path / "answers.csv", known.clips["name"], answers, ["cel", "pia", "voi"])
    found = scorer.score(scorer.System(path), known)
    assert found["evaluation"]["macro"]["f1"]["value"] == 1
    shown = scorer.render(found)
    assert "of IRMAS's eleven these alone: cel pia voi." in shown
    assert "| cello " in shown
    assert "clarinet" not in shown


@pytest.mark.parametrize("column", ["cla", "score_cla"])
def test_to_name_an_instrument_that_no_clip_has_is_a_false_alarm(tmp_path, column):
    known = write_truth(tmp_path / "truth.csv", [["cel"], ["cel", "voi"], ["voi"], ["pia"]])
    columns = [column.replace("cla", code) for code in ("cel", "pia", "voi", "cla")]
    answers = np.c_[known.matrix(known.clips["labels"]), [True] * 4].astype(int)
    path = write(tmp_path / "answers.csv", known.clips["name"], answers, columns)
    found = scorer.score(scorer.System(path), known)
    assert found["evaluation"]["micro"]["precision"]["value"] == 5 / 9
    assert found["labels"] == ["cel", "cla", "pia", "voi"]


@pytest.mark.parametrize(
    ("labels", "column"),
    [(["oud", "ney", "oud ney"], "score_qanun"), (["oud", "ney", "oud ney"], "decision_qanun"),
     (["oud cel", "ney", "oud ney"], "flu"), (["Oud", "Ney", "Oud"], "score_Qanun"),
     (["oud", "ney", "oud ney"], "score_pia\u0302no")],
)  # fmt: skip
def test_a_label_of_the_answers_alone_is_false_alarms_in_any_collection(tmp_path, labels, column):
    known = write_truth(tmp_path / "truth.csv", [each.split() for each in labels])
    kind = column[: column.find("_") + 1]
    right = known.matrix(known.clips["labels"]).astype(int)
    columns = [*(kind + code for code in known.vocabulary.codes), column]
    path = write(tmp_path / "a.csv", known.clips["name"], np.c_[right, [1] * 3], columns)
    found = scorer.score(scorer.System(path), known)
    assert found["evaluation"]["micro"]["precision"]["value"] == right.sum() / (right.sum() + 3)
    assert unicodedata.normalize("NFC", column.removeprefix(kind)) in found["labels"]


def test_labels_beside_irmas_eleven_leave_the_published_results_out(tmp_path, truth, scores):
    columns = [*(f"score_{code}" for code in INSTRUMENTS), "score_bass"]
    path = write(tmp_path / "a.csv", truth.clips["name"], np.c_[scores, [0.9] * 30], columns)
    found = scorer.score(scorer.System(path, [0.5]), truth)
    assert found["evaluation"]["per_label"]["bass"]["predicted"] == 30
    assert "its labels alone: left out" in scorer.render(found)


@pytest.mark.parametrize(
    ("heads", "told"),
    [
        ("cel,voi,CLA", "'CLA'; expected the spelling cla"),
        ("CEL,voi", "'CEL'; expected the spelling cel"),
        ("Score_cel,score_VOI", "'Score_cel', 'score_VOI'; expected the spelling score_cel, sco"),
        ("ｃｅｌ,voi", "'ｃｅｌ'; expected the spelling cel"),
        ("score_cel,score_voi,score_Oud,score_oud", "'score_oud'; expected the spelling score_Oud"),
    ],
)
@pytest.mark.parametrize("place", ["answers", "against", "validation"])
def test_a_column_that_is_almost_a_labels_is_renamed_and_not_ignored(tmp_path, heads, told, place):
    known = write_truth(tmp_path / "truth.csv", [["cel"], ["cel", "voi"]])
    kind = "score_" if "score" in heads else ""
    good = write(tmp_path / "good.csv", known.clips["name"], [[0.5, 0.25]] * 2,
                 [f"{kind}cel", f"{kind}voi"])  # fmt: skip
    clips = ["x", "y"] if place == "validation" else known.clips["name"]
    values = np.full((2, heads.count(",") + 1), 0.5)
    bad = write(tmp_path / "bad.csv", clips, values, heads.split(","), labels=["cel", "voi"])
    system = scorer.System({"answers": bad}.get(place, good), None, {"validation": bad}.get(place))
    against = scorer.System(bad) if place == "against" else None
    with pytest.raises(DataError, match=rf"bad.csv: found columns {told}.*\. Rename them\.$"):
        scorer.score(system, known, against)


@pytest.mark.parametrize(("truth_form", "form"), [("NFC", "NFD"), ("NFD", "NFD"), ("NFD", "NFC")])
def test_heads_are_composed_as_labels_are(tmp_path, truth_form, form):
    write_truth(tmp_path / "t.csv", [["flûte"], ["oud"]])
    text = unicodedata.normalize(truth_form, (tmp_path / "t.csv").read_text())
    (tmp_path / "t.csv").write_text(text)
    known = scorer.truth(tmp_path / "t.csv")
    heads = [unicodedata.normalize(form, label) for label in ("flûte", "oud")]
    path = write(tmp_path / "a.csv", known.clips["name"], np.eye(2).astype(int), heads)
    found = scorer.score(scorer.System(path), known)
    assert found["evaluation"]["micro"]["f1"]["value"] == 1


@pytest.mark.parametrize("form", [str.capitalize, str.upper, " {} ".format, "\u00a0{}".format])
def test_columns_are_known_by_other_capitals_and_blanks(tmp_path, form):
    path = tmp_path / "own.csv"
    heads = ",".join(map(form, ("file", "labels", "recording", "split")))
    path.write_text(heads + "\na.wav,cel,tape,testing\nb.wav,voi,tape,training\n")
    known = scorer.truth(path)
    assert known.clips["name"].tolist() == ["a"]
    assert known.clips["recording"].tolist() == known.others["recording"].tolist() == ["tape"]
    answers = write(tmp_path / "answers.csv", ["a"], [[0.5, 0.1]], ["cel", "voi"])
    columns = {form("recording"): ["tape"], "labels": ["voi"]}
    elsewhere = write(tmp_path / "v.csv", ["v"], [[0.5, 0.1]], ["cel", "voi"], **columns)
    with pytest.raises(DataError, match="clips, or recordings, that are scored: 'v'; "):
        scorer.score(scorer.System(answers, validation=elsewhere), known)
    path.write_text("clip,labels,recording,Recording\na,cel,s,t\n")
    with pytest.raises(DataError, match="doubled columns: 'recording'"):
        scorer.truth(path)


def test_both_systems_are_scored_over_the_labels_that_either_gives(tmp_path):
    known = write_truth(tmp_path / "truth.csv", [["cel"], ["cel", "pia"], ["pia"], ["pia"]])
    names, right = known.clips["name"], known.matrix(known.clips["labels"]).astype(int)
    ours = write(tmp_path / "ours.csv", names, right, ["cel", "pia"])
    more = write(tmp_path / "more.csv", names, np.c_[right, [1] * 4], ["cel", "pia", "voi"])
    for pair in ((ours, more), (more, ours)):
        with pytest.raises(DataError, match=r"ours.csv: found no column 'voi'.*zeros"):
            scorer.score(scorer.System(pair[0]), known, scorer.System(pair[1]))
    ours = write(tmp_path / "ours.csv", names, np.c_[right, [0] * 4], ["cel", "pia", "voi"])
    found = scorer.score(scorer.System(ours), known, scorer.System(more))
    assert found["against"]["tests"]["micro_f1"]["difference"] > 0


def test_thresholds_one_a_label_are_told_with_their_labels(tmp_path):
    known = write_truth(tmp_path / "truth.csv", [["oud"], ["ney"], ["ney"]])
    path = write(tmp_path / "a.csv", known.clips["name"], np.full((3, 2), 0.5), ["oud", "ney"])
    decided = scorer.decide(scorer.System(path, [0.2, 0.7]), known)
    assert decided.told == "cut at ney 0.2, oud 0.7"
    with pytest.raises(DataError, match="one each, commas between, for ney oud"):
        scorer.decide(scorer.System(path, [0.2, 0.7, 0.3]), known)


def test_what_other_programs_write_for_nothing_is_no_name(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("clip,labels,recording\na,oud NA,NA\nb,ney,NA\nc,[nan],t\n")
    with pytest.raises(DataError, match="clips without labels: 'c'"):
        collection.read(path)
    path.write_text("clip,labels,recording\na,oud NA,NA\nb,ney,NA\nc,oud,NATO\n")
    index, vocabulary = collection.read(path)
    assert vocabulary.codes == ("ney", "oud")
    assert index["recording"].tolist() == ["a", "b", "NATO"]


@pytest.mark.parametrize("label", ["clip", "silent", "Recording", "score_a", "Decision_a"])
def test_no_label_is_called_as_a_column_is(tmp_path, label):
    with pytest.raises(DataError, match=f"columns of tables are: '{label}'; .* Rename"):
        write_truth(tmp_path / "truth.csv", [["oud"], ["ney", label]])


def test_no_label_is_two_by_its_capitals(tmp_path):
    with pytest.raises(DataError, match="in capitals: 'Oud'; expected one spelling"):
        write_truth(tmp_path / "truth.csv", [["Oud"], ["oud"], ["NEY"]])
    with pytest.raises(DataError, match="in capitals: 'OUD'; expected one spelling"):
        write_truth(tmp_path / "truth.csv", [["Oud"], ["OUD"]])
    assert write_truth(tmp_path / "t.csv", [["NEY"], ["oud"]]).vocabulary.codes == ("NEY", "oud")


def test_a_training_set_alone_is_no_truth(tmp_path, tiny_irmas, monkeypatch):
    with pytest.raises(DataError, match="truth.csv: found no testing clips .* split testing"):
        write_truth(tmp_path / "truth.csv", [["cel"], ["voi"]], split=["training", "validation"])
    for part in tiny_irmas.glob("*Testing*"):
        shutil.rmtree(part)
    monkeypatch.setenv("IRMAS_DATA", str(tiny_irmas))
    known = load("full", corpus={"allow_incomplete": True})
    with pytest.raises(DataError, match=f"{tiny_irmas}: found no testing .*make data"):
        scorer.truth(known)


def test_no_name_breaks_out_of_a_table(tmp_path, truth, scores):
    odd = write(tmp_path / "a|b<i>\n\x1b[31m*`x`[y](z)~^{}\\_&%$#.csv", truth.clips["name"], scores)
    found = scorer.score(scorer.System(odd, [0.45]), truth, scorer.System(odd, [0.45]))
    shown = scorer.render(found)
    rows = [line for line in shown.splitlines() if line.startswith("|")]
    assert r"a\|b\<i>\\n\\x1b\[31m\*\`x\`\[y](z)~^{}\\_&%$#.csv" in shown
    assert len({re.sub(r"\\.", "", row).count("|") for row in rows}) == 3  # columns
    assert json.loads(scorer.render(found, "json"))["file"] == odd.name
    shown = scorer.render(found, "latex")
    text = (
        r"a\textbar{}b\textless{}i\textgreater{}\textbackslash{}n\textbackslash{}x1b[31m*`x`[y](z)"
    )
    text += r"\textasciitilde{}\textasciicircum{}\{\}\textbackslash{}\_\&\%\$\#.csv"
    assert r"\caption{Less " + text in shown
    notes, tables = shown.split(r"\begin{table}", 1)
    assert all(line.startswith("% ") for line in notes.splitlines() if line)
    assert not re.search(r"[<>|\x1b]", tables)


def test_a_file_may_be_called_as_a_constant_is(tmp_path, truth, scores):
    path = write(tmp_path / "all eleven", truth.clips["name"], scores)
    assert (
        scorer.render(scorer.score(scorer.System(path, [0.5]), truth)).count("| all eleven ") == 2
    )


def test_no_p_value_is_zero(tmp_path, truth, scores):
    labels = truth.matrix(truth.clips["labels"])
    good = write(tmp_path / "good.csv", truth.clips["name"], labels.astype(int))
    bad = write(tmp_path / "bad.csv", truth.clips["name"], (~labels).astype(int))
    found = scorer.score(scorer.System(good), truth, scorer.System(bad))
    found["against"]["tests"]["micro_f1"] |= {"p_value": 0.0, "p_adjusted": 0.0004}
    (row,) = [row for row in scorer.render(found).splitlines() if row.startswith("| micro F1 |")]
    assert row.count("| < 0.001 ") == 2
    (row,) = [row for row in scorer.render(found, "latex").splitlines() if r"\textless" in row]
    assert row.count(r"\textless{} 0.001") == 2
