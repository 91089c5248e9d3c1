import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import jensenshannon
from scipy.special import log_softmax, rel_entr, softmax
from scipy.stats import entropy
from sklearn.metrics import log_loss

from skkd.losses import (
    DISTILLATION_LOSSES,
    check_loss_values,
    cross_entropy,
    dkd,
    kl,
    logit_mse,
    soften,
    takes_labels,
)

TEMPERATURES = [1.0, 2.0, 4.0]
EPS = np.finfo(np.float64).eps

all_losses = pytest.mark.parametrize("loss", DISTILLATION_LOSSES.values(), ids=DISTILLATION_LOSSES)


def draw(n_rows=5, n_classes=4, scale=3.0, seed=0):
    """Logits of student and teacher, and labels."""
    rng = np.random.default_rng(seed)
    student, teacher = scale * rng.standard_normal((2, n_rows, n_classes))
    return student, teacher, rng.integers(n_classes, size=n_rows)


def call(loss, student, soft_targets, temperature=1.0, **options):
    tensors = [torch.as_tensor(x, dtype=torch.float64) for x in (student, soft_targets)]
    return loss(*tensors, temperature, **options).numpy()


def dkd_of_the_paper(student, teacher, labels, T, alpha, beta):
    """Equation 7 row by row: binary probabilities b and probabilities among the others."""
    values = []
    for z_s, z_t, label in zip(student, teacher, labels, strict=True):
        p_s, p_t = softmax(z_s / T), softmax(z_t / T)
        b_s, b_t = [np.array([p[label], 1 - p[label]]) for p in (p_s, p_t)]
        rest_s, rest_t = [softmax(np.delete(z, label) / T) for z in (z_s, z_t)]
        values.append(T**2 * (alpha * entropy(b_t, b_s) + beta * entropy(rest_t, rest_s)))
    return np.array(values)


ORACLES = {
    "kl": lambda p, q: rel_entr(q, p).sum(axis=1),
    "reverse_kl": lambda p, q: entropy(p, q, axis=1),
    "js": lambda p, q: jensenshannon(p, q, axis=1) ** 2,
}


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("name", ORACLES)
def test_divergence_equals_scipy(name, temperature):
    student, teacher, _ = draw()
    p, q = softmax(student / temperature, axis=1), softmax(teacher / temperature, axis=1)
    got = call(DISTILLATION_LOSSES[name], student, q, temperature)
    np.testing.assert_allclose(got, temperature**2 * ORACLES[name](p, q), rtol=1e-12)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_logit_mse_compares_centred_logits(temperature):
    student, teacher, _ = draw()
    difference = student - teacher
    expected = difference.var(axis=1)  # the variance centres by itself
    got = call(logit_mse, student, softmax(teacher / temperature, axis=1), temperature)
    np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_dkd_equals_the_paper(n_classes, temperature):
    student, teacher, labels = draw(n_classes=n_classes)
    got = call(
        dkd,
        student,
        softmax(teacher / temperature, axis=1),
        temperature,
        labels=torch.as_tensor(labels),
        alpha=0.7,
        beta=3.0,
    )
    expected = dkd_of_the_paper(student, teacher, labels, temperature, alpha=0.7, beta=3.0)
    np.testing.assert_allclose(got, expected, rtol=1e-10)


def test_dkd_without_labels_takes_the_teachers_first_choice():
    student, teacher, _ = draw()
    got = call(dkd, student, softmax(teacher, axis=1))
    expected = dkd_of_the_paper(student, teacher, teacher.argmax(axis=1), 1.0, alpha=1.0, beta=8.0)
    np.testing.assert_allclose(got, expected, rtol=1e-10)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_dkd_with_coupled_weights_is_kl(temperature):
    student, teacher, labels = draw()
    q = softmax(teacher / temperature, axis=1)
    for row, label in enumerate(labels):
        of_row = student[row : row + 1], q[row : row + 1], temperature
        got = call(dkd, *of_row, labels=torch.tensor([label]), beta=1 - q[row, label])
        np.testing.assert_allclose(got, call(kl, *of_row), rtol=1e-12)


def test_cross_entropy_equals_log_loss():
    student, _, labels = draw()
    got = cross_entropy(torch.as_tensor(student), torch.as_tensor(labels))
    assert got.shape == (5,)
    expected = log_loss(labels, softmax(student, axis=1), labels=range(4))
    np.testing.assert_allclose(got.mean(), expected, rtol=1e-12)


@all_losses
@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_identical_logits_give_zero(loss, temperature):
    logits, _, _ = draw()
    got = call(loss, logits, softmax(logits / temperature, axis=1), temperature)
    np.testing.assert_allclose(got, 0.0, atol=1e-13)


@all_losses
@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_gradient_equals_finite_differences(loss, temperature):
    student, teacher, _ = draw(n_rows=3)
    soft_targets = torch.as_tensor(softmax(teacher / temperature, axis=1))
    logits = torch.as_tensor(student).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: loss(z, soft_targets, temperature), logits)


@all_losses
@pytest.mark.parametrize("n_classes", [2, 26])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize("label", [None, 0, 1])
def test_value_and_gradient_are_finite_for_one_hot_targets(loss, n_classes, dtype, scale, label):
    logits = scale * torch.linspace(-1, 1, n_classes, dtype=dtype).repeat(2, 1)
    logits[1] = logits[1].flip(0)  # right and wrong by the same margin
    logits.requires_grad_()
    soft_targets = torch.zeros_like(logits)
    soft_targets[:, 0] = 1.0
    with_labels = label is not None and takes_labels(loss)
    options = {"labels": torch.full((2,), label)} if with_labels else {}
    value = loss(logits, soft_targets, 2.0, **options)
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    assert value.dtype == gradient.dtype == dtype
    assert value.isfinite().all() and gradient.isfinite().all()


def test_kl_of_one_hot_targets_is_cross_entropy():
    student, _, labels = draw()
    got = call(kl, student, np.eye(4)[labels])
    np.testing.assert_allclose(got, -log_softmax(student, axis=1)[range(5), labels], rtol=1e-12)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 7.0])
def test_soften_is_the_softmax_of_logits_over_temperature(temperature):
    _, teacher, _ = draw()
    got = soften(torch.as_tensor(softmax(teacher, axis=1)), temperature)
    np.testing.assert_allclose(got, softmax(teacher / temperature, axis=1), rtol=1e-13)


@pytest.mark.parametrize("temperature", [1e-3, 1.0, 4.0, 1e3])
def test_soften_keeps_zeros_and_sums_to_one(temperature):
    proba = torch.tensor([[0.0, 0.3, 0.7], [0.0, 0.0, 1.0]])
    got = soften(proba, temperature)
    assert (got[proba == 0] == 0).all()
    np.testing.assert_allclose(got.sum(1), 1.0, rtol=2 * torch.finfo(got.dtype).eps)


def test_only_dkd_takes_labels():
    assert [name for name, loss in DISTILLATION_LOSSES.items() if takes_labels(loss)] == ["dkd"]


# A loss of one's own


@all_losses
def test_own_losses_return_what_they_should(loss):
    logits = torch.zeros(5, 4, requires_grad=True)
    check_loss_values(loss(logits, torch.full((5, 4), 0.25), 2.0), logits)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (0.5, TypeError, "returned 0.5; expected a Tensor of shape"),
        (None, TypeError, "returned None; expected"),
        (np.zeros(5), TypeError, "returned array.*; expected"),
        (
            torch.zeros(5, dtype=torch.int64),
            TypeError,
            "returned a Tensor of torch.int64; expected",
        ),
        (torch.tensor(0.5), ValueError, r"a Tensor of shape \(\); .* Leave out the mean"),
        (torch.zeros(5, 4), ValueError, r"shape \(5, 4\); expected a Tensor of shape \(5,\), one"),
        (torch.zeros(4), ValueError, r"shape \(4,\); expected a Tensor of shape \(5,\)"),
        (torch.zeros(5), ValueError, "without a gradient in the student's logits"),
    ],
    ids=str,
)
def test_what_a_loss_returns_is_checked(values, error, message):
    with pytest.raises(error, match=f"^distillation_loss .*{message}"):
        check_loss_values(values, torch.zeros(5, 4, requires_grad=True))


logits_of_four = hnp.arrays(np.float64, (3, 4), elements=st.floats(-15, 15))
temperatures = st.floats(0.5, 10)


@all_losses
@given(student=logits_of_four, teacher=logits_of_four, temperature=temperatures)
def test_loss_is_finite_and_not_negative(loss, student, teacher, temperature):
    soft_targets = softmax(teacher / temperature, axis=1)
    got = call(loss, student, soft_targets, temperature)
    assert np.isfinite(got).all()
    # Sums of terms of at most |log p| < 70, each rounded a few times; dkd has its factor of 8.
    assert (got >= -(temperature**2) * 8 * 70 * 4 * EPS).all()


@all_losses
@given(student=logits_of_four, teacher=logits_of_four, shift=st.floats(-100, 100))
def test_loss_ignores_a_shift_of_the_logits(loss, student, teacher, shift):
    soft_targets = softmax(teacher, axis=1)
    expected = call(loss, student, soft_targets)
    np.testing.assert_allclose(
        call(loss, student + shift, soft_targets), expected, rtol=1e-12, atol=1e-11
    )


@given(student=logits_of_four, teacher=logits_of_four, temperature=temperatures)
def test_js_is_symmetric_and_bounded(student, teacher, temperature):
    p, q = softmax(student / temperature, axis=1), softmax(teacher / temperature, axis=1)
    js = DISTILLATION_LOSSES["js"]
    forward, backward = call(js, student, q, temperature), call(js, teacher, p, temperature)
    np.testing.assert_allclose(forward, backward, rtol=1e-10, atol=temperature**2 * 100 * EPS)
    assert (forward <= temperature**2 * np.log(2) * (1 + 10 * EPS)).all()


def test_js_reaches_its_bound_where_nothing_is_shared():
    got = call(DISTILLATION_LOSSES["js"], [[1e4, -1e4]], [[0.0, 1.0]])
    np.testing.assert_allclose(got, np.log(2), rtol=1e-12)


def test_reverse_kl_floors_the_teacher_at_the_resolution():
    got = call(DISTILLATION_LOSSES["reverse_kl"], [[0.0, -1e4]], [[0.0, 1.0]])
    np.testing.assert_allclose(got, -np.log(EPS), rtol=1e-12)
