"""Bounds against scipy's exact test, and promises by simulation from known distributions."""

import numpy as np
import pytest
from scipy.stats import binomtest

from skkd._deferral.threshold import fewest_deferred, most_deferred, upper_bound

LEVEL = 0.9
N_DRAWS = 400
# Three standard errors of a share of one in ten over the draws.
NOISE = 3 * np.sqrt(0.1 * 0.9 / N_DRAWS)


@pytest.mark.parametrize("n_rows", [1, 7, 300])
@pytest.mark.parametrize("level", [0.6, 0.95])
def test_upper_bound_is_scipys(n_rows, level):
    counts = np.unique(np.linspace(0, n_rows, 8).astype(int))
    # The upper end of a two-sided interval has half of the risk.
    expected = [binomtest(count, n_rows).proportion_ci(2 * level - 1).high for count in counts]
    np.testing.assert_allclose(upper_bound(counts, n_rows, level), expected, atol=1e-9)


def draw(n_rows, rng):
    """The student's greatest probability, and two shares of rows that depend on it."""
    sure = rng.uniform(0.5, 1, n_rows)
    u = rng.random(n_rows)
    lost = u < 0.6 * (1 - sure)
    won = u > 1 - 0.4 * (1 - sure)
    return sure, lost, won


def share_above(threshold, slope):
    """The integral of slope * (1 - s) over s from the threshold to 1, at density 2."""
    return slope * (1 - min(max(threshold, 0.5), 1.0)) ** 2


@pytest.mark.parametrize("n_rows", [150, 800])
def test_agreement_holds_at_its_confidence(n_rows):
    limit, found = 0.05, []
    for seed in range(N_DRAWS):
        sure, lost, _ = draw(n_rows, np.random.default_rng(seed))
        found.append(fewest_deferred(sure, lost, limit, LEVEL))
    risks = np.array([share_above(threshold, 0.6) for threshold in found])
    assert (risks > limit).mean() < 1 - LEVEL + NOISE
    if n_rows == 800:  # and not by deferring all: close to the limit, and beyond it now and then
        assert (risks > limit).mean() > 0.02
        assert risks.mean() > 0.6 * limit


def test_accuracy_loss_holds_at_its_confidence():
    limit, found = 0.01, []
    for seed in range(N_DRAWS):
        sure, lost, won = draw(1500, np.random.default_rng(seed))
        found.append(fewest_deferred(sure, lost, limit, LEVEL, won))
    risks = np.array([share_above(threshold, 0.6 - 0.4) for threshold in found])
    assert (risks > limit).mean() < 1 - LEVEL + NOISE
    assert np.isfinite(found).mean() > 0.9


def test_accuracy_loss_of_a_risk_that_rises_and_falls():
    # Sure rows lose, and unsure ones win as much again: the risk is above the limit in between.
    limit, n_rows, broken = 0.04, 600, 0
    for seed in range(N_DRAWS):
        rng = np.random.default_rng(seed)
        sure = rng.uniform(0.5, 1, n_rows)
        lost = (sure > 0.7) & (rng.random(n_rows) < 0.1)
        won = (sure < 0.6) & (rng.random(n_rows) < 0.3)
        at = fewest_deferred(sure, lost, limit, LEVEL, won)
        risk = 0.2 * (1 - np.clip(at, 0.7, 1)) - 0.6 * (0.6 - np.clip(at, 0.5, 0.6))
        broken += risk > limit
    assert broken / N_DRAWS < 1 - LEVEL + NOISE


def test_share_of_deferred_rows_holds_at_its_confidence():
    limit, found = 0.2, []
    for seed in range(N_DRAWS):
        sure, _, _ = draw(400, np.random.default_rng(seed))
        found.append(most_deferred(sure, limit, LEVEL))
    shares = np.clip(2 * (np.array(found) - 0.5), 0, 1)
    assert 0.02 < (shares > limit).mean() < 1 - LEVEL + NOISE
    assert shares.mean() > 0.8 * limit


@pytest.mark.parametrize("limit", [0.005, 0.02, 0.1])
def test_as_many_errors_are_answered_as_the_bound_allows(limit):
    sure, lost, _ = draw(1000, np.random.default_rng(0))
    threshold = fewest_deferred(sure, lost, limit, 0.95)
    allowed = [k for k in range(120) if binomtest(k, 1000).proportion_ci(0.9).high <= limit]
    worst = np.sort(sure[lost])[::-1]
    if not allowed:
        assert threshold == np.inf
        return
    assert (sure[lost] >= threshold).sum() == len(allowed) - 1
    # One step of the grid, 0.01 in the log-odds, below the last threshold that passes.
    log_odds = np.log(threshold / (1 - threshold)) - 0.01
    assert 1 / (1 + np.exp(-log_odds)) <= worst[len(allowed) - 1] < threshold


def test_limit_cases():
    sure = np.linspace(0.5, 1, 400)
    none, all_rows = np.zeros(400, bool), np.ones(400, bool)
    assert fewest_deferred(sure, none, 0.01, 0.95) == 0.0  # the student is never wrong
    assert fewest_deferred(sure, all_rows, 0.01, 0.95) > 0.98
    assert fewest_deferred(sure[:20], none[:20], 0.01, 0.95) == np.inf  # too few rows
    assert fewest_deferred(np.ones(400), all_rows, 0.01, 0.95) == np.inf  # sure of all, and wrong
    assert fewest_deferred(sure, none, 0.01, 0.95, good=all_rows) == 0.0
    assert most_deferred(np.ones(400), 0.1, 0.95) == 1.0
    assert most_deferred(sure[:20], 0.01, 0.95) <= 0.5  # too few rows to defer any


def test_order_of_rows_does_not_matter():
    sure, lost, won = draw(500, np.random.default_rng(0))
    order = np.random.default_rng(1).permutation(500)
    for good in (None, won):
        shuffled = None if good is None else good[order]
        assert fewest_deferred(sure, lost, 0.05, 0.95, good) == fewest_deferred(
            sure[order], lost[order], 0.05, 0.95, shuffled
        )
