"""Support vector machine on descriptors: selection, standardisation, kernel, probabilities.

Published (Fuhrmann 2012, Bosch et al. 2012): feature selection, a polynomial kernel, and
probability outputs. Ours, because the settings are not available to us or for robustness:

* selection keeps the descriptors with the largest F ratio between and within classes (ANOVA);
* each descriptor is mapped to normal scores by its rank, clipped at three standard deviations: a
  separated stem may lie far outside of whole mixtures, where a polynomial grows without bound;
* C and degree are chosen in cross-validation by recording, on whose decision values Platt's sigmoid
  is fitted: libsvm's own probabilities validate clip by clip, so that recordings leak.
"""

import joblib
import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, QuantileTransformer
from sklearn.svm import SVC

from irmas_utils.project.errors import TrainingError
from irmas_utils.project.vocabulary import INSTRUMENTS

GRID = {"svm__degree": [2, 3], "svm__C": [0.1, 1.0, 10.0]}
N_FOLDS = 3
N_SELECTED = 256


def _classifier(scaled: np.ndarray) -> Pipeline:
    """Return the steps that see labels; `GRID` names what is left to choose."""
    selection = SelectKBest(_f_ratio, k=min(N_SELECTED, scaled.shape[1]))
    kernel = SVC(kernel="poly", gamma="scale", coef0=1.0, cache_size=500)
    return Pipeline([("select", selection), ("svm", kernel)])


def fit(
    features: np.ndarray,
    classes: np.ndarray,
    recordings: np.ndarray,
    *,
    seed: int = 0,
    jobs: int = 1,
) -> ClassifierMixin:
    """Choose C and degree, train, and calibrate: an estimator for `probabilities`.

    `features` are (n_clips, n_descriptors), of which rows all zero (silence) are left out; classes
    and recordings are str, (n_clips,). Classes with fewer recordings than folds (3) cannot be
    validated and are left out; `probabilities` gives them zero. The model does not depend on the
    number of threads, `jobs`. TrainingError if fewer than two classes have enough recordings.
    """
    kept = features.any(axis=1)
    kept &= np.isin(classes, _learnable(classes[kept], recordings[kept]))
    features, classes, recordings = features[kept], classes[kept], recordings[kept]
    folds = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=seed)
    splits = list(folds.split(features, classes, recordings))
    # What sees no labels is fitted once, outside of cross-validation.
    n_quantiles = min(200, len(features))
    scaler = make_pipeline(
        QuantileTransformer(n_quantiles=n_quantiles, output_distribution="normal", subsample=None),
        FunctionTransformer(np.clip, kw_args={"a_min": -3, "a_max": 3}),
    )
    scaled = scaler.fit_transform(features)
    # libsvm computes without Python's lock, and processes take seconds to start.
    with joblib.parallel_config("threading", n_jobs=jobs):
        search = GridSearchCV(_classifier(scaled), GRID, cv=splits, refit=False)
        best = search.fit(scaled, classes).best_params_
        model = _classifier(scaled).set_params(**best)
        calibrated = CalibratedClassifierCV(model, cv=splits, ensemble=False)
        return Pipeline([*scaler.steps, ("svm", calibrated.fit(scaled, classes))])


def _f_ratio(features: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """ANOVA F ratio of each column, zero for one that is constant (scikit-learn has NaN)."""
    varying = np.ptp(features, axis=0) > 0
    ratio = np.zeros(features.shape[1])
    ratio[varying] = f_classif(features[:, varying], classes)[0]
    return ratio


def _learnable(classes: np.ndarray, recordings: np.ndarray) -> list[str]:
    known = [c for c in INSTRUMENTS if len(set(recordings[classes == c])) >= N_FOLDS]
    if len(known) < 2:
        found = f"{len(known)} classes with {N_FOLDS} or more recordings"
        remedy = "Use more training clips."
        raise TrainingError("support vector machine", found, "at least two", remedy)
    return known


def probabilities(model: ClassifierMixin, features: np.ndarray) -> np.ndarray:
    """Return each instrument's probability: float64, (n, 11), summing to one; zero in silence."""
    found = np.zeros((len(features), len(INSTRUMENTS)))
    sounding = features.any(axis=1)
    columns = [INSTRUMENTS.index(code) for code in model.classes_]
    if sounding.any():
        found[np.ix_(sounding, columns)] = model.predict_proba(features[sounding])
    return found
