"""X that is larger than memory: the same student as in memory, and far less memory than X."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skkd import DistilledClassifier, _chunks, _objective, _teacher, _windows
from skkd.students import default_student
from tests.helpers import fitted_teacher, make_data, quick, quick_net

X, Y = make_data(600, dtype=np.float32)
TEACHER = fitted_teacher(X, Y)


class Asked:
    """A teacher that keeps what it is asked, and needs nothing else to be one."""

    classes_ = TEACHER.classes_

    def __init__(self):
        self.asked = []

    def predict_proba(self, X):
        self.asked.append(np.array(X))
        return TEACHER.predict_proba(X)


@pytest.fixture
def few_are_many(monkeypatch):
    """Rows in memory and in files are large, from some hundred rows on."""
    monkeypatch.setattr(_chunks, "LARGE", 500)
    monkeypatch.setattr(_windows, "_WINDOW_BYTES", 2000)
    monkeypatch.setattr(_windows, "_BLOCK_BYTES", 200)
    monkeypatch.setattr(_teacher, "_ENTRIES_AT_ONCE", 500)
    monkeypatch.setattr(_teacher, "MANY_TARGETS", 500)
    monkeypatch.setattr(_objective, "MANY_TARGETS", 500)


@pytest.fixture
def mapped(tmp_path):
    np.save(tmp_path / "X.npy", X)
    return np.load(tmp_path / "X.npy", mmap_mode="r")


@pytest.mark.usefixtures("few_are_many")
def test_teacher_is_asked_in_parts_and_once_a_row(mapped):
    teacher = Asked()
    clf = quick(teacher).fit(mapped, Y)
    assert [len(part) for part in teacher.asked] == [100] * 6
    np.testing.assert_array_equal(np.concatenate(teacher.asked), X)
    assert clf.teacher_ is teacher


@pytest.mark.usefixtures("few_are_many")
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"student": default_student().set_params(max_epochs=2)},
        {"early_stopping": True},
        {"balancer": "hypergradient"},
        {"balancer": "competence"},
        {"class_weight": {0: 0, 1: 1, 2: 2}},
        {"temperature": "teacher_entropy"},
        {"distillation_loss": "js"},
        {"student": make_pipeline(FunctionTransformer(np.tanh), quick_net())},
    ],
    ids=str,
)
def test_mapped_rows_give_the_student_of_rows_in_memory(mapped, params):
    params = {"student": quick_net(max_epochs=3), "random_state": 0} | params
    of_file = DistilledClassifier(TEACHER, **params).fit(mapped, Y)
    in_memory = DistilledClassifier(TEACHER, **params).fit(X, Y)
    np.testing.assert_array_equal(of_file.predict_proba(mapped), in_memory.predict_proba(X))
    assert np.array_equal(of_file.history_["loss"], in_memory.history_["loss"])
