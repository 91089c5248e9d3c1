"""The verdict on cases whose answer is known."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from skkd.report import Difference
from skkd.report._verdict import BETTER, NO_WORSE, UNDECIDED, WORSE, outcome_of, sentence

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


def said(outcome, accuracy, log_loss=(0.0, -0.1, 0.1), retained=None, margin=0.01):
    found = {"accuracy": Difference(*accuracy), "log_loss": Difference(*log_loss)}
    return sentence(outcome, "labels alone", found, retained, margin, 0.95)


def test_sentences():
    assert said(BETTER, (0.012, 0.003, 0.021), retained=0.994) == (
        "Better than labels alone: accuracy +1.2 points (95 % interval +0.3 to +2.1); the student "
        "keeps 99.4 % of the teacher's accuracy."
    )
    assert said(NO_WORSE, (0.0, -0.005, 0.005)) == (
        "No worse than labels alone: accuracy +0.0 points (95 % interval -0.5 to +0.5), which "
        "rules out a loss of more than the margin of 1 point."
    )
    assert said(UNDECIDED, (0.0, -0.05, 0.05), margin=0.02) == (
        "Not to be told apart from labels alone: accuracy +0.0 points (95 % interval -5.0 to "
        "+5.0), on too few rows to rule out a loss of more than the margin of 2 points."
    )
    assert said(WORSE, (-0.03, -0.05, -0.01)) == (
        "Worse than labels alone: accuracy -3.0 points (95 % interval -5.0 to -1.0)."
    )
    assert "a loss within the margin of 1 point." in said(WORSE, (-0.003, -0.005, -0.001))


@pytest.mark.parametrize(
    ("log_loss", "expected"),
    [
        ((-0.12, -0.15, -0.1), "; log-loss lower, by 0.120 (0.100 to 0.150)."),
        ((0.12, 0.1, 0.15), "; log-loss higher, by 0.120 (0.100 to 0.150)."),
    ],
)
def test_log_loss_is_told_where_it_differs(log_loss, expected):
    assert said(BETTER, (0.012, 0.003, 0.021), log_loss).endswith(expected)


def test_what_is_unknown_is_not_told():
    text = said(UNDECIDED, (0.0, NAN, NAN), (0.0, NAN, NAN), retained=np.nan)
    assert "no interval" in text and "nan" not in text and "keeps" not in text
