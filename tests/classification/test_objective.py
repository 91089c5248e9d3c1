import numpy as np
import pytest
import torch

from skkd._classification import objective as _objective
from skkd._classification.objective import Autograd, ClosedForm
from skkd._classification.task import Classification
from skkd.losses import DISTILLATION_LOSSES, kl

N_ROWS, N_CLASSES = 7, 3
ALL = slice(None)
TASK = Classification(np.arange(N_CLASSES))


def same_as_kl(student_logits, soft_targets, temperature=1.0):
    """The divergence under another name, which takes the way of any loss."""
    return kl(student_logits, soft_targets, temperature)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(N_CLASSES), N_ROWS)
    proba[0] = [0.0, 1.0, 0.0]
    labels = rng.integers(N_CLASSES, size=N_ROWS)
    logits = torch.as_tensor(2 * rng.standard_normal((N_ROWS, N_CLASSES)))
    return labels, proba, logits


def objective_of(labels, proba, weight=None, *, loss=kl, temperature=1.0):
    objective = TASK.objective(labels, proba, weight, loss, "cpu", torch.float64)
    objective.soften(temperature)
    return objective


TEMPERATURES = [1.0, 3.0, "teacher_entropy"]


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("rows", [ALL, torch.tensor([4, 1, 2])], ids=["all", "some"])
def test_closed_form_equals_autograd(data, temperature, weighted, rows):
    labels, proba, logits = data
    weight = np.arange(1.0, N_ROWS + 1) if weighted else None
    closed = objective_of(labels, proba, weight, temperature=temperature)
    general = objective_of(labels, proba, weight, loss=same_as_kl, temperature=temperature)
    assert isinstance(closed, ClosedForm) and isinstance(general, Autograd)
    for got, expected in zip(closed(logits[rows], rows), general(logits[rows], rows), strict=True):
        assert got.shape == expected.shape
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("loss", DISTILLATION_LOSSES.values(), ids=DISTILLATION_LOSSES)
def test_gradients_equal_finite_differences(data, loss, temperature):
    labels, proba, logits = data
    weight = np.arange(1.0, N_ROWS + 1)
    objective = objective_of(labels, proba, weight, loss=loss, temperature=temperature)
    _, gradients = objective(logits, ALL)
    h = 1e-5
    for row, column in np.ndindex(*logits.shape):
        shift = torch.zeros_like(logits)
        shift[row, column] = h
        slope = (objective(logits + shift, ALL)[0] - objective(logits - shift, ALL)[0]) / (2 * h)
        torch.testing.assert_close(gradients[:, row, column], slope, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("loss", DISTILLATION_LOSSES.values(), ids=DISTILLATION_LOSSES)
def test_integer_weights_equal_repeated_rows(data, loss):
    labels, proba, logits = data
    counts = np.array([1, 3, 2, 1, 1, 4, 1])
    repeats = np.repeat(np.arange(N_ROWS), counts)
    losses, gradients = objective_of(labels, proba, counts.astype(float), loss=loss)(logits, ALL)
    repeated = objective_of(labels[repeats], proba[repeats], loss=loss)
    expected, of_each = repeated(logits[repeats], ALL)
    torch.testing.assert_close(losses, expected, rtol=1e-12, atol=0)
    summed = torch.zeros_like(gradients).index_add_(1, torch.as_tensor(repeats), of_each)
    torch.testing.assert_close(gradients, summed, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("loss", [kl, same_as_kl])
def test_all_rows_by_slice_and_by_index_agree(data, loss):
    labels, proba, logits = data
    objective = objective_of(labels, proba, np.arange(1.0, N_ROWS + 1), loss=loss)
    by_slice, by_index = objective(logits, ALL), objective(logits, torch.arange(N_ROWS))
    for got, expected in zip(by_slice, by_index, strict=True):
        assert torch.equal(got, expected)


@pytest.mark.parametrize("loss", [kl, same_as_kl])
def test_a_batch_is_an_objective_of_its_own(data, loss):
    labels, proba, logits = data
    rows = torch.tensor([5, 0, 3])
    got = objective_of(labels, proba, loss=loss)(logits[rows], rows)
    expected = objective_of(labels[rows], proba[rows], loss=loss)(logits[rows], ALL)
    for of_batch, of_all in zip(got, expected, strict=True):
        torch.testing.assert_close(of_batch, of_all, rtol=1e-14, atol=0)


@pytest.mark.parametrize("loss", [kl, same_as_kl])
def test_batches_are_unbiased_parts_of_the_weighted_mean(data, loss):
    labels, proba, logits = data
    weight = np.arange(1.0, N_ROWS + 1)
    objective = objective_of(labels, proba, weight, loss=loss)
    each = torch.stack([objective(logits[[i]], torch.tensor([i]))[0] for i in range(N_ROWS)])
    torch.testing.assert_close(each.mean(0), objective(logits, ALL)[0], rtol=1e-12, atol=0)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_perfect_student_has_no_loss_and_no_gradient(data, temperature):
    labels, _, logits = data
    objective = objective_of(labels, torch.softmax(logits, -1).numpy(), temperature=temperature)
    losses, gradients = objective(logits, ALL)
    assert abs(losses[1]) < 1e-14
    assert gradients[1].abs().max() < 1e-15


@pytest.mark.parametrize("loss", [kl, same_as_kl])
def test_large_logits_cost_no_precision(loss):
    labels, proba = np.array([0, 1]), np.array([[0.25, 0.75], [0.5, 0.5]])
    logits = torch.tensor([[0.0, 1.0], [2.0, 0.5]], dtype=torch.float32)
    objective = TASK.objective(labels, proba, None, loss, "cpu", torch.float32)
    objective.soften(1.0)
    # 8192 + logits has no rounding error: the losses must not get one either.
    for got, expected in zip(objective(logits + 8192, ALL), objective(logits, ALL), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("loss", [kl, same_as_kl])
def test_works_where_gradients_are_switched_off(data, loss):
    labels, proba, logits = data
    objective = objective_of(labels, proba, loss=loss)
    with torch.no_grad():
        losses, _ = objective(logits, ALL)
    assert torch.equal(losses, objective(logits, ALL)[0])


def test_custom_loss_gets_the_labels_where_it_asks(data):
    labels, proba, logits = data
    seen = []

    def loss(student_logits, soft_targets, temperature, labels):
        seen.append(labels.tolist())
        return student_logits.sum(-1)

    objective_of(labels, proba, loss=loss)(logits[2:4], torch.tensor([2, 3]))
    assert seen == [labels[2:4].tolist()]


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("loss", DISTILLATION_LOSSES.values(), ids=DISTILLATION_LOSSES)
@pytest.mark.parametrize("rows", [ALL, torch.tensor([4, 1, 2])], ids=["all", "some"])
def test_many_targets_are_made_by_batch_and_are_the_same(
    data, temperature, loss, rows, monkeypatch
):
    labels, proba, logits = data
    weight = np.arange(1.0, N_ROWS + 1)
    at_once = objective_of(labels, proba, weight, loss=loss, temperature=temperature)
    monkeypatch.setattr(_objective, "MANY_TARGETS", 1)
    by_batch = objective_of(labels, proba, weight, loss=loss, temperature=temperature)
    assert by_batch.by_batch and not at_once.by_batch
    for objective in (at_once, by_batch):
        objective.keeps_rows = True
    for got, expected in zip(
        by_batch(logits[rows], rows), at_once(logits[rows], rows), strict=True
    ):
        assert torch.equal(got, expected)
    assert torch.equal(by_batch.row_losses, at_once.row_losses)
    got, expected = (one.batch_rows(logits[rows], rows) for one in (by_batch, at_once))
    assert torch.equal(got.teacher_proba, expected.teacher_proba)
    for objective in (at_once, by_batch):
        objective.soften(2.0)
    for got, expected in zip(
        by_batch(logits[rows], rows), at_once(logits[rows], rows), strict=True
    ):
        assert torch.equal(got, expected)


def test_many_targets_share_the_memory_of_the_teachers_answer(data, monkeypatch):
    labels, proba, _ = data
    monkeypatch.setattr(_objective, "MANY_TARGETS", 1)
    proba = proba.astype(np.float32)
    assert objective_of(labels, proba).proba.data_ptr() == proba.ctypes.data
