"""DistilledRegressor: its parameters, and what it predicts."""

import os
from collections.abc import Callable, Iterable
from numbers import Real
from typing import Any, ClassVar, Literal, Self

import joblib
import numpy as np
from numpy.random import RandomState
from sklearn.pipeline import Pipeline
from sklearn.utils.metaestimators import available_if
from skorch import NeuralNetRegressor
from torch import Tensor

from ._distiller import BaseDistiller, all_or_nothing, can_learn_in_parts
from ._estimator import RegressorMixin
from ._input import Targets
from ._parameters import CONSTRAINTS, read_loss
from ._regression import (
    LOG_LINK,
    REGRESSION_LOSSES,
    TargetScaling,
    loss_at,
    read_numbers_of_rows,
)
from ._sklearn_private import Interval, StrOptions
from ._student import StudentOnlyRegressor, prediction_methods, student_only
from .augmenters import Augmenter
from .balancers import Balancer

__all__ = ["DistilledRegressor"]


class DistilledRegressor(RegressorMixin, BaseDistiller):
    r"""Distill a regressor into a small, fast student.

    The student, a PyTorch net, is trained on y and on the teacher's predictions at once,

    .. math:: L = (1 - \lambda)\, L_{task} + \lambda\, L_{distill}.

    A *balancer* chooses the balancing parameter :math:`\lambda`, the teacher's weight, in every
    step. With squared errors this is a squared error to a mixture of both targets,
    :math:`(1 - \lambda)\, y + \lambda\, t`. All works as in :class:`DistilledClassifier`, but for
    what is said here.

    Parameters
    ----------
    teacher : estimator or None
        Any regressor with ``predict``. A fitted teacher is used as it is; an unfitted one is
        cross-fitted (see ``cv``). None: give ``teacher_prediction`` to ``fit``.
    student : skorch.NeuralNetRegressor, Pipeline, str or None, default=None
        A skorch net, a Pipeline that ends in one, or a name in :data:`skkd.students.STUDENTS`. A
        copy is trained. None: ``make_student("mlp", task="regression")``, for tables.
    loss : str, default="squared_error"
        The task loss: "squared_error", "absolute_error", "huber", "quantile", "poisson" or "gamma".
        The last two need y >= 0 and y > 0, and make the net predict the logarithm of the mean.
    quantile : float, default=0.5
        The level in (0, 1) of ``loss="quantile"``.
    balancer : str or Balancer, default="descent_share"
        As in :class:`DistilledClassifier`.
    distillation_loss : str, callable or None, default=None
        The loss to the teacher's predictions. None: the task loss. A callable takes outputs and
        standardized predictions, and returns a Tensor of one value a row.
    cv, augmenter, early_stopping, validation_fraction, n_iter_no_change
        As in :class:`DistilledClassifier`. The task loss takes the place of the log-loss.
    memory, teacher_budget, n_jobs, random_state, verbose
        As in :class:`DistilledClassifier`.

    Attributes
    ----------
    target_scaling_ : TargetScaling
        How y was standardized: ``mean``, ``scale``, ``link``, ``values(outputs)``.
    student_ : skorch.NeuralNetRegressor or Pipeline
        The trained student. ``predict`` of a bare net gives standardized values.
    history_ : dict of ndarrays, one entry an epoch
        As in :class:`DistilledClassifier`, without ``temperature`` and ``valid_accuracy``. Losses
        are those of standardized y.
    teacher_, augmenter_, balancer_, n_iter_, n_features_in_, feature_names_in_
        As in :class:`DistilledClassifier`.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from skkd import DistilledRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> forest = RandomForestRegressor(min_samples_leaf=5, random_state=0)
    >>> reg = DistilledRegressor(forest, random_state=0).fit(X, y)
    >>> reg.predict(X[:2]).shape
    (2,)
    """

    _task: ClassVar[str] = "regression"
    _answers: ClassVar[str] = "teacher_prediction"
    _parameter_constraints: ClassVar[dict] = {
        **CONSTRAINTS,
        "loss": [StrOptions(set(REGRESSION_LOSSES))],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
    }

    target_scaling_: TargetScaling
    student_: NeuralNetRegressor | Pipeline
    augmenter_: Augmenter | None
    balancer_: Balancer
    history_: dict[str, np.ndarray]
    n_iter_: int
    n_features_in_: int
    feature_names_in_: np.ndarray

    def __init__(
        self,
        teacher: Any,
        student: NeuralNetRegressor | Pipeline | str | None = None,
        *,
        loss: str = "squared_error",
        quantile: float = 0.5,
        balancer: str | Balancer = "descent_share",
        distillation_loss: str | Callable[..., Tensor] | None = None,
        cv: int | Iterable | Any | Literal["oob"] | None = None,
        augmenter: str | Augmenter | None = "auto",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        memory: str | os.PathLike | joblib.Memory | None = None,
        teacher_budget: float | Literal["auto"] | None = "auto",
        n_jobs: int | None = None,
        random_state: int | RandomState | None = None,
        verbose: int = 0,
    ):
        self.teacher = teacher
        self.student = student
        self.loss = loss
        self.quantile = quantile
        self.balancer = balancer
        self.distillation_loss = distillation_loss
        self.cv = cv
        self.augmenter = augmenter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.memory = memory
        self.teacher_budget = teacher_budget
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        teacher_prediction: Any = None,
        X_unlabeled: Any = None,
        **params: Any,
    ) -> Self:
        """Train the student.

        Parameters
        ----------
        X : array, frame, CSR matrix or Dataset
            As in :meth:`DistilledClassifier.fit`.
        y : array of shape (n_rows,) or (n_rows, n_outputs), or None
            Numbers. None: those of a Dataset of pairs.
        sample_weight : array, default=None
            As in :meth:`DistilledClassifier.fit`.
        teacher_prediction : array like y, default=None
            The teacher's predictions, instead of asking it.
        X_unlabeled, **params
            As in :meth:`DistilledClassifier.fit`.

        Returns
        -------
        self
        """
        with all_or_nothing(self):
            self._fit(X, y, sample_weight, teacher_prediction, X_unlabeled, params)
        return self

    @available_if(can_learn_in_parts)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, teacher_prediction: Any = None
    ) -> Self:
        """Train the student for one epoch on a chunk of rows.

        Available only with a fitted teacher, or with ``teacher_prediction`` in every call. The
        first call decides on encoding, standardization and size of the student, so its rows should
        be a fair sample. The learning rate stays constant.

        Parameters
        ----------
        X, y, sample_weight, teacher_prediction
            As in :meth:`fit`.

        Returns
        -------
        self
        """
        with all_or_nothing(self):
            self._partial_fit(X, y, sample_weight, teacher_prediction)
        return self

    def _read_targets(self, X, y, sample_weight, known=None, *, goes_on=False) -> Targets:
        scaling = self.target_scaling_ if goes_on else None
        return read_numbers_of_rows(X, y, sample_weight, self.loss, self.quantile, scaling)

    def _read_distillation_loss(self) -> Callable[..., Tensor]:
        if self.distillation_loss is None:
            return loss_at(self.loss, self.quantile)
        of_logarithms = self.loss in LOG_LINK
        known = {
            name: loss_at(name, self.quantile)
            for name in REGRESSION_LOSSES
            if (name in LOG_LINK) == of_logarithms
        }
        of = f"outputs and targets. With loss={self.loss!r}, others are not comparable"
        return read_loss(self.distillation_loss, known, of)

    predict = prediction_methods.predict_values
    describe_columns = prediction_methods.describe_columns

    def student_only(self) -> StudentOnlyRegressor:
        """Return the student without teacher, optimizer and history: to deploy, or to pickle.

        Returns
        -------
        student : skkd.export.StudentOnlyRegressor
            Fitted. It predicts as this regressor does, and can't be fitted.
        """
        return student_only(self, StudentOnlyRegressor)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
