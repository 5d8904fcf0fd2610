"""Scores of multi-label predictions, their uncertainty, and tests between systems.

Conventions
-----------
Labels ``y_true`` and predictions ``y_pred`` are ``(n_clips, 11)`` boolean or 0/1, scores
``y_score`` are ``(n_clips, 11)`` in [0, 1], columns in the order of `INSTRUMENTS`.
A clip may have any number of labels, also none. A label is predicted where its score is
*larger than* the threshold (paper, section 3.3.4).

With TP, FP and FN the true positives, false positives and false negatives of a label,

    precision = TP / (TP + FP)    recall = TP / (TP + FN)    F1 = 2 TP / (2 TP + FP + FN)

and the averages over labels are

* micro: the same formulas on TP, FP and FN summed over labels;
* macro: the mean of the eleven values, labels without a true clip included;
* weighted: their mean weighted by the number of true clips of each label.

A ratio with a zero denominator is 0 (scikit-learn's ``zero_division=0``).

Intervals are 95 % percentile bootstrap intervals. Clips of one recording or song resemble each
other, so groups of clips are drawn with replacement, never single clips (a cluster bootstrap;
Davison and Hinkley 1997, section 3.8). Every score here is a function of sums over groups, so
resampling is one matrix product.
"""

from irmas_utils.metrics.constancy import clip_gain, dependence
from irmas_utils.metrics.scores import (
    AVERAGES,
    clip_counts,
    clip_lrap,
    cooccurrence,
    f1,
    from_counts,
    validate,
)
from irmas_utils.metrics.thresholds import (
    PAPER_CONSTANT,
    THRESHOLD,
    binarize,
    choose_threshold,
    prior_only_labels,
    prior_top,
    relative,
    threshold_curve,
    trivial_predictors,
)
from irmas_utils.metrics.uncertainty import (
    evaluate,
    holm,
    mean_interval,
    paired_test,
    precision_lead,
)
