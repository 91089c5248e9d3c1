"""The study end to end on a set that comes with scikit-learn, with next to no training."""

import json

import numpy as np
import pytest

from benchmarks import report, run


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    """Options of a run that takes a second."""
    monkeypatch.setenv("SKKD_DATA", str(tmp_path / "cache"))
    options = "--sets breast_cancer --seeds 0 --max-rows 80 --epochs-scale 0.01 --methods labels"
    return [*options.split(), "--out", str(tmp_path / "results" / "out.jsonl")]


def lines_of(arguments) -> list[dict]:
    return [json.loads(line) for line in open(arguments[-1])]


def with_methods(arguments: list[str], *names: str) -> list[str]:
    return [*arguments[:-2], *names, *arguments[-2:]]


def test_a_run_writes_a_line_for_the_teacher_and_one_a_method(arguments):
    assert run.main(with_methods(arguments, "fixed(0.5)@oof", "default")) == 0
    lines = lines_of(arguments)
    names = [line["method"] for line in lines]
    assert names == ["teacher", "teacher@calibrated", "labels", "fixed(0.5)@oof", "default"]
    assert lines[3]["weight"] == 0.5 and lines[2]["weight"] == 0.0
    for line in lines:
        assert 0 <= line["ece"] <= 1 and 0.5 < line["accuracy"] <= 1
        assert line["row_ms"] > 0 and line["bytes"] > 0 and line["n_train"] == 80


def test_what_is_there_is_not_run_again(arguments, monkeypatch):
    run.main(arguments)
    monkeypatch.setattr(run.Bench, "run", lambda *_: pytest.fail("ran again"))
    before = lines_of(arguments)
    assert run.main(arguments) == 0
    assert lines_of(arguments) == before


def test_a_method_that_fails_does_not_end_the_study(arguments, capsys):
    assert run.main(with_methods(arguments[:-3] + arguments[-2:], "fixed(2)", "fixed(1)")) == 1
    assert [line["method"] for line in lines_of(arguments)][2:] == ["fixed(1)@calibrated"]
    assert "'weight' parameter of FixedBalance" in capsys.readouterr().err


def test_a_line_that_was_cut_off_is_run_again(arguments, capsys):
    run.main(arguments)
    path = run.Path(arguments[-1])
    path.write_text(path.read_text()[:-40])
    run.main(arguments)
    assert [line["method"] for line in run.read_lines(path)][-1] == "labels"
    assert "broken line" in capsys.readouterr().err


def test_a_wrong_method_is_told_before_anything_runs(arguments, capsys):
    with pytest.raises(SystemExit):
        run.main(with_methods(arguments, "fixd(0.5)"))
    assert "'fixd'" in capsys.readouterr().err


def test_all_students_can_be_told_a_parameter(arguments, tmp_path):
    run.main(arguments)
    run.main([*arguments[:-1], str(tmp_path / "large.jsonl"), "--student", "module__pruning=0"])
    large = lines_of([tmp_path / "large.jsonl"])[-1]
    assert large["method"] == "labels"
    assert large["bytes"] > 10 * lines_of(arguments)[-1]["bytes"]


@pytest.mark.parametrize("wrong", ["5", "module__hidden=", "lr=0.1,)"])
def test_wrong_parameters_of_students_are_told_before_anything_runs(arguments, capsys, wrong):
    with pytest.raises(SystemExit):
        run.main([*arguments, "--student", wrong])
    assert "NAME=VALUE" in capsys.readouterr().err


def test_numbers_are_written_with_six_digits(tmp_path):
    run.append(tmp_path / "x.jsonl", {"a": np.pi, "b": 12345678, "c": "text"})
    assert (tmp_path / "x.jsonl").read_text() == '{"a": 3.14159, "b": 12345678, "c": "text"}\n'


def test_a_search_counts_all_the_students_that_it_trains(arguments):
    run.main(with_methods(arguments, "search"))
    line = lines_of(arguments)[-1]
    assert line["fits"] == 5 * 7 + 1
    assert line["weight"] in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)


@pytest.mark.slow
def test_the_report_has_its_tables_and_figures(arguments, tmp_path):
    fixed = ["fixed(0.1)", "fixed(0.5)", "descent_share"]
    for seed in "01":
        arguments[arguments.index("--seeds") + 1] = seed
        run.main(with_methods(arguments, *fixed))
    out = tmp_path / "report"
    assert report.main([arguments[-1], "--out", str(out), "--student", "descent_share"]) == 0
    text = (out / "report.md").read_text()
    assert "descent_share@calibrated" in text and "skkd" in text
    written = {path.name for path in out.iterdir()}
    assert {"summary.csv", "serving.csv", "regret.png", "differences.png", "latency.png"} <= written


@pytest.mark.slow
def test_results_reproduce_themselves(arguments):
    for seed in "01":
        arguments[arguments.index("--seeds") + 1] = seed
        run.main(arguments)
    assert report.main([arguments[-1], "--against", arguments[-1]]) == 0


def test_shared_signals_are_what_the_library_makes_by_itself(arguments):
    run.main(with_methods(arguments, "fixed(0.5)", "default/balancer='fixed',augmenter=None"))
    shared, own = lines_of(arguments)[-2:]
    assert own["log_loss"] == shared["log_loss"]
    assert own["weight"] == shared["weight"] == 0.5
