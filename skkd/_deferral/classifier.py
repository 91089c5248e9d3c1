"""DeferringClassifier: a student answers, and a teacher where the student is unsure."""

import math
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from .._estimator import BaseEstimator, ClassifierMixin
from .._probabilities import check_proba, divided
from .._sklearn_private import Interval, _num_samples, _safe_indexing
from .._timing import first_rows, time_in_turn
from .._warnings import warn
from .threshold import fewest_deferred, most_deferred

__all__ = ["DeferringClassifier"]

_AIMS = ("agreement", "accuracy_loss", "defer")


class DeferringClassifier(ClassifierMixin, BaseEstimator):
    """Let a fitted student answer, and a fitted teacher where the student is unsure.

    A row goes to the teacher if the student's greatest probability is below ``threshold_``. ``fit``
    trains nothing: it chooses the threshold on validation rows. Give exactly one aim. It holds for
    other rows of the same kind, whatever their distribution [1]_. By default, it fails for at most
    one in twenty draws of the validation rows.

    Parameters
    ----------
    student : classifier
        Fitted, with ``predict_proba``: a :class:`DistilledClassifier`, its ``student_only()``, an
        :class:`skkd.export.OnnxStudent`, or any other.
    teacher : classifier
        Fitted, with ``predict_proba``. It takes the same rows.
    agreement : float, default=None
        In (0, 1). The least share of rows that get the teacher's label. As few rows as the bound
        allows go to the teacher.
    accuracy_loss : float, default=None
        In (0, 1). The accuracy that may be lost compared with the teacher's. As few rows as the
        bound allows go to the teacher.
    defer : float, default=None
        In (0, 1). The largest share of rows that go to the teacher. As many go as the bound allows.
    confidence_level : float, default=0.95
        In (0, 1). The probability that the aim holds.

    Attributes
    ----------
    threshold_ : float
        Rows with a smaller greatest probability go to the teacher. Infinity: all rows go.
    deferred_share_ : float
        Share of the validation rows that go to the teacher.
    student_, teacher_ : classifier
        The given objects.
    classes_ : ndarray of shape (n_classes,)
        Labels that the student or the teacher knows, sorted.
    n_features_in_, feature_names_in_
        As the student or the teacher has them.

    See Also
    --------
    skkd.DeferralDisplay : Plot the score over the share of deferred rows.

    Notes
    -----
    A clone holds the same student and teacher, which stay fitted. The bound of one threshold is
    Clopper and Pearson's. Validation rows that the student or the teacher was trained on make it
    invalid.

    References
    ----------
    .. [1] Angelopoulos, Bates, Candes, Jordan, Lei, "Learn then Test: Calibrating Predictive
       Algorithms to Achieve Risk Control", arXiv 2110.01052.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.model_selection import train_test_split
    >>> from skkd import DeferringClassifier, DistilledClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X, X_new, y, y_new = train_test_split(X, y, test_size=1000, random_state=0)
    >>> forest = RandomForestClassifier(random_state=0)
    >>> student = DistilledClassifier(forest, augmenter=None, random_state=0)
    >>> student = student.set_params(student__max_epochs=20).fit(X, y)
    >>> clf = DeferringClassifier(student, student.teacher_, agreement=0.95).fit(X_new[:500])
    >>> bool((clf.predict(X_new) == student.teacher_.predict(X_new)).mean() > 0.95)
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **{name: [Interval(Real, 0, 1, closed="neither"), None] for name in _AIMS},
        "confidence_level": [Interval(Real, 0, 1, closed="neither")],
    }

    threshold_: float
    deferred_share_: float
    student_: Any
    teacher_: Any
    classes_: np.ndarray
    n_features_in_: int
    feature_names_in_: np.ndarray

    def __init__(
        self,
        student: Any,
        teacher: Any,
        *,
        agreement: float | None = None,
        accuracy_loss: float | None = None,
        defer: float | None = None,
        confidence_level: float = 0.95,
    ):
        self.student = student
        self.teacher = teacher
        self.agreement = agreement
        self.accuracy_loss = accuracy_loss
        self.defer = defer
        self.confidence_level = confidence_level

    def fit(self, X: Any, y: Any = None) -> Self:
        """Choose the threshold on validation rows.

        Parameters
        ----------
        X : array, frame, CSR matrix or list
            Rows as student and teacher take them. Neither may have seen them before.
        y : array of shape (n_rows,), default=None
            Labels. Only ``accuracy_loss`` needs them.

        Returns
        -------
        self

        Raises
        ------
        NotFittedError
            If the student or the teacher is not fitted.
        ValueError
            If not exactly one aim is given, if labels are missing, or if student and teacher have
            no label in common.
        """
        self._validate_params()
        aim = _the_aim(self)
        classes = _all_classes(self.student, self.teacher)
        limit, level = getattr(self, aim), self.confidence_level
        if aim == "accuracy_loss":
            y = _labels(y, X, classes)
        proba = _proba(self.student, X, classes)
        sure = _greatest(proba)
        if aim == "defer":
            threshold = most_deferred(sure, limit, level)
        else:
            found = classes[proba.argmax(axis=1)]
            rows = _take(X, np.arange(len(sure)))  # a copy: a teacher may work in place
            wanted = classes[_proba(self.teacher, rows, classes).argmax(axis=1)]
            if aim == "agreement":
                threshold = fewest_deferred(sure, found != wanted, 1 - limit, level)
            else:
                lost, won = (found != y) & (wanted == y), (found == y) & (wanted != y)
                threshold = fewest_deferred(sure, lost, limit, level, won)
        if threshold == np.inf:
            _warn_that_all_are_deferred(aim, limit, level, len(sure))
        self.student_, self.teacher_, self.classes_ = self.student, self.teacher, classes
        self.threshold_, self.deferred_share_ = threshold, float((sure < threshold).mean())
        for name in ("n_features_in_", "feature_names_in_"):
            vars(self).pop(name, None)
            for model in (self.teacher, self.student):
                if hasattr(model, name):
                    setattr(self, name, getattr(model, name))
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the student's probabilities, or the teacher's for rows that are deferred.

        Parameters
        ----------
        X : array, frame, CSR matrix or list

        Returns
        -------
        proba : ndarray of shape (n_rows, n_classes), in the student's dtype
        """
        check_is_fitted(self)
        proba = _proba(self.student_, X, self.classes_)
        deferred = np.flatnonzero(_greatest(proba) < self.threshold_)
        if len(deferred):
            proba[deferred] = _proba(self.teacher_, _take(X, deferred), self.classes_)
        return proba

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable labels.

        Parameters
        ----------
        X : array, frame, CSR matrix or list

        Returns
        -------
        labels : ndarray of shape (n_rows,)
        """
        columns = self.predict_proba(X).argmax(axis=1)
        return self.classes_[columns]

    def defers(self, X: Any) -> np.ndarray:
        """Return which rows go to the teacher. Only the student is asked.

        Parameters
        ----------
        X : array, frame, CSR matrix or list

        Returns
        -------
        deferred : bool ndarray of shape (n_rows,)
        """
        check_is_fitted(self)
        return _greatest(_proba(self.student_, X, self.classes_)) < self.threshold_

    def milliseconds(self, X: Any) -> dict[str, float]:
        """Measure how long one row takes on this machine.

        Parameters
        ----------
        X : array, frame, CSR matrix or list
            Rows like those to come. The first are timed one by one.

        Returns
        -------
        milliseconds : dict of float
            ``student`` and ``teacher``: median time of ``predict_proba`` with one row.
            ``expected``: that of the student, plus that of the teacher times the share of rows of X
            that go to it.
        """
        share = self.defers(X).mean()
        models, rows = {"student": self.student_, "teacher": self.teacher_}, first_rows(X)
        times = time_in_turn({name: (one.predict_proba, rows) for name, one in models.items()})
        found = {name: 1e3 * float(np.median(seconds)) for name, seconds in times.items()}
        return {**found, "expected": found["student"] + float(share) * found["teacher"]}

    def set_params(self, **params: Any) -> Self:
        """Set parameters. Those of student and teacher can't be set, because both are fitted.

        Parameters
        ----------
        **params

        Returns
        -------
        self
        """
        if nested := [name for name in params if "__" in name]:
            raise ValueError(
                f"{nested[0]} can't be set: it would change your own fitted object. Give another "
                "student or teacher instead."
            )
        return super().set_params(**params)

    def __sklearn_clone__(self) -> Self:
        return type(self)(**self.get_params(deep=False))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        models = (self.student, self.teacher)
        inputs = [get_tags(one).input_tags for one in models if isinstance(one, BaseEstimator)]
        tags.input_tags.sparse = all(one.sparse for one in inputs)
        tags.input_tags.allow_nan = all(one.allow_nan for one in inputs)
        return tags


def _the_aim(clf: DeferringClassifier) -> str:
    """Return the name of the one aim that is given."""
    given = {name: getattr(clf, name) for name in _AIMS if getattr(clf, name) is not None}
    if len(given) != 1:
        found = ", ".join(f"{name}={value!r}" for name, value in given.items()) or "none"
        raise ValueError(f"Give exactly one of {', '.join(_AIMS)}; got {found}.")
    return next(iter(given))


def _all_classes(student, teacher) -> np.ndarray:
    """Return the labels of both models, sorted; raise unless both are fitted classifiers."""
    for name, model in {"student": student, "teacher": teacher}.items():
        if isinstance(model, type) or not hasattr(model, "predict_proba"):
            raise TypeError(f"{name} must be a classifier with predict_proba; got {model!r}.")
        if not hasattr(model, "classes_"):
            raise NotFittedError(
                f"The {name} {type(model).__name__} is not fitted. Fit it before, on other rows "
                "than those that the threshold is chosen on."
            )
    known = [np.asarray(model.classes_).tolist() for model in (student, teacher)]
    if not set(known[0]) & set(known[1]):
        raise ValueError(
            f"The student's classes {known[0][:6]} and the teacher's {known[1][:6]} have none in "
            "common. Fit both on the same labels."
        )
    return np.union1d(student.classes_, teacher.classes_)


def _labels(y, X, classes: np.ndarray) -> np.ndarray:
    if y is None:
        raise ValueError("accuracy_loss needs labels: fit(X, y). The other aims do not.")
    y = column_or_1d(y)
    check_consistent_length(X, y)
    if not set(y.tolist()) & set(classes.tolist()):
        raise ValueError(
            f"y has none of the classes {classes[:6].tolist()} of student and teacher; it begins "
            f"with {y[:6].tolist()}. Give the labels that both were fitted on."
        )
    return y


def _take(X, index: np.ndarray):
    """Return a copy of some rows."""
    if not (hasattr(X, "shape") or hasattr(X, "__array__") or isinstance(X, list)):
        raise TypeError(f"X is a {type(X).__name__}; give an array, a frame, a matrix or a list.")
    return _safe_indexing(X.tocsr() if sparse.issparse(X) else X, index)


def _proba(model, X, classes: np.ndarray) -> np.ndarray:
    """Return a model's probabilities in the order of ``classes``, with zeros for unknown ones."""
    given, known = np.asarray(model.predict_proba(X)), np.asarray(model.classes_)
    source = f"{type(model).__name__}.predict_proba"
    given = divided(check_proba(given, _num_samples(X), len(known), source))
    proba = np.zeros((len(given), len(classes)), given.dtype)
    proba[:, np.searchsorted(classes, known)] = given
    return proba


def _greatest(proba: np.ndarray) -> np.ndarray:
    # In float64, so that the comparison with a threshold is the same in fit and later.
    return proba.max(axis=1).astype(np.float64)


def _warn_that_all_are_deferred(aim: str, limit: float, level: float, n_rows: int) -> None:
    share, risk = (1 - limit, 1 - level) if aim == "agreement" else (limit, (1 - level) / 2)
    n_least = math.ceil(math.log(risk) / math.log1p(-share))
    warn(
        f"All rows go to the teacher: no threshold shows {aim}={limit} at confidence_level={level} "
        f"on {n_rows:,} validation rows. This needs at least {n_least:,} rows, and more if the "
        f"student errs where it is sure. Give more rows, or an aim that allows more errors."
    )
