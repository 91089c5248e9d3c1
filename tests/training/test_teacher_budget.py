"""How long the teacher may work for synthetic rows, by a clock that only the teacher moves."""

import math
import time
import warnings

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from skkd import DistilledClassifier
from skkd._progress import SILENT
from skkd._teacher.cost import Cost, timed
from skkd._training.teacher_budget import within_budget
from skkd.augmenters import RandomSwap
from skkd.exceptions import DistillationWarning
from skkd.students import default_student


class Slow(LogisticRegression):
    """Takes 20 ms for each answer, by the clock of these tests."""

    now = 0.0
    asked = 0

    def predict_proba(self, X):
        Slow.now += 0.02 * len(X)
        Slow.asked += len(X)
        return super().predict_proba(X)


@pytest.fixture
def clock(monkeypatch):
    Slow.now, Slow.asked = 0.0, 0
    monkeypatch.setattr(time, "perf_counter", lambda: Slow.now)


X, Y = make_classification(800, 10, n_informative=6, flip_y=0.1, random_state=0)
STUDENT = default_student().set_params(max_epochs=16)


def asked_by(teacher, **params):
    """Rows that a teacher is asked about in a fit, the classifier, and what it warned of."""
    Slow.asked = 0
    clf = DistilledClassifier(teacher, STUDENT, random_state=0, **params)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DistillationWarning)
        clf.fit(X, Y)
    return Slow.asked, clf, [str(one.message) for one in caught]


def test_a_slow_teacher_is_asked_less_and_says_so_first(clock, capsys):
    n_asked, clf, [message] = asked_by(Slow(), verbose=1)
    assert 800 < n_asked <= 8000
    assert "teacher_budget=None" in message and "2 min" in message
    lines = capsys.readouterr().out.splitlines()
    told = next(i for i, line in enumerate(lines) if line.startswith("synthetic rows: "))
    assert "2.1 min" in lines[told]
    assert told < next(i for i, line in enumerate(lines) if line.startswith("augmenter"))
    without_limit, unlimited, messages = asked_by(Slow(), teacher_budget=None)
    assert without_limit > n_asked and not messages
    assert clf.augmenter_.n_new < unlimited.augmenter_.n_new


def test_no_time_means_no_synthetic_rows(clock):
    n_asked, clf, [message] = asked_by(Slow().fit(X[:400], Y[:400]), teacher_budget=1)
    assert n_asked == 800 and clf.augmenter_ is None
    assert "are left out" in message and "teacher_budget=1" in message


def test_a_named_augmenter_has_no_limit(clock):
    augmenter = RandomSwap(refresh=16)
    n_asked, _, messages = asked_by(Slow(), augmenter=augmenter, teacher_budget=1)
    assert n_asked == 1600 and not messages


def test_a_cached_teacher_is_as_slow_as_it_was(clock, tmp_path):
    first = asked_by(Slow(), memory=tmp_path)
    again = asked_by(Slow(), memory=tmp_path)
    assert again[0] == 0 and first[2] == again[2]
    np.testing.assert_array_equal(first[1].predict_proba(X), again[1].predict_proba(X))


SIZES = {"n_rows": 1000, "n_epochs": 30, "progress": SILENT}


def allowed(budget, cost):
    """Synthetic rows per row that are left of two."""
    left = within_budget(RandomSwap(n_new=2.0, refresh=10), budget, cost, **SIZES)
    return left.n_new if left else 0.0


# Three times 2,000 rows.
@pytest.mark.parametrize(
    ("budget", "cost", "expected"),
    [
        ("auto", Cost(1.0, 0.01), 2.0),  # 60 s of 120 s
        ("auto", Cost(10.0, 0.04), 1.0),  # 240 s, twice as much
        ("auto", Cost(100.0, 0.04), 2.0),  # 240 s of three times 100 s
        (6000 / 1024, Cost(0.0, 1 / 512), 1.0),
        (5.8, Cost(0.0, 1 / 512), 0.75),
        (1.0, Cost(0.0, 1.0), 0.0),
        (0, Cost(0.0, 0.0), 2.0),  # given answers cost nothing
        (None, Cost(1e6, 1e3), 2.0),
    ],
)
@pytest.mark.filterwarnings("ignore::skkd.exceptions.DistillationWarning")
def test_rows_that_a_budget_allows(budget, cost, expected):
    assert allowed(budget, cost) == expected


@pytest.mark.filterwarnings("ignore::skkd.exceptions.DistillationWarning")
def test_fewer_rows_weigh_less_and_never_take_longer_than_allowed():
    generator = np.random.default_rng(0)
    for _ in range(100):
        cost = Cost(generator.exponential(5), generator.exponential(0.01))
        budget = generator.exponential(60)
        n_new = allowed(budget, cost)
        assert n_new * 3000 * cost.row_seconds <= budget * (1 + 1e-12)


@pytest.mark.filterwarnings("ignore::skkd.exceptions.DistillationWarning")
def test_the_weight_falls_with_the_root_of_the_number():
    whole = RandomSwap(n_new=2.0, refresh=10, loss_weight=3.0)
    half = within_budget(whole, 3000 / 2, Cost(0.0, 0.5), **SIZES)
    assert (half.n_new, half.loss_weight) == (1.0, pytest.approx(3 / math.sqrt(2)))


@pytest.mark.parametrize("kind", [HistGradientBoostingClassifier, RandomForestClassifier])
def test_ordinary_teachers_are_not_near_the_limit(kind):
    teacher = kind(random_state=0).fit(X, Y)
    _, seconds = timed(lambda: teacher.predict_proba(X))
    assert allowed("auto", Cost(0.0, 10 * seconds / len(X))) == 2.0
