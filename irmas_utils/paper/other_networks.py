"""What notebook 07 shows and keeps of its networks, and the best of them as a saved model."""

import shutil
from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure

from irmas_utils import metrics, plots
from irmas_utils.audio import io
from irmas_utils.audio.features import label_matrix, log_mel
from irmas_utils.data import corpus, fetch
from irmas_utils.metrics import evaluation, levels
from irmas_utils.metrics.tables import interval, score_row
from irmas_utils.paper import hypothesis
from irmas_utils.paper.report import say, show
from irmas_utils.project import files, records
from irmas_utils.project.records import Record
from irmas_utils.project.vocabulary import INSTRUMENT_NAMES, INSTRUMENTS
from irmas_utils.systems import predominance
from irmas_utils.systems.networks import assessment, mixing, registry
from irmas_utils.systems.networks.assessment import System
from irmas_utils.systems.networks.fine_tuning import Data
from irmas_utils.systems.networks.training import Trained
from irmas_utils.systems.recognizer import card, describe, write_description

RATE, SECONDS = 22_050, 3  # of the example


def mixing_example(clips: pd.DataFrame) -> Figure:
    """Draw three excerpts of different classes and what they are mixed to; play the mix."""
    classes, first = np.unique(clips["labels"].str[0].to_numpy(str), return_index=True)
    load, rng = mixing.excerpts(clips, RATE), np.random.default_rng(1)
    three, n_samples = first[::4].tolist(), SECONDS * RATE
    sources = mixing.components(load, three, n_samples, mixing.Recipe(), rng)
    total = sources.sum(axis=0)
    names = [INSTRUMENT_NAMES[code] for code in classes[::4]]
    names.append(f"mixed: {', '.join(names)}")
    levels = log_mel(np.append(sources, total), RATE)  # in one go: on one scale
    pictures = dict(zip(names, np.array_split(levels, len(names), axis=1), strict=True))
    display(io.player(total / abs(total).max(), RATE))
    return plots.stems(pictures, RATE)


class Report:
    """Tables and figures of the trained networks, shown one by one and recorded together.

    What is recorded is named after the record's run, or after each network if it has none. With
    `draws` figures are drawn: what the studies show is in notebook 10.
    """

    def __init__(
        self, trained: Mapping[str, Trained], data: Data, record: Record, *, draws: bool
    ) -> None:
        self.data, self.record, self.draws = data, record, draws
        self.systems = assessment.assess(trained, data, record.settings)
        self.best = registry.best({name: s.on_mixtures for name, s in self.systems.items()})
        self.titled = {registry.title(name): system for name, system in self.systems.items()}
        self.results = {title: system.on_testing for title, system in self.titled.items()}
        self.figures: dict[str, Figure] = {}
        self.tables: dict[str, pd.DataFrame] = {}

    def curves(self) -> None:
        """Draw accuracy and loss over the epochs, and say where validation loss was lowest."""
        found = {title: system.trained.history for title, system in self.titled.items()}
        histories = {title: history for title, history in found.items() if "loss" in history}
        if not self.draws or not histories:
            return
        self.figures["training"] = plots.training_curves_of(histories)
        losses = {t: h.groupby("epoch")["val_loss"].mean() for t, h in histories.items()}
        lowest = [f"{t}: epoch {v.idxmin()} of {v.index.max()}" for t, v in losses.items()]
        say(f"The validation loss is lowest in – {'; '.join(lowest)}.")

    def thresholds(self) -> None:
        """Show each system's threshold, and what it does on mixtures and on the testing set."""
        rows = {}
        for title, system in self.titled.items():
            rows[title] = row = {"threshold": system.threshold}
            for part, found in (("mixtures", system.on_mixtures), ("testing", system.on_testing)):
                row[f"micro F1, {part}"] = found["micro"]["f1"]["value"]
                row[f"labels a clip, {part}"] = found["labels_per_clip"]["predicted"]
            for average in ("micro", "macro"):
                row[f"{average} F1, each its own"] = system.per_label[average]["f1"]["value"]
        self._show("thresholds", rows)
        both = (self.data.mixed, self.data.parts.testing)
        mixed, testing = (clips["labels"].map(len).mean() for clips in both)
        cuts = [row["threshold"] for row in rows.values()] or [np.nan]
        say(
            f"Labelled: {mixed:.2f} instruments a mixture, {testing:.2f} a testing clip. So the "
            f"thresholds lie between {min(cuts):.3f} and {max(cuts):.3f}, each where micro F1 on "
            "the mixtures is highest."
        )

    def choice(self) -> None:
        """Say which network is the best on the mixtures, and draw how its threshold was chosen."""
        if self.best is None:
            return
        system, name = self.systems[self.best], registry.title(self.best)
        f1, threshold = system.on_mixtures["micro"]["f1"], system.threshold
        say(
            f"So **{name}** is kept: micro F1 {f1['value']:.3f} ({interval(f1)}) on the mixtures, "
            f"at a threshold of {threshold:.3f}. Notebooks 09 and 10 judge by it too."
        )
        if self.draws:
            labels = label_matrix(self.data.mixed["labels"])
            scores = system.trained.whole.arrays["mixtures"]
            self.figures["threshold"], (left, right) = plt.subplots(1, 2, figsize=(10, 3.6))
            plots.threshold_curve(metrics.threshold_curve(labels, scores), threshold, left)
            plots.logit_histograms(labels, scores, right, threshold=threshold)

    def scores(self) -> None:
        """Show what each system scores on the testing set, beside those that never listen."""
        trivial = evaluation.trivial(self.data.parts, self.record.settings)
        keys, systems = ("micro_f1", "macro_f1", "lrap"), self.results | trivial
        self._show("scores", {name: score_row(each, keys) for name, each in systems.items()})
        if self.results:
            data = f"the {corpus.name(self.record.settings)}"
            say(hypothesis.heard(self.results, trivial, data))

    def costs(self) -> None:
        """Show each system's seeds, parameters, seconds of training and milliseconds a clip."""
        rows = {
            title: {
                "seeds": len(system.trained.by_seed),
                "parameters": f"{system.trained.whole.facts['n_parameters']:,}",
                "training [s]": system.trained.history["seconds"].sum(),
                "a clip [ms]": 1000 * system.trained.whole.facts["clip_seconds"],
            }
            for title, system in self.titled.items()
        }
        self._show("costs", rows, precision=1)

    def instruments(self) -> None:
        """Draw F1 of each instrument, and say which is the easiest and the hardest."""
        if not self.draws or not self.results:
            return
        self.figures["per_label"] = plots.per_label_f1(self.results).figure
        labels = [result["per_label"] for result in self.results.values()]
        f1 = {c: np.mean([each[c]["f1"]["value"] for each in labels]) for c in INSTRUMENTS}
        lowest, *_, highest = (INSTRUMENT_NAMES[code] for code in sorted(f1, key=f1.get))
        say(
            f"So, averaged over the systems, the **{highest}** is the easiest, by F1, and the "
            f"**{lowest}** the hardest, of those in the testing set; n is how many clips have it."
        )

    def levels(self) -> None:
        """Show from which level on each system names an instrument, and play how it rises."""
        if not self.draws or not self.systems:
            return
        settings, clips = self.record.settings, self.data.parts.validation
        code, rising = predominance.example(predominance.source(clips, settings), clips, settings)
        say(f"{INSTRUMENT_NAMES[code]}, a second at each level, the lowest first:")
        display(io.player(rising, predominance.RATE))
        answers = self.tables["levels"] = assessment.levels(self.systems, clips, settings)
        asked = answers, ["system", "others"], settings.evaluation.bootstrap_samples, settings.seed
        self.figures["levels"] = plots.level_curves(levels.curves(*asked))
        found = levels.thresholds(*asked)
        show(levels.in_words(found, levels.levels_of(answers)))

    def save(self, **figures: Figure) -> None:
        """Record everything, and the best network as ``models/recognizer.keras``.

        What this execution might have recorded and has not, for lack of weights, is removed, so
        that nothing shows the scores of other code beside these.
        """
        record, label = self.record, self.record.run or "networks"
        for name, figure in (figures | self.figures).items():
            record.save_figure(figure, f"{label}_{name}")
        for name, table in self.tables.items():
            record.save_table(table, f"{label}_{name}")
        written = {self._write(name) for name in self.systems}
        if record.run is None and self.best:
            save_best(record, self.best, self.systems[self.best], self.data)
        expected = {record.run} if record.run else {*registry.titles()}
        for run in expected - written:
            records.discard(record.settings.profile, run)

    def _write(self, name: str) -> str:
        """Record answers, metrics and history of a system; returns the run that they are of."""
        system, record = self.systems[name], self.record
        several = record.run and len(self.systems) > 1
        run = f"{record.run}-{name}" if several else record.run or name
        testing, trained = self.data.parts.testing, system.trained
        facts = trained.whole.facts
        scores, alone = trained.whole.arrays["testing"], trained.by_seed.items()
        record.save_predictions(testing, scores, metrics.binarize(scores, system.threshold), run)
        found = evaluation.summary(
            testing,
            system.on_testing,
            {seed: (o.arrays["testing"], assessment.cut(o, self.data)) for seed, o in alone},
            trained.history,
            n_parameters=facts["n_parameters"],
            memory_peak_mib=facts["memory_peak_mib"],
            settings=trained.setup,
            thresholds=system.threshold,
            seconds_of_training=float(trained.history["seconds"].sum()),
            seconds_a_clip=facts["clip_seconds"],
        )
        record.save_metrics(found | {"on_mixtures": system.on_mixtures}, run)
        record.save_table(trained.history, f"{run}_history")
        return run

    def _show(self, name: str, rows: Mapping[str, Mapping[str, Any]], precision: int = 3) -> None:
        table = pd.DataFrame([{"system": title, **row} for title, row in rows.items()])
        if self.draws:
            self.tables[name] = table
        show(table, precision)


def save_best(record: Record, name: str, system: System, data: Data) -> None:
    """Save a network and its one threshold as ``models/recognizer.keras``, its card beside it."""
    stored = system.trained.whole.folder / "recognizer.keras"
    path = record.folder / "models" / stored.name
    description = describe(stored) | {
        "thresholds": [system.threshold] * len(INSTRUMENTS),
        "provenance": _provenance(record, name, system, data.parts.fitting),
    }
    with files.replacing(path) as temporary:
        shutil.copyfile(stored, temporary)
    write_description(path, description)
    files.write_text(path.with_suffix(".md"), card(path))
    for suffix in (".keras", ".json", ".md"):
        record.enter(f"models/{path.stem}{suffix}")


def _provenance(record: Record, name: str, system: System, clips: pd.DataFrame) -> dict[str, Any]:
    trained, data = system.trained, corpus.name(record.settings)
    seeds = list(trained.by_seed)
    tested, mixed = system.on_testing, system.on_mixtures
    pretrained = registry.network(name).pretrained and trained.setup.get("published", True)
    licence = "Trained on IRMAS: for research and non-commercial use only (CC BY-NC-SA 3.0)."
    if record.settings.corpus.source == "sample":
        licence = "Trained on the built-in sample corpus: its scores say nothing about IRMAS."
    if pretrained:
        licence += f" Its initial weights are under the {fetch.MN04.licence} licence."
    return {
        "name": f"{registry.title(name)}, trained on {data}",
        "data": data,
        "notebook": record.notebook,
        "parameters": trained.whole.facts["n_parameters"],
        "start": fetch.MN04.source if pretrained else "random weights",
        "trained": f"{len(clips)} clips of {clips['recording'].nunique()} recordings, "
        f"data {record.data}",
        "seed": ", ".join(map(str, seeds)) + (", logits averaged" if len(seeds) > 1 else ""),
        "duration": f"{trained.history['seconds'].sum():.0f} s",
        "settings": trained.setup,
        "metrics": {
            "micro F1 on the testing set": tested["micro"]["f1"],
            "macro F1 on the testing set": tested["macro"]["f1"],
            "LRAP on the testing set": tested["lrap"],
            "micro F1 on mixtures of validation recordings": mixed["micro"]["f1"],
        },
        "licence": licence,
        "notes": ["Threshold and network were chosen on mixtures of validation recordings."],
    }
