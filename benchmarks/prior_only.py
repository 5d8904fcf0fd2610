"""Which labels a network names that hears nothing, by batch size: not a speed but an outcome.

``python benchmarks/prior_only.py [--quick] [--out FOLDER]``. A bias alone, the least that can
learn how frequent each label is, is trained on IRMAS's training counts as the paper trains: its
loss, Adam at Keras's default rate, fifteen epochs. Gradient descent would leave the mean logit at
zero; Adam, which divides each label's gradient by its own size, does not, and the noise of small
batches decides which labels end above the cut.
"""

from collections import Counter

import numpy as np
import report

from irmas_utils import metrics
from irmas_utils.models import prior
from irmas_utils.paper import claims
from irmas_utils.project.vocabulary import INSTRUMENTS


def row(batch: int, seeds: int) -> dict:
    """Count the sets of labels that the seeds name."""
    logits = prior.train_bias(claims.label_counts("training"), batch, range(seeds))
    named = logits > 0
    sets = Counter(map(claims.codes, named)).most_common()
    exact = (named == np.isin(INSTRUMENTS, metrics.PAPER_CONSTANT)).all(axis=1).sum()
    return {
        "training": f"batch {batch}",
        "seeds": seeds,
        "mean logit": float(logits.mean()),
        "exact": int(exact),  # the paper's five
        "sets": ", ".join(f"{labels}: {count}" for labels, count in sets),
    }


def main() -> None:
    """Run the benchmark."""
    options = report.arguments(__doc__)
    seeds = 8 if options.quick else 400
    report.write(options.out, "prior_only", [row(batch, seeds) for batch in (1, 2, 4, 64)])


if __name__ == "__main__":
    main()
