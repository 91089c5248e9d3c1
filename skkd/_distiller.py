"""The algorithm of a fit, whatever the task is."""

import contextlib
import copy
from collections.abc import Iterator
from numbers import Integral
from typing import ClassVar

import numpy as np
import torch
from sklearn import get_config
from sklearn.base import BaseEstimator, clone
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing

from ._classification import Classification, check_classes, read_targets
from ._input import DatasetRows, Rows, read_rows, read_unlabeled, split_validation_rows, take
from ._parameters import CONSTRAINTS, check_plan, read_options
from ._random import PrivateTorchState, Seeds, draw_seeds
from ._sklearn_private import _check_method_params, _VisualBlock, check_columns
from ._student import (
    as_net,
    copied_for_training,
    input_tags,
    is_known,
    looks_at_validation_rows,
    net_of,
    prepare_student,
    prune,
    student_input,
)
from ._teacher import is_fitted, make_signal
from ._training import (
    Patience,
    Recipe,
    choose_augmenter,
    joined,
    run_pilot,
    train,
    unlabeled_sources,
)
from .augmenters import AUGMENTERS, Augmenter, make_augmenter
from .balancers import BALANCERS, make_balancer


class BaseDistiller(BaseEstimator):
    """Base of all distillers: the fit, and what scikit-learn asks of an estimator of estimators.

    A subclass has the parameters of :class:`skkd.DistilledClassifier`, and predicts.
    """

    _parameter_constraints: ClassVar[dict] = CONSTRAINTS

    def _fit(self, X, y, sample_weight, teacher_answers, X_unlabeled, params) -> Classification:
        """Train the student. This is the whole algorithm; each line is one step of it."""
        options = read_options(self, teacher_answers, X_unlabeled, params)
        seeds = Seeds(*draw_seeds(self.random_state))
        torch_state = PrivateTorchState(seeds.init)
        X, y = self._read(X, y)
        targets = read_targets(X, y, sample_weight, self.class_weight)
        student, rows = prepare_student(self.student, X, targets, torch_state)
        task, net, balancer = targets.task, net_of(student), options.balancer
        if X_unlabeled is not None:
            X_unlabeled = read_unlabeled(X_unlabeled, X)
        check_plan(net, rows, task, options, X_unlabeled)
        validation = None
        if self.early_stopping or looks_at_validation_rows(net):
            rows, validation = self._split(rows, seeds.split)
        fit_params, split_params = None, {}
        if options.fits_teacher:
            fit_params, split_params = self._metadata(rows, params, len(y))
        signal = make_signal(
            self.teacher,
            rows,
            validation,
            task,
            given=teacher_answers,
            cv=self.cv,
            calibrate=self.calibrate,
            n_given=len(y),
            fit_params=fit_params,
            split_params=split_params,
            memory=self.memory,
            keeps_synthetic=isinstance(self.random_state, Integral),
            n_jobs=self.n_jobs,
            verbose=self.verbose,
        )
        pilot, augmenter, synthetic = None, options.augmenter, []
        if "pilot" in balancer.requirements():
            pilot = run_pilot(signal.rows, net, task, seeds.pilot, self.verbose)
        recipe = Recipe(task, options.loss, options.temperature, pilot)
        if augmenter == "auto":
            augmenter = choose_augmenter(
                signal, student, balancer, recipe, X_unlabeled, seeds.synthetic, self.verbose
            )
        if augmenter is not None or X_unlabeled is not None:
            synthetic = unlabeled_sources(augmenter, X_unlabeled, signal, student, seeds.synthetic)
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
            verbose=self.verbose,
        )
        prune(net, rows.X, rows.sample_weight, seeds.pruning)
        self._row_shape = rows.X.shape[1:]
        self.student_, self.balancer_, self.augmenter_ = student, balancer, augmenter
        self.calibration_, self._shelved_teacher = signal.calibration, signal.teacher
        self.history_, self.n_iter_ = history, len(history["epoch"])
        return task

    def _partial_fit(self, X, y, classes, sample_weight, teacher_answers) -> Classification:
        """Train the student for one epoch on a chunk of rows; the first chunk prepares it."""
        options = read_options(self, teacher_answers, None, {})
        seeds = Seeds(*draw_seeds(self.random_state))
        goes_on = hasattr(self, "student_")
        done = self.n_iter_ if goes_on else 0
        torch_state = PrivateTorchState(seeds.init + done)
        X, y = self._read(X, y, reset=not goes_on)
        if goes_on:
            classes = check_classes(classes, self.classes_)
        targets = read_targets(X, y, sample_weight, self.class_weight, classes)
        if goes_on:
            # On copies: a chunk that makes the training diverge must leave nothing behind.
            student, balancer = copied_for_training(self.student_), copy.deepcopy(self.balancer_)
            X = X if targets.index is None else take(X, targets.index)
            rows = Rows(
                student_input(self, X),
                X,
                targets.labels,
                targets.sample_weight,
                numbers=targets.index,
            )
        else:
            student, rows = prepare_student(self.student, X, targets, torch_state)
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
            n_given=len(y),
            memory=self.memory,
            keeps_synthetic=isinstance(self.random_state, Integral),
            verbose=self.verbose,
        )
        if goes_on:
            signal = signal.calibrated_by(self.calibration_)
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
            verbose=self.verbose,
        )
        if not goes_on:
            self._row_shape = rows.X.shape[1:]
        self.student_, self.balancer_, self.augmenter_ = student, balancer, augmenter
        self.calibration_, self._shelved_teacher = signal.calibration, signal.teacher
        self.history_ = joined(self.history_, history) if goes_on else history
        self.n_iter_ = len(self.history_["epoch"])
        return task

    def _read(self, X, y, *, reset: bool = True):
        """Return rows and labels in plain containers; record the columns, or check them."""
        X = read_rows(X)
        y = X.labels() if y is None and isinstance(X, DatasetRows) else y
        check_columns(self, X, reset=reset)
        return X, y

    def _split(self, rows: Rows, seed: int) -> tuple[Rows, Rows]:
        """Return training and validation rows."""
        train_rows, validation = split_validation_rows(
            rows.X, rows.labels, self.validation_fraction, seed
        )
        if not len(validation):
            raise ValueError(
                f"early_stopping, or a callback of the student, needs validation rows, and "
                f"{len(rows.labels)} rows are too few: some class must have at least 3 distinct "
                "rows. Set early_stopping=False, or give more rows."
            )
        return rows.take(train_rows), rows.take(validation)

    def _metadata(self, rows: Rows, params: dict, n_given: int) -> tuple:
        """Return what the teacher's fit (None: the weights) and the splitter get."""
        if rows.numbers is not None:
            params = _check_method_params(np.empty(n_given), params, indices=rows.numbers)
        if not get_config()["enable_metadata_routing"]:
            return None, params
        routed = process_routing(self, "fit", sample_weight=rows.sample_weight, **params)
        return routed.teacher.fit, routed.splitter.split if "splitter" in routed else {}

    @contextlib.contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Leave this estimator as it was if a fit fails, and the caller's settings as they are."""
        before = self.__dict__.copy()
        try:
            # A caller may have turned autograd off, or made numpy raise.
            with (
                torch.inference_mode(False),
                torch.enable_grad(),
                np.errstate(all="warn", under="ignore"),
            ):
                yield
        except BaseException:
            self.__dict__ = before
            raise

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
        if not deep:
            return params
        if self._has_fitted_teacher():
            for name in [name for name in params if name.startswith("teacher__")]:
                del params[name]
        if isinstance(self.balancer, str) and self.balancer in BALANCERS:
            _add_nested(params, "balancer", make_balancer(self.balancer))
        if isinstance(self.augmenter, str) and self.augmenter in AUGMENTERS:
            _add_nested(params, "augmenter", make_augmenter(self.augmenter))
        if is_known(self.student):
            _add_nested(params, "student", as_net(self.student))
        return params

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
        nested = {name.partition("__")[0] for name in params if "__" in name}
        if "balancer" in nested and isinstance(params.get("balancer", self.balancer), str):
            params["balancer"] = make_balancer(params.get("balancer", self.balancer))
        augmenter = params.get("augmenter", self.augmenter)
        if "augmenter" in nested and not isinstance(augmenter, Augmenter):
            if augmenter is None or augmenter == "auto":
                raise ValueError(
                    f"augmenter={augmenter!r} has no parameters to set; give augmenter=... as well."
                )
            params["augmenter"] = make_augmenter(augmenter)
        if "student" in nested:
            params["student"] = as_net(params.get("student", self.student))
        teacher = params.get("teacher", self.teacher)
        if "teacher" in nested and teacher is not None and is_fitted(teacher):
            raise ValueError(
                "The parameters of a fitted teacher can't be set: that would change your own "
                "object. Give another teacher=..., or an unfitted one, which is cross-fitted."
            )
        return super().set_params(**params)

    def __sklearn_clone__(self):
        """Clone, but carry a fitted teacher along: a clone of it would be unfitted."""
        keeps = {"teacher"} if self._has_fitted_teacher() else set()
        copied = {
            name: value if name in keeps else clone(value, safe=False)
            for name, value in self.get_params(deep=False).items()
        }
        fresh = type(self)(**copied)
        for name in ("_metadata_request", "_sklearn_output_config"):
            if name in vars(self):
                setattr(fresh, name, copy.deepcopy(vars(self)[name]))
        return fresh

    def _has_fitted_teacher(self) -> bool:
        return self.teacher is not None and is_fitted(self.teacher)

    def get_metadata_routing(self) -> MetadataRouter:
        """Return the routing to this estimator, to a teacher that it fits, and to ``cv``.

        Returns
        -------
        routing : MetadataRouter
        """
        router = MetadataRouter(owner=type(self).__name__).add_self_request(self)
        if self.teacher is not None and not is_fitted(self.teacher):
            mapping = MethodMapping().add(caller="fit", callee="fit")
            router.add(teacher=self.teacher, method_mapping=mapping)
        if hasattr(self.cv, "split") and not isinstance(self.cv, str):
            mapping = MethodMapping().add(caller="fit", callee="split")
            router.add(splitter=self.cv, method_mapping=mapping)
        return router

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        student = input_tags(self.student)
        is_estimator = isinstance(self.teacher, BaseEstimator)
        teacher = get_tags(self.teacher).input_tags if is_estimator else student
        tags.input_tags.sparse = student.sparse and teacher.sparse
        tags.input_tags.allow_nan = student.allow_nan and teacher.allow_nan
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "student_")

    def _sk_visual_block_(self):
        student = getattr(self, "student_", self.student)
        student = as_net(student) if is_known(student) else student
        parts = {"teacher": self.teacher, "student": student}
        shown = {name: part for name, part in parts.items() if part is not None}
        names = [f"{name}: {type(part).__name__}" for name, part in shown.items()]
        return _VisualBlock("parallel", list(shown.values()), names=names, dash_wrapped=False)


def _add_nested(params: dict, name: str, part) -> None:
    """Add the parameters of a part that a name stands for, as ``name__parameter``."""
    for key, value in part.get_params().items():
        params.setdefault(f"{name}__{key}", value)
