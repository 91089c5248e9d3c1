"""Programs of torch.export."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from skkd.export import ExportError, to_torch_program
from tests.export.frames import people, quick_student
from tests.helpers import ConvNet, Net, make_data, quick_net


class Grown(Net):
    """Something that has no counterpart in ONNX: a matrix logarithm's cousin."""

    def forward(self, X):
        weight = torch.linalg.matrix_exp(self.layers[2].weight @ self.layers[2].weight.T)
        return super().forward(X) @ weight


@pytest.mark.parametrize(
    ("net", "dtype"),
    [
        (None, np.float64),
        (quick_net(Grown, max_epochs=1), np.float32),
        (quick_net(max_epochs=1, module__end=nn.Softmax(-1)), np.float64),
    ],
    ids=["default", "grown", "softmax"],
)
def test_program_gives_probabilities(tmp_path, net, dtype):
    X, y = make_data(dtype=dtype)
    clf = quick_student(X, np.array(["a", "b", "c"])[y], student=net)
    exported = to_torch_program(clf, tmp_path / "student.pt2", X)
    assert exported.n_rows_checked == len(X)
    assert exported.max_difference < (1e-6 if dtype == np.float32 else 1e-14)
    assert exported.inputs == {"X": (np.dtype(dtype).name, (None, 5))}
    files = {"classes.json": ""}
    module = torch.export.load(exported.path, extra_files=files).module()
    assert json.loads(files["classes.json"]) == ["a", "b", "c"]
    for n_rows in (1, 2, 33):
        proba = module(torch.tensor(X[:n_rows])).detach().numpy()
        np.testing.assert_allclose(proba, clf.predict_proba(X[:n_rows]), atol=1e-6)


def test_images(tmp_path):
    X = np.random.default_rng(0).normal(size=(30, 1, 8, 8)).astype(np.float32)
    clf = quick_student(X, np.arange(30) % 2, student=quick_net(ConvNet, max_epochs=1))
    exported = to_torch_program(clf, tmp_path / "student.pt2")
    assert exported.inputs == {"X": ("float32", (None, 1, 8, 8))}


def test_input_is_what_the_preprocessing_gives(tmp_path):
    frame, y = people(200)
    clf = quick_student(frame, y)
    exported = to_torch_program(clf, tmp_path / "student.pt2", frame)
    encoded = clf.student_.steps[0][1].transform(frame)
    assert exported.inputs == {"X": ("float64", (None, encoded.shape[1]))}
    proba = torch.export.load(exported.path).module()(torch.tensor(encoded)).detach().numpy()
    np.testing.assert_allclose(proba, clf.predict_proba(frame), atol=1e-14)


def test_only_torch_is_needed(tmp_path):
    X, y = make_data(dtype=np.float32)
    path = to_torch_program(quick_student(X, y), tmp_path / "student.pt2").path
    script = (
        "import sys; sys.modules.update(sklearn=None, skorch=None, skkd=None); import torch; "
        "print(tuple(torch.export.load(sys.argv[1]).module()(torch.zeros(4, 5)).shape))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, path], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "(4, 3)", done.stderr


class Branching(Net):
    def forward(self, X):
        return super().forward(X if X.sum() > 0 else 2 * X)


def test_module_that_branches(tmp_path):
    X, y = make_data()
    clf = quick_student(X, y, student=quick_net(Branching, max_epochs=1))
    with pytest.raises(ExportError, match="module Branching cannot be exported by torch.export"):
        to_torch_program(clf, tmp_path / "student.pt2")
    assert not list(tmp_path.iterdir())
