"""Which executions of notebooks the paper is made of, and what each depends on.

A job is one execution. It is done again when a setting that it reads, the code that it reaches, a
result that it reads or a library's version has changed, and not otherwise. Code is compared by what
it does (`project.sources`), not by the times of files.
"""

import itertools
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from irmas_utils.data import corpus, fetch
from irmas_utils.paper import studies
from irmas_utils.paper.studies import Job
from irmas_utils.project import files, paths, runs, sources
from irmas_utils.project.settings import Settings
from irmas_utils.systems.networks import registry

_DATA = ("profile", "seed", "corpus")
_SECTIONS = {
    "00_primer": ("fft.samples",),
    "01_data_analysis": (),
    "02_data_preparation": ("fft.samples",),
    "03_lstm_model": ("lstm",),
    "04_fft_model": ("fft",),
    "05_lstm_hyperparameters": ("base of lstm", "study.lstm"),
    "06_fft_hyperparameters": ("base of fft", "fft.samples", "study.fft", "bosch.mixtures"),
    "07_other_networks": ("networks.seeds", "networks.mixtures", "networks.batch_size",
                          "networks.plans", "sweep"),
    "08_bosch_baselines": ("bosch", "sweep", "base of fft", "fft.samples", "study.fft.separated"),
    "09_comparison": (),
    "10_discussion": ("base of lstm", "base of fft", "study", "networks.variants"),
    "11_your_own_audio": (),
}  # fmt: skip
"""The sections of the settings that each notebook reads, besides those that all read."""

STUDIES = ("05_lstm_hyperparameters", "06_fft_hyperparameters")
MODELS = ("03_lstm_model", "04_fft_model", "07_other_networks", "08_bosch_baselines")
LONG = ("07_other_networks", "08_bosch_baselines", "04_fft_model")
SEED = "-seed-"
"""In the name of a job that trains a network of the paper with one seed."""

REAL = (*STUDIES, "08_bosch_baselines", "09_comparison", "10_discussion")
"""Notebooks that conclude from the results on real clips."""


def jobs(settings: Settings) -> dict[str, Job]:
    """Return every job by its name, those that others need first, trainings seed by seed."""
    of_seeds = {
        (run := f"{network}{SEED}{seed}"): Job(notebook, run, {"seeds": [seed]})
        for network, notebook in studies.NOTEBOOKS.items()
        for seed in getattr(settings, network).seeds
        if len(getattr(settings, network).seeds) > 1
    }
    studied = studies.runs(settings)
    needs = {
        STUDIES[0]: ("03_lstm_model", *(run for run in studied if run.startswith("lstm-"))),
        STUDIES[1]: tuple(run for run in studied if run.startswith("fft-")),
        "09_comparison": MODELS,
        "10_discussion": (*MODELS, *STUDIES, "09_comparison", *studied),
        "11_your_own_audio": ("07_other_networks",),
    }
    for run, job in of_seeds.items():
        needs[job.notebook] = (*needs.get(job.notebook, ()), run)
    whole = {name: Job(name, None, {}, needs.get(name, ())) for name in _SECTIONS}
    return of_seeds | studied | whole


def priority(name: str, known: Mapping[str, Job]) -> int:
    """Say which of two jobs begins: the higher, or one core idles in the end.

    First what takes long, then what the last notebook waits for.
    """
    takes_long = known[name].notebook in LONG or SEED in name
    return 2 * takes_long + (name in known["10_discussion"].needs)


def made_from(job: Job, settings: Settings) -> dict[str, Any]:
    """Return what a job's results depend on besides those of other jobs, as JSON."""
    notebook = paths.NOTEBOOKS / f"{job.notebook}.ipynb"
    code = sources.of_notebook(notebook)
    if job.notebook == registry.NOTEBOOK:  # which imports the networks by their names
        networks = map(registry.network, job.parameters.get("train", registry.NETWORKS))
        code += "".join(f"\nimport {network.module}" for network in networks)
    aside = paths.PACKAGE / "plots" if job.run else None  # a study draws nothing
    reached = [path for path in sources.reached(code) if aside not in path.parents]
    found = {"settings": _read(job, settings), "parameters": dict(job.parameters)}
    found |= {"code": sources.digest(code, reached), "libraries": runs.versions()}
    if job.run is None:  # its page shows text and comments too
        found["notebook"] = files.digest(notebook)
    if job.notebook == registry.NOTEBOOK:
        # Once IRMAS_WEIGHTS names a folder with the weights, there is more to train.
        found["weights"] = fetch.given()
    if job.notebook in ("09_comparison", "10_discussion"):
        # Notebook 10 shows them, and the ledger of claims reads them.
        benchmarks = sorted(paths.reference_dir("benchmarks").glob("*.json"))
        found["benchmarks"] = [files.digest(path) for path in benchmarks]
    if job.notebook in REAL:
        found["real"] = [files.digest(path) for path in _real(settings)]
    return json.loads(json.dumps(found, sort_keys=True))  # in whatever order a profile has them


def _read(job: Job, settings: Settings) -> dict[str, Any]:
    """Return the settings that a job reads: a study's with its own values in their place."""
    found = settings.section(*_DATA, "evaluation")
    for key in _SECTIONS[job.notebook]:
        studied = job.run is not None and SEED not in job.run and key in studies.NOTEBOOKS
        if studied or key.startswith("base of "):
            network = key.removeprefix("base of ")
            known = type(getattr(settings, network)).model_fields
            change = {k: v for k, v in job.parameters.items() if studied and k in known}
            found[key] = settings.with_base(network, **change)
        else:
            found |= settings.section(key)
    return found


def _real(settings: Settings) -> list[Path]:
    """Return what is committed on real clips and read; a profile of real data has its own runs."""
    inside = ["metrics/*.json", "tables/*.csv"] if settings.corpus.source == "sample" else []
    found = (sorted(paths.reference_dir("real").glob(pattern)) for pattern in inside)
    return [studies.CONSTANT_HEAD, *itertools.chain(*found)]


def data(settings: Settings) -> dict[str, Any]:
    """Return what the job that makes or checks the data set depends on, as JSON."""
    return {"settings": settings.section(*_DATA), "version": corpus.version(settings)}


def site() -> list[str]:
    """Return the digests of what the pages are made with."""
    return [sources.digest_of("irmas_utils.paper.site"), *_digests(paths.ROOT / "docs")]


def stamp(settings: Settings) -> str:
    """Return a hash of the bytes of all that the whole paper of a profile is made from."""
    committed = map(paths.reference_dir, ("benchmarks", "real"))
    folders = (paths.PACKAGE, paths.NOTEBOOKS, paths.ROOT / "docs", *committed)
    own = settings.model_dump(), data(settings), fetch.given(), runs.versions()
    return files.seal([*own, *map(_digests, folders)])


def _digests(folder: Path) -> list[str]:
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [files.digest(path) for path in found if "__pycache__" not in path.parts]


def options(job: Job) -> str:
    """Write a job's run and parameters as options of ``irmas execute``, quoted for a shell."""
    given = ({"run": job.run} if job.run else {}) | dict(job.parameters)
    words = []
    for key, value in sorted(given.items()):
        text = "none" if value is None else value  # null would mean: as the profile says
        words += ["-p", key, text if isinstance(text, str) else json.dumps(text, sort_keys=True)]
    return shlex.join(words)
