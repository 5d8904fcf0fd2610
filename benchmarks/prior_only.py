"""Which labels a network names that hears nothing, by batch size: not a speed but an outcome.

``python benchmarks/prior_only.py [--quick] [--out FOLDER]``. A bias alone, the least that can
learn how frequent each label is, is trained on IRMAS's training counts as the paper trains: its
loss, Adam at Keras's default rate, fifteen epochs. Gradient descent would leave the mean logit at
zero; Adam, which divides each label's gradient by its own size, does not, and the noise of small
batches decides which labels end above the cut.
"""

from collections import Counter

import numba
import numpy as np
import report

from irmas_utils import metrics
from irmas_utils.paper import claims
from irmas_utils.project.vocabulary import INSTRUMENTS

EPOCHS, RATE, EPSILON = 15, 1e-3, 1e-7


@numba.njit
def train(z, labels, batch):
    """Update logits (11,) by Adam over `labels`, (n_epochs, n_clips), in batches."""
    n, n_clips = len(z), labels.shape[1]
    m, v, g = np.zeros(n), np.zeros(n), np.zeros(n)
    power1 = power2 = 1.0
    for epoch in labels:
        for start in range(0, n_clips, batch):
            some = epoch[start : start + batch]
            total = 0.0
            for k in range(n):
                g[k] = np.exp(z[k])
                total += g[k]
            for k in range(n):
                g[k] /= total
            for k in some:
                g[k] -= 1 / len(some)
            power1, power2 = power1 * 0.9, power2 * 0.999
            for k in range(n):
                m[k] = 0.9 * m[k] + 0.1 * g[k]
                v[k] = 0.999 * v[k] + 0.001 * g[k] ** 2
                size = np.sqrt(v[k] / (1 - power2)) + EPSILON
                z[k] -= RATE * m[k] / (1 - power1) / size


def trained(batch: int, seeds: int) -> np.ndarray:
    """Return the logits that each seed ends with, (seeds, 11)."""
    labels = np.repeat(np.arange(len(INSTRUMENTS)), claims.label_counts("training"))
    logits = np.zeros((seeds, len(INSTRUMENTS)))
    for seed, z in enumerate(logits):
        rng = np.random.default_rng(seed)
        train(z, np.stack([rng.permutation(labels) for _ in range(EPOCHS)]), batch)
    return logits


def row(batch: int, seeds: int) -> dict:
    """Count the sets of labels that the seeds name."""
    logits = trained(batch, seeds)
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
