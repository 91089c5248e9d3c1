"""A student in a file, asked as a service does."""

import hashlib
import json
import subprocess
import sys
import textwrap
import time
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import polars
import pytest
from scipy import sparse
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skkd
from skkd import DistilledClassifier
from skkd.export import LoadError, OnnxStudent, to_onnx, to_torch_program
from tests.export.frames import people, quick_student
from tests.helpers import make_data, quick_net


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A classifier of people, what was exported, and the student in the file."""
    frame, y = people(500)
    clf = quick_student(frame, y)
    exported = to_onnx(clf, tmp_path_factory.mktemp("served") / "student.onnx", frame)
    return SimpleNamespace(clf=clf, exported=exported, student=OnnxStudent(exported.path))


def assert_same(served, frame, rows):
    """Assert that rows in any form are answered as the frame is by the classifier."""
    proba = served.clf.predict_proba(frame)
    np.testing.assert_allclose(served.student.predict_proba(rows), proba, atol=1e-12)
    assert served.student.predict(rows).tolist() == served.clf.predict(frame).tolist()


def plain(frame):
    """The frame with Python's own values."""
    objects = frame.astype(object)
    return objects.where(objects.notna(), None)


def test_rows_in_every_form(served):
    frame = people(40, seed=1)[0]
    values = plain(frame)
    assert_same(served, frame, frame)
    assert_same(served, frame, frame[frame.columns[::-1]])
    assert_same(served, frame, polars.DataFrame(values.to_dict("list"), strict=False))
    assert_same(served, frame, values.to_dict("list"))
    assert_same(served, frame, values.to_dict("records"))
    assert_same(served, frame, values.to_numpy())
    assert_same(served, frame, values.to_numpy().tolist())
    assert_same(served, frame[:1], values.to_dict("records")[0])
    assert_same(served, frame[:1], dict(frame.iloc[0]))


@pytest.mark.parametrize("dtypes", ["as they are", "nullable", "objects"])
def test_a_frame_of_one_row_is_read_as_a_frame_of_many(served, dtypes):
    frame = people(40, seed=2)[0]
    frame = frame.convert_dtypes() if dtypes == "nullable" else frame
    frame = frame.astype(object) if dtypes == "objects" else frame
    whole = served.student.predict_proba(frame)
    for i in range(len(frame)):
        row = served.student.predict_proba(frame.iloc[[i]])
        np.testing.assert_allclose(row, whole[[i]], atol=1e-12)


def test_categories_of_whole_numbers_in_columns_without_names(tmp_path):
    X, y = make_data()
    frame = pd.DataFrame({0: pd.Series((X[:, 0] > 0).astype(int), dtype="category"), 1: X[:, 1]})
    clf = DistilledClassifier(None, augmenter=None, random_state=0)
    clf.set_params(student__max_epochs=2).fit(frame, y, teacher_proba=np.eye(3)[y])
    student = OnnxStudent(to_onnx(clf, tmp_path / "student.onnx", frame).path)
    np.testing.assert_allclose(student.predict_proba(frame), clf.predict_proba(frame), atol=1e-12)


@pytest.mark.parametrize("kind", [int, float, Decimal, np.int8, np.float32, bool, np.array])
def test_numbers_of_any_type(served, kind):
    row = {"age": 1, "gain": 0, "member": True, "work": "state", "school": "none"}
    expected = served.student.predict_proba(row)
    assert np.array_equal(served.student.predict_proba(row | {"age": kind(1)}), expected)


def test_missing_values_and_columns(served):
    frame = people(1, seed=3)[0].astype({"age": float, "member": float})
    frame.loc[:, ["age", "hours per week", "gain", "member"]] = np.nan
    frame.loc[:, ["work", "school"]] = None
    assert_same(served, frame, {})
    assert_same(served, frame, [{"age": None, "work": None}])
    assert_same(served, frame, {"age": float("nan"), "work": float("nan"), "gain": pd.NA})
    assert_same(served, frame, pd.DataFrame({"work": [None]}))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"agee": 31}, r"\['agee'\] are unknown"),
        ({"age": [1, 2], "work": ["state"]}, r"have \[1, 2\] rows"),
        ({"age": 3, "work": ["state"]}, "give a list of values"),
        ({"age": "31"}, "Column 'age' takes numbers; got the text '31'"),
        ({"work": 7}, "Column 'work' takes text; got 7"),
        ([[1, 2, 3]], r"shape \(1, 3\); expected \(n_rows, 6\)"),
        ({"age": float("inf")}, r"Rows \[0\] have infinite values"),
    ],
)
def test_rows_that_are_refused(served, rows, message):
    with pytest.raises(ValueError, match=message):
        served.student.predict_proba(rows)


def test_what_the_file_says_of_itself(served):
    student = served.student
    assert student.classes_.tolist() == served.clf.classes_.tolist()
    assert student.levels["work"] == ["private", "self", "state"]
    assert student.versions["numpy"] == np.__version__
    assert set(student.inputs.names) == set(sum(served.exported.columns.values(), []))
    for word in (
        "2 classes",
        "hours per week | numbers | float64",
        "private, self, state",
        "skorch",
    ):
        assert word in student.card


def test_measures_of_a_report_are_in_the_card(tmp_path, served):
    report = SimpleNamespace(
        verdict="A plain verdict.",
        n_rows=100,
        measures={"teacher": {"accuracy": 0.9}, "student": {"accuracy": 0.875, "agreement": 0.5}},
    )
    exported = to_onnx(served.clf, tmp_path / "student.onnx", report=report)
    card = OnnxStudent(exported.path).card
    assert "A plain verdict." in card
    assert "| accuracy | 0.9000 | 0.8750 |\n| agreement |  | 0.5000 |" in card


def test_feed_of_what_was_exported(served, tmp_path):
    session = onnxruntime.InferenceSession(served.exported.path)
    frame = people(20, seed=2)[0]
    label, proba = session.run(None, served.exported.feed(frame))
    np.testing.assert_allclose(proba, served.clf.predict_proba(frame), atol=1e-12)
    program = to_torch_program(served.clf, tmp_path / "student.pt2", frame)
    with pytest.raises(TypeError, match="a torch program takes a tensor"):
        program.feed(frame)


def test_arrays_without_names(tmp_path):
    X, y = make_data()
    clf = quick_student(X, y)
    student = OnnxStudent(to_onnx(clf, tmp_path / "student.onnx").path)
    for rows in (
        X,
        X.tolist(),
        X.astype(object),
        sparse.csr_matrix(X),
        sparse.dok_matrix(X),
        pd.DataFrame(X),
    ):
        np.testing.assert_allclose(student.predict_proba(rows), clf.predict_proba(X), atol=1e-12)
    whole = X.round().astype(np.int16)
    np.testing.assert_allclose(
        student.predict_proba(whole), clf.predict_proba(whole.astype(float)), atol=1e-12
    )
    with pytest.raises(TypeError, match="Give an array"):
        student.predict({"x0": 1.0})
    with pytest.raises(ValueError, match="does not impute"):
        student.predict(np.full((1, 5), np.nan))


def test_student_with_steps_of_its_own(tmp_path):
    X, y = make_data()
    frame = pd.DataFrame(X, columns=list("abcde"))
    clf = quick_student(frame, y, student=make_pipeline(StandardScaler(), quick_net(max_epochs=1)))
    student = OnnxStudent(to_onnx(clf, tmp_path / "student.onnx", frame).path)
    rows = frame[["e", "d", "c", "b", "a"]].to_dict("records")
    np.testing.assert_allclose(student.predict_proba(rows), clf.predict_proba(frame), atol=1e-12)


def test_other_files(tmp_path):
    double = onnx.helper.make_node("Add", ["X", "X"], ["Y"])
    values = [onnx.helper.make_tensor_value_info(name, 1, [None]) for name in "XY"]
    graph = onnx.helper.make_graph([double], "double", values[:1], values[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 19)])
    model.ir_version = 9
    (tmp_path / "other.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match="was not written by skkd"):
        OnnxStudent(tmp_path / "other.onnx")


def test_a_changed_file_is_refused(served, tmp_path):
    data = served.exported.path.read_bytes()
    path = tmp_path / "changed.onnx"
    for position in (0, len(data) // 2, len(data) - 70, len(data) - 1):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        with pytest.raises(LoadError, match="has changed since"):
            OnnxStudent(path)
    path.write_bytes(data[:-100])
    with pytest.raises(LoadError, match="has changed since"):
        OnnxStudent(path)


def test_the_hash_is_part_of_the_metadata(served):
    data = served.exported.path.read_bytes()
    [found] = [one.value for one in onnx.load(served.exported.path).metadata_props
               if one.key == "sha256"]  # fmt: skip
    assert found == hashlib.sha256(data[:-76]).hexdigest()


def test_neither_torch_nor_scikit_learn_nor_pandas_is_imported(served):
    script = """
        import json, sys
        from skkd.export import OnnxStudent

        student = OnnxStudent(sys.argv[1])
        proba = student.predict_proba([{"age": 31, "work": "state"}, {}])
        heavy = {"torch", "sklearn", "skorch", "pandas", "scipy", "onnx"} & sys.modules.keys()
        print(json.dumps([proba.tolist(), student.predict({"age": 31}).tolist(), sorted(heavy)]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), served.exported.path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    proba, label, heavy = json.loads(done.stdout)
    assert heavy == []
    expected = served.student.predict_proba([{"age": 31, "work": "state"}, {}])
    np.testing.assert_allclose(proba, expected, atol=1e-12)
    assert label == served.student.predict({"age": 31}).tolist()


def test_a_frame_whose_columns_are_numbers(tmp_path):
    """As pandas names them by itself; scikit-learn takes such columns by their place."""
    frame, y = people(80)
    frame = frame.set_axis(range(6), axis=1)
    clf = quick_student(frame, y)
    student = OnnxStudent(to_onnx(clf, tmp_path / "student.onnx", frame).path)
    np.testing.assert_allclose(student.predict_proba(frame), clf.predict_proba(frame), atol=1e-5)


@pytest.mark.parametrize("shape", [(5,), (3, 4), (3, 5, 1)])
def test_an_array_of_another_shape(shape, tmp_path):
    X, y = make_data()
    clf = quick_student(X, y, student=quick_net(max_epochs=1))
    student = OnnxStudent(to_onnx(clf, tmp_path / "student.onnx").path)
    with pytest.raises(ValueError, match=r"have shape .*expected \(n_rows, 5\)"):
        student.predict_proba(np.zeros(shape))


@pytest.mark.parametrize("module", [skkd, skkd.export])
def test_names_that_are_imported_late(module):
    assert set(module.__all__) <= set(dir(module))
    assert all(getattr(module, name) is not None for name in module.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = module.nothing


@pytest.mark.slow
def test_a_row_takes_little_more_than_its_session(served):
    row = plain(people(1, seed=5)[0]).to_dict("records")[0]
    feed = served.student.inputs.feed(row)
    session, outputs = served.student._session, ["label", "probabilities"]

    def seconds(call):
        times = []
        for _ in range(2000):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
        return np.median(times)

    bare = seconds(lambda: session.run(outputs, feed))
    assert seconds(lambda: served.student.predict_proba(row)) < 3 * bare
