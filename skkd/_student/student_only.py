"""A fitted student by itself, to deploy or to pickle."""

from typing import Any, TypeVar

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNet

from .._estimator import BaseEstimator, ClassifierMixin, RegressorMixin
from . import prediction_methods
from .copies import copied
from .predict import has_own_encoder, input_tags

__all__ = ["StudentOnly", "StudentOnlyRegressor"]

# What `fit` learns besides the student. Only frames have `feature_names_in_`.
_LEARNED = ("classes_", "target_scaling_", "n_features_in_", "feature_names_in_", "_row_shape")


class _Alone(BaseEstimator):
    """Base of fitted students without teacher, optimizer and history."""

    student_: NeuralNet | Pipeline
    n_features_in_: int
    feature_names_in_: np.ndarray
    _row_shape: tuple[int, ...]

    def fit(self, X, y=None):
        """Raise a TypeError: a student without its teacher cannot be fitted.

        Parameters
        ----------
        X, y : object
            Ignored.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError(
            f"A {type(self).__name__} cannot be fitted, because it has no teacher. Fit the "
            "distilled estimator and call student_only() again. Where scikit-learn fits a clone, "
            "wrap the student: sklearn.frozen.FrozenEstimator(student)."
        )

    describe_columns = prediction_methods.describe_columns

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "student_")

    def __sklearn_clone__(self) -> "_Alone":
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        student = getattr(self, "student_", None)
        accepted = input_tags(student)
        imputes = isinstance(student, Pipeline) and accepted.allow_nan
        tags.input_tags.sparse = accepted.sparse
        tags.input_tags.allow_nan = imputes or has_own_encoder(student)
        return tags


class StudentOnly(ClassifierMixin, _Alone):
    """Predict with a fitted student, without its teacher, optimizer and history.

    ``DistilledClassifier.student_only()`` makes it. Its predictions are those of the classifier.
    It cannot be fitted, and a clone of it is the object itself. scikit-learn takes it for a fitted
    classifier, for example in ``CalibratedClassifierCV(FrozenEstimator(student))``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels in the order of the columns.
    student_ : skorch.NeuralNetClassifier or Pipeline
        The preprocessing and the net.
    n_features_in_, feature_names_in_
        Number of features in ``fit``, and their names if X was a frame.

    Examples
    --------
    >>> import pickle
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skkd import DistilledClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> clf = DistilledClassifier(RandomForestClassifier(random_state=0), cv=2, random_state=0)
    >>> clf = clf.set_params(student__max_epochs=2).fit(X, y)
    >>> student = clf.student_only()
    >>> bool((student.predict_proba(X) == clf.predict_proba(X)).all())
    True
    >>> len(pickle.dumps(student)) < len(pickle.dumps(clf)) / 5
    True
    """

    classes_: np.ndarray

    predict = prediction_methods.predict
    predict_proba = prediction_methods.predict_proba
    predict_log_proba = prediction_methods.predict_log_proba
    decision_function = prediction_methods.decision_function


class StudentOnlyRegressor(RegressorMixin, _Alone):
    """Predict with a fitted regression student, without its teacher, optimizer and history.

    ``DistilledRegressor.student_only()`` makes it. All else is as in :class:`StudentOnly`.

    Attributes
    ----------
    target_scaling_ : TargetScaling
        How the net's outputs relate to y.
    student_ : skorch.NeuralNetRegressor or Pipeline
        The preprocessing and the net.
    n_features_in_, feature_names_in_
        Number of features in ``fit``, and their names if X was a frame.
    """

    target_scaling_: Any

    predict = prediction_methods.predict_values


Alone = TypeVar("Alone", bound=_Alone)


def student_only(estimator, kind: type[Alone]) -> Alone:
    """Return the student of a fitted estimator by itself; both share the weights."""
    check_is_fitted(estimator)
    alone = kind()
    for name in _LEARNED:
        if hasattr(estimator, name):
            setattr(alone, name, getattr(estimator, name))
    alone.student_ = without_training(estimator.student_)
    return alone


def without_training(student):
    """Return a fitted net or Pipeline without what only training needs; weights are shared."""
    return copied(student, frozenset({"optimizer_", "history_"}), callbacks=None, callbacks_=[])
