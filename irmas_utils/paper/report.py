"""What notebooks 03 and 04 show and keep of one of the paper's networks, once it is trained.

Notebooks: 03_lstm_model.ipynb and 04_fft_model.ipynb, and the studies that run them.
"""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Markdown, display
from matplotlib.figure import Figure

from irmas_utils import metrics, plots
from irmas_utils.data.corpus import Splits
from irmas_utils.metrics import evaluation, tables
from irmas_utils.models.training import Network, Trained
from irmas_utils.project.backend import keras
from irmas_utils.project.records import Record


def layers(model: keras.Model) -> None:
    """Show a network's layers, the shapes of their outputs and their parameters."""
    rows = [(r.name, str(r.output.shape), f"{r.count_params():,}") for r in model.layers[1:]
            if hasattr(r.output, "shape")]  # fmt: skip
    table = pd.DataFrame(rows, columns=["layer", "output", "parameters"])
    display(table.style.hide(), Markdown(f"**{model.count_params():,} parameters**"))


class Report:
    """Tables and figures of a trained network, shown one by one and recorded together.

    Parameters
    ----------
    network : Network
    trained : Trained
    parts : Splits
    record : Record
        Figures are drawn for the paper's own run alone: what studies show is in 05 and 06.
    run : str, optional
        Name that the results are kept under, if not the record's.
    """

    def __init__(
        self,
        network: Network,
        trained: Trained,
        parts: Splits,
        record: Record,
        run: str | None = None,
    ) -> None:
        self.trained, self.parts, self.record = trained, parts, record
        self.network, self.run = network, run or record.run
        self.figures: dict[str, Figure] = {}
        self.draws = record.run == network.name
        self.by_seed = {
            seed: evaluation.score(parts.testing, scores, record.settings)
            for seed, scores in trained.scores.items()
        }
        self.first = next(iter(self.by_seed.values()))
        self.decisions = {s: metrics.binarize(scores) for s, scores in trained.scores.items()}

    def curves(self) -> None:
        """Draw accuracy and loss over the epochs (paper, Figure 2)."""
        if self.draws:
            axes = plots.training_curves(self.trained.history)
            self.figures["training"] = axes[0].figure

    def scores(self, name: str) -> None:
        """Show the first seed's scores beside those of predictors that never listen."""
        trivial = evaluation.trivial(self.parts, self.record.settings) if self.draws else {}
        table = tables.average_table({name: self.first, **trivial})
        display(table.style.format(precision=3).hide())

    def answers(self) -> None:
        """Say how many different answers the first seed gives, and the commonest."""
        said, labels = evaluation.answers(self.decisions).iloc[0], self.first["labels_per_clip"]
        display(
            Markdown(
                f"The network gives {said['answers']} different answers to "
                f"{len(self.parts.testing)} clips; the commonest, **{said['commonest']}**, to "
                f"{said['share']:.0%} of them. It names {labels['predicted']:.2f} instruments a "
                f"clip, where {labels['true']:.2f} are labelled."
            )
        )

    def instruments(self) -> None:
        """Draw and list precision, recall and F1 of each instrument."""
        if self.draws:
            figure, ax = plt.subplots(figsize=(10, 3.8))
            plots.per_label_scores(self.first, ax=ax)
            self.figures["per_label"] = figure
            display(tables.per_label_table(self.first).style.format(precision=3).hide())

    def save(self, **facts: Any) -> None:
        """Record everything under the record's run; `facts` go into its metrics."""
        record, run = self.record, self.run
        for name, figure in self.figures.items():
            record.save_figure(figure, f"{run}_{name}")
        record.save_table(self.trained.history, f"{run}_history")
        record.save_table(tables.per_label_table(self.first), f"{run}_per_label")
        seed, scores = next(iter(self.trained.scores.items()))
        record.save_predictions(self.parts.testing, scores, self.decisions[seed], run)
        facts |= self.trained.facts | {"settings": self.network.settings.model_dump()}
        history = self.trained.history
        record.save_metrics(evaluation.summary(self.by_seed, self.decisions, history, **facts), run)
