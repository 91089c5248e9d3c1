"""An unfitted teacher, fitted such that no row's target comes from a model that saw its label."""

import copy
import warnings

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import has_fit_parameter

from .._sklearn_private import _check_method_params, _safe_indexing
from .asking import align, raw_proba, short, warn_of_other_classes
from .cache import Cache, Shelved


class UnfittedTeacher:
    """A teacher, and what it is to be fitted on: rows, and whatever else its ``fit`` takes.

    Parameters
    ----------
    estimator : estimator
        The teacher, which is cloned before each fit.
    X : array, frame or CSR matrix of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
    sample_weight : ndarray of shape (n_rows,) or None
        Rows of weight zero are left out, as if they were not there.
    classes : ndarray of shape (n_classes,)
        Labels in the order of the columns of all results.
    fit_params : dict or None
        Metadata for the teacher's ``fit``, as it was routed. None: it gets ``sample_weight``, if it
        takes any.
    cache : Cache
    held_out : int ndarray or None
        Rows that are left out as well: what the teacher learnt of them would reach the student
        through its answers about the others.
    """

    def __init__(
        self,
        estimator,
        X,
        y,
        sample_weight,
        classes,
        fit_params=None,
        cache=None,
        held_out=None,
    ):
        self.estimator, self.classes = estimator, classes
        self.cache = Cache() if cache is None else cache
        self.n_all = len(y)
        if fit_params is None:
            fit_params = _weight_argument(estimator, sample_weight)
        counts = np.ones(len(y), dtype=bool) if sample_weight is None else sample_weight > 0
        if held_out is not None:
            counts[held_out] = False
        self.kept = np.flatnonzero(counts)
        if len(self.kept) < len(y):
            fit_params = _check_method_params(X, fit_params, indices=self.kept)
            X, y = _safe_indexing(X, self.kept), y[self.kept]
        self.X, self.y, self.fit_params = X, y, fit_params
        self.key = self.cache.key(X, y, fit_params)

    def fit(self) -> Shelved:
        """A clone of the teacher, fitted on all rows that count."""
        return self.cache.shelve(
            self.key_of("fit"),
            lambda: _fit_clone(self.estimator, self.X, self.y, self.fit_params),
        )

    def key_of(self, work: str, *parts) -> str | None:
        """The key of some work of this teacher on these rows."""
        if self.key is None:
            return None
        return self.cache.key(work, self.key, *parts, unfitted=self.estimator)

    def scattered(self, values: np.ndarray, rest) -> np.ndarray:
        """``values`` of the rows that count among those of all rows."""
        if len(self.kept) == self.n_all:
            return values
        scattered = np.full((self.n_all, *values.shape[1:]), rest, dtype=values.dtype)
        scattered[self.kept] = values
        return scattered


def cross_fit(teacher: UnfittedTeacher, *, cv, split_params=None, n_jobs=None):
    """Out-of-fold probabilities by clones of the teacher.

    Where a splitter tests a row more than once, its targets are averaged.

    Parameters
    ----------
    teacher : UnfittedTeacher
    cv : int, splitter or iterable of splits
    split_params : dict or None
        Metadata for ``cv.split``: groups.
    n_jobs : int or None

    Returns
    -------
    proba : ndarray of shape (n_rows, n_classes)
        Uniform for rows that are left out.
    folds : ndarray of shape (n_rows,)
        The fold in which a row was tested first; -1 for rows that are left out.
    """
    X, y, classes = teacher.X, teacher.y, teacher.classes
    splits = _splits(teacher, cv, split_params or {})
    _check_all_tested(splits, teacher, cv)
    key = teacher.key_of("cross_fit", splits)
    answers = teacher.cache.get(
        key,
        lambda: Parallel(n_jobs=n_jobs)(
            delayed(_fit_and_ask)(teacher.estimator, X, y, teacher.fit_params, *split)
            for split in splits
        ),
    )
    total, count = np.zeros((len(y), len(classes))), np.zeros(len(y))
    folds = np.full(len(y), -1)
    for fold, ((_, test), (known, proba)) in enumerate(zip(splits, answers, strict=True)):
        np.add.at(total, test, align(proba, known, classes))
        np.add.at(count, test, 1)
        folds[test] = np.where(folds[test] < 0, fold, folds[test])
    _warn_of_missing_classes([known for known, _ in answers], classes)
    targets = total / count[:, np.newaxis]
    return teacher.scattered(targets, 1 / len(classes)), teacher.scattered(folds, -1)


def _splits(
    teacher: UnfittedTeacher, cv, split_params: dict
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Splits of the rows that count."""
    if isinstance(cv, (int, np.integer)):
        counts = [int((teacher.y == label).sum()) for label in teacher.classes]
        rare = [column for column, count in enumerate(counts) if 0 < count < cv]
        if rare:
            raise ValueError(
                f"cv={cv} needs at least {cv} rows of every class, and class "
                f"{teacher.classes.tolist()[rare[0]]!r} of y has {counts[rare[0]]}. Lower cv, drop "
                "the class, or give a splitter (with it a class may be missing in a fold)."
            )
    elif not hasattr(cv, "split"):  # splits, by the indices of all rows
        position = np.full(teacher.n_all, -1)
        position[teacher.kept] = np.arange(len(teacher.kept))
        mapped = [tuple(position[np.asarray(part)] for part in split) for split in cv]
        splits = [(train[train >= 0], test[test >= 0]) for train, test in mapped]
        return [(train, test) for train, test in splits if len(test)]
    elif split_params.get("groups") is None and _needs_groups(cv):
        raise ValueError(
            f"cv={cv!r} splits by groups, and got none. Give fit(..., groups=...); inside of "
            "scikit-learn's searches, set_config(enable_metadata_routing=True) lets them through."
        )
    if len(teacher.kept) < teacher.n_all:
        split_params = _check_method_params(
            np.empty(teacher.n_all), split_params, indices=teacher.kept
        )
    splitter = check_cv(cv, teacher.y, classifier=True)
    return list(splitter.split(teacher.X, teacher.y, **split_params))


def _needs_groups(cv) -> bool:
    return bool(get_routing_for_object(cv).consumes("split", {"groups"}))


def _check_all_tested(splits, teacher, cv) -> None:
    tested = np.zeros(len(teacher.y), dtype=bool)
    for _, test in splits:
        tested[test] = True
    if not tested.all():
        raise ValueError(
            f"cv={cv!r} leaves {int((~tested).sum())} rows in no test fold, so that they have no "
            "out-of-fold target. Use a splitter that tests every row, such as StratifiedKFold."
        )


def _fit_and_ask(teacher, X, y, fit_params, train, test) -> tuple[np.ndarray, np.ndarray]:
    """Classes and probabilities for the rows of ``test`` of a teacher fitted on ``train``."""
    params = _check_method_params(X, fit_params, indices=train)
    fitted = _fit_clone(teacher, _safe_indexing(X, train), y[train], params)
    return raw_proba(fitted, _safe_indexing(X, test))


def _fit_clone(teacher, X, y, fit_params: dict):
    """A fitted clone; an error that the teacher raises says so, and what may help."""
    try:
        return clone(teacher).fit(X, y, **fit_params)
    except Exception as error:
        note = f"Raised by the teacher {type(teacher).__name__}, as it was cloned and fitted."
        labels = np.unique(y)
        if not np.array_equal(labels, np.arange(len(labels))):
            note += (
                f" Its labels were {short(labels)}. If it takes only 0, 1, 2, ..., encode y by "
                "sklearn.preprocessing.LabelEncoder, and let every fold have all classes."
            )
        if "Cannot clone" in str(error):
            note += " A parameter of which it makes a copy can be a tuple instead of a list."
        error.add_note(note)
        raise


def _warn_of_missing_classes(known_of_folds: list, classes: np.ndarray) -> None:
    """One warning for all folds."""
    missing = [np.setdiff1d(classes, known) for known in known_of_folds]
    n_folds = sum(len(labels) > 0 for labels in missing)
    if n_folds:
        warnings.warn(
            f"In {n_folds} of {len(missing)} folds the teacher does not know "
            f"{short(np.unique(np.concatenate(missing)))}: no row of these classes was there to "
            "fit on. They get probability 0 in the rest of the rows. Use a stratified splitter, or "
            "drop classes that are too rare.",
            stacklevel=2,
        )


def fit_oob(teacher: UnfittedTeacher) -> tuple[Shelved, np.ndarray]:
    """A bagged teacher fitted on all rows, and what its members say of rows they did not see.

    Returns
    -------
    teacher : Shelved
        The fitted clone.
    proba : ndarray of shape (n_rows, n_classes)
        Uniform for a row that every member saw, and for rows that are left out.
    """
    params = teacher.estimator.get_params(deep=False)
    if "oob_score" not in params:
        raise ValueError(
            f"cv='oob' needs a bagged teacher with an oob_score parameter, such as a random "
            f"forest; {type(teacher.estimator).__name__} has none. Use cv=5."
        )
    extra = {"oob_score": True} | ({"bootstrap": True} if "bootstrap" in params else {})
    teacher = copy.copy(teacher)
    teacher.estimator = clone(teacher.estimator).set_params(**extra)
    fitted = teacher.fit()

    def votes():
        known = fitted.get()
        return np.asarray(known.classes_), np.asarray(known.oob_decision_function_)

    known, proba = teacher.cache.get(teacher.key_of("oob"), votes)
    # A row without a vote has zeros or NaN.
    proba = np.where(np.isfinite(proba), proba, 0.0)
    warn_of_other_classes(known, teacher.classes)
    return fitted, teacher.scattered(align(proba, known, teacher.classes), 1 / len(teacher.classes))


def _weight_argument(teacher, sample_weight) -> dict:
    """``sample_weight`` under the name that the teacher's ``fit`` knows it by."""
    if sample_weight is None:
        return {}
    name = _name_of_weight(teacher)
    if name is not None:
        return {name: sample_weight}
    warnings.warn(
        f"The teacher {type(teacher).__name__} takes no sample_weight; the weights act in the "
        "student's losses only.",
        stacklevel=2,
    )
    return {}


def _name_of_weight(estimator) -> str | None:
    if isinstance(estimator, Pipeline):
        step, last = estimator.steps[-1]
        name = _name_of_weight(last)
        return None if name is None else f"{step}__{name}"
    if isinstance(estimator, (GridSearchCV, RandomizedSearchCV)):
        return _name_of_weight(estimator.estimator)
    if isinstance(estimator, (StackingClassifier, VotingClassifier)):
        parts = [part for _, part in estimator.estimators if part != "drop"]
        final = getattr(estimator, "final_estimator", None)
        parts += [] if final is None else [final]
        takes_all = all(_name_of_weight(part) == "sample_weight" for part in parts)
        return "sample_weight" if takes_all else None
    return "sample_weight" if has_fit_parameter(estimator, "sample_weight") else None
