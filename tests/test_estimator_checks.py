"""scikit-learn's own checks: none is skipped, and none fails but for what is random."""

from unittest import SkipTest

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from skkd import DistilledClassifier
from skkd.students import default_student

# scikit-learn's own words for its estimators that draw random numbers for each row.
STOCHASTIC = "sample_weight is not equivalent to removing/repeating samples."
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": STOCHASTIC,
    "check_sample_weight_equivalence_on_sparse_data": STOCHASTIC,
}


def deterministic():
    """Its size is not of the number of rows, and all rows are in each batch."""
    student = default_student().set_params(
        max_epochs=30,
        batch_size=-1,
        module__dropout=0.0,
        module__pruning=0.0,
        module__bins=(),
    )
    return DistilledClassifier(LogisticRegression(), student, cv=3)


def passes(estimator, check):
    try:
        check(estimator)
    except (SkipTest, pytest.skip.Exception) as reason:
        pytest.fail(f"skipped: {reason}")


CHECKS = list(estimator_checks_generator(deterministic()))


# By names of their own: scikit-learn's hold the addresses of callbacks, which differ by process.
@pytest.mark.parametrize(
    ("estimator", "check"),
    CHECKS,
    ids=[getattr(check, "func", check).__name__ for _, check in CHECKS],
)
def test_deterministic_student(estimator, check):
    passes(estimator, check)


@pytest.mark.slow
@parametrize_with_checks(
    [DistilledClassifier(LogisticRegression(), cv=3)],
    expected_failed_checks=lambda estimator: EXPECTED,
)
def test_default_student(estimator, check):
    passes(estimator, check)


def test_the_checks_are_there():
    # What the tags rule out is not even counted as skipped.
    assert len(CHECKS) > 50
