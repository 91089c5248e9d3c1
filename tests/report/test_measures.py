"""Measures are compared with scikit-learn's, and where it has none with loops over rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    log_loss,
    precision_recall_fscore_support,
    roc_auc_score,
)

from skkd.report._measures import (
    N_BINS,
    RankedScores,
    bin_of,
    measures_of,
    per_class,
    reliability,
    row_terms,
    sums_of,
)


def made(n_rows=200, n_classes=3, seed=0, decimals=2):
    """Labels of all classes, probabilities with many ties, weights, a teacher's labels."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n_rows) % n_classes)
    proba = rng.dirichlet(np.ones(n_classes), n_rows)
    proba[np.arange(n_rows), labels] += rng.random(n_rows)
    proba = np.round(proba, decimals) + 1e-3
    proba /= proba.sum(axis=1, keepdims=True)
    teacher = np.where(rng.random(n_rows) < 0.7, labels, rng.integers(n_classes, size=n_rows))
    return labels, proba, rng.integers(1, 4, n_rows).astype(float), teacher


def measured(labels, proba, weight, teacher=None, counts=None):
    counts = np.ones((len(labels), 1)) if counts is None else counts
    measures = measures_of(sums_of(row_terms(labels, proba, weight, teacher), counts))
    return measures | RankedScores(labels, proba, weight).measures(counts)


def brier(labels, proba, weight):
    """As in sklearn.metrics.brier_score_loss, which knows more than two classes since 1.8."""
    losses = [
        sum((p - (k == label)) ** 2 for k, p in enumerate(row))
        for row, label in zip(proba, labels, strict=True)
    ]
    return np.average(losses, weights=weight) / (2 if proba.shape[1] == 2 else 1)


def expected_calibration_error(labels, proba, weight):
    confidence, right = proba.max(axis=1), proba.argmax(axis=1) == labels
    edges, error = np.linspace(0, 1, 16), 0.0
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            w = weight[inside]
            gap = np.average(right[inside], weights=w) - np.average(confidence[inside], weights=w)
            error += w.sum() / weight.sum() * abs(gap)
    return error


def roc_auc(labels, proba, weight):
    if proba.shape[1] == 2:
        return roc_auc_score(labels, proba[:, 1], sample_weight=weight)
    return roc_auc_score(labels, proba, multi_class="ovr", sample_weight=weight)


def rarer_class(labels, weight):
    totals = [weight[labels == k].sum() for k in (0, 1)]
    return 1 if totals[1] <= totals[0] else 0


def average_precision(labels, proba, weight, rarer=None):
    """Of the rarer one of two classes; macro-averaged for more."""
    classes = range(proba.shape[1])
    if len(classes) == 2:
        classes = [rarer_class(labels, weight) if rarer is None else rarer]
    areas = [
        average_precision_score(labels == k, proba[:, k], sample_weight=weight) for k in classes
    ]
    return np.mean(areas)


ORACLES = {
    "average_precision": average_precision,
    "accuracy": lambda y, p, w: accuracy_score(y, p.argmax(axis=1), sample_weight=w),
    "balanced_accuracy": lambda y, p, w: balanced_accuracy_score(
        y, p.argmax(axis=1), sample_weight=w
    ),
    "log_loss": lambda y, p, w: log_loss(y, p, sample_weight=w, labels=range(p.shape[1])),
    "roc_auc": roc_auc,
    "brier_score": brier,
    "calibration_error": expected_calibration_error,
}


@pytest.mark.parametrize("n_classes", [2, 3, 7])
@pytest.mark.parametrize("name", ORACLES)
def test_measure_is_what_others_compute(name, n_classes):
    labels, proba, weight, _ = made(n_classes=n_classes)
    for w in (np.ones(len(labels)), weight):
        expected = ORACLES[name](labels, proba, w)
        np.testing.assert_allclose(measured(labels, proba, w)[name], [expected], rtol=1e-12)


def test_certain_probabilities_cost_what_they_do_in_scikit_learn():
    proba = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    labels = np.array([0, 0, 1])
    expected = log_loss(labels, proba)
    np.testing.assert_allclose(measured(labels, proba, np.ones(3))["log_loss"], [expected])


@pytest.mark.parametrize("name", ORACLES)
@given(seed=st.integers(0, 2**16), n_classes=st.integers(2, 4))
def test_counts_are_repeated_rows(name, seed, n_classes):
    labels, proba, weight, _ = made(30, n_classes, seed, decimals=1)
    counts = np.random.default_rng(seed).integers(0, 3, (30, 2)).astype(float)
    counts[:n_classes] = 1
    found = measured(labels, proba, weight, counts=counts)[name]
    # The rarer class is that of the test set, in all resamples.
    fixed = {"rarer": rarer_class(labels, weight)} if name == "average_precision" else {}
    for column, times in zip(found, counts.T.astype(int), strict=True):
        repeated = [np.repeat(values, times, axis=0) for values in (labels, proba, weight)]
        if len(set(repeated[0])) == n_classes:
            np.testing.assert_allclose(column, ORACLES[name](*repeated, **fixed), rtol=1e-10)


def test_agreement_is_counted():
    labels, proba, weight, teacher = made()
    found = measured(labels, proba, weight, teacher)
    totals = dict.fromkeys(("all", "right", "wrong"), 0.0)
    agreed = dict(totals)
    for label, row, w, said in zip(labels, proba, weight, teacher, strict=True):
        for group in ("all", "right" if said == label else "wrong"):
            totals[group] += w
            agreed[group] += w * (row.argmax() == said)
    expected = {group: agreed[group] / totals[group] for group in totals}
    np.testing.assert_allclose(found["agreement"], expected["all"])
    np.testing.assert_allclose(found["agreement_teacher_right"], expected["right"])
    np.testing.assert_allclose(found["agreement_teacher_wrong"], expected["wrong"])
    share = found["accuracy"] / accuracy_score(labels, teacher, sample_weight=weight)
    np.testing.assert_allclose(found["retained_accuracy"], share)


def test_agreement_where_the_teacher_is_never_wrong_is_unknown():
    labels, proba, weight, _ = made()
    found = measured(labels, proba, weight / 7, teacher=labels)
    assert np.isnan(found["agreement_teacher_wrong"]).all()
    np.testing.assert_allclose(found["agreement_teacher_right"], found["accuracy"])


def test_classes_without_rows_are_left_out_of_means():
    labels, proba, weight, _ = made(n_classes=4)
    kept = labels != 2
    labels, proba, weight = labels[kept], proba[kept], weight[kept]
    found = measured(labels, proba, weight)
    areas = [roc_auc_score(labels == k, proba[:, k], sample_weight=weight) for k in (0, 1, 3)]
    np.testing.assert_allclose(found["roc_auc"], np.mean(areas))
    with pytest.warns(UserWarning, match="not in y_true"):
        expected = balanced_accuracy_score(labels, proba.argmax(axis=1), sample_weight=weight)
    np.testing.assert_allclose(found["balanced_accuracy"], expected)


def test_one_class_has_no_roc_auc():
    labels, proba, weight, _ = made()
    only = labels == 1
    areas = RankedScores(labels[only], proba[only], weight[only]).measures(np.ones((only.sum(), 1)))
    assert np.isnan(areas["roc_auc"])
    assert areas["average_precision"] == 1


def test_confidence_on_an_edge_is_in_the_lower_bin():
    edges = np.linspace(0, 1, N_BINS + 1)
    np.testing.assert_array_equal(bin_of(edges), [0, *range(N_BINS)])
    np.testing.assert_array_equal(bin_of(edges[:-1] + 1e-9), range(N_BINS))
    assert bin_of(np.array([1 + 1e-12]))[0] == N_BINS - 1


def test_per_class_is_scikit_learns():
    labels, proba, weight, _ = made(n_classes=5)
    proba[:, 4] = 0  # a class that is never found
    sums = sums_of(row_terms(labels, proba, weight), np.ones((len(labels), 1)))
    expected = precision_recall_fscore_support(
        labels, proba.argmax(axis=1), sample_weight=weight, zero_division=np.nan
    )
    found = per_class(sums)
    for name, values in zip(("precision", "recall", "f1"), expected, strict=False):
        np.testing.assert_allclose(found[name][:, 0], values)
    assert np.isnan(found["precision"][4, 0])


def test_reliability_adds_up_to_the_calibration_error():
    labels, proba, weight, _ = made()
    sums = sums_of(row_terms(labels, proba, weight), np.ones((len(labels), 1)))
    curve = {name: values[:, 0] for name, values in reliability(sums).items()}
    assert curve["share"].sum() == pytest.approx(1)
    error = np.nansum(curve["share"] * np.abs(curve["accuracy"] - curve["confidence"]))
    assert error == pytest.approx(expected_calibration_error(labels, proba, weight))
