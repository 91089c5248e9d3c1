"""What is drawn is compared with ``cv_results_``, read without the display's code."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.stats import uniform
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skkd import BalanceLandscapeDisplay
from skkd.balancers import FixedBalance, LossShare
from tests.helpers import fitted_teacher, make_data, quick, quick_net

X, Y = make_data(n_rows=45)
CLF = quick(fitted_teacher(X, Y), student=quick_net(max_epochs=1))
PIPELINE = Pipeline([("scale", StandardScaler()), ("distilled", CLF)])

FIXED = {"balancer": [FixedBalance()], "balancer__weight": [1.0, 0.0, 0.4]}
RULES = {"balancer": ["descent_share", LossShare(), LossShare(2.0)]}
TEMPERATURES = {"temperature": [4.0, 1.0]}


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


def searched(grid, estimator=CLF, search=GridSearchCV, **params):
    return search(estimator, grid, **{"cv": 3, "refit": False} | params).fit(X, Y)


def scored(search, **by_score):
    """The search, with other scores: by the name of the metric, one for each candidate."""
    for name, scores in by_score.items():
        search.cv_results_[f"mean_test_{name}"] = np.array(scores, dtype=float)
    return search


def prefixed(grid):
    return {f"distilled__{name}": values for name, values in grid.items()}


def candidates(search):
    """Rows of ``cv_results_`` with weight, rule, temperature, mean and error."""
    rows = pd.DataFrame(search.cv_results_)
    short = {name: name.split("__", 1)[1] for name in rows if name.startswith("param_distilled__")}
    rows = rows.rename(columns={name: f"param_{rest}" for name, rest in short.items()})
    rows["mean"] = rows["mean_test_score"]
    splits = rows[[f"split{i}_test_score" for i in range(search.n_splits_)]]
    rows["error"] = splits.std(axis=1, ddof=0) / np.sqrt(search.n_splits_)
    rows["rule"] = [
        None if isinstance(rule, FixedBalance) else names_of(rule) for rule in rows.param_balancer
    ]
    return rows


def names_of(rule):
    return {"descent_share": "DescentShare", "loss_share": "LossShare"}.get(rule) or repr(
        rule
    ).removesuffix("()")


def texts_of(legend):
    return [text.get_text() for text in legend.get_texts()]


# From a search to curves and rules


@pytest.mark.parametrize("estimator", [CLF, PIPELINE], ids=["bare", "pipeline"])
def test_all_is_as_in_cv_results(estimator):
    grid = [FIXED | TEMPERATURES, RULES | TEMPERATURES]
    search = searched(grid if estimator is CLF else [prefixed(g) for g in grid], estimator)
    display = BalanceLandscapeDisplay.from_search(search)
    rows = candidates(search)

    assert list(display.fixed) == [1.0, 4.0]
    for temperature, curve in display.fixed.items():
        expected = rows[rows.rule.isna() & (rows.param_temperature == temperature)]
        expected = expected.sort_values("param_balancer__weight")
        np.testing.assert_array_equal(curve["weight"], [0.0, 0.4, 1.0])
        np.testing.assert_array_equal(curve["mean"], expected["mean"])
        np.testing.assert_allclose(curve["error"], expected["error"])

    assert list(display.rules) == ["DescentShare", "LossShare", "LossShare(ratio=2.0)"]
    for name, rule in display.rules.items():
        best = rows[rows.rule == name].sort_values("mean").iloc[-1]
        assert rule["mean"] == best["mean"]
        tied = rows[(rows.rule == name) & (rows["mean"] == best["mean"])]
        assert rule["temperature"] in list(tied.param_temperature)
        at = tied[tied.param_temperature == rule["temperature"]]
        assert rule["error"] == pytest.approx(at["error"].iloc[0])


@pytest.mark.parametrize(
    "grid",
    [
        {"balancer__weight": [0.0, 0.5]},  # the estimator's balancer is a FixedBalance
        {"balancer": ["fixed"], "balancer__weight": [0.0, 0.5]},
        {"balancer": [FixedBalance(0.0), FixedBalance(0.5)]},
        {"balancer": [FixedBalance(0.0), "fixed"]},  # whose weight is 0.5 by default
        [{"balancer": [FixedBalance(0.0)]}, {"balancer": ["fixed"]}],
    ],
    ids=["weight", "name_and_weight", "instances", "instance_and_name", "two_grids"],
)
def test_fixed_weights_are_found_in_all_forms_of_a_grid(grid):
    estimator = clone(CLF).set_params(balancer=FixedBalance(), temperature=3.0)
    search = scored(searched(grid, estimator), score=[0.5, 0.7])
    display = BalanceLandscapeDisplay.from_search(search)
    assert list(display.fixed) == [3.0]
    np.testing.assert_array_equal(display.fixed[3.0]["weight"], [0.0, 0.5])
    np.testing.assert_array_equal(display.fixed[3.0]["mean"], [0.5, 0.7])
    assert display.rules == {}


def test_best_is_taken_over_all_other_parameters():
    grid = [
        {"balancer__weight": [0.0, 0.5], "student__lr": [0.01, 0.1]},
        {"balancer": ["loss_share"], "temperature": [1.0, 2.0], "student__lr": [0.01, 0.1]},
    ]
    search = searched(grid, clone(CLF).set_params(balancer="fixed"))
    scored(search, score=[0.1, 0.4, 0.3, 0.2, 0.5, 0.6, 0.7, 0.8])
    search.cv_results_["std_test_score"] = np.arange(8.0)
    display = BalanceLandscapeDisplay.from_search(search)
    curve = display.fixed[1.0]
    np.testing.assert_array_equal(curve["mean"], [0.4, 0.3])
    np.testing.assert_allclose(curve["error"], np.array([1, 2]) / np.sqrt(3))
    error = pytest.approx(7 / np.sqrt(3))
    assert display.rules == {"LossShare": {"mean": 0.8, "error": error, "temperature": 2.0}}


def test_users_balancers_and_estimator_are_left_as_they_were():
    rule = FixedBalance(0.3)
    search = searched({"balancer": [rule], "balancer__weight": [0.0, 0.5]})
    BalanceLandscapeDisplay.from_search(search)
    assert rule.weight == 0.3
    assert search.cv_results_["params"][0]["balancer"].weight == 0.3
    assert search.estimator is CLF and CLF.balancer == "descent_share"


def test_failed_candidates_are_left_out():
    search = searched([FIXED, RULES])
    scored(search, score=[0.5, np.nan, 0.6, np.nan, 0.7, 0.8])
    display = BalanceLandscapeDisplay.from_search(search)
    np.testing.assert_array_equal(display.fixed[1.0]["weight"], [0.4, 1.0])
    np.testing.assert_array_equal(display.fixed[1.0]["mean"], [0.6, 0.5])
    assert list(display.rules) == ["LossShare", "LossShare(ratio=2.0)"]


@pytest.mark.filterwarnings("ignore:One or more of the test scores", "ignore:[^a-z]*fits failed")
def test_weight_that_is_not_allowed_fails_and_is_left_out():
    display = BalanceLandscapeDisplay.from_search(searched(FIXED | {"balancer__weight": [0.5, 2]}))
    np.testing.assert_array_equal(display.fixed[1.0]["weight"], [0.5])


def test_random_search_has_a_line_at_the_best_temperatures():
    space = {"balancer__weight": uniform(), "temperature": uniform(1, 3)}
    search = searched(
        [space, RULES],
        clone(CLF).set_params(balancer="fixed"),
        RandomizedSearchCV,
        n_iter=20,
        random_state=0,
    )
    display = BalanceLandscapeDisplay.from_search(search)
    [(temperature, curve)] = display.fixed.items()
    assert temperature is None
    rows = pd.DataFrame(search.cv_results_).dropna(subset="param_balancer__weight")
    rows = rows.sort_values("param_balancer__weight")
    np.testing.assert_array_equal(curve["weight"], rows.param_balancer__weight.astype(float))
    np.testing.assert_array_equal(curve["mean"], rows.mean_test_score)


def halves(progress):
    return 2.0 - progress


def test_temperature_may_be_a_rule_or_a_schedule():
    search = searched([FIXED | {"temperature": ["teacher_entropy", 2, halves]}])
    display = BalanceLandscapeDisplay.from_search(search)
    assert list(display.fixed) == [2.0, "halves", "teacher_entropy"]
    texts = texts_of(display.figure_.legends[0])
    assert texts == ["fixed, T = 2", "fixed, T = halves", "fixed, T = teacher_entropy"]
    first = [params["temperature"] == "teacher_entropy" for params in search.cv_results_["params"]]
    np.testing.assert_array_equal(
        display.fixed["teacher_entropy"]["mean"],
        search.cv_results_["mean_test_score"][first][[1, 2, 0]],
    )


def test_more_than_six_temperatures_are_merged_into_the_best():
    grid = {"balancer__weight": [0.0, 1.0], "temperature": list(range(1, 8))}
    search = searched(grid, clone(CLF).set_params(balancer="fixed"))
    scored(search, score=[*range(7), *range(17, 10, -1)])
    display = BalanceLandscapeDisplay.from_search(search)
    assert list(display.fixed) == [None]
    np.testing.assert_array_equal(display.fixed[None]["mean"], [6, 17])


def test_halving_counts_the_last_score_of_a_candidate():
    search = searched(
        [FIXED, RULES],
        search=HalvingGridSearchCV,
        min_resources=15,
        factor=3,
        random_state=0,
    )
    assert search.n_iterations_ > 1
    first = np.array(search.cv_results_["iter"]) == 0
    scored(search, score=np.where(first, 0.9, 0.2))
    display = BalanceLandscapeDisplay.from_search(search)
    went_on = [str(p) for p, f in zip(search.cv_results_["params"], first, strict=True) if not f]
    means = {
        str({"balancer": FixedBalance(), "balancer__weight": weight}): mean
        for weight, mean in zip(
            display.fixed[1.0]["weight"], display.fixed[1.0]["mean"], strict=True
        )
    } | {
        str({"balancer": given}): display.rules[names_of(given)]["mean"]
        for given in RULES["balancer"]
    }
    assert set(went_on) < means.keys()
    assert means == {name: 0.2 if name in went_on else 0.9 for name in means}


# Metrics


def test_metric_of_several_is_chosen():
    several = {"scoring": ["accuracy", "neg_log_loss"]}
    search = searched(FIXED, **several)
    for metric in several["scoring"]:
        display = BalanceLandscapeDisplay.from_search(search, metric=metric)
        scores = search.cv_results_[f"mean_test_{metric}"]
        np.testing.assert_array_equal(display.fixed[1.0]["mean"], scores[[1, 2, 0]])
        assert display.ax_.get_ylabel() == "mean test " + metric.replace("_", " ")


def test_metric_of_several_is_that_of_refit_by_default():
    search = searched(FIXED, scoring=["accuracy", "neg_log_loss"], refit="neg_log_loss")
    display = BalanceLandscapeDisplay.from_search(search)
    np.testing.assert_array_equal(
        display.fixed[1.0]["mean"], search.cv_results_["mean_test_neg_log_loss"][[1, 2, 0]]
    )


@pytest.mark.parametrize("metric", [None, "f1"])
def test_metric_that_is_not_known_names_those_that_are(metric):
    search = searched(FIXED, scoring=["accuracy", "neg_log_loss"])
    with pytest.raises(ValueError, match="choose one of 'accuracy', 'neg_log_loss'"):
        BalanceLandscapeDisplay.from_search(search, metric=metric)


def test_metric_where_there_is_one_only():
    with pytest.raises(ValueError, match="metric='f1'.*one metric only"):
        BalanceLandscapeDisplay.from_search(searched(FIXED), metric="f1")


@pytest.mark.parametrize(
    ("scoring", "label"),
    [
        (None, "mean test accuracy"),
        ("neg_log_loss", "mean test neg log loss"),
        (lambda clf, X, y: 0.5, "mean test score"),
    ],
)
def test_label_says_what_the_score_is(scoring, label):
    display = BalanceLandscapeDisplay.from_search(searched(FIXED, scoring=scoring))
    assert display.ax_.get_ylabel() == label
    assert display.ax_.get_xlabel() == "teacher's fixed weight λ"


# The figure


@pytest.fixture
def display():
    def curve(n, low):
        weight = np.linspace(0, 1, n)
        return {"weight": weight, "mean": low + weight / 10, "error": 0.01 * (1 + weight)}

    return BalanceLandscapeDisplay(
        fixed={1.0: curve(3, 0.5), 2.5: curve(5, 0.7)},
        rules={
            "DescentShare": {"mean": 0.75, "error": 0.02, "temperature": 2.5},
            "LossShare": {"mean": 0.65, "error": 0.03, "temperature": 1.0},
        },
    )


def ends_of(container):
    """Lower and upper ends of error bars."""
    [bars] = container.lines[2]
    segments = np.array(bars.get_segments())
    return segments[:, 0, 1], segments[:, 1, 1]


def test_curves_are_drawn_with_their_errors(display):
    assert display.plot() is display
    for temperature, curve in display.fixed.items():
        container = display.errorbars_[temperature]
        line = container.lines[0]
        assert line.axes is display.ax_
        np.testing.assert_array_equal(line.get_xdata(), curve["weight"])
        np.testing.assert_array_equal(line.get_ydata(), curve["mean"])
        low, high = ends_of(container)
        np.testing.assert_allclose(low, curve["mean"] - curve["error"])
        np.testing.assert_allclose(high, curve["mean"] + curve["error"])


def test_rules_are_horizontal_lines_with_their_errors_beyond_the_weights(display):
    display.plot()
    for name, rule in display.rules.items():
        line = display.rule_lines_[name]
        np.testing.assert_array_equal(line.get_ydata(), [rule["mean"]] * 2)
        container = display.rule_errorbars_[name]
        [low], [high] = ends_of(container)
        assert (low, high) == pytest.approx(
            (rule["mean"] - rule["error"], rule["mean"] + rule["error"])
        )
        assert container.lines[0].get_xdata()[0] > 1
        assert container.lines[0].get_color() == line.get_color()


def test_legend_names_temperatures_and_rules(display):
    expected = [
        "fixed, T = 1",
        "fixed, T = 2.5",
        "DescentShare, T = 2.5",
        "LossShare, T = 1",
    ]
    [legend] = display.plot().figure_.legends  # beside the axes where the figure is the display's
    assert texts_of(legend) == expected
    display.plot(plt.subplots()[1])
    assert texts_of(display.ax_.get_legend()) == expected
    assert not display.figure_.legends


def test_legend_leaves_the_temperature_to_the_curve_where_there_is_one():
    display = BalanceLandscapeDisplay.from_search(searched([FIXED, RULES]))
    expected = ["fixed, T = 1", "DescentShare", "LossShare", "LossShare(ratio=2.0)"]
    assert texts_of(display.figure_.legends[0]) == expected


def test_curves_differ_without_color(display):
    display.plot()
    lines = [container.lines[0] for container in display.errorbars_.values()]
    assert len({line.get_marker() for line in lines}) == 2
    assert len({line.get_color() for line in lines}) == 2


def test_given_axes_and_styles_are_used(display):
    figure, (left, right) = plt.subplots(1, 2)
    display.plot(right, errorbar_kw={"ms": 9, "capsize": 7})
    assert display.ax_ is right and display.figure_ is figure
    assert not left.lines
    assert display.errorbars_[1.0].lines[0].get_markersize() == 9


# Errors


@pytest.mark.parametrize("grid", [RULES, TEMPERATURES])
def test_no_fixed_weight_says_which_grid_to_give(grid):
    with pytest.raises(ValueError, match=r'fixed weight.*"balancer__weight": \[0.0'):
        BalanceLandscapeDisplay.from_search(searched(grid))


def test_no_score_at_all():
    search = scored(searched(FIXED), score=[np.nan] * 3)
    with pytest.raises(ValueError, match="No candidate with a fixed weight has a score"):
        BalanceLandscapeDisplay.from_search(search)


def test_grid_of_the_message_works():
    with pytest.raises(ValueError) as caught:
        BalanceLandscapeDisplay.from_search(searched(RULES))
    grid = str(caught.value).partition("param_grid=")[2].rpartition("; in a Pipeline")[0]
    search = searched(eval(grid, {"FixedBalance": FixedBalance}))
    display = BalanceLandscapeDisplay.from_search(search)
    assert list(display.fixed) == [1.0, 2.0]
    assert list(display.rules) == ["DescentShare", "LossShare"]


def test_unfitted_search():
    with pytest.raises(NotFittedError):
        BalanceLandscapeDisplay.from_search(GridSearchCV(CLF, FIXED))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (CLF, "fitted GridSearchCV.*got DistilledClassifier"),
        ({}, "fitted GridSearchCV.*got dict"),
        (GridSearchCV, "got .*GridSearchCV"),
    ],
)
def test_what_is_no_search(wrong, message):
    with pytest.raises(TypeError, match=message):
        BalanceLandscapeDisplay.from_search(wrong)


def test_search_over_something_else():
    search = searched({"C": [1.0]}, LogisticRegression())
    with pytest.raises(TypeError, match="search.estimator must be.*got LogisticRegression"):
        BalanceLandscapeDisplay.from_search(search)


def test_missing_matplotlib_is_named(monkeypatch, display):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    for draw, caller in [
        (display.plot, "BalanceLandscapeDisplay.plot"),
        (lambda: BalanceLandscapeDisplay.from_search(None), "BalanceLandscapeDisplay.from_search"),
    ]:
        with pytest.raises(ImportError, match=f"{caller} requires matplotlib"):
            draw()
