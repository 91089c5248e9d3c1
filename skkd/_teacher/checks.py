"""Whether a teacher is fitted, and whether it can be one at all: checked before any work."""

from collections.abc import Iterable, Mapping
from numbers import Integral

import numpy as np
from sklearn.base import is_classifier
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNet
from torch import nn


def is_fitted(teacher) -> bool:
    """Whether a teacher can be asked as it is. Objects without ``fit`` can; of several all must."""
    if isinstance(teacher, (list, tuple)):
        return all(map(is_fitted, members_of(teacher)))
    if not hasattr(teacher, "fit") or isinstance(teacher, FrozenEstimator):
        return True
    if isinstance(teacher, NeuralNet):  # older skorch does not tell check_is_fitted
        return bool(teacher.initialized_)
    try:
        check_is_fitted(teacher)
    except NotFittedError:
        return False
    except TypeError:  # not one of scikit-learn's: nothing says that it is unfitted
        return hasattr(teacher, "classes_")
    return True


def members_of(teachers) -> list:
    """Return several teachers without their names, if they have any."""
    return [one[1] if isinstance(one, tuple) and len(one) == 2 else one for one in teachers]


def check_teacher(teacher, cv, answers: str) -> None:
    """Raise unless the teacher can be asked, as it is or cross-fitted.

    Parameters
    ----------
    teacher : estimator or None
    cv : int, splitter, iterable of splits, "oob" or None
    answers : {"teacher_proba", "teacher_prediction"}
        What ``fit`` takes instead.
    """
    if teacher is None:
        raise ValueError(
            f"teacher=None needs {answers}=... in fit: the teacher's answers, one row for each row "
            "of X and one column for each class or output."
        )
    if isinstance(teacher, type):
        raise TypeError(f"teacher must be an instance; got the class {teacher.__name__}.")
    if answers == "teacher_proba":
        _check_gives_proba(teacher)
    elif not hasattr(teacher, "predict") or _is_classifier(teacher):
        raise TypeError(
            f"teacher must be a regressor with predict; got a {type(teacher).__name__}. Give a "
            "regressor, or teacher_prediction=... to fit."
        )
    if cv is None:
        return
    check_cv_parameter(cv)
    if is_fitted(teacher):
        raise ValueError(
            f"This {type(teacher).__name__} teacher is fitted, and cv={cv!r} would fit it again. "
            "Use cv=None to distill it as it is, or teacher=clone(teacher) to cross-fit it."
        )


def _is_classifier(teacher) -> bool:
    try:
        return is_classifier(teacher)
    except AttributeError:  # an object that only predicts has no tags of scikit-learn
        return False


def _check_gives_proba(teacher) -> None:
    if hasattr(teacher, "predict_proba") or _will_give_proba(teacher):
        return
    name = type(teacher).__name__
    way_out = (
        "Ask it yourself, and give its probabilities: DistilledClassifier(None), and "
        "fit(X, y, teacher_proba=...)"
    )
    if hasattr(teacher, "decision_function"):
        way_out = (
            "Wrap it in sklearn.calibration.CalibratedClassifierCV, or give teacher_proba=... to "
            "fit"
        )
    elif isinstance(teacher, nn.Module):
        way_out += ", with torch.softmax of its logits"
    raise TypeError(f"teacher must have predict_proba; this {name} has not. {way_out}.")


def check_cv_parameter(cv) -> None:
    """Raise a ValueError unless ``cv`` can split rows."""
    if isinstance(cv, str):
        allowed = cv == "oob"
    elif isinstance(cv, Integral):
        allowed = int(cv) >= 2
    elif isinstance(cv, np.ndarray) and cv.ndim == 0:
        allowed = False
    elif isinstance(cv, (list, tuple, np.ndarray)):
        kinds = (list, tuple, np.ndarray)
        allowed = all(isinstance(pair, kinds) and len(pair) == 2 for pair in cv)
    else:
        # bytes have a method split, and neither they nor a dict hold pairs of indices.
        allowed = not isinstance(cv, (bytes, bytearray, Mapping)) and (
            hasattr(cv, "split") or isinstance(cv, Iterable)
        )
    if not allowed:
        raise ValueError(
            f"cv={cv!r} is not allowed; give None, an int of at least 2, a splitter, pairs of "
            "index arrays, or 'oob'."
        )


def _will_give_proba(teacher) -> bool:
    """Whether a teacher will have ``predict_proba`` once it is fitted.

    A stack with the default final estimator, which has it, does not know that before.
    """
    if hasattr(teacher, "predict_proba"):
        return True
    if isinstance(teacher, Pipeline):
        return _will_give_proba(teacher.steps[-1][1])
    if isinstance(teacher, (GridSearchCV, RandomizedSearchCV)):
        return _will_give_proba(teacher.estimator)
    return isinstance(teacher, StackingClassifier) and teacher.final_estimator is None
