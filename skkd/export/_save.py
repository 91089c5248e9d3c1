"""Save a fitted estimator to a file that runs no code when it is loaded."""

import os
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._atomic_write import write
from .._classifier import DistilledClassifier
from .._regression import TargetScaling
from .._regressor import DistilledRegressor
from .._student import StudentOnly, StudentOnlyRegressor, net_dtype, net_of, without_training
from .._teacher import Shelved, is_fitted
from ..exceptions import ExportError, LoadError
from ._archive import packed, unpacked
from ._objects import current, dumped, loaded, types_in
from ._require import require
from ._saved_net import check_restored, initialize, recorded, restored, tensors_of
from ._saved_types import is_net, name_of, names_of, refuse_unknown, trusted_by_default
from ._stand_ins import MissingRegressor, MissingTeacher, kind_of

__all__ = ["load", "save"]

_OBJECTS, _WEIGHTS = "classifier.skops", "student.safetensors"

# Parameters that are saved in another way, or not at all: a folder of this machine.
_APART = ("teacher", "student", "memory")

# By kind, what it learns of its targets.
_KINDS: dict[type, str] = {
    DistilledClassifier: "classes_",
    DistilledRegressor: "target_scaling_",
    StudentOnly: "classes_",
    StudentOnlyRegressor: "target_scaling_",
}
_OF_NAME = {kind.__name__: kind for kind in _KINDS}

# What a file may set besides parameters, student and teacher.
_LEARNED = (
    "classes_",
    "target_scaling_",
    "n_features_in_",
    "feature_names_in_",
    "_row_shape",
    "history_",
    "n_iter_",
    "balancer_",
    "calibration_",
    "augmenter_",
)

_NAMES = {"teachers": "The teacher", "student_": "The student", "student": "The student"}


def save(clf, path: str | os.PathLike[str], teacher: bool = False) -> None:
    """Save a fitted estimator to a file that :func:`load` reads safely.

    A pickle can run code when it is loaded. This file is a zip of plain parts: the student's
    weights by safetensors, everything else by skops, and a manifest with a hash of each part. The
    same classifier gives the same bytes.

    Parameters
    ----------
    clf : DistilledClassifier, DistilledRegressor, StudentOnly or StudentOnlyRegressor
        Fitted. ``clf.student_only()`` gives the smallest file, without training parameters.
    path : str or path
        Where to write. An existing file is replaced once everything else has succeeded.
    teacher : bool, default=False
        Whether to save the teacher, which ``fit`` and ``partial_fit`` need. False: a stand-in
        takes its place, and raises an error if it is asked.

    Raises
    ------
    ExportError
        If something cannot be saved without a pickle, or would not come back as it was. Nothing
        is written then.
    ImportError
        If skops or safetensors is not installed: ``pip install 'skkd[save]'``.

    Notes
    -----
    The file does not hold training rows, the folder ``memory``, or moments of the optimizer.
    ``fit`` does not keep those moments, and ``partial_fit`` starts them anew. A net on another
    device is saved as a net on the CPU.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skkd import DistilledClassifier
    >>> from skkd.export import load, save
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = DistilledClassifier(LogisticRegression(max_iter=1000), cv=5, random_state=0)
    >>> clf = clf.set_params(student__max_epochs=20).fit(X, y)
    >>> folder = tempfile.TemporaryDirectory()
    >>> save(clf, f"{folder.name}/iris.skkd")
    >>> again = load(f"{folder.name}/iris.skkd")
    >>> bool((again.predict_proba(X) == clf.predict_proba(X)).all())
    True
    >>> folder.cleanup()
    """
    if type(clf) not in _KINDS:
        raise TypeError(f"save takes one of {', '.join(_OF_NAME)}; got a {type(clf).__name__}.")
    check_is_fitted(clf)
    safetensors = _required()
    net = net_of(clf.student_)
    objects, weights = _dumped(clf, teacher), safetensors.save(tensors_of(net))
    try:
        readable = current(objects)
        needed = types_in(readable)
        if nets := [name for name in needed if is_net(name)]:
            raise ExportError(
                f"{nets} in the teacher or the preprocessing cannot be saved, because a net of "
                "skorch pickles itself. Save the classifier without its teacher."
            )
        trusted = [*needed, *trusted_by_default(), name_of(type(net))]
        again = _made(loaded(readable, trusted), safetensors.load(weights), trusted)
    except ExportError:
        raise
    except Exception as error:  # of any kind, because it runs the code of the user's classes
        raise ExportError(
            f"The {type(clf).__name__} cannot be saved, because it could not be loaded again: "
            f"{error}. Functions and classes must have a name at the top of a module."
        ) from error
    check_restored(net, net_of(again.student_))
    write(path, packed({_OBJECTS: objects, _WEIGHTS: weights}))


def load(path: str | os.PathLike[str], trusted=()) -> Any:
    """Load a file of :func:`save`, without running code from it.

    Predictions are those of the saved classifier, bit by bit on the same machine.

    Parameters
    ----------
    path : str or path
    trusted : list of types or of their names, default=()
        Further types that may be imported and made, such as your own module. Trust a type only if
        you know it and who wrote the file.

    Returns
    -------
    clf : DistilledClassifier, DistilledRegressor, StudentOnly or StudentOnlyRegressor

    Raises
    ------
    LoadError
        If the file is damaged or was changed, has another version of the format, or needs a type
        that is not trusted. The message says which.

    Notes
    -----
    Trusted by default are numpy's arrays, scikit-learn's estimators, and the classes of skkd, torch
    and skorch that a student needs. Trees are not: scikit-learn does not check their nodes, and a
    crafted tree can crash the process.

    The hashes reveal damage, but not the author. Whoever can replace the file can put in another
    student, but cannot run code here. scikit-learn warns about a file from another of its versions.

    Examples
    --------
    See :func:`save`.
    """
    trusted = names_of(trusted)
    safetensors = _required()
    parts, written_with = unpacked(path, (_OBJECTS, _WEIGHTS))
    known = [*trusted_by_default(), *trusted]
    try:
        readable = current(parts[_OBJECTS])
        needed = types_in(readable)
    except Exception as error:  # of any kind, because the file may be crafted
        raise _load_error(path, error, written_with) from error
    refuse_unknown(needed, known, path)
    try:
        return _made(loaded(readable, known), safetensors.load(parts[_WEIGHTS]), known)
    except Exception as error:
        raise _load_error(path, error, written_with) from error


def _required():
    """Return safetensors, after a check that skops is there as well."""
    require("skops.io", "save")
    return require("safetensors.torch", "save")


def _load_error(path, error: Exception, written_with: dict) -> LoadError:
    reason = str(error) if isinstance(error, LoadError) else f"{type(error).__name__}: {error}"
    return LoadError(
        f"{path} cannot be loaded: {reason.rstrip('.')}. The versions that wrote it can read it: "
        f"{written_with}."
    )


def _dumped(clf, teacher: bool) -> bytes:
    """Write all of a classifier except the weights of its student."""
    params = clf.get_params(deep=False)
    content: dict[str, Any] = {
        "kind": type(clf).__name__,
        "params": {name: value for name, value in params.items() if name not in _APART},
        "learned": {name: getattr(clf, name) for name in _LEARNED if hasattr(clf, name)},
        "student_": recorded(clf.student_),
        "dtype": net_dtype(net_of(clf.student_)).name,
    }
    if hasattr(clf, "teacher"):
        content["teachers"] = [clf.teacher, clf.teacher_] if teacher else _stand_ins(clf)
        content["student"] = recorded(clf.student)
    try:
        return dumped(content)
    except Exception as error:  # of any kind, because it asks all objects for their state
        raise ExportError(
            f"{_which_fails(content)} cannot be saved without a pickle: {error}"
        ) from error


def _which_fails(content: dict) -> str:
    """Return the name of what skops cannot write."""
    for values in (content["params"], content["learned"], content):
        for name, value in values.items():
            try:
                dumped(value)
            except Exception:
                if name not in ("params", "learned"):
                    return _NAMES.get(name, name)
    return "The classifier"


def _stand_ins(clf) -> list[MissingTeacher | MissingRegressor | None]:
    """Return what takes the place of the teacher and of the fitted one, which is not read."""
    kind = kind_of(clf.teacher)
    missing = MissingTeacher if isinstance(clf, DistilledClassifier) else MissingRegressor
    given = None if clf.teacher is None else missing(kind, is_fitted(clf.teacher))
    return [given, missing(kind, True) if clf._shelved_teacher.has_value else None]


def _made(content: dict, tensors: dict, trusted: list[str]):
    """Make a classifier of what a file holds."""
    student, learned = restored(content["student_"], trusted), content["learned"]
    if unknown := set(learned) - set(_LEARNED):
        raise LoadError(f"it sets {sorted(map(str, unknown))}, which no fit learns")
    kind = _OF_NAME.get(content["kind"], DistilledClassifier)
    if missing := {_KINDS[kind], "n_features_in_"} - set(learned):
        raise LoadError(f"it lacks {sorted(missing)}")
    targets = learned[_KINDS[kind]]
    is_right = isinstance(targets, TargetScaling) or (
        _KINDS[kind] == "classes_" and np.ndim(targets) == 1
    )
    if not (is_right and isinstance(learned["n_features_in_"], int)):
        raise LoadError(f"its {_KINDS[kind]} or n_features_in_ are of another type")
    initialize(net_of(student), tensors, np.dtype(content["dtype"]))
    if kind in (StudentOnly, StudentOnlyRegressor):
        clf: Any = kind()
        student = without_training(student)
    else:
        teacher, fitted_teacher = content["teachers"]
        unfitted = restored(content["student"], trusted)
        params = {name: value for name, value in content["params"].items() if name not in _APART}
        clf = kind(teacher, unfitted, **params)
        clf._shelved_teacher = Shelved(fitted_teacher)
    for name, value in learned.items():
        setattr(clf, name, value)
    clf.student_ = student
    return clf
