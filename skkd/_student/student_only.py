"""A fitted student by itself, to deploy or to pickle."""

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNetClassifier

from .._estimator import BaseEstimator, ClassifierMixin
from . import prediction_methods
from .copies import copied
from .predict import has_own_encoder, input_tags

__all__ = ["StudentOnly"]

# What `fit` learns besides the student. Only frames have `feature_names_in_`.
_LEARNED = ("classes_", "n_features_in_", "feature_names_in_", "_row_shape")


class StudentOnly(ClassifierMixin, BaseEstimator):
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
    n_features_in_ : int
        Number of features in ``fit``.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features. Only if X was a frame.

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
    student_: NeuralNetClassifier | Pipeline
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
            "A StudentOnly cannot be fitted, because it has no teacher. Fit the "
            "DistilledClassifier and call student_only() again. Where scikit-learn fits a clone, "
            "wrap the student: sklearn.frozen.FrozenEstimator(student)."
        )

    predict = prediction_methods.predict
    predict_proba = prediction_methods.predict_proba
    predict_log_proba = prediction_methods.predict_log_proba
    decision_function = prediction_methods.decision_function
    describe_columns = prediction_methods.describe_columns

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "student_")

    def __sklearn_clone__(self) -> "StudentOnly":
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        student = getattr(self, "student_", None)
        accepted = input_tags(student)
        imputes = isinstance(student, Pipeline) and accepted.allow_nan
        tags.input_tags.sparse = accepted.sparse
        tags.input_tags.allow_nan = imputes or has_own_encoder(student)
        return tags


def student_only(clf) -> StudentOnly:
    """Return the student of a fitted classifier by itself; both share the weights."""
    check_is_fitted(clf)
    alone = StudentOnly()
    for name in _LEARNED:
        if hasattr(clf, name):
            setattr(alone, name, getattr(clf, name))
    alone.student_ = without_training(clf.student_)
    return alone


def without_training(student):
    """Return a fitted net or Pipeline without what only training needs; weights are shared."""
    return copied(student, frozenset({"optimizer_", "history_"}), callbacks=None, callbacks_=[])
