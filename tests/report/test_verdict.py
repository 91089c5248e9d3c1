"""The verdict on cases whose answer is known."""

import pytest
from scipy.stats import binom, binomtest

from skkd.report import Difference
from skkd.report._text import decimal, signed
from skkd.report._verdict import (
    BETTER,
    MIXED,
    NO_WORSE,
    UNDECIDED,
    WORSE,
    never_predicted_sentence,
    outcome_of,
    overall,
    sentence,
)

NAN = float("nan")


@pytest.mark.parametrize(
    ("interval", "n_rows", "n_one_right", "expected"),
    [
        ((0.02, 0.001, 0.04), 1000, 50, BETTER),
        ((0.02, 0.0, 0.04), 1000, 50, NO_WORSE),
        ((0.0, -0.009, 0.02), 1000, 50, NO_WORSE),
        ((0.0, -0.01, 0.02), 1000, 50, UNDECIDED),
        ((0.0, -0.05, 0.05), 1000, 50, UNDECIDED),
        ((-0.02, -0.04, 0.0), 1000, 50, UNDECIDED),
        ((-0.02, -0.04, -0.001), 1000, 50, WORSE),
        ((-0.002, -0.004, -0.001), 100_000, 500, WORSE),
        # Few rows, on which resamples hardly differ.
        ((0.0, 0.0, 0.0), 299, 0, NO_WORSE),
        ((0.0, 0.0, 0.0), 298, 0, UNDECIDED),
        ((1.0, 1.0, 1.0), 5, 5, UNDECIDED),
        ((1.0, 1.0, 1.0), 6, 6, BETTER),
        ((-1.0, -1.0, -1.0), 5, 5, UNDECIDED),
        ((-1.0, -1.0, -1.0), 6, 6, WORSE),
        ((0.005, 0.001, 0.01), 1000, 5, NO_WORSE),
        ((0.0, NAN, NAN), 1, 0, UNDECIDED),
    ],
)
def test_outcome(interval, n_rows, n_one_right, expected):
    assert outcome_of(Difference(*interval), n_rows, n_one_right, 0.01, 0.95) == expected


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95, 0.99, 0.999])
def test_fewest_rows_with_one_right_are_those_of_a_sign_test(level):
    all_better = Difference(1.0, 1.0, 1.0)
    for n in range(1, 15):
        convinces = binomtest(n, n).pvalue <= 1 - level
        found = outcome_of(all_better, n, n, 0.0, level)
        assert found == (BETTER if convinces else UNDECIDED), n


@pytest.mark.parametrize("margin", [0.001, 0.01, 0.2, 1.0])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_fewest_rows_would_show_a_loss_of_the_margin(margin, level):
    same = Difference(0.0, 0.0, 0.0)
    needed = next(n for n in range(1, 10_000) if binom.sf(0, n, margin) >= level)
    assert outcome_of(same, needed, 0, margin, level) == NO_WORSE
    if needed > 1:
        assert outcome_of(same, needed - 1, 0, margin, level) == UNDECIDED


def test_without_a_margin_nothing_is_no_worse():
    assert outcome_of(Difference(0.0, 0.0, 0.0), 10**6, 0, 0.0, 0.95) == UNDECIDED


MINUS_ZERO = -1e-9


def said(outcomes, differences, against="labels only"):
    found = {name: Difference(*values) for name, values in differences.items()}
    return sentence(against, outcomes, found, 0.95, {"my_cost": "cost in euros"})


def test_sentences():
    assert said(
        {"log_loss": BETTER, "accuracy": UNDECIDED},
        {"log_loss": (-0.115, -0.13, -0.1), "accuracy": (0.004, -0.005, 0.013)},
    ) == (
        "Better than labels only by log-loss (-0.115, 95 % interval -0.130 to -0.100) and level by "
        "accuracy (+0.4 percentage points, 95 % interval -0.5 to +1.3)."
    )
    assert said(
        {"log_loss": NO_WORSE, "accuracy": WORSE},
        {"log_loss": (0.0, MINUS_ZERO, 0.0), "accuracy": (-0.028, -0.04, -0.016)},
        "the teacher",
    ) == (
        "Level with the teacher by log-loss (+0.0000, 95 % interval +0.0000 to +0.0000) and worse "
        "by accuracy (-2.8 percentage points, 95 % interval -4.0 to -1.6)."
    )
    assert said(
        {"log_loss": WORSE, "my_cost": WORSE, "roc_auc": BETTER},
        {
            "log_loss": (0.1, 0.05, 0.15),
            "my_cost": (-1234.4, -2000.0, -500.0),
            "roc_auc": (0.1, 0.05, 0.15),
        },
    ) == (
        "Worse than labels only by log-loss (+0.100, 95 % interval +0.050 to +0.150) and cost in "
        "euros (-1,234, 95 % interval -2,000 to -500), and better by ROC AUC (+0.100, 95 % "
        "interval +0.050 to +0.150)."
    )


def test_no_minus_zero():
    text = said({"accuracy": UNDECIDED}, {"accuracy": (MINUS_ZERO, MINUS_ZERO, MINUS_ZERO)})
    assert "-0.0" not in text
    for text in (signed(MINUS_ZERO), decimal(MINUS_ZERO), signed(-0.0)):
        assert "-" not in text


def test_what_is_unknown_is_not_told():
    text = said({"log_loss": UNDECIDED}, {"log_loss": (0.1, NAN, NAN)})
    assert text == "Level with labels only by log-loss (+0.100, no interval)."
    text = said({"roc_auc": UNDECIDED}, {"roc_auc": (NAN, NAN, NAN)})
    assert text == "Level with labels only by ROC AUC (unknown)."


@pytest.mark.parametrize(
    ("log_loss", "scores", "expected"),
    [
        (BETTER, [UNDECIDED], BETTER),
        (UNDECIDED, [BETTER], BETTER),
        (BETTER, [WORSE], MIXED),
        (WORSE, [NO_WORSE], WORSE),
        (UNDECIDED, [BETTER, WORSE], MIXED),
        (UNDECIDED, [NO_WORSE], NO_WORSE),
        (UNDECIDED, [NO_WORSE, UNDECIDED], UNDECIDED),
        (UNDECIDED, [], UNDECIDED),
    ],
)
def test_outcomes_are_summed_up(log_loss, scores, expected):
    outcomes = {"log_loss": log_loss} | {f"score {i}": one for i, one in enumerate(scores)}
    assert overall(outcomes) == expected


def test_classes_that_are_never_predicted_are_named():
    names = {"teacher": "the teacher", "baseline": "labels only"}

    def text(**never):
        rows = ["12"] * len(never["student"])
        return never_predicted_sentence(never, rows, names)

    assert text(student=[]) == ""
    assert text(student=["fraud"], teacher=[]) == (
        "The student never predicts class 'fraud' (12 test rows)."
    )
    assert text(student=[1], teacher=[1], baseline=[1]) == (
        "The student never predicts class 1 (12 test rows); neither do the teacher and labels only."
    )
    assert text(student=[1, 2], teacher=[1], baseline=[1, 2]) == (
        "The student never predicts classes 1 (12 test rows) and 2 (12 test rows); neither does "
        "labels only."
    )
    assert text(student=list(range(30))).endswith("5 (12 test rows) and 24 more.")
