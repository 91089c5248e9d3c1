"""A student and a teacher whose answers stand in the rows, and real ones in their place."""

import pickle
import subprocess
import sys
import textwrap
from types import SimpleNamespace
from unittest import SkipTest

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

from skkd import DeferringClassifier
from skkd.exceptions import DistillationWarning
from skkd.export import OnnxStudent, to_onnx
from tests.export.frames import people, quick_student
from tests.helpers import fitted_teacher, make_data, quick


class InColumns:
    """A model whose label of a row stands in one column, and its probability in another."""

    def __init__(self, label, sure, classes=(0, 1, 2)):
        self.label, self.sure, self.classes_ = label, sure, np.array(classes)
        self.n_rows = []

    def predict_proba(self, X):
        self.n_rows.append(len(X))
        n_others = len(self.classes_) - 1
        proba = np.tile((1 - X[:, [self.sure]]) / n_others, n_others + 1)
        at = np.searchsorted(self.classes_, X[:, self.label])
        proba[np.arange(len(X)), at] = X[:, self.sure]
        return proba


def made_rows(n_rows, seed=0):
    """Columns: the student's label and how sure it is, the teacher's and how sure, the truth."""
    rng = np.random.default_rng(seed)
    teacher, sure = rng.integers(3, size=n_rows), rng.uniform(0.5, 1, n_rows)
    student = np.where(rng.random(n_rows) < 0.6 * (1 - sure), (teacher + 1) % 3, teacher)
    y = np.where(rng.random(n_rows) < 0.05, (teacher + 2) % 3, teacher)
    return np.column_stack([student, sure, teacher, np.full(n_rows, 0.9), y]), y


def in_columns():
    return InColumns(0, 1), InColumns(2, 3)


@pytest.mark.parametrize(
    "aim", [{"agreement": 0.97}, {"accuracy_loss": 0.03}, {"defer": 0.2}], ids=lambda aim: [*aim][0]
)
def test_unsure_rows_get_the_teachers_answers(aim):
    X, y = made_rows(2000)
    student, teacher = in_columns()
    clf = DeferringClassifier(student, teacher, **aim).fit(X, y)
    unsure = X[:, 1] < clf.threshold_
    assert 0.02 < unsure.mean() < 0.9
    assert clf.deferred_share_ == unsure.mean()
    teacher.n_rows.clear()
    assert np.array_equal(clf.defers(X), unsure) and teacher.n_rows == []
    np.testing.assert_array_equal(clf.predict(X), np.where(unsure, X[:, 2], X[:, 0]))
    assert teacher.n_rows == [unsure.sum()]
    proba = clf.predict_proba(X)
    np.testing.assert_array_equal(proba[unsure], teacher.predict_proba(X[unsure]))
    np.testing.assert_array_equal(proba[~unsure], student.predict_proba(X[~unsure]))
    sure = X[~unsure]
    teacher.n_rows.clear()
    clf.predict(sure)
    assert teacher.n_rows == [], "a call without unsure rows does not ask the teacher"


def test_promises_hold_on_other_rows():
    X, y = made_rows(4000)
    X_new, y_new = made_rows(200_000, seed=1)
    student, teacher = in_columns()
    agreeing = DeferringClassifier(student, teacher, agreement=0.99, confidence_level=0.99).fit(X)
    assert 0.99 < (agreeing.predict(X_new) == X_new[:, 2]).mean() < 0.997
    level = DeferringClassifier(student, teacher, accuracy_loss=0.02).fit(X, y)
    lost = (X_new[:, 2] == y_new).mean() - level.score(X_new, y_new)
    assert 0 < lost < 0.02
    some = DeferringClassifier(student, teacher, defer=0.1).fit(X)
    assert 0.08 < some.defers(X_new).mean() < 0.1


def test_more_confidence_defers_more():
    X, _ = made_rows(2000)
    student, teacher = in_columns()
    shares = [
        DeferringClassifier(student, teacher, agreement=0.98, confidence_level=level)
        .fit(X)
        .deferred_share_
        for level in (0.5, 0.9, 0.999)
    ]
    assert shares == sorted(set(shares))


def test_classes_are_aligned_by_value():
    X, _ = made_rows(500)
    # The student knows no 2 and says 7 in its place; the teacher's columns are in another order.
    student = InColumns(0, 1, (0, 1, 7))
    X[X[:, 0] == 2, 0] = 7
    other = InColumns(2, 3)
    teacher = SimpleNamespace(
        classes_=np.array([2, 0, 1]), predict_proba=lambda X: other.predict_proba(X)[:, [2, 0, 1]]
    )
    clf = DeferringClassifier(student, teacher, defer=0.3).fit(X)
    assert clf.classes_.tolist() == [0, 1, 2, 7]
    unsure = clf.defers(X)
    assert unsure.any()
    np.testing.assert_array_equal(clf.predict(X), np.where(unsure, X[:, 2], X[:, 0]))
    proba = clf.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert (proba[unsure, 3] == 0).all() and (proba[~unsure, 2] == 0).all()


def test_students_of_every_kind(tmp_path):
    frame, y = people(600)
    numbers = make_column_transformer(("passthrough", ["age", "gain"]))
    teacher = make_pipeline(numbers, LogisticRegression(max_iter=1000)).fit(frame, y)
    distilled = quick_student(frame, y, proba=teacher.predict_proba(frame))
    onnx = OnnxStudent(to_onnx(distilled, tmp_path / "student.onnx", frame).path)
    answers = []
    for student in (distilled, distilled.student_only(), onnx):
        clf = DeferringClassifier(student, teacher, defer=0.4).fit(frame[:300])
        again = pickle.loads(pickle.dumps(clf))
        np.testing.assert_array_equal(again.predict_proba(frame), clf.predict_proba(frame))
        assert 0.1 < clf.defers(frame).mean() < 0.5
        assert clf.feature_names_in_.tolist() == list(frame.columns)
        answers.append(clf.predict_proba(frame))
    np.testing.assert_allclose(answers[0], answers[1])
    np.testing.assert_allclose(answers[0], answers[2], atol=1e-5)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.coo_matrix, list])
def test_rows_in_any_container(kind):
    X, y = make_data()
    teacher = fitted_teacher(X, y)
    clf = DeferringClassifier(quick(teacher).fit(X, y), teacher, defer=0.5).fit(X)
    np.testing.assert_allclose(clf.predict_proba(kind(X)), clf.predict_proba(X))
    assert clf.n_features_in_ == 5


def test_float32_stays_float32():
    X, y = make_data(dtype=np.float32)
    teacher = fitted_teacher(X.astype(float), y)
    clf = DeferringClassifier(quick(teacher).fit(X, y), teacher, defer=0.5).fit(X)
    assert clf.defers(X).any() and clf.predict_proba(X).dtype == np.float32


def test_clones_keep_their_models():
    X, y = made_rows(1000)
    student, teacher = in_columns()
    clf = DeferringClassifier(student, teacher, agreement=0.97)
    again = clone(clf)
    assert again.student is student and not hasattr(again, "threshold_")
    assert cross_val_score(clf, X, y, cv=2).min() > 0.9
    search = GridSearchCV(clf, {"agreement": [0.9, 0.99]}, cv=2).fit(X, y)
    assert search.best_params_ == {"agreement": 0.99}
    with pytest.raises(ValueError, match="student__lr can't be set"):
        clf.set_params(student__lr=1)


def test_expected_time_is_of_both():
    X, _ = made_rows(400)
    clf = DeferringClassifier(*in_columns(), defer=0.3).fit(X)
    found = clf.milliseconds(X)
    share = clf.defers(X).mean()
    assert min(found.values()) > 0
    assert found["expected"] == pytest.approx(found["student"] + share * found["teacher"])


def test_too_few_rows_defer_all():
    X, y = made_rows(100)
    clf = DeferringClassifier(*in_columns(), agreement=0.99)
    # log(0.05) / log(0.99) = 298.07
    with pytest.warns(DistillationWarning, match="All rows go to the teacher.*at least 299 rows"):
        clf.fit(X)
    assert clf.threshold_ == np.inf and clf.deferred_share_ == 1
    np.testing.assert_array_equal(clf.predict(X), X[:, 2])
    sure = X.copy()
    sure[:, 0] = sure[:, 2]
    enough = np.tile(sure, (3, 1))[:299]
    assert clf.fit(enough).threshold_ == 0
    with pytest.warns(DistillationWarning, match="at least 299"):
        clf.fit(enough[:298])
    # log(0.025) / log(0.99) = 367.04
    clf.set_params(agreement=None, accuracy_loss=0.01)
    with pytest.warns(DistillationWarning, match="at least 368 rows"):
        clf.fit(enough, enough[:, 2])


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({}, ValueError, "exactly one of agreement, accuracy_loss, defer; got none"),
        ({"agreement": 0.9, "defer": 0.1}, ValueError, "got agreement=0.9, defer=0.1"),
        ({"agreement": 1.0}, ValueError, "'agreement' parameter"),
        ({"defer": 0.1, "confidence_level": 95}, ValueError, "'confidence_level' parameter"),
        ({"accuracy_loss": 0.1}, ValueError, "accuracy_loss needs labels"),
        ({"defer": 0.1, "teacher": LogisticRegression()}, NotFittedError, "The teacher Logistic"),
        ({"defer": 0.1, "student": LogisticRegression}, TypeError, "student must be a classifier"),
        ({"defer": 0.1, "student": InColumns(0, 1, "abc")}, ValueError, "none in common"),
    ],
)
def test_what_is_not_allowed(params, error, message):
    X, _ = made_rows(20)
    student, teacher = in_columns()
    clf = DeferringClassifier(**{"student": student, "teacher": teacher} | params)
    with pytest.raises(error, match=message):
        clf.fit(X)
    assert student.n_rows == [] and not hasattr(clf, "threshold_")


def test_labels_that_nobody_knows():
    X, _ = made_rows(20)
    clf = DeferringClassifier(*in_columns(), accuracy_loss=0.1)
    with pytest.raises(ValueError, match="y has none of the classes"):
        clf.fit(X, np.full(20, "a"))
    with pytest.raises(ValueError, match="inconsistent numbers"):
        clf.fit(X, [0, 1])
    with pytest.raises(NotFittedError):
        clf.predict(X)


class FitsItsModels(DeferringClassifier):
    """Fits clones of its models on the same rows: scikit-learn's checks have no fitted ones."""

    def fit(self, X, y):
        models = [clone(model).fit(X, y) for model in (self.student, self.teacher)]
        fitted = DeferringClassifier(*models, defer=self.defer).fit(X, y)
        vars(self).update({name: value for name, value in vars(fitted).items() if name[-1] == "_"})
        return self


CHECKS = list(
    estimator_checks_generator(
        FitsItsModels(LogisticRegression(), RandomForestClassifier(5, random_state=0), defer=0.5)
    )
)


@pytest.mark.parametrize(
    ("estimator", "check"),
    CHECKS,
    ids=[getattr(check, "func", check).__name__ for _, check in CHECKS],
)
def test_scikit_learns_checks(estimator, check):
    try:
        check(estimator)
    except (SkipTest, pytest.skip.Exception) as reason:
        pytest.fail(f"skipped: {reason}")


def test_torch_is_not_imported(tmp_path):
    X, y = make_data()
    to_onnx(quick(fitted_teacher(X, y)).fit(X, y), tmp_path / "student.onnx", X)
    script = """
        import sys
        import numpy as np
        from sklearn.linear_model import LogisticRegression
        from skkd import DeferringClassifier
        from skkd.export import OnnxStudent

        X = np.random.default_rng(0).normal(size=(60, 5))
        teacher = LogisticRegression().fit(X, np.arange(60) % 3)
        clf = DeferringClassifier(OnnxStudent(sys.argv[1]), teacher, defer=0.5).fit(X)
        print(len(clf.predict(X)), "torch" in sys.modules)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), tmp_path / "student.onnx"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["60", "False"], done.stderr


class Spoiling(InColumns):
    """Overwrites the rows that it is asked about, where it can."""

    def predict_proba(self, X):
        proba = super().predict_proba(X)
        if X.flags.writeable:
            X[:] = 0
        return proba


@pytest.mark.parametrize("rounded", [np.float16, lambda proba: proba.round(2)])
def test_rounded_answers_of_a_teacher_sum_to_one(rounded):
    class Rounded(InColumns):
        def predict_proba(self, X):
            return rounded(super().predict_proba(X))

    X, _ = made_rows(500)
    X[:, 3] = np.random.default_rng(0).uniform(0.5, 1, 500)  # how sure the teacher is
    clf = DeferringClassifier(InColumns(0, 1), Rounded(2, 3), defer=0.5).fit(X)
    assert clf.defers(X).any()
    np.testing.assert_allclose(clf.predict_proba(X).sum(axis=1), 1, rtol=1e-6)


def test_a_teacher_that_works_in_place_changes_no_rows():
    X, _ = made_rows(200)
    before = X.copy()
    both = DeferringClassifier(InColumns(0, 1), Spoiling(2, 3), agreement=0.5).fit(X)  # asks it
    both.predict(X)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda proba: proba * np.nan, "NaN"),
        (np.log, "negative"),
        (lambda proba: proba[:-1], "shape"),
    ],
    ids=["NaN", "logits", "too few rows"],
)
def test_answers_that_are_no_probabilities(spoil, message):
    X, _ = made_rows(200)
    teacher = InColumns(2, 3)
    both = DeferringClassifier(InColumns(0, 1), teacher, defer=0.5).fit(X)
    answer = teacher.predict_proba
    teacher.predict_proba = lambda rows: spoil(answer(rows))
    with pytest.raises(ValueError, match=message):
        both.predict(X)
