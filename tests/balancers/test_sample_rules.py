"""Rules that weigh each row by itself."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax, xlogy

from skkd.balancers import BatchRows, SampleWise, StepState
from skkd.balancers._sample_rules import RULES
from tests.helpers import make_data, quick

every_rule = pytest.mark.parametrize("rule", RULES)
dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)


def rows_of(logits, labels, proba, dtype=torch.float64):
    return BatchRows(
        logits=torch.as_tensor(np.asarray(logits), dtype=dtype),
        labels=torch.as_tensor(labels),
        teacher_proba=torch.as_tensor(np.asarray(proba), dtype=dtype),
    )


def some_rows(n_rows=50, n_classes=4, seed=0):
    rng = np.random.default_rng(seed)
    logits = 2 * rng.standard_normal((n_rows, n_classes))
    return logits, rng.integers(n_classes, size=n_rows), rng.dirichlet(np.ones(n_classes), n_rows)


def weights_of(rule, rows, weight=0.7):
    """The balancing parameter of each row."""
    return SampleWise(rule, weight=weight).reset().weights(StepState(rows=rows))[1]


# The formulas, by numpy


def by_hand(rule, logits, labels, proba):
    each = np.arange(len(labels))
    log_p = log_softmax(logits, axis=1)
    if rule == "wsl":
        return 1 - np.exp(log_p[each, labels] / -np.log(proba[each, labels]))
    if rule == "teacher_correct":
        return (proba.argmax(axis=1) == labels).astype(float)
    if rule == "student_entropy":
        return -xlogy(np.exp(log_p), np.exp(log_p)).sum(axis=1) / np.log(logits.shape[1])
    return np.minimum(softmax(logits, axis=1), proba).sum(axis=1)  # the overlap


@every_rule
@pytest.mark.parametrize("weight", [0.0, 0.3, 0.7])
@pytest.mark.parametrize("n_classes", [2, 4, 26])
def test_rule_equals_its_formula(rule, weight, n_classes):
    logits, labels, proba = some_rows(n_classes=n_classes)
    factors = by_hand(rule, logits, labels, proba)
    assert 0 <= factors.min() < factors.max() <= 1
    ratios = weight / (1 - weight) * factors
    got = weights_of(rule, rows_of(logits, labels, proba), weight)
    np.testing.assert_allclose(got, ratios / (1 + ratios), rtol=1e-12)


SURE = 50 * np.eye(3)
LIMITS = {
    # Student, label, teacher, factor.
    "wsl": [
        (SURE[0], 0, [1 / 3, 1 / 3, 1 / 3], 0.0),  # easy for the student
        (SURE[1], 0, [1 / 3, 1 / 3, 1 / 3], 1.0),  # it errs
        (np.zeros(3), 0, [1.0, 0.0, 0.0], 1.0),  # the teacher is sure and right
        (np.zeros(3), 0, [0.0, 1.0, 0.0], 0.0),  # sure and wrong
        (SURE[0], 0, [0.0, 1.0, 0.0], 0.0),
        (np.zeros(3), 0, [1 / 3, 1 / 3, 1 / 3], 1 - np.exp(-1)),  # as good as each other
    ],
    "teacher_correct": [
        (SURE[0], 0, [1.0, 0.0, 0.0], 1.0),
        (SURE[0], 0, [0.0, 1.0, 0.0], 0.0),
        (SURE[0], 1, [0.4, 0.6, 0.0], 1.0),
    ],
    "student_entropy": [
        (np.zeros(3), 0, [1.0, 0.0, 0.0], 1.0),
        (SURE[0], 0, [1.0, 0.0, 0.0], 0.0),
        (np.array([0.0, 0.0, -800.0]), 0, [1.0, 0.0, 0.0], np.log(2) / np.log(3)),
    ],
    "agreement": [
        (SURE[0], 1, [1.0, 0.0, 0.0], 1.0),
        (SURE[0], 0, [0.0, 1.0, 0.0], 0.0),
        (np.zeros(3), 0, [1.0, 0.0, 0.0], 1 / 3),
    ],
}


@dtypes
@pytest.mark.parametrize(
    ("rule", "case"), [(name, case) for name in LIMITS for case in LIMITS[name]]
)
def test_limits(rule, case, dtype):
    logits, label, proba, factor = case
    [got] = weights_of(rule, rows_of([logits], [label], [proba], dtype), 0.5)
    assert float(got) == pytest.approx(
        factor / (1 + factor), abs=2e-6 if dtype.itemsize == 4 else 1e-9
    )


@every_rule
@dtypes
def test_weights_keep_the_dtype(rule, dtype):
    task, distillation = (
        SampleWise(rule).reset().weights(StepState(rows=rows_of(*some_rows(), dtype)))
    )
    assert task.dtype == distillation.dtype == dtype


# A rule of one's own


def test_callable_gives_the_factors():
    logits, labels, proba = some_rows()
    got = weights_of(lambda rows: rows.teacher_proba.amax(-1), rows_of(logits, labels, proba), 0.5)
    factors = proba.max(axis=1)
    np.testing.assert_allclose(got, factors / (1 + factors), rtol=1e-12)


def test_factors_are_clipped_and_nan_is_none():
    factors = torch.tensor([-1.0, 0.5, 2.0, np.nan, np.inf, -np.inf])
    rows = rows_of(np.zeros((6, 2)), [0] * 6, np.full((6, 2), 0.5), torch.float32)
    got = weights_of(lambda rows: factors, rows, 0.5)
    np.testing.assert_allclose(got, [0, 1 / 3, 0.5, 0, 0.5, 0], rtol=1e-6)


def test_own_rule_may_answer_yes_or_no():
    logits, labels, proba = some_rows()
    rows = rows_of(logits, labels, proba)
    got = weights_of(lambda rows: rows.teacher_proba.argmax(-1) == rows.labels, rows)
    np.testing.assert_array_equal(got, weights_of("teacher_correct", rows))


def test_own_rule_may_answer_in_another_dtype():
    rows = rows_of(*some_rows(), torch.float32)
    got = weights_of(lambda rows: rows.teacher_proba.double().amax(-1), rows)
    assert got.dtype == torch.float32


@pytest.mark.parametrize("shape", [(), (1,), (51,), (50, 1), (50, 4)], ids=str)
def test_factors_of_a_wrong_shape(shape):
    with pytest.raises(
        ValueError, match=r"rule of SampleWise.*shape .*expected one per row, \(50,\)"
    ):
        weights_of(lambda rows: torch.ones(shape), rows_of(*some_rows()))


# Any rows

extreme = st.floats(-1e30, 1e30) | st.sampled_from([-1e30, -800.0, 0.0, 800.0, 1e30])


@st.composite
def batches(draw):
    n_classes = draw(st.integers(2, 4))
    n_rows = draw(st.integers(1, 4))
    several = {"min_size": n_classes, "max_size": n_classes}
    logits = [draw(st.lists(extreme, **several)) for _ in range(n_rows)]
    raw = [draw(st.lists(st.floats(0, 1), **several)) for _ in range(n_rows)]
    sure = np.eye(n_classes)
    proba = [np.array(p) / sum(p) if sum(p) > 1e-3 else sure[0] for p in raw]
    if draw(st.booleans()):
        proba[0] = sure[draw(st.integers(0, n_classes - 1))]  # exact zeros and an exact one
    labels = draw(st.lists(st.integers(0, n_classes - 1), min_size=n_rows, max_size=n_rows))
    return rows_of(logits, labels, proba, draw(st.sampled_from([torch.float32, torch.float64])))


@given(rows=batches(), rule=st.sampled_from(list(RULES)), weight=st.floats(0, 0.99), data=st.data())
def test_weights_of_any_rows_are_finite_and_bounded_and_sum_to_one(rows, rule, weight, data):
    low, high = sorted(data.draw(st.tuples(st.floats(0, 1), st.floats(0, 1))))
    balancer = SampleWise(rule, weight=weight, min_weight=low, max_weight=high)
    balancer.validate()
    task, distillation = balancer.reset().weights(StepState(rows=rows))
    room = 1e-6
    assert (distillation >= low - room).all() and (distillation <= high + room).all()
    assert (task >= 0).all()
    np.testing.assert_allclose(task + distillation, 1.0, rtol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"smoothing": 0.5},
        {"conflict_clamp": True},
        {"admissible_step": True},
        {"gradients": "all"},
    ],
    ids=str,
)
def test_parameters_of_one_weight_for_all_rows_are_refused(options):
    [(name, value)] = options.items()
    with pytest.raises(ValueError, match=f"^{name}={value!r} of SampleWise.*each row has a weight"):
        SampleWise(**options).validate()


# In a training


@every_rule
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_by_rows(rule, dtype):
    X, y = make_data(dtype=dtype)
    proba = np.random.default_rng(0).dirichlet(np.ones(3), len(X))
    proba[:10] = np.eye(3)[y[:10]]
    clf = quick(None, balancer=SampleWise(rule, weight=0.6)).set_params(student__batch_size=20)
    history = clf.fit(X, y, teacher_proba=proba).history_
    assert (history["weight_min"] <= history["weight"]).all()
    assert (history["weight"] <= history["weight_max"]).all()
    assert (history["weight_min"] >= 0).all() and (history["weight_max"] <= 0.6 + 1e-7).all()
    assert (history["weight_min"] < history["weight_max"]).all()
    assert history["loss"][-1] < history["loss"][0]
