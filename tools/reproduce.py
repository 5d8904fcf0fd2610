"""Write docs/reproduce.md from the ledger of the paper's claims: ``python -m tools.reproduce``."""

import pandas as pd

from irmas_utils.data import published
from irmas_utils.paper import claims, study_claims
from irmas_utils.paper.claims import verify
from irmas_utils.project import paths
from irmas_utils.project.files import write_text

FILE = paths.ROOT / "docs" / "reproduce.md"
HEAD = """# Every claim of the paper, and the command that decides it

Written by `make reproduce` from the ledger, `irmas_utils/data/published/paper_claims.yaml`, where
each claim stands with its quotation and with how it is decided. *Expected* is what the ledger asks
of the value for the claim to be confirmed, a margin written down before any result (notebook 09,
section 6, has the exceptions). *Today* is the verdict without the audio of IRMAS; *cannot
tell* says that deciding takes what has not been run or is not published. Commands of more than a
minute run notebooks on the real IRMAS (`IRMAS_DATA`) under the full profile; their minutes are
estimates for two cores. The commands are those of a shell in which `source .venv/bin/activate` has
been given.

"""


def text() -> str:
    """Return what the file should say."""
    today = claims.check(findings=study_claims.on_real_clips()).set_index("id")
    rows = [
        {
            "claim": claim["id"],
            "section": claim["section"],
            "evidence": claim["kind"],
            "notebook": claim["notebook"],
            "command": f"`irmas verify {claim['id']}`",
            "minutes": str(verify.minutes(claim)),
            "expected": today.loc[claim["id"], "stated"],
            "today": today.loc[claim["id"], "verdict"],
        }
        for claim in published.load("paper_claims")["claims"]
    ]
    counts = "; ".join(f"{n} {verdict}" for verdict, n in today["verdict"].value_counts().items())
    table = pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)
    return f"{HEAD}{len(rows)} claims: {counts}.\n\n{table}\n"


if __name__ == "__main__":
    write_text(FILE, text())
    print(f"{FILE} is written.")
