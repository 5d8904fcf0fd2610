"""What a run asks of Snakemake, in folders of every name, and how it ends."""

import re
import shlex
import shutil
import subprocess
import sys
import time

import psutil
import pytest

from irmas_utils.paper import jobs, workflow
from irmas_utils.paper.state import State
from irmas_utils.project import paths, records, settings
from irmas_utils.project.errors import SettingsError

ODD = "a {1} & $(touch x) `y` 'b' \"c\" #é; %"
NAME = "01_data_analysis"


@pytest.fixture
def asked(monkeypatch):
    """The commands that Snakemake would be started with."""
    commands = []
    monkeypatch.setattr(
        workflow, "_snakemake", lambda command, *_, **__: commands.append(command) or 1
    )
    return commands


@pytest.fixture
def finished():
    """Results in which one figure is no longer what was made."""
    folder = records.results_dir("smoke")
    made = folder / "notebooks" / f"{NAME}.ipynb"
    known = folder / ".snakemake" / "metadata" / "abc"
    figure = folder / "figures" / "durations.png"
    for path in (made, known, figure):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("made")
    record = records.Record(NAME, settings.load("smoke"))
    record.enter("figures/durations.png")
    State(folder).remember(None)
    figure.write_text("edited")
    return made


@pytest.mark.parametrize("option", ["--dry-run", "--dryrun", "-n", "-np", "-pn"])
def test_a_dry_run_says_what_is_to_be_made_again_and_removes_nothing(
    asked, finished, option, capsys
):
    workflow.run("smoke", [], 1, [option])
    (*_, flag, name) = asked[-1]
    assert (flag, name) == ("--forcerun", f"notebooks/{NAME}.ipynb")
    assert finished.exists()
    said = capsys.readouterr().out
    assert said == "figures/durations.png is not what was made; it has to be made again.\n"
    workflow.run("smoke", [], 1, [])
    assert not finished.exists()
    assert "--forcerun" not in asked[-1]


def test_a_damaged_manifest_that_no_job_writes_any_more_goes(asked, finished):
    left = finished.parent.parent / "manifests" / "04_fft_model-fft-gone.json"
    left.write_text("{")
    workflow.run("smoke", [], 1, ["--dry-run"])
    assert left.exists()
    workflow.run("smoke", [], 1, [])
    assert not left.exists()
    assert records.merge_manifests("smoke").keys() == {"figures/durations.png"}


def test_results_of_which_snakemake_knows_nothing_are_made_again(asked, finished):
    workflow.run("smoke", [], 1, [])
    assert "--forceall" not in asked[-1]
    shutil.rmtree(finished.parent.parent / ".snakemake")
    workflow.run("smoke", [], 1, [])
    assert "--forceall" in asked[-1]


def test_a_figure_that_nobody_draws_says_how_to_make_it(tmp_path):
    profile = tmp_path / "it's.yaml"
    profile.write_text("extends: smoke\nprofile: other")
    with pytest.raises(workflow.NotebookError) as error:
        workflow.redraw(str(profile), "durations")
    make = re.search("`(.*)`", str(error.value))[1]
    assert shlex.split(make) == ["make", "paper", f"PROFILE={profile}"]


@pytest.mark.parametrize("name", ["1", "01", NAME, f"{NAME}.ipynb", f"notebooks/{NAME}.ipynb"])
def test_a_notebook_may_be_named_by_its_number_or_file(asked, name):
    workflow.run("smoke", [name], 1, [])
    assert f"notebooks/{NAME}.ipynb" in asked[-1]


@pytest.mark.parametrize(
    "name", ["durations", "durations.pdf", "results/smoke/figures/durations.png"]
)
def test_a_figure_may_be_named_by_its_file(asked, finished, name):
    workflow.redraw("smoke", name)
    assert f"notebooks/{NAME}.ipynb" in asked[-1]


def test_a_misspelt_plan_is_told_of_before_anything_runs(asked, tmp_path):
    (profile := tmp_path / "p.yaml").write_text("extends: smoke\nnetworks: {plans: {hann: {}}}")
    with pytest.raises(SettingsError, match=r"networks.plans: found 'hann'; expected one of han"):
        workflow.run(str(profile), [], 1, ["--dry-run"])


def test_no_name_of_a_folder_is_pasted_into_a_shell_or_a_pattern(tmp_path):
    """A clone, a profile and results in folders of the worst names: the jobs get them whole."""
    clone, here = tmp_path / f"clone {ODD}", tmp_path / f"mine {ODD}"
    for name in ("irmas_utils", "profiles", "notebooks", "results/reference/real"):
        shutil.copytree(paths.ROOT / name, clone / name)
    shutil.copy(paths.ROOT / "Snakefile", clone)
    here.mkdir()
    (here / "p.yaml").write_text("extends: smoke")
    code = "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
    code += "from irmas_utils.__main__ import main; sys.exit(main())"
    command = [sys.executable, "-c", code, str(clone), "paper", "--profile", "p.yaml"]
    command += ["--notebook", "1", "--dry-run", "--printshellcmds"]
    environment = {"SNAKEMAKE_PROFILE": "none", "PATH": "/usr/bin:/bin", "IRMAS_CACHE": "c {2}"}
    environment["IRMAS_RESULTS"] = f"r {ODD}"
    done = subprocess.run(
        command, cwd=here, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    shown = re.findall(r"^Shell command: (.*)$", done.stdout + done.stderr, flags=re.M)
    corpus, executed = (shlex.split(line)[3:] for line in shown)
    assert corpus == ["corpus", str(here / "p.yaml"), "corpus.json"]
    notebook, made = clone / "notebooks" / f"{NAME}.ipynb", f"notebooks/{NAME}.ipynb"
    assert executed == ["execute", str(notebook), made, "-p", "profile", str(here / "p.yaml")]
    assert f"Working directory: {here / f'r {ODD}' / 'p'}\n" in done.stdout + done.stderr
    assert not [*tmp_path.rglob("x"), *tmp_path.rglob("y")]


def test_whoever_stops_a_run_stops_all_that_it_has_started():
    class Stopped(subprocess.Popen):
        stopped = False

        def wait(self, timeout=None):
            if not self.stopped:
                self.stopped = True
                raise KeyboardInterrupt
            return super().wait(timeout)

    process = Stopped(["sh", "-c", "sleep 100 & sleep 100"])
    started = psutil.Process(process.pid)
    while len(children := started.children(recursive=True)) < 2:
        time.sleep(0.01)
    with pytest.raises(KeyboardInterrupt):
        workflow._wait(process)
    gone, alive = psutil.wait_procs(children, timeout=5)
    assert len(gone) == 2
    assert not alive


def test_jobs_name_their_files_as_seen_from_the_results():
    for job in jobs.jobs(settings.load("sample")).values():
        assert re.fullmatch(r"notebooks/[\w/.-]+\.ipynb", str(job.output(paths.Path())))


def test_a_cluster_is_submitted_to_by_its_profile_and_slurms_own_variables(asked, monkeypatch):
    monkeypatch.setattr(workflow.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setenv("SBATCH_ACCOUNT", "a b")
    monkeypatch.delenv("SBATCH_PARTITION", raising=False)
    workflow.run("smoke", [], 1, [], "slurm", 2)
    start = asked[-1].index("--config")
    assert asked[-1][start:] == [
        "--config", 'profile=["smoke"]', "cluster=slurm", "gpus=2", "--workflow-profile",
        str(paths.PROFILES / "slurm"), "--default-resources", "slurm_account=a b"]  # fmt: skip
    assert (paths.PROFILES / "slurm" / "config.yaml").is_file()


def test_a_cluster_without_its_plugin_is_one_clear_error(monkeypatch):
    monkeypatch.setattr(workflow.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r'install -e ".\[slurm\]"'):
        workflow.run("smoke", [], 1, [], "slurm")
