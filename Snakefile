# The paper as a graph: which notebook reads what. Run through `make paper`.
#
# A job runs again when its notebook, a module that it imports, a setting that it reads or a
# result that it reads has changed, and not otherwise.

import json
import shlex
import sys

from irmas_utils.data import corpus, fetch
from irmas_utils.paper import studies
from irmas_utils.paper.workflow import PACKAGE, sources
from irmas_utils.project import paths, records, settings
from irmas_utils.systems.networks import variants

SETTINGS = settings.load(config["profile"])
RESULTS = records.results_dir(SETTINGS.profile)
DATA = ("profile", "seed", "corpus_")
TRAINING = (*DATA, "validation_", "bootstrap_")
NETWORKS = (*TRAINING, *(f"networks_{k}" for k in ("seeds", "mixtures", "batch", "han_", "mn04_")))
LONG = ("04_fft_model", "07_other_networks", "08_bosch_baselines")  # first, or a core idles last
STUDIES = studies.runs(SETTINGS)
BENCHMARKS = [
    str(file)
    for name in ("networks", "ablations")
    for file in (paths.reference_dir().parent / "benchmarks").glob(f"{name}.json")
]

def executed(name):
    return str(RESULTS / "notebooks" / f"{name}.ipynb")


def studied(model=""):
    return [
        str(RESULTS / "notebooks" / "studies" / f"{run}.ipynb")
        for run in STUDIES
        if run.startswith(model)
    ]


def code(name):
    return [str(path) for path in sources(paths.NOTEBOOKS / f"{name}.ipynb")]


def given(name):
    """What runs notebook 07 again once IRMAS_WEIGHTS names a folder with the weights."""
    return fetch.given() if name == variants.NOTEBOOK else None


# name: (prefixes of the settings that it reads, executed notebooks whose results it reads)
NOTEBOOKS = {
    "01_data_analysis": (DATA, []),
    "02_data_preparation": ((*DATA, "fft_"), []),
    "03_lstm_model": ((*TRAINING, "lstm_"), []),
    "04_fft_model": ((*TRAINING, "fft_"), []),
    "05_lstm_hyperparameters": ((*TRAINING, "lstm_", "study_seeds", "study_lstm_"), studied("lstm")),
    "06_fft_hyperparameters": ((*TRAINING, "study_seeds", "study_fft_"), studied("fft")),
    "07_other_networks": (NETWORKS, []),
    "08_bosch_baselines": ((*TRAINING, "bosch_"), []),
    "09_comparison": (
        TRAINING,
        [executed(name) for name in ("03_lstm_model", "04_fft_model", "07_other_networks")]
        + [executed("08_bosch_baselines")],
    ),
    "10_discussion": (
        (*TRAINING, "study_", "networks_variants"),
        [executed(name) for name in ("03_lstm_model", "04_fft_model", "05_lstm_hyperparameters")]
        + [executed("07_other_networks"), executed("08_bosch_baselines"), *studied(), *BENCHMARKS],
    ),
    "11_your_own_audio": (DATA, [executed("07_other_networks")]),
}


# The notebooks are named here too: Snakemake does not miss a file that only stands between others.
rule paper:
    input:
        [executed(name) for name in NOTEBOOKS],
        str(RESULTS / "manifest.json"),
        str(RESULTS / "site" / "index.html"),


rule corpus:
    output:
        str(RESULTS / "corpus.json"),
    params:
        settings=SETTINGS.section(*DATA),
        version=corpus.version(SETTINGS),
    shell:
        "{sys.executable} -m irmas_utils corpus {config[profile]} {output}"


for name, (prefixes, needs) in NOTEBOOKS.items():

    rule:
        name:
            name
        input:
            str(RESULTS / "corpus.json"),
            needs,
            code(name),
            notebook=str(paths.NOTEBOOKS / f"{name}.ipynb"),
        output:
            executed(name),
        priority: name in LONG
        params:
            settings=SETTINGS.section(*prefixes),
            weights=given(name),
        shell:
            "{sys.executable} -m irmas_utils execute {input.notebook} {output}"
            " -p profile {config[profile]}"


for run, (name, parameters) in STUDIES.items():

    rule:
        name:
            f"study {run}"
        input:
            str(RESULTS / "corpus.json"),
            code(name),
            notebook=str(paths.NOTEBOOKS / f"{name}.ipynb"),
        output:
            str(RESULTS / "notebooks" / "studies" / f"{run}.ipynb"),
        priority: name == variants.NOTEBOOK
        params:
            settings=SETTINGS.section(*(NETWORKS if name == variants.NOTEBOOK else TRAINING)),
            weights=given(name),
            run=run,
            options=" ".join(f"-p {k} {shlex.quote(json.dumps(v))}" for k, v in parameters.items()),
        shell:
            "{sys.executable} -m irmas_utils execute {input.notebook} {output}"
            " -p profile {config[profile]} -p run {params.run} {params.options}"


rule site:
    input:
        [executed(name) for name in NOTEBOOKS],
        str(PACKAGE / "paper" / "site.py"),
    output:
        str(RESULTS / "site" / "index.html"),
    shell:
        "{sys.executable} -m irmas_utils site {config[profile]}"


rule manifest:
    input:
        [executed(name) for name in NOTEBOOKS],
    output:
        str(RESULTS / "manifest.json"),
    run:
        records.merge_manifests(SETTINGS.profile)
