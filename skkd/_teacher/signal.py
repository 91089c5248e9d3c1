"""What the teacher says: of the training rows, out-of-fold where it can be, and of other rows."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._classification import Calibration, Classification
from .._input import MANY_TARGETS, LazyRows, Rows, hash_rows
from .._progress import SILENT, Progress
from .cache import Cache, Shelved
from .cost import Cost, timed
from .cross_fitting import UnfittedTeacher, cross_fit, fit_oob, splits_of_part


@dataclass(frozen=True)
class TeacherSignal:
    """All that a fit learns from its teacher. A value: nothing in it changes.

    Attributes
    ----------
    rows : Rows
        The training rows with the teacher's answers.
    validation : Rows or None
        The validation rows with the teacher's answers, which has not seen them.
    teacher : Shelved
        The fitted teacher, read from the cache when it is needed; None inside if there is none.
    calibration : Calibration or None
    unfitted : UnfittedTeacher or None
        The teacher and what it is fitted on, where skkd fits it.
    task : Classification
    memory : str, path, joblib.Memory or None
    keeps_synthetic : bool
        Whether ``memory`` keeps answers about synthetic rows. A seed makes the same rows again.
    are_given : bool
        Whether the user gave the answers.
    cost : Cost
        How long the teacher took.
    """

    rows: Rows
    validation: Rows | None
    teacher: Shelved
    calibration: Calibration | None
    unfitted: UnfittedTeacher | None
    task: Classification
    memory: Any
    keeps_synthetic: bool
    are_given: bool
    cost: Cost

    def ask(self, X) -> np.ndarray:
        """Return the teacher's calibrated answers about other rows of the user."""
        answers = ask_teacher(self.teacher, X, self.task, self.memory)
        return calibrated(answers, self.calibration)

    def ask_synthetic(self, X) -> np.ndarray:
        """Return the teacher's calibrated answers about rows that are made here."""
        memory = self.memory if self.keeps_synthetic else None
        return calibrated(ask_teacher(self.teacher, X, self.task, memory), self.calibration)

    def calibrated_by(self, calibration: Calibration | None) -> "TeacherSignal":
        """Return the same signal, calibrated as an earlier one was."""
        rows = replace(self.rows, answers=calibrated(self.rows.answers, calibration))
        return replace(self, rows=rows, calibration=calibration)


def make_signal(
    teacher,
    rows: Rows,
    validation: Rows | None,
    task: Classification,
    *,
    given=None,
    cv=None,
    calibrate: str | None = None,
    n_given: int,
    fit_params: dict | None = None,
    split_params: dict | None = None,
    memory=None,
    keeps_synthetic: bool = False,
    n_jobs: int | None = None,
    progress: Progress = SILENT,
) -> TeacherSignal:
    """Ask the teacher about the training rows, fitting it first where it is unfitted.

    Parameters
    ----------
    teacher : estimator or None
        A fitted teacher is asked as it is.
    rows, validation : Rows
        A teacher that is fitted here does not see the validation rows.
    task : Classification
    given : array or frame of shape (n_given, n_outputs) or None
        The teacher's answers, where the user gave them. Then the teacher is neither fitted nor
        asked about these rows.
    cv : int, splitter, iterable of splits, "oob" or None
        How an unfitted teacher is cross-fitted; None: in five folds.
    calibrate : {"auto", "temperature", "vector"} or None
    n_given : int
        Number of rows from the user. Both ``given`` and the indices in ``cv`` refer to them.
    fit_params, split_params : dict or None
        Metadata for the teacher's ``fit`` and for the splitter. ``fit_params`` None: the sample
        weights.
    memory, keeps_synthetic, n_jobs
        As in :class:`TeacherSignal` and :class:`skkd.DistilledClassifier`.
    progress : Progress
    """
    unfitted, cost = None, Cost()
    if given is not None:
        shelved = Shelved(teacher if teacher is not None and is_fitted(teacher) else None)
        given = task.read_answers(given, n_given)
        rows = replace(rows, answers=given if rows.numbers is None else given[rows.numbers])
        validation = validation and replace(validation, answers=given[validation.numbers])
    elif is_fitted(teacher):
        shelved = Shelved(teacher, None if memory is None else Cache(memory).key(teacher))
        n_rows = len(rows.labels)
        with progress.phase(f"teacher's answers about {n_rows:,} rows"):
            answers, seconds = _timed_answers(shelved, rows.raw, task, memory)
        rows, cost = replace(rows, answers=answers), Cost(seconds, seconds / n_rows)
        if not np.array_equal(teacher.classes_, task.classes):
            task.check_known(np.asarray(teacher.classes_))
        task.check_unseen(rows)
    else:
        if isinstance(cv, Iterable) and not isinstance(cv, str):
            cv = splits_of_part(cv, rows.numbers, n_given)
        unfitted = UnfittedTeacher.of(
            teacher, rows, task, cv, fit_params, split_params, n_jobs, Cache(memory)
        )
        shelved, rows, cost = fitted_out_of_fold(unfitted, rows, progress)
    if validation is not None and given is None:
        with progress.phase(f"teacher's answers about {len(validation.labels):,} validation rows"):
            answers = ask_teacher(shelved, validation.raw, task, memory)
        validation = replace(validation, answers=answers)
    calibration = None
    if calibrate is not None and (calibrate != "auto" or unfitted is not None):
        calibration = task.calibrate(calibrate, rows)
        summary = "none, too few rows" if calibration is None else calibration.summary()
        progress.say(f"calibration: {summary}")
    if calibration is not None:
        rows = replace(rows, answers=calibration.apply(rows.answers))
        validation = validation and replace(
            validation, answers=calibration.apply(validation.answers)
        )
    return TeacherSignal(
        rows,
        validation,
        shelved,
        calibration,
        unfitted,
        task,
        memory,
        keeps_synthetic,
        given is not None,
        cost,
    )


def fitted_out_of_fold(
    unfitted: UnfittedTeacher, rows: Rows, progress: Progress
) -> tuple[Shelved, Rows, Cost]:
    """Fit a teacher on all rows, and return it, the rows with out-of-fold answers and the cost."""
    fitting = progress.phase(f"teacher's fit on {len(rows.labels):,} rows")
    if isinstance(unfitted.cv, str):  # "oob"
        with fitting:
            fitted, answers, cost = fit_oob(unfitted)
        return fitted, replace(rows, answers=answers, folds=None), cost
    answers, folds, cost = cross_fit(unfitted, progress=progress)
    with fitting:
        return unfitted.fit(), replace(rows, answers=answers, folds=folds), cost


def signal_of_part(signal: TeacherSignal, rows: Rows, progress: Progress = SILENT) -> TeacherSignal:
    """Return the signal of a teacher that has seen some of the training rows only.

    A teacher that came fitted stays as it is.

    Parameters
    ----------
    signal : TeacherSignal
        Of all rows.
    rows : Rows
        The part, with answers and folds.
    progress : Progress
    """
    if signal.unfitted is None:
        return replace(signal, rows=rows)
    unfitted = signal.unfitted.on(rows)
    if rows.folds is None:
        teacher, rows, _ = fitted_out_of_fold(unfitted, rows, progress)
    else:
        folds = [rows.folds == fold for fold in np.unique(rows.folds)]
        splits = [(np.flatnonzero(~fold), np.flatnonzero(fold)) for fold in folds]
        labels = rows.labels
        teacher = unfitted.fit()
        if any(len(np.unique(labels[others])) < len(np.unique(labels)) for others, _ in splits):
            # Not every teacher bears a missing class: the answers of all rows serve.
            return replace(signal, rows=rows, teacher=teacher)
        answers, *_ = cross_fit(unfitted, splits, progress)
        rows = replace(rows, answers=answers)
    rows = replace(rows, answers=calibrated(rows.answers, signal.calibration))
    return replace(signal, rows=rows, teacher=teacher)


def calibrated(answers: np.ndarray, calibration: Calibration | None) -> np.ndarray:
    """Return answers as a calibration changes them."""
    return answers if calibration is None else calibration.apply(answers)


def ask_teacher(teacher: Shelved, X, task: Classification, memory) -> np.ndarray:
    """Return a fitted teacher's answers about X; those in the cache are not asked for again."""
    return _timed_answers(teacher, X, task, memory)[0]


def _timed_answers(teacher: Shelved, X, task: Classification, memory) -> tuple[np.ndarray, float]:
    """Return a fitted teacher's answers about X, and the seconds that they took."""
    if memory is None or teacher.key is None:
        return timed(lambda: task.ask(teacher.get(), X))
    cache = Cache(memory)
    content = hash_rows(X, seed=0) if isinstance(X, LazyRows) else X
    return cache.get(
        cache.key("ask", teacher.key, content, task.classes),
        lambda: timed(lambda: task.ask(teacher.get(), X)),
        mapped=X.shape[0] * task.n_outputs > MANY_TARGETS,
    )


def is_fitted(teacher) -> bool:
    """Whether a teacher can be asked as it is. Objects without ``fit`` can."""
    if not hasattr(teacher, "fit") or isinstance(teacher, FrozenEstimator):
        return True
    try:
        check_is_fitted(teacher)
    except NotFittedError:
        return False
    except TypeError:  # not one of scikit-learn's: nothing says that it is unfitted
        return hasattr(teacher, "classes_")
    return True


def check_teacher(teacher, cv) -> None:
    """Raise unless the teacher can give probabilities, as it is or cross-fitted."""
    if teacher is None:
        raise ValueError(
            "teacher=None needs teacher_proba=... in fit: the teacher's probabilities, one row for "
            "each row of X and one column for each class."
        )
    if isinstance(teacher, type):
        raise TypeError(f"teacher must be an instance; got the class {teacher.__name__}.")
    if not hasattr(teacher, "predict_proba") and not _will_give_proba(teacher):
        raise TypeError(
            f"teacher must have predict_proba; {type(teacher).__name__} has not. Wrap it in "
            "sklearn.calibration.CalibratedClassifierCV, or give teacher_proba=... to fit."
        )
    if cv is None:
        return
    check_cv_parameter(cv)
    if is_fitted(teacher):
        raise ValueError(
            f"This {type(teacher).__name__} teacher is fitted, and cv={cv!r} would fit it again. "
            "Use cv=None to distill it as it is, or teacher=clone(teacher) to cross-fit it."
        )


def check_cv_parameter(cv) -> None:
    """Raise a ValueError unless ``cv`` can split rows."""
    if isinstance(cv, str):
        allowed = cv == "oob"
    elif isinstance(cv, Integral):
        allowed = int(cv) >= 2
    elif isinstance(cv, (list, tuple)):
        allowed = all(isinstance(split, (list, tuple)) and len(split) == 2 for split in cv)
    else:
        allowed = hasattr(cv, "split") or isinstance(cv, Iterable)
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
