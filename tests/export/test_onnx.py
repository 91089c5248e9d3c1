"""ONNX files of whole students, read by onnxruntime alone."""

import json
import subprocess
import sys
import textwrap
import time

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits, make_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder, StandardScaler
from skorch import NeuralNetClassifier
from torch import nn

from skkd import DistilledClassifier
from skkd.export import ExportError, to_onnx
from skkd.export._check_rows import draw_rows
from tests.augmenters.tables import pandas_frame, polars_frame
from tests.export.frames import people, quick_student
from tests.helpers import ConvNet, Net, make_data, quick_net


def ask(path, feed):
    """Labels and probabilities, by onnxruntime."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["label", "probabilities"], feed)


def columns_of(frame, exported):
    """A frame's columns as the documentation of ``to_onnx`` says to give them."""
    return {
        name: frame[columns].astype(object).where(frame[columns].notna(), "").to_numpy()
        if exported.inputs[name][0] == "str"
        else frame[columns].to_numpy(np.float64)
        for name, columns in exported.columns.items()
    }


# Arrays


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_array(tmp_path, dtype, n_classes):
    X, y = make_data(300, n_classes, dtype=dtype)
    clf = quick_student(X, y)
    exported = to_onnx(clf, tmp_path / "student.onnx", X)
    assert exported.inputs == {"X": (np.dtype(dtype).name, (None, 5))}
    assert exported.outputs == {
        "label": ("int64", (None,)),
        "probabilities": (np.dtype(dtype).name, (None, n_classes)),
    }
    assert exported.n_bytes == exported.path.stat().st_size
    assert exported.n_rows_checked == 300
    label, proba = ask(exported.path, {"X": X})
    assert np.abs(proba - clf.predict_proba(X)).max() == exported.max_difference
    assert exported.max_difference < (1e-6 if dtype == np.float32 else 1e-14)
    assert np.array_equal(label, clf.predict(X))


def test_any_number_of_rows(tmp_path):
    X, y = make_data()
    clf = quick_student(X, y)
    path = to_onnx(clf, tmp_path / "student.onnx", X).path
    for n_rows in (0, 1, 2, 17):
        assert ask(path, {"X": X[:n_rows]})[1].shape == (n_rows, 3)


def test_float32_halves_a_student_of_float64(tmp_path):
    X, y = make_data()
    X = X + 1e6  # standardised before it is rounded
    clf = quick_student(X, y, student__module__hidden=(64, 64))
    full = to_onnx(clf, tmp_path / "full.onnx", X)
    half = to_onnx(clf, tmp_path / "half.onnx", X, dtype="float32")
    assert half.n_bytes < 0.6 * full.n_bytes
    assert full.max_difference < half.max_difference < 1e-6
    assert half.inputs == full.inputs
    assert half.outputs["probabilities"][0] == "float32"


def narrowed_student(student=None, dtype=np.float32):
    """A student of 40 features that lost some of its 512 hidden units, and rows for it."""
    X, y = make_classification(600, 40, n_informative=20, n_classes=3, random_state=0)
    X = X.astype(dtype)
    proba = np.eye(3)[y] * 0.7 + 0.1
    clf = DistilledClassifier(None, student, augmenter=None, random_state=0)
    clf.set_params(student__max_epochs=10).fit(X, y, teacher_proba=proba)
    assert sum(clf.student_.module__hidden) < 512
    return clf, X


@pytest.mark.parametrize(
    ("student", "dtype", "exact"),  # written by hand twice, then by PyTorch
    [(None, np.float32, 1e-6), (None, np.float64, 1e-14), ("mlp_plr", np.float32, 1e-6)],
)
def test_weights_of_a_narrowed_student_take_two_bytes_each(tmp_path, student, dtype, exact):
    clf, X = narrowed_student(student, dtype)
    exported = to_onnx(clf, tmp_path / "student.onnx", X)
    assert exported.max_difference < exact
    # One weight that half precision does not hold, and its layer takes four or eight bytes again.
    layer = clf.student_.module_.layers[0]
    with torch.no_grad():
        layer.weight[0, 0] = 1 + 2**-11
    again = to_onnx(clf, tmp_path / "again.onnx", X)
    assert again.max_difference < exact
    n_more = (np.dtype(dtype).itemsize - 2) * layer.weight.numel()
    assert again.n_bytes - exported.n_bytes == pytest.approx(n_more, abs=300)


def test_onnxruntime_widens_the_weights_once(tmp_path):
    clf, X = narrowed_student()
    exported = to_onnx(clf, tmp_path / "student.onnx", X)
    n_weights = sum(layer.weight.numel() for layer in clf.student_.module_.layers)
    assert 2 * n_weights < exported.n_bytes < 2 * n_weights + 6000
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "as_run.onnx")
    onnxruntime.InferenceSession(exported.path, options)
    as_run = onnx.load(tmp_path / "as_run.onnx")
    assert "Cast" in {node.op_type for node in onnx.load(exported.path).graph.node}
    assert "Cast" not in {node.op_type for node in as_run.graph.node}


@pytest.mark.parametrize(
    "labels",
    [["no", "yes"], [-5, 7], [False, True], [0.0, 1.0], np.array(["a", "b"], dtype=object)],
    ids=["str", "int", "bool", "float", "object"],
)
def test_labels(tmp_path, labels):
    X, y = make_data(n_classes=2)
    clf = quick_student(X, np.asarray(labels)[y])
    exported = to_onnx(clf, tmp_path / "student.onnx", X)
    label, _ = ask(exported.path, {"X": X})
    assert label.tolist() == clf.predict(X).tolist()
    metadata = {item.key: item.value for item in onnx.load(exported.path).metadata_props}
    assert json.loads(metadata["classes"]) == clf.classes_.tolist()


def test_labels_without_counterpart(tmp_path):
    X, y = make_data(n_classes=2)
    clf = quick_student(X, np.array([0, 2**63], dtype=np.uint64)[y])
    with pytest.raises(ExportError, match="have no counterpart in ONNX"):
        to_onnx(clf, tmp_path / "student.onnx")


def test_sparse_rows_are_given_dense(tmp_path):
    X, y = make_data()
    X = sparse.csr_matrix(X * (X > 0))
    clf = quick_student(X, y)
    exported = to_onnx(clf, tmp_path / "student.onnx", X)
    _, proba = ask(exported.path, {"X": X.toarray()})
    np.testing.assert_allclose(proba, clf.predict_proba(X), atol=1e-14)


@pytest.mark.parametrize("module", [None, Net, ConvNet])
def test_rows_that_are_refused_get_nan(tmp_path, module):
    X, y = make_data() if module is not ConvNet else load_digits(return_X_y=True)
    X = X.astype(np.float32)[:60].reshape((-1, 1, 8, 8) if module is ConvNet else (-1, 5))
    clf = quick_student(X, y[:60], student=module and quick_net(module, max_epochs=1))
    path = to_onnx(clf, tmp_path / "student.onnx", X).path
    for row, value in enumerate([np.nan, np.inf, -np.inf]):
        X[row].flat[row] = value
        with pytest.raises(ValueError, match="Input X contains"):
            clf.predict_proba(X[[row]])
    _, proba = ask(path, {"X": X})
    assert np.isnan(proba[:3]).all()
    assert np.isfinite(proba[3:]).all()


# Tables


@pytest.mark.parametrize("inputs", ["grouped", "columns"])
def test_frame_of_mixed_columns(tmp_path, inputs):
    frame, y = people(500)
    clf = quick_student(frame, y)
    unseen = people(200, seed=1)[0]
    unseen.loc[:20, "work"] = "pirate"
    unseen.loc[10:30, ["age", "gain"]] = np.nan
    exported = to_onnx(clf, tmp_path / "student.onnx", unseen, inputs=inputs)
    assert exported.max_difference < 1e-14
    texts = ["work", "school"]
    if inputs == "grouped":
        assert exported.inputs == {"numbers": ("float64", (None, 4)), "texts": ("str", (None, 2))}
        numbers = [name for name in frame if name not in texts]
        assert exported.columns == {"numbers": numbers, "texts": texts}
    else:
        assert exported.inputs == {
            name: ("str" if name in texts else "float64", (None, 1)) for name in frame
        }
        assert exported.columns == {name: [name] for name in frame}
    label, proba = ask(exported.path, columns_of(unseen, exported))
    np.testing.assert_allclose(proba, clf.predict_proba(unseen), atol=1e-14)
    assert np.array_equal(label, clf.predict(unseen))


def test_frame_is_checked_on_rows_with_all_that_may_happen(tmp_path):
    frame, y = people(500)
    clf = quick_student(frame, y)
    drawn = draw_rows(clf)
    assert drawn["hours per week"].isna().any()
    assert drawn["work"].isna().any()
    assert set(drawn["work"].dropna()) >= {"private", "state", "self", "a category never seen"}
    scale = frame["gain"].std()
    assert abs(drawn["gain"].mean() - frame["gain"].mean()) < 0.2 * scale
    assert abs(drawn["gain"].std() - scale) < 0.2 * scale
    assert to_onnx(clf, tmp_path / "student.onnx").n_rows_checked == len(drawn) == 1000


@pytest.mark.parametrize("make_frame", [pandas_frame, polars_frame])
@pytest.mark.parametrize("sample", [True, False], ids=["given", "drawn"])
def test_columns_of_every_dtype(tmp_path, make_frame, sample):
    frame = make_frame(60)
    clf = quick_student(frame, np.arange(60) % 3)
    exported = to_onnx(clf, tmp_path / "student.onnx", frame if sample else None)
    assert exported.max_difference < 1e-12
    assert sorted(sum(exported.columns.values(), [])) == sorted(frame.columns)


def test_numbers_as_categories(tmp_path):
    frame = pd.DataFrame({"floor": pd.Categorical([1, 2, 2, None] * 20), "x": np.arange(80.0)})
    clf = quick_student(frame, np.arange(80) % 2)
    exported = to_onnx(clf, tmp_path / "student.onnx", frame)
    assert exported.columns == {"numbers": ["floor", "x"]}
    to_onnx(clf, tmp_path / "student.onnx")


@pytest.mark.parametrize(("dtype", "atol"), [("float32", 1e-6), ("float64", 1e-14)])
def test_numbers_with_missing_values_in_an_array(tmp_path, dtype, atol):
    X, y = make_data(dtype=dtype)
    X[::7, 1] = np.nan
    clf = quick_student(X, y)
    exported = to_onnx(clf, tmp_path / "student.onnx")
    assert exported.inputs == {"X": (dtype, (None, 5))}
    _, proba = ask(exported.path, {"X": X})
    np.testing.assert_allclose(proba, clf.predict_proba(X), atol=atol)


def test_array_of_mixed_columns(tmp_path):
    rng = np.random.default_rng(0)
    X = np.empty((80, 2), dtype=object)
    X[:, 0], X[:, 1] = rng.normal(size=80), rng.choice(["a", "b", None], 80)
    clf = quick_student(X, np.arange(80) % 2)
    exported = to_onnx(clf, tmp_path / "student.onnx", X)
    assert exported.inputs == {"numbers": ("float64", (None, 1)), "texts": ("str", (None, 1))}
    assert exported.columns == {"numbers": ["x0"], "texts": ["x1"]}
    to_onnx(clf, tmp_path / "student.onnx")


def test_frame_of_numbers(tmp_path):
    X, y = make_data()
    frame = pd.DataFrame(X, columns=list("abcde"))
    clf = quick_student(frame, y)
    exported = to_onnx(clf, tmp_path / "student.onnx")
    _, proba = ask(exported.path, columns_of(frame, exported))
    np.testing.assert_allclose(proba, clf.predict_proba(frame), atol=1e-14)


def test_many_levels_are_coded_column_by_column(tmp_path):
    """Where one table for all columns would be large; some values are missing or unknown."""
    rng = np.random.default_rng(0)
    texts = {f"c{i}": [f"{i} {level}" for level in rng.integers(0, 60, 2000)] for i in range(14)}
    frame = pd.DataFrame(texts)
    frame.loc[::9, "c3"] = None
    clf = quick_student(frame, np.arange(2000) % 2)
    frame.loc[::7, "c1"] = "unknown"
    exported = to_onnx(clf, tmp_path / "student.onnx", frame)
    assert exported.max_difference < 1e-6  # in float32
    encoders = [one.op_type for one in onnx.load(exported.path).graph.node]
    assert encoders.count("LabelEncoder") == 14


@pytest.mark.parametrize("n_columns", [1, 64, 65])
def test_bins_of_few_and_of_many_columns(tmp_path, n_columns):
    X, y = make_data(400)
    X = np.random.default_rng(0).normal(X[:, :1], 1.0, (400, n_columns))
    clf = quick_student(X, y, student__module__bins=(0,) * 8 + (n_columns - 1,) * 4)
    assert to_onnx(clf, tmp_path / "student.onnx", X).max_difference < 1e-14


@pytest.mark.parametrize("hidden", [(), (16,), (16, 8)])
@pytest.mark.parametrize("columns", [["age"], ["work", "school"], ["work", "age", "member"]])
def test_numbers_and_categories_enter_the_first_layer(tmp_path, hidden, columns):
    frame, y = people(500)
    clf = quick_student(frame[columns], y, student__module__hidden=hidden)
    assert to_onnx(clf, tmp_path / "student.onnx", frame[columns]).max_difference < 1e-6


@pytest.mark.parametrize("with_missing", [False, True])
def test_every_node_is_needed(tmp_path, with_missing):
    frame, y = people(500)
    if not with_missing:
        known = frame.notna().all(axis=1)
        frame, y = frame[known], y[known]
    clf = quick_student(frame, y)
    graph = onnx.load(to_onnx(clf, tmp_path / "student.onnx", frame).path).graph
    used = {name for node in graph.node for name in node.input}
    used |= {value.name for value in graph.output}
    made = {name for node in graph.node for name in node.output}
    assert made | {constant.name for constant in graph.initializer} <= used


def test_inputs_by_another_name(tmp_path):
    X, y = make_data()
    with pytest.raises(ValueError, match="inputs='rows' is not allowed; give 'grouped' or"):
        to_onnx(quick_student(X, y), tmp_path / "student.onnx", inputs="rows")


def test_columns_that_are_called_as_the_outputs_are(tmp_path):
    X, y = make_data()
    frame = pd.DataFrame(X, columns=["label", "probabilities", "Cast", "part/x", "constant"])
    clf = quick_student(frame, y)
    exported = to_onnx(clf, tmp_path / "student.onnx", inputs="columns")
    assert list(exported.inputs) == list(frame.columns)
    assert list(exported.outputs) == ["label_1", "probabilities_1"]


# Nets and preprocessing of the user's own


class Embedded(nn.Module):
    """Looks its first column up."""

    def __init__(self, n_classes):
        super().__init__()
        self.embedding = nn.Embedding(8, 4)
        self.head = nn.Linear(4, n_classes)

    def forward(self, X):
        return self.head(torch.relu(self.embedding(X).mean(1)))


class Normalised(Net):
    def __init__(self, n_features, n_classes):
        super().__init__(n_features, n_classes, extra=nn.BatchNorm1d(8))


class TwoOutputs(Net):
    def forward(self, X):
        logits = super().forward(X)
        return logits, logits.sum()


@pytest.mark.parametrize(
    ("net", "dtype"),
    [
        (quick_net(max_epochs=1), "float32"),
        (quick_net(Normalised, max_epochs=1), None),
        (quick_net(TwoOutputs, max_epochs=1), None),
        (quick_net(max_epochs=1, module__end=nn.Softmax(-1)), "float32"),
        (quick_net(max_epochs=1, module__end=nn.LogSoftmax(-1)), None),
    ],
    ids=["logits", "batch_norm", "tuple", "softmax", "log_softmax"],
)
def test_nets(tmp_path, net, dtype):
    X, y = make_data()
    clf = quick_student(X, y, student=net)
    exported = to_onnx(clf, tmp_path / "student.onnx", dtype=dtype)
    assert exported.max_difference < (1e-6 if dtype else 1e-12)
    assert ask(exported.path, {"X": X[:1]})[1].shape == (1, 3)
    assert clf.student_.module_.layers[0].weight.dtype == torch.float64  # it is left as it was


def test_images(tmp_path):
    X, y = load_digits(return_X_y=True)
    X = X.reshape(-1, 1, 8, 8).astype(np.float32)[:100] / 16
    clf = quick_student(X, y[:100], student=quick_net(ConvNet, max_epochs=1))
    exported = to_onnx(clf, tmp_path / "student.onnx", X)
    assert exported.inputs == {"X": ("float32", (None, 1, 8, 8))}
    assert exported.max_difference < 1e-6


def test_whole_numbers_into_an_embedding(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.choice(list("xyz"), 80), "b": rng.choice(list("uvw"), 80)})
    student = Pipeline(
        [
            ("codes", OrdinalEncoder(dtype=np.int64)),
            ("net", quick_net(Embedded(2), max_epochs=1)),
        ]
    )
    clf = quick_student(frame, np.arange(80) % 2, student=student)
    exported = to_onnx(clf, tmp_path / "student.onnx", frame)
    assert exported.outputs["probabilities"] == ("float32", (None, 2))
    assert exported.max_difference < 1e-6


def test_pipeline_of_steps(tmp_path):
    X, y = make_data()
    student = make_pipeline(StandardScaler(), "passthrough", quick_net(max_epochs=1))
    clf = quick_student(X, y, student=student)
    assert to_onnx(clf, tmp_path / "student.onnx", X).max_difference < 1e-14
    with pytest.raises(ExportError, match="X_sample=None needs"):
        to_onnx(clf, tmp_path / "student.onnx")


def test_labels_that_no_file_can_hold(tmp_path):
    X, y = make_data()
    clf = quick_student(X, np.array(["a", "b", "\ud800"], dtype=object)[y])
    with pytest.raises(ExportError, match="no file can hold.*other names"):
        to_onnx(clf, tmp_path / "student.onnx")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("kind", [np.ndarray.tolist, torch.tensor], ids=["list", "tensor"])
@pytest.mark.parametrize("steps", [[], [StandardScaler()]], ids=["net", "pipeline"])
def test_rows_that_are_no_array(kind, steps, tmp_path):
    X, y = make_data()
    net = quick_net(max_epochs=1)
    clf = quick_student(X, y, student=make_pipeline(*steps, net) if steps else net)
    assert to_onnx(clf, tmp_path / "student.onnx", kind(X)).max_difference < 1e-14


# What can't be written


class Branching(Net):
    def forward(self, X):
        return super().forward(X if X.sum() > 0 else 2 * X)


class OwnInfer(NeuralNetClassifier):
    def infer(self, x, **fit_params):
        return super().infer(2 * x, **fit_params)


def test_module_that_branches(tmp_path):
    X, y = make_data()
    clf = quick_student(X, y, student=quick_net(Branching, max_epochs=1))
    with pytest.raises(ExportError, match="module Branching cannot be exported by torch.onnx"):
        to_onnx(clf, tmp_path / "student.onnx")
    assert not list(tmp_path.iterdir())


def test_net_with_a_way_of_its_own(tmp_path):
    X, y = make_data()
    clf = quick_student(X, y, student=OwnInfer(Net, max_epochs=1, lr=0.1))
    with pytest.raises(ExportError, match="OwnInfer has an infer method of its own"):
        to_onnx(clf, tmp_path / "student.onnx")


def test_step_that_calls_a_function(tmp_path):
    X, y = make_data()
    student = Pipeline(
        [("square", FunctionTransformer(np.square)), ("net", quick_net(max_epochs=1))]
    )
    clf = quick_student(X, y, student=student)
    with pytest.raises(ExportError, match=r"The step square \(FunctionTransformer\)"):
        to_onnx(clf, tmp_path / "student.onnx", X)


def convert_as_scaler(kind):
    """Let skl2onnx take a class for a StandardScaler."""
    from skl2onnx import update_registered_converter
    from skl2onnx.operator_converters.scaler_op import convert_sklearn_scaler
    from skl2onnx.shape_calculators.scaler import calculate_sklearn_scaler_output_shapes

    shapes = calculate_sklearn_scaler_output_shapes
    update_registered_converter(kind, kind.__name__, shapes, convert_sklearn_scaler)


class Fractions(StandardScaler):
    """Gives other numbers than its converter."""

    def transform(self, X):
        return np.modf(super().transform(X))[0]


def test_difference_names_the_step_and_leaves_an_earlier_file(tmp_path):
    convert_as_scaler(Fractions)
    X, y = make_data()
    path = tmp_path / "student.onnx"
    path.write_text("an earlier file")
    student = Pipeline(
        [("scale", StandardScaler()), ("wrong", Fractions()), ("net", quick_net(max_epochs=1))]
    )
    clf = quick_student(X, y, student=student)
    with pytest.raises(ExportError, match=r"differ.* first step to differ is wrong \(Fractions\)"):
        to_onnx(clf, path, X)
    assert path.read_text() == "an earlier file"
    assert list(tmp_path.iterdir()) == [path]


class Wider(StandardScaler):
    """Gives one column more than its converter."""

    def transform(self, X):
        X = super().transform(X)
        return np.hstack([X, X[:, :1]])


def test_wrong_width_names_the_step(tmp_path):
    convert_as_scaler(Wider)
    X, y = make_data()
    student = Pipeline([("wide", Wider()), ("net", quick_net(max_epochs=1))])
    with pytest.raises(ExportError, match=r"first step to differ is wide \(Wider\)"):
        to_onnx(quick_student(X, y, student=student), tmp_path / "student.onnx", X)
    assert not list(tmp_path.iterdir())


def test_rows_that_the_student_refuses(tmp_path):
    X, y = make_data()
    clf = quick_student(X, y)
    X[3, 0] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN") as raised:
        to_onnx(clf, tmp_path / "student.onnx", X)
    assert not isinstance(raised.value, ExportError)


def test_tolerance_is_kept(tmp_path):
    X, y = make_data(dtype=np.float32)
    with pytest.raises(ExportError, match="tolerance=1e-12 is allowed.*net's module does not"):
        to_onnx(quick_student(X, y), tmp_path / "student.onnx", tolerance=1e-12)


@pytest.mark.parametrize(
    ("given", "message"),
    [({"X_sample": np.empty((0, 5))}, "no rows"), ({"dtype": "float16"}, "dtype='float16'")],
)
def test_wrong_parameters(tmp_path, given, message):
    X, y = make_data()
    with pytest.raises(ValueError, match=message):
        to_onnx(quick_student(X, y), tmp_path / "student.onnx", **given)


def test_columns_that_can_not_be_told_apart(tmp_path):
    frame = pd.DataFrame({"": [1.0, 2.0] * 10, "b": [2.0, 1.0, 4.0, 3.0] * 5})
    with pytest.raises(ExportError, match="Rename the columns"):
        to_onnx(quick_student(frame, [0, 1] * 10), tmp_path / "student.onnx")


def test_message_without_onnx(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    X, y = make_data()
    with pytest.raises(ImportError, match=r"pip install 'skkd\[onnx\]'"):
        to_onnx(quick_student(X, y), tmp_path / "student.onnx")


# Deployed


def test_file_is_all_that_is_needed(tmp_path):
    frame, y = people(500)
    clf = quick_student(frame, y)
    exported = to_onnx(clf, tmp_path / "student.onnx", frame)
    feed = {name: values.tolist() for name, values in columns_of(frame, exported).items()}
    (tmp_path / "rows.json").write_text(json.dumps(feed))
    script = """
        import json, sys

        class Refuse:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in ("torch", "sklearn", "skorch", "skkd", "onnx"):
                    raise ImportError(name)

        sys.meta_path.insert(0, Refuse())
        import numpy as np, onnxruntime

        session = onnxruntime.InferenceSession(sys.argv[1])
        rows = json.load(open(sys.argv[2]))
        feed = {
            one.name: np.array(rows[one.name], object if "string" in one.type else np.float64)
            for one in session.get_inputs()
        }
        label, proba = session.run(None, feed)
        print(json.dumps([label.tolist(), proba.tolist()]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), exported.path, tmp_path / "rows.json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    label, proba = json.loads(done.stdout)
    assert label == clf.predict(frame).tolist()
    np.testing.assert_allclose(proba, clf.predict_proba(frame), atol=1e-14)


def median_seconds(call, n_calls):
    """The median time of a call, after some to warm up."""
    times = []
    for _ in range(n_calls + 5):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return np.median(times[5:])


@pytest.mark.slow
def test_a_hundredth_of_the_teachers_latency(tmp_path):
    frame, y = people(13_000)
    unseen = frame[3000:]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    teacher = make_pipeline(
        make_column_transformer((encoder, ["work", "school"]), remainder="passthrough"),
        HistGradientBoostingClassifier(max_iter=300, early_stopping=False, random_state=0),
    ).fit(frame[:1500], y[:1500])
    clf = DistilledClassifier(teacher, random_state=0).set_params(student__max_epochs=3)
    clf.fit(frame[1500:3000], y[1500:3000])
    exported = to_onnx(clf, tmp_path / "student.onnx", unseen, dtype="float32")
    assert exported.n_rows_checked == 10_000
    assert exported.max_difference <= 1e-5
    assert exported.n_bytes <= 1e6
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(exported.path, options)
    row = unseen.head(1)
    feed = columns_of(row, exported)
    of_teacher = median_seconds(lambda: teacher.predict_proba(row), 50)
    of_file = median_seconds(lambda: session.run(None, feed), 1000)
    assert of_teacher > 100 * of_file
