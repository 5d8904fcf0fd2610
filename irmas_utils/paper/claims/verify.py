"""``irmas verify``: list the ledger of claims, or run what decides one."""

import os
from typing import Any

import pandas as pd

from irmas_utils.data import published
from irmas_utils.paper import claims
from irmas_utils.project import paths
from irmas_utils.project.errors import DataError

COMMAND = "irmas verify {}"


def minutes(claim: dict[str, Any]) -> float:
    """Return about how long it takes to decide a claim, on two cores."""
    by_notebook = published.load("paper_claims")["minutes"]
    return by_notebook[claim["notebook"]] if claim["kind"] in claims.NEED_A_RUN else 1


def verify(name: str | None, profile: str) -> int:
    """Run what decides a claim and print the verdict; without a name, print every claim's.

    A claim about scores or training runs its notebook, with what it needs, under the profile; one
    about the data counts again where the data is. Raises DataError if there is no such claim, and
    what reading the data raises. Returns the exit status.
    """
    if name is None:
        for row in claims.check().itertuples():
            print(f"{row.id:34}{row.section:10}{row.kind:13}{row.verdict}")
        return 0
    ledger = {claim["id"]: claim for claim in published.load("paper_claims")["claims"]}
    if name not in ledger:
        raise DataError(
            name,
            found="no such claim",
            expected="a claim of the ledger",
            remedy="Run `irmas verify`, which lists them.",
        )
    claim = ledger[name]
    print(f'Section {claim["section"]}: "{claim["quote"]}"\nDecided by: {claim["check"]}.')
    status, table = 0, None
    recounts = claim["kind"] == "data" and paths.data_root().is_dir()
    if recounts or claim["kind"] in claims.NEED_A_RUN:
        status, table = _on_irmas(claim, profile)
    row = (claims.check(ids=[name]) if table is None else table).set_index("id").loc[name]
    print(f"Expected: {row['stated']}. Found: {row['recomputed'] or 'nothing'}. {row['comment']}")
    print(f"Verdict: {row['verdict']}")
    return status


def _on_irmas(claim: dict[str, Any], profile: str) -> tuple[int, pd.DataFrame | None]:
    # What needs TensorFlow's or Snakemake's seconds is imported for this alone.
    from irmas_utils.data import corpus
    from irmas_utils.paper import study_claims, workflow
    from irmas_utils.project import records, settings

    cfg, systems = settings.load(profile), {}
    if claim["kind"] != "data":
        takes = f"about {minutes(claim)} minutes under the full profile"
        print(f"Running {claim['notebook']}, {takes} …", flush=True)
        if status := workflow.run(profile, [claim["notebook"]], os.cpu_count() or 1, []):
            return status, None
    index = corpus.load(cfg)
    for network, ids in study_claims.IDS.items():
        if claim["id"] in ids:
            return 0, study_claims.check(cfg, network, index)
    if "metric" in claim:
        run = claim["metric"].split(".")[0]
        systems[run] = records.load_metrics(cfg.profile, run)["evaluation"]
    is_irmas = cfg.corpus.source == "irmas"
    return 0, claims.check(index, systems, is_irmas=is_irmas, ids=[claim["id"]])
