"""The tables of the regression page are those of the committed lines."""

from pathlib import Path

from benchmarks.regression import shares, table, table_of_weights
from benchmarks.run import RESULTS, read_lines

PAGE = (Path(__file__).parents[2] / "docs" / "regression.md").read_text()
LINES = read_lines(RESULTS / "regression.jsonl")


def test_tables():
    written = [*table(LINES, 4000), *table(LINES, 40_000), *table_of_weights(LINES, 4000)]
    for row in written:
        assert row in PAGE.splitlines(), row
    assert len(written) == 9 + 4 + 9


def test_what_the_page_claims():
    for rows in (4000, 40_000):
        by_seed = shares(LINES, rows)["default"].groupby("set")
        assert (by_seed.mean() - 2 * by_seed.sem() <= 1).all()
        assert (by_seed.size() == 3).all()
    small = shares(LINES, 4000).groupby("set").mean()
    assert f"falls by {100 * (1 - small['default'].mean()):.1f} % on average" in PAGE
    ratio = small["default"] / small["teacher"]
    assert set(ratio.index[ratio > 1.02]) == {"birthdays"} and len(ratio) == 8
    ahead = small["default"] / small[["trees_40", "trees_100"]].min(axis=1)
    assert set(ahead.index[ahead > 1]) == {"cpssw8", "gss_wages"}
    assert ahead.max() < 1.01
    of_weights = small[["fixed_0.25", "fixed_0.5", "fixed_0.75", "fixed_1"]]
    behind = small["plain"] / of_weights.min(axis=1) - 1
    assert behind.idxmax() == "diabetes" and f"{100 * behind.max():.1f} % behind" in PAGE
    assert small["plain"].mean() < of_weights.mean().min() + 0.003
