"""The report: reads as what it does, from models to measures, intervals, costs and a verdict."""

from numbers import Integral, Real

import numpy as np

from .._plots import FidelityDisplay, compare, fitted_classifier, label_columns
from .._random import draw_seeds
from .._sklearn_private import _check_sample_weight
from ._bootstrap import Difference, differences, resample
from ._costs import BATCH_SIZES, costs_of
from ._measures import RankedScores, per_class, reliability, row_terms, sums_of
from ._models import NAMES, ask_models, check_baseline
from ._notes import notes_on
from ._result import DistillationReport
from ._stages import Progress
from ._verdict import outcome_of, sentence


def distillation_report(
    clf,
    X_test,
    y_test,
    *,
    baseline="fit",
    X_train=None,
    y_train=None,
    sample_weight_train=None,
    sample_weight=None,
    teacher_proba=None,
    latency=True,
    margin=0.01,
    confidence_level=0.95,
    n_bootstrap=1000,
    random_state=None,
    verbose=0,
):
    """Compare a distilled student with its teacher and with a student trained on labels alone.

    The labels of all models are the classes that they hold most probable. All intervals are from
    the same resamples of the test rows, so that a difference varies less than its parts do.

    Parameters
    ----------
    clf : DistilledClassifier, Pipeline or search
        Fitted. A Pipeline must end in a DistilledClassifier, and all models see the rows behind its
        steps; of a search, such as GridSearchCV, the ``best_estimator_`` is reported on.
    X_test : array, frame or CSR matrix of shape (n_rows, n_features)
        Rows that no model has seen.
    y_test : array of shape (n_rows,)
        Their labels. Some classes may be missing.
    baseline : "fit", estimator or None, default="fit"
        What to compare with besides the teacher. "fit" trains the same student with the same budget
        on labels alone: a clone of ``clf`` with a balancing parameter of 0 and no new rows. The
        teacher is neither asked nor fitted again for that. An estimator must be fitted and have
        ``predict_proba``. None: nothing.
    X_train, y_train, sample_weight_train : arrays, default=None
        What ``clf`` was fitted on; for ``baseline="fit"``, which needs the first two.
    sample_weight : array of shape (n_rows,), default=None
        How much the test rows count, in all measures. Resamples draw rows evenly, with their
        weights.
    teacher_proba : array or frame of shape (n_rows, n_classes), default=None
        The teacher's probabilities for X_test, in the order of ``clf.classes_``, instead of asking
        it. Without them and without a teacher, the report has no teacher.
    latency : bool, default=True
        Time all models: single rows, in up to 200 calls, and batches of 1,000 and 10,000 rows; the
        models in turn, in this process with its threads. A model takes up to 3 seconds for each
        size, or longer where a few calls take longer.
    margin : float, default=0.01
        The loss of accuracy, in [0, 1], up to which the student is "no worse". A point, for a
        smaller one needs more than a thousand rows to be ruled out.
    confidence_level : float, default=0.95
        Of all intervals.
    n_bootstrap : int, default=1000
        Resamples, at least 100; the AUC, which is slower, takes up to 200 of them.
    random_state : int, RandomState instance or None, default=None
        For the resamples. The baseline is trained with the ``random_state`` of ``clf``.
    verbose : int, default=0
        1 prints a line a stage, and a line an epoch of the baseline; 2 shows progress bars (needs
        tqdm).

    Returns
    -------
    report : DistillationReport

    Raises
    ------
    NotFittedError
        If ``clf`` or the baseline is not fitted.
    ValueError
        If rows, labels or probabilities don't fit together, or a parameter is out of its range.

    Notes
    -----
    The verdict is by accuracy, against the baseline if there is one. The student is *better* or
    *worse* if the interval of the difference leaves out zero; *no worse* if it lies above minus the
    margin; otherwise *not to be told apart*. As intervals from few rows are too short, *better* and
    *worse* also need 6 rows on which just one of both is right (of which a sign test needs as many
    at a confidence level of 95 %), and *no worse* needs 299 rows at a margin of one point (the
    fewest that show a loss of one in a hundred rows at least once, in 95 of 100 cases).

    The intervals are about other test rows, not about another training: a different seed moves a
    small student by as much again. They take rows to be independent; they are too short where rows
    come in groups or in time.

    The calibration error is that of the most probable class in 15 bins of equal width [1]_. It is
    never negative, so that even a perfect model has one on finitely many rows.

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
    distilled = fitted_classifier(clf, "clf")
    _check_numbers(margin, confidence_level, n_bootstrap, verbose)
    check_baseline(baseline, distilled.classes_, X_train, y_train)
    labels = label_columns(y_test, X_test, distilled.classes_, "y_test")
    weight = _weight_of(sample_weight, labels)
    [seed] = draw_seeds(random_state, 1)
    progress = Progress(verbose)

    training = X_train, y_train, sample_weight_train
    models, proba = ask_models(
        clf, distilled, X_test, teacher_proba, baseline, training, progress, verbose
    )
    teacher_labels = proba["teacher"].argmax(axis=1) if "teacher" in proba else None
    terms = {name: row_terms(labels, p, weight, teacher_labels) for name, p in proba.items()}
    scores = {name: RankedScores(labels, p, weight) for name, p in proba.items()}
    with progress.stage("bootstrap", n_bootstrap) as advance:
        resampled = resample(terms, scores, n_bootstrap, seed, advance)
    n_rows = int((weight > 0).sum())
    found = _differences(resampled, confidence_level, n_rows)
    with progress.stage("costs", 2 + len(BATCH_SIZES)) as advance:
        costs = costs_of(models, latency, advance)
    names = dict(zip(NAMES, NAMES, strict=True))
    if isinstance(baseline, str):
        names["baseline"] = "labels alone"
    outcome, verdict = _judge(terms, resampled, found, names, n_rows, margin, confidence_level)
    report = DistillationReport(
        verdict=verdict,
        outcome=outcome,
        measures={name: of_model.estimate for name, of_model in resampled.items()},
        differences=found,
        costs=costs,
        classes=distilled.classes_,
        **_tables(terms),
        fidelity=_fidelity(proba, labels, weight),
        labels=names,
        n_rows=n_rows,
        margin=margin,
        confidence_level=confidence_level,
        n_bootstrap=n_bootstrap,
        notes=[],
    )
    report.notes.extend(notes_on(report, models))
    return report


def _check_numbers(margin, confidence_level, n_bootstrap, verbose) -> None:
    if not (isinstance(margin, Real) and 0 <= float(margin) <= 1):
        raise ValueError(f"margin={margin!r} must be a loss of accuracy, in [0, 1], as 0.01.")
    if not (isinstance(confidence_level, Real) and 0 < float(confidence_level) < 1):
        raise ValueError(f"confidence_level={confidence_level!r} must be between 0 and 1, as 0.95.")
    if not (isinstance(n_bootstrap, Integral) and int(n_bootstrap) >= 100):
        raise ValueError(
            f"n_bootstrap={n_bootstrap!r} must be an int of at least 100; with fewer resamples "
            "the ends of an interval are a matter of chance."
        )
    if not (isinstance(verbose, Integral) and int(verbose) >= 0):
        raise ValueError(f"verbose={verbose!r} must be 0, 1 or 2.")


def _weight_of(sample_weight, labels) -> np.ndarray:
    weight = _check_sample_weight(
        sample_weight, labels.reshape(-1, 1), dtype=np.float64, ensure_non_negative=True
    )
    if not (weight > 0).any():
        raise ValueError("sample_weight is zero for all rows; at least one must be positive.")
    return weight


def _differences(resampled, level, n_rows) -> dict[str, dict[str, Difference]]:
    """The student's measures less those of the others."""
    found = {}
    for other in ("teacher", "baseline"):
        if other in resampled:
            found[other] = differences(resampled["student"], resampled[other], level)
    for name in list(found.get("teacher", {})):
        if name.startswith("agreement"):  # the teacher agrees with itself
            del found["teacher"][name]
    if n_rows == 1:  # all resamples are the same
        for of_other in found.values():
            for name, difference in of_other.items():
                of_other[name] = difference._replace(low=np.nan, high=np.nan)
    return found


def _judge(terms, resampled, found, names, n_rows, margin, level) -> tuple[str | None, str]:
    """Outcome and verdict: against the baseline, or the teacher, or nothing."""
    accuracy = resampled["student"].estimate["accuracy"]
    other = "baseline" if "baseline" in found else "teacher"
    if other not in found:
        return None, f"The student's accuracy is {accuracy:.4f}; there is nothing to compare with."
    student, others = terms["student"], terms[other]
    outcome = outcome_of(
        found[other]["accuracy"],
        n_rows,
        int(((student["right"] > 0) != (others["right"] > 0)).sum()),
        margin,
        level,
    )
    against = names[other] if names[other] == "labels alone" else f"the {names[other]}"
    retained = resampled["student"].estimate.get("retained_accuracy")
    return outcome, sentence(outcome, against, found[other], retained, margin, level)


def _tables(terms) -> dict:
    """Fields of the report that are sums over rows, by class or by confidence."""
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
