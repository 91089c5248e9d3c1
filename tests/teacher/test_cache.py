"""The cache: what is found again, what must not be, and what happens when a disk fails."""

import copy
import os
import pickle
import threading
import warnings

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier

import skkd._teacher.cache
from skkd import DistilledClassifier
from skkd._teacher.cache import Cache, content_hash
from skkd.balancers import FixedBalance
from skkd.exceptions import DistillationWarning
from tests.helpers import Net, make_data, quick, quick_net

X, Y = make_data()


class CountingTeacher(LogisticRegression):
    """Writes each fit and each question into a file, from whatever process."""

    def __init__(self, log, C=1.0):
        super().__init__(C=C)
        self.log = log

    def _write(self, work):
        with open(self.log, "a") as file:
            file.write(f"{work}\n")

    def fit(self, X, y, sample_weight=None):
        self._write("fit")
        return super().fit(X, y, sample_weight)

    def predict_proba(self, X):
        self._write("ask")
        return super().predict_proba(X)


@pytest.fixture
def teacher(tmp_path):
    return CountingTeacher(str(tmp_path / "log"))


@pytest.fixture
def memory(tmp_path):
    return str(tmp_path / "memory")


@pytest.fixture
def work_of(tmp_path):
    """What a call lets the teacher do: numbers of fits and of questions."""
    log = tmp_path / "log"

    def count(function):
        log.write_text("")
        function()
        lines = log.read_text().split()
        return lines.count("fit"), lines.count("ask")

    return count


def entries(memory):
    """The files of all entries, by key."""
    root = os.path.join(memory, "joblib", "skkd")
    keys = os.listdir(root) if os.path.exists(root) else []
    return {key: os.path.join(root, key, "output.pkl") for key in keys}


# Hashes of content


def copies(value):
    yield copy.deepcopy(value)
    yield pickle.loads(pickle.dumps(value))
    yield pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(value))))


def fitted_net():
    net = quick_net(module__n_features=5, module__n_classes=3, max_epochs=1, verbose=0)
    return net.fit(X.astype(np.float32), Y)


VALUES = {
    "array": lambda: X,
    "strings": lambda: np.array(["a", "b"]),
    "objects": lambda: np.array(["a", 1.5, None], dtype=object),
    "pandas": lambda: pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}),
    "polars": lambda: pl.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}),
    "csr": lambda: sparse.csr_array(X * (X > 0)),
    "forest": lambda: RandomForestClassifier(5, random_state=0).fit(X, Y),
    "neighbors": lambda: KNeighborsClassifier().fit(X, Y),
    "frozen": lambda: FrozenEstimator(LogisticRegression().fit(X, Y)),
    "tensor": lambda: torch.arange(6.0).reshape(2, 3),
    "module": lambda: Net(5, 3),
    "skorch": fitted_net,
}


@pytest.mark.parametrize("kind", VALUES)
def test_copies_have_the_same_hash(kind):
    value = VALUES[kind]()
    assert content_hash(value) == content_hash(value)
    hashes = [content_hash(other) for other in copies(value)]
    assert set(hashes) == {content_hash(value)}


def with_entry(values, entry):
    changed = values.copy()
    changed[3, 1] = entry
    return changed


FRAME = pd.DataFrame(X, columns=list("abcde")).copy()

OTHERS = {
    "value": (X, with_entry(X, np.nextafter(X[3, 1], 9))),
    "nan": (X, with_entry(X, np.nan)),
    "dtype": (np.zeros(4), np.zeros(4, dtype=np.int64)),
    "precision": (X, X.astype(np.float32)),
    "shape": (X, X.reshape(5, -1)),
    "order_of_rows": (X, X[::-1].copy()),
    "order_of_columns": (FRAME, FRAME[list("bacde")]),
    "names_of_columns": (FRAME, FRAME.rename(columns={"a": "z"})),
    "frame_and_array": (FRAME, X),
    "category": (FRAME.assign(a="x"), FRAME.assign(a="y")),
    "labels": (Y, np.where(np.arange(60) == 7, (Y + 1) % 3, Y)),
    "text_and_number": (np.array(["1"]), np.array([1])),
    "split": ([np.arange(5)], [np.arange(6)]),
    "where_one_array_ends": ([X[:2], X[2:]], [X[:3], X[3:]]),
    "what_a_forest_learnt": tuple(
        RandomForestClassifier(5, random_state=seed).fit(X, Y) for seed in (0, 1)
    ),
    "parameter": (LogisticRegression(C=1), LogisticRegression(C=2)),
    "class": (LogisticRegression(), KNeighborsClassifier()),
    "tensor": (torch.zeros(2), torch.zeros(2, dtype=torch.float64)),
}


@pytest.mark.parametrize("change", OTHERS)
def test_other_content_has_another_hash(change):
    one, other = OTHERS[change]
    assert content_hash(one) != content_hash(other)


def test_a_memory_map_is_its_array(tmp_path):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert content_hash(mapped) == content_hash(mapped[np.arange(60)]) == content_hash(X)
    model = KNeighborsClassifier().fit(X, Y)
    hash_in_memory = content_hash(model)
    model._fit_X = mapped
    assert content_hash(model) == hash_in_memory


@pytest.mark.parametrize("itemsize", [16, 11], ids=["words", "bytes"])
def test_chance_between_the_fields_of_records_does_not_matter(itemsize):
    dtype = np.dtype(
        {"names": ["a", "b"], "formats": ["f8", "u1"], "offsets": [0, 9], "itemsize": itemsize}
    )
    one, other = (np.full(3 * itemsize, fill, np.uint8).view(dtype) for fill in (0, 255))
    for records in (one, other):
        records["a"], records["b"] = [1.0, 2.0, 3.0], 7
    assert one.tobytes() != other.tobytes()
    assert content_hash(one) == content_hash(other)
    other["b"] = 8
    assert content_hash(one) != content_hash(other)


def test_equal_strings_are_equal_whether_one_object_or_two():
    text = "".join(["some ", "text"])
    assert content_hash([text, text]) == content_hash([text, "".join(["some ", "text"])])


def test_an_object_that_holds_itself():
    ring, other = [1], [2]
    ring.append(ring)
    other.append(other)
    assert content_hash(ring) != content_hash(other)


# Entries


def test_computes_once(memory):
    cache, calls = Cache(memory), []

    def compute():
        calls.append(1)
        return X

    for _ in range(3):
        np.testing.assert_array_equal(cache.get(cache.key("work", X), compute), X)
        np.testing.assert_array_equal(Cache(memory).get(cache.key("work", X), compute), X)
        np.testing.assert_array_equal(cache.shelve(cache.key("work", X), compute).get(), X)
    assert len(calls) == 1
    cache.get(cache.key("other work", X), compute)
    assert len(calls) == 2


def test_key_is_made_of_all_parts(memory):
    cache = Cache(memory)
    parts = [("a", X), ("a", Y), ("b", X), ("a", X, Y), ("a", X, "b"), ("a",), ("b", "a")]
    keys = [cache.key(*part) for part in parts]
    keys += [cache.key("a", X, unfitted=LogisticRegression(C=C)) for C in (1.0, 2.0)]
    assert len(set(keys)) == len(parts) + 2
    assert all(len(key) == 32 for key in keys)


@pytest.mark.parametrize("memory", [None, joblib.Memory(None)], ids=["none", "transparent"])
def test_without_memory_nothing_is_hashed_or_kept(memory, monkeypatch):
    monkeypatch.setattr(skkd._teacher.cache, "content_hash", None)
    cache, calls = Cache(memory), []
    assert cache.key("work", X) is None
    for _ in range(2):
        cache.get(cache.key("work", X), lambda: calls.append(1))
    assert len(calls) == 2


@pytest.mark.parametrize("kind", [str, lambda path: path, joblib.Memory], ids=["str", "path", "m"])
@pytest.mark.filterwarnings("ignore:Compressed")
def test_kinds_of_memory(kind, tmp_path):
    memory = kind(tmp_path / "deep" / "er")
    for _ in range(2):
        quick(LogisticRegression(), cv=2, memory=memory).fit(X, Y)
    assert (tmp_path / "deep" / "er").is_dir()


@pytest.mark.parametrize("options", [{"mmap_mode": "r"}, {"compress": 3}], ids=str)
def test_options_of_joblib_memory(options, tmp_path):
    expected = quick(LogisticRegression(), cv=2).fit(X, Y).predict_proba(X)
    memory = joblib.Memory(tmp_path, verbose=0, **options)
    for _ in range(2):
        clf = quick(LogisticRegression(), cv=2, memory=memory).fit(X, Y)
        np.testing.assert_array_equal(clf.predict_proba(X), expected)
        assert clf.teacher_.predict(X).shape == Y.shape
    memory.reduce_size(items_limit=0)
    assert not list(tmp_path.rglob("output.pkl"))


def test_none_is_a_result(memory):
    cache, calls = Cache(memory), []
    for _ in range(2):
        assert cache.get(cache.key("work"), lambda: calls.append(1)) is None
    assert len(calls) == 1


def test_an_error_passes_and_leaves_nothing(memory):
    cache = Cache(memory)

    def fail():
        raise OSError("the teacher's own")

    for get in (cache.get, cache.shelve):
        with pytest.raises(OSError, match="the teacher's own"):
            get(cache.key("work"), fail)
    assert not entries(memory)
    assert cache.get(cache.key("work"), lambda: 5) == 5


def test_shelved_is_read_when_it_is_needed(memory):
    cache = Cache(memory)
    key = cache.key("work")
    cache.get(key, lambda: 5)
    shelved = cache.shelve(key, None)
    os.remove(entries(memory)[key])
    cache.get(key, lambda: 6)
    assert shelved.get() == 6
    os.remove(entries(memory)[key])
    assert shelved.get() == 6


# Trouble


@pytest.mark.parametrize("damage", ["cut", "emptied", "overwritten"])
def test_a_damaged_entry_is_computed_again_with_a_warning(damage, memory):
    cache = Cache(memory)
    key = cache.key("work")
    cache.get(key, lambda: X)
    path = entries(memory)[key]
    content = open(path, "rb").read()
    with open(path, "wb") as file:
        file.write({"cut": content[: len(content) // 2], "emptied": b""}.get(damage, b"no pickle"))
    with pytest.warns(UserWarning, match=rf"{key}.*can't be read.*computed again"):
        np.testing.assert_array_equal(cache.get(key, lambda: X), X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(cache.get(key, None), X)


def test_a_shelved_entry_that_is_gone_says_so_and_is_computed_again_by_the_next_fit(memory):
    cache = Cache(memory)
    key = cache.key("work")
    cache.get(key, lambda: 5)
    shelved = cache.shelve(key, None)
    with open(entries(memory)[key], "wb") as file:
        file.write(b"no pickle")
    with pytest.raises(RuntimeError, match=rf"{key}.*call fit again"):
        shelved.get()
    assert cache.shelve(key, lambda: 6).get() == 6


class Killed:
    """Interrupts the second time that it is pickled, which is when it is written."""

    def __init__(self, kill):
        self.kill, self.times = kill, 0

    def __reduce__(self):
        self.times += 1
        if self.times == 2:
            self.kill()
        return float, (1.0,)


def test_an_interrupted_write_leaves_nothing_that_is_read(memory):
    cache = Cache(memory)
    key = cache.key("work")

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.get(key, lambda: [X, Killed(interrupt)])
    left = [name for _, _, names in os.walk(memory) for name in names]
    assert any(name.startswith("output.pkl.") for name in left)  # half of it is there
    assert cache.get(key, lambda: 5) == 5  # and nobody holds the lock
    assert cache.get(key, None) == 5


@pytest.mark.slow
def test_a_killed_process_leaves_nothing_that_is_read(memory):
    def work():
        cache = Cache(memory)
        cache.get(cache.key("work"), lambda: [X, Killed(lambda: os._exit(1))])

    with pytest.raises(Exception, match="(?i)terminated"):
        joblib.Parallel(2)(joblib.delayed(work)() for _ in range(1))
    cache = Cache(memory)
    assert cache.get(cache.key("work"), lambda: 5) == 5


def test_what_cannot_be_pickled_gives_a_warning_and_is_not_kept(memory):
    cache = Cache(memory)
    with pytest.warns(UserWarning, match=r"not cached.*lambda"):
        value = cache.get(cache.key("work"), lambda: lambda: 5)
    assert value() == 5
    assert not entries(memory)


def test_a_teacher_that_cannot_be_pickled_works_without(memory):
    class Local(LogisticRegression):
        pass

    with pytest.warns(UserWarning, match=r"not cached.*Local.*in a module"):
        clf = quick(Local(), cv=2, memory=memory).fit(X, Y)
    expected = quick(Local(), cv=2).fit(X, Y)
    np.testing.assert_array_equal(clf.predict_proba(X), expected.predict_proba(X))


def test_a_folder_that_cannot_be_made_gives_a_warning_and_the_work_goes_on(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(UserWarning, match=r"not cached \(NotADirectoryError.*memory=None"):
        clf = quick(LogisticRegression(), cv=2, memory=tmp_path / "file" / "folder").fit(X, Y)
    assert clf.score(X, Y) > 0.5


def test_an_entry_that_cannot_be_written_gives_a_warning_and_the_work_goes_on(memory):
    cache = Cache(memory)
    with open(os.path.join(memory, "joblib", "skkd"), "w"):
        pass  # a file where the folder of entries should be
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            assert cache.get(cache.key("work"), lambda: 5) == 5
            assert cache.shelve(cache.key("work"), lambda: 6).get() == 6
    [warning] = caught
    assert warning.category is DistillationWarning
    assert "not cached (NotADirectoryError" in str(warning.message)


# Many at once


def test_one_thread_computes_and_the_others_wait(memory):
    is_computing, other_is_there = threading.Event(), threading.Event()
    calls, results = [], []

    def compute():
        calls.append(1)
        is_computing.set()
        assert other_is_there.wait(10)
        threads[1].join(0.2)  # time in which it could get on
        return X

    def work():
        cache = Cache(memory)
        results.append(cache.get(cache.key("work"), compute))

    threads = [threading.Thread(target=work) for _ in range(2)]
    threads[0].start()
    assert is_computing.wait(10)
    threads[1].start()
    other_is_there.set()
    for thread in threads:
        thread.join(10)
    assert len(calls) == 1
    for result in results:
        np.testing.assert_array_equal(result, X)


def test_an_entry_that_is_half_written_is_waited_for(memory, monkeypatch):
    """Its value is there and its hash is not yet."""
    is_between, may_go_on = threading.Event(), threading.Event()
    write = skkd._teacher.cache.write

    def slow_write(path, data):
        is_between.set()
        assert may_go_on.wait(10)
        write(path, data)

    monkeypatch.setattr(skkd._teacher.cache, "write", slow_write)
    results = []

    def work():
        cache = Cache(memory)
        results.append(cache.get(cache.key("work"), lambda: [X]))

    threads = [threading.Thread(target=work) for _ in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        threads[0].start()
        assert is_between.wait(10)
        threads[1].start()
        threads[1].join(0.2)  # time in which it could read
        may_go_on.set()
        for thread in threads:
            thread.join(10)
    assert len(results) == 2
    assert len(entries(memory)) == 1


def test_damage_seen_by_two_leaves_what_the_first_made_again(memory):
    """One that has read the damaged entry must not remove the other's new one."""
    cache = Cache(memory)
    key = cache.key("work")
    cache.get(key, lambda: 5)
    late = cache.shelve(key, None)
    with open(entries(memory)[key], "wb") as file:
        file.write(b"no pickle")
    read, failures = skkd._teacher.cache._read, []

    def read_late(store, key):
        try:
            return read(store, key)
        except Exception as error:
            failures.append(error)
            if len(failures) == 1:
                with pytest.warns(UserWarning, match="computed again"):
                    assert Cache(memory).get(key, lambda: 6) == 6
            raise

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(skkd._teacher.cache, "_read", read_late)
        assert late.get() == 6
    assert cache.get(key, None) == 6


def test_works_without_locks(memory, monkeypatch):
    class NoLock:
        def __init__(self, path):
            self.lock_file = path

        def acquire(self, timeout=None):
            raise NotImplementedError("no flock here")

    monkeypatch.setattr(skkd._teacher.cache, "FileLock", NoLock)
    cache = Cache(memory)
    for _ in range(2):
        assert cache.get(cache.key("work"), lambda: 5) == 5


# In the estimator


def test_a_second_fit_asks_nothing(teacher, memory, work_of):
    clf = quick(teacher, cv=3, memory=memory)
    assert work_of(lambda: clf.fit(X, Y)) == (4, 3)
    expected = quick(teacher, cv=3).fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(clf.predict_proba(X), expected)
    again = clone(clf)
    assert work_of(lambda: again.fit(X, Y)) == (0, 0)
    np.testing.assert_array_equal(again.predict_proba(X), expected)
    np.testing.assert_array_equal(again.teacher_.coef_, clf.teacher_.coef_)
    np.testing.assert_array_equal(again.calibration_.scale, clf.calibration_.scale)


@pytest.mark.parametrize(
    "params",
    [
        {"student": quick_net(lr=0.01)},
        {"balancer": FixedBalance(0.3)},
        {"distillation_loss": "js"},
        {"temperature": 3.0},
        {"calibrate": None},
        {"calibrate": "vector"},
        {"random_state": 5},
        {"verbose": 1},
        {"cv": StratifiedKFold(3)},
    ],
    ids=lambda params: next(iter(params)),
)
def test_parameters_that_the_teacher_does_not_see(params, teacher, memory, work_of):
    quick(teacher, cv=3, memory=memory).fit(X, Y)
    clf = quick(teacher, **{"cv": 3, "memory": memory} | params)
    assert work_of(lambda: clf.fit(X, Y)) == (0, 0)


@pytest.mark.parametrize(
    ("params", "arguments", "fits"),
    [
        ({"teacher__C": 2.0}, {}, 4),
        ({"cv": KFold(3, shuffle=True, random_state=0)}, {}, 3),
        ({"cv": 4}, {}, 4),
        ({}, {"X": with_entry(X, 0.5)}, 4),
        ({}, {"X": X.astype(np.float32)}, 4),
        ({}, {"X": FRAME}, 4),
        ({}, {"X": X[::-1], "y": Y[::-1]}, 4),
        ({}, {"y": np.where(np.arange(60) == 7, (Y + 1) % 3, Y)}, 4),
        ({}, {"sample_weight": np.linspace(0.5, 1, 60)}, 4),
        ({"class_weight": {0: 1.0, 1: 2.0, 2: 1.0}}, {}, 4),
        ({"early_stopping": True}, {}, 4),  # rows held out are held out from the teacher
    ],
    ids="C splits cv row dtype frame order label weight class_weight validation".split(),
)
def test_what_the_teacher_sees_misses(params, arguments, fits, teacher, memory, work_of):
    quick(teacher, cv=3, memory=memory).fit(X, Y)
    clf = quick(clone(teacher), cv=3, memory=memory).set_params(**params)
    assert work_of(lambda: clf.fit(**{"X": X, "y": Y} | arguments))[0] == fits


def test_columns_in_another_order_miss(teacher, memory, work_of):
    clf = quick(teacher, cv=3, memory=memory).fit(FRAME, Y)
    assert work_of(lambda: clf.fit(FRAME[list("edcba")], Y)) == (4, 3)
    assert work_of(lambda: clf.fit(FRAME.copy(), Y)) == (0, 0)


def test_a_fitted_teacher_is_asked_once_a_set_of_rows(teacher, memory, work_of):
    teacher.fit(X, Y)
    clf = quick(FrozenEstimator(teacher), memory=memory)
    assert work_of(lambda: clf.fit(X, Y)) == (0, 1)
    assert work_of(lambda: clone(clf).fit(X, Y)) == (0, 0)
    assert work_of(lambda: clf.fit(X[:40], Y[:40])) == (0, 1)
    assert work_of(lambda: clf.partial_fit(X[:40], Y[:40])) == (0, 0)


def test_a_fitted_teacher_that_was_changed_misses(teacher, memory, work_of):
    teacher.fit(X, Y)
    clf = quick(teacher, memory=memory).fit(X, Y)
    teacher.fit(X[::2], Y[::2])
    assert work_of(lambda: clf.fit(X, Y)) == (0, 1)
    np.testing.assert_array_equal(clf.predict_proba(X), quick(teacher).fit(X, Y).predict_proba(X))


def test_out_of_bag_votes_are_found(memory):
    forest = RandomForestClassifier(20, random_state=0)
    first = quick(forest, cv="oob", memory=memory).fit(X, Y)
    n_entries = len(entries(memory))
    again = quick(forest, cv="oob", memory=memory).fit(X, Y)
    assert len(entries(memory)) == n_entries == 2
    np.testing.assert_array_equal(first.predict_proba(X), again.predict_proba(X))
    np.testing.assert_array_equal(first.teacher_.predict_proba(X), again.teacher_.predict_proba(X))


def test_answers_about_synthetic_rows_are_found(teacher, memory, work_of):
    new = make_data(30, seed=1)[0]
    clf = quick(teacher, cv=3, memory=memory)
    assert work_of(lambda: clf.fit(X, Y, X_unlabeled=new)) == (4, 4)
    assert work_of(lambda: clone(clf).fit(X, Y, X_unlabeled=new)) == (0, 0)


def test_answers_about_rows_made_by_chance_are_kept_where_the_same_are_made_again(
    teacher, memory, work_of
):
    net = quick_net(max_epochs=1)
    clf = quick(teacher, student=net, cv=3, memory=memory, augmenter="random_swap")
    assert work_of(lambda: clf.fit(X, Y)) == (4, 4)
    assert work_of(lambda: clone(clf).fit(X, Y)) == (0, 0)
    n_entries = len(entries(memory))
    clf.set_params(random_state=None)
    assert work_of(lambda: clf.fit(X, Y)) == (0, 1)
    assert len(entries(memory)) == n_entries


def test_a_teacher_of_no_random_state_is_found(memory):
    forest = RandomForestClassifier(5, random_state=None)
    votes = [
        quick(forest, cv=2, memory=memory).fit(X, Y).teacher_.predict_proba(X) for _ in range(2)
    ]
    np.testing.assert_array_equal(*votes)


def test_a_file_with_the_estimator_does_not_need_the_cache(memory, teacher):
    quick(teacher, cv=3, memory=memory).fit(X, Y)
    clf = quick(teacher, cv=3, memory=memory).fit(X, Y)  # its teacher is on disk
    content = pickle.dumps(clf)
    for path in entries(memory).values():
        os.remove(path)
    copied = pickle.loads(content)
    np.testing.assert_array_equal(copied.teacher_.coef_, clf.teacher_.coef_)


def test_a_search_fits_the_teacher_once_a_fold(teacher, memory, work_of):
    clf = quick(teacher, cv=3, memory=memory)
    grid = {"temperature": [1.0, 2.0], "balancer": ["fixed", "loss_share"], "student__lr": [0.1]}
    search = GridSearchCV(clf, grid, cv=2, error_score="raise")
    assert work_of(lambda: search.fit(X, Y)) == ((2 + 1) * (3 + 1), (2 + 1) * 3)
    plain = GridSearchCV(clone(clf).set_params(memory=None), grid, cv=2, error_score="raise")
    assert work_of(lambda: plain.fit(X, Y)) == ((2 * 4 + 1) * (3 + 1), (2 * 4 + 1) * 3)
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"]
    )


@pytest.mark.slow
def test_a_search_in_two_processes_fits_the_teacher_once_a_fold(teacher, memory, work_of):
    clf = quick(teacher, cv=3, memory=memory)
    search = GridSearchCV(clf, {"temperature": [1.0, 2.0, 3.0]}, cv=2, n_jobs=2, refit=False)
    assert work_of(lambda: search.fit(X, Y)) == (2 * (3 + 1), 2 * 3)
    # And what processes have found is there for this one.
    splits = StratifiedKFold(2).split(X, Y)
    fits = [lambda rows=rows: clf.fit(X[rows], Y[rows]) for rows, _ in splits]
    assert [work_of(fit) for fit in fits] == [(0, 0), (0, 0)]


@pytest.mark.slow
def test_a_forest_has_the_same_hash_in_every_process():
    forest = RandomForestClassifier(5, random_state=0).fit(X, Y)
    hashes = joblib.Parallel(2)(joblib.delayed(content_hash)(forest) for _ in range(2))
    assert set(hashes) == {content_hash(forest)}


def test_memory_in_get_params_and_clone(memory):
    clf = DistilledClassifier(LogisticRegression(), memory=joblib.Memory(memory, verbose=0))
    assert clone(clf).memory.location == memory
