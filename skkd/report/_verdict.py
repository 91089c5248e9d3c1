"""What the differences say of the student, in words."""

import math

import numpy as np

from ._bootstrap import Difference
from ._measures import MEASURES, Terms, label_of, rarer_of_two
from ._models import LABELS_ONLY
from ._text import cost

BETTER, NO_WORSE, WORSE = "better", "no worse", "worse"
UNDECIDED, MIXED = "undecided", "mixed"

# Measures whose differences are told in percentage points.
_SHARES = ("accuracy", "balanced_accuracy")


def verdict_of(report) -> str:
    """Say how the student compares with each other model, and which classes it never predicts."""
    names = names_in_sentences(report)
    rows = dict(zip(report.classes.tolist(), report.class_rows, strict=True))
    n_rows = [cost(rows[label]) for label in report.never_predicted["student"]]
    parts = [never_predicted_sentence(report.never_predicted, n_rows, names)]
    labels = {}
    if len(report.classes) == 2:
        rarer = report.classes.tolist()[rarer_of_two(report.class_rows)]
        labels["average_precision"] = f"average precision for class {rarer!r}"
    for other, outcomes in report.outcomes.items():
        found, level = report.differences[other], report.confidence_level
        parts.append(sentence(names[other], outcomes, found, level, labels))
    if not report.outcomes:
        measured = report.measures["student"]
        values = [f"{label_of(n)} {measured[n]:z.4f}" for n in ["log_loss", *report.scoring]]
        parts.append(f"The student has {', '.join(values)}; there is nothing to compare with.")
    return "\n".join(filter(None, parts))


def names_in_sentences(report) -> dict[str, str]:
    """Return what a sentence calls the models."""
    supervised = report.labels["baseline"] == LABELS_ONLY
    return {
        "teacher": "the teacher",
        "baseline": LABELS_ONLY if supervised else "the baseline",
        "student": "the student",
    }


def never_predicted(classes, class_rows, per_class) -> dict[str, list]:
    """Return by model the classes that have test rows but are never the most probable class."""
    return {
        model: classes[(class_rows > 0) & np.isnan(values["precision"])].tolist()
        for model, values in per_class.items()
    }


def outcomes_of(terms, found, names, margin, level) -> dict[str, dict[str, str]]:
    """Judge the student by other model and measure, against the baseline first."""
    return {
        other: {
            name: outcome_of(
                _gain(name, found[other][name]),
                *_evidence(name, terms["student"], terms[other]),
                margin=0.0 if name == "log_loss" else margin,
                level=level,
            )
            for name in dict.fromkeys(names)
        }
        for other in ("baseline", "teacher")
        if other in found
    }


def outcome_of(gain: Difference, n_rows: int, n_deciding: int, margin: float, level: float) -> str:
    """Judge one measure of the student against another model.

    Parameters
    ----------
    gain : Difference
        Positive if the student is better.
    n_rows, n_deciding : int
        All rows of the measure, and those that can decide it.
    margin, level : float
        The largest loss that is still "no worse", and the confidence level.

    Returns
    -------
    outcome : {"better", "no worse", "worse", "undecided"}

    Notes
    -----
    On few rows a bootstrap interval is too short, down to a single point. "Better" and "worse"
    therefore need enough deciding rows for a sign test, if all of them favored one model. "No
    worse" needs enough rows to see a loss of the margin at least once, with probability ``level``.
    """
    told = n_deciding >= 1 - math.log2(1 - level)  # 2 * 0.5**n <= 1 - level
    if gain.low > 0 and told:
        return BETTER
    if gain.high < 0 and told:
        return WORSE
    seen = margin >= 1 or (margin > 0 and n_rows >= math.log(1 - level) / math.log1p(-margin))
    return NO_WORSE if gain.low > -margin and seen else UNDECIDED


def _gain(name: str, difference: Difference) -> Difference:
    """Return a difference such that positive is better. A user's scores are better if higher."""
    if name in MEASURES and MEASURES[name].better < 0:
        return Difference(-difference.estimate, -difference.high, -difference.low)
    return difference


def _evidence(name: str, student: Terms, other: Terms) -> tuple[int, int]:
    """Return on how many rows a difference rests, and how many can decide it.

    Averages over classes rest on the rows outside of the largest class. An accuracy is decided by
    the rows on which one model alone is right.
    """
    n_rows = int((student["weight"] > 0).sum())
    by_class = name in ("balanced_accuracy", "average_precision", "roc_auc")
    if by_class:
        n_rows -= int((student["in_class"] > 0).sum(axis=0).max())
    if name in _SHARES:
        return n_rows, int(((student["right"] > 0) != (other["right"] > 0)).sum())
    return n_rows, n_rows


def overall(outcomes: dict[str, str]) -> str:
    """Sum up the outcomes by log-loss and by the scores."""
    found = set(outcomes.values())
    if {BETTER, WORSE} <= found:
        return MIXED
    for outcome in (BETTER, WORSE):
        if outcome in found:
            return outcome
    scores = {outcome for name, outcome in outcomes.items() if name != "log_loss"} or found
    return NO_WORSE if scores == {NO_WORSE} else UNDECIDED


def sentence(
    against: str,
    outcomes: dict[str, str],
    differences: dict[str, Difference],
    level: float,
    labels: dict[str, str],
) -> str:
    """Say how the student compares with another model, by each measure in ``outcomes``.

    Parameters
    ----------
    against : str
        Name of the other model.
    outcomes : dict
        Outcomes by measure.
    differences : dict
        By measure. The student's value less the other's.
    level : float
        Confidence level of the intervals.
    labels : dict
        Names by measure. Others keep their own label.
    """
    groups: dict[str, list[str]] = {}
    for name, outcome in outcomes.items():
        word = outcome if outcome in (BETTER, WORSE) else "level"
        label = labels.get(name, label_of(name))
        groups.setdefault(word, []).append(f"{label} ({_amount(name, differences[name], level)})")
    parts: list[str] = []
    for word, measures in groups.items():
        model = "" if parts else f" {'with' if word == 'level' else 'than'} {against}"
        parts.append(f"{word}{model} by {_joined(measures)}")
    text = ", and ".join(parts) if max(map(len, groups.values())) > 1 else _joined(parts)
    return f"{text[0].upper()}{text[1:]}."


def never_predicted_sentence(never: dict[str, list], rows: list[str], names: dict[str, str]) -> str:
    """Say which classes the student never predicts; empty if it predicts all.

    Parameters
    ----------
    never : dict of lists
        By model. Classes with test rows that are never predicted.
    rows : list of str
        Test rows of each of the student's classes.
    names : dict of str
        Names by model.
    """
    classes = never["student"]
    if not classes:
        return ""
    shown = [f"{label!r} ({n} test rows)" for label, n in zip(classes, rows, strict=True)][:6]
    more = [f"{len(classes) - 6} more"] if len(classes) > 6 else []
    text = f"The student never predicts class{'es' * (len(classes) > 1)} {_joined(shown + more)}"
    same = [names[model] for model in never if model != "student" and never[model] == classes]
    return f"{text}; neither do{'es' * (len(same) == 1)} {_joined(same)}." if same else f"{text}."


def margin_of(name: str, margin: float) -> str:
    """Write the margin in the unit of a measure."""
    if name in _SHARES:
        return f"{100 * margin:g} percentage point{'s' * (margin != 0.01)}"
    return f"{margin:g}"


def _amount(name: str, difference: Difference, level: float) -> str:
    """Write a difference with its unit and interval."""
    size = abs(difference.estimate)
    if math.isnan(size):
        return "unknown"
    factor, unit, form = 1, "", "+z.4f" if size < 0.01 else "+z.3f" if size < 100 else "+z,.0f"
    if name in _SHARES:
        factor, unit, form = 100, " percentage points", "+z.1f"
    estimate, low, high = (f"{factor * value:{form}}" for value in difference)
    if math.isnan(difference.low):
        return f"{estimate}{unit}, no interval"
    return f"{estimate}{unit}, {100 * level:g} % interval {low} to {high}"


def _joined(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
