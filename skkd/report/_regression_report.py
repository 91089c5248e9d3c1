"""The report on a regressor: the same models, intervals, costs and verdict."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import clone

from .._input import read_container, read_weight
from .._plots import as_seen_by, fitted_in
from .._progress import Progress
from .._random import draw_seeds
from .._regression import check_values
from .._regressor import DistilledRegressor
from ..balancers import FixedBalance
from ._bootstrap import Difference, resample
from ._costs import BATCH_SIZES, costs_of
from ._measures import Terms
from ._models import LABELS_ONLY, NAMES, Models, check_baseline, labels_of
from ._notes import notes_on_models
from ._report import check_numbers, differences_of
from ._text import head_of_text, notes_of_text
from ._verdict import names_in_sentences, outcome_of, overall, sentence

_JUDGED = ("rmse", "mae")


@dataclass(frozen=True, repr=False)
class RegressionReport:
    """Hold a regression student's measures beside those of its teacher and a baseline.

    Made by :func:`regression_report`. ``print(report)`` shows it as text. Models are called
    ``"teacher"``, ``"baseline"`` and ``"student"``; unavailable ones are left out.

    Attributes
    ----------
    measures : dict of dicts of float
        By model: ``r2``, ``rmse``, ``mae``, and ``rmse_to_teacher``. Means over several outputs.
    verdict, outcome, outcomes, differences, costs, labels, n_rows, notes
        As in :class:`DistillationReport`.
    margin, confidence_level, n_bootstrap
        As given.
    """

    verdict: str
    outcome: str | None
    outcomes: dict[str, dict[str, str]]
    measures: dict[str, dict[str, float]]
    differences: dict[str, dict[str, Difference]]
    costs: dict[str, dict[str, float]]
    labels: dict[str, str]
    n_rows: int
    margin: float
    confidence_level: float
    n_bootstrap: int
    notes: list[str]

    def __str__(self) -> str:
        parts = head_of_text(self, f"Distillation report on {self.n_rows:,} rows")
        return "\n\n".join([*parts, notes_of_text(self)])

    def __repr__(self) -> str:
        outcome = "" if self.outcome is None else f", {self.outcome}"
        r2 = self.measures["student"]["r2"]
        return f"<RegressionReport: {self.n_rows:,} rows, R2 {r2:z.4f}{outcome}>"


def regression_report(
    reg: Any,
    X_test: Any,
    y_test: Any,
    *,
    baseline: Any = "fit",
    X_train: Any = None,
    y_train: Any = None,
    sample_weight_train: Any = None,
    sample_weight: Any = None,
    teacher_prediction: Any = None,
    latency: bool = True,
    margin: float = 0.01,
    confidence_level: float = 0.95,
    n_bootstrap: int = 1000,
    random_state: int | np.random.RandomState | None = None,
    verbose: int = 0,
) -> RegressionReport:
    """Compare a regression student with its teacher and with the same student without it.

    Parameters
    ----------
    reg : DistilledRegressor, Pipeline or search
        Fitted. A Pipeline must end in a DistilledRegressor.
    X_test : array, frame or CSR matrix of shape (n_rows, n_features)
        Rows that no model was trained on.
    y_test : array of shape (n_rows,) or (n_rows, n_outputs)
    baseline : "fit", estimator or None, default="fit"
        What to compare with besides the teacher. "fit" trains a clone of ``reg`` on labels only,
        without synthetic rows. An estimator must be fitted. None: nothing.
    X_train, y_train, sample_weight_train, sample_weight
        As in :func:`distillation_report`.
    teacher_prediction : array of shape (n_rows,) or (n_rows, n_outputs), default=None
        The teacher's predictions for X_test. None: the teacher is asked, if there is one.
    latency : bool, default=True
        As in :func:`distillation_report`.
    margin : float, default=0.01
        Up to this relative increase of an error, the student is "no worse".
    confidence_level, n_bootstrap, random_state, verbose
        As in :func:`distillation_report`.

    Returns
    -------
    report : RegressionReport

    Notes
    -----
    The verdict is by RMSE and MAE: the student is *better* or *worse* if the interval of the
    difference leaves out zero, and *level* otherwise. See :func:`distillation_report`.

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from skkd import DistilledRegressor
    >>> from skkd.report import regression_report
    >>> X, y = make_friedman1(400, random_state=0)
    >>> reg = DistilledRegressor(RandomForestRegressor(random_state=0), cv=3, random_state=0)
    >>> reg = reg.set_params(student__max_epochs=10, augmenter=None).fit(X[:200], y[:200])
    >>> report = regression_report(
    ...     reg, X[200:], y[200:], baseline=None, latency=False, random_state=0
    ... )
    >>> sorted(report.measures["student"])
    ['mae', 'r2', 'rmse', 'rmse_to_teacher']
    """
    distilled = fitted_in(reg, "reg", (DistilledRegressor,))
    check_numbers(margin, confidence_level, n_bootstrap, verbose)
    check_baseline(baseline, X_train, y_train, "predict")
    X, n_outputs = as_seen_by(reg, X_test), len(distilled.target_scaling_.mean)
    y = check_values(y_test, X.shape[0], n_outputs, "y_test")
    weight = read_weight(sample_weight, len(y))
    [seed] = draw_seeds(random_state, 1)
    progress = Progress(verbose)
    models: Models = {}
    if getattr(distilled, "teacher_", None) is not None:
        models["teacher"] = distilled.teacher_, X
    if isinstance(baseline, str):
        with progress.phase(LABELS_ONLY):
            rows = as_seen_by(reg, X_train)
            supervised = fit_on_y_only(distilled, rows, y_train, sample_weight_train, verbose)
        models["baseline"] = supervised, X
    elif baseline is not None:
        models["baseline"] = baseline, read_container(X_test)
    models["student"] = distilled, X
    answers = {name: model.predict(rows) for name, (model, rows) in models.items()}
    if teacher_prediction is not None:
        answers["teacher"] = teacher_prediction
    answers = {
        name: check_values(answers[name], len(y), n_outputs, name)
        for name in NAMES
        if name in answers
    }
    terms = {
        name: error_terms(y, values, weight, answers.get("teacher"))
        for name, values in answers.items()
    }
    with progress.phase("bootstrap", n_bootstrap) as phase:
        empty: dict[str, list] = {name: [] for name in terms}
        resampled = resample(terms, empty, n_bootstrap, seed, phase.advance, errors_of)
    n_rows = int((weight > 0).sum())
    found = differences_of(resampled, confidence_level, n_rows)
    with progress.phase("costs", 1 + latency * (1 + len(BATCH_SIZES))) as phase:
        costs = costs_of(models, latency, phase.advance)
    measures = {name: of_model.estimate for name, of_model in resampled.items()}
    outcomes: dict[str, dict[str, str]] = {
        other: {
            name: outcome_of(
                _relative_gain(found[other][name], measures[other][name]),
                *(n_rows, n_rows),
                margin=margin,
                level=confidence_level,
            )
            for name in _JUDGED
        }
        for other in ("baseline", "teacher")
        if other in found
    }
    report = RegressionReport(
        verdict="",
        outcome=overall(next(iter(outcomes.values()))) if outcomes else None,
        outcomes=outcomes,
        measures=measures,
        differences=found,
        costs=costs,
        labels=labels_of(baseline),
        n_rows=n_rows,
        margin=margin,
        confidence_level=confidence_level,
        n_bootstrap=n_bootstrap,
        notes=[],
    )
    report.notes.extend(notes_on_models(report, models))
    return replace(report, verdict=_verdict(report))


def _verdict(report: RegressionReport) -> str:
    names, level = names_in_sentences(report), report.confidence_level
    lines = [
        sentence(names[other], outcomes, report.differences[other], level, {})
        for other, outcomes in report.outcomes.items()
    ]
    of_student = report.measures["student"]
    alone = f"The student has RMSE {of_student['rmse']:.4g}; there is nothing to compare with."
    return "\n".join(lines or [alone])


def _relative_gain(difference: Difference, of_other: float) -> Difference:
    """Return how much smaller the student's error is, as a share of the other's."""
    of_other = of_other if of_other > 0 else math.inf
    return Difference(
        *(-value / of_other for value in (difference.estimate, difference.high, difference.low))
    )


def fit_on_y_only(reg: DistilledRegressor, X, y, sample_weight, verbose: int):
    """Train the same student with the same settings on y only; y stands for the teacher."""
    supervised = clone(reg).set_params(
        balancer=FixedBalance(0.0), distillation_loss=None, augmenter=None, verbose=verbose
    )
    return supervised.fit(X, y, sample_weight=sample_weight, teacher_prediction=y)


def error_terms(y, found, weight, teacher=None) -> Terms:
    """Return what each row adds to the sums, weighted; tables have a column for each output.

    Parameters
    ----------
    y, found, teacher : ndarrays of shape (n_rows, n_outputs)
    weight : ndarray of shape (n_rows,)
    """
    # Around the mean, so that the squares do not lose what they differ by.
    centered, column = y - np.average(y, axis=0, weights=weight), weight[:, np.newaxis]
    terms: Terms = {
        "weight": weight,
        "y": column * centered,
        "y_squared": column * centered**2,
        "squared": column * (found - y) ** 2,
        "absolute": column * np.abs(found - y),
    }
    if teacher is not None:
        terms["to_teacher"] = column * (found - teacher) ** 2
    return terms


def errors_of(sums: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the measures from sums, as means over the outputs; NaN where y does not vary."""
    total = sums["weight"]
    variation = sums["y_squared"] - sums["y"] ** 2 / total
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = np.where(variation > 0, 1 - sums["squared"] / variation, np.nan)
    measures = {
        "r2": r2.mean(axis=0),
        "rmse": np.sqrt(sums["squared"] / total).mean(axis=0),
        "mae": (sums["absolute"] / total).mean(axis=0),
    }
    if "to_teacher" in sums:
        measures["rmse_to_teacher"] = np.sqrt(sums["to_teacher"] / total).mean(axis=0)
    return measures
