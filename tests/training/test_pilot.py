"""The short trainings on labels only and on the teacher only, and what they are for."""

import copy

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from skkd import DistilledClassifier, _distiller
from skkd._classification import Classification
from skkd._classification.knowledge import gain_after, stacking_weight
from skkd._input.data import Rows
from skkd._student import copied_for_training
from skkd._training.loop import train
from skkd._training.pilot import harm, run_pilot
from skkd.balancers import DescentShare, FixedBalance, Pilot
from skkd.students import default_student
from tests.helpers import quick_net

TASK = Classification(np.arange(2))


def board(n_rows=1500, seed=0):
    """A checkerboard: clean labels that a shallow tree does not know."""
    X = np.random.default_rng(seed).uniform(-1.5, 1.5, (n_rows, 2)).astype(np.float32)
    return X, (np.floor(2 * X).sum(axis=1) % 2).astype(int)


@pytest.fixture
def pilots(monkeypatch):
    """What pilots told."""
    seen = []

    def watched(*args):
        seen.append(run_pilot(*args))
        return seen[-1]

    monkeypatch.setattr(_distiller, "run_pilot", watched)
    return seen


def without_synthetic_rows(teacher, **params) -> DistilledClassifier:
    """Where the balance alone is looked at: synthetic rows help in their own way."""
    return DistilledClassifier(teacher, augmenter=None, **params)


@pytest.mark.slow
def test_clean_labels_beyond_the_teacher_let_its_say_fade(pilots):
    X, y = board(12500)
    tree = DecisionTreeClassifier(max_depth=3, min_samples_leaf=30)
    clf = without_synthetic_rows(tree, cv=5, random_state=0)
    clf.set_params(student__module__hidden=(128, 128)).fit(X[:2500], y[:2500])
    assert pilots[0].labels_teach_on and pilots[0].gain > 0.15
    misled = clone(clf).set_params(balancer__fade=False).fit(X[:2500], y[:2500])
    assert clf.history_["weight"][-1] < 0.5 * misled.history_["weight"][-1]
    assert clf.score(X[2500:], y[2500:]) > misled.score(X[2500:], y[2500:]) + 0.01


@pytest.mark.slow
def test_a_teacher_of_another_world_does_no_harm():
    # Neighbours on a board are of the other colour.
    X, y = board(800)
    clf = DistilledClassifier(KNeighborsClassifier(60), cv=5, random_state=0).fit(X, y)
    alone = clone(clf).set_params(balancer=FixedBalance(0.0)).fit(X, y)
    assert np.array_equal(clf.predict_proba(X), alone.predict_proba(X))


def noisy(n_rows):
    """Rows of two classes with a fifth of the labels wrong."""
    X, y = make_classification(
        n_rows, 20, n_informative=3, n_redundant=0, flip_y=0.4, class_sep=2.0, random_state=0
    )
    return X.astype(np.float32), y


@pytest.mark.slow
def test_the_say_of_noisy_labels_fades(pilots, tmp_path):
    X, y = noisy(6000)
    forest = RandomForestClassifier(50, min_samples_leaf=5, random_state=0)
    clf = without_synthetic_rows(forest, cv=3, memory=tmp_path, random_state=0)
    # Without bins, by which a student that trusts its labels does less harm to itself.
    clf.set_params(student__max_epochs=100, student__module__bins=())
    clf.fit(X[:3000], y[:3000])
    assert pilots[0].labels_mislead and not pilots[0].labels_teach_on
    trusting = clone(clf).set_params(balancer__fade=False).fit(X[:3000], y[:3000])
    assert clf.history_["weight"][-1] > trusting.history_["weight"][-1] + 0.1
    assert clf.score(X[3000:], y[3000:]) > trusting.score(X[3000:], y[3000:]) + 0.01


@pytest.mark.parametrize("pilot", [Pilot(0.02, 0.03), Pilot(-0.02, 0.03), None])
def test_where_the_pilot_can_not_tell_nothing_is_changed(pilot, tmp_path, monkeypatch):
    X, y = noisy(800)
    pilots = []
    monkeypatch.setattr(_distiller, "run_pilot", lambda *args: pilots.append(pilot) or pilot)
    forest = RandomForestClassifier(50, min_samples_leaf=5, random_state=0)
    clf = without_synthetic_rows(forest, cv=3, memory=tmp_path, random_state=0)
    clf.set_params(student__max_epochs=20).fit(X, y)
    same = clone(clf).set_params(balancer=DescentShare(fade=False))
    assert np.array_equal(same.fit(X, y).predict_proba(X), clf.predict_proba(X))
    assert len(pilots) == 1


def history(task_loss, accuracy):
    return {
        "task_loss": np.array(task_loss),
        "valid_accuracy": np.array(accuracy),
        "valid_score": -np.array(task_loss),
    }


def test_gain_is_counted_from_where_the_teacher_is_passed():
    told = history(
        [3.0, 2.0, 0.9, 0.5, 0.4, 0.3, 0.2, 0.1], [0.1, 0.5, 0.6, 0.7, 0.8, 0.8, 0.9, 1.0]
    )
    pilot = Pilot(*gain_after(told, 1.0, 400))
    assert pilot.gain == pytest.approx(0.9 - 0.6)  # means of three epochs
    assert pilot.error == pytest.approx(np.sqrt(0.75 * 0.25 / 400))


@pytest.mark.parametrize("teacher_loss", [0.0, 0.1])
def test_no_gain_where_the_teacher_is_never_passed(teacher_loss):
    told = history([3.0, 2.0, 1.0, 0.5], [0.1, 0.5, 0.6, 0.6])
    assert Pilot(*gain_after(told, teacher_loss, 100)).gain <= 0.05
    assert not Pilot(*gain_after(told, teacher_loss, 100)).labels_teach_on


@pytest.mark.parametrize(
    ("of_labels", "of_teacher", "expected"),
    [(-0.2, -0.1, 0), (-0.2, -0.2, 0), (-0.2, -0.205, 0.5), (-0.2, -0.3, 1), (0.0, -0.1, 1)],
)
def test_harm_is_complete_where_the_loss_is_a_twentieth_higher(of_labels, of_teacher, expected):
    assert harm(of_labels, of_teacher, 100) == pytest.approx(expected)
    assert harm(of_labels, of_teacher, 800) == pytest.approx(expected)


def test_many_rows_show_smaller_harm():
    assert harm(-0.2, -0.205, 3200) == pytest.approx(1.0)  # half of the error of 800 rows
    assert harm(-0.2, -0.2025, 3200) == pytest.approx(0.5)


def test_a_teacher_whose_student_is_worse_than_one_of_labels_is_not_trusted(monkeypatch):
    losses = {0.0: 0.5, 1.0: 0.5}  # of a student on labels only, and of one on the teacher only

    def trained(net, rows, balancer, *args, **kwargs):
        return history([losses[balancer.weight]] * 3, [0.5] * 3)

    monkeypatch.setattr("skkd._training.pilot.train", trained)
    X, y = board(400)
    proba = np.where(y == 1, 0.9, 0.1)
    rows = Rows(X, X, y, answers=np.stack([1 - proba, proba], axis=1))
    alike = run_pilot(rows, fresh_net(), TASK, 0).trust
    losses[1.0] = 0.5125
    assert run_pilot(rows, fresh_net(), TASK, 0).trust == pytest.approx(alike / 2)
    losses[1.0] = 0.6
    assert run_pilot(rows, fresh_net(), TASK, 0).trust == 0.0 < alike


def test_a_student_of_a_good_teacher_is_trained_until_it_is_better(monkeypatch):
    X, y = make_classification(400, 2, n_redundant=0, flip_y=0.4, random_state=0)
    proba = RandomForestClassifier(random_state=0).fit(X, y).predict_proba(X)
    proba = 0.5 * proba + 0.25
    rows = Rows(X.astype(np.float32), X, y, answers=proba)
    n_epochs = []

    def watched(*args, patience=None, **kwargs):
        trained = train(*args, patience=patience if is_patient else None, **kwargs)
        n_epochs.append(len(trained["epoch"]))
        return trained

    monkeypatch.setattr("skkd._training.pilot.train", watched)
    is_patient = False
    whole = run_pilot(rows, fresh_net(), TASK, 0)
    is_patient = True
    assert run_pilot(rows, fresh_net(), TASK, 0) == whole
    assert n_epochs[0] == n_epochs[1] == n_epochs[2] > n_epochs[3]


def test_beyond_chance():
    assert Pilot(0.05, 0.015).labels_teach_on
    assert not Pilot(0.05, 0.02).labels_teach_on
    assert not Pilot(0.0, 0.0).labels_teach_on
    assert Pilot(-0.05, 0.03).labels_mislead
    assert not Pilot(-0.05, 0.04).labels_mislead
    assert not Pilot(0.0, 0.0).labels_mislead


# When there is one


@pytest.mark.parametrize(
    ("n_rows", "net", "balancer", "expected"),
    [
        (300, {}, "descent_share", [True]),
        (300, {}, DescentShare(fade=False), []),
        (300, {}, "fixed", []),
        (300, {}, FixedBalance(fade="auto"), [True]),
        (200, {}, "descent_share", [False]),  # too few validation rows
        (300, {"max_epochs": 5}, "descent_share", [False]),  # too few epochs
    ],
    ids=str,
)
def test_when_there_is_a_pilot(pilots, n_rows, net, balancer, expected):
    X, y = board(n_rows)
    teacher = KNeighborsClassifier(20)
    net = quick_net(**{"max_epochs": 30, "batch_size": 64} | net)
    DistilledClassifier(teacher, net, cv=3, balancer=balancer, random_state=0).fit(X, y)
    assert [pilot is not None for pilot in pilots] == expected


def test_equal_rows_count_once():
    X, y = board(60)
    X, y = np.repeat(X, 5, axis=0), np.repeat(y, 5)
    assert run_pilot(rows_of(X, y), fresh_net(), TASK, 0) is None


def rows_of(X, y):
    return Rows(X, X, y, answers=np.full((len(y), 2), 0.5))


def fresh_net(**params):
    torch.manual_seed(0)
    net = quick_net(max_epochs=40, batch_size=64, module__n_features=2, module__n_classes=2)
    net.set_params(**params).initialize()
    return net


def test_net_and_rows_stay_as_they_were():
    X, y = board(400)
    net, rows = fresh_net(), rows_of(X, y)
    before = copy.deepcopy(net.module_.state_dict())
    parts = vars(net).copy()
    assert run_pilot(rows, net, TASK, 0) is not None
    assert all(torch.equal(before[name], now) for name, now in net.module_.state_dict().items())
    assert all(vars(net)[name] is part for name, part in parts.items())
    np.testing.assert_array_equal(X, board(400)[0])


def test_many_rows_give_a_part_of_them(monkeypatch):
    monkeypatch.setattr("skkd._training.pilot._MAX_ROWS", 300)
    seen = []
    monkeypatch.setattr(
        "skkd._training.pilot.train",
        lambda net, rows, *args, validation, **kwargs: (
            seen.append(np.concatenate([rows.X, validation.X]))
            or history([1.0, 0.1, 0.1], [0.5, 0.5, 0.5])
        ),
    )
    X, y = board(1000)
    run_pilot(rows_of(X, y), fresh_net(), TASK, 0)
    assert len(seen[0]) == len(np.unique(seen[0], axis=0)) == 300
    assert {row.tobytes() for row in seen[0]} < {row.tobytes() for row in X}


def test_same_random_state_same_pilot(pilots):
    X, y = board(400)
    for _ in range(2):
        without_synthetic_rows(KNeighborsClassifier(20), cv=3, random_state=3).fit(X, y)
    assert pilots[0] == pilots[1]


def test_teacher_is_not_asked_for_it():
    class Asked(KNeighborsClassifier):
        n_rows: list = []

        def predict_proba(self, X):
            self.n_rows.append(len(X))
            return super().predict_proba(X)

    X, y = board(400)
    DistilledClassifier(Asked(20), cv=4, random_state=0).fit(X, y)
    assert sum(Asked.n_rows) == 400


def test_module_of_a_local_class():
    class Local(torch.nn.Linear):
        def __init__(self, n_features, n_classes):
            super().__init__(n_features, n_classes)

    X, y = board(400)
    net = quick_net(max_epochs=20, batch_size=64)
    net = type(net)(Local, max_epochs=20, batch_size=64, lr=0.1)
    clf = DistilledClassifier(KNeighborsClassifier(20), net, cv=3, random_state=0).fit(X, y)
    assert clf.predict(X).shape == y.shape


def test_copy_has_parts_of_its_own():
    net = fresh_net()
    twin = copied_for_training(net, short=True)
    own = {id(p) for p in net.module_.parameters()}
    assert not own & {id(p) for p in twin.module_.parameters()}
    groups = twin.optimizer_.param_groups
    assert [p for group in groups for p in group["params"]] == list(twin.module_.parameters())
    assert twin.history_ is not net.history_


def test_verbose_tells_what_it_found(capsys):
    X, y = board(400)
    student = default_student().set_params(max_epochs=20)
    clf = DistilledClassifier(KNeighborsClassifier(20), student, cv=3, random_state=0)
    clf.fit(X, y)
    assert capsys.readouterr().out == ""
    clf.set_params(verbose=1).fit(X, y)
    assert "pilot: labels teach " in capsys.readouterr().out


def test_partial_fit_has_none(pilots):
    X, y = board(400)
    teacher = KNeighborsClassifier(20).fit(X, y)
    DistilledClassifier(teacher, random_state=0).partial_fit(X, y)
    assert pilots == []


def test_stacking_weight_is_the_least_of_a_convex_loss():
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=400)
    logits = rng.normal(size=(400, 3)) + 2.0 * np.eye(3)[labels]
    answers = softmax(rng.normal(size=(400, 3)) + 2.2 * np.eye(3)[labels], axis=1)
    share = stacking_weight(logits, answers, labels)
    rows = np.arange(400)

    def loss(scale, share):
        student = softmax(scale * logits, axis=1)[rows, labels]
        return -np.log(share * answers[rows, labels] + (1 - share) * student).mean()

    scales = np.linspace(0.05, 4, 400)
    scale = scales[np.argmin([loss(one, 0.0) for one in scales])]
    grid = np.linspace(0, 1, 1001)
    expected = grid[np.argmin([loss(scale, one) for one in grid])]
    assert 0.1 < expected < 0.9
    assert share == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(("informed", "expected"), [("teacher", 1.0), ("student", 0.0)])
def test_stacking_weight_goes_to_the_one_who_knows(informed, expected):
    rng = np.random.default_rng(1)
    labels = rng.integers(2, size=300)
    right = softmax(3.0 * np.eye(2)[labels] + rng.normal(size=(300, 2)), axis=1)
    chance = np.full((300, 2), 0.5)
    student, teacher = (chance, right) if informed == "teacher" else (right, chance)
    assert stacking_weight(np.log(student), teacher, labels) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("trust", "least", "most"),
    [(0.2, 0, 0), (0.4, 0, 0.5), (0.6, 0, 1), (0.8, 0.5, 1), (0.95, 1, 1)],
)
def test_a_pilot_bounds_the_weight_by_its_trust(trust, least, most):
    pilot = Pilot(0.0, 0.1, trust)
    assert pilot.least_weight == pytest.approx(least)
    assert pilot.most_weight == pytest.approx(most)


def test_the_weight_is_never_below_a_pilots_floor():
    distrusted, trusted = Pilot(0.0, 0.1, 0.2, floor=0.25), Pilot(0.0, 0.1, 0.95, floor=0.25)
    assert (distrusted.least_weight, distrusted.most_weight) == (0.25, 0.25)
    assert (trusted.least_weight, trusted.most_weight) == (1, 1)
    assert trusted.prefers_teacher and not distrusted.prefers_teacher


@pytest.mark.parametrize(("trust", "teach_on"), [(0.0, True), (0.59, True), (0.61, False)])
def test_labels_do_not_teach_on_where_the_mixture_is_mostly_teacher(trust, teach_on):
    assert Pilot(gain=0.05, error=0.015, trust=trust).labels_teach_on is teach_on
