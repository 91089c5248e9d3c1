import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import log_loss, roc_auc_score

from benchmarks import protocol


def toy(monkeypatch, n_rows=1000, counts=(0.6, 0.39, 0.01)):
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(3), (np.array(counts) * n_rows).astype(int))
    X = np.arange(len(y), dtype=np.float32)[:, None] + rng.random(1, dtype=np.float32)
    monkeypatch.setattr(protocol, "load", lambda name: (X, y))
    return X, y


def test_training_and_test_rows_have_nothing_in_common(monkeypatch):
    X, _ = toy(monkeypatch)
    rows = protocol.split("toy", 0, 10_000)
    assert len(rows.y) == 700 and len(rows.y_test) == 300
    assert set(rows.X.ravel()) | set(rows.X_test.ravel()) == set(X.ravel())


def test_too_many_training_rows_are_cut_in_their_proportions(monkeypatch):
    toy(monkeypatch)
    rows = protocol.split("toy", 0, 500)
    np.testing.assert_array_equal(np.bincount(rows.y), [300, 195, 5])


def test_classes_too_rare_for_five_folds_are_dropped_on_both_sides(monkeypatch):
    toy(monkeypatch)
    rows = protocol.split("toy", 0, 200)
    assert set(rows.y) == set(rows.y_test) == {0, 1}


def test_the_same_seed_gives_the_same_split_and_another_one_another(monkeypatch):
    toy(monkeypatch)
    first, again, other = (protocol.split("toy", seed, 500).X for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_scores_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    proba, teacher = rng.dirichlet(np.ones(3), size=(2, 200))
    y = np.repeat(["a", "b", "c", "a"], 50)
    found = protocol.score(proba, y, np.array(["a", "b", "c"]), teacher)
    assert found["log_loss"] == pytest.approx(log_loss(y, proba))
    assert found["auc"] == pytest.approx(roc_auc_score(y, proba, multi_class="ovr"))
    assert found["agreement"] == (proba.argmax(axis=1) == teacher.argmax(axis=1)).mean()


def test_a_class_without_test_rows_has_no_part_in_the_auc():
    proba = np.array([[0.7, 0.2, 0.1], [0.1, 0.7, 0.2], [0.6, 0.3, 0.1], [0.3, 0.6, 0.1]])
    found = protocol.score(proba, np.array([0, 1, 0, 1]), np.arange(3), proba)
    assert found["auc"] == 1.0


def test_calibration_error_is_the_mean_gap_over_bins_of_equal_mass():
    # Two bins: 0.5 said and none right, 0.9 said and all right.
    confidence = np.array([0.9, 0.5, 0.9, 0.5])
    hit = np.array([True, False, True, False])
    assert protocol.calibration_error(confidence, hit, n_bins=2) == pytest.approx(0.3)


def test_calibrated_probabilities_have_a_small_calibration_error():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1.0, 20_000)
    hit = rng.random(20_000) < confidence
    assert protocol.calibration_error(confidence, hit) < 0.02
    assert protocol.calibration_error(confidence**0.5, hit) > 0.05


def test_cost_works_for_frames_and_counts_what_is_kept():
    X = pd.DataFrame({"x": [1.0, 2.0], "kind": pd.Categorical(["a", "b"])})
    model = DummyClassifier().fit(X, [0, 1])
    found = protocol.cost(model, X, kept=None)
    assert found["row_ms"] > 0 and found["batch_ms"] > 0
    assert protocol.cost(model, X, kept=b"x" * 1000)["bytes"] > 1000
