"""Probabilities as a teacher or a file gives them, off by rounding or not."""

from dataclasses import astuple

import numpy as np
import pytest
import torch

from skkd._classification.knowledge import knowledge_of
from skkd._classification.task import Classification
from skkd._probabilities import check_proba
from tests.helpers import Says, make_data, quick, targets_seen

X, Y = make_data()
PROBA = np.random.default_rng(0).dirichlet([0.3, 0.3, 0.3], len(X))


def last_by_subtraction():
    """The last column is one less the others, which is below zero by rounding."""
    proba = PROBA.copy()
    proba[:5] = [0.1 + 0.2, 0.7, 0.0]
    proba[:, 2] = 1 - (proba[:, 0] + proba[:, 1])
    proba[5, 2] = -2.8e-17
    proba[5, :2] = proba[5, :2] / proba[5, :2].sum()
    assert -1e-6 < proba.min() < 0
    return proba


ROUNDED = {
    "below zero": last_by_subtraction(),
    "two digits": PROBA.round(2),
    "three digits": PROBA.round(3),
    "float16": PROBA.astype(np.float16),
    "tensor": torch.tensor(PROBA),
    "tensor of bfloat16": torch.tensor(PROBA).bfloat16(),
    "tensor with a gradient": torch.tensor(PROBA, requires_grad=True),
    "sum of 1.02": PROBA * 1.0199,
    "sum of 0.98": PROBA * 0.9801,
}


@pytest.mark.parametrize("case", ROUNDED)
def test_rounded_probabilities_are_mended(case):
    given = ROUNDED[case]
    targets, _ = targets_seen(None, X, Y, fit_params={"teacher_proba": given})
    plain = given.detach().float().numpy() if torch.is_tensor(given) else np.asarray(given, float)
    expected = np.maximum(plain, 0)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(targets, expected, rtol=2e-3, atol=1e-6)
    np.testing.assert_allclose(targets.sum(axis=1), 1, atol=2e-3 if "float16" in case else 1e-5)


@pytest.mark.parametrize("case", ["below zero", "two digits", "sum of 1.02", "tensor"])
def test_a_teacher_may_round_as_well(case):
    targets, _ = targets_seen(Says([0, 1, 2], ROUNDED[case]), X, Y)
    assert (targets >= 0).all()
    np.testing.assert_allclose(targets.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("proba", "message"),
    [
        (PROBA * 1.03, r"must sum to one; they are off by up to 0\.03"),
        (PROBA * 0.97, r"must sum to one; they are off by up to 0\.03"),
        (np.tile([-1e-5, 0.5, 0.50001], (60, 1)), "contains negative values, down to -1e-05"),
    ],
    ids=["above", "below", "negative"],
)
def test_what_is_off_by_more_is_an_error(proba, message):
    with pytest.raises(ValueError, match=message):
        quick(None).fit(X, Y, teacher_proba=proba)


@pytest.mark.parametrize(("value", "is_mended"), [(-0.9e-6, True), (-1.1e-6, False)])
def test_how_far_below_zero_is_rounding(value, is_mended):
    proba = np.array([[value, 1.0]])
    if is_mended:
        np.testing.assert_array_equal(check_proba(proba, 1, 2, "proba"), [[0.0, 1.0]])
        assert proba[0, 0] == value  # the user's own array stays as it is
    else:
        with pytest.raises(ValueError, match="proba contains negative values, down to -1.1e-06"):
            check_proba(proba, 1, 2, "proba")


def test_plain_probabilities_are_not_copied():
    task = Classification(np.arange(3))
    assert task.read_answers(PROBA, len(PROBA)) is PROBA


@pytest.mark.parametrize("scale", [1e-300, 1e200])
def test_the_scale_of_weights_does_not_change_what_a_teacher_knows(scale):
    rng = np.random.default_rng(0)
    proba, labels = rng.dirichlet(np.ones(3), 50), rng.integers(0, 3, 50)
    weight = rng.uniform(0.5, 2, 50)
    scaled = knowledge_of(proba, labels, scale * weight)
    expected = knowledge_of(proba, labels, weight)
    np.testing.assert_allclose(astuple(scaled), astuple(expected), rtol=1e-9)
    assert scaled.error > 0
