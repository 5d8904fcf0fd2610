"""What a figure costs that a notebook shows and keeps as PNG and PDF: ours against the usual way.

That is what IPython draws for the page, and two calls of ``savefig``; each lays the figure out
anew. The figure is the one of published scores in notebook 09.
``python benchmarks/figures.py [--quick]``
"""

import io

import matplotlib.pyplot as plt
import report
from IPython.core.pylabtools import print_figure

from irmas_utils import plots
from irmas_utils.data import published
from irmas_utils.metrics import tables
from irmas_utils.project import pictures

SCORES = {each["name"]: each["micro_f1"] for each in published.results() if each["micro_f1"]}


def drawn():
    return plots.comparisons({"as published": tables.comparison_rows({}, {}, SCORES)})


def stock() -> None:
    figure = drawn()
    print_figure(figure, "png", base64=True)
    figure.savefig(io.BytesIO(), format="png", dpi=pictures.DPI)
    figure.savefig(io.BytesIO(), format="pdf")
    plt.close(figure)


def ours() -> None:
    figure = drawn()
    for kind in (pictures.shown, pictures.png, pictures.pdf):
        kind(figure)
    plt.close(figure)


def main() -> None:
    """Run the benchmark."""
    args = report.arguments(__doc__)
    plt.switch_backend("agg")
    plots.use_style()
    seconds = report.best_of_turns({"stock": stock, "ours": ours}, 2 if args.quick else 8)
    rows = [
        {"way": name, "seconds": value, "times stock": seconds["stock"] / value}
        for name, value in seconds.items()
    ]
    report.write(args.out, "figures", rows)


if __name__ == "__main__":
    main()
