"""``irmas verify``: list the ledger of claims, or run what decides one."""

import os
from typing import Any

import pandas as pd

from irmas_utils.data import published
from irmas_utils.paper import claims, study_claims
from irmas_utils.project import paths
from irmas_utils.project.errors import DataError


def minutes(claim: dict[str, Any]) -> float:
    """Return about how long it takes to decide a claim, on two cores."""
    by_notebook = published.load("paper_claims")["minutes"]
    return by_notebook[claim["notebook"]] if claim["kind"] in claims.NEED_A_RUN else 1


def verify(name: str | None, profile: str) -> int:
    """Run what decides a claim and print its verdict, or list all; DataError if it is unknown."""
    ledger = {claim["id"]: claim for claim in published.load("paper_claims")["claims"]}
    if name is None:
        for row in claims.check(findings=study_claims.on_real_clips()).itertuples():
            print(f"{row.id:34}{row.section:10}{row.kind:13}{row.verdict}")
        return 0
    if name not in ledger:
        remedy = "Run `irmas verify`, which lists them."
        raise DataError(name, "no such claim", "one of the ledger", remedy)
    claim = ledger[name]
    print(f'Section {claim["section"]}: "{claim["quote"]}"\nDecided by: {claim["check"]}')
    if claim["kind"] in claims.NEED_A_RUN:
        from irmas_utils.paper import workflow  # Snakemake takes a second

        takes = f"about {minutes(claim)} minutes under the full profile"
        print(f"Running {claim['notebook']}, {takes} …", flush=True)
        if status := workflow.run(profile, [claim["notebook"]], os.cpu_count() or 1, []):
            return status
    row = _judged(claim, profile).set_index("id").loc[name]
    print(f"Expected: {row['stated']}. Found: {row['recomputed'] or 'nothing'}. {row['comment']}")
    print(f"Verdict: {row['verdict']}")
    return 0


def _judged(claim: dict[str, Any], profile: str) -> pd.DataFrame:
    if claim["kind"] not in (*claims.NEED_A_RUN, "data") or not paths.data_root().is_dir():
        return claims.check(findings=study_claims.on_real_clips(), ids=[claim["id"]])
    from irmas_utils.data import corpus
    from irmas_utils.project import records, settings

    cfg, systems = settings.load(profile), {}
    index = corpus.load(cfg)
    for network, ids in study_claims.IDS.items():
        if claim["id"] in ids:
            return study_claims.check(cfg, network, index)
    if "metric" in claim:
        run = claim["metric"].split(".")[0]
        systems[run] = records.load_metrics(cfg.profile, run)["evaluation"]
    is_irmas = cfg.corpus.source == "irmas"
    return claims.check(index, systems, is_irmas=is_irmas, ids=[claim["id"]])
