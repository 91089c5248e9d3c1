"""The temperature of a training: a number, a schedule, or one for each row."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax, xlogy
from scipy.stats import entropy
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skkd._classification.objective import temperature_of_rows
from skkd.balancers import FixedBalance
from skkd.losses import kl
from skkd.schedules import SCHEDULES, TemperatureSchedule
from tests.helpers import fitted_teacher, make_data, quick, quick_net

X, Y = make_data()
TEACHER = fitted_teacher(X, Y)
PROBA = TEACHER.predict_proba(X)


def classifier(temperature, **params):
    student = quick_net(batch_size=-1, max_epochs=5)
    defaults = {"student": student, "temperature": temperature, "balancer": FixedBalance(0.7)}
    return quick(None, **defaults | params)


def fit(temperature, sample_weight=None, **params):
    clf = classifier(temperature, **params)
    return clf.fit(X, Y, sample_weight=sample_weight, teacher_proba=PROBA)


def same_as_kl(student_logits, soft_targets, temperature=1.0):
    """The divergence under another name, which takes the way of any loss."""
    return kl(student_logits, soft_targets, temperature)


def divergence(logits, temperature):
    """T^2 KL of the softened teacher to the softened student, by numpy; T may be one a row."""
    temperature = np.broadcast_to(temperature, len(logits))[:, None]
    q = softmax(np.log(PROBA) / temperature, axis=1)
    log_p = log_softmax(logits / temperature, axis=1)
    return temperature[:, 0] ** 2 * (xlogy(q, q) - q * log_p).sum(axis=1)


def second_epoch(temperature, **params):
    """The distillation loss of the second epoch, and the logits at its start."""
    clf = classifier(temperature, **params)
    first, second = (
        clone(clf).set_params(student__max_epochs=n).fit(X, Y, teacher_proba=PROBA) for n in (1, 2)
    )
    return second.history_["distillation_loss"][1], first.decision_function(X)


# Schedules


def test_temperature_moves_from_epoch_to_epoch():
    clf = fit(TemperatureSchedule(4.0, 1.0, "cosine"))
    expected = [4 - 3 * SCHEDULES["cosine"](epoch / 4) for epoch in range(5)]
    np.testing.assert_allclose(clf.history_["temperature"], expected, rtol=1e-12)


def test_a_single_epoch_has_the_first_temperature():
    clf = fit(TemperatureSchedule(4.0, 1.0), student=quick_net(max_epochs=1))
    assert clf.history_["temperature"].tolist() == [4.0]


@pytest.mark.parametrize("loss", ["kl", same_as_kl])
def test_losses_follow_the_temperature(loss):
    loss_of_second, logits = second_epoch(TemperatureSchedule(4.0, 1.5), distillation_loss=loss)
    assert loss_of_second == pytest.approx(divergence(logits, 1.5).mean(), rel=1e-9)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("loss", ["kl", "js"])
def test_constant_schedule_is_the_number(temperature, loss):
    expected = fit(temperature, distillation_loss=loss)
    np.testing.assert_array_equal(expected.history_["temperature"], temperature)
    for constant in (
        TemperatureSchedule(temperature, temperature),
        lambda progress: temperature,
    ):
        clf = fit(constant, distillation_loss=loss)
        np.testing.assert_array_equal(clf.predict_proba(X), expected.predict_proba(X))


def test_any_function_of_progress_gives_the_temperature():
    clf = fit(lambda progress: 1 + progress**2)
    np.testing.assert_allclose(clf.history_["temperature"], 1 + np.linspace(0, 1, 5) ** 2)


def test_temperature_goes_on_in_parts():
    clf = classifier(TemperatureSchedule(4.0, 2.0))
    for _ in range(7):
        clf.partial_fit(X, Y, teacher_proba=PROBA)
    assert clf.history_["temperature"].tolist() == [4.0, 3.5, 3.0, 2.5, 2.0, 2.0, 2.0]


def test_schedule_is_searched_as_the_number_is():
    grid = [
        {"temperature__start": [3.0, 5.0], "temperature__end": [1.0, 2.0]},
        {"temperature": [1.0, 2.0, "teacher_entropy", TemperatureSchedule(schedule="step")]},
    ]
    clf = classifier(TemperatureSchedule()).set_params(teacher=TEACHER)
    search = GridSearchCV(clf, grid, cv=2, error_score="raise").fit(X, Y)
    assert len(search.cv_results_["params"]) == 8
    clf.set_params(temperature__start=3.0)
    assert clone(clf).temperature.start == 3.0


def test_the_given_schedule_stays_as_it_was():
    schedule = TemperatureSchedule(3.0)
    clf = fit(schedule)
    assert clf.temperature is schedule
    assert vars(schedule) == vars(TemperatureSchedule(3.0))


# One for each row


def by_hand(proba):
    return 4 ** (1 - entropy(proba, axis=1) / np.log(proba.shape[1]))


@pytest.mark.parametrize("n_classes", [2, 3, 26])
def test_temperature_of_rows_equals_its_formula(n_classes):
    proba = np.random.default_rng(0).dirichlet(np.full(n_classes, 0.3), 50)
    got = temperature_of_rows(torch.as_tensor(proba))
    np.testing.assert_allclose(got, by_hand(proba), rtol=1e-12)


def test_temperature_of_sure_and_of_clueless_rows():
    proba = torch.tensor([[1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0.0]])
    expected = [4.0, 1.0, 4 ** (1 - np.log(2) / np.log(3))]
    np.testing.assert_allclose(temperature_of_rows(proba.double()), expected, rtol=1e-6)


@pytest.mark.parametrize("loss", ["kl", same_as_kl])
def test_losses_follow_the_temperature_of_each_row(loss):
    loss_of_second, logits = second_epoch("teacher_entropy", distillation_loss=loss)
    expected = divergence(logits, by_hand(PROBA)).mean()
    assert loss_of_second == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("batch_size", [-1, 20])
@pytest.mark.parametrize("balancer", ["descent_share", "sample_wise"])
def test_closed_form_and_autograd_train_alike(batch_size, balancer):
    student = quick_net(batch_size=batch_size, max_epochs=5)
    params = {"student": student, "balancer": balancer}
    closed = fit("teacher_entropy", **params)
    general = fit("teacher_entropy", distillation_loss=same_as_kl, **params)
    np.testing.assert_allclose(closed.predict_proba(X), general.predict_proba(X), rtol=1e-8)


def test_history_shows_the_mean_temperature_of_rows():
    temperature = fit("teacher_entropy").history_["temperature"]
    np.testing.assert_allclose(temperature, by_hand(PROBA).mean(), rtol=1e-12)
    counts = np.random.default_rng(0).integers(1, 4, len(X))
    weighted = fit("teacher_entropy", sample_weight=counts)
    expected = np.average(by_hand(PROBA), weights=counts)
    np.testing.assert_allclose(weighted.history_["temperature"], expected, rtol=1e-12)


def test_repeated_rows_are_integer_weights_under_temperatures_of_rows():
    counts = np.random.default_rng(0).integers(0, 4, len(X))
    repeated = np.repeat(np.arange(len(X)), counts)
    weighted = fit("teacher_entropy", sample_weight=counts)
    copies = classifier("teacher_entropy")
    copies.fit(X[repeated], Y[repeated], teacher_proba=PROBA[repeated])
    np.testing.assert_allclose(copies.predict_proba(X), weighted.predict_proba(X), rtol=1e-6)
