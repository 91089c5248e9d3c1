"""What the teacher says: of the fit rows, honestly where it can be, and of new ones."""

from numbers import Integral

import numpy as np
from sklearn import get_config
from sklearn.utils.metadata_routing import process_routing

from .._input.labels import columns_of
from .._input.rows import take
from .._protocols import Protocols
from . import asking as _teacher
from .cache import Cache, Shelved
from .calibration import calibrate
from .cross_fitting import UnfittedTeacher, cross_fit, fit_oob


class TeacherSignal(Protocols):
    """The part of :class:`DistilledClassifier` that fits the teacher, asks it and calibrates it."""

    def _soft_targets(self, X, y, weight, teacher_proba, params, held_out=None):
        """The teacher's probabilities in the order of ``classes_``, and each row's fold, if any.

        A teacher that is fitted here does not see rows that are held out.
        """
        cache = Cache(self.memory)
        if teacher_proba is not None:
            self._fitted_teacher = Shelved(self.teacher if self._has_fitted_teacher() else None)
            return _teacher.read_proba(teacher_proba, len(y), self.classes_), None
        if self.cv is None:
            self._fitted_teacher = Shelved(self.teacher, cache.key(self.teacher))
            proba = _teacher.ask(self._fitted_teacher, X, self.classes_, cache)
            _teacher.warn_if_one_hot(proba, columns_of(y, self.classes_))
            return proba, None
        fit_params, split_params = self._metadata(weight, params)
        teacher = UnfittedTeacher(
            self.teacher, X, y, weight, self.classes_, fit_params, cache, held_out
        )
        if isinstance(self.cv, str):  # "oob"
            self._fitted_teacher, proba = fit_oob(teacher)
            folds = None
        else:
            proba, folds = cross_fit(
                teacher, cv=self.cv, split_params=split_params, n_jobs=self.n_jobs
            )
            self._fitted_teacher = teacher.fit()
        if held_out is not None:
            proba[held_out] = _teacher.ask(
                self._fitted_teacher, take(X, held_out), self.classes_, cache
            )
        return proba, folds

    def _calibration(self, proba, labels, weight, folds, teacher_proba, known):
        """Fit a calibration; with "auto" only where the teacher did not see the rows.

        ``known`` are the rows that are not held out; None: all.
        """
        if self.calibrate is None:
            return None
        if self.calibrate == "auto" and (self.cv is None or teacher_proba is not None):
            return None
        parts = (take(values, known) for values in (proba, labels, weight, folds))
        calibration = calibrate(self.calibrate, *parts)
        if self.verbose:
            print(
                f"calibration: none, {len(labels)} rows are too few"
                if calibration is None
                else f"calibration: {calibration.summary()}"
            )
        return calibration

    def _calibrated(self, proba) -> np.ndarray:
        return proba if self.calibration_ is None else self.calibration_.apply(proba)

    def _asking(self, teacher, memory):
        """A function that gives the teacher's probabilities of new rows, and keeps them there."""
        cache = Cache(memory)
        return lambda X: self._calibrated(_teacher.ask(teacher, X, self.classes_, cache))

    def _asking_of_made_rows(self, teacher):
        """The same, for rows that are made here.

        Where chance makes other rows in each fit, nobody would find the answers again.
        """
        are_found_again = isinstance(self.random_state, Integral)
        return self._asking(teacher, self.memory if are_found_again else None)

    def _fits_teacher(self) -> bool:
        return self.cv is not None and not self._has_fitted_teacher()

    def _teacher_of(self, rows):
        """A teacher who has seen the given rows at most, if it is ours to fit.

        Returns
        -------
        proba : ndarray of shape (n_rows, n_classes)
            What it says of these rows, again out-of-fold.
        ask : callable
            Gives its probabilities of new rows.
        """
        if not self._fits_teacher():
            return rows.proba, self._asking_of_made_rows(self._fitted_teacher)
        y, weight = self.classes_[rows.labels], rows.sample_weight
        fit_params, _ = self._metadata(weight, {})
        teacher = UnfittedTeacher(
            self.teacher, rows.raw, y, weight, self.classes_, fit_params, Cache(self.memory)
        )
        if rows.folds is None:
            fitted, proba = fit_oob(teacher)
            return self._calibrated(proba), self._asking_of_made_rows(fitted)
        ask = self._asking_of_made_rows(teacher.fit())
        folds = [rows.folds == fold for fold in np.unique(rows.folds)]
        splits = [(np.flatnonzero(~fold), np.flatnonzero(fold)) for fold in folds]
        if any(len(np.unique(y[others])) < len(np.unique(y)) for others, _ in splits):
            return rows.proba, ask  # not every teacher bears a missing class
        proba, _ = cross_fit(teacher, cv=splits, n_jobs=self.n_jobs)
        return self._calibrated(proba), ask

    def _metadata(self, weight, params) -> tuple[dict | None, dict]:
        """What the teacher's fit (None: the weights, if it takes any) and the splitter get."""
        if not get_config()["enable_metadata_routing"]:
            return None, params
        routed = process_routing(self, "fit", sample_weight=weight, **params)
        return routed.teacher.fit, routed.splitter.split if "splitter" in routed else {}
