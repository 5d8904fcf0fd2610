# The paper as a graph: which job reads what (irmas_utils/paper/jobs.py). Run through `make paper`.
#
# What a job depends on stands in `params`, so that Snakemake does it again when that has changed.

import sys

from irmas_utils.paper import jobs
from irmas_utils.project import paths, records, settings

SETTINGS = settings.load(config["profile"])
RESULTS = records.results_dir(SETTINGS.profile)
JOBS = jobs.jobs(SETTINGS)
EXECUTED = {name: str(job.output(RESULTS)) for name, job in JOBS.items()}
WHOLE = [EXECUTED[name] for name, job in JOBS.items() if job.run is None]


# Every job is named here: Snakemake does not miss a file that only stands between others.
rule paper:
    input:
        list(EXECUTED.values()),
        str(RESULTS / "manifest.json"),
        str(RESULTS / "site" / "index.html"),


rule corpus:
    output:
        str(RESULTS / "corpus.json"),
    params:
        made_from=jobs.data(SETTINGS),
    shell:
        "{sys.executable:q} -m irmas_utils corpus {config[profile]:q} {output:q}"


for name, job in JOBS.items():

    rule:
        name:
            name
        input:
            str(RESULTS / "corpus.json"),
            [EXECUTED[needed] for needed in job.needs],
        output:
            EXECUTED[name],
        priority: job.notebook in jobs.LONG
        params:
            made_from=jobs.made_from(job, SETTINGS),
            notebook=str(paths.NOTEBOOKS / f"{job.notebook}.ipynb"),
            options=jobs.options(job),
        shell:
            "{sys.executable:q} -m irmas_utils execute {params.notebook:q} {output:q}"
            " -p profile {config[profile]:q} {params.options}"


rule site:
    input:
        WHOLE,
    output:
        str(RESULTS / "site" / "index.html"),
    params:
        made_from=jobs.site(),
    shell:
        "{sys.executable:q} -m irmas_utils site {config[profile]:q}"


rule manifest:
    input:
        WHOLE,
    output:
        str(RESULTS / "manifest.json"),
    run:
        records.merge_manifests(SETTINGS.profile)
