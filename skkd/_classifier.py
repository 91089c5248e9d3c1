"""The estimator: reads as the algorithm."""

import copy

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if

from ._fit_steps import FitSteps, check_new_rows, who_needs_held_out_rows
from ._input import read as _inputs
from ._parameters import CONSTRAINTS, check_parameters, make_loss, make_temperature
from ._random import PrivateTorchState, draw_seeds
from ._student import net as _student
from ._student.predictor import StudentPredictor
from ._teacher import asking as _teacher
from ._training.loop import Patience, train
from .balancers._make_balancer import make_balancer

__all__ = ["DistilledClassifier"]


def _can_learn_in_parts(clf) -> bool:
    """Whether the teacher needs no fit; one that does can't be cross-fitted in parts."""
    return clf.teacher is None or (clf.cv is None and _teacher.is_fitted(clf.teacher))


class DistilledClassifier(ClassifierMixin, StudentPredictor, FitSteps):
    r"""Distill a teacher into a small, fast student.

    The student, a PyTorch net, is trained on the labels and on the teacher's probabilities at once,

    .. math:: L = (1 - \lambda)\, L_{task} + \lambda\, L_{distill},

    with the weighted cross-entropy of the labels as task loss and :math:`T^2 KL(q_T \| p_T)` to the
    softened teacher as distillation loss [1]_. A *balancer* decides the balancing parameter
    :math:`\lambda` in every step, after an idea of [2]_.

    Parameters
    ----------
    teacher : estimator or None
        Any classifier with ``predict_proba``. With ``cv=None`` it must be fitted, and is never
        fitted again, by whatever clones this estimator. Where scikit-learn clones the teacher by
        itself (as a value of a parameter grid), wrap it: ``FrozenEstimator(teacher)``. None: give
        ``teacher_proba`` to ``fit``.
    student : skorch.NeuralNetClassifier, Pipeline, str or None, default=None
        A skorch net, with logits, log-probabilities or probabilities as its output, or a Pipeline
        that ends in one. Never changed: a copy is trained. The constructor arguments ``n_features``
        and ``n_classes`` of its module, where it has them, are filled in. None:
        :func:`skkd.students.default_student`, a multilayer perceptron sized to the data, which
        encodes categories, imputes missing values and bends numbers by itself, and out of which
        what is not needed is taken after the training. Or a name in
        :data:`skkd.students.STUDENTS`: "mlp" for the default, "mlp_plr" for one that embeds numbers
        periodically, "convnet" for images. Its parameters can be searched as ``student__lr``,
        ``student__module__hidden`` in any case.
    balancer : str or Balancer, default="descent_share"
        The balancing rule: a name in :data:`skkd.balancers.BALANCERS`, or an instance. Parameters
        can be searched as ``balancer__ratio``.
    distillation_loss : {"kl", "reverse_kl", "js", "logit_mse", "dkd"} or callable, default="kl"
        See :mod:`skkd.losses`.
    temperature : float, callable or "teacher_entropy", default=1.0
        T > 0, which softens teacher and student in the distillation loss. A callable gives it for
        a progress in [0, 1], such as :class:`skkd.schedules.TemperatureSchedule`, and is asked
        once an epoch. "teacher_entropy" gives each row one between 4, where the teacher is sure,
        and 1, where it knows nothing: :math:`4^{1 - H(q) / \log K}`.
    cv : int, splitter, iterable of splits, "oob" or None, default=None
        Fits an unfitted teacher such that no row's target comes from a model that saw its label:
        out-of-fold by cross-fitting, or out-of-bag for a bagged teacher ("oob"). ``teacher_`` is
        then fitted on all rows. Rows that are held out (``validation_fraction``) are held out from
        the teacher as well, or its answers about their neighbours would hand their labels on.
    calibrate : {"auto", "temperature", "vector"} or None, default="auto"
        Calibrates the teacher's probabilities by log-loss: by one temperature ("temperature"), or
        by a scale and a bias for each class ("vector"). "auto" does so only where they are honest,
        which is with ``cv``: the teacher did not see the label of the row that it speaks of. It
        takes the better one, and keeps it only if that lowers the cross-validated log-loss by more
        than one standard error; below 50 rows it does nothing. The others calibrate on whatever
        they get, also from a fitted teacher or ``teacher_proba``; use them only if the teacher has
        not seen these rows. See ``calibration_``. The teacher's answers about new rows are
        calibrated in the same way.
    augmenter : str, Augmenter or None, default="auto"
        New rows for the teacher to label, made from the fit rows: a name in
        :data:`skkd.augmenters.AUGMENTERS`, or an instance, which also says how many there are and
        how much they count. None: none, in a third of the time. "auto" compares some augmenters,
        and none, in short trainings with a part of the rows held out, and takes the augmenter with
        the lowest log-loss there, unless it is clearly worse than none (by two standard errors), or
        a pilot of the balancer shows that labels teach more than the teacher knows (see ``fade`` of
        :class:`skkd.balancers.Balancer`). Where the teacher is fitted here, it is fitted as often
        again, without the rows held out; on tables of up to 10,000 rows there are then four new
        rows for each fit row, on larger ones fewer. A teacher that comes fitted may know the rows
        that are held out; it labels one new row for each, and only if that is better than none by
        half a standard error. "auto" does not look for new rows, and costs nothing, where all rows
        fit in one batch of the student, on more than 40,000 rows, on sparse rows and Datasets, with
        ``X_unlabeled`` or ``teacher_proba``, in ``partial_fit``, under ``FixedBalance(0)``, which
        is labels alone, and for a student with a Dataset, DataLoader or Accelerator of its own. Any
        other augmenter needs a teacher, not only its probabilities. Parameters can be searched as
        ``augmenter__prob``.
    early_stopping : bool, default=False
        Stop when the log-loss on held-out rows has not improved for ``n_iter_no_change`` epochs,
        and keep the best weights.
    validation_fraction : float, default=0.1
        Share of the rows to hold out where something needs them: early stopping, a balancer that
        looks at them, or a callback of the student that monitors ``valid_loss``. Chosen by the
        rows' content.
    n_iter_no_change : int, default=10
        Patience of early stopping, in epochs.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes of ``y``. They multiply ``sample_weight``, and act like it in both
        losses and in the fit of an unfitted teacher.
    memory : str, path, joblib.Memory or None, default=None
        Keeps the teacher's work in a folder: its fits and its answers. It is found again by what it
        depends on: the teacher (its parameters, or what it has learnt), rows, labels, weights,
        splits and held-out rows; never by another parameter of student or balancer. A search over
        k candidates and f folds then fits the teacher for f folds and not for k times f, in one
        process or many: one of them works and the others wait, where the file system has locks. As
        with a Pipeline's memory, a teacher of ``random_state=None`` is fitted once and then found,
        so that all candidates see the same targets, while a splitter that shuffles without a seed
        splits anew and finds nothing. Answers about rows that an augmenter makes are only kept
        where ``random_state`` here is a number, which makes the same ones again. Delete the folder
        after changing the code of a teacher of your own, and use none that others can write to:
        entries are pickles. None: nothing is kept, also not in memory, for that would hold copies
        of rows and models, would not reach other processes, and would make equal what was asked to
        be random.
    n_jobs : int or None, default=None
        Processes for cross-fitting the teacher, by joblib.
    random_state : int, RandomState instance or None, default=None
        The same number gives the same student, whatever the global random states, which are left
        untouched. The teacher has a random state of its own.
    verbose : int, default=0
        1 prints a line an epoch; 2 shows a progress bar (needs tqdm).

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, in the order of all columns.
    student_ : skorch.NeuralNetClassifier or Pipeline
        The trained student, which works without this estimator. A bare net's ``predict`` gives
        indices into ``classes_``.
    teacher_ : estimator or None
        The fitted teacher; where ``cv`` fits it, on all rows but those held out. None with
        ``teacher_proba`` and no fitted teacher. Where it comes out of ``memory``, it is read when
        it is first looked at.
    calibration_ : Calibration or None
        What calibrated the teacher's probabilities: ``method``, ``temperature``, ``scale``,
        ``bias``, ``floor``, ``log_loss_before``, ``log_loss_after`` (cross-validated), ``kept``
        (whether it is applied), and ``apply(proba)``. None where there was nothing to fit it on.
    augmenter_ : Augmenter or None
        What made new rows, without the rows.
    balancer_ : Balancer
        The balancing rule, as it was at the end of training.
    history_ : dict of ndarrays, one entry an epoch
        ``epoch``, ``task_loss``, ``distillation_loss``, ``loss`` (their weighted sum), ``weight``
        (the balancing parameter, its mean over the epoch), ``weight_min``, ``weight_max``,
        ``distillation_share`` (of the importance that the rule looks at), ``temperature``, ``lr``,
        ``seconds``; with new rows also ``new_rows_loss``; with held-out rows ``valid_score`` (minus
        their log-loss) and ``valid_accuracy``.
        Losses are means over batches. Made for ``pd.DataFrame(clf.history_)``.
    n_epochs_ : int
        Epochs trained.
    n_features_in_ : int
        Features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, where X was a frame.

    Notes
    -----
    Computes in the dtype of X: float64 throughout, or float32, which is faster. Integer sample
    weights are the same as repeated rows as long as all rows fit in one batch.

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
    >>> clf = DistilledClassifier(forest, cv=5, random_state=0).fit(X, y)
    >>> clf.predict_proba(X[:1]).round(1)
    array([[1., 0., 0.]])
    """

    _parameter_constraints = CONSTRAINTS

    def __init__(
        self,
        teacher,
        student=None,
        *,
        balancer="descent_share",
        distillation_loss="kl",
        temperature=1.0,
        cv=None,
        calibrate="auto",
        augmenter="auto",
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        class_weight=None,
        memory=None,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.teacher = teacher
        self.student = student
        self.balancer = balancer
        self.distillation_loss = distillation_loss
        self.temperature = temperature
        self.cv = cv
        self.calibrate = calibrate
        self.augmenter = augmenter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight
        self.memory = memory
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y, sample_weight=None, teacher_proba=None, X_unlabeled=None, **params):
        """Train the student.

        Parameters
        ----------
        X : array, frame or CSR matrix (n_rows, n_features), array (n_rows, c, h, w), or Dataset
            The teacher sees it as it is. A ``numpy.memmap`` stays on disk; from 1 GB on, rows are
            shuffled by blocks, in memory as well. A torch Dataset of images, or of pairs of image
            and label, is read when it is needed, in training as ``iterator_train`` of the student
            says (``iterator_train__num_workers``, say); the teacher is asked about stacked images.
        y : array of shape (n_rows,)
            Labels. None: those of a Dataset of pairs, all of which is read for them.
        sample_weight : array of shape (n_rows,), default=None
            Not negative. Acts in both losses, and in the fit of an unfitted teacher that takes it.
            Rows of weight zero are left out.
        teacher_proba : array or frame of shape (n_rows, n_classes), default=None
            The teacher's probabilities, instead of asking it. Columns follow the sorted labels of
            ``y``; those of a frame are found by their names.
        X_unlabeled : array, frame or CSR matrix of shape (any number of rows, n_features)
            Rows like those of X without labels, for the teacher to label; they carry distillation
            loss only. Each epoch sees as many of them as there are fit rows, or all if they are
            fewer, and one of them counts as much as a fit row.
        **params : dict
            ``groups``, an array of shape (n_rows,), for a splitter that goes by groups. With
            metadata routing, whatever the splitter and the fit of an unfitted teacher ask for.

        Returns
        -------
        self

        Raises
        ------
        NotFittedError
            If the teacher is not fitted and ``cv`` is None.
        TrainingDivergedError
            If a loss becomes NaN or infinite. An earlier fit survives this and any other error.
        """
        return self._restored_on_error(
            self._fit, X, y, sample_weight, teacher_proba, X_unlabeled, params
        )

    @available_if(_can_learn_in_parts)
    def partial_fit(self, X, y, classes=None, sample_weight=None, teacher_proba=None):
        """Train the student for one epoch on a chunk of rows.

        There where the teacher is fitted, or None with ``teacher_proba`` in each call. The first
        call decides on encoding, standardisation and size of the student, and should be a fair
        sample. The learning rate stays constant. After ``fit`` it goes on from there.

        Parameters
        ----------
        X, y, sample_weight, teacher_proba
            As in :meth:`fit`.
        classes : array of shape (n_classes,), default=None
            All labels that will ever occur; None: those of the first chunk.

        Returns
        -------
        self

        Examples
        --------
        Rows in a file, some at a time. ``fit`` takes such an array as well, whatever its size, and
        is better where it can be had: it shuffles all rows and lets the learning rate fall.

        >>> import tempfile
        >>> import numpy as np
        >>> from sklearn.datasets import make_classification
        >>> from sklearn.linear_model import LogisticRegression
        >>> from skkd import DistilledClassifier
        >>> X, y = make_classification(1000, random_state=0)
        >>> with tempfile.TemporaryFile() as file:
        ...     X.tofile(file)
        ...     rows = np.memmap(file, X.dtype, "r", shape=X.shape)
        >>> clf = DistilledClassifier(LogisticRegression().fit(X[:500], y[:500]), random_state=0)
        >>> for start in range(0, len(rows), 250):
        ...     chunk = slice(start, start + 250)
        ...     clf = clf.partial_fit(rows[chunk], y[chunk], classes=[0, 1])
        >>> len(clf.history_["loss"])
        4
        """
        return self._restored_on_error(
            self._partial_fit, X, y, classes, sample_weight, teacher_proba
        )

    def student_only(self):
        """The student by itself, without teacher, optimizer and history: to deploy, or to pickle.

        Returns
        -------
        student : skkd.export.StudentOnly
            Fitted. It predicts as this classifier does, and can't be fitted.
        """
        from .export._student_only import student_only  # which imports this module

        return student_only(self)

    # The algorithm

    def _fit(self, X, y, sample_weight, teacher_proba, X_unlabeled, params):
        check_parameters(self, teacher_proba, X_unlabeled, params)
        balancer, loss = make_balancer(self.balancer), make_loss(self.distillation_loss)
        init_seed, order_seed, split_seed, new_seed, pilot_seed, narrow_seed = draw_seeds(
            self.random_state, 6
        )
        torch_state = PrivateTorchState(init_seed)
        given, student = self._read(X, y, sample_weight, balancer, torch_state)
        net = _student.net_of(student)
        if X_unlabeled is not None:
            X_unlabeled = _inputs.read_unlabeled(X_unlabeled, given.X)
        augments = self._augments(given, net, balancer, X_unlabeled, teacher_proba)
        check_new_rows(net, balancer, augments or X_unlabeled is not None)
        split = self._split(given, net, balancer, split_seed)
        rows, held_out = self._ask_teacher(given, teacher_proba, params, split, with_raw=augments)
        if hasattr(net.module_, "adapt"):
            net.module_.adapt(rows.X, rows.sample_weight, rows.proba)
        del given  # where rows are held out, it has a second copy of X
        pilot = self._pilot(rows, net, balancer, pilot_seed)
        new_rows = self._new_rows(rows, student, balancer, X_unlabeled, new_seed, pilot)
        self.history_ = train(
            net,
            rows,
            balancer,
            loss=loss,
            temperature=make_temperature(self.temperature),
            n_epochs=net.max_epochs,
            held_out=held_out,
            patience=Patience(self.n_iter_no_change) if self.early_stopping else None,
            new_rows=new_rows,
            pilot=pilot,
            seed=order_seed,
            torch_state=torch_state,
            verbose=self.verbose,
        )
        _student.prune(net, rows.X, rows.sample_weight, narrow_seed)
        net.initialize_optimizer()  # its moments would be twice the size of the student
        return self._keep(student, balancer)

    def _partial_fit(self, X, y, classes, sample_weight, teacher_proba):
        check_parameters(self, teacher_proba, None, {})
        loss = make_loss(self.distillation_loss)
        init_seed, order_seed, _, new_seed = draw_seeds(self.random_state, 4)
        # On copies: a chunk that makes the training diverge must leave nothing behind.
        learned = hasattr(self, "student_")
        balancer = copy.deepcopy(self.balancer_) if learned else make_balancer(self.balancer)
        if needed_by := who_needs_held_out_rows(False, None, balancer):
            raise ValueError(
                f"{needed_by} needs held-out rows, and partial_fit holds none out. Use fit, or "
                "another balancer."
            )
        done = self.n_epochs_ if learned else 0
        torch_state = PrivateTorchState(init_seed + done)
        if learned:
            rows = self._continue(X, y, classes, sample_weight, teacher_proba)
            student = copy.deepcopy(self.student_)
        else:
            rows, student = self._begin(
                X, y, classes, sample_weight, teacher_proba, balancer, torch_state
            )
        net = _student.net_of(student)
        history = train(
            net,
            rows,
            balancer,
            loss=loss,
            temperature=make_temperature(self.temperature),
            n_epochs=1,
            earlier=self.history_ if done else {},
            new_rows=self._new_rows(rows, student, balancer, None, new_seed + done),
            seed=order_seed + done,
            torch_state=torch_state,
            verbose=self.verbose,
        )
        self.history_ = _appended(self.history_, history) if done else history
        return self._keep(student, balancer)

    def _begin(self, X, y, classes, sample_weight, teacher_proba, balancer, torch_state):
        """Make a student ready for the first chunk of rows, and ask the teacher about them."""
        given, student = self._read(X, y, sample_weight, balancer, torch_state, classes)
        augments = self.augmenter not in (None, "auto")  # to choose by, all rows must be there
        check_new_rows(_student.net_of(student), balancer, augments)
        rows, _ = self._ask_teacher(given, teacher_proba, {}, with_raw=augments)
        return rows, student

    @property
    def teacher_(self):
        """The fitted teacher; None with ``teacher_proba`` and no fitted teacher."""
        if "_fitted_teacher" not in vars(self):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute 'teacher_'")
        return self._fitted_teacher.get()

    def _restored_on_error(self, method, *args):
        """Call a method; if it fails, leave this estimator as it was, with any earlier fit."""
        before = self.__dict__.copy()
        try:
            return method(*args)
        except BaseException:
            self.__dict__ = before
            raise


def _appended(history: dict, more: dict) -> dict:
    return {name: np.concatenate([history[name], more[name]]) for name in history if name in more}
