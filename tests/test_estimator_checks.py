"""scikit-learn's own checks: none fails, none is skipped."""

from unittest import SkipTest

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

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
    try:
        check(estimator)
    except (SkipTest, pytest.skip.Exception) as reason:
        pytest.fail(f"skipped: {reason}")


def test_the_checks_are_there():
    # What the tags rule out is not even counted as skipped.
    assert len(list(estimator_checks_generator(estimators()[0]))) > 50
