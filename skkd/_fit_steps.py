"""The steps of a fit: read the rows, hold some out, ask the teacher about them, make new ones."""

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from ._input import read as _inputs
from ._input.chunks import LazyRows, some_rows
from ._input.datasets import read_dataset
from ._input.labels import columns_of, read_labels, rows_that_count
from ._input.rows import GivenRows, Rows, take
from ._input.tables import is_frame
from ._input.validation_split import split_held_out
from ._parameters import make_loss, make_temperature
from ._student import net as _student
from ._teacher.signal import TeacherSignal
from ._training.batches import are_plain
from ._training.choose_augmenter import choose_augmenter, looks_for_new_rows
from ._training.pilot import run_pilot
from ._training.processes import check_accelerator
from ._training.synthetic import AugmentedRows, UnlabeledRows
from .augmenters import make_augmenter
from .balancers import Pilot


class FitSteps(TeacherSignal):
    """The steps of a fit of :class:`DistilledClassifier`, each by itself."""

    def _read(self, X, y, sample_weight, balancer, torch_state, classes=None):
        """Read the rows, and make a student ready for them.

        The student comes first: what is wrong with it must not be found after the teacher's work.
        """
        own_steps, net = _student.split_student(self.student)
        X, y = read_dataset(X, y)
        X, inputs, steps = _inputs.read_training(self, X, own_steps, net)
        if self.augmenter not in (None, "auto"):
            make_augmenter(self.augmenter).check_rows(X)
        y, weight, self.classes_ = read_labels(X, y, sample_weight, self.class_weight, classes)
        kept = rows_that_count(weight)
        inputs = take(inputs, kept) if steps or kept is None else some_rows(inputs, kept)
        steps, inputs = _student.fit_preprocessing(steps, inputs, take(y, kept))
        # What skkd has encoded holds no finer numbers than X.
        dtype = _inputs.float_for(inputs if own_steps else X)
        inputs, n_classes = _inputs.as_net_input(inputs, net, dtype), len(self.classes_)
        net = _student.initialise_net(net, inputs, take(weight, kept), n_classes, torch_state)
        net.classes = self.classes_
        labels = columns_of(take(y, kept), self.classes_)
        student = Pipeline([*steps, ("net", net)]) if steps else net
        return GivenRows(X, y, weight, kept, inputs, labels), student

    def _augments(self, given, net, balancer, X_unlabeled, teacher_proba) -> bool:
        """Whether new rows are made, or at least looked for."""
        if self.augmenter != "auto":
            return self.augmenter is not None
        return (
            X_unlabeled is None
            and teacher_proba is None
            and looks_for_new_rows(given.X, len(given.labels), net, balancer)
        )

    def _split(self, given, net, balancer, seed):
        """Indices of training and held-out rows; None where nothing needs the latter."""
        needed_by = who_needs_held_out_rows(self.early_stopping, net, balancer)
        if not needed_by:
            return None
        kept, held_out = split_held_out(given.inputs, given.labels, self.validation_fraction, seed)
        if len(held_out):
            return kept, held_out
        if needed_by:
            raise ValueError(
                f"{needed_by} needs held-out rows, and {len(given.labels)} rows are too few: some "
                "class must have at least 3 distinct rows. Set early_stopping=False and take a "
                "balancer that looks at no held-out rows, or give more rows."
            )
        return None

    def _ask_teacher(self, given, teacher_proba, params, split=None, *, with_raw):
        """The rows to train on and to hold out, with what the teacher says of them.

        ``split`` has the indices of both. ``with_raw``: also as the teacher sees them.
        """
        known, out = (None, None) if split is None else split
        if out is not None and given.kept is not None:
            out = given.kept[out]
        proba, folds = self._soft_targets(
            given.X, given.y, given.weight, teacher_proba, params, out
        )
        proba, folds, weight = (take(part, given.kept) for part in (proba, folds, given.weight))
        self.calibration_ = self._calibration(
            proba, given.labels, weight, folds, teacher_proba, known
        )
        raw = None
        if with_raw:
            raw = given.inputs if given.inputs is given.X else take(given.X, given.kept)
        rows = Rows(given.inputs, given.labels, self._calibrated(proba), weight, raw, folds)
        return (rows, None) if split is None else tuple(rows.take(part) for part in split)

    def _pilot(self, rows, net, balancer, seed) -> Pilot | None:
        """A short training on labels alone, where the balancer asks for it."""
        if "pilot" not in balancer.requirements() or getattr(net, "accelerator", None):
            return None
        pilot = run_pilot(rows, net, seed)
        if self.verbose and pilot is not None:
            print(
                f"pilot: labels teach {100 * pilot.gain:+.1f} points of accuracy, give or take "
                f"{100 * pilot.error:.1f}, beyond what the teacher knows of them"
            )
        return pilot

    def _new_rows(self, rows, student, balancer, X_unlabeled, seed, pilot=None) -> list:
        """Where rows without labels come from, if anywhere; sets ``augmenter_``."""

        def prepare(X):
            return _inputs.read_new(self, X, student)

        sources: list = []
        n_rows = len(rows.labels)
        if X_unlabeled is not None:
            ask = self._asking(self._fitted_teacher, self.memory)
            sources.append(UnlabeledRows(X_unlabeled, n_rows, ask, prepare, seed))
        self.augmenter_ = None
        if rows.raw is None:
            augmenter = None
        elif self.augmenter == "auto":
            augmenter = choose_augmenter(
                rows,
                _student.net_of(student),
                self._teacher_of,
                prepare,
                balancer,
                loss=make_loss(self.distillation_loss),
                temperature=make_temperature(self.temperature),
                knows_all=not self._fits_teacher(),
                pilot=pilot,
                seed=seed,
            )
            if self.verbose:
                print(f"augmenter: {augmenter!r}")
        else:
            augmenter = make_augmenter(self.augmenter)
        if augmenter is not None:
            self.augmenter_ = clone(augmenter)
            augmenter.fit(rows.raw, rows.sample_weight)
            ask = self._asking_of_made_rows(self._fitted_teacher)
            sources.append(AugmentedRows(augmenter, n_rows, ask, prepare, seed))
        return sources

    def _continue(self, X, y, classes, sample_weight, teacher_proba) -> Rows:
        """Ask the teacher about one more chunk of rows."""
        if classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"classes={np.asarray(classes).tolist()} is not what the first call of partial_fit "
                f"was given, {self.classes_.tolist()}."
            )
        X, y = read_dataset(X, y)
        inputs = _inputs.read(self, X)
        X = X if isinstance(X, (np.ndarray, LazyRows)) or is_frame(X) else inputs
        y, weight, _ = read_labels(X, y, sample_weight, self.class_weight, self.classes_)
        proba, _ = self._soft_targets(X, y, weight, teacher_proba, {})
        proba = self._calibrated(proba)
        kept = rows_that_count(weight)
        net = _student.net_of(self.student_)
        inputs = _student.preprocess(self.student_, take(inputs, kept))
        inputs = _inputs.as_net_input(inputs, net)
        labels = columns_of(take(y, kept), self.classes_)
        raw = None if self.augmenter in (None, "auto") else take(X, kept)
        return Rows(inputs, labels, take(proba, kept), take(weight, kept), raw)

    def _keep(self, student, balancer):
        self.student_, self.balancer_ = student, balancer
        self.n_epochs_ = len(self.history_["epoch"])
        return self


def check_new_rows(net, balancer, has_new_rows: bool) -> None:
    """Raise an error where the student can't take new rows, or a balancer its processes."""
    check_accelerator(net, balancer, has_new_rows=has_new_rows)
    if has_new_rows and not are_plain(net):
        raise ValueError(
            "augmenter and X_unlabeled need a student with skorch's own Dataset and PyTorch's own "
            "DataLoader, which take rows of X as they are."
        )


def who_needs_held_out_rows(early_stopping, net, balancer) -> str | None:
    """What can't do without rows held out, as an error names it; None: nothing."""
    if early_stopping:
        return "early_stopping"
    if net is not None and _student.looks_at_held_out_rows(net):
        return "A callback of the student"
    return None
