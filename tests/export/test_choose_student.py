"""A student within a budget, as a user asks for one, measured again by onnxruntime itself."""

import sys
import time
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
import pytest
import torch
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skkd import DistilledClassifier, LatencyDisplay, choose_student
from skkd._student import net_of
from skkd.export import to_onnx
from skkd.export._choose_student import _best
from tests.export.frames import people
from tests.helpers import fitted_teacher, make_data, quick

AMOUNTS = (1e-5, 0.3)


class Counted(LogisticRegression):
    """Counts the fits of all instances."""

    n_fits = 0

    def fit(self, X, y, sample_weight=None):
        Counted.n_fits += 1
        return super().fit(X, y, sample_weight)


def template(teacher=None, **params):
    """A default student that is trained for a moment."""
    clf = DistilledClassifier(
        Counted() if teacher is None else teacher, augmenter=None, random_state=0, **params
    )
    return clf.set_params(student__max_epochs=4)


@pytest.fixture(scope="module")
def choice():
    X, y = make_data(300)
    return choose_student(template(), X, y, max_bytes=10_000, pruning=AMOUNTS)


def test_best_within_the_budget_is_chosen(choice):
    large, small = (choice.candidates[amount]["bytes"] for amount in AMOUNTS)
    assert small < 10_000 < large
    assert choice.pruning == 0.3 and choice.max_bytes == 10_000
    for found in choice.candidates.values():
        assert 0 < found["row_us"] <= found["row_us_p99"]


def test_teacher_works_once():
    X, y = make_data(100)
    Counted.n_fits = 0
    choose_student(template(cv=3), X, y, pruning=AMOUNTS)
    assert Counted.n_fits == 3 + 1


def test_chosen_student_is_the_file_that_was_measured(choice, tmp_path):
    X, _ = make_data(300)
    exported = to_onnx(choice.classifier, tmp_path / "student.onnx", X, dtype="float32")
    assert exported.n_bytes == choice.candidates[0.3]["bytes"]


@pytest.mark.parametrize("pipeline", [False, True])
def test_candidates_are_what_fit_makes_of_their_pruning(pipeline):
    X, y = make_data(200, n_classes=2)
    clf, name = template(cv=3), "student__module__pruning"
    if pipeline:
        clf.set_params(student=make_pipeline(StandardScaler(), clf.student))
        name = "student__neuralnetclassifier__module__pruning"
    choice = choose_student(clf, X, y, pruning=[0.1], validation_fraction=0.25)
    X, X_valid, y, y_valid = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)
    alone = clone(clf).set_params(**{name: 0.1}).fit(X, y)
    proba = alone.predict_proba(X_valid)
    assert np.array_equal(choice.classifier.predict_proba(X_valid), proba)
    assert choice.candidates[0.1]["score"] == pytest.approx(-log_loss(y_valid, proba))
    assert choice.classifier.get_params()[name] == 0.1
    found, expected = net_of(choice.classifier.student_), net_of(alone.student_)
    assert found.get_params()["module__hidden"] == expected.get_params()["module__hidden"]


def test_scorer_of_the_user():
    X, y = make_data(100)

    def scorer(clf, X, y):
        return -net_of(clf.student_).module_.layers[0].out_features

    choice = choose_student(template(), X, y, scoring=scorer, pruning=AMOUNTS)
    assert choice.pruning == 0.3 and choice.score_name == "score"


@pytest.mark.slow
def test_budget_of_a_frame(tmp_path):
    frame, y = people(1500)
    teacher = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["school"]), ("passthrough", ["age", "gain"])),
        LogisticRegression(max_iter=1000),
    )
    choice = choose_student(
        template(teacher), frame, y, max_row_us=1e4, max_bytes=30_000, scoring="roc_auc"
    )
    assert len(choice.candidates) == 5
    exported = to_onnx(choice.classifier, tmp_path / "student.onnx", frame, dtype="float32")
    assert exported.n_bytes <= 30_000
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(exported.path, options)
    feed, times = exported.feed(frame[:1]), []
    for _ in range(300):
        start = time.perf_counter()
        session.run(["probabilities"], feed)
        times.append(time.perf_counter() - start)
    measured = choice.candidates[choice.pruning]["row_us"]
    assert measured / 10 < 1e6 * np.median(times) < 10 * measured


def test_picture(choice):
    display = choice.plot()
    assert isinstance(display, LatencyDisplay)
    assert len(display.points) == 2
    for (name, models), found in zip(
        display.points.items(), choice.candidates.values(), strict=True
    ):
        assert name == f"{found['bytes'] / 1e3:.1f} kB"
        [(model, point)] = models.items()
        assert (model == "student") == (found is choice.candidates[choice.pruning])
        assert point["score"] == found["score"]
        assert point["milliseconds"] == pytest.approx(found["row_us"] / 1e3)
    n_lines = len(display.ax_.lines)
    limited = replace(choice, max_row_us=50.0).plot()
    assert len(limited.ax_.lines) == n_lines + 1
    assert limited.ax_.lines[-1].get_xdata()[0] == pytest.approx(0.05)
    plt.close("all")


FOUND = {
    0.003: {"score": 0.4, "row_us": 40.0, "bytes": 90_000},
    0.01: {"score": 0.3, "row_us": 10.0, "bytes": 3000},
    0.03: {"score": 0.3, "row_us": 9.0, "bytes": 2000},
    0.1: {"score": 0.1, "row_us": 8.0, "bytes": 1000},
}


@pytest.mark.parametrize(
    ("max_row_us", "max_bytes", "pruning"),
    [
        (None, None, 0.003),
        (40, 90_000, 0.003),
        (39, None, 0.03),  # of two equal ones the smaller
        (None, 89_999, 0.03),
        (8.5, 10**9, 0.1),
    ],
)
def test_which_is_best(max_row_us, max_bytes, pruning):
    assert _best(FOUND, max_row_us, max_bytes) == pruning


def test_budget_that_none_keeps():
    message = (
        "budget of 4.0 µs a row and 2,500 bytes. The nearest has 8.0 µs a row and 1,000 bytes, by "
        "pruning=0.1"
    )
    with pytest.raises(ValueError, match=message):
        _best(FOUND, 4, 2500)
    with pytest.raises(ValueError, match="budget of 900 bytes. The nearest has 8.0 µs .* 1,000"):
        _best(FOUND, None, 900)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"max_row_us": 0}, ValueError, "max_row_us=0 is not allowed"),
        ({"max_bytes": "50 kB"}, ValueError, "max_bytes='50 kB' is not allowed"),
        ({"validation_fraction": 20}, ValueError, "validation_fraction=20 is not allowed"),
        ({"scoring": "speed"}, ValueError, "speed"),
        ({"pruning": []}, ValueError, r"pruning=\[\] is not allowed"),
        ({"pruning": [-1]}, ValueError, r"pruning=\[-1\] is not allowed"),
        ({"clf": quick(Counted())}, ValueError, "this student is another one"),
        ({"clf": LogisticRegression()}, TypeError, "clf must be a DistilledClassifier"),
        ({"clf": DistilledClassifier(None)}, ValueError, "needs a teacher"),
        ({"y": [0] * 59 + [1]}, ValueError, "can't be split"),
        ({"y": [0] * 57 + [1] * 3, "validation_fraction": 0.1}, ValueError, "too few rows"),
    ],
)
def test_what_is_refused_before_training(arguments, error, message):
    X, y = make_data(60)
    Counted.n_fits = 0
    given = {"clf": template(), "X": X, "y": y} | arguments
    with pytest.raises(error, match=message):
        choose_student(given.pop("clf"), given.pop("X"), given.pop("y"), **given)
    assert Counted.n_fits == 0


def test_user_objects_stay_as_they_are():
    X, y = make_data(100)
    teacher = fitted_teacher(X, y)
    clf = template(teacher).set_params(random_state=None)
    state, params = np.random.get_state()[1].copy(), clf.get_params(deep=False)
    with torch.no_grad():
        choice = choose_student(clf, X, y, pruning=[0.1])
    assert np.array_equal(np.random.get_state()[1], state)
    assert not hasattr(clf, "student_") and clf.get_params(deep=False) == params
    assert choice.classifier.teacher_ is teacher and choice.classifier.random_state is None
    assert choice.classifier.partial_fit(X, y).n_iter_ == 5


def test_without_onnx(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    X, y = make_data(60)
    with pytest.raises(ImportError, match="needs onnx, which is not installed"):
        choose_student(template(), X, y)
