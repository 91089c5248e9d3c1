"""What is drawn is read back from the figure and compared with the history."""

import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.colors import to_hex
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skkd import BalanceDisplay
from skkd._plots import line_style
from skkd.balancers import DescentShare, FixedBalance, LossShare
from tests.helpers import fitted_teacher, make_data, quick, quick_net

X, Y = make_data()
TEACHER = fitted_teacher(X, Y)


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


def made_history(n_epochs=5, seed=0, **changed):
    rng = np.random.default_rng(seed)
    low, weight, high = np.sort(rng.random((3, n_epochs)), axis=0)
    task, distillation, share = rng.random((3, n_epochs))
    return {
        "epoch": np.arange(1, n_epochs + 1),
        "task_loss": task + 1,
        "distillation_loss": distillation + 1,
        "weight": weight,
        "weight_min": low,
        "weight_max": high,
        "distillation_share": share,
        "lr": np.ones(n_epochs),
    } | changed


def without(history, column):
    return {name: values for name, values in history.items() if name != column}


def fitted(**params):
    return quick(TEACHER, **{"student": quick_net(max_epochs=3)} | params).fit(X, Y)


def xy_of(band):
    """Lower and upper edge of a band over its epochs."""
    vertices = band.get_paths()[0].vertices
    epochs = np.unique(vertices[:, 0])
    edges = [vertices[vertices[:, 0] == epoch, 1] for epoch in epochs]
    return epochs, np.array([e.min() for e in edges]), np.array([e.max() for e in edges])


def assert_line(line, x, y, ax):
    assert line.axes is ax
    np.testing.assert_array_equal(line.get_xdata(), x)
    np.testing.assert_array_equal(line.get_ydata(), y)


# One training


def test_one_training_is_drawn_as_it_is():
    clf = fitted(balancer="loss_share", early_stopping=True)
    display = BalanceDisplay.from_estimator(clf)
    history = clf.history_
    weight, losses, share = display.axes_
    [(name, lines)] = display.lines_.items()
    assert name == "LossShare"
    assert weight.get_title() == "LossShare"
    expected = {
        "weight": (weight, history["weight"]),
        "task_loss": (losses, history["task_loss"]),
        "distillation_loss": (losses, history["distillation_loss"]),
        "valid_score": (losses, -history["valid_score"]),
        "distillation_share": (share, history["distillation_share"]),
    }
    assert lines.keys() == expected.keys()
    for column, (ax, values) in expected.items():
        assert_line(lines[column], history["epoch"], values, ax)


def test_band_is_from_smallest_to_largest_weight():
    history = made_history()
    display = BalanceDisplay.from_histories({"rule": history})
    band = display.bands_["rule"]
    assert band.axes is display.axes_[0]
    epochs, low, high = xy_of(band)
    np.testing.assert_array_equal(epochs, history["epoch"])
    np.testing.assert_array_equal(low, history["weight_min"])
    np.testing.assert_array_equal(high, history["weight_max"])


@pytest.mark.parametrize(("ratio", "target"), [(0.25, 0.2), (1.0, 0.5), (3.0, 0.75)])
@pytest.mark.parametrize("rule", [DescentShare, LossShare])
def test_target_is_where_the_rule_aims(rule, ratio, target):
    display = BalanceDisplay.from_estimator(fitted(balancer=rule(ratio)))
    [(_, line)] = display.target_lines_.items()
    assert line.axes is display.axes_[2]
    np.testing.assert_allclose(line.get_ydata(), target)
    assert line.is_dashed()
    assert [text.get_text() for text in line.axes.get_legend().get_texts()] == [f"target {target}"]


def test_rule_without_a_target_has_no_line():
    display = BalanceDisplay.from_estimator(fitted(balancer=FixedBalance(0.3)))
    assert display.target_lines_ == {}
    assert display.axes_[2].get_legend() is None


def test_labels_say_what_and_in_which_unit():
    axes = BalanceDisplay.from_histories({"rule": made_history()}).axes_
    labels = [" ".join(ax.get_ylabel().split()) for ax in axes]
    assert labels == ["teacher's weight λ", "loss (nats)", "distillation's share"]
    assert [ax.get_xlabel() for ax in axes] == ["", "", "epoch"]
    texts = [text.get_text() for text in axes[1].get_legend().get_texts()]
    assert texts == ["task loss", "distillation loss"]


@pytest.mark.parametrize(
    ("loss", "unit"), [("kl", " (nats)"), ("js", " (nats)"), ("logit_mse", ""), (lambda *_: 0, "")]
)
def test_unit_is_left_out_where_the_loss_is_not_an_entropy(loss, unit):
    clf = fitted(distillation_loss="kl").set_params(distillation_loss=loss)
    assert BalanceDisplay.from_estimator(clf).axes_[1].get_ylabel() == f"loss{unit}"
    axes = BalanceDisplay.from_histories({"a": clf, "b": clf.history_}).axes_
    assert axes[1].get_ylabel() == "task loss\n(nats)"
    assert axes[2].get_ylabel() == f"distillation\nloss{unit}"


@pytest.mark.parametrize(
    ("task_loss", "scale"),
    [
        ([1.0, 0.5, 0.2], "linear"),
        ([1.0, 0.1, 0.01], "log"),
        ([1.0, 0.1, 0.0], "linear"),
        ([1.0, 0.1, -0.01], "linear"),
        ([np.nan, 1.0, 0.01], "log"),
    ],
)
def test_losses_are_on_a_log_scale_where_they_span_a_decade(task_loss, scale):
    history = made_history(3, task_loss=np.array(task_loss), distillation_loss=np.ones(3))
    axes = BalanceDisplay.from_histories({"rule": history}).axes_
    assert [ax.get_yscale() for ax in axes] == ["linear", scale, "linear"]


# Several trainings


def test_trainings_are_drawn_over_one_another():
    histories = {
        "short": made_history(2),
        "one": made_history(1, seed=1),
        0.5: made_history(7, 2),
    }
    display = BalanceDisplay.from_histories(histories)
    weight, task, distillation, share = display.axes_
    for name, history in histories.items():
        lines = display.lines_[name]
        assert_line(lines["weight"], history["epoch"], history["weight"], weight)
        assert_line(lines["task_loss"], history["epoch"], history["task_loss"], task)
        assert_line(
            lines["distillation_loss"], history["epoch"], history["distillation_loss"], distillation
        )
        assert_line(
            lines["distillation_share"], history["epoch"], history["distillation_share"], share
        )
    [legend] = display.figure_.legends
    assert [text.get_text() for text in legend.get_texts()] == ["short", "one", "0.5"]


def test_each_training_has_a_style_of_its_own_in_all_panels():
    histories = {i: made_history(seed=i) for i in range(9)}
    display = BalanceDisplay.from_histories(histories)
    for i, lines in display.lines_.items():
        assert {line.get_color() for line in lines.values()} == {line_style(i)["color"]}
        assert to_hex(display.bands_[i].get_facecolor()[0]) == line_style(i)["color"].lower()


def test_styles_differ_and_neighbors_also_without_color():
    styles = [line_style(i) for i in range(40)]
    assert len({str(style) for style in styles}) == 40
    for i in range(35):
        assert len({str(style["linestyle"]) for style in styles[i : i + 6]}) == 6


def test_targets_are_known_of_classifiers_only():
    clf = fitted(balancer=DescentShare(1.0))
    display = BalanceDisplay.from_histories({"clf": clf, "history": clf.history_})
    assert list(display.target_lines_) == ["clf"]
    assert display.target_lines_["clf"].get_color() == display.lines_["clf"]["weight"].get_color()
    assert [t.get_text() for t in display.axes_[3].get_legend().get_texts()] == ["targets"]


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, dict])
def test_history_may_be_a_frame(frame):
    history = made_history()
    display = BalanceDisplay.from_histories({"rule": frame(history)})
    line = display.lines_["rule"]["task_loss"]
    assert_line(line, history["epoch"], history["task_loss"], display.axes_[1])


# What is hard to see


def marked(line):
    return [] if line.get_marker() in (None, "None") else list(line.get_markevery())


def test_single_epoch_is_visible():
    display = BalanceDisplay.from_histories({"rule": made_history(1)})
    assert all(marked(line) == [0] for line in display.lines_["rule"].values())
    assert display.bands_["rule"].get_linewidth()[0] > 0
    _, low, high = xy_of(display.bands_["rule"])
    assert low < high
    display.figure_.canvas.draw()


def test_values_between_gaps_are_visible_and_others_have_no_dot():
    share = np.array([0.1, np.nan, 0.2, np.nan, 0.3, 0.4])
    display = BalanceDisplay.from_histories({"rule": made_history(6, distillation_share=share)})
    lines = display.lines_["rule"]
    assert marked(lines["distillation_share"]) == [0, 2]
    assert marked(lines["weight"]) == []


def test_share_without_any_value_is_empty():
    nothing = np.full(4, np.nan)
    display = BalanceDisplay.from_histories({"rule": made_history(4, distillation_share=nothing)})
    display.figure_.canvas.draw()
    assert np.isnan(display.lines_["rule"]["distillation_share"].get_ydata()).all()
    assert display.axes_[2].get_ylim() == (-0.03, 1.03)


def test_share_outside_of_0_and_1_is_in_view():
    share = np.array([-0.5, 0.5, 1.5])
    axes = BalanceDisplay.from_histories({"r": made_history(3, distillation_share=share)}).axes_
    low, high = axes[2].get_ylim()
    assert low <= -0.5 and high >= 1.5


def test_epochs_are_whole_numbers():
    display = BalanceDisplay.from_histories({"rule": made_history(3)})
    ticks = display.axes_[2].get_xticks()
    np.testing.assert_array_equal(ticks, np.round(ticks))


# Axes and styles


def test_panels_take_the_place_of_one_axes():
    figure, (left, right) = plt.subplots(1, 2)
    display = BalanceDisplay.from_histories({"rule": made_history()}, ax=right)
    assert display.figure_ is figure
    assert len(figure.axes) == 2 + 3
    assert not right.axison and left.axison
    place = right.get_position()
    assert all(place.x0 <= ax.get_position().x0 + 1e-9 for ax in display.axes_)
    limits = {ax.get_xlim() for ax in display.axes_}
    assert len(limits) == 1
    with pytest.raises(ValueError, match="array of 3 Axes"):
        display.plot(right)
    display.plot(display.axes_)


def test_axes_that_are_given_are_used():
    figure, axes = plt.subplots(2, 2)
    display = BalanceDisplay.from_histories(
        {"a": made_history(), "b": made_history(seed=1)}, ax=axes
    )
    assert display.figure_ is figure
    assert list(display.axes_) == list(axes.ravel())
    texts = [text.get_text() for text in axes[0, 0].get_legend().get_texts()]
    assert texts == ["a", "b"]
    assert not figure.legends


@pytest.mark.parametrize(("n_histories", "n_needed"), [(1, 3), (2, 4)])
def test_wrong_number_of_axes_says_how_many(n_histories, n_needed):
    histories = {i: made_history(seed=i) for i in range(n_histories)}
    with pytest.raises(ValueError, match=f"ax has 2 Axes; {n_needed} are needed"):
        BalanceDisplay.from_histories(histories, ax=plt.subplots(2)[1])


def test_axes_outside_of_a_grid_cant_be_divided():
    free = plt.figure().add_axes((0.1, 0.1, 0.8, 0.8))
    with pytest.raises(ValueError, match="no subplot"):
        BalanceDisplay.from_histories({"rule": made_history()}, ax=free)


def test_styles_go_over_the_defaults():
    display = BalanceDisplay.from_histories(
        {"a": made_history(), "b": made_history()},
        line_kw={"lw": 3, "c": "k"},
        fill_between_kw={"alpha": 0.5},
    )
    for name in "ab":
        assert all(line.get_linewidth() == 3 for line in display.lines_[name].values())
        assert all(line.get_color() == "k" for line in display.lines_[name].values())
        assert display.bands_[name].get_alpha() == 0.5


def test_plot_draws_again_and_returns_itself():
    display = BalanceDisplay.from_histories({"rule": made_history()}, ax=plt.subplots(3)[1])
    first = display.figure_
    assert display.plot() is display
    assert display.figure_ is not first


def test_display_can_be_made_by_hand():
    display = BalanceDisplay({"rule": made_history()}, target_shares={"rule": 0.25}).plot()
    assert display.target_lines_["rule"].get_ydata()[0] == 0.25


# Estimators


def search(**params):
    grid = {"distilled__balancer": ["loss_share"]}
    pipeline = Pipeline([("scale", StandardScaler()), ("distilled", quick(TEACHER))])
    return GridSearchCV(pipeline, grid, cv=2, **params)


def test_end_of_a_pipeline_and_best_of_a_search_are_found():
    found = search().fit(X, Y)
    best = found.best_estimator_
    for estimator in (found, best, make_pipeline(best), best[-1]):
        display = BalanceDisplay.from_estimator(estimator, name="rule")
        line = display.lines_["rule"]["weight"]
        history = best[-1].history_
        assert_line(line, history["epoch"], history["weight"], display.axes_[0])
    both = BalanceDisplay.from_histories({"search": found, "pipeline": best})
    assert both.lines_.keys() == {"search", "pipeline"}


@pytest.mark.parametrize(
    "unfitted",
    [quick(TEACHER), make_pipeline(StandardScaler(), quick(TEACHER)), search()],
    ids=["bare", "pipeline", "search"],
)
def test_unfitted_estimator(unfitted):
    with pytest.raises(NotFittedError):
        BalanceDisplay.from_estimator(unfitted)
    with pytest.raises(NotFittedError):
        BalanceDisplay.from_histories({"rule": unfitted})


def test_search_without_refit_has_no_estimator():
    with pytest.raises(ValueError, match="refit=False.*refit=True"):
        BalanceDisplay.from_estimator(search(refit=False).fit(X, Y))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (LogisticRegression(), "got LogisticRegression"),
        (make_pipeline(LogisticRegression()), "got a Pipeline that ends in LogisticRegression"),
        (make_pipeline(quick(TEACHER), "passthrough"), "got a Pipeline that ends in str"),
        (GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2).fit(X, Y), "LogisticRegression"),
        (made_history(), "got dict"),
        (None, "got NoneType"),
    ],
)
def test_other_estimators_are_named(wrong, named):
    with pytest.raises(TypeError, match=f"must be a DistilledClassifier.*{named}"):
        BalanceDisplay.from_estimator(wrong)


# Errors


@pytest.mark.parametrize("column", without(made_history(), "lr"))
def test_missing_column_is_named(column):
    with pytest.raises(ValueError, match=rf"histories\['rule'\] lacks {column};"):
        BalanceDisplay.from_histories({"rule": without(made_history(), column)})


def test_column_that_is_not_drawn_may_be_missing():
    BalanceDisplay.from_histories({"rule": without(made_history(), "lr")})


@pytest.mark.parametrize(
    ("histories", "error", "message"),
    [
        ({}, ValueError, "histories is empty"),
        ([made_history()], TypeError, "dict of names.*got list"),
        (made_history(), TypeError, r"histories\['epoch'\] must be.*got ndarray"),
        ({"rule": [1, 2]}, TypeError, r"histories\['rule'\] must be.*got list"),
        ({"rule": {}}, ValueError, "lacks epoch, weight"),
        ({"rule": made_history(0)}, ValueError, "not empty"),
        ({"rule": made_history(weight=np.ones(4))}, ValueError, "of one length"),
        ({"rule": made_history(weight=np.ones((5, 1)))}, ValueError, "of one length"),
        ({"rule": made_history(epoch=1)}, ValueError, "of one length"),
        ({"rule": made_history(weight=["a"] * 5)}, ValueError, "'weight' of.*numbers"),
    ],
)
def test_wrong_histories(histories, error, message):
    with pytest.raises(error, match=message):
        BalanceDisplay.from_histories(histories)
    assert not plt.get_fignums()


# matplotlib


def test_matplotlib_is_imported_to_draw_only():
    code = (
        "import sys, skkd\n"
        "from skkd import BalanceDisplay, BalanceLandscapeDisplay\n"
        "BalanceDisplay({}); BalanceLandscapeDisplay(fixed={}, rules={})\n"
        "assert not [name for name in sys.modules if name.startswith('matplotlib')]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_missing_matplotlib_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    display = BalanceDisplay({"rule": made_history()})
    for draw, caller in [
        (lambda: BalanceDisplay.from_estimator(None), "BalanceDisplay.from_estimator"),
        (lambda: BalanceDisplay.from_histories(None), "BalanceDisplay.from_histories"),
        (display.plot, "BalanceDisplay.plot"),
    ]:
        with pytest.raises(ImportError, match=f"{caller} requires matplotlib.*pip install"):
            draw()
