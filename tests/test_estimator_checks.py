"""scikit-learn's own checks: none is skipped, and none fails but for what is random."""

from unittest import SkipTest

import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from skkd import DistilledClassifier, DistilledRegressor
from skkd.students import make_student

# scikit-learn's own words for its estimators that draw random numbers for each row.
STOCHASTIC = "sample_weight is not equivalent to removing/repeating samples."
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": STOCHASTIC,
    "check_sample_weight_equivalence_on_sparse_data": STOCHASTIC,
}


def deterministic(kind, teacher, task):
    """Its size is not of the number of rows, and all rows are in each batch."""
    student = make_student("mlp", task=task).set_params(
        max_epochs=30,
        batch_size=-1,
        module__dropout=0.0,
        module__pruning=0.0,
        module__bins=(),
    )
    return kind(teacher, student, cv=3)


def passes(estimator, check):
    try:
        check(estimator)
    except (SkipTest, pytest.skip.Exception) as reason:
        pytest.fail(f"skipped: {reason}")


CHECKS = [
    *estimator_checks_generator(
        deterministic(DistilledClassifier, LogisticRegression(), "classification")
    ),
    *estimator_checks_generator(
        deterministic(DistilledRegressor, LinearRegression(), "regression")
    ),
]


# By names of their own: scikit-learn's hold the addresses of callbacks, which differ by process.
@pytest.mark.parametrize(
    ("estimator", "check"),
    CHECKS,
    ids=[f"{type(one).__name__}-{getattr(check, 'func', check).__name__}" for one, check in CHECKS],
)
def test_deterministic_student(estimator, check):
    passes(estimator, check)


@pytest.mark.slow
@parametrize_with_checks(
    [DistilledClassifier(LogisticRegression(), cv=3), DistilledRegressor(LinearRegression(), cv=3)],
    expected_failed_checks=lambda estimator: EXPECTED,
)
def test_default_student(estimator, check):
    passes(estimator, check)


def test_the_checks_are_there():
    # What the tags rule out is not even counted as skipped.
    assert len(CHECKS) > 100
