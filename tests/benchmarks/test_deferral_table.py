"""The guide's table of deferral is that of the committed lines."""

from pathlib import Path

import pandas as pd

from benchmarks.run import RESULTS, read_lines

PAGE = (Path(__file__).parents[2] / "docs" / "shipping.md").read_text()


def test_table_of_deferral():
    frame = pd.DataFrame(read_lines(RESULTS / "deferral.jsonl"))
    assert set(frame["set"]) == {"adult", "letter", "fashion_mnist"}
    for name, lines in frame.groupby("set"):
        mean = lines.mean(numeric_only=True)
        missed = (lines["agreement_of_all"] < lines["agreement_asked"]).sum()
        time = mean["student_ms"] / mean["teacher_ms"] + mean["deferred_share"]
        row = (
            f"| {name} | {mean['student_agreement']:.3f} | {mean['agreement']:.3f} "
            f"| {missed} of {len(lines)} | {mean['deferred_share']:.2f} | {time:.2f} |"
        )
        assert row in PAGE, row
