"""Has a teacher been trained on the rows that it is asked about?

Such a teacher misses nearly no label, also where labels are noisy. How many labels a model misses
that has not seen them is measured by a forest, out of bag, and by a cross-validated linear model.
"""

import warnings

import numpy as np
from scipy.special import gammaincc
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from .._input import LazyRows, take

# Of many rows only some are looked at.
_LOOKED_AT = 3000
# An unseen teacher has a tenth of the other models' errors at the least; how rarely it may look so.
_TENTH, _ACCIDENT, _FOLDS = 0.1, 1e-4, 3


def unseen_errors(X, labels: np.ndarray, misses: np.ndarray) -> tuple[int, int, int]:
    """Count the labels that a teacher misses, and those that models miss that do not know them.

    Parameters
    ----------
    X : array or CSR matrix
        Input of the student's net.
    labels, misses : int and bool ndarray of shape (n_rows,)
        Misses are where the teacher errs.

    Returns
    -------
    n_looked_at, n_missed, n_unseen : int
        ``n_unseen`` is 0 where the teacher's few errors may be an accident.
    """
    n_rows = len(labels)
    if n_rows > _LOOKED_AT:
        index = np.linspace(0, n_rows - 1, _LOOKED_AT, dtype=int)
        X, labels, misses = take(X, index), labels[index], misses[index]
    if isinstance(X, LazyRows):
        X = X[:]
    forest = ExtraTreesClassifier(50, bootstrap=True, oob_score=True, random_state=0)
    linear = make_pipeline(MaxAbsScaler(), LogisticRegression(max_iter=200))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        votes = forest.fit(X, labels).oob_decision_function_
        hits = forest.classes_[np.nan_to_num(votes).argmax(axis=1)] == labels
        n_unseen = int((~hits).sum())
        if np.bincount(labels).max() < len(labels) / _FOLDS * (_FOLDS - 1):
            hits = cross_val_predict(linear, X, labels, cv=KFold(_FOLDS)) == labels
            n_unseen = min(n_unseen, int((~hits).sum()))
    n_missed = int(misses.sum())
    # The misses of an unseen teacher are about Poisson: so few are no accident.
    is_accident = gammaincc(n_missed + 1, max(_TENTH * n_unseen, 1e-9)) > _ACCIDENT
    return len(labels), n_missed, 0 if is_accident else n_unseen
