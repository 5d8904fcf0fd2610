"""What notebooks 03 and 04, and studies by them, show and keep of a trained network."""

from typing import Any

import numpy as np
import pandas as pd
from IPython.display import Markdown, display
from matplotlib.figure import Figure

from irmas_utils import metrics, plots
from irmas_utils.audio import windows
from irmas_utils.data import corpus
from irmas_utils.data.corpus import Splits
from irmas_utils.metrics import evaluation, tables
from irmas_utils.models.training import Network, Trained
from irmas_utils.project.backend import keras
from irmas_utils.project.records import Record
from irmas_utils.project.vocabulary import INSTRUMENT_NAMES, INSTRUMENTS


def say(text: str) -> None:
    """Show a text in Markdown."""
    display(Markdown(text))


def show(table: pd.DataFrame, precision: int = 3) -> None:
    """Show a table without its index, numbers with so many decimals."""
    display(table.style.format(precision=precision).hide())


def layers(model: keras.Model) -> None:
    """Show a network's layers, the shapes of their outputs and their parameters."""
    rows = [(r.name, str(r.output.shape), f"{r.count_params():,}") for r in model.layers[1:]
            if hasattr(r.output, "shape")]  # fmt: skip
    show(pd.DataFrame(rows, columns=["layer", "output", "parameters"]))
    say(f"**{model.count_params():,} parameters**")


class Report:
    """Tables and figures of a trained network, shown one by one and recorded together.

    Figures are drawn for the paper's own run alone: what studies show is in 05 and 06. `run` is
    the name that the results are kept under, if not the record's.
    """

    def __init__(
        self, network: Network, trained: Trained, parts: Splits, record: Record, run: str = ""
    ) -> None:
        self.trained, self.parts, self.record = trained, parts, record
        self.network, self.run, self.draws = network, run or record.run, record.run == network.name
        self.figures: dict[str, Figure] = {}
        first, *others = trained.scores.values()
        # As every system answers: once, by the mean of its seeds' logits.
        self.joined = windows.aggregate(np.stack([first, *others])) if others else first
        self.decisions = metrics.binarize(self.joined)
        self.whole = evaluation.score(parts.testing, self.joined, record.settings)

    def curves(self) -> None:
        """Draw accuracy and loss over the epochs (paper, Figure 2)."""
        if self.draws:
            self.figures["training"] = plots.training_curves(self.trained.history)[0].figure

    def learnt(self) -> None:
        """Say by how much each loss has moved, and when the network began to learn by heart."""
        own = self.network.settings
        means = self.trained.history.groupby("epoch")[["loss", "val_loss"]].mean()
        first, last = means.iloc[0], means.iloc[-1]
        lowest, ends = means["val_loss"].idxmin(), means.index[-1]
        since = ": what it has learnt since, it has learnt by heart" if lowest < ends else ""
        say(
            f"In {own.epochs} epochs, in batches of {own.batch_size}: **from first to last "
            f"the training loss went from {first['loss']:.3f} to {last['loss']:.3f} and the "
            f"validation loss from {first['val_loss']:.3f} to {last['val_loss']:.3f}**; eleven "
            f"equal outputs have {np.log(len(INSTRUMENTS)):.3f} under the softmax loss. The "
            f"validation loss was lowest after epoch {lowest}{since}."
        )

    def scores(self, name: str) -> None:
        """Show the scores, of all seeds joined, beside those of predictors that never listen."""
        trivial = evaluation.trivial(self.parts, self.record.settings)
        show(tables.average_table({name: self.whole, **(trivial if self.draws else {})}))
        (best, most), own = evaluation.strongest(trivial), self.whole["micro"]["f1"]
        low, high = (np.nan if own[end] is None else own[end] for end in ("low", "high"))
        place = "above" if low > most else "below" if high < most else ""
        said = f"it lies {place}" if place else "that it lies above is not shown"
        say(
            f"**Micro F1 is {own['value']:.3f} ({tables.interval(own)}) on the "
            f"{corpus.name(self.record.settings)}. Of those that never listen the best, *{best}*, "
            f"has {most:.3f}: {said}.**"
        )

    def answers(self) -> None:
        """Say how many different answers the network gives, and whether they tell of the clip."""
        said = evaluation.answers({0: self.decisions}).iloc[0]
        labels, verdicts = self.whole["labels_per_clip"], {True: "shown", False: "not shown"}
        say(
            f"The network gives {said['answers']} different answers to "
            f"{len(self.parts.testing)} clips; the commonest, **{said['commonest']}**, to "
            f"{said['share']:.0%} of them. It names {labels['predicted']:.2f} instruments a "
            f"clip, where {labels['true']:.2f} are labelled."
        )
        tells = evaluation.listens(self.parts.testing, self.joined, self.record.settings)
        say(
            f"Its outputs tell {tells['information']:.2f} bits of a clip's labels. Dealt to other "
            f"songs they tell {tells['chance']:.2f} by chance, and in one deal of twenty more than "
            f"{tells['detectable']:.2f}: p = {tells['p_value']:.3f}. Its LRAP is "
            f"{tells['gain']:+.3f} above that of the dealt outputs. **That it listens is "
            f"{verdicts[tells['information'] > tells['detectable']]}.**"
        )

    def instruments(self) -> None:
        """Draw and list precision, recall and F1 of each instrument."""
        if self.draws:
            self.figures["per_label"] = plots.per_label_scores(self.whole).figure
            show(tables.per_label_table(self.whole))

    def found(self) -> None:
        """Say which instruments are named, and which of them better than by always naming them."""
        per_label = self.whole["per_label"]
        named = sum(bool(label["predicted"]) for label in per_label.values())
        lead = evaluation.lead(self.parts.testing, self.decisions, self.record.settings)
        better = [INSTRUMENT_NAMES[c] for c, leaf in lead.items() if (leaf["low"] or 0) > 0]
        easiest = max(per_label, key=lambda code: per_label[code]["f1"]["value"])
        say(
            f"**It names {named} of the {len(INSTRUMENTS)} instruments at all, the easiest being "
            f"{INSTRUMENT_NAMES[easiest]}, with F1 {per_label[easiest]['f1']['value']:.3f}; with a "
            f"precision above the base rate: {', '.join(better) or 'none'}.**"
        )

    def save(self, **facts: Any) -> None:
        """Record everything under the record's run; `facts` go into its metrics."""
        record, run, history = self.record, self.run, self.trained.history
        for name, figure in self.figures.items():
            record.save_figure(figure, f"{run}_{name}")
        record.save_table(history, f"{run}_history")
        if self.draws:
            record.save_table(tables.per_label_table(self.whole), f"{run}_per_label")
        record.save_predictions(self.parts.testing, self.joined, self.decisions, run)
        facts |= self.trained.facts | {"settings": self.network.settings.model_dump()}
        scores, clips, cfg = self.trained.scores, self.parts.testing, record.settings
        said = {seed: (each, metrics.THRESHOLD) for seed, each in scores.items()}
        found = evaluation.summary(clips, self.whole, said, history, **facts)
        for row in found["answers"]:
            row |= evaluation.listens(clips, scores[row["seed"]], cfg)
        found["by_duration"] = evaluation.by_duration(clips, self.joined, cfg)
        record.save_metrics(found, run)
