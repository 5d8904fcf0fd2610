# The paper as a graph: which job reads what (irmas_utils/paper/jobs.py). Run through `make paper`.
#
# It works in the profile's folder of results: files are named as seen from there, so that no name
# of a folder needs to be quoted, and what Snakemake notes of them lies beside them.
#
# What a job depends on stands in `params`, so that Snakemake does it again when that has changed.

import sys
from pathlib import Path

from snakemake.persistence.file import FilePersistence

from irmas_utils.paper import cluster, jobs
from irmas_utils.project import paths, settings

# Nobody sets its locks, and a brace in the folder's name would be a pattern to look for them.
FilePersistence._read_locks = lambda _: ()

PROFILE = config["profile"][0]
SETTINGS = settings.load(PROFILE)
JOBS = jobs.jobs(SETTINGS)
# What a job asks a cluster for; on this machine none has to ask.
SUBMITTED = "cluster" in config or "--executor" in sys.argv
REQUESTS = cluster.requests(SETTINGS) if SUBMITTED else {}
EXECUTED = {name: str(job.output(Path())) for name, job in JOBS.items()}
WHOLE = [EXECUTED[name] for name, job in JOBS.items() if job.run is None]


# Every job is named here: Snakemake does not miss a file that only stands between others.
rule paper:
    input:
        list(EXECUTED.values()),
        "manifest.json",
        "site/index.html",


rule corpus:
    output:
        "corpus.json",
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        made_from=jobs.data(SETTINGS),
    shell:
        "{sys.executable:q} -m irmas_utils corpus {PROFILE:q} {output:q}"


for name, job in JOBS.items():

    rule:
        name:
            name
        input:
            "corpus.json",
            [EXECUTED[needed] for needed in job.needs],
        output:
            EXECUTED[name],
        priority: jobs.priority(name, JOBS)
        resources:
            **(REQUESTS[name].resources(config.get("gpus", 0)) if SUBMITTED else {}),
        group: "short" if "cluster" in config and REQUESTS[name].short else None
        params:
            # Looked up where the job may run: on a cluster each has a Snakemake of its own.
            made_from=lambda _, job=job: jobs.made_from(job, SETTINGS),
            notebook=job.notebook,
            options=jobs.options(job),
        shell:
            "{sys.executable:q} -m irmas_utils execute {paths.NOTEBOOKS:q}/{params.notebook}.ipynb {output:q}"
            " -p profile {PROFILE:q} {params.options}"


rule site:
    input:
        WHOLE,
    output:
        "site/index.html",
        "manifest.json",
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        made_from=jobs.site(),
    shell:
        "{sys.executable:q} -m irmas_utils site {PROFILE:q}"

