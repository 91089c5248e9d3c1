"""Guards of the defaults that users live by: what they are, and how good a student they make."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from skkd import DistilledClassifier
from skkd._student.sizes import sized
from skkd._training import pilot
from skkd.balancers import DescentShare
from skkd.students import LearningRateSchedule, default_student


def test_the_balance():
    rule = DescentShare()
    assert (rule.ratio, rule.smoothing, rule.fade) == (0.05, 0.9, "auto")
    assert DistilledClassifier(None).balancer == "descent_share"


def test_the_optimizer():
    net = default_student()
    assert (net.lr, net.optimizer__weight_decay) == (2e-3, 0.1)
    [(_, schedule)] = net.callbacks
    assert isinstance(schedule, LearningRateSchedule)
    assert (schedule.warmup, schedule.final) == (0.05, 0.01)


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "max_epochs"),
    [(60, 30, 300), (300, 75, 150), (1000, 250, 150), (4000, 250, 150), (40_000, 255, 51)],
)
def test_the_sizes(n_rows, batch_size, max_epochs):
    sizes = sized(default_student(), np.zeros((n_rows, 2), dtype=np.float32))
    assert (sizes["batch_size"], sizes["max_epochs"]) == (batch_size, max_epochs)
    assert sizes["module__hidden"] == (256, 256)


@pytest.mark.parametrize(
    ("n_rows", "dropout", "pruning"),
    [(60, 0.2, 0.003), (4000, 0.2, 0.003), (32_000, 0.1, 0.00106), (1_000_000, 0.0317, 0.00019)],
)
def test_many_rows_need_less_dropout_and_bear_less_pruning(n_rows, dropout, pruning):
    sizes = sized(default_student(), np.zeros((n_rows, 1), dtype=np.float32))
    assert sizes["module__dropout"] == pytest.approx(dropout, rel=1e-2)
    assert sizes["module__pruning"] == pytest.approx(pruning, rel=1e-2)


def test_sizes_are_smooth_in_the_number_of_rows():
    steps = []
    for n_rows in range(40, 5000, 7):
        sizes = sized(default_student(), np.zeros((n_rows, 1), dtype=np.float32))
        steps.append(-(-n_rows // sizes["batch_size"]) * sizes["max_epochs"])
    change = np.abs(np.diff(np.log(steps)))
    assert change.max() < 0.35  # one batch more or less of three


def test_the_pilot():
    assert (pilot._N_STEPS, pilot._VALIDATION, pilot._SHARE) == (1000, 0.2, 0.5)


def mixed_table(n_rows=900, seed=0):
    """Numbers, one of them skewed, and a category, with noisy labels."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "a": rng.normal(size=n_rows),
            "b": rng.lognormal(sigma=2.0, size=n_rows),
            "c": pd.Categorical(rng.choice(list("wxyz"), n_rows)),
        }
    )
    score = X["a"] + np.log(X["b"]) / 2 + 1.5 * (X["c"] == "x") + rng.normal(size=n_rows)
    return X, (score > 0.5).astype(int).to_numpy()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "worst"), [("digits", 0.16), ("mixed", 0.43)])
def test_the_default_student_is_good(name, worst):
    if name == "digits":
        X, y = load_digits(return_X_y=True)
        X, teacher = X.astype(np.float32), ExtraTreesClassifier(100, random_state=0)
    else:
        X, y = mixed_table()
        teacher = HistGradientBoostingClassifier(
            max_iter=50, categorical_features="from_dtype", random_state=0
        )
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.4, stratify=y, random_state=0)
    clf = DistilledClassifier(teacher, augmenter=None, random_state=0).fit(X, y)
    assert log_loss(y_test, clf.predict_proba(X_test)) < worst
