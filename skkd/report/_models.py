"""The models of a report: teacher, baseline and student, and their probabilities."""

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from .._classifier import DistilledClassifier
from .._input import read_container
from .._plots import (
    as_seen_by,
    is_fitted,
    label_columns,
    proba_of,
    short,
    teacher_proba_of,
)
from ..balancers import FixedBalance

NAMES = ("teacher", "baseline", "student")

LABELS_ONLY = "labels only"

Models = dict[str, tuple[Any, Any]]
"""By name, a model and the test rows in the form that it takes."""


def labels_of(baseline: Any) -> dict[str, str]:
    """Return what a reader calls each model; a baseline is a name where the report trains it."""
    trained = {"baseline": LABELS_ONLY} if isinstance(baseline, str) else {}
    return dict(zip(NAMES, NAMES, strict=True)) | trained


def ask_models(
    clf,
    distilled: DistilledClassifier,
    X_test,
    teacher_proba,
    baseline,
    training,
    progress,
) -> tuple[Models, dict[str, np.ndarray]]:
    """Find or fit the models, and ask them about the test rows.

    Parameters
    ----------
    clf : DistilledClassifier, Pipeline or search
    distilled : DistilledClassifier
        The classifier in ``clf``.
    X_test, teacher_proba, baseline
        As in ``distillation_report``.
    training : tuple
        Rows, labels and weights for ``baseline="fit"``.
    progress : Progress

    Returns
    -------
    models : dict
        Models that can be asked.
    proba : dict of ndarrays of shape (n_rows, n_classes)
        By model, in the order of ``distilled.classes_``; also given ones of the teacher.
    """
    X, classes = as_seen_by(clf, X_test), distilled.classes_
    models: Models = {}
    proba = {}
    if getattr(distilled, "teacher_", None) is not None:
        models["teacher"] = distilled.teacher_, X
    with progress.phase("teacher's answers"):
        if (answers := teacher_proba_of(distilled, X, teacher_proba)) is not None:
            proba["teacher"] = answers
    if isinstance(baseline, str):
        X_train, y_train, weight = training
        X_train = as_seen_by(clf, X_train)
        with progress.phase(LABELS_ONLY):
            baseline = fit_on_labels_only(distilled, X_train, y_train, weight, progress.verbose)
        models["baseline"] = baseline, X
    elif baseline is not None:
        models["baseline"] = baseline, read_container(X_test)
    models["student"] = distilled, X
    for name in models.keys() & {"baseline", "student"}:
        proba[name] = proba_of(*models[name], classes)
    return models, {name: proba[name] for name in NAMES if name in proba}


def fit_on_labels_only(clf: DistilledClassifier, X, y, sample_weight, verbose: int):
    """Train the same student with the same settings on labels only.

    The teacher is neither asked nor fitted: uniform probabilities take the place of its own, with
    weight 0.
    """
    columns = label_columns(y, X, clf.classes_, "y_train")
    if missing := sorted(set(range(len(clf.classes_))) - set(columns.tolist())):
        raise ValueError(
            f"y_train has no row of the classes {short(clf.classes_[missing])} that clf "
            "was fitted on; give the rows and labels of its fit."
        )
    supervised = clone(clf).set_params(
        balancer=FixedBalance(0.0),
        distillation_loss="kl",
        calibrate=None,
        augmenter=None,
        verbose=verbose,
    )
    n_classes = len(clf.classes_)
    uniform = np.full((X.shape[0], n_classes), 1 / n_classes)
    return supervised.fit(X, y, sample_weight=sample_weight, teacher_proba=uniform)


def check_baseline(baseline, X_train, y_train, method: str) -> None:
    """Raise unless the baseline can be asked by a method, or fitted."""
    if isinstance(baseline, str):
        if baseline != "fit":
            raise ValueError(
                f"baseline={baseline!r} is not allowed; give 'fit', a fitted estimator or None."
            )
        if X_train is None or y_train is None:
            raise ValueError(
                "baseline='fit' trains the student on labels only, and needs the rows that clf was "
                "fitted on: X_train=..., y_train=.... Give these, or a fitted estimator as "
                "baseline, or baseline=None to compare with the teacher only."
            )
        return
    if X_train is not None or y_train is not None:
        raise ValueError(
            "X_train and y_train are for baseline='fit'; "
            f"with baseline={baseline!r}, leave them out."
        )
    if baseline is None:
        return
    if isinstance(baseline, type) or not hasattr(baseline, method):
        raise TypeError(
            f"baseline must be 'fit', None or an estimator with {method}; got "
            f"{baseline.__name__ if isinstance(baseline, type) else type(baseline).__name__}."
        )
    if not is_fitted(baseline):
        raise NotFittedError(
            f"The baseline {type(baseline).__name__} is not fitted; fit it on the rows that clf "
            "was fitted on."
        )


def check_classes_of(baseline, classes: np.ndarray) -> None:
    """Raise a ValueError unless a baseline that was given has the classes."""
    if baseline is None or isinstance(baseline, str):
        return
    known = np.asarray(getattr(baseline, "classes_", []))
    if set(known.tolist()) != set(classes.tolist()):
        raise ValueError(
            f"The baseline has the classes_ {short(known)}, and clf has "
            f"{short(classes)}; fit it on the same labels."
        )
