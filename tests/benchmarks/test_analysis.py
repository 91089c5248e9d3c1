import numpy as np
import pandas as pd
import pytest

from benchmarks import analysis, figures

FIXED = ["labels", "fixed(0.1)@oof", "fixed(0.5)@oof"]


def results(accuracy: dict[str, list[float]], sets=("a",)) -> pd.DataFrame:
    """Results of as many seeds as there are numbers, the same on every set."""
    return pd.DataFrame(
        {"set": name, "seed": seed, "method": method, "accuracy": value}
        for name in sets
        for method, values in accuracy.items()
        for seed, value in enumerate(values)
    )


def test_differences_are_paired_by_seed():
    frame = results({"labels": [0.80, 0.90], "fixed(0.1)@oof": [0.81, 0.92]})
    mean, error = analysis.by_set(analysis.differences(frame))
    assert mean.loc["a", "fixed(0.1)@oof"] == pytest.approx(1.5)
    assert error.loc["a", "fixed(0.1)@oof"] == pytest.approx(0.5)


def test_regret_in_hindsight_is_against_the_best_mean():
    frame = results({"labels": [0.8, 0.8], FIXED[1]: [0.9, 0.8], FIXED[2]: [0.8, 0.86]})
    regret = analysis.regrets(frame, hindsight=True)
    np.testing.assert_allclose(regret["labels"], [10.0, 0.0])
    np.testing.assert_allclose(regret[FIXED[2]], [10.0, -6.0])


def test_the_weight_is_chosen_on_the_other_seeds():
    # Each seed's own best is the other seed's worst: chosen honestly, it is the wrong one.
    frame = results({"labels": [0.85, 0.85], FIXED[1]: [0.9, 0.8], FIXED[2]: [0.8, 0.9]})
    regret = analysis.regrets(frame)
    np.testing.assert_allclose(regret["labels"], [-5.0, -5.0])


def test_one_seed_has_no_other_seeds_to_choose_on():
    frame = results({"labels": [0.85], FIXED[1]: [0.9], FIXED[2]: [0.8]})
    assert analysis.regrets(frame)["labels"].isna().all()


def test_regret_is_against_weights_of_the_same_targets():
    other = {name.replace("oof", "insample"): [0.99, 0.99] for name in FIXED[1:]}
    frame = results({"labels": [0.8] * 2} | {name: [0.9] * 2 for name in FIXED[1:]} | other)
    regret = analysis.regrets(frame)
    np.testing.assert_allclose(regret[FIXED[1]], 0.0, atol=1e-9)
    np.testing.assert_allclose(regret["fixed(0.1)@insample"], 0.0, atol=1e-9)


def test_critical_difference_is_that_of_the_published_table():
    # Demsar, JMLR 7, 2006: q = 2.343 for three and 2.728 for five classifiers at 5 %.
    rng = np.random.default_rng(0)
    for n_methods, quantile in ((3, 2.343), (5, 2.728)):
        table = pd.DataFrame(rng.random((10, n_methods)))
        difference = analysis.ranks(table)[2]
        expected = quantile * np.sqrt(n_methods * (n_methods + 1) / 60)
        assert difference == pytest.approx(expected, rel=1e-3)


def test_the_most_accurate_method_has_rank_one():
    table = pd.DataFrame({"low": [0.1, 0.2, 0.1], "high": [0.9, 0.8, 0.9], "mid": [0.5, 0.5, 0.5]})
    ranks, p, _ = analysis.ranks(table)
    assert ranks.to_dict() == {"high": 1.0, "mid": 2.0, "low": 3.0}
    assert p == pytest.approx(0.0498, abs=1e-3)  # chi-square of 6 with two degrees of freedom


def test_groups_join_what_is_within_the_difference_and_none_is_inside_another():
    groups = figures.groups_within(np.array([1.0, 1.2, 1.4, 2.3, 4.0]), 1.0)
    assert groups == [(0, 2), (2, 3)]


def test_results_of_different_sizes_are_not_mixed(tmp_path):
    path = tmp_path / "mixed.jsonl"
    path.write_text('{"max_rows": 10, "epochs_scale": 1}\n{"max_rows": 20, "epochs_scale": 1}\n')
    with pytest.raises(ValueError, match="different --max-rows"):
        analysis.read_results(path)


def test_an_accuracy_far_from_the_reference_is_outside():
    reference = results({"labels": [0.80, 0.82, 0.81, 0.83]})
    assert analysis.reproduction(results({"labels": [0.82]}), reference)["within two errors"].all()
    far = analysis.reproduction(results({"labels": [0.90]}), reference)
    assert not far["within two errors"].any()


def test_changes_are_paired_and_leave_out_what_nobody_ran_again():
    now, before = (
        results({"teacher": [0.7] * 2, "labels": accuracy}, sets=("a", "b", "same")).assign(
            log_loss=log_loss, fit_seconds=seconds
        )
        for accuracy, log_loss, seconds in (([0.81, 0.93], 0.3, 2.0), ([0.80, 0.90], 0.5, 1.0))
    )
    now.loc[now["set"] == "same", "fit_seconds"] = 1.0
    table = analysis.changes(now, before)
    assert list(table.index) == ["a", "b", "mean"]
    assert list(table) == ["labels", "log-loss, labels"]
    assert list(table.loc["a"]) == ["+2.00 ± 1.00", "-0.200"]
    assert list(table.loc["mean"]) == ["+2.00 ± 0.71", "-0.200"]


def test_overview_says_points_over_labels_only():
    frame = results(
        {
            "teacher": [0.85, 0.95],
            "labels": [0.80, 0.90],
            "fixed(0.1)@calibrated": [0.81, 0.92],
            "fixed(0.5)@calibrated": [0.70, 0.70],
            "default": [0.81, 0.93],
        },
        sets=("a", "b"),
    ).assign(log_loss=0.25)
    frame.loc[(frame["set"] == "b") & (frame["method"] == "default"), "accuracy"] = [0.8, np.nan]
    table = analysis.overview(frame, {"default": "default", "another": "random@oof"})
    assert table.loc["a"].to_dict() == {
        "teacher": "+5.00",
        "best fixed weight": "+1.50 (0.1)",
        "default": "+2.00 ± 1.00",
        "log-loss, labels only": "0.250",
        "log-loss, default": "0.250",
    }
    assert table.loc["b", "default"] == "+0.00"


def test_milliseconds_are_those_of_serving_where_there_are_some():
    frame = results({"teacher": [0.8], "labels": [0.7], "default": [0.9]}, sets=("a", "b"))
    served = pd.DataFrame(
        [{"set": "a", "teacher_row_ms": 30.0, "student_row_ms": 0.3, "onnx_row_ms": 0.03}]
    )
    students = {"alone": "labels", "distilled": "default"}
    points = analysis.accuracy_and_latency(frame.assign(row_ms=5.0), students, served)
    shown = {tuple(point) for point in points[["set", "model", "accuracy", "ms"]].to_numpy()}
    assert shown == {
        ("a", "teacher", 0.8, 30.0),
        ("a", "alone", 0.7, 0.3),
        ("a", "distilled", 0.9, 0.3),
        ("a", "distilled, ONNX", 0.9, 0.03),
        ("b", "teacher", 0.8, 5.0),
        ("b", "alone", 0.7, 5.0),
        ("b", "distilled", 0.9, 5.0),
    }
