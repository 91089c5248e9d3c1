import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import logit

from skkd import schedules
from skkd.balancers import FixedBalance, RandomBalance, ScheduledBalance, StepState
from tests.balancers.tiny import TinyProblem
from tests.helpers import make_data, quick


def weights_of(rule, progress):
    rule.reset()
    return [rule.weights(StepState(progress=t))[1] for t in progress]


def student_state(balancer, y=None, proba_seed=0):
    """The parameters of a student, trained in batches."""
    X, own_y = make_data()
    proba = np.random.default_rng(proba_seed).dirichlet(np.ones(3), len(X))
    clf = quick(None, balancer=balancer).set_params(student__batch_size=16)
    clf.fit(X, own_y if y is None else y, teacher_proba=proba)
    return clf.student_.module_.state_dict()


def equal(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("weight", [0, 0.3, 1])
def test_fixed_weight_stays(weight):
    assert weights_of(FixedBalance(weight), [0.0, 0.5, 1.0]) == [weight] * 3


@pytest.mark.parametrize("weight", [0, 0.3, 1])
def test_a_fixed_weight_hears_the_teacher_unless_it_is_zero(weight):
    assert FixedBalance(weight).hears_teacher == (weight > 0)


def test_bounds_and_smoothing_of_a_fixed_weight():
    assert weights_of(FixedBalance(0.1, min_weight=0.2, smoothing=0.9), [0.0, 1.0]) == [0.2, 0.2]
    assert FixedBalance(0.0, min_weight=0.2).hears_teacher
    assert not FixedBalance(0.5, max_weight=0.0).hears_teacher


def test_a_schedule_within_bounds():
    rule = ScheduledBalance(min_weight=0.2, max_weight=0.7)
    assert weights_of(rule, [0.0, 0.5, 1.0]) == [0.7, 0.5, 0.2]


def test_a_smooth_schedule_lags_behind():
    rule = ScheduledBalance(smoothing=0.5)
    assert weights_of(rule, [0.0, 0.5, 1.0]) == [1.0, 0.75, 0.375]


def test_fixed_zero_is_training_on_labels_only():
    first = student_state(FixedBalance(0.0), proba_seed=0)
    assert equal(first, student_state(FixedBalance(0.0), proba_seed=1))
    assert not equal(first, student_state(FixedBalance(0.1), proba_seed=0))


def test_fixed_one_is_training_on_the_teacher_only():
    _, y = make_data()
    first = student_state(FixedBalance(1.0))
    assert equal(first, student_state(FixedBalance(1.0), y=y[::-1].copy()))
    assert not equal(first, student_state(FixedBalance(0.9), y=y[::-1].copy()))


def test_fixed_zero_equals_a_plain_training_loop():
    problem = TinyProblem(FixedBalance(0.0), lr=0.5)
    twin = TinyProblem(FixedBalance(0.0), lr=0.5).module
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.5)
    X, labels = torch.as_tensor(problem.X), torch.as_tensor(problem.labels)
    for _ in range(10):
        problem.step()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(twin(X), labels).backward()
        optimizer.step()
    expected = torch.nn.utils.parameters_to_vector(twin.parameters()).detach().numpy()
    np.testing.assert_allclose(problem.theta, expected, rtol=1e-11)


@pytest.mark.parametrize("name", schedules.SCHEDULES)
@pytest.mark.parametrize(("start", "end"), [(0.1, 0.9), (0.9, 0.1)])
def test_schedule_is_stretched_between_start_and_end(name, start, end):
    progress = np.linspace(0, 1, 11)
    expected = [start + (end - start) * schedules.SCHEDULES[name](t) for t in progress]
    rule = ScheduledBalance(name, start=start, end=end)
    np.testing.assert_allclose(weights_of(rule, progress), expected, rtol=1e-12)
    np.testing.assert_allclose(weights_of(rule, [0, 1]), [start, end], rtol=1e-15)


def test_own_function():
    rule = ScheduledBalance(lambda progress: progress**2, start=0.0, end=1.0)
    assert weights_of(rule, [0.0, 0.5, 1.0]) == [0.0, 0.25, 1.0]


def test_teacher_annealing_is_the_default():
    assert weights_of(ScheduledBalance(), [0.0, 0.25, 1.0]) == [1.0, 0.75, 0.0]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"warmup": 0.5}, [0.0, 0.4, 0.8, 0.4, 0.0]),
        ({"hold": 0.5}, [0.8, 0.8, 0.8, 0.4, 0.0]),
        ({"warmup": 0.25, "hold": 0.25}, [0.0, 0.8, 0.8, 0.4, 0.0]),
        ({"warmup": 0.5, "hold": 0.5}, [0.0, 0.4, 0.8, 0.8, 0.8]),
        ({"hold": 1.0}, [0.8] * 5),
        ({"stop": 0.5}, [0.8, 0.6, 0.0, 0.0, 0.0]),
        ({"stop": 0.5, "end": 0.8}, [0.8, 0.8, 0.0, 0.0, 0.0]),
        ({"stop": 0.0}, [0.0] * 5),
        ({"start": 0.0, "end": 0.8, "hold": 0.5}, [0.0, 0.0, 0.0, 0.4, 0.8]),
    ],
    ids=str,
)
def test_warmup_hold_and_stop(options, expected):
    rule = ScheduledBalance(**{"start": 0.8, "end": 0.0} | options)
    assert weights_of(rule, [0.0, 0.25, 0.5, 0.75, 1.0]) == pytest.approx(expected, abs=1e-15)


@given(warmup=st.floats(0, 1), hold=st.floats(0, 1), progress=st.floats(0, 1))
def test_weight_stays_between_zero_start_and_end(warmup, hold, progress):
    rule = ScheduledBalance(start=0.4, end=0.8, warmup=warmup, hold=hold * (1 - warmup))
    [weight] = weights_of(rule, [progress])
    assert (0 if progress < warmup else 0.4) <= weight <= 0.8


def test_first_step_of_a_training_has_the_start_and_the_last_one_the_end():
    X, y = make_data()
    proba = np.full((len(X), 3), 1 / 3)
    clf = quick(None, balancer=ScheduledBalance(start=0.75, end=0.25))
    clf.set_params(student__batch_size=20, student__max_epochs=3)
    history = clf.fit(X, y, teacher_proba=proba).history_
    per_step = np.linspace(0.75, 0.25, 9).reshape(3, 3)
    np.testing.assert_allclose(history["weight_max"], per_step.max(axis=1), rtol=1e-12)
    np.testing.assert_allclose(history["weight_min"], per_step.min(axis=1), rtol=1e-12)
    np.testing.assert_allclose(history["weight"], per_step.mean(axis=1), rtol=1e-12)


# Random weights


def draws(n_steps, seed=0, **options):
    rule = RandomBalance(**options).reset()
    return [rule.weights(StepState(seed=seed))[1] for _ in range(n_steps)]


def test_random_weights_are_the_softmax_of_normal_numbers():
    # The difference of two normal numbers is normal, with a variance of two.
    drawn = logit(draws(2000))
    assert stats.kstest(drawn, "norm", args=(0, np.sqrt(2))).pvalue > 0.05
    # One step tells nothing of the next.
    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 0.05


def test_random_weights_follow_their_own_state_or_else_that_of_the_training():
    assert draws(5, seed=1, random_state=3) == draws(5, seed=2, random_state=3)
    assert draws(5, seed=1) == draws(5, seed=1) != draws(5, seed=2)
    assert draws(5, seed=3) == draws(5, random_state=3)


def test_random_weights_of_a_training_follow_the_classifiers_state():
    def history(random_state, rule):
        X, y = make_data()
        clf = quick(None, balancer=rule, random_state=random_state)
        proba = np.full((len(X), 3), 1 / 3)
        return clf.fit(X, y, teacher_proba=proba).history_["weight"].tolist()

    assert history(0, "random") == history(0, "random") != history(1, "random")
    assert history(None, "random") != history(None, "random")
    own = RandomBalance(random_state=7)
    assert history(0, own) == history(1, own) == history(None, own)


def test_random_weights_within_bounds():
    bounded = draws(200, min_weight=0.3, max_weight=0.6)
    assert min(bounded) == 0.3 and max(bounded) == 0.6
    assert len(set(bounded)) > 50
