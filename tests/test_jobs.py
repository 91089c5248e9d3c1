"""Jobs as people have them, from raw rows to a verdict, a score or a file.

Other jobs have modules of their own: dates and text in the examples, one per cent of positives in
``report/test_scoring.py``, a slow teacher in ``training/test_teacher_budget.py``, a time series in
``teacher/test_time_series.py``, a budget in ``export/test_choose_student.py``, and a service in
``examples/plot_serving.py``.
"""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from skkd import DistilledClassifier
from skkd.exceptions import DistillationWarning
from skkd.export import OnnxStudent, to_onnx
from skkd.report import distillation_report
from tests.helpers import make_data


def test_191_classes_with_a_long_tail(tmp_path):
    """Most classes have fewer rows than the teacher has folds."""
    rng = np.random.default_rng(0)
    shares = 1 / np.arange(1, 192) ** 1.1
    codes = rng.choice(191, 2000, p=shares / shares.sum())
    X = 1.5 * rng.normal(size=(191, 20))[codes] + rng.normal(size=(2000, 20))
    y = np.array([f"part {code}" for code in codes])
    X, X_test, y, y_test = train_test_split(X, y, random_state=0)
    teacher = ExtraTreesClassifier(20, random_state=0)
    clf = DistilledClassifier(teacher, augmenter=None, random_state=0)
    with pytest.warns(DistillationWarning) as caught:
        clf.set_params(student__max_epochs=30).fit(X, y)
    assert len(caught) == 1
    known = np.isin(y_test, clf.classes_)
    X_test, y_test = X_test[known], y_test[known]
    assert clf.score(X_test, y_test) > clf.teacher_.score(X_test, y_test)
    report = distillation_report(
        clf, X_test, y_test, baseline=None, latency=False, n_bootstrap=100, random_state=0
    )
    assert report.verdict.startswith("The student never predicts classes 'part ")
    student = OnnxStudent(to_onnx(clf, tmp_path / "student.onnx", X_test).path)
    assert np.array_equal(student.predict(X_test), clf.predict(X_test))


def test_a_stack_on_raw_columns_becomes_one_file(tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "income": np.where(rng.random(600) < 0.1, np.nan, rng.lognormal(10, 1, 600)),
            "job": rng.choice(["nurse", "smith", "clerk", None], 600),
            "owns": rng.random(600) < 0.5,
        }
    )
    y = (np.log(X["income"].fillna(20_000)) + (X["job"] == "nurse") + X["owns"] > 10.8).map(
        {True: "yes", False: "no"}
    )
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["job"]), remainder="passthrough"
    )
    stack = StackingClassifier(
        [
            ("forest", make_pipeline(columns, RandomForestClassifier(20, random_state=0))),
            ("trees", make_pipeline(columns, ExtraTreesClassifier(20, random_state=0))),
        ],
        LogisticRegression(),
        cv=2,
    )
    clf = DistilledClassifier(stack, cv=2, augmenter=None, random_state=0).fit(X, y)
    student = OnnxStudent(to_onnx(clf, tmp_path / "student.onnx", X).path)
    rows = [{"income": 90_000, "job": "nurse", "owns": True}, {"income": 3_000.0}]
    assert student.predict(rows).tolist() == ["yes", "no"]
    np.testing.assert_allclose(student.predict_proba(X), clf.predict_proba(X), atol=1e-5)


class Counted(LogisticRegression):
    """Counts the fits of all copies."""

    n_fits = 0

    def fit(self, X, y, sample_weight=None):
        Counted.n_fits += 1
        return super().fit(X, y, sample_weight)


def test_a_nested_search_fits_the_teacher_once_for_the_same_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(Counted, "n_fits", 0)
    X, y = make_data(240, 2)
    clf = DistilledClassifier(Counted(), cv=2, augmenter=None, memory=tmp_path, random_state=0)
    grid = {"balancer__ratio": [0.1, 1.0], "student__max_epochs": [2, 3]}
    scores = cross_val_score(GridSearchCV(clf, grid, cv=2), X, y, cv=3)
    assert np.isfinite(scores).all()
    # Each outer fold has two inner ones and a refit, each with two folds and a last fit. Some have
    # the same rows. Without memory, each of the four points of the grid would fit again.
    assert 3 * (2 + 1) < Counted.n_fits <= 3 * (2 + 1) * (2 + 1)
