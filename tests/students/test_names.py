"""Students by name: what they stand for, and all that scikit-learn does with a parameter."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skkd import DistilledClassifier
from skkd.export import ExportError, load, save, to_onnx, to_torch_program
from skkd.students import (
    STUDENTS,
    PeriodicMLP,
    ResidualConvNet,
    TabularMLP,
    default_student,
    make_student,
)

X, Y = load_digits(n_class=3, return_X_y=True)
X = X[:120].astype(np.float32)
Y = Y[:120]
PROBA = np.eye(3)[Y] * 0.7 + 0.1

MODULES = {"mlp": TabularMLP, "mlp_plr": PeriodicMLP, "convnet": ResidualConvNet}
# Trained for one epoch, and not pruned.
WHOLE = {name: {"max_epochs": 1, "module__pruning": 0.0} for name in ("mlp", "mlp_plr")}
WHOLE["mlp"]["module__bins"] = (21,) * 4 + (42,) * 5  # "auto" goes by the number of rows
WHOLE["convnet"] = {"max_epochs": 1}


def rows_for(name, dtype=np.float32):
    """The digits as a table, or as images for a convolutional net."""
    return X.reshape(-1, 1, 8, 8).astype(dtype) if name == "convnet" else X.astype(dtype)


def fitted(name, n_epochs=4, dtype=np.float32, **params):
    clf = DistilledClassifier(None, name, random_state=0)
    clf.set_params(student__max_epochs=n_epochs, **params)
    return clf.fit(rows_for(name, dtype), Y, teacher_proba=PROBA)


def n_parameters(clf):
    return sum(one.numel() for one in clf.student_.module_.parameters())


def test_every_name_is_tested_here():
    assert MODULES.keys() == STUDENTS.keys()


@pytest.mark.parametrize("name", STUDENTS)
def test_name_is_the_net_that_make_student_gives(name):
    by_name = fitted(name)
    assert type(by_name.student_.module_) is MODULES[name]
    net = make_student(name).set_params(max_epochs=4)
    by_net = DistilledClassifier(None, net, random_state=0)
    by_net.fit(rows_for(name), Y, teacher_proba=PROBA)
    rows = rows_for(name)
    np.testing.assert_array_equal(by_name.predict_proba(rows), by_net.predict_proba(rows))


def test_mlp_is_the_default():
    assert repr(make_student("mlp").get_params()["module"]) == repr(default_student().module)
    np.testing.assert_array_equal(fitted("mlp").predict_proba(X), fitted(None).predict_proba(X))


def test_parameters_stay_as_they_were_given():
    clf = DistilledClassifier(None, "mlp", random_state=0)
    assert clf.get_params()["student"] == "mlp"
    assert clone(clf).student == "mlp"
    short = clf.set_params(student__max_epochs=1)
    assert short.get_params()["student__max_epochs"] == 1
    with_name = DistilledClassifier(LogisticRegression(), "mlp_plr", cv=2, random_state=0)
    assert with_name.fit(X[:40], Y[:40]).student == "mlp_plr"


@pytest.mark.parametrize("name", STUDENTS)
def test_sizes(name):
    small, medium = (
        DistilledClassifier(None, make_student(name, size).set_params(**WHOLE[name])).fit(
            rows_for(name), Y, teacher_proba=PROBA
        )
        for size in ("small", "medium")
    )
    assert 2 < n_parameters(medium) / n_parameters(small) < 8


def test_unknown_names_list_the_known_ones():
    for student in ("conv", "mlp-small"):
        clf = DistilledClassifier(None, student)
        for act in (
            lambda clf=clf: clf.fit(X, Y, teacher_proba=PROBA),
            lambda clf=clf: clf.set_params(student__lr=0.1),
        ):
            with pytest.raises(ValueError, match=f"'{student}'.*'mlp', 'mlp_plr', 'convnet'"):
                act()
        assert student in repr(clf)
        clf._repr_html_()  # and shows what was given
    with pytest.raises(ValueError, match="size='large'.*'small' or 'medium'"):
        make_student("mlp", "large")


@pytest.mark.parametrize("name", STUDENTS)
def test_learns(name):
    assert fitted(name, n_epochs=40).score(rows_for(name), Y) > 0.95


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", STUDENTS)
def test_same_seed_same_student_in_the_dtype_of_x(name, dtype):
    rows = rows_for(name, dtype)
    first, second, other = (
        fitted(name, dtype=dtype, random_state=seed).predict_proba(rows) for seed in (0, 0, 1)
    )
    assert first.dtype == dtype
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


@pytest.mark.parametrize("name", STUDENTS)
def test_pickle(name):
    clf = fitted(name)
    again = pickle.loads(pickle.dumps(clf))
    rows = rows_for(name)
    np.testing.assert_array_equal(again.predict_proba(rows), clf.predict_proba(rows))


@pytest.mark.parametrize(
    "name, grid",
    [
        ("mlp_plr", {"student__lr": [1e-3, 1e-2], "student__module__n_frequencies": [4]}),
        ("convnet", {"student__lr": [1e-3, 1e-2], "student__module__widths": [(8, 16)]}),
    ],
)
def test_grid_search_by_name(name, grid):
    class Flat(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            return super().fit(X.reshape(len(X), -1), y, sample_weight)

        def predict_proba(self, X):
            return super().predict_proba(X.reshape(len(X), -1))

    clf = DistilledClassifier(Flat(), name, cv=2, random_state=0)
    search = GridSearchCV(clf, {**grid, "student__max_epochs": [2]}, cv=2, error_score="raise")
    search.fit(rows_for(name), Y)
    assert set(search.best_params_) == {*grid, "student__max_epochs"}
    assert search.best_estimator_.student_.max_epochs == 2
    assert clf.student == name


@pytest.mark.parametrize("name", STUDENTS)
def test_weights_are_repeated_rows(name):
    """As long as all rows are in one batch and nothing is drawn at random."""
    rows, weight = rows_for(name, np.float64)[:50], np.tile([0, 1, 2, 3, 1], 10)
    clf = DistilledClassifier(None, name, balancer="fixed", random_state=0)
    clf.set_params(student__batch_size=200, student__module__dropout=0.0)
    clf.set_params(**{f"student__{option}": value for option, value in WHOLE[name].items()})
    weighted = clone(clf).fit(rows, Y[:50], sample_weight=weight, teacher_proba=PROBA[:50])
    again = np.repeat(np.arange(50), weight)
    repeated = clone(clf).fit(rows[again], Y[again], teacher_proba=PROBA[again])
    np.testing.assert_allclose(
        weighted.predict_proba(rows), repeated.predict_proba(rows), rtol=1e-7
    )


@pytest.mark.parametrize("name", STUDENTS)
def test_batches_of_a_single_row(name):
    # 9 rows in batches of 4: the last batch has one row.
    clf = DistilledClassifier(None, name, random_state=0)
    clf.set_params(student__max_epochs=2, student__batch_size=4)
    clf.fit(rows_for(name)[:9], Y[:9], teacher_proba=PROBA[:9])
    rows = rows_for(name)[:9]
    one_by_one = np.concatenate([clf.predict_proba(row[None]) for row in rows])
    np.testing.assert_allclose(one_by_one, clf.predict_proba(rows), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", STUDENTS)
def test_exported_student_agrees(name, tmp_path):
    clf = fitted(name)
    rows = rows_for(name)
    for write, file in ((to_onnx, "student.onnx"), (to_torch_program, "student.pt2")):
        assert write(clf, tmp_path / file, rows).max_difference < 1e-5
        assert write(clf, tmp_path / file).max_difference < 1e-5  # on rows that it makes up


def test_float64_convolutions_say_how_to_be_exported(tmp_path):
    clf, rows = fitted("convnet", dtype=np.float64), rows_for("convnet", np.float64)
    with pytest.raises(ExportError, match="dtype='float32'"):
        to_onnx(clf, tmp_path / "student.onnx", rows)
    assert to_onnx(clf, tmp_path / "student.onnx", rows, dtype="float32").max_difference < 1e-5
    assert to_torch_program(clf, tmp_path / "student.pt2", rows).max_difference < 1e-12


@pytest.mark.parametrize("name", STUDENTS)
def test_saved_without_pickle(name, tmp_path):
    named = DistilledClassifier(LogisticRegression(), name, cv=2, random_state=0)
    if name == "convnet":  # a name in the parameters, and a net of which no more is known
        named = DistilledClassifier(None, "convnet", random_state=0)
    fits = [fitted(name)]
    short = rows_for(name)[:30]
    if name != "convnet":
        fits.append(named.fit(short, Y[:30]))
    for clf in fits:
        save(clf, tmp_path / "student.skkd")
        again = load(tmp_path / "student.skkd")
        np.testing.assert_array_equal(again.predict_proba(short), clf.predict_proba(short))
        assert type(again.student) is type(clf.student)


def test_at_the_end_of_a_pipeline():
    net = make_student("convnet").set_params(max_epochs=2)
    to_images = FunctionTransformer(lambda rows: rows.reshape(-1, 8, 8))
    student = Pipeline([("scale", StandardScaler()), ("images", to_images), ("net", net)])
    clf = DistilledClassifier(None, student, random_state=0).fit(X, Y, teacher_proba=PROBA)
    assert clf.predict_proba(X).shape == (120, 3)


def test_mlp_flattens_images():
    images = rows_for("convnet")
    clf = DistilledClassifier(None, "mlp", random_state=0).set_params(student__max_epochs=4)
    clf.fit(images, Y, teacher_proba=PROBA)
    np.testing.assert_array_equal(clf.predict_proba(images), fitted("mlp").predict_proba(X))
