"""Workers of a dask cluster do what joblib's own processes do, with the very same results.

The cluster is a real one, of two processes that are reached over the network's loopback.
"""

import os
import signal
from pathlib import Path

import distributed
import joblib
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict

from tests.helpers import make_data, quick, same_state

pytestmark = pytest.mark.slow

X, Y = make_data(200)
FOREST = RandomForestClassifier(5, random_state=0)


@pytest.fixture(scope="module")
def client():
    cluster = distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
        silence_logs=50,
    )
    with cluster, distributed.Client(cluster) as client:
        yield client


@pytest.fixture
def on_dask(client):
    client.wait_for_workers(2, timeout=30)  # a test before may have killed one
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(100)
    with joblib.parallel_config("dask"):
        yield client
    signal.alarm(0)


def _give_up(*_):
    raise TimeoutError("the tasks wait for each other")


class Noted(LogisticRegression):
    """Leaves a file in a folder for every fit, with the process that did it."""

    def __init__(self, folder=None, C=1.0):
        super().__init__(C=C)
        self.folder = folder

    def fit(self, X, y, sample_weight=None):
        number = len(os.listdir(self.folder))
        Path(self.folder, f"{os.getpid()}-{number}").touch()
        return super().fit(X, y, sample_weight)


def processes_in(folder) -> set:
    return {path.name.split("-")[0] for path in folder.iterdir()}


class DiesOnce(LogisticRegression):
    """Kills the worker in which it is fitted, unless a file says that it did so before."""

    def __init__(self, file=None, C=1.0):
        super().__init__(C=C)
        self.file = file

    def fit(self, X, y, sample_weight=None):
        if not os.path.exists(self.file):
            Path(self.file).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(X, y, sample_weight)


def same_fit(a, b) -> bool:
    return same_state(a.student_.module_.state_dict(), b.student_.module_.state_dict())


def test_a_fit_is_the_same_as_on_joblibs_own_processes(client):
    fits = {}
    for backend in ("loky", "dask"):
        with joblib.parallel_config(backend):
            fits[backend] = quick(FOREST, cv=4, n_jobs=2).fit(X, Y)
    assert same_fit(fits["loky"], fits["dask"])
    np.testing.assert_array_equal(
        fits["loky"].history_["distillation_loss"], fits["dask"].history_["distillation_loss"]
    )


def test_folds_are_fitted_by_the_workers(on_dask, tmp_path):
    quick(Noted(tmp_path), cv=4).fit(X, Y)
    workers = {str(pid) for pid in on_dask.run(os.getpid).values()}
    # The fit on all rows is done here.
    assert processes_in(tmp_path) - {str(os.getpid())} <= workers
    assert len(list(tmp_path.iterdir())) == 4 + 1
    assert processes_in(tmp_path) & workers


def test_rows_are_sent_once_and_not_with_every_fold(on_dask, monkeypatch):
    sent = []
    scatter = distributed.Client.scatter

    def noting(client, data, **options):
        sent.append(data)
        return scatter(client, data, **options)

    monkeypatch.setattr(distributed.Client, "scatter", noting)
    quick(FOREST, cv=5).fit(X, Y)
    assert sum(data is X for data in sent) == 1


@pytest.mark.parametrize("teacher", [FOREST, StackingClassifier([("a", FOREST)], cv=2, n_jobs=2)])
def test_a_search_with_memory_shares_the_teacher(on_dask, tmp_path, teacher):
    # Tasks wait for what another one is making, and that one waits for no worker.
    grid = {"temperature": [1.0, 2.0], "balancer": ["fixed", "loss_share"]}
    clf = quick(teacher, cv=3, memory=tmp_path)
    found = GridSearchCV(clf, grid, cv=2, error_score="raise").fit(X, Y)
    with joblib.parallel_config("sequential"):
        clf = quick(teacher, cv=3)
        alone = GridSearchCV(clf, grid, cv=2, error_score="raise").fit(X, Y)
    np.testing.assert_array_equal(
        found.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"]
    )
    assert same_fit(found.best_estimator_, alone.best_estimator_)


def test_with_memory_the_teacher_is_fitted_once_a_fold(on_dask, tmp_path):
    notes, memory = tmp_path / "notes", tmp_path / "memory"
    notes.mkdir()
    clf = quick(Noted(notes), cv=3, memory=memory)
    GridSearchCV(clf, {"temperature": [1.0, 2.0, 3.0]}, cv=2, refit=False).fit(X, Y)
    assert len(list(notes.iterdir())) == 2 * (3 + 1)


def test_a_worker_that_dies_costs_an_error_at_most(on_dask, tmp_path):
    file = tmp_path / "died"
    clf = quick(DiesOnce(file), cv=4)
    try:
        clf.fit(X, Y)
    except distributed.client.FutureCancelledError:
        # Rows that were on the dead worker alone are lost.
        assert not hasattr(clf, "student_")
        clf.fit(X, Y)
    assert file.exists()
    assert same_fit(clf, quick(LogisticRegression(), cv=4).fit(X, Y))


def test_a_search_whose_rows_all_workers_have_outlives_one_of_them(client, tmp_path):
    client.wait_for_workers(2, timeout=30)
    clf = quick(DiesOnce(tmp_path / "died"), cv=3, memory=tmp_path / "memory")
    grid = {"temperature": [1.0, 2.0]}
    with joblib.parallel_config("dask", scatter=[X, Y]):
        found = GridSearchCV(clf, grid, cv=2, error_score="raise").fit(X, Y)
    assert (tmp_path / "died").exists()
    alone = GridSearchCV(quick(LogisticRegression(), cv=3), grid, cv=2).fit(X, Y)
    np.testing.assert_array_equal(
        found.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"]
    )


def test_probabilities_can_come_from_the_cluster(on_dask):
    proba = cross_val_predict(FOREST, X, Y, cv=4, method="predict_proba")
    given = quick(None, calibrate=None).fit(X, Y, teacher_proba=proba)
    assert same_fit(given, quick(FOREST, cv=4, calibrate=None).fit(X, Y))
