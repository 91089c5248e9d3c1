"""Equal weights are no weights, whatever takes part in a fit."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from skkd.students import default_student
from tests.helpers import fitted_teacher, make_data, quick, quick_net

X, Y = make_data(300)
TEACHER = fitted_teacher(X, Y)

CASES = {
    "net": {},
    "default": {"student": default_student().set_params(max_epochs=8)},
    "cross-fitted": {"teacher": LogisticRegression(), "cv": 3},
    "forest": {"teacher": RandomForestClassifier(20, bootstrap=False, random_state=0), "cv": 3},
    "early stopping": {"early_stopping": True},
    "synthetic rows": {"augmenter": "neighbor_swap"},
    "auto": {"augmenter": "auto"},
    "all of it": {
        "teacher": LogisticRegression(),
        "augmenter": "auto",
        "early_stopping": True,
        "student": default_student().set_params(max_epochs=8),
    },
    "row by row": {"balancer": "sample_wise"},
    "any loss": {"distillation_loss": "js"},
    "calibrated": {"teacher": LogisticRegression(), "calibrate": "vector"},
}


def assert_same(weighted, plain, rtol):
    np.testing.assert_allclose(weighted.predict_proba(X), plain.predict_proba(X), rtol=rtol)
    assert repr(weighted.augmenter_) == repr(plain.augmenter_)
    assert weighted.n_iter_ == plain.n_iter_


def fitted(case, rows=X, **fit_params):
    params = {"teacher": TEACHER, "student": quick_net(max_epochs=8)} | CASES[case]
    return quick(**params).fit(rows, Y, **fit_params)


@pytest.mark.parametrize("case", CASES)
def test_weights_of_one_are_no_weights(case):
    assert_same(fitted(case, sample_weight=np.ones(300)), fitted(case), rtol=1e-6)


@pytest.mark.parametrize("case", ["net", "default", "early stopping", "synthetic rows"])
def test_equal_weights_are_no_weights(case):
    assert_same(fitted(case, sample_weight=np.full(300, 0.3)), fitted(case), rtol=1e-6)


def test_weights_of_one_with_sparse_and_unlabeled_rows():
    rows, more = sparse.csr_array(X), sparse.csr_array(make_data(50, seed=1)[0])
    weighted = fitted("net", rows, sample_weight=np.ones(300), X_unlabeled=more)
    assert_same(weighted, fitted("net", rows, X_unlabeled=more), rtol=1e-6)


def test_balanced_weights_of_balanced_classes_are_no_weights():
    y = np.arange(300) % 3
    params = {"teacher": LogisticRegression(), "student": quick_net(max_epochs=5)}
    plain = quick(**params).fit(X, y)
    balanced = quick(**params, class_weight="balanced").fit(X, y)
    assert_same(balanced, plain, rtol=1e-6)
