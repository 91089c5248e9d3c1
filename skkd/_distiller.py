"""The algorithm of a fit, whatever the task is."""

import contextlib
import copy
from collections.abc import Callable, Iterator
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import clone
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from torch import Tensor

from ._estimator import BaseEstimator
from ._input import Rows, Targets, read_rows, read_unlabeled, split_rows, take
from ._parameters import (
    CONSTRAINTS,
    check_plan,
    metadata_of,
    read_options,
    with_instances,
    with_nested,
)
from ._progress import Progress
from ._random import PrivateTorchState, Seeds, draw_seeds
from ._sklearn_private import _check_feature_names, _check_n_features, _VisualBlock
from ._student import (
    as_net,
    copied_for_training,
    guide,
    input_tags,
    is_known,
    looks_at_validation_rows,
    net_of,
    prepare_student,
    prune,
    student_input,
)
from ._teacher import as_teacher, is_fitted, make_signal
from ._training import (
    Patience,
    Recipe,
    choose_augmenter,
    joined,
    run_pilot,
    train,
    unlabeled_sources,
)


def _fits_teacher(distiller: "BaseDistiller") -> bool:
    return distiller.teacher is not None and not is_fitted(distiller.teacher)


def can_learn_in_parts(distiller: "BaseDistiller") -> bool:
    """Whether the teacher needs no fit: one that does can't be cross-fitted in parts."""
    return not _fits_teacher(distiller)


@contextlib.contextmanager
def all_or_nothing(estimator: Any) -> Iterator[None]:
    """Leave an estimator as it was if a fit fails, and the caller's settings as they are."""
    before = estimator.__dict__.copy()
    try:
        # A caller may have turned autograd off, or made numpy raise.
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            np.errstate(all="warn", under="ignore"),
        ):
            yield
    except BaseException:
        estimator.__dict__ = before
        raise


class BaseDistiller(BaseEstimator):
    """Base of all distillers: the fit, and what scikit-learn asks of an estimator of estimators.

    A subclass has the public ``fit`` and ``partial_fit``, and predicts.
    """

    _parameter_constraints: ClassVar[dict] = CONSTRAINTS
    #: The task, and the argument of ``fit`` for given answers of the teacher.
    _task: ClassVar[str]
    _answers: ClassVar[str]

    # What a subclass has; it says more of each.
    teacher: Any
    student: Any
    cv: Any
    calibrate: Any = None
    temperature: Any = 1.0
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    memory: Any
    teacher_budget: Any
    n_jobs: int | None
    random_state: Any
    verbose: int

    def _read_targets(self, X, y, sample_weight, known=None, *, goes_on=False) -> Targets:
        """Return the task, and labels and weights of the rows that count.

        ``known`` is what is known of the targets before the first of several calls.
        """
        raise NotImplementedError

    def _read_distillation_loss(self) -> Callable[..., Tensor]:
        """Return the distillation loss; raise an error if it is not allowed."""
        raise NotImplementedError

    def _fit(self, X, y, sample_weight, teacher_answers, X_unlabeled, params) -> None:
        """Train the student. This is the whole algorithm; each line is one step of it."""
        options = read_options(self, teacher_answers, X_unlabeled, params)
        seeds = Seeds(*draw_seeds(self.random_state))
        progress = Progress(self.verbose)
        torch_state = PrivateTorchState(seeds.init)
        X, y = read_rows(X, y)
        _check_feature_names(self, X, reset=True)
        _check_n_features(self, X, reset=True)
        targets = self._read_targets(X, y, sample_weight)
        student, net, rows = prepare_student(self.student, X, targets, torch_state)
        task, balancer = targets.task, options.balancer
        if X_unlabeled is not None:
            X_unlabeled = read_unlabeled(X_unlabeled, X)
        check_plan(net, rows, task, options, X_unlabeled)
        validation = None
        if self.early_stopping or looks_at_validation_rows(net):
            strata = task.strata(rows.labels)
            rows, validation = split_rows(rows, strata, self.validation_fraction, seeds.split)
        metadata = metadata_of(self, rows, params, X.shape[0]) if options.fits_teacher else {}
        signal = make_signal(
            self.teacher,
            rows,
            validation,
            task,
            given=teacher_answers,
            cv=self.cv,
            calibrate=self.calibrate,
            n_given=X.shape[0],
            **metadata,
            memory=self.memory,
            keeps_synthetic=isinstance(self.random_state, Integral),
            n_jobs=self.n_jobs,
            progress=progress,
        )
        guide(net, signal.rows, task, hears_teacher=balancer.hears_teacher)
        pilot, augmenter = None, options.augmenter
        if "pilot" in balancer.requirements():
            pilot = run_pilot(signal.rows, net, task, seeds.pilot, progress)
        recipe = Recipe(task, options.loss, options.temperature, pilot)
        if augmenter == "auto":
            augmenter = choose_augmenter(
                signal, net, balancer, recipe, X_unlabeled, self.teacher_budget, progress
            )
        synthetic = unlabeled_sources(
            augmenter, X_unlabeled, signal, student, seeds.synthetic, progress
        )
        history = train(
            net,
            signal.rows,
            balancer,
            recipe,
            n_epochs=net.max_epochs,
            seed=seeds.order,
            torch_state=torch_state,
            validation=signal.validation,
            patience=Patience(self.n_iter_no_change) if self.early_stopping else None,
            synthetic=synthetic,
            keeps_interrupted=True,
            progress=progress,
        )
        variance = task.variance_left(history)
        prune(net, rows.X, rows.sample_weight, seeds.pruning, progress, variance)
        self._keep(student, balancer, augmenter, signal, history)

    def _partial_fit(self, X, y, sample_weight, teacher_answers, known=None) -> None:
        """Train the student for one epoch on a chunk of rows; the first chunk prepares it."""
        options = read_options(self, teacher_answers, None, {})
        seeds, progress = Seeds(*draw_seeds(self.random_state)), Progress(self.verbose)
        goes_on = hasattr(self, "student_")
        done = self.n_iter_ if goes_on else 0
        torch_state = PrivateTorchState(seeds.init + done)
        X, y = read_rows(X, y)
        n_given = X.shape[0]
        _check_feature_names(self, X, reset=not goes_on)
        _check_n_features(self, X, reset=not goes_on)
        targets = self._read_targets(X, y, sample_weight, known, goes_on=goes_on)
        if goes_on:
            # On copies: a chunk that makes the training diverge must leave nothing behind.
            student, balancer = copied_for_training(self.student_), copy.deepcopy(self.balancer_)
            X = X if targets.kept is None else take(X, targets.kept)
            prepared, weight = student_input(self, X), targets.sample_weight
            rows = Rows(prepared, X, targets.labels, weight, numbers=targets.kept)
        else:
            student, _, rows = prepare_student(self.student, X, targets, torch_state)
            balancer = options.balancer
        task, net = targets.task, net_of(student)
        check_plan(net, rows, task, options, None)
        signal = make_signal(
            self.teacher,
            rows,
            None,
            task,
            given=teacher_answers,
            calibrate=None if goes_on else self.calibrate,
            n_given=n_given,
            memory=self.memory,
            keeps_synthetic=isinstance(self.random_state, Integral),
            progress=progress,
        )
        if goes_on:
            signal = signal.calibrated_by(self.calibration_)
        else:
            guide(net, signal.rows, task, hears_teacher=balancer.hears_teacher)
        # To choose an augmenter by, all rows would have to be there.
        augmenter = None if options.augmenter == "auto" else options.augmenter
        seed = seeds.synthetic + done
        history = train(
            net,
            signal.rows,
            balancer,
            Recipe(task, options.loss, options.temperature),
            n_epochs=1,
            seed=seeds.order + done,
            torch_state=torch_state,
            synthetic=unlabeled_sources(augmenter, None, signal, student, seed),
            earlier=self.history_ if goes_on else None,
            in_parts=True,
            keeps_interrupted=True,
            progress=progress,
        )
        if goes_on:
            history = joined(self.history_, history)
        self._keep(student, balancer, augmenter, signal, history)

    def _keep(self, student, balancer, augmenter, signal, history) -> None:
        """Set what was learned."""
        self.student_, self.balancer_, self.augmenter_ = student, balancer, augmenter
        self.calibration_, self._shelved_teacher = signal.calibration, signal.teacher.settled()
        self.history_, self.n_iter_ = history, len(history["epoch"])
        self._row_shape = signal.rows.X.shape[1:]
        for name, value in signal.task.learned().items():
            setattr(self, name, value)

    @property
    def teacher_(self):
        """The fitted teacher; None with given answers and no fitted teacher."""
        if "_shelved_teacher" not in vars(self):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute 'teacher_'")
        return self._shelved_teacher.get()

    # What scikit-learn asks of an estimator that holds others, one of which may be fitted.

    def get_params(self, deep: bool = True) -> dict:
        """Return the parameters, also those of student, balancer and an unfitted teacher.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include ``student__*``, ``balancer__*`` and the like. A name or None stands
            for the object that ``fit`` makes of it.

        Returns
        -------
        params : dict
        """
        params = super().get_params(deep=deep)
        return with_nested(self, params) if deep else params

    def set_params(self, **params):
        """Set parameters, also those of student, balancer, augmenter and an unfitted teacher.

        ``balancer__*`` and ``augmenter__*`` turn a name into an instance; ``student__*`` turns a
        name, or None, into a net.

        Parameters
        ----------
        **params

        Returns
        -------
        self
        """
        return super().set_params(**with_instances(self, params))

    def __sklearn_clone__(self):
        """Clone, but carry a fitted teacher along: a clone of it would be unfitted."""
        keeps = set() if _fits_teacher(self) else {"teacher"}
        copied = {
            name: value if name in keeps else clone(value, safe=False)
            for name, value in self.get_params(deep=False).items()
        }
        fresh = type(self)(**copied)
        for name in ("_metadata_request", "_sklearn_output_config"):
            if name in vars(self):
                setattr(fresh, name, copy.deepcopy(vars(self)[name]))
        return fresh

    def get_metadata_routing(self) -> MetadataRouter:
        """Return the routing to this estimator, to a teacher that it fits, and to ``cv``.

        Returns
        -------
        routing : MetadataRouter
        """
        router = MetadataRouter(owner=type(self).__name__).add_self_request(self)
        if _fits_teacher(self):
            mapping = MethodMapping().add(caller="fit", callee="fit")
            router.add(teacher=as_teacher(self.teacher), method_mapping=mapping)
        if hasattr(self.cv, "split") and not isinstance(self.cv, str):
            mapping = MethodMapping().add(caller="fit", callee="split")
            router.add(splitter=self.cv, method_mapping=mapping)
        return router

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        student = input_tags(self.student)
        teacher = as_teacher(self.teacher)
        teacher = get_tags(teacher).input_tags if isinstance(teacher, BaseEstimator) else student
        tags.input_tags.sparse = student.sparse and teacher.sparse
        tags.input_tags.allow_nan = student.allow_nan and teacher.allow_nan
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "student_")

    def _sk_visual_block_(self):
        student = getattr(self, "student_", self.student)
        student = as_net(student, self._task) if is_known(student) else student
        parts = {"teacher": as_teacher(self.teacher), "student": student}
        shown = {name: part for name, part in parts.items() if part is not None}
        names = [f"{name}: {type(part).__name__}" for name, part in shown.items()]
        return _VisualBlock("parallel", list(shown.values()), names=names, dash_wrapped=False)
