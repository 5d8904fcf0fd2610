"""A linear probe: logistic regressions on the embedding of EfficientAT's ``mn04``."""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from irmas_utils.models import efficientat, layers
from irmas_utils.project.backend import keras
from irmas_utils.project.settings import Positive, Section
from irmas_utils.project.vocabulary import INSTRUMENTS
from irmas_utils.systems.networks import fine_tuning, mn04
from irmas_utils.systems.recognizer import Recognizer

WINDOWS = mn04.PLAN
"""Of which the sample rate, the windows and the aggregation are used."""


class Plan(Section):
    """``strength`` is scikit-learn's ``C``: the inverse of the regularization."""

    strength: Positive = 0.01

    def fit(self, clips: pd.DataFrame, weights: Path) -> Recognizer:
        """Fit the regressions, which become the network's last layer."""
        body = efficientat.pretrained(weights, len(INSTRUMENTS), level=efficientat.LEVEL)
        body = keras.Model(body.input, body.get_layer("embedding").output)
        heard = fine_tuning.batches(clips, WINDOWS, 0, INSTRUMENTS)
        pairs = [(body(x, training=False), y) for x, y in heard]
        x, y = (np.concatenate(part) for part in zip(*pairs, strict=True))
        scaler = StandardScaler().fit(x)
        scaled = scaler.transform(x)
        # What no clip has, in a part of the data set, cannot be learnt and is never named.
        kernel, bias = np.zeros((x.shape[1], y.shape[1])), np.full(y.shape[1], -20.0)
        for k in np.flatnonzero(y.any(axis=0)):
            fit = LogisticRegression(C=self.strength, max_iter=1000).fit(scaled, y[:, k])
            kernel[:, k], bias[k] = fit.coef_[0] / scaler.scale_, fit.intercept_[0]
        bias -= scaler.mean_ @ kernel
        model = keras.Model(body.input, layers.scores(body.output), name="probe")
        model.get_layer("logits").set_weights([kernel, bias])
        return fine_tuning.recognizer(model, WINDOWS)


PLAN = Plan()
