# The paper as a graph: which notebook reads what. Run through `make paper`.
#
# A job runs again when its notebook, a module that it imports, a setting that it reads or a
# result that it reads has changed, and not otherwise.

import sys

from irmas_utils import corpus, paths, records, settings
from irmas_utils.workflow import PACKAGE, sources

SETTINGS = settings.load(config["profile"])
RESULTS = records.results_dir(SETTINGS.profile)
DATA = ("profile", "seed", "corpus_")
TRAINING = (*DATA, "validation_", "bootstrap_")

# name: (prefixes of the settings that it reads, notebooks whose results it reads)
NOTEBOOKS = {
    "01_data_analysis": (DATA, []),
    "02_data_preparation": ((*DATA, "fft_"), []),
    "03_lstm_model": ((*TRAINING, "lstm_"), []),
    "04_fft_model": ((*TRAINING, "fft_"), []),
    "09_comparison": (TRAINING, ["03_lstm_model", "04_fft_model"]),
}


def executed(name):
    return str(RESULTS / "notebooks" / f"{name}.ipynb")


rule paper:
    input:
        str(RESULTS / "manifest.json"),
        str(RESULTS / "site" / "index.html"),


rule corpus:
    output:
        str(RESULTS / "corpus.json"),
    params:
        settings=SETTINGS.section(*DATA),
        version=corpus.version(SETTINGS),
    shell:
        "{sys.executable} -m irmas_utils.corpus {config[profile]} {output}"


for name, (prefixes, needs) in NOTEBOOKS.items():

    rule:
        name:
            name
        input:
            str(RESULTS / "corpus.json"),
            [executed(n) for n in needs],
            map(str, sources(paths.NOTEBOOKS / f"{name}.ipynb")),
            notebook=str(paths.NOTEBOOKS / f"{name}.ipynb"),
        output:
            executed(name),
        params:
            settings=SETTINGS.section(*prefixes),
        shell:
            "{sys.executable} -m irmas_utils.execute {input.notebook} {output}"
            " -p profile {config[profile]}"


rule site:
    input:
        [executed(name) for name in NOTEBOOKS],
        str(PACKAGE / "site.py"),
    output:
        str(RESULTS / "site" / "index.html"),
    shell:
        "{sys.executable} -m irmas_utils.site {config[profile]}"


rule manifest:
    input:
        [executed(name) for name in NOTEBOOKS],
    output:
        str(RESULTS / "manifest.json"),
    run:
        records.merge_manifests(SETTINGS.profile)
