"""Resamples are drawn again by hand; intervals are compared with scipy's and with theory."""

import numpy as np
import pytest
from scipy.stats import bootstrap
from sklearn.metrics import accuracy_score, average_precision_score, log_loss, roc_auc_score

from skkd.report import _bootstrap
from skkd.report._bootstrap import MAX_SCORE_REPEATS, differences, draw_counts, resample
from skkd.report._measures import RankedScores, row_terms

N_ROWS = 300


def two_models(seed=0, n_rows=N_ROWS):
    """Labels, and probabilities of two models that make much the same errors."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n_rows) % 2
    logit = 1.5 * (2 * labels - 1) + rng.normal(size=n_rows) * 2
    proba = [1 / (1 + np.exp(-(logit + shift * rng.normal(size=n_rows)))) for shift in (0.5, 1)]
    return labels, {name: np.c_[1 - p, p] for name, p in zip("ab", proba, strict=True)}


def resampled(labels, proba, n_bootstrap, seed=0, advance=lambda done: None):
    weight = np.ones(len(labels))
    terms = {name: row_terms(labels, p, weight) for name, p in proba.items()}
    scores = {name: [RankedScores(labels, p, weight)] for name, p in proba.items()}
    return resample(terms, scores, n_bootstrap, seed, advance)


def test_each_resample_has_as_many_rows_as_there_are():
    counts = np.hstack(list(draw_counts(50, 300, 0)))
    assert counts.shape == (50, 300)
    np.testing.assert_array_equal(counts.sum(axis=0), 50)
    assert len({tuple(column) for column in counts.T}) == 300
    # Each row is drawn once on average, with a binomial variance of 1 - 1 / 50.
    np.testing.assert_allclose(counts.mean(axis=1), 1, atol=4 * np.sqrt(0.98 / 300))


def test_chunks_change_nothing(monkeypatch):
    labels, proba = two_models()
    whole = resampled(labels, proba, 250)
    monkeypatch.setattr(_bootstrap, "_ENTRIES", 7 * N_ROWS)
    done = []
    parts = resampled(labels, proba, 250, advance=done.append)
    assert sum(done) == 250 and len(done) > 30
    for name in "ab":
        assert whole[name].estimate == parts[name].estimate
        for measure, values in whole[name].repeats.items():
            np.testing.assert_allclose(parts[name].repeats[measure], values, rtol=1e-12)


def test_both_models_are_measured_on_the_rows_drawn():
    labels, proba = two_models()
    found = resampled(labels, proba, 20, seed=3)
    [counts] = draw_counts(N_ROWS, 20, 3)
    for i, times in enumerate(counts.T.astype(int)):
        drawn = np.repeat(np.arange(N_ROWS), times)
        for name, p in proba.items():
            repeats = {measure: values[i] for measure, values in found[name].repeats.items()}
            y, p = labels[drawn], p[drawn]
            assert repeats["accuracy"] == pytest.approx(accuracy_score(y, p.argmax(axis=1)))
            assert repeats["log_loss"] == pytest.approx(log_loss(y, p))
            assert repeats["roc_auc"] == pytest.approx(roc_auc_score(y, p[:, 1]))
            area = average_precision_score(y, p[:, 1])
            assert repeats["average_precision"] == pytest.approx(area)


def test_areas_are_resampled_less_often():
    labels, proba = two_models()
    repeats = resampled(labels, proba, 500)["a"].repeats
    assert len(repeats["roc_auc"]) == len(repeats["average_precision"]) == MAX_SCORE_REPEATS
    assert len(repeats["accuracy"]) == 500


@pytest.mark.parametrize(
    ("measure", "statistic"),
    [
        ("accuracy", lambda y, p: ((p > 0.5) == y).mean(axis=-1)),
        ("log_loss", lambda y, p: -np.log(np.where(y == 1, p, 1 - p)).mean(axis=-1)),
        ("brier_score", lambda y, p: ((p - y) ** 2).mean(axis=-1)),
    ],
)
def test_interval_is_scipys(measure, statistic):
    labels, proba = two_models()
    found = resampled(labels, proba, 10_000)
    estimate, low, high = differences(found["a"], found["b"], 0.9)[measure]
    a, b = proba["a"][:, 1], proba["b"][:, 1]
    expected = bootstrap(
        (labels, a, b),
        lambda y, a, b, axis=-1: statistic(y, a) - statistic(y, b),
        paired=True,
        vectorized=True,
        n_resamples=10_000,
        confidence_level=0.9,
        method="percentile",
        random_state=np.random.default_rng(1),
    ).confidence_interval
    assert estimate == pytest.approx(statistic(labels, a) - statistic(labels, b))
    # A 5 % quantile of 10,000 draws has a standard error of 0.021 sigma, 0.0064 of the width.
    width = expected.high - expected.low
    assert abs(low - expected.low) < 5 * 0.0064 * width + 1 / N_ROWS * (measure == "accuracy")
    assert abs(high - expected.high) < 5 * 0.0064 * width + 1 / N_ROWS * (measure == "accuracy")


def test_pairs_make_intervals_shorter():
    labels, proba = two_models()
    found = resampled(labels, proba, 2_000)
    for measure in ("accuracy", "log_loss", "roc_auc"):
        _, low, high = differences(found["a"], found["b"], 0.95)[measure]
        apart = [found[name].repeats[measure].std() for name in "ab"]
        assert high - low < 0.8 * 2 * 1.96 * np.hypot(*apart)


def test_interval_covers_the_truth_as_often_as_it_says():
    """Of 400 test sets; the truth is the difference on very many rows."""
    labels, proba = two_models(seed=1000, n_rows=400_000)
    truth = log_loss(labels, proba["a"]) - log_loss(labels, proba["b"])
    covered = 0
    for seed in range(400):
        found = resampled(*two_models(seed), 200)
        _, low, high = differences(found["a"], found["b"], 0.9)["log_loss"]
        covered += low <= truth <= high
    # 360 are expected, with a standard deviation of 6; the interval is slightly too short.
    assert 335 <= covered <= 380


def test_a_model_does_not_differ_from_itself():
    labels, proba = two_models()
    found = resampled(labels, {"a": proba["a"]}, 100)
    for difference in differences(found["a"], found["a"], 0.95).values():
        assert difference == (0, 0, 0)


def test_unknown_resamples_are_left_out():
    labels = np.array([0, 0, 0, 1])  # a third of the resamples lack class 1, and have no AUC
    proba = np.c_[[0.8, 0.7, 0.4, 0.3], [0.2, 0.3, 0.6, 0.7]]
    found = resampled(labels, {"a": proba, "b": proba[:, ::-1]}, 200)
    assert np.isnan(found["a"].repeats["roc_auc"]).any()
    assert differences(found["a"], found["b"], 0.95)["roc_auc"] == (1, 1, 1)


def test_nothing_known_has_no_interval():
    labels = np.zeros(5, dtype=int)
    proba = np.full((5, 2), 0.5)
    found = resampled(labels, {"a": proba, "b": proba}, 100)
    assert np.isnan(differences(found["a"], found["b"], 0.95)["roc_auc"]).all()
