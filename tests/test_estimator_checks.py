"""scikit-learn's own checks: none fails, none is skipped."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from skkd import DistilledClassifier
from skkd.students import TabularMLP
from tests.helpers import quick_net


def estimators():
    student = quick_net(
        TabularMLP, optimizer=torch.optim.SGD, max_epochs=30, lr=0.3, batch_size=256
    )
    return [
        DistilledClassifier(LogisticRegression(), cv=3),
        DistilledClassifier(LogisticRegression(), student, cv=3),
    ]


@parametrize_with_checks(estimators())
def test_estimator_check(estimator, check):
    check(estimator)


@pytest.mark.slow
def test_no_check_is_skipped():
    # Counted with the explicit student, which is the faster one.
    results = check_estimator(estimators()[1], on_skip=None, on_fail=None)
    assert {result["status"] for result in results} == {"passed"}
    assert len(results) > 50
