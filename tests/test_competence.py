"""What the teacher knows of the labels."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from skkd._input.chunks import row_slices
from skkd._input.rows import Rows
from skkd._teacher.competence import knowledge_of_teacher


def sample(n_rows=500, sharpness=1.0, seed=0):
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.full(3, 1 / sharpness), n_rows)
    labels = (rng.random((n_rows, 1)) > proba.cumsum(axis=1)).sum(axis=1)
    return proba, labels


def knowledge(proba, labels, weight=None):
    return knowledge_of_teacher(Rows(np.zeros((len(labels), 1)), labels, proba, weight))


@pytest.mark.parametrize("weighted", [False, True])
def test_losses_are_those_of_scikit_learn(weighted, monkeypatch):
    parts = []  # of some rows each, so that sums over them are tested

    def few_at_a_time(proba):
        parts.extend(row_slices(proba, 100))
        return parts

    monkeypatch.setattr("skkd._teacher.competence.row_slices", few_at_a_time)
    proba, labels = sample()
    proba = (proba + 0.01) / 1.03  # as the labels were drawn, or nearly so
    weight = np.random.default_rng(1).uniform(0.5, 2, 500) if weighted else None
    known = knowledge(proba, labels, weight)
    frequencies = np.bincount(labels, weight) / (500 if weight is None else weight.sum())
    loss = log_loss(labels, proba, sample_weight=weight)
    without = log_loss(labels, np.tile(frequencies, (500, 1)), sample_weight=weight)
    assert known.loss == pytest.approx(loss, rel=1e-9)
    assert known.gain == pytest.approx(without - loss, rel=1e-9)
    assert len(parts) > 10


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_how_sure_of_itself_a_teacher_is_does_not_matter(temperature):
    proba, labels = sample()
    proba = (proba + 0.03) / 1.09
    sharper = proba**temperature / (proba**temperature).sum(axis=1, keepdims=True)
    assert knowledge(sharper, labels).loss == pytest.approx(knowledge(proba, labels).loss, abs=5e-3)


def test_sure_and_mostly_right_is_knowledge():
    labels = np.arange(60) % 2
    says = np.where(np.arange(60) % 5 == 0, 1 - labels, labels)
    known = knowledge(np.eye(2)[says], labels)
    assert known.is_any
    assert not knowledge(np.eye(2)[1 - says], labels).is_any


def test_error_is_that_of_a_mean():
    proba, labels = sample()
    proba = (proba + 0.01) / 1.03
    own = -np.log(proba[np.arange(500), labels])
    gains = -np.log(np.bincount(labels) / 500)[labels] - own
    known = knowledge(proba, labels)
    assert known.error == pytest.approx(gains.std() / np.sqrt(500), rel=1e-9)
    assert knowledge(proba, labels, np.full(500, 7.0)).error == pytest.approx(known.error)


def test_who_draws_the_labels_knows_them():
    assert knowledge(*sample(100)).is_any


@pytest.mark.parametrize("seed", range(5))
def test_who_says_the_frequencies_knows_nothing(seed):
    _, labels = sample(seed=seed)
    assert not knowledge(np.tile(np.bincount(labels) / 500, (500, 1)), labels).is_any


@pytest.mark.parametrize("seed", range(5))
def test_who_speaks_of_other_rows_knows_nothing(seed):
    proba, labels = sample(seed=seed)
    assert not knowledge(np.roll(proba, 1, axis=0), labels).is_any
