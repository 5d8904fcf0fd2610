"""Which executed notebooks are missed when results are not what was made."""

import json

import pytest

from irmas_utils.paper.state import State
from irmas_utils.project import files, records
from irmas_utils.project.errors import DataError

MADE = {  # executed notebook: its manifest, what it recorded
    "notebooks/04_fft_model.ipynb": ("04_fft_model", "fft", "predictions/fft.csv"),
    "notebooks/studies/fft-base.ipynb": ("04_fft_model", "fft-base", "metrics/fft-base.json"),
    "notebooks/09_comparison.ipynb": ("09_comparison", None, "figures/comparison.png"),
}


@pytest.fixture
def folder():
    folder = records.results_dir("smoke")
    for executed, made in MADE.items():
        execute(folder, executed, *made, content="made")
    (folder / "site").mkdir()
    (folder / "site" / "index.html").write_text("page")
    State(folder).remember("abc")
    return folder


def execute(folder, executed, notebook, run, file, content):
    for path in (folder / executed, folder / file):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    entry = {"notebook": notebook, "run": run, "digest": files.digest(folder / file)}
    part = folder / "manifests" / f"{records.manifest_name(notebook, run)}.json"
    files.write_sealed(part, {file: entry})


def missed(folder):
    """What a next run makes again."""
    return set(State(folder).altered(MADE).values())


def test_what_is_as_it_was_made_is_left_alone(folder):
    assert missed(folder) == set()
    assert State(folder).stamp == "abc"


@pytest.mark.parametrize(("executed", "made"), MADE.items())
@pytest.mark.parametrize("damage", [lambda p: p.unlink(), lambda p: p.write_text("other")])
def test_an_altered_result_is_made_again_by_its_notebook(folder, executed, made, damage, capsys):
    damage(folder / made[2])
    assert missed(folder) == {executed}
    assert made[2] in capsys.readouterr().out


def test_an_altered_page_executed_notebook_or_manifest_is_made_again(folder):
    (folder / "site" / "index.html").write_text("other")
    (folder / "notebooks" / "04_fft_model.ipynb").write_text("other")
    (folder / "manifests" / "09_comparison.json").write_text("{")
    assert missed(folder) == {*MADE, "site/index.html"} - {"notebooks/studies/fft-base.ipynb"}


def test_one_flipped_bit_of_any_manifest_is_noticed(folder, capsys):
    for executed, (notebook, run, _) in MADE.items():
        name = f"manifests/{records.manifest_name(notebook, run)}.json"
        whole = bytearray((folder / name).read_bytes())
        for bit in range(0, 8 * len(whole), 61):
            damaged = whole.copy()
            damaged[bit // 8] ^= 1 << bit % 8
            (folder / name).write_bytes(damaged)
            if missed(folder):  # it may be a space between two values
                assert missed(folder) == {executed}
                assert f"{name} is not what was made" in capsys.readouterr().out
            else:
                assert json.loads(damaged) == json.loads(whole)
        (folder / name).write_bytes(whole)


def test_a_damaged_manifest_is_one_error_where_they_are_joined_and_made_again(folder):
    (folder / "manifests" / "04_fft_model-fft-base.json").write_text("{}")
    with pytest.raises(
        DataError, match=r"04_fft_model-fft-base\.json: found something.*make paper"
    ):
        records.merge_manifests("smoke")
    assert not (folder / "notebooks" / "studies" / "fft-base.ipynb").exists()
    assert (folder / "notebooks" / "04_fft_model.ipynb").exists()


def test_the_joined_manifest_and_what_tells_of_the_data_are_results_too(folder):
    files.write_json(folder / "manifest.json", {"seed": 1})
    files.write_json(folder / "corpus.json", {"clips": 1})
    State(folder).remember("abc")
    assert missed(folder) == set()
    files.write_json(folder / "manifest.json", {"seed": 2})
    (folder / "corpus.json").unlink()
    assert missed(folder) == {"site/index.html", "corpus.json"}


def test_what_a_killed_run_has_made_is_kept(folder):
    for executed, made in MADE.items():
        execute(folder, executed, *made, content="made again")
    assert missed(folder) == set()


@pytest.mark.parametrize("name", ["../../precious.txt", "/precious.txt", "", "metrics/han.json"])
def test_a_memory_that_somebody_has_edited_deletes_nothing(folder, name):
    kept = json.loads((folder / "state.json").read_text())
    kept["content"][1][name] = [1, 2, "3"]
    (folder / "state.json").write_text(json.dumps(kept))
    assert missed(folder) == set()


@pytest.mark.parametrize("damage", [b"", b"{", b'{"files": 3}', b'{"digest": "", "content": 3}'])
def test_without_a_memory_the_manifests_tell_what_was_made(folder, damage):
    (folder / "state.json").write_bytes(damage)
    assert missed(folder) == set()
    (folder / "figures" / "comparison.png").unlink()
    (folder / "metrics" / "fft-base.json").write_text("other")
    assert missed(folder) == {*MADE} - {"notebooks/04_fft_model.ipynb"}
    assert State(folder).stamp is None


@pytest.mark.parametrize("content", ["made by hand", "made"])
def test_what_an_execution_by_hand_has_replaced_is_made_again(folder, content):
    """It writes results and their manifest, and its output elsewhere."""
    executed = [*MADE][1]
    execute(folder, "notebooks/by_hand.ipynb", *MADE[executed], content=content)
    assert missed(folder) == ({executed} if content != "made" else set())


def test_a_manifest_of_earlier_results_is_noticed(folder):
    part, executed = folder / "manifests" / "04_fft_model-fft-base.json", [*MADE][1]
    before = part.read_bytes()
    execute(folder, executed, *MADE[executed], content="made again")
    State(folder).remember("abc")
    part.write_bytes(before)
    assert missed(folder) == {executed}


def test_what_no_job_makes_is_its_owners(folder):
    own = [folder / f for f in ("figures/marked.png", "notebooks/my.ipynb", "notes/a.md")]
    for path in own:
        files.write_text(path, "mine")
    by_hand = "04_fft_model", "fft-own-1", "metrics/fft-own-1.json"
    execute(folder, "notebooks/by_hand.ipynb", *by_hand, content="mine")
    State(folder).remember("abc")
    for path in own:
        path.write_text("mine, improved")
    (folder / "metrics" / "fft-own-1.json").unlink()
    state = State(folder)
    state.discard(state.altered(MADE))
    assert all(path.exists() for path in own)
    assert missed(folder) == set()
