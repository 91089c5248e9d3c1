"""A fitted classifier in a file that runs no code when it is loaded."""

from typing import Any
from zipfile import ZIP_DEFLATED

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._classifier import DistilledClassifier
from .._student.net import net_dtype, net_of
from .._student.student_only import StudentOnly, without_training
from .._teacher.asking import is_fitted
from .._teacher.cache import Shelved
from ..exceptions import ExportError, LoadError
from ._archive import packed, unpacked
from ._exported import write
from ._missing_teacher import MissingTeacher
from ._record import check_restored, initialise, recorded, restored, tensors_of
from ._require import require
from ._tensors import with_arrays, with_tensors
from ._trust import is_net, name_of, names_of, refuse_unknown, trusted_by_default

__all__ = ["load", "save"]

_CLASSIFIER, _WEIGHTS = "classifier.skops", "student.safetensors"

# Parameters that are saved in another way, or not at all: a folder of this machine.
_APART = ("teacher", "student", "memory")

_NAMES = {"teachers": "The teacher", "student_": "The student", "student": "The student"}


def save(clf, path, teacher: bool = False) -> None:
    """Save a fitted classifier to a file that :func:`load` reads without running code from it.

    A pickle runs whatever its author wrote into it. This file is a zip of plain parts: the
    student's weights by safetensors, all else by skops, and a manifest with a version, and the hash
    of each part.

    Parameters
    ----------
    clf : DistilledClassifier or StudentOnly
        Fitted. ``clf.student_only()`` gives the smallest file, and one without parameters of the
        training.
    path : str or path
        Where to write. An existing file is replaced, once all is well.
    teacher : bool, default=False
        Whether to save the teacher too, which further training with it needs: ``partial_fit``,
        ``fit``. Otherwise a stand-in takes its place, which says so where it is asked.

    Raises
    ------
    ExportError
        If something can't be saved without a pickle, or would not come back as it was; the message
        names it. Nothing is written then.
    ImportError
        If skops or safetensors is not installed: ``pip install 'skkd[save]'``.

    Notes
    -----
    Not saved are ``memory``, which is a folder on this machine, and the moments of the optimizer,
    which ``fit`` does not keep either; ``partial_fit`` starts them anew. A net on another device is
    saved as one on the CPU.

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
    if type(clf) not in (DistilledClassifier, StudentOnly):
        raise TypeError(
            f"save takes a DistilledClassifier or a StudentOnly; got a {type(clf).__name__}."
        )
    check_is_fitted(clf)
    skops, safetensors = require("skops.io", "save"), require("safetensors.torch", "save")
    net = net_of(clf.student_)
    parts = {
        _CLASSIFIER: _dumped(skops, clf, teacher),
        _WEIGHTS: safetensors.save(tensors_of(net)),
    }
    needed = skops.get_untrusted_types(data=parts[_CLASSIFIER])
    if nets := [name for name in needed if is_net(name)]:
        raise ExportError(
            f"{nets} in the teacher or the preprocessing can't be saved: a net of skorch pickles "
            "itself. Save the classifier without its teacher, or the teacher by itself."
        )
    try:
        trusted = [*needed, *trusted_by_default(), name_of(type(net))]
        again = _made(skops, safetensors, parts, trusted)
    except Exception as error:  # of any kind, for it runs the code of the user's classes
        raise ExportError(
            f"The {type(clf).__name__} can't be saved, for it could not be loaded again: {error}. "
            "Functions and classes must have a name at the top of a module."
        ) from error
    check_restored(net, net_of(again.student_))
    write(path, packed(parts))


def load(path, trusted=()) -> DistilledClassifier | StudentOnly:
    """Load what :func:`save` wrote. It predicts as before, bit by bit on the same machine.

    Parameters
    ----------
    path : str or path
    trusted : list of types or of their names, default=()
        What else may be imported and made, such as the class of your own module. By default these
        are numpy's arrays, scikit-learn's estimators, and those classes of skkd, torch and skorch
        that a student needs. Trust a type only if you know it and where the file comes from. Trees
        are not trusted by default: scikit-learn does not check their nodes, and a crafted one can
        crash the process.

    Returns
    -------
    clf : DistilledClassifier or StudentOnly

    Raises
    ------
    LoadError
        If the file is damaged or was changed, is in another version of the format, or needs a type
        that is not trusted; the message says which.

    Notes
    -----
    The hashes tell a damaged file, or one changed by hand, from the original. They do not tell who
    wrote it: whoever can replace the file can write a student of their own with the right hashes,
    but can't make it run code here. As with every estimator of scikit-learn, a file from another
    version of it is read with a warning.

    Examples
    --------
    See :func:`save`.
    """
    trusted = names_of(trusted)
    skops = require("skops.io", "save")
    parts, written_with = unpacked(path, (_CLASSIFIER, _WEIGHTS))
    try:
        needed = skops.get_untrusted_types(data=parts[_CLASSIFIER])
        known = [*trusted_by_default(), *trusted]
        refuse_unknown(needed, known, path)
        return _made(skops, require("safetensors.torch", "save"), parts, known)
    except LoadError:
        raise
    except Exception as error:  # of any kind: another version of a library, or a crafted file
        raise LoadError(
            f"{path} can't be loaded: {type(error).__name__}: {error}. It was written with "
            f"{written_with}; the same versions read it."
        ) from error


def _dumped(skops, clf, teacher: bool) -> bytes:
    """All of a classifier but the weights of its student."""
    params = clf.get_params(deep=False)
    apart = {*params, "student_", "_fitted_teacher"}
    learned = {name: value for name, value in vars(clf).items() if name not in apart}
    content: dict[str, Any] = {
        "kind": type(clf).__name__,
        "params": {name: value for name, value in params.items() if name not in _APART},
        "learned": with_arrays(learned),
        "student_": recorded(clf.student_),
        "dtype": net_dtype(net_of(clf.student_)).name,
    }
    if isinstance(clf, DistilledClassifier):
        teachers = [clf.teacher, clf.teacher_]
        content["teachers"] = teachers if teacher else list(map(_stand_in, teachers))
        content["student"] = recorded(clf.student)
    try:
        return skops.dumps(content, compression=ZIP_DEFLATED)
    except Exception as error:  # of any kind, for it asks all objects for their state
        raise ExportError(
            f"{_which_fails(skops, content)} can't be saved without a pickle: {error}"
        ) from error


def _which_fails(skops, content: dict) -> str:
    """The name of what skops can't write."""
    for values in (content["params"], content["learned"], content):
        for name, value in values.items():
            try:
                skops.dumps(value)
            except Exception:
                if name not in ("params", "learned"):
                    return _NAMES.get(name, name)
    return "The classifier"


def _stand_in(teacher) -> MissingTeacher | None:
    if teacher is None or isinstance(teacher, MissingTeacher):
        return teacher
    inner = teacher
    while isinstance(inner, (FrozenEstimator, Pipeline)):
        inner = inner.estimator if isinstance(inner, FrozenEstimator) else inner.steps[-1][1]
    return MissingTeacher(type(inner).__name__, is_fitted(teacher))


def _made(skops, safetensors, parts: dict[str, bytes], trusted: list[str]):
    """A classifier from its parts; nothing is imported but what is trusted."""
    # A net of skorch is made here and not by skops, for it would read a pickle.
    content = skops.loads(parts[_CLASSIFIER], trusted=[one for one in trusted if not is_net(one)])
    student = restored(content["student_"], trusted)
    tensors = safetensors.load(parts[_WEIGHTS])
    initialise(net_of(student), tensors, np.dtype(content["dtype"]))
    learned = with_tensors(content["learned"])
    if content["kind"] == StudentOnly.__name__:
        clf: Any = StudentOnly()
        student = without_training(student)
    else:
        teacher, fitted_teacher = content["teachers"]
        unfitted = restored(content["student"], trusted)
        params = {name: value for name, value in content["params"].items() if name not in _APART}
        clf = DistilledClassifier(teacher, unfitted, **params)
        clf._fitted_teacher = Shelved(fitted_teacher)
    vars(clf).update(learned)
    clf.student_ = student
    return clf
