"""What the numbers say of the student, in a word and in a sentence."""

import math

from ._bootstrap import Difference

BETTER, NO_WORSE, WORSE = "better", "no worse", "worse"
UNDECIDED = "not to be told apart"


def outcome_of(
    accuracy: Difference, n_rows: int, n_one_right: int, margin: float, level: float
) -> str:
    """Whether a model is better, no worse, worse, or not to be told apart from another.

    Parameters
    ----------
    accuracy : Difference
        The model's accuracy less the other's.
    n_rows : int
    n_one_right : int
        Rows on which just one of both is right.
    margin : float
        The largest loss of accuracy that is still "no worse".
    level : float
        Of the interval.

    Returns
    -------
    outcome : str

    Notes
    -----
    On few rows an interval from resampling is too short, down to a single point. So "better" and
    "worse" need as many rows with just one model right as would convince a sign test if all of them
    spoke for the same model; and "no worse" needs as many rows as would show a loss of the size of
    the margin, in one of them at least, with a probability of ``level``.
    """
    told = n_one_right >= 1 - math.log2(1 - level)  # 2 * 0.5**n <= 1 - level
    if accuracy.low > 0 and told:
        return BETTER
    if accuracy.high < 0 and told:
        return WORSE
    seen = margin == 1 or (margin > 0 and n_rows >= math.log(1 - level) / math.log1p(-margin))
    return NO_WORSE if accuracy.low > -margin and seen else UNDECIDED


def sentence(
    outcome: str,
    against: str,
    differences: dict[str, Difference],
    retained: float | None,
    margin: float,
    level: float,
) -> str:
    """The verdict on the student against another model, and what it keeps of the teacher.

    Parameters
    ----------
    outcome : str
    against : str
        What the other model is called.
    differences : dict
        The student's measures less the other's.
    retained : float or None
        The student's accuracy as a share of the teacher's.
    margin, level : float
    """
    accuracy, loss = differences["accuracy"], differences["log_loss"]
    preposition = {BETTER: "than ", NO_WORSE: "than ", WORSE: "than ", UNDECIDED: "from "}[outcome]
    interval = (
        f"{100 * level:g} % interval {_points(accuracy.low)} to {_points(accuracy.high)}"
        if math.isfinite(accuracy.low)
        else "no interval"
    )
    parts = [
        f"{outcome[0].upper()}{outcome[1:]} {preposition}{against}: accuracy "
        f"{_points(accuracy.estimate)} points ({interval})"
    ]
    allowed = f"{100 * margin:g} point{'' if margin == 0.01 else 's'}"
    if outcome == NO_WORSE:
        parts[0] += f", which rules out a loss of more than the margin of {allowed}"
    elif outcome == UNDECIDED:
        parts[0] += f", on too few rows to rule out a loss of more than the margin of {allowed}"
    elif outcome == WORSE and accuracy.low > -margin:
        parts[0] += f", a loss within the margin of {allowed}"
    if loss.low > 0 or loss.high < 0:
        word = "higher" if loss.low > 0 else "lower"
        parts.append(
            f"log-loss {word}, by {abs(loss.estimate):.3f} ({min(map(abs, loss[1:])):.3f} to "
            f"{max(map(abs, loss[1:])):.3f})"
        )
    if retained is not None and math.isfinite(retained):
        parts.append(f"the student keeps {100 * retained:.1f} % of the teacher's accuracy")
    return "; ".join(parts) + "."


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"
