import numpy as np
import pandas as pd
import pytest

from benchmarks import teachers
from benchmarks.protocol import split
from benchmarks.teachers import Signals, ask_teacher


@pytest.fixture(scope="module")
def rows():
    return split("breast_cancer", 0, 200)


@pytest.fixture
def answers(tmp_path, monkeypatch):
    monkeypatch.setenv("SKKD_DATA", str(tmp_path))
    monkeypatch.setitem(teachers.TEACHERS, "breast_cancer", "forest")
    monkeypatch.setattr(teachers, "N_TREES", 20)
    return ask_teacher("breast_cancer", 0, 200)


def test_targets_follow_the_training_rows_and_test_answers_the_test_rows(answers, rows):
    for targets in Signals(answers, rows.y).targets.values():
        assert targets.shape == (len(rows.y), 2)
        np.testing.assert_allclose(targets.sum(axis=1), 1.0)
    assert answers.test.shape == (len(rows.y_test), 2)


def test_out_of_fold_answers_are_less_right_than_those_on_rows_that_were_seen(answers, rows):
    right = {
        name: (answers.classes[proba.argmax(axis=1)] == rows.y).mean()
        for name, proba in Signals(answers, rows.y).targets.items()
    }
    assert right["insample"] == 1.0
    assert 0.85 < right["oof"] < 1.0


def test_a_teacher_is_asked_only_once(answers, monkeypatch):
    monkeypatch.setattr(teachers, "make_teacher", lambda *_: pytest.fail("asked again"))
    again = ask_teacher("breast_cancer", 0, 200)
    np.testing.assert_array_equal(again.oof, answers.oof)


def test_new_rows_are_labelled_as_the_training_rows_are(answers, rows):
    forest = teachers.make_teacher("forest", rows.X, 0).fit(rows.X, rows.y)
    signals = Signals(answers, rows.y)
    plain = signals.asked_for("oof", forest).predict_proba(rows.X_test)
    np.testing.assert_array_equal(plain, answers.test)
    calibrated = signals.asked_for("calibrated", forest)
    np.testing.assert_array_equal(calibrated.predict_proba(rows.X_test), signals.calibrated_test)
    np.testing.assert_array_equal(calibrated.classes_, forest.classes_)


def test_a_forest_takes_mixed_columns_behind_an_encoder():
    X = pd.DataFrame({"x": [1.0, 2.0, 3.0], "kind": pd.Categorical(["a", "b", None])})
    forest = teachers.make_teacher("forest", X, 0).fit(X, [0, 1, 1])
    assert forest.predict_proba(X).shape == (3, 2)
    assert teachers.make_teacher("boosting", X, 0).fit(X, [0, 1, 1]).predict(X).shape == (3,)
