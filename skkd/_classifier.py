"""DistilledClassifier: its parameters, and what it predicts."""

import os
from collections.abc import Callable, Iterable
from numbers import Real
from typing import Any, ClassVar, Literal, Self

import joblib
import numpy as np
from numpy.random import RandomState
from sklearn.pipeline import Pipeline
from sklearn.utils.metaestimators import available_if
from skorch import NeuralNetClassifier
from torch import Tensor

from ._classification import METHODS, Calibration, check_classes, read_targets
from ._distiller import BaseDistiller, all_or_nothing, can_learn_in_parts
from ._estimator import ClassifierMixin
from ._input import Targets
from ._parameters import CONSTRAINTS, read_loss
from ._sklearn_private import Interval, StrOptions
from ._student import StudentOnly, prediction_methods, student_only
from ._teacher import TeacherAverage
from .augmenters import Augmenter
from .balancers import Balancer
from .losses import DISTILLATION_LOSSES

__all__ = ["DistilledClassifier"]


class DistilledClassifier(ClassifierMixin, BaseDistiller):
    r"""Distill a teacher into a small, fast student.

    The student, a PyTorch net, is trained on the labels and on the teacher's probabilities at once,

    .. math:: L = (1 - \lambda)\, L_{task} + \lambda\, L_{distill},

    with the weighted cross-entropy of the labels as task loss and :math:`T^2 KL(q_T \| p_T)` to the
    softened teacher as distillation loss [1]_. A *balancer* chooses the balancing parameter
    :math:`\lambda`, the teacher's weight, in every step, after an idea of [2]_.

    Parameters
    ----------
    teacher : estimator, list of estimators, list of (name, estimator) or None
        Any classifier with ``predict_proba``. A fitted teacher is used as it is; an unfitted one is
        cross-fitted (see ``cv``). Several are averaged. None: give ``teacher_proba`` to ``fit``.
    student : skorch.NeuralNetClassifier, Pipeline, str or None, default=None
        A skorch net, a Pipeline that ends in one, or a name in :data:`skkd.students.STUDENTS`. A
        copy is trained. None: :func:`skkd.students.default_student`, for tables.
    balancer : str or Balancer, default="descent_share"
        The balancing rule: a name in :data:`skkd.balancers.BALANCERS`, or an instance.
    distillation_loss : {"kl", "reverse_kl", "js", "logit_mse", "dkd"} or callable, default="kl"
        The loss on soft targets. See :mod:`skkd.losses`.
    temperature : float, callable or "teacher_entropy", default=1.0
        T > 0 of the distillation loss. A callable gives it for a progress in [0, 1].
        "teacher_entropy" gives each row one of 1 to 4: :math:`4^{1 - H(q) / \log K}`.
    cv : int, splitter, iterable of splits, "oob" or None, default=None
        How an unfitted teacher is cross-fitted. No row's target comes from a model that saw its
        label. None: in five folds. "oob": out-of-bag answers of a bagged teacher. A row that no
        fold tests, as in ``TimeSeriesSplit``, carries task loss only.
    calibrate : {"auto", "temperature", "vector"} or None, default="auto"
        Calibrates the teacher's probabilities by log-loss. "auto" does so for out-of-fold answers
        only, and keeps the calibration only if it is clearly better. None: never.
    augmenter : str, Augmenter or None, default="auto"
        Makes synthetic rows for the teacher to label: a name in
        :data:`skkd.augmenters.AUGMENTERS`, or an instance. "auto" takes
        NeighborSwap for most tables. None: no synthetic rows, which is faster.
    teacher_budget : float, "auto" or None, default="auto"
        Seconds that the teacher may work for ``augmenter="auto"``. "auto": two minutes, or three
        times what cross-fitting took if that is more. None: no limit.
    early_stopping : bool, default=False
        Stop when the log-loss on validation rows has not improved for ``n_iter_no_change`` epochs.
        The best weights are kept.
    validation_fraction : float, default=0.1
        Share of validation rows. Needed by early stopping, or by a callback of the student that
        monitors ``valid_loss``. The teacher does not see these rows.
    n_iter_no_change : int, default=10
        Patience of early stopping, in epochs.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes of ``y``. They multiply ``sample_weight``.
    memory : str, path, joblib.Memory or None, default=None
        A folder that keeps the teacher's fits and answers, so that a search asks it only once.
        Entries are pickles: use no folder that others can write to. None: nothing is kept.
    n_jobs : int or None, default=None
        Processes of joblib that cross-fit the teacher.
    random_state : int, RandomState instance or None, default=None
        The same number gives the same student. Global random states are left untouched.
    verbose : int, default=0
        1 prints each phase, how long it will take, and a line an epoch; 2 shows progress bars.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, in the order of all columns.
    student_ : skorch.NeuralNetClassifier or Pipeline
        The trained student. ``predict`` of a bare net gives indices into ``classes_``.
    teacher_ : estimator or None
        The fitted teacher; None with ``teacher_proba`` and no fitted teacher. An unfitted teacher
        was fitted on all rows but the validation rows.
    teacher_weights_ : dict of float
        By name, the weight of each of several teachers.
    calibration_ : Calibration or None
        What calibrated the teacher's probabilities: ``method``, ``temperature``, ``kept``,
        ``log_loss_before``, ``log_loss_after``, ``apply(proba)``. None if nothing was fitted.
    augmenter_ : Augmenter or None
        What made synthetic rows, without the rows.
    balancer_ : Balancer
        The balancing rule at the end of training.
    history_ : dict of ndarrays, one entry an epoch
        ``epoch``, ``task_loss``, ``distillation_loss``, ``loss``, ``weight`` (λ, its mean),
        ``weight_min``, ``weight_max``, ``distillation_share``, ``temperature``, ``lr``,
        ``seconds``. ``synthetic_loss``, ``valid_score`` and ``valid_accuracy`` if there are such
        rows. Made for ``pd.DataFrame(clf.history_)``.
    n_iter_ : int
        Epochs trained.
    n_features_in_ : int
        Features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, where X was a frame.

    Notes
    -----
    Computes in the dtype of X: float64 throughout, or float32, which is faster. Where scikit-learn
    clones a fitted teacher by itself, as a value of a parameter grid, wrap it:
    ``FrozenEstimator(teacher)``.

    References
    ----------
    .. [1] Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", arXiv 1503.02531.
    .. [2] Kim, Kim, Kim, Jo, "Importance Analysis for Dynamic Control of Balancing Parameter in a
       Simple Knowledge Distillation Setting", arXiv 2505.06270.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skkd import DistilledClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(min_samples_leaf=3, random_state=0)
    >>> clf = DistilledClassifier(forest, random_state=0).fit(X, y)
    >>> clf.predict_proba(X[:1]).round(1)
    array([[1., 0., 0.]])
    """

    _task: ClassVar[str] = "classification"
    _answers: ClassVar[str] = "teacher_proba"
    _parameter_constraints: ClassVar[dict] = {
        **CONSTRAINTS,
        "temperature": [
            Interval(Real, 1e-3, 1e6, closed="both"),
            StrOptions({"teacher_entropy"}),
            callable,
        ],
        "calibrate": [StrOptions({"auto", *METHODS}), None],
        "class_weight": [dict, str, None],
    }

    classes_: np.ndarray
    student_: NeuralNetClassifier | Pipeline
    calibration_: Calibration | None
    augmenter_: Augmenter | None
    balancer_: Balancer
    history_: dict[str, np.ndarray]
    n_iter_: int
    n_features_in_: int
    feature_names_in_: np.ndarray

    def __init__(
        self,
        teacher: Any,
        student: NeuralNetClassifier | Pipeline | str | None = None,
        *,
        balancer: str | Balancer = "descent_share",
        distillation_loss: str | Callable[..., Tensor] = "kl",
        temperature: float | Callable[[float], float] | Literal["teacher_entropy"] = 1.0,
        cv: int | Iterable | Any | Literal["oob"] | None = None,
        calibrate: Literal["auto", "temperature", "vector"] | None = "auto",
        augmenter: str | Augmenter | None = "auto",
        teacher_budget: float | Literal["auto"] | None = "auto",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        class_weight: dict | Literal["balanced"] | None = None,
        memory: str | os.PathLike | joblib.Memory | None = None,
        n_jobs: int | None = None,
        random_state: int | RandomState | None = None,
        verbose: int = 0,
    ):
        self.teacher = teacher
        self.student = student
        self.balancer = balancer
        self.distillation_loss = distillation_loss
        self.temperature = temperature
        self.cv = cv
        self.calibrate = calibrate
        self.augmenter = augmenter
        self.teacher_budget = teacher_budget
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight
        self.memory = memory
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @property
    def teacher_weights_(self) -> dict[str, float]:
        """By name, the weight of each of several teachers."""
        if not isinstance(self.teacher_, TeacherAverage):
            raise AttributeError("teacher_weights_ is there after a fit with a list of teachers.")
        return self.teacher_.named_weights

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        teacher_proba: Any = None,
        X_unlabeled: Any = None,
        **params: Any,
    ) -> Self:
        """Train the student.

        Parameters
        ----------
        X : array, frame or CSR matrix (n_rows, n_features), array (n_rows, c, h, w), or Dataset
            The teacher sees it as it is. A ``numpy.memmap`` stays on disk. A torch Dataset holds
            images, or pairs of image and label.
        y : array of shape (n_rows,) or None
            Labels. None: those of a Dataset of pairs.
        sample_weight : array of shape (n_rows,), default=None
            Not negative. Acts in both losses, and in the fit of an unfitted teacher that takes it.
            Rows of weight zero are left out.
        teacher_proba : array or frame of shape (n_rows, n_classes), default=None
            The teacher's probabilities, instead of asking it. Columns follow the sorted labels of
            ``y``; those of a frame are found by their names.
        X_unlabeled : rows like those of X, or a list of one such table, default=None
            Rows without labels for the teacher to label; they carry distillation loss only. In a
            list, ``[rows]``, no cross-validation cuts them.
        **params : dict
            ``groups``, an array of shape (n_rows,), for a splitter that goes by groups. With
            metadata routing, whatever the splitter and an unfitted teacher's fit ask for.

        Returns
        -------
        self

        Raises
        ------
        TrainingDivergedError
            If a loss or a weight becomes NaN or infinite.
        ValueError, TypeError
            If a parameter or X is not allowed. Any error leaves an earlier fit as it was.

        Notes
        -----
        Ctrl-C in the main training ends it with what was learned so far and a warning. Before the
        main training, and in the pruning after it, Ctrl-C ends ``fit``.
        """
        with all_or_nothing(self):
            self._fit(X, y, sample_weight, teacher_proba, X_unlabeled, params)
        return self

    @available_if(can_learn_in_parts)
    def partial_fit(
        self,
        X: Any,
        y: Any,
        classes: Any = None,
        sample_weight: Any = None,
        teacher_proba: Any = None,
    ) -> Self:
        """Train the student for one epoch on a chunk of rows.

        Available only with a fitted teacher, or with ``teacher_proba`` in every call. The first
        call decides on encoding, standardization and size of the student, so its rows should be a
        fair sample. The learning rate stays constant. After ``fit``, training goes on from there.

        Parameters
        ----------
        X, y
            As in :meth:`fit`.
        classes : array of shape (n_classes,), default=None
            All labels that will ever occur; None: those of the first chunk.
        sample_weight, teacher_proba
            As in :meth:`fit`.

        Returns
        -------
        self

        Examples
        --------
        >>> from sklearn.datasets import make_classification
        >>> from sklearn.linear_model import LogisticRegression
        >>> from skkd import DistilledClassifier
        >>> X, y = make_classification(1000, random_state=0)
        >>> clf = DistilledClassifier(LogisticRegression().fit(X[:500], y[:500]), random_state=0)
        >>> for start in range(0, len(X), 250):
        ...     chunk = slice(start, start + 250)
        ...     clf = clf.partial_fit(X[chunk], y[chunk], classes=[0, 1])
        >>> len(clf.history_["loss"])
        4
        """
        with all_or_nothing(self):
            self._partial_fit(X, y, sample_weight, teacher_proba, classes)
        return self

    def _read_targets(self, X, y, sample_weight, known=None, *, goes_on=False) -> Targets:
        if goes_on:
            known = check_classes(known, self.classes_)
        return read_targets(X, y, sample_weight, self.class_weight, known)

    def _read_distillation_loss(self) -> Callable[..., Tensor]:
        of = "student_logits, soft_targets and temperature"
        return read_loss(self.distillation_loss, DISTILLATION_LOSSES, of)

    predict = prediction_methods.predict
    predict_proba = prediction_methods.predict_proba
    predict_log_proba = prediction_methods.predict_log_proba
    decision_function = prediction_methods.decision_function
    describe_columns = prediction_methods.describe_columns

    def student_only(self) -> StudentOnly:
        """Return the student without teacher, optimizer and history: to deploy, or to pickle.

        Returns
        -------
        student : skkd.export.StudentOnly
            Fitted. It predicts as this classifier does, and can't be fitted.
        """
        return student_only(self, StudentOnly)
