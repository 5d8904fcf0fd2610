"""Every figure of the notebooks.

Each function takes plain arrays or tables, draws on `ax` (a new one when None) and returns it; a
few that draw several panels take or return `axes`. None saves. `use_style`, called once before,
lays every figure out, and makes those that are drawn from the sample corpus say so.
"""

from irmas_utils.plots.corpus import (
    cooccurrence,
    durations,
    label_occurrence,
    label_occurrences,
    labels_per_clip,
)
from irmas_utils.plots.decisions import (
    f1_by_duration,
    level_curves,
    level_thresholds,
    logit_histograms,
    threshold_curve,
)
from irmas_utils.plots.results import (
    causes,
    comparison,
    comparisons,
    differences,
    f1_by_stream,
    per_label_f1,
    per_label_scores,
    separation_quality,
    study,
    verdicts,
)
from irmas_utils.plots.signals import (
    gradient_norm,
    instruments_over_time,
    log_mel,
    padded_waveform,
    spectrum,
    stems,
    waveform,
)
from irmas_utils.plots.style import NAMES, shared_legend, use_style
from irmas_utils.plots.training import training_curves, training_curves_of
