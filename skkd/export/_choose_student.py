"""Choose the best student that keeps a budget of time and bytes, each measured as its ONNX file."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split

from .._classifier import DistilledClassifier
from .._distiller import all_or_nothing
from .._plots import LatencyDisplay
from .._progress import SILENT
from .._random import Seeds, draw_seeds
from .._student import (
    copied_for_training,
    is_default,
    net_of,
    prune,
    split_student,
    student_input,
)
from .._timing import first_rows, time_in_turn
from ._onnx_session import open_session
from ._require import require
from ._to_onnx import to_onnx

__all__ = ["StudentChoice", "choose_student"]

_PRUNING = "student__module__pruning"


@dataclass(frozen=True)
class StudentChoice:
    """Hold the chosen student, and what was measured of all. :func:`choose_student` makes it.

    Attributes
    ----------
    classifier : DistilledClassifier
        The chosen one, fitted.
    pruning : float
        How far it was pruned.
    candidates : dict of dicts of float
        By pruning: ``score`` (higher is better), ``row_us`` and ``row_us_p99`` (median and 99th
        percentile of the microseconds of one row) and ``bytes`` of the file. Made for
        ``pd.DataFrame(choice.candidates).T``.
    score_name : str
    max_row_us, max_bytes : float or None
        The budget.
    """

    classifier: DistilledClassifier = field(repr=False)
    pruning: float
    candidates: dict[float, dict[str, float]]
    score_name: str
    max_row_us: float | None
    max_bytes: float | None

    def plot(self, ax: Any = None) -> LatencyDisplay:
        """Draw the score of each candidate over its time, and the time that is allowed.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None: a new figure.

        Returns
        -------
        display : LatencyDisplay
        """
        points = {
            f"{found['bytes'] / 1e3:.1f} kB": {
                "student" if pruning == self.pruning else "baseline": {
                    "score": found["score"],
                    "milliseconds": found["row_us"] / 1e3,
                    "milliseconds_p99": found["row_us_p99"] / 1e3,
                }
            }
            for pruning, found in self.candidates.items()
        }
        labels = {"student": "chosen", "baseline": "another size"}
        display = LatencyDisplay(points, labels, self.score_name).plot(ax)
        if self.max_row_us is not None:
            display.ax_.axvline(self.max_row_us / 1e3, color="0.5", linestyle="--", linewidth=1)
        return display


def choose_student(
    clf: DistilledClassifier,
    X: Any,
    y: Any,
    *,
    max_row_us: float | None = None,
    max_bytes: float | None = None,
    scoring: str | Callable[..., float] = "neg_log_loss",
    pruning: Sequence[float] = (0.003, 0.01, 0.03, 0.1, 0.3),
    validation_fraction: float = 0.2,
) -> StudentChoice:
    """Train one student, prune it to several sizes, and return the best one that keeps a budget.

    Each size is written by :func:`skkd.export.to_onnx` with ``dtype="float32"``, and measured as
    this file, on this machine and one thread. The teacher works for one fit.

    Parameters
    ----------
    clf : DistilledClassifier
        What is trained, with a student of skkd for tables. Copies of it are fitted.
    X : array, frame or CSR matrix of shape (n_rows, n_features)
        Rows, as ``fit`` takes them.
    y : array of shape (n_rows,)
        Labels.
    max_row_us : float, default=None
        Microseconds that one row may take, without the time to make the file's input. None: any.
    max_bytes : float, default=None
        Bytes that the file may have. None: any.
    scoring : str or callable, default="neg_log_loss"
        A scorer of scikit-learn. It judges by the validation rows.
    pruning : sequence of float, default=(0.003, 0.01, 0.03, 0.1, 0.3)
        How far each candidate is pruned, as ``module__pruning`` of the student. More is smaller.
    validation_fraction : float, default=0.2
        Share of the rows that no student is trained on.

    Returns
    -------
    choice : StudentChoice
        The fitted student, and a table and a picture of all candidates.

    Raises
    ------
    ValueError
        If no candidate keeps the budget; the message says which came nearest. If an argument is not
        allowed, before any training.
    TypeError
        If ``clf`` is not a DistilledClassifier.
    ImportError
        If onnx or onnxruntime is not installed.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skkd import DistilledClassifier, choose_student
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = DistilledClassifier(LogisticRegression(max_iter=1000), augmenter=None)
    >>> clf = clf.set_params(student__max_epochs=5, random_state=0)
    >>> choice = choose_student(clf, X, y, max_bytes=20_000)
    >>> choice.candidates[choice.pruning]["bytes"] < 20_000
    True
    """
    for module in ("onnx", "onnxruntime"):
        require(module)
    name = _name_of_pruning(clf)
    _check_numbers(max_row_us, max_bytes, pruning, validation_fraction)
    scorer = check_scoring(clf, scoring=scoring)
    seed = clf.random_state
    if not isinstance(seed, Integral):
        (seed,) = draw_seeds(seed, 1)
    X, X_valid, y, y_valid = _split(X, y, validation_fraction, seed)
    unpruned = clone(clf).set_params(random_state=seed, **{name: 0.0}).fit(X, y)
    inputs, found, calls, fitted = student_input(unpruned, X), {}, {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for amount in sorted(set(map(float, pruning))):
            one = clone(clf).set_params(**{name: amount})
            with all_or_nothing(one):
                _prune_into(one, unpruned, inputs, amount, Seeds(*draw_seeds(seed)).pruning)
            exported = to_onnx(one, Path(folder) / "student.onnx", X_valid, dtype="float32")
            session = open_session(exported.path.read_bytes(), n_threads=1)
            feeds = [exported.feed(row) for row in first_rows(X_valid)]
            calls[str(amount)] = partial(session.run, ["probabilities"]), feeds
            score = float(scorer(one, X_valid, y_valid))
            found[amount], fitted[amount] = {"score": score, "bytes": exported.n_bytes}, one
    for key, seconds in time_in_turn(calls).items():
        median, slow = np.quantile(seconds, [0.5, 0.99])
        found[float(key)] |= {"row_us": 1e6 * float(median), "row_us_p99": 1e6 * float(slow)}
    best = _best(found, max_row_us, max_bytes)
    score_name = scoring if isinstance(scoring, str) else "score"
    return StudentChoice(fitted[best], best, found, score_name, max_row_us, max_bytes)


def _name_of_pruning(clf: DistilledClassifier) -> str:
    """Return the parameter that prunes the student; raise if there is none."""
    if not isinstance(clf, DistilledClassifier):
        raise TypeError(f"clf must be a DistilledClassifier; got {type(clf).__name__}.")
    if clf.teacher is None:
        raise ValueError("choose_student needs a teacher, and clf has teacher=None.")
    steps, net = split_student(clf.student)
    if not is_default(net):
        raise ValueError(
            "choose_student prunes students of skkd for tables, and this student is another one. "
            "Give student=None, 'mlp' or 'mlp_plr'."
        )
    return f"student__{clf.student.steps[-1][0]}__module__pruning" if steps else _PRUNING


def _prune_into(one: DistilledClassifier, unpruned, inputs, amount: float, seed: int) -> None:
    """Set what an unpruned classifier has learned, and prune a copy of its student."""
    params = one.get_params(deep=False)
    learned = {key: value for key, value in vars(unpruned).items() if key not in params}
    student = copied_for_training(unpruned.student_)
    net = net_of(student)
    net.module__pruning = net.module_.pruning = amount
    prune(net, inputs, None, seed, SILENT)
    vars(one).update(learned, student_=student)


def _check_numbers(max_row_us, max_bytes, pruning, validation_fraction) -> None:
    for name, value in {"max_row_us": max_row_us, "max_bytes": max_bytes}.items():
        if value is not None and not (isinstance(value, Real) and float(value) > 0):
            raise ValueError(f"{name}={value!r} is not allowed; give a number above 0, or None.")
    if not len(pruning) or not all(isinstance(one, Real) and float(one) >= 0 for one in pruning):
        raise ValueError(f"pruning={pruning!r} is not allowed; give numbers of at least 0.")
    if not (isinstance(validation_fraction, Real) and 0 < float(validation_fraction) < 1):
        raise ValueError(
            f"validation_fraction={validation_fraction!r} is not allowed; give a number in (0, 1)."
        )


def _split(X, y, validation_fraction: float, seed: int) -> tuple:
    """Return training and validation rows and their labels; each has every class."""
    try:
        X, X_valid, y, y_valid = train_test_split(
            X, y, test_size=validation_fraction, stratify=y, random_state=seed
        )
        missing = set(np.unique(y).tolist()) ^ set(np.unique(y_valid).tolist())
    except ValueError as error:
        raise ValueError(f"The rows can't be split for validation: {error}") from error
    if missing:
        raise ValueError(
            f"The classes {sorted(missing)[:6]} have too few rows to be in both training and "
            "validation rows. Leave them out, or change validation_fraction."
        )
    return X, X_valid, y, y_valid


def _best(found: dict[float, dict[str, float]], max_row_us, max_bytes) -> float:
    """Return the candidate with the best score within the budget."""
    budget = {"row_us": max_row_us, "bytes": max_bytes}
    budget = {measure: limit for measure, limit in budget.items() if limit is not None}

    def excess(one: float) -> float:
        return max((found[one][measure] / limit for measure, limit in budget.items()), default=0.0)

    fitting = [one for one in found if excess(one) <= 1]
    if not fitting:
        nearest = min(found, key=excess)
        raise ValueError(
            f"No student keeps the budget of {_described(budget)}. The nearest has "
            f"{_described(found[nearest])}, by pruning={nearest:g}. Allow that much, or prune more."
        )
    return max(fitting, key=lambda one: (found[one]["score"], -found[one]["bytes"]))


def _described(costs: Mapping[str, float]) -> str:
    units = {"row_us": "{:,.1f} µs a row", "bytes": "{:,.0f} bytes"}
    return " and ".join(text.format(costs[one]) for one, text in units.items() if one in costs)
