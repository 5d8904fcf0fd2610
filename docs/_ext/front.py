"""What fills the front page of the site: numbers with links, a clip, the ledger, provenance."""

import base64
import functools
import html
import io
import json
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import prose

from irmas_utils.data import corpus, published, sample
from irmas_utils.data.sample.plan import SAMPLE_RATE
from irmas_utils.paper import claims, conclusions, hypothesis
from irmas_utils.paper.claims.formulas import fact
from irmas_utils.project import paths, records, settings, vocabulary
from irmas_utils.project.settings import Settings

CAUTION = "They show that the code works and say nothing about IRMAS."
OPEN = ("cannot tell", "inconclusive", "compatible")
OTHER = ("implied", "differs within rounding")
ROW = """<tr id="{id}" data-verdict="{verdict}"><td>{section}</td>
<td>“{quote}”<small>{comment}</small></td>
<td><span class="verdict {style}">{verdict}</span>
<small><a href="notebooks/{notebook}.html">notebook {notebook:.2}</a></small></td>
<td>{stated}</td><td>{recomputed}</td></tr>"""


PACE = ". Here it reads one sample in {0}, so that a step lasts {0} times as long as printed"

CLIP = """## Hear one clip

Of the testing clips with several labels, the one of which some systems name most and others least.
What is right is in bold. The clip is rendered and belongs to nobody."""


class _Page(string.Template):
    """A page with ``${kind.name}`` where a number, or a part of it, is to stand."""

    braceidpattern = "[^}]+"


def fill(template: str, settings: Settings, folder: Path) -> str:
    """Fill the front page from the results in a folder, of a finished run of a profile.

    ``${stated.CLAIM}``, ``${found.CLAIM}`` and ``${verdict.CLAIM}`` are of the ledger, each a link
    to its row, ``${count.VERDICT}`` of all of it, ``${real.SYSTEM}`` the micro F1 of a system on
    mixed real clips (notebook 09), ``${real.heard}`` and ``${real.remembered}`` of `conclusions`.
    Raises KeyError for none of these.
    """
    table = _claims(folder)
    real = paths.reference_dir("real")
    scores = json.loads((real / "metrics" / "comparison.json").read_text("utf-8"))["systems"]
    counts = table["verdict"].value_counts().to_dict()
    found = {
        "corpus": corpus.name(settings),
        "caution": "" if settings.corpus.source == "irmas" else CAUTION,
        "clip": _clip(settings, folder),
        "ledger": _ledger(table),
        "provenance": _provenance(folder),
        "count.all": len(table),
        "count.open": sum(counts.get(verdict, 0) for verdict in OPEN),
        "count.other": sum(counts.get(verdict, 0) for verdict in OTHER),
        "pace": PACE.format(every) if (every := settings.lstm.decimation) > 1 else "",
        "real.clips": json.loads((real / "corpus.json").read_text("utf-8"))["clips found"],
        "real.heard": conclusions.heard(records.real_metrics(settings, "lstm")),
        "real.remembered": conclusions.remembered(settings),
    }
    found |= {f"count.{verdict}": number for verdict, number in counts.items()}
    found |= {f"real.{system}": f"{f1['value']:.3f}" for system, f1 in scores.items()}
    for row in table.to_dict("records"):
        link = functools.partial('<a href="#{}">{}</a>'.format, row["id"])
        found["found." + row["id"]] = link(html.escape(row["recomputed"].lstrip("-")))
        stated = fact(f"paper_claims.claims.{row['id']}").get("stated", "")
        found["stated." + row["id"]] = link(claims.show(stated))
        found["verdict." + row["id"]] = link(row["verdict"])
    return _Page(template).substitute(found)


def _claims(folder: Path) -> pd.DataFrame:
    """Return the judged claims of notebook 09, and of 05 and 06 if they ran, as in the ledger."""
    first, *others = (folder / "tables" / f"{n}claims.csv" for n in ("", "lstm_", "fft_"))
    files = [first, *filter(Path.is_file, others)]
    parts = [pd.read_csv(file, dtype=str, keep_default_na=False) for file in files]
    order = [claim["id"] for claim in published.load("paper_claims")["claims"]]
    table = pd.concat(parts)[[*parts[0]]].set_index("id", drop=False)
    return table.loc[[name for name in order if name in table.index]]


def _ledger(table: pd.DataFrame) -> str:
    """Write the ledger as plain HTML; ``ledger.js`` shows the filter and makes it work."""
    rows = []
    for row in table.to_dict("records"):
        style = row["verdict"].replace(" ", "-")
        rows.append(ROW.format_map({k: html.escape(v) for k, v in row.items()} | {"style": style}))
    buttons = [
        f'<button class="verdict {verdict.replace(" ", "-")}" value="{verdict}" '
        f'aria-pressed="false">{verdict} {count}</button>'
        for verdict, count in table["verdict"].value_counts().items()
    ]
    heads = "".join(
        f'<th scope="col">{head}</th>'
        for head in ("section", "the paper says", "verdict", "stated", "found")
    )
    return _html(
        f'<div class="ledger-filter" hidden>{"".join(buttons)}<input type="search" '
        'placeholder="Search the claims" aria-label="Search the claims"><output></output></div>'
        '<div class="ledger" tabindex="0" role="region" aria-label="The ledger of claims"><table>'
        f"<thead><tr>{heads}</tr></thead><tbody>{prose.drawn(''.join(rows))}</tbody></table></div>"
    )


def _html(text: str) -> str:
    return f"```{{raw}} html\n{text}\n```"


def _clip(settings: Settings, folder: Path) -> str:
    """Let one testing clip be heard, that on which the systems differ most; none of real music."""
    said = _answers(folder)
    if settings.corpus.source != "sample" or said.empty:
        return ""
    several = said[said["labels"].str.contains(" ")]
    name = (several if len(several) else said).apply(_spread, axis=1).idxmax()
    rows = "".join(
        f'<tr><th scope="row">{hypothesis.systems().get(system, "the labels")}</th>'
        f"<td>{_named(codes, said.loc[name, 'labels'])}</td></tr>"
        for system, codes in said.loc[name].items()
    )
    table = f'<div class="table-scroll"><table class="said"><tbody>{rows}</tbody></table></div>'
    return f"{CLIP}\n\n{_html(_player(sum(sample.stems(settings, name).values())) + table)}"


def _answers(folder: Path) -> pd.DataFrame:
    """Return the labels of each testing clip and the codes that each system names, as text."""
    said: dict[str, Any] = {}
    for system in hypothesis.systems():
        file = folder / "predictions" / f"{system}.csv"
        if file.is_file():
            table = pd.read_csv(file, dtype={"name": str}, keep_default_na=False).set_index("name")
            said.setdefault("labels", table["labels"])
            said[system] = table.filter(like="decision_").apply(_codes, axis=1)
    return pd.DataFrame(said)


def _codes(decisions: Mapping[str, int]) -> str:
    return " ".join(key.removeprefix("decision_") for key, named in decisions.items() if named)


def _spread(row: Mapping[str, str]) -> float:
    """How unlike the shares of a clip's labels, and of them alone, are that systems name."""
    labels = {*row["labels"].split()}
    shares = [len(labels & {*s.split()}) / len(labels | {*s.split()}) for s in row.drop("labels")]
    return max(shares) - min(shares)


def _named(codes: str, labels: str) -> str:
    names = {code: vocabulary.INSTRUMENT_NAMES[code] for code in codes.split()}
    marked = [f"<b>{name}</b>" if code in labels else name for code, name in names.items()]
    return ", ".join(marked) or "nothing"


def _player(samples: np.ndarray) -> str:
    """Return a player that holds the sound itself: the page works wherever it lies."""
    import soundfile

    soundfile.write(sound := io.BytesIO(), samples, SAMPLE_RATE, format="MP3")
    data = base64.b64encode(sound.getvalue()).decode()
    return f'<audio controls src="data:audio/mpeg;base64,{data}"></audio>'


def _provenance(folder: Path) -> str:
    """Say what the results were made of, by whom their manifest says so."""
    entries = [*json.loads((folder / "manifest.json").read_text("utf-8")).values()]
    notebooks = [
        json.loads(path.read_text("utf-8"))["metadata"]["papermill"]["duration"]
        for path in folder.glob("notebooks/[0-9]*[!d].ipynb")
    ]
    facts = {
        "data": {f"{e['profile']}, fingerprint {e['data']}" for e in entries if e["data"]},
        "seed": {str(e["seed"]) for e in entries},
        "made": {f"{min(e['time'] for e in entries)} to {max(e['time'] for e in entries)}"},
        "duration": {f"{sum(notebooks) / 60:.0f} minutes for {len(notebooks)} notebooks"},
        "versions": {f"{k} {v}" for e in entries for k, v in e["versions"].items()},
        "processor": {e["processor"] for e in entries if "processor" in e},
        "commit": {e["commit"] for e in entries if e.get("commit")},
        "source": {e["source"] for e in entries},
    }
    lines = [f"| {name} | {', '.join(sorted(found))} |" for name, found in facts.items() if found]
    return "\n".join(["| what | this run |", "|---|---|", *lines])


def _read(app, docname, source):
    if docname == "index":
        cfg = settings.load(app.config.irmas_profile)
        source[0] = fill(source[0], cfg, Path(app.config.irmas_results))


def setup(app):
    """Fill the front page as it is read."""
    for name in ("profile", "results", "data"):
        app.add_config_value(f"irmas_{name}", "", "env")
    app.connect("source-read", _read)
    return {"parallel_read_safe": True}
