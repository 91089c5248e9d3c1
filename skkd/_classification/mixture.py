"""Weights of several teachers, whose mean is to predict the labels."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize

from .knowledge import of_labels

# Share of the uniform distribution: one label with a probability of 0 must not decide on all.
_FLOOR = 1e-3


def mixture_weights(answers: Sequence[np.ndarray], labels: np.ndarray, weight=None) -> np.ndarray:
    """Return the weights, of sum one, for which the mean of the answers has the lowest log-loss.

    The log-loss is convex in the weights ("stacking", Wolpert, Neural Networks 1992).

    Parameters
    ----------
    answers : list of ndarrays of shape (n_rows, n_classes)
        Of teachers that did not see these rows.
    labels : int ndarray of shape (n_rows,)
    weight : ndarray of shape (n_rows,), default=None

    Returns
    -------
    weights : ndarray of shape (n_teachers,)
    """
    right = np.stack([of_labels(proba, labels) for proba in answers], axis=1)
    right = (1 - _FLOOR) * right + _FLOOR / answers[0].shape[1]
    share = np.full(len(labels), 1 / len(labels)) if weight is None else weight / weight.sum()

    def loss(weights):
        mixed = right @ weights
        return -share @ np.log(mixed), -(share / mixed) @ right

    n_teachers = len(answers)
    found = minimize(
        loss,
        np.full(n_teachers, 1 / n_teachers),
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * n_teachers,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        options={"ftol": 1e-10, "maxiter": 200},
    ).x
    return found / found.sum()
