"""What every balancing rule must do inside the classifier, a user's own one included."""

import pickle
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from torch import nn

from skkd.balancers import BALANCERS, Balancer, DescentShare, SampleWise, make_balancer
from tests.helpers import ConvNet, DropoutNet, fitted_teacher, make_data, quick, quick_net

X, Y = make_data()
TEACHER = fitted_teacher(X, Y)
PROBA = TEACHER.predict_proba(X)


class MatchLosses(Balancer):
    """A rule as a user writes it."""

    needs = frozenset({"losses"})

    def propose(self, state):
        return state.task_loss / (state.task_loss + state.distillation_loss)


FAMILY = {
    **BALANCERS,
    "own": MatchLosses,
    "descent_share_all": partial(DescentShare, gradients="all"),
    "guarded": partial(DescentShare, conflict_clamp=True, admissible_step=True),
    "sample_wise_fading": partial(SampleWise, fade=True, min_weight=0.1, max_weight=0.6),
}

every_rule = pytest.mark.parametrize("name", FAMILY)


def classifier(name, *, max_epochs=4, batch_size=20, module=None, **params):
    student = quick_net(max_epochs=max_epochs, batch_size=batch_size)
    if module is not None:
        student.set_params(module=module)
    return quick(params.pop("teacher", TEACHER), student=student, balancer=FAMILY[name](), **params)


def assert_healthy(clf, n_epochs=None):
    """The record of a training is finite and complete, and weights are where they may be."""
    history = clf.history_
    expected = {"epoch", "task_loss", "distillation_loss", "loss", "weight", "weight_min"}
    assert history.keys() >= expected | {"weight_max", "distillation_share", "temperature", "lr"}
    for name, values in history.items():
        assert len(values) == clf.n_iter_ == (n_epochs or clf.n_iter_), name
        assert np.isfinite(values).all(), name
    rule, room = clf.balancer_, 1e-6
    low, high = history["weight_min"], history["weight_max"]
    assert (rule.min_weight - room <= low).all() and (high <= rule.max_weight + room).all()
    assert (low <= history["weight"] + room).all() and (history["weight"] <= high + room).all()
    assert (history["distillation_loss"] > -1e-6).all()


# Training


@every_rule
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch_size", [-1, 7, 20])
def test_fit(name, batch_size, dtype):
    clf = classifier(name, batch_size=batch_size).fit(X.astype(dtype), Y)
    assert_healthy(clf, 4)
    assert clf.predict_proba(X.astype(dtype)).dtype == dtype
    both = clf.history_["task_loss"] + clf.history_["distillation_loss"]
    assert both[-1] < both[0]


@every_rule
@pytest.mark.parametrize("n_classes", [2, 26])
def test_number_of_classes(name, n_classes):
    rng = np.random.default_rng(0)
    rows, labels = rng.standard_normal((8 * n_classes, 5)), np.arange(8 * n_classes) % n_classes
    proba = rng.dirichlet(np.ones(n_classes), len(rows))
    clf = classifier(name, teacher=None).fit(rows, labels, teacher_proba=proba)
    assert_healthy(clf)
    assert clf.predict_proba(rows).shape == (len(rows), n_classes)


@every_rule
def test_sure_teacher(name):
    """Probabilities of exactly zero and one."""
    clf = classifier(name, teacher=None)
    assert_healthy(clf.fit(X, Y, teacher_proba=np.eye(3)[np.roll(Y, 5)]))


@every_rule
@pytest.mark.filterwarnings("error")
def test_distillation_without_a_loss(name):
    """Many steps in which student and teacher say the same."""
    clf = classifier(
        name,
        teacher=None,
        max_epochs=40,
        distillation_loss=lambda logits, soft_targets, temperature: 0.0 * logits.sum(-1),
    )
    clf.fit(X, Y, teacher_proba=PROBA)
    for column, values in clf.history_.items():
        if column != "distillation_share":  # 0 / 0 where there is no gradient either
            assert np.isfinite(values).all()
    assert ((clf.history_["weight"] >= 0) & (clf.history_["weight"] <= 1)).all()
    assert np.isfinite(clf.predict_proba(X)).all()


@every_rule
def test_student_that_has_become_its_teacher(name):
    """The divergence of a linear student from a linear teacher goes to zero."""

    class Linear(nn.Module):
        def __init__(self, n_features, n_classes):
            super().__init__()
            self.layer = nn.Linear(n_features, n_classes)

        def forward(self, rows):
            return self.layer(rows)

    rows = X.astype(np.float32)
    clf = classifier(name, module=Linear, max_epochs=150, batch_size=-1).fit(rows, Y)
    assert np.isfinite(clf.history_["loss"]).all()
    assert ((clf.history_["weight"] >= 0) & (clf.history_["weight"] <= 1)).all()
    assert clf.score(rows, Y) > 0.5


@every_rule
def test_early_stopping(name):
    clf = classifier(name, max_epochs=300, early_stopping=True, n_iter_no_change=3)
    clf.set_params(student__lr=0.3, validation_fraction=0.3).fit(X, Y)
    assert_healthy(clf)
    assert 3 < clf.n_iter_ < 300
    scores = clf.history_["valid_score"]
    assert scores.argmax() == len(scores) - 4


@every_rule
def test_sample_weights_are_repeated_rows(name):
    counts = np.random.default_rng(1).integers(0, 4, len(X))
    repeated = np.repeat(np.arange(len(X)), counts)
    clf = classifier(name, teacher=None, batch_size=-1, max_epochs=10, validation_fraction=0.3)
    weighted = clone(clf).fit(X, Y, sample_weight=counts, teacher_proba=PROBA)
    copies = clone(clf).fit(X[repeated], Y[repeated], teacher_proba=PROBA[repeated])
    np.testing.assert_allclose(copies.predict_proba(X), weighted.predict_proba(X), rtol=1e-6)
    assert copies.history_.keys() == weighted.history_.keys()
    for column in copies.history_.keys() - {"seconds"}:
        np.testing.assert_allclose(
            copies.history_[column], weighted.history_[column], rtol=1e-6, atol=1e-12
        )


@every_rule
def test_scale_of_the_sample_weights_does_not_matter(name):
    weight = np.random.default_rng(1).uniform(0.5, 2, len(X))
    clf = classifier(name)
    expected = clone(clf).fit(X, Y, sample_weight=weight).predict_proba(X)
    scaled = clone(clf).fit(X, Y, sample_weight=64 * weight).predict_proba(X)
    np.testing.assert_allclose(scaled, expected, rtol=1e-9)


# Students


@every_rule
def test_student_that_gives_log_probabilities(name):
    student = quick_net(module__end=nn.LogSoftmax(-1), max_epochs=4, batch_size=20)
    plain = classifier(name).fit(X, Y)
    clf = classifier(name).set_params(student=student).fit(X, Y)
    assert_healthy(clf, 4)
    np.testing.assert_allclose(clf.predict_proba(X), plain.predict_proba(X), rtol=1e-6)


@every_rule
def test_convolutional_student(name):
    rng = np.random.default_rng(0)
    images, labels = rng.standard_normal((30, 1, 8, 8)).astype(np.float32), np.arange(30) % 3
    clf = classifier(name, teacher=None, module=ConvNet, max_epochs=2)
    clf.fit(images, labels, teacher_proba=rng.dirichlet(np.ones(3), 30))
    assert_healthy(clf, 2)


class NormalisedLogits(nn.Module):
    """A student whose last layer is not linear."""

    def __init__(self, n_features, n_classes):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(n_features, n_classes), nn.LayerNorm(n_classes))

    def forward(self, rows):
        return self.layers(rows)


@every_rule
def test_student_without_a_linear_last_layer(name):
    clf = classifier(name, module=NormalisedLogits)
    assert_healthy(clf.fit(X, Y), 4)


# The same again


@every_rule
def test_same_random_state_same_student(name):
    clf = classifier(name, module=DropoutNet)
    torch.manual_seed(1)
    np.random.seed(1)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    first = clone(clf).fit(X, Y)
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    torch.manual_seed(2)
    np.random.seed(2)
    again = clone(clf).fit(X, Y)
    np.testing.assert_array_equal(again.predict_proba(X), first.predict_proba(X))
    np.testing.assert_array_equal(again.history_["weight"], first.history_["weight"])
    np.testing.assert_array_equal(first.fit(X, Y).predict_proba(X), again.predict_proba(X))


@every_rule
def test_the_given_rule_stays_as_it_was(name):
    clf = classifier(name)
    given = clf.balancer
    before = pickle.dumps(given)
    clf.fit(X, Y)
    assert clf.balancer is given
    assert pickle.dumps(given) == before
    assert clf.balancer_ is not given


@every_rule
def test_clone_gives_the_same_rule_without_its_state(name):
    clf = classifier(name).fit(X, Y)
    twin = clone(clf)
    assert not hasattr(twin, "balancer_")
    assert vars(clone(clf.balancer_)).keys() == vars(FAMILY[name]()).keys()
    np.testing.assert_array_equal(twin.fit(X, Y).predict_proba(X), clf.predict_proba(X))


@every_rule
def test_pickled_classifier_goes_on_where_it_was(name):
    clf = classifier(name).fit(X, Y)
    back = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(back.predict_proba(X), clf.predict_proba(X))
    assert repr(back.balancer_) == repr(clf.balancer_)
    for each in (clf, back):
        each.partial_fit(X, Y)
    np.testing.assert_array_equal(back.predict_proba(X), clf.predict_proba(X))


@every_rule
def test_partial_fit(name):
    clf = classifier(name)
    for chunk in (slice(0, 30), slice(30, 60), slice(0, 30), slice(30, 60)):
        clf.partial_fit(X[chunk], Y[chunk], classes=[0, 1, 2])
    assert_healthy(clf, 4)


def test_epochs_of_earlier_chunks_count():
    clf = classifier("dynamic_weight_average").set_params(balancer__tau=0.05)
    for _ in range(4):
        clf.partial_fit(X, Y)
    losses = np.array([clf.history_["task_loss"], clf.history_["distillation_loss"]])
    ratios = losses[:, 1:-1] / losses[:, :-2]
    expected = 1 / (1 + np.exp((ratios[0] - ratios[1]) / 0.05))
    np.testing.assert_allclose(clf.history_["weight"], [0.5, 0.5, *expected], rtol=1e-6)


# Parameters

#: Two values or more for every parameter that a rule has for itself.
GRIDS = {
    "fixed": {"weight": [0.2, 0.8]},
    "scheduled": {
        "schedule": ["linear", "cosine"],
        "start": [1.0, 0.5],
        "end": [0.0, 0.5],
        "warmup": [0.0, 0.2],
        "hold": [0.0, 0.5],
        "stop": [None, 0.5],
    },
    "random": {"random_state": [0, 1]},
    "loss_share": {"ratio": [0.5, 1.0], "monotone": [False, True]},
    "uncertainty": {"lr": [0.01, 0.1], "initial": [0.0, -0.5]},
    "dynamic_weight_average": {"tau": [0.5, 2.0]},
    "famo": {"lr": [0.01, 0.1], "decay": [0.0, 0.1]},
    "descent_share": {"ratio": [0.05, 1.0]},
    "equal_gradients": {"ratio": [0.1, 1.0]},
    "grad_norm": {"alpha": [0.0, 1.5], "lr": [0.01, 0.1]},
    "min_norm": {"normalize": [None, "l2", "log"]},
    "gradient_surgery": {},
    "conflict_averse": {"c": [0.2, 0.5]},
    "sample_wise": {
        "rule": ["wsl", "teacher_correct", "student_entropy", "agreement"],
        "weight": [0.3, 0.7],
    },
}
every_name = pytest.mark.parametrize("name", BALANCERS)


@every_name
def test_grid_holds_every_parameter_of_the_rule(name):
    own = set(BALANCERS[name]().get_params(deep=False)) - set(Balancer().get_params())
    assert {parameter.partition("__")[0] for parameter in GRIDS[name]} == own
    assert all(len(values) > 1 for values in GRIDS[name].values())


@every_name
@pytest.mark.parametrize("given", ["name", "instance"])
def test_grid_search_over_the_parameters_of_a_rule(name, given):
    grid = [{f"balancer__{parameter}": values} for parameter, values in GRIDS[name].items()]
    grid = grid or [{"balancer__max_weight": [0.4, 1.0]}]
    clf = classifier(name, max_epochs=1)
    if given == "name":
        clf.set_params(balancer=name)
    search = GridSearchCV(clf, grid, cv=2, error_score="raise").fit(X, Y)
    assert len(search.cv_results_["params"]) == sum(len(*each.values()) for each in grid)
    for parameter, value in search.best_params_.items():
        assert repr(search.best_estimator_.get_params()[parameter]) == repr(value)


def test_grid_search_over_rules():
    grid = {"balancer": [*BALANCERS, MatchLosses(), *(rule() for rule in BALANCERS.values())]}
    search = GridSearchCV(classifier("fixed", max_epochs=1), grid, cv=2, error_score="raise")
    assert len(search.fit(X, Y).cv_results_["params"]) == 2 * len(BALANCERS) + 1


@every_rule
def test_parameters_go_round(name):
    rule = FAMILY[name]()
    params = rule.get_params(deep=False)
    same = type(rule)(**params)
    assert repr(same) == repr(rule)
    assert {key: id(value) for key, value in same.get_params(deep=False).items()} == {
        key: id(value) for key, value in params.items()
    }
    assert repr(rule.set_params(**params)) == repr(same)


@every_name
def test_name_is_the_rule_with_its_defaults(name):
    by_name = classifier("fixed").set_params(balancer=name).fit(X, Y)
    assert type(by_name.balancer_) is BALANCERS[name]
    instance = classifier(name).fit(X, Y)
    np.testing.assert_array_equal(by_name.predict_proba(X), instance.predict_proba(X))


# What is written down


@every_name
def test_docstring_gives_formula_cost_source_and_example(name):
    text = BALANCERS[name].__doc__
    needed = [":math:" in text or ".. math::" in text, "Costs" in text, ">>> " in text]
    needed += ["Parameters\n" in text, "References\n" in text or "ours" in text]
    assert all(needed)


def test_every_rule_that_is_exported_has_a_name():
    import skkd.balancers

    exported = {
        value
        for value in vars(skkd.balancers).values()
        if isinstance(value, type) and issubclass(value, Balancer) and value is not Balancer
    }
    assert exported == set(BALANCERS.values())
    assert all(type(make_balancer(name)) is rule for name, rule in BALANCERS.items())
