"""Rows that no fold tests: only their labels teach."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import TimeSeriesSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skkd import DistilledClassifier
from skkd._classification import Classification
from skkd._input import Rows
from skkd.losses import js, kl
from tests.helpers import make_data, quick, targets_seen

X, Y = make_data()
SPLITTER = TimeSeriesSplit(4)
TESTED = np.zeros(60, dtype=bool)
for _, test in SPLITTER.split(X):
    TESTED[test] = True


def test_answers_come_from_earlier_rows():
    targets, _ = targets_seen(LogisticRegression(), X, Y, cv=SPLITTER)
    expected = np.empty((60, 3))
    for train, test in SPLITTER.split(X):
        expected[test] = LogisticRegression().fit(X[train], Y[train]).predict_proba(X[test])
    np.testing.assert_allclose(targets[TESTED], expected[TESTED], rtol=1e-12)


@pytest.mark.parametrize("loss", [kl, js])
@pytest.mark.parametrize("weight", [None, np.linspace(0.5, 1.5, 60)])
def test_distillation_loss_is_the_mean_over_rows_with_an_answer(loss, weight):
    proba = np.random.default_rng(0).dirichlet(np.ones(3), 60)
    rows = Rows(X, X, Y, weight, proba, np.where(TESTED, 0, -1))
    task = Classification(np.arange(3))
    both = task.objective(Y, proba, rows.loss_weight, loss, "cpu", torch.float64)
    answered = rows.take(np.flatnonzero(TESTED))
    part = task.objective(
        answered.labels, answered.answers, answered.loss_weight, loss, "cpu", torch.float64
    )
    both.soften(2.0)
    part.soften(2.0)
    logits = torch.randn(60, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    (task_loss, distillation), gradients = both(logits, slice(None))
    expected = log_loss(Y, torch.softmax(logits, -1), sample_weight=weight)
    assert float(task_loss) == pytest.approx(expected)
    assert float(distillation) == pytest.approx(float(part(logits[TESTED], slice(None))[0][1]))
    assert gradients.isfinite().all() and not gradients[1][~TESTED].any()
    some = torch.tensor([0, 59])
    assert not both(logits[some], some)[1][1, 0].any()


def test_nothing_is_learned_from_the_place_holders():
    rng = np.random.default_rng(0)
    folds, weight = np.where(TESTED, np.arange(60) % 3, -1), rng.random(60)
    task, proba = Classification(np.arange(3)), rng.dirichlet(np.ones(3), 60)
    other = np.where(TESTED[:, np.newaxis], proba, np.eye(3)[Y])
    one, two = (Rows(X, X, Y, weight, answers, folds) for answers in (proba, other))
    assert task.knowledge(one) == task.knowledge(two)
    scales = [task.calibrate("temperature", rows).scale for rows in (one, two)]
    assert scales[0] == scales[1]
    weights = [task.mixture_weights([rows.answers, proba[::-1]], one) for rows in (one, two)]
    np.testing.assert_array_equal(*weights)


@pytest.mark.parametrize("balancer", ["descent_share", "equal_gradients", "sample_wise"])
def test_a_time_series_of_changing_classes(balancer):
    """From end to end: a drifting series, the default student, and rows sorted by time."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 4)) + np.linspace(0, 1, 400)[:, np.newaxis]
    labels = (rows[:, 0] + rows[:, 1] > 1 + rng.normal(size=400) / 4).astype(int)
    teacher = make_pipeline(StandardScaler(), LogisticRegression())
    clf = DistilledClassifier(teacher, balancer=balancer, cv=TimeSeriesSplit(5), random_state=0)
    clf.set_params(student__max_epochs=15, student__batch_size=64).fit(rows[:300], labels[:300])
    assert clf.score(rows[300:], labels[300:]) > 0.7
    assert np.isfinite(clf.history_["distillation_loss"]).all()


def test_several_teachers_over_time():
    clf = quick([LogisticRegression(), GaussianNB()], cv=SPLITTER).fit(X, Y)
    assert sum(clf.teacher_weights_.values()) == pytest.approx(1)
    quick(clone(clf).set_params(early_stopping=True).teacher, cv=SPLITTER).fit(X, Y)
