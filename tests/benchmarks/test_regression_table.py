"""The tables of the regression page are those of the committed lines."""

import re
from pathlib import Path

import pytest

from benchmarks.regression import table
from benchmarks.run import RESULTS, read_lines

PAGE = (Path(__file__).parents[2] / "docs" / "regression.md").read_text()
LINES = read_lines(RESULTS / "regression.jsonl")
RMSE = {(line["set"], line["model"]): line["rmse"] for line in LINES}
COLUMNS = ("default", "teacher", "trees_40", "trees_100")
MOVING = ("plain", "fixed_0.25", "fixed_0.5", "fixed_1")


def rows(n_cells):
    """Rows of the page's table with so many cells, by data set."""
    cells = [row.strip("| ").split(" | ") for row in PAGE.splitlines() if row.startswith("| ")]
    return {row[0]: row[1:] for row in cells if len(row) == n_cells and re.match(r"[01]", row[1])}


@pytest.mark.parametrize(("n_cells", "models", "n_sets"), [(7, COLUMNS, 8), (5, MOVING, 4)])
def test_shares_are_those_of_the_lines(n_cells, models, n_sets):
    shown = rows(n_cells)
    assert len(shown) == n_sets
    for name, cells in shown.items():
        expected = [RMSE[name, model] / RMSE[name, "labels_only"] for model in models]
        assert [float(cell) for cell in cells[-4:]] == pytest.approx(expected, abs=6e-4)


def test_what_the_page_claims():
    shares = {name: [float(cell) for cell in cells[-4:]] for name, cells in rows(7).items()}
    assert {name for name, (default, *_) in shares.items() if default >= 1} == {"birthdays"}
    assert RMSE["birthdays", "default"] == RMSE["birthdays", "labels_only"]
    assert {name for name, (default, teacher, *_) in shares.items() if default > teacher} == {
        "puma32h"
    }
    for moving, *fixed in ([float(cell) for cell in cells] for cells in rows(5).values()):
        assert moving <= 1.002 * min(fixed)
    assert "labels_only" in table(LINES)
