"""Alternatives give one ONNX file each, and what dominates what is told from the lines."""

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks import dominance
from benchmarks.figures import loss_against_latency


def line(model: str, accuracy: float, log_loss: float, row_us: float, n_bytes: int, seed: int = 0):
    costs = {"row_us": row_us, "bytes": n_bytes, "batch_ms": 1.0, "fit_seconds": 1.0}
    scores = {"accuracy": accuracy, "log_loss": log_loss, "auc": 0.9, "n_train": 4000}
    return {"set": "toy", "rows": 4000, "seed": seed, "model": model} | scores | costs


OURS = line("default", 0.90, 0.30, 15.0, 50_000)


@pytest.mark.parametrize(
    ("other", "dominates"),
    [
        (line("trees_10", 0.91, 0.29, 10.0, 10_000), True),
        (line("trees_10", 0.91, 0.31, 10.0, 10_000), False),  # worse log-loss
        (line("trees_10", 0.89, 0.29, 10.0, 10_000), False),  # worse accuracy
        (line("trees_10", 0.91, 0.29, 16.0, 10_000), False),  # slower
        (line("trees_10", 0.91, 0.29, 10.0, 60_000), False),  # larger
        (line("labels_only", 0.91, 0.29, 10.0, 10_000), False),  # no alternative
    ],
)
def test_an_alternative_dominates_that_is_better_and_costs_no_more(other, dominates):
    assert dominance.dominators([OURS, other]) == (["trees_10"] if dominates else [])


@pytest.mark.parametrize(("gains", "is_better"), [((0.01, 0.012), True), ((0.001, 0.02), False)])
def test_a_difference_within_two_errors_is_none(gains, is_better):
    lines = [line("default", 0.90, 0.30, 15.0, 50_000, seed) for seed in (0, 1)]
    for seed, gain in enumerate(gains):
        lines.append(line("mlp", 0.90 + gain, 0.30 - gain, 15.0, 50_000, seed))
    assert dominance.is_better(pd.DataFrame(lines), "mlp", "default") is is_better


def test_seeds_of_one_model_alone_are_not_compared():
    lines = [OURS, line("mlp", 0.95, 0.2, 15.0, 50_000), line("mlp", 0.1, 0.9, 15.0, 50_000, 1)]
    assert dominance.dominators(lines) == ["mlp"]


def test_the_front_is_what_nothing_beats_in_both():
    points = pd.DataFrame(
        {"row_us": [9, 5, 20, 12, 5], "log_loss": [0.30, 0.35, 0.25, 0.31, 0.40]},
        index=["b", "a", "c", "behind b", "behind a"],
    )
    assert list(dominance.front(points).index) == ["a", "b", "c"]


def test_the_table_counts_sets_without_a_dominating_alternative():
    lines = [OURS, line("trees_40", 0.91, 0.29, 9.0, 10_000)]
    lines += [one | {"set": "other", "accuracy": 0.9} for one in lines]
    lines.append(line("mlp", 0.99, 0.01, 9.0, 1) | {"set": "without ours"})
    text = dominance.table(lines)
    assert "| toy | 4,000 | 0.900 / 0.300 | 15.0 | 50 |" in text
    assert "No alternative dominates on 1 of 2" in text
    assert "within 20 µs on 0" in text


def test_the_times_of_fits_are_told_with_and_without_the_teacher():
    default, base = OURS, line("labels_only", 0.9, 0.3, 15.0, 50_000)
    large = {"rows": 60_000, "n_train": 30_000}
    lines = [
        default | large | {"fit_seconds": 50.0, "teacher_seconds": 10.0},
        base | large | {"fit_seconds": 20.0, "teacher_seconds": 0.0},
        default | {"teacher_seconds": 1.0},
        base | {"teacher_seconds": 0.0},
    ]
    assert dominance.fit_times(lines).splitlines()[2:] == ["| toy | 30,000 | 20 | 50 | 10 | 2.0 |"]


def test_a_panel_shows_the_models_and_the_front():
    lines = [OURS, line("trees_40", 0.91, 0.29, 9.0, 10_000), line("teacher", 0.9, 0.28, 30.0, 9)]
    points = dominance.means(lines).droplevel(["set", "rows"])
    figure = loss_against_latency({"toy": (points, dominance.front(points))})
    assert figure.axes[0].get_title() == "toy"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "LightGBM",
        "teacher, compiled",
        "skkd",
        "Pareto front",
    ]


# What follows needs onnxmltools, of the extra "bench".


@pytest.fixture(scope="module")
def alternatives():
    pytest.importorskip("onnxmltools")
    from benchmarks import alternatives

    return alternatives


@pytest.fixture(scope="module")
def frontier(alternatives):
    from benchmarks import frontier

    return frontier


def mixed_rows(n_rows: int, n_classes: int):
    rng = np.random.default_rng(0)
    levels = rng.choice(["ant", "bee", "cat"], n_rows)
    X = pd.DataFrame(
        {
            "size": rng.normal(size=n_rows).astype(np.float32),
            "kind": pd.Series(levels).where(rng.random(n_rows) > 0.1).astype("category"),
            "home": pd.Series(rng.choice(["ant", "oak"], n_rows)).astype("category"),
            "age": np.where(rng.random(n_rows) > 0.1, rng.random(n_rows), np.nan).astype("float32"),
        }
    )
    score = X["size"] + 2.0 * (levels == "bee") + 0.3 * rng.normal(size=n_rows)
    return X, np.asarray(pd.qcut(score, n_classes, labels=False))


def test_levels_are_codes_of_one_table_and_missing_and_unknown_ones_minus_one(alternatives):
    X, _ = mixed_rows(50, 2)
    codes = alternatives.LevelCodes().fit(X)
    assert codes.levels_ == ["ant", "bee", "cat", "oak"]
    other = pd.DataFrame({"size": 1.5, "kind": ["cat", None, "dog"], "home": "oak", "age": 7.0})
    np.testing.assert_array_equal(codes.transform(other), [[k, 3, 1.5, 7] for k in (2, -1, -1)])


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("kind", ["trees", "soft_trees", "linear", "mlp"])
def test_the_file_answers_raw_rows_as_the_model_answers_coded_ones(
    alternatives, frontier, kind, n_classes
):
    X, y = mixed_rows(300, n_classes)
    codes = alternatives.LevelCodes().fit(X)
    coded = codes.transform(X)
    if kind == "trees":
        model = alternatives.trees(10, 0).fit(coded, y)
    elif kind == "soft_trees":
        soft = 0.9 * np.eye(n_classes)[y] + 0.1 / n_classes
        model = alternatives.fit_soft_trees(coded, soft, 10, 0)
    else:
        model = getattr(alternatives, kind)(codes, 0).fit(coded, y)
    file = alternatives.onnx_of(codes, model, coded.shape[1])
    expected = model.predict(coded) if kind == "soft_trees" else model.predict_proba(coded)
    if expected.ndim == 1:
        expected = np.column_stack([1 - expected, expected])
    proba = frontier.ask(frontier.session_of(file), X)
    np.testing.assert_allclose(proba, expected, atol=1e-5)


def test_trees_split_between_neighboring_numbers_of_float32(alternatives, frontier):
    start = np.float32(44.97)
    steps = np.arange(20, dtype=np.int32)
    values = (start.view(np.int32) + steps).view(np.float32)
    X = np.repeat(values, 10).reshape(-1, 1)
    y = np.repeat(steps // 3 % 2, 10)
    model = alternatives.trees(10, 0, min_child_samples=1).fit(X, y)
    file = alternatives.onnx_of(alternatives.LevelCodes().fit(X), model, 1)
    proba = frontier.ask(frontier.session_of(file), X)
    np.testing.assert_allclose(proba, model.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_soft_trees_on_sure_labels_are_those_that_lightgbm_fits_to_them(alternatives, n_classes):
    X, y = mixed_rows(300, n_classes)
    coded = alternatives.LevelCodes().fit_transform(X)
    sure = np.eye(n_classes)[y]
    soft = alternatives.fit_soft_trees(coded, sure, 10, 0).predict(coded)
    hard = alternatives.trees(10, 0).fit(coded, y).predict_proba(coded)
    np.testing.assert_allclose(soft, hard[:, 1] if n_classes == 2 else hard, atol=1e-4)


@pytest.fixture
def arguments(tmp_path, monkeypatch, frontier):
    """Options of a run that takes seconds."""
    monkeypatch.setenv("SKKD_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(frontier, "N_CALLS", 10)
    monkeypatch.setattr(frontier, "BATCH_ROWS", 100)
    monkeypatch.setattr(frontier, "MAX_TEACHER_TREES", 20)
    options = "--sets breast_cancer --seeds 0 --rows 200 --models teacher soft_trees_10 logistic"
    return [*options.split(), "--out", str(tmp_path / "results" / "out.jsonl")]


def lines_of(arguments) -> list[dict]:
    return [json.loads(text) for text in open(arguments[-1])]


def test_each_model_gives_a_line_and_is_not_run_again(frontier, arguments, monkeypatch):
    assert frontier.main(arguments) == 0
    lines = lines_of(arguments)
    assert [one["model"] for one in lines] == ["teacher", "soft_trees_10", "logistic"]
    for one in lines:
        assert one["accuracy"] > 0.85 and one["bytes"] > 0 and one["row_us"] > 0
        assert one["difference"] < 1e-4
    assert [one["teacher_answers"] for one in lines] == [0, 200, 0]
    monkeypatch.setattr(frontier, "Bench", lambda *_: pytest.fail("ran again"))
    assert frontier.main(arguments) == 0
    assert lines_of(arguments) == lines


def test_redo_drops_the_lines_of_a_model_and_makes_them_anew(frontier, arguments, capsys):
    frontier.main(arguments)
    before = lines_of(arguments)
    frontier.main(["--redo", "teacher", "--plan", *arguments])
    assert lines_of(arguments) == before
    assert "seed 0: teacher\n1 lines to make" in capsys.readouterr().out
    frontier.main(["--redo", "teacher", *arguments])
    models = [one["model"] for one in lines_of(arguments)]
    assert models == ["soft_trees_10", "logistic", "teacher"]


def test_students_count_the_answers_of_their_teacher(frontier, arguments, monkeypatch):
    def quick(*args, **params):
        return DistilledClassifier(*args, **params).set_params(student__max_epochs=2)

    DistilledClassifier = frontier.DistilledClassifier
    monkeypatch.setattr(frontier, "DistilledClassifier", quick)
    options = [*arguments[:-5], "labels_only", "default", *arguments[-2:]]
    assert frontier.main(options) == 0
    labels_only, default = lines_of(options)
    assert labels_only["teacher_answers"] == 0
    assert default["teacher_answers"] >= default["n_train"]
    assert default["difference"] < 1e-5
