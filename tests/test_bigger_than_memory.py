"""X that is larger than memory: the same student as in memory, and far less memory than X."""

import sys
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from benchmarks import memory
from skkd import DistilledClassifier
from skkd._classification import task
from skkd._input import asking
from skkd._input.containers import LARGE, MANY_TARGETS
from skkd._training import windows as _windows
from skkd.students import default_student
from tests.helpers import fitted_teacher, make_data, patch_everywhere, quick, quick_net

X, Y = make_data(600, dtype=np.float32)
TEACHER = fitted_teacher(X, Y)


class Asked:
    """A teacher that tells what it is asked, and needs nothing else to be one."""

    classes_ = TEACHER.classes_
    asked: list = []  # not of the instance: what a teacher holds is a part of its cached work's key

    def predict_proba(self, X):
        self.asked.append(np.array(X))
        return TEACHER.predict_proba(X)


@pytest.fixture
def few_are_many(monkeypatch):
    """Rows in memory and in files are large, from some hundred rows on."""
    patch_everywhere(monkeypatch, "LARGE", 500)
    monkeypatch.setattr(_windows, "_WINDOW_BYTES", 2000)
    monkeypatch.setattr(_windows, "_BLOCK_BYTES", 200)
    monkeypatch.setattr(asking, "_ENTRIES_AT_ONCE", 500)
    patch_everywhere(monkeypatch, "MANY_TARGETS", 500)


@pytest.fixture
def asked(monkeypatch):
    """What the teacher was asked."""
    monkeypatch.setattr(Asked, "asked", [])
    return Asked.asked


@pytest.fixture
def mapped(tmp_path):
    np.save(tmp_path / "X.npy", X)
    return np.load(tmp_path / "X.npy", mmap_mode="r")


@pytest.mark.usefixtures("few_are_many")
def test_teacher_is_asked_in_parts_and_once_a_row(mapped, asked):
    quick(Asked()).fit(mapped, Y)
    assert [len(part) for part in asked] == [100] * 6
    np.testing.assert_array_equal(np.concatenate(asked), X)


@pytest.mark.usefixtures("few_are_many")
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"student": default_student().set_params(max_epochs=2)},
        {"early_stopping": True},
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


@pytest.mark.usefixtures("few_are_many")
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, np.float64])
@pytest.mark.parametrize("params", [{}, {"early_stopping": True}], ids=str)
def test_numbers_of_other_dtypes_are_converted_by_and_by(tmp_path, dtype, params):
    rows = (20 * np.abs(X)).astype(dtype)
    np.save(tmp_path / "X.npy", rows)
    of_file = quick(TEACHER, **params).fit(np.load(tmp_path / "X.npy", mmap_mode="r"), Y)
    kind = np.float64 if dtype in (np.int64, np.float64) else np.float32
    in_memory = quick(TEACHER, **params).fit(rows.astype(kind), Y)
    for given in (rows, rows.astype(np.float64)):
        np.testing.assert_array_equal(
            of_file.predict_proba(given), in_memory.predict_proba(rows.astype(kind))
        )


@pytest.fixture
def answers(monkeypatch):
    """The probabilities that trainings were given."""
    seen = []

    objective = task.Classification.objective

    def watch(self, labels, proba, *args, **kwargs):
        seen.append(proba)
        return objective(self, labels, proba, *args, **kwargs)

    monkeypatch.setattr(task.Classification, "objective", watch)
    return seen


@pytest.mark.usefixtures("few_are_many")
def test_answers_to_many_rows_of_float32_are_float32(answers):
    quick(TEACHER, balancer="fixed").fit(X, Y)
    quick(TEACHER, balancer="fixed").fit(X.astype(np.float64), Y)
    assert [proba.dtype for proba in answers] == [np.float32, np.float64]
    np.testing.assert_allclose(*answers, rtol=1e-5)


@pytest.mark.usefixtures("few_are_many")
def test_answers_to_many_rows_stay_in_the_file_of_the_cache(tmp_path, asked, answers):
    clf = quick(Asked(), balancer="fixed", memory=tmp_path / "cache")
    cached = [clone(clf).fit(X, Y).predict_proba(X) for _ in range(2)]
    assert sum(map(len, asked)) == len(X)
    expected = quick(Asked(), balancer="fixed").fit(X, Y).predict_proba(X)
    assert [isinstance(proba, np.memmap) for proba in answers] == [True, True, False]
    assert np.array_equal(cached[0], expected) and np.array_equal(cached[1], expected)


def test_chunks_of_a_mapped_file(mapped):
    of_file, in_memory = quick(TEACHER), quick(TEACHER)
    for start in range(0, 600, 200):
        chunk = slice(start, start + 200)
        of_file.partial_fit(mapped[chunk], Y[chunk], classes=[0, 1, 2])
        in_memory.partial_fit(X[chunk], Y[chunk], classes=[0, 1, 2])
    np.testing.assert_array_equal(of_file.predict_proba(mapped), in_memory.predict_proba(X))


def test_mapped_file_is_left_as_it_was_and_gives_no_warning(mapped):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quick(TEACHER, early_stopping=True).fit(mapped, Y).predict(mapped)
    np.testing.assert_array_equal(mapped, X)


# How much memory it takes, in processes of their own


def scaled_down(function, *args):
    """Call a function where X is large from 64 MB on, with windows a sixteenth of their size."""
    with pytest.MonkeyPatch.context() as patch:
        patch_everywhere(patch, "LARGE", LARGE // 16)
        patch_everywhere(patch, "MANY_TARGETS", MANY_TARGETS // 16)
        for module, name in (
            (_windows, "_WINDOW_BYTES"),
            (_windows, "_BLOCK_BYTES"),
            (asking, "_ENTRIES_AT_ONCE"),
        ):
            patch.setattr(module, name, getattr(module, name) // 16)
        return function(*args)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """200 MB of rows and their labels."""
    folder = tmp_path_factory.mktemp("rows")
    memory.write_rows(folder, 1_000_000)
    return folder


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("params", "share"),
    [
        # Targets and labels take 40 bytes a row, a row 200; and there are the windows.
        ({}, 0.3),
        # A tenth of X is held out and copied, by hashes that are sorted.
        ({"early_stopping": True}, 0.6),
    ],
    ids=str,
)
def test_fit_on_a_file_takes_a_part_of_its_size(folder, params, share):
    sizes = memory.in_a_process(scaled_down, memory.measure_on_disk, folder, 4096, params)
    assert sizes["peak"] - sizes["before"] < share * sizes["X"]
    # What the system has not taken back of a fit's memory is no cost of predict.
    assert sizes["peak of predict"] - sizes["before predict"] < 0.3 * sizes["X"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("dtype", "params"),
    [("float32", {"student": "default"}), ("float32", {}), ("float64", {"temperature": 2.0})],
    ids=str,
)
def test_fit_in_memory_adds_less_than_x_and_targets_again(dtype, params):
    assert memory.in_a_process(memory.measure_in_memory, 200_000, dtype, params)["ratio"] < 1.0
