"""The command line: quick where nothing has to be computed, and one line where a person erred."""

import os
import shlex
import subprocess
import sys

import pytest

from irmas_utils import __main__ as cli
from irmas_utils.project import paths

HEAVY = ("tensorflow", "pandas", "numpy", "papermill", "matplotlib", "requests")


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as done:
        cli.main([name, "--help"])
    assert done.value.code == 0
    assert "usage: irmas " + name in capsys.readouterr().out


def test_an_unknown_option_is_told_of_beside_those_that_there_are(capsys):
    with pytest.raises(SystemExit):
        cli.main(["predict", "take.wav", "--output", "there"])
    said = capsys.readouterr().err
    assert "usage: irmas predict" in said
    assert "unrecognized arguments: --output there" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["predict", "gone.wav"],
        ["predict", __file__, "--model", "gone.keras"],
        ["execute", "gone.ipynb", "out.ipynb"],
        ["paper", "--profile", "gone"],
        ["corpus", "gone", "out.json"],
        ["site", "gone"],
        ["train", __file__, "--to", "/dev/null/gone"],
    ],
    ids=" ".join,
)
def test_help_and_wrong_paths_import_nothing_heavy(arguments):
    code = (
        "import sys; from irmas_utils.__main__ import main\n"
        f"try: status = main({arguments})\n"
        "except SystemExit as done: status = done.code\n"
        f"print(*set(sys.modules) & set({HEAVY}), file=sys.stderr, end='')\n"
        "sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    wrong = arguments != ["--help"]
    assert done.returncode == wrong
    assert done.stderr.count("\n") == wrong
    assert not wrong or ("gone" in done.stderr and done.stderr.startswith("error: "))
    assert done.stderr.endswith("\n") == wrong


@pytest.mark.parametrize(
    ("name", "shown"), [("gone_é🎹.wav", r"gone_\xe9\U0001f3b9.wav"), ("\udce9.wav", r"\udce9.wav")]
)
def test_a_name_that_the_terminal_cannot_show_is_told_of_all_the_same(name, shown):
    command = [sys.executable, "-m", "irmas_utils", "predict", name]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.decode("ascii").startswith(f"error: {shown}: found no such file")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "arguments", [["corpus", "smoke", "out.json"], ["figure", "x"], ["paper", "--profile", "smoke"]]
)
def test_a_folder_that_cannot_be_written_is_one_line(arguments, tmp_path, monkeypatch, capsys):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file, in which nobody can make a folder")
    monkeypatch.setenv("IRMAS_CACHE", str(blocked))
    monkeypatch.setenv("IRMAS_RESULTS", str(blocked))
    assert cli.main(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("variable", ["IRMAS_CACHE", "IRMAS_RESULTS", "IRMAS_DATA"])
def test_a_variable_that_names_a_file_is_told_of(variable, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv(variable, str(tmp_path / "file"))
    assert cli.main(["audit", "--f1", ".38"]) == 1
    assert capsys.readouterr().err.startswith(f"error: {variable}={tmp_path / 'file'}: found no")


@pytest.mark.parametrize(
    ("variable", "arguments"),
    [("no", ["predict", __file__, "--out", "x"]), ("IRMAS_CACHE", ["audit", "--f1", ".38"])],
)
def test_a_current_folder_that_was_deleted_is_told_of(
    variable, arguments, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, "c")
    tmp_path.rmdir()
    assert cli.main(arguments) == 1
    assert capsys.readouterr().err.startswith("error: current folder: found one that was deleted")


@pytest.mark.parametrize("name", ["pipe.ipynb", "pipe.yaml", "pipe.keras", "pipe.wav"])
def test_a_pipe_is_not_waited_for(tmp_path, name, capsys):
    os.mkfifo(path := tmp_path / name)
    given = {
        "pipe.ipynb": ["execute", path, tmp_path / "out.ipynb"],
        "pipe.yaml": ["site", path],
        "pipe.keras": ["predict", __file__, "--model", path],
        "pipe.wav": ["predict", path],
    }
    if name == "pipe.wav":
        given[name] += ["--model", tmp_path / "none"]
    assert cli.main([*map(str, given[name])]) == 1
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize(
    "arguments",
    [["site", "smoke", "--fast"], [], ["sit"], ["predict"], ["estimate", "--cores", "0"],
     ["paper", "--cores=-1"], ["score", "a.csv", "--threshold", ".1,x"],
     ["predict", "a.wav", "--json", "--csv"]],
    ids=" ".join,
)  # fmt: skip
def test_what_is_not_understood_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as done:
        cli.main(arguments)
    assert done.value.code == 2
    said = capsys.readouterr().err
    assert "usage: irmas" in said
    assert "invalid _" not in said  # which no reader knows


@pytest.mark.parametrize("name", ["", ".", "/"])
def test_no_name_is_no_notebook(name, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("IRMAS_RESULTS", str(tmp_path))
    monkeypatch.setenv("IRMAS_CACHE", str(tmp_path / "cache"))
    assert cli.main(["paper", "--profile", "smoke", "--notebook", name]) == 1
    assert "no such notebook" in capsys.readouterr().err


def test_other_options_of_the_paper_go_to_snakemake(monkeypatch):
    from irmas_utils.paper import workflow

    calls = []
    monkeypatch.setattr(workflow, "run", lambda *arguments: calls.append(arguments) or 3)
    options = ["--profile", "smoke", "--executor", "slurm", "--notebook", "a", "--jobs", "20", "-n"]
    assert cli.main(["paper", *options, "--cores", "2", "--", "--quiet"]) == 3
    others = ["--executor", "slurm", "--jobs", "20", "-n", "--quiet"]
    assert calls == [("smoke", ["a"], 2, others, None, 0)]


@pytest.mark.parametrize(
    ("named", "options", "fetches"),
    [
        (None, ["--profile", "full"], 1),
        (None, ["--profile", "full", "--dry-run"], 0),
        (None, ["--profile", "full", "-np"], 0),
        (None, ["--profile", "smoke"], 0),
        ("nowhere", ["--profile", "full"], 0),
    ],
)
def test_the_full_paper_fetches_the_set_if_no_folder_is_named(
    tmp_path, monkeypatch, named, options, fetches
):
    from irmas_utils.data import fetch
    from irmas_utils.paper import workflow

    fetched = []
    monkeypatch.setattr(fetch, "irmas", lambda: fetched.append(1))
    monkeypatch.setattr(workflow, "run", lambda *arguments: 0)
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("IRMAS_DATA", raising=False)
    if named:
        monkeypatch.setenv("IRMAS_DATA", str(tmp_path / named))
    assert cli.main(["paper", *options]) == 0
    assert len(fetched) == fetches


def test_without_the_set_the_remedy_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("IRMAS_DATA", str(tmp_path / "nowhere"))
    assert cli.main(["corpus", "full", str(tmp_path / "out.json")]) == 1
    assert "make data" in capsys.readouterr().err


def test_the_commands_of_the_page_on_scoring_are_understood():
    page = (paths.ROOT / "docs" / "scoring.md").read_text(encoding="utf-8")
    lines = [line for line in page.splitlines() if line.startswith("irmas ")]
    understood = [cli._parser().parse_args(shlex.split(line)[1:]).command for line in lines]
    assert understood == ["score", "score", "split", "audit", "diff"]


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_it_works_where_nobody_reads(closed):
    command = f"{sys.executable} -m irmas_utils audit --f1 .38 {closed}"
    done = subprocess.run(command, shell=True, cwd=paths.ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("|" in done.stdout) == (closed == "2>&-")


def test_nothing_that_was_found_gives_the_terminal_commands(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("c\x1b[2J,d\n1,2\n")
    assert cli.main(["score", str(tmp_path / "a.csv"), "--labels", str(tmp_path / "a.csv")]) == 1
    said = capsys.readouterr().err
    assert r"c\x1b[2J" in said
    assert said.count("\n") == 1
