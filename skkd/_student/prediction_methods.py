"""Methods of an estimator whose predictions are its student's."""

from typing import Any

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._input import TableEncoder, described
from .given_net import is_default
from .net import net_of
from .predict import predicted

__all__ = [
    "decision_function",
    "describe_columns",
    "predict",
    "predict_log_proba",
    "predict_proba",
    "predict_values",
]


def predict_proba(self: Any, X: Any) -> np.ndarray:
    """Return the student's probabilities.

    Parameters
    ----------
    X : array, frame, CSR matrix or Dataset
        Rows like those of ``fit``.

    Returns
    -------
    proba : ndarray of shape (n_rows, n_classes), in the student's dtype
    """
    return predicted(self, X, lambda logits: torch.softmax(logits, -1))


def predict_log_proba(self: Any, X: Any) -> np.ndarray:
    """Return logarithms of the student's probabilities, exact where those underflow.

    Parameters
    ----------
    X : array, frame, CSR matrix or Dataset
        Rows like those of ``fit``.

    Returns
    -------
    log_proba : ndarray of shape (n_rows, n_classes)
    """
    return predicted(self, X, lambda logits: torch.log_softmax(logits, -1))


def decision_function(self: Any, X: Any) -> np.ndarray:
    """Return the student's logits.

    Parameters
    ----------
    X : array, frame, CSR matrix or Dataset
        Rows like those of ``fit``.

    Returns
    -------
    logits : ndarray of shape (n_rows, n_classes), or (n_rows,) for two classes
        For two classes the second class's logit less the first's.
    """
    logits = predicted(self, X)
    return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits


def predict(self: Any, X: Any) -> np.ndarray:
    """Return the most probable labels.

    Parameters
    ----------
    X : array, frame, CSR matrix or Dataset
        Rows like those of ``fit``.

    Returns
    -------
    labels : ndarray of shape (n_rows,)
    """
    columns = predicted(self, X).argmax(axis=1)
    return self.classes_[columns]


def describe_columns(self: Any) -> Any:
    """Return what the student does with each column of X.

    Returns
    -------
    columns : DataFrame, or list of dict where pandas is not installed
        ``column``, ``kind``, ``used``, ``encoding``, and the ``reason`` where a column is not used.
        A column that steps of your own read has the kind "own".
    """
    check_is_fitted(self)
    student = self.student_
    steps = [step for _, step in student.steps[:-1]] if isinstance(student, Pipeline) else []
    for step in steps:
        if isinstance(step, TableEncoder):
            return step.describe_columns()
    names = getattr(self, "feature_names_in_", [f"x{i}" for i in range(self.n_features_in_)])
    if is_default(net_of(student)) and not steps:
        return described(names, None, "number", "number")
    return described(names, None, "own", "as the student's own steps and net read it")


def predict_values(self: Any, X: Any) -> np.ndarray:
    """Return the student's predictions, in the unit of y.

    Parameters
    ----------
    X : array, frame, CSR matrix or Dataset
        Rows like those of ``fit``.

    Returns
    -------
    values : ndarray of shape (n_rows,) or (n_rows, n_outputs), in the student's dtype
    """
    outputs = predicted(self, X)
    return self.target_scaling_.values(outputs)
