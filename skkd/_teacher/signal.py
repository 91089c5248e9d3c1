"""What the teacher says: of the training rows, out-of-fold where it can be, and of other rows."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._input import MANY_TARGETS, LazyRows, Rows, hash_rows
from .._progress import SILENT, Progress
from .average import TeacherAverage, as_teacher, average_out_of_fold
from .cache import Cache, Shelved
from .checks import is_fitted
from .cost import Cost, timed
from .cross_fitting import UnfittedTeacher, fitted_out_of_fold, splits_of_part


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
        What has corrected the answers.
    task : Classification or Regression
    memory : str, path, joblib.Memory or None
    keeps_synthetic : bool
        Whether ``memory`` keeps answers about synthetic rows. A seed makes the same rows again.
    are_given : bool
        Whether the user gave the answers.
    has_seen_rows : bool
        Whether a fitted teacher was probably trained on these rows.
    cost : Cost
        How long the teacher took.
    """

    rows: Rows
    validation: Rows | None
    teacher: Shelved
    calibration: Any
    task: Any
    memory: Any
    keeps_synthetic: bool
    are_given: bool
    has_seen_rows: bool
    cost: Cost

    def ask(self, X) -> np.ndarray:
        """Return the teacher's calibrated answers about other rows of the user."""
        answers = ask_teacher(self.teacher, X, self.task, self.memory)
        return calibrated(answers, self.calibration)

    def ask_synthetic(self, X) -> np.ndarray:
        """Return the teacher's calibrated answers about rows that are made here."""
        memory = self.memory if self.keeps_synthetic else None
        return calibrated(ask_teacher(self.teacher, X, self.task, memory), self.calibration)

    def calibrated_by(self, calibration) -> "TeacherSignal":
        """Return the same signal, calibrated as an earlier one was."""
        rows = replace(self.rows, answers=calibrated(self.rows.answers, calibration))
        return replace(self, rows=rows, calibration=calibration)


def make_signal(
    teacher,
    rows: Rows,
    validation: Rows | None,
    task,
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
    teacher : estimator, list of estimators or None
        A fitted teacher is asked as it is.
    rows, validation : Rows
        A teacher that is fitted here does not see the validation rows.
    task : Classification or Regression
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
    teacher, cost, has_seen_rows = as_teacher(teacher), Cost(), False
    is_cross_fitted = given is None and not is_fitted(teacher)
    if given is not None:
        shelved = Shelved(teacher if teacher is not None and is_fitted(teacher) else None)
        given = task.read_answers(given, n_given)
        rows = replace(rows, answers=given if rows.numbers is None else given[rows.numbers])
        validation = validation and replace(validation, answers=given[validation.numbers])
    elif not is_cross_fitted:
        if isinstance(teacher, TeacherAverage) and calibrate not in (None, "auto"):
            teacher = teacher.weighted(rows, task)
        shelved = Shelved(teacher, None if memory is None else Cache(memory).key(teacher))
        n_rows = len(rows.labels)
        with progress.phase(f"teacher's answers about {n_rows:,} rows"):
            answers, seconds = _timed_answers(shelved, rows.raw, task, memory)
        rows, cost = replace(rows, answers=answers), Cost(seconds, seconds / n_rows)
        has_seen_rows = task.has_seen(teacher, rows)
    else:
        if isinstance(cv, Iterable) and not isinstance(cv, str):
            cv = splits_of_part(cv, rows.numbers, n_given)
        options = split_params, n_jobs, Cache(memory)
        if isinstance(teacher, TeacherAverage):
            shelved, rows, cost = average_out_of_fold(teacher, rows, task, cv, *options, progress)
        else:
            unfitted = UnfittedTeacher.of(teacher, rows, task, cv, fit_params, *options)
            shelved, rows, cost = fitted_out_of_fold(unfitted, rows, progress)
    if validation is not None and given is None:
        with progress.phase(f"teacher's answers about {len(validation.labels):,} validation rows"):
            answers = ask_teacher(shelved, validation.raw, task, memory)
        validation = replace(validation, answers=answers)
    calibration = None
    if calibrate is not None and (calibrate != "auto" or is_cross_fitted):
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
        task,
        memory,
        keeps_synthetic,
        given is not None,
        has_seen_rows,
        cost,
    )


def calibrated(answers: np.ndarray, calibration) -> np.ndarray:
    """Return answers as a calibration changes them."""
    return answers if calibration is None else calibration.apply(answers)


def ask_teacher(teacher: Shelved, X, task, memory) -> np.ndarray:
    """Return a fitted teacher's answers about X; those in the cache are not asked for again."""
    return _timed_answers(teacher, X, task, memory)[0]


def _timed_answers(teacher: Shelved, X, task, memory) -> tuple[np.ndarray, float]:
    """Return a fitted teacher's answers about X, and the seconds that they took."""
    if memory is None or teacher.key is None:
        return timed(lambda: task.ask(teacher.get(), X))
    cache = Cache(memory)
    content = hash_rows(X, seed=0) if isinstance(X, LazyRows) else X
    return cache.get(
        cache.key("ask", teacher.key, content, task.columns),
        lambda: timed(lambda: task.ask(teacher.get(), X)),
        mapped=X.shape[0] * task.n_outputs > MANY_TARGETS,
    )
