"""The report: models, measures, intervals, costs and a verdict, in this order."""

from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np

from .._input import read_weight
from .._plots import FidelityDisplay, compare, fitted_in, label_columns
from .._progress import Progress
from .._random import draw_seeds
from ._bootstrap import Difference, differences, resample
from ._costs import BATCH_SIZES, costs_of
from ._measures import (
    MEASURES,
    RankedScores,
    is_neutral,
    per_class,
    reliability,
    row_terms,
    sums_of,
)
from ._models import ask_models, check_baseline, check_classes_of, labels_of
from ._notes import notes_on, notes_on_teachers
from ._result import DistillationReport
from ._scores import GivenScores, Scoring, default_scores, read_scoring
from ._verdict import never_predicted, outcomes_of, overall, verdict_of

# A thousand resamples are enough for an interval. A report of more than this many hardly ends.
_MOST_RESAMPLES = 1_000_000


def distillation_report(
    clf: Any,
    X_test: Any,
    y_test: Any,
    *,
    baseline: Any = "fit",
    X_train: Any = None,
    y_train: Any = None,
    sample_weight_train: Any = None,
    sample_weight: Any = None,
    teacher_proba: Any = None,
    scoring: Scoring = None,
    latency: bool = True,
    margin: float = 0.01,
    confidence_level: float = 0.95,
    n_bootstrap: int = 1000,
    random_state: int | np.random.RandomState | None = None,
    verbose: int = 0,
) -> DistillationReport:
    """Compare a student with its teacher and with the same student without it.

    The predicted label of every model is its most probable class. All intervals are from the same
    resamples of the test rows.

    Parameters
    ----------
    clf : DistilledClassifier, Pipeline or search
        Fitted. A Pipeline must end in a DistilledClassifier, and all models see the rows after its
        steps. Of a search, the ``best_estimator_`` is reported on.
    X_test : array, frame or CSR matrix of shape (n_rows, n_features)
        Rows that no model was trained on.
    y_test : array of shape (n_rows,)
        Their labels. Some classes may be missing.
    baseline : "fit", estimator or None, default="fit"
        What to compare with besides the teacher. "fit" trains a clone of ``clf`` on labels only,
        with the same settings but without synthetic rows. An estimator must be fitted and have
        ``predict_proba``. None: nothing.
    X_train, y_train, sample_weight_train : arrays, default=None
        What ``clf`` was fitted on. ``baseline="fit"`` needs the first two.
    sample_weight : array of shape (n_rows,), default=None
        Weights of the test rows in all measures. None: all rows count equally.
    teacher_proba : array or frame of shape (n_rows, n_classes), default=None
        The teacher's probabilities for X_test, in the order of ``clf.classes_``. None: the teacher
        is asked, if there is one.
    scoring : str, callable, list or dict of these, default=None
        scikit-learn scorers. The verdict rests on these and log-loss. None: accuracy. None, if a
        class is rare: average precision and balanced accuracy.
    latency : bool, default=True
        Time all models in turn, in this process. Sizes: 1, 1,000 and 10,000 rows. A model takes
        about 3 seconds for each size.
    margin : float, default=0.01
        The loss of a score up to which the student is "no worse". The default is one percentage
        point of accuracy.
    confidence_level : float, default=0.95
        Of all intervals.
    n_bootstrap : int, default=1000
        Resamples, from 100 to a million. Areas under curves and the scores of other scorers take
        up to 200.
    random_state : int, RandomState instance or None, default=None
        For the resamples. The baseline is trained with the ``random_state`` of ``clf``.
    verbose : int, default=0
        1 prints what is measured, and a line per epoch of the baseline. 2 shows progress bars.

    Returns
    -------
    report : DistillationReport

    Raises
    ------
    NotFittedError
        If ``clf`` or the baseline is not fitted.
    ValueError
        If rows, labels or probabilities don't fit together, a parameter is out of its range, or a
        scorer fails.

    Notes
    -----
    The verdict compares the student with each other model, by log-loss and by the scores. The
    student is *better* or *worse* by a measure if the interval of the difference leaves out zero,
    and *level* otherwise. On few rows intervals are too short. So *better* and *worse* also need
    six rows that can decide, as a sign test does at a confidence level of 95 %. For accuracy these
    are the rows on which one model alone is right.

    A class is rare if it has less than a fifth of an equal share of the test rows: for two
    classes, under 10 %. The accuracy is then high for a model that never predicts the class.

    Average precision is the area under the precision-recall curve. It is that of the rarer class
    for two classes, and the mean over one class against the rest for more. The calibration error
    is that of the most probable class in 15 bins of equal width [1]_. It is positive even for a
    perfect model on finitely many rows.

    The intervals are about other test rows, not about another training. They are too short if rows
    come in groups or in time order.

    References
    ----------
    .. [1] Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017,
       arXiv 1706.04599.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.model_selection import train_test_split
    >>> from skkd import DistilledClassifier
    >>> from skkd.report import distillation_report
    >>> X, y = load_digits(n_class=3, return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> clf = DistilledClassifier(RandomForestClassifier(random_state=0), cv=3, random_state=0)
    >>> clf = clf.set_params(student__max_epochs=5).fit(X_train, y_train)
    >>> report = distillation_report(
    ...     clf, X_test, y_test, X_train=X_train, y_train=y_train, latency=False, random_state=0
    ... )
    >>> report.measures["student"]["accuracy"] > 0.95
    True
    """
    distilled = fitted_in(clf, "clf")
    classes = distilled.classes_
    check_numbers(margin, confidence_level, n_bootstrap, verbose)
    check_baseline(baseline, X_train, y_train, "predict_proba")
    check_classes_of(baseline, classes)
    scorers = read_scoring(scoring)
    labels = label_columns(y_test, X_test, classes, "y_test")
    weight = read_weight(sample_weight, len(labels))
    [seed] = draw_seeds(random_state, 1)
    progress = Progress(verbose)

    training = X_train, y_train, sample_weight_train
    models, proba = ask_models(clf, distilled, X_test, teacher_proba, baseline, training, progress)
    teacher_labels = proba["teacher"].argmax(axis=1) if "teacher" in proba else None
    terms = {name: row_terms(labels, p, weight, teacher_labels) for name, p in proba.items()}
    given_weight = None if sample_weight is None else weight
    scores = {
        name: [
            RankedScores(labels, p, weight),
            GivenScores(scorers, X_test, classes[labels], classes, p, given_weight),
        ]
        for name, p in proba.items()
    }
    with progress.phase("bootstrap", n_bootstrap) as phase:
        resampled = resample(terms, scores, n_bootstrap, seed, phase.advance)
    n_rows = int((weight > 0).sum())
    found = differences_of(resampled, confidence_level, n_rows)
    with progress.phase("costs", 1 + latency * (1 + len(BATCH_SIZES))) as phase:
        costs = costs_of(models, latency, phase.advance)
    tables = _tables(terms)
    judged = list(scorers) or default_scores(tables["class_rows"])
    outcomes = outcomes_of(terms, found, ["log_loss", *judged], margin, confidence_level)
    report = DistillationReport(
        verdict="",
        outcome=overall(next(iter(outcomes.values()))) if outcomes else None,
        outcomes=outcomes,
        scoring=judged,
        measures={name: _ordered(of_model.estimate) for name, of_model in resampled.items()},
        differences=found,
        costs=costs,
        classes=classes,
        never_predicted=never_predicted(classes, tables["class_rows"], tables["per_class"]),
        **tables,
        fidelity=_fidelity(proba, labels, weight),
        labels=labels_of(baseline),
        n_rows=n_rows,
        margin=margin,
        confidence_level=confidence_level,
        n_bootstrap=n_bootstrap,
        notes=[],
    )
    report.notes.extend(notes_on(report, models))
    report.notes.extend(notes_on_teachers(models, labels, classes, weight))
    return replace(report, verdict=verdict_of(report))


def check_numbers(margin, confidence_level, n_bootstrap, verbose) -> None:
    """Raise a ValueError for numbers that a report can't be made with."""
    if not (isinstance(margin, Real) and 0 <= float(margin) <= 1):
        raise ValueError(f"margin={margin!r} must be a loss of a score in [0, 1], such as 0.01.")
    if not (isinstance(confidence_level, Real) and 0 < float(confidence_level) < 1):
        raise ValueError(f"confidence_level={confidence_level!r} must be in (0, 1), such as 0.95.")
    if not (isinstance(n_bootstrap, Integral) and 100 <= int(n_bootstrap) <= _MOST_RESAMPLES):
        raise ValueError(
            f"n_bootstrap={n_bootstrap!r} must be an int from 100 to {_MOST_RESAMPLES:,}; with "
            "fewer resamples, the ends of an interval are random, and more show nothing new."
        )
    if not (isinstance(verbose, Integral) and int(verbose) >= 0):
        raise ValueError(f"verbose={verbose!r} must be 0, 1 or 2.")


def differences_of(resampled, level, n_rows) -> dict[str, dict[str, Difference]]:
    """Return the student's measures less the others'."""
    found = {}
    for other in ("teacher", "baseline"):
        if other in resampled:
            found[other] = differences(resampled["student"], resampled[other], level)
    for name in list(found.get("teacher", {})):
        if is_neutral(name):  # the teacher agrees with itself
            del found["teacher"][name]
    if n_rows == 1:  # all resamples are the same
        for of_other in found.values():
            for name, difference in of_other.items():
                of_other[name] = difference._replace(low=np.nan, high=np.nan)
    return found


def _ordered(measures: dict[str, float]) -> dict[str, float]:
    """The report's own measures in their order, then the user's."""
    return {name: measures[name] for name in MEASURES if name in measures} | measures


def _tables(terms) -> dict:
    """Return the report's fields that are sums over rows by class or by confidence."""
    once = np.ones((len(terms["student"]["weight"]), 1))
    sums = {name: sums_of(of_model, once) for name, of_model in terms.items()}
    return {
        "class_rows": sums["student"]["in_class"][:, 0],
        "per_class": {name: _first(per_class(of_model)) for name, of_model in sums.items()},
        "reliability": {name: _first(reliability(of_model)) for name, of_model in sums.items()},
    }


def _first(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: values[:, 0] for name, values in columns.items()}


def _fidelity(proba, labels, weight) -> FidelityDisplay | None:
    if "teacher" not in proba:
        return None
    return compare(proba["teacher"], proba["student"], labels, sample_weight=weight)
