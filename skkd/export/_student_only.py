"""A fitted student by itself."""

from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._classifier import DistilledClassifier
from .._student import net as _student
from .._student.predictor import StudentPredictor
from ._check_rows import encodes_by_itself

__all__ = ["StudentOnly", "student_only"]

# What a net needs for training alone.
_FOR_TRAINING = {"optimizer_", "history_", "callbacks_"}

# What is learnt about input and labels.
_LEARNED = ("classes_", "n_features_in_", "feature_names_in_", "_row_shape")


class StudentOnly(ClassifierMixin, StudentPredictor, BaseEstimator):
    """A fitted student without its teacher, optimizer and history: what is needed to predict.

    Made by ``DistilledClassifier.student_only()``. It predicts as that classifier, and can't be
    fitted; to scikit-learn it is fitted, so ``FrozenEstimator(student)`` works in
    ``CalibratedClassifierCV`` and the like. A clone of it is the student itself.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, in the order of all columns.
    student_ : skorch.NeuralNetClassifier or Pipeline
        Preprocessing and net.
    n_features_in_ : int
        Features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, where X was a frame.

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

    def fit(self, X, y=None):
        """Raise a TypeError: a student alone can't be fitted.

        Parameters
        ----------
        X, y : object
            Ignored.
        """
        raise TypeError(
            "A student alone can't be fitted: its teacher and its training were left behind. Fit "
            "the DistilledClassifier and call student_only() again. Where scikit-learn would fit "
            "a clone, wrap the student: sklearn.frozen.FrozenEstimator(student)."
        )

    def __sklearn_clone__(self) -> "StudentOnly":
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        student = getattr(self, "student_", None)
        accepted = _student.input_tags(student)
        tags.input_tags.sparse = accepted.sparse
        imputes = isinstance(student, Pipeline) and accepted.allow_nan
        tags.input_tags.allow_nan = imputes or encodes_by_itself(student)
        return tags


def student_only(clf: DistilledClassifier) -> StudentOnly:
    """The student of a fitted classifier by itself; weights are shared, and never change."""
    check_is_fitted(clf)
    alone = StudentOnly()
    for name in _LEARNED:
        if hasattr(clf, name):
            setattr(alone, name, getattr(clf, name))
    alone.student_ = without_training(clf.student_)
    return alone


def without_training(student):
    """A fitted net or Pipeline without what only training needs; weights are shared."""
    if isinstance(student, Pipeline):
        *steps, (name, net) = student.steps
        return Pipeline([*steps, (name, without_training(net))])
    light = object.__new__(type(student))  # a copy by copy.copy would copy all tensors
    vars(light).update(
        {name: vars(student)[name] for name in vars(student).keys() - {*_FOR_TRAINING}}
    )
    light.callbacks = None
    return light
