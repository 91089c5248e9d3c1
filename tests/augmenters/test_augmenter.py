import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skkd.augmenters import (
    AUGMENTERS,
    Augmenter,
    NeighborSwap,
    RandomSwap,
    ShiftFlipCrop,
    make_augmenter,
)
from tests.augmenters.tables import columns_of, dtypes_of, pandas_frame, polars_frame

TABULAR = {name: kind for name, kind in AUGMENTERS.items() if kind.takes == "tables"}
all_augmenters = pytest.mark.parametrize("kind", AUGMENTERS.values(), ids=AUGMENTERS)
tabular_augmenters = pytest.mark.parametrize("kind", TABULAR.values(), ids=TABULAR)
frames = pytest.mark.parametrize(
    "frame", [pandas_frame(), polars_frame()], ids=["pandas", "polars"]
)


class Copies(Augmenter):
    """Gives its fit rows as they are, or what a function makes of them."""

    def __init__(self, spoil=None):
        self.spoil = spoil

    def make(self, X, index, rng):
        rows = X.iloc[index] if isinstance(X, pd.DataFrame) else X[index]
        return rows if self.spoil is None else self.spoil(rows)


def rows_for(kind, n_rows=30, dtype=np.float64, seed=0):
    shape = (n_rows, 2, 6, 4) if kind.takes == "images" else (n_rows, 5)
    return np.random.default_rng(seed).normal(scale=9, size=shape).astype(dtype)


def sampled(augmenter, X, n_rows=25, seed=0):
    return augmenter.fit(X).sample(n_rows, np.random.default_rng(seed))


@all_augmenters
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_synthetic_rows_have_the_shape_and_dtype_of_the_training_rows(kind, dtype):
    X = rows_for(kind, dtype=dtype)
    X_new = sampled(kind(), X, n_rows=70)
    assert X_new.shape == (70, *X.shape[1:])
    assert X_new.dtype == X.dtype


@all_augmenters
def test_synthetic_rows_are_new(kind):
    X = rows_for(kind)
    old = {row.tobytes() for row in X}
    new = sampled(kind(), X, n_rows=100)
    assert sum(row.tobytes() in old for row in new) < 70


@pytest.mark.parametrize("kind", [NeighborSwap, RandomSwap])
@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool", "float16", "U3", "object"])
def test_swaps_take_any_dtype(kind, dtype):
    X = np.array([[0, 1], [1, 0], [1, 1], [0, 0]]).astype(dtype)
    X_new = sampled(kind(), X)
    assert X_new.dtype == X.dtype
    assert {tuple(row) for row in X_new.tolist()} <= {tuple(row) for row in X.tolist()}


@tabular_augmenters
@frames
def test_frames_keep_columns_dtypes_and_what_is_missing(kind, frame):
    X_new = sampled(kind(), frame, n_rows=200)
    assert type(X_new) is type(frame)
    assert list(X_new.columns) == list(frame.columns)
    assert dtypes_of(X_new) == dtypes_of(frame)
    old, new = columns_of(frame), columns_of(X_new)
    for name, values in old.items():
        share_new = sum(value is None for value in new[name]) / 200
        share = sum(value is None for value in values) / len(values)
        assert share_new == pytest.approx(share, abs=0.15), name
        if "loat" not in name:  # all but real numbers come from the column's own set
            assert set(new[name]) <= set(values), name


@tabular_augmenters
@frames
def test_frame_is_left_as_it_was(kind, frame):
    before = columns_of(frame)
    sampled(kind(), frame)
    assert columns_of(frame) == before


@all_augmenters
def test_array_is_left_as_it_was(kind):
    X = rows_for(kind)
    before = X.copy()
    sampled(kind(), X)
    np.testing.assert_array_equal(X, before)


@all_augmenters
def test_rows_follow_from_the_generator_alone(kind):
    X, augmenter = rows_for(kind), kind()
    first = sampled(augmenter, X, seed=3)
    np.random.seed(99)
    np.testing.assert_array_equal(sampled(clone(augmenter), X.copy(), seed=3), first)
    assert not np.array_equal(sampled(augmenter, X, seed=4), first)


@all_augmenters
def test_chunks_go_on_where_the_last_one_ended(kind):
    augmenter = kind().fit(rows_for(kind))
    rng = np.random.default_rng(0)
    first, second = augmenter.sample(20, rng), augmenter.sample(20, rng)
    assert not np.array_equal(first, second)


@all_augmenters
def test_global_random_state_is_untouched(kind):
    before = np.random.get_state()[1].copy()
    sampled(kind(), rows_for(kind))
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@all_augmenters
@pytest.mark.parametrize("n_rows", [1, 2])
def test_few_rows_are_enough(kind, n_rows):
    X = rows_for(kind, n_rows=n_rows)
    assert sampled(kind(), X, n_rows=5).shape == (5, *X.shape[1:])


@all_augmenters
def test_rows_of_no_weight_give_nothing(kind):
    X = rows_for(kind, n_rows=4)
    weight = np.array([0.0, 2.0, 0.0, 0.0])
    index = kind().fit(X, sample_weight=weight).draw(50, np.random.default_rng(0))
    assert set(index) == {1}


def test_rows_are_drawn_in_proportion_to_their_weights():
    weight = np.array([1.0, 3.0])
    augmenter = Copies().fit(np.array([[0.0], [1.0]]), sample_weight=weight)
    share = augmenter.sample(4000, np.random.default_rng(0)).mean()
    assert share == pytest.approx(0.75, abs=4 * np.sqrt(0.75 * 0.25 / 4000))


@all_augmenters
@pytest.mark.parametrize("level", [1.0, 0.1, 7])
def test_equal_weights_draw_the_same_rows_as_none(kind, level):
    X = rows_for(kind)
    weighted = kind().fit(X, sample_weight=np.full(len(X), level))
    got = weighted.sample(25, np.random.default_rng(0))
    np.testing.assert_array_equal(got, sampled(kind(), X))


@pytest.mark.parametrize("factor", [64.0, 3.0, 0.1])
def test_scale_of_the_weights_does_not_matter(factor):
    X, weight = rows_for(RandomSwap), np.random.default_rng(1).uniform(0.5, 2, 30)
    one, other = (RandomSwap().fit(X, sample_weight=w) for w in (weight, factor * weight))
    np.testing.assert_array_equal(
        one.draw(10_000, np.random.default_rng(0)), other.draw(10_000, np.random.default_rng(0))
    )


def test_the_smallest_draw_skips_a_first_row_of_no_weight():
    class Zero:
        def random(self, n):
            return np.zeros(n)

    augmenter = Copies().fit(np.eye(3), sample_weight=np.array([0.0, 1.0, 2.0]))
    assert augmenter.draw(2, Zero()).tolist() == [1, 1]


def test_rows_must_be_fitted_first():
    with pytest.raises(NotFittedError, match="RandomSwap"):
        RandomSwap().sample(3, np.random.default_rng(0))


# By name


@pytest.mark.parametrize("name", AUGMENTERS)
def test_make_augmenter_by_name_and_by_instance(name):
    by_name, given = make_augmenter(name), AUGMENTERS[name](n_new=3).fit(rows_for(AUGMENTERS[name]))
    by_instance = make_augmenter(given)
    assert type(by_name) is type(by_instance) is AUGMENTERS[name]
    assert by_instance is not given and by_instance.n_new == 3
    assert not hasattr(by_instance, "_fit_X")


def test_make_augmenter_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match="augmenter='swap' is not known; choose 'auto' or one of"):
        make_augmenter("swap")
    with pytest.raises(TypeError, match="must be None, a name or an instance.*got 0.5"):
        make_augmenter(0.5)
    with pytest.raises(ValueError, match="'prob' parameter of RandomSwap"):
        make_augmenter(RandomSwap(prob=2))


#: What users live by without having written it.
DEFAULTS = {
    "neighbor_swap": {"prob": 0.3, "n_neighbors": 5},
    "random_swap": {"prob": 0.3},
    "gaussian_jitter": {"scale": 0.1},
    "mix_up": {"alpha": 1.0},
    "shift_flip_crop": {"shift": 0.1, "crop": 0.1, "flip": False},
}


@pytest.mark.parametrize("name", AUGMENTERS)
def test_defaults(name):
    shared = {"n_new": 1.0, "refresh": 10, "loss_weight": 1.0}
    assert AUGMENTERS[name]().get_params() == shared | DEFAULTS[name]


# Bad input


@all_augmenters
def test_sparse_rows_are_refused(kind):
    with pytest.raises(ValueError, match=rf"{kind.__name__} makes no sparse rows.*toarray"):
        kind().fit(sparse.csr_matrix(np.eye(3)))


@tabular_augmenters
def test_images_are_refused_by_augmenters_for_tables(kind):
    with pytest.raises(ValueError, match=rf"{kind.__name__} is for tables.*ShiftFlipCrop"):
        kind().fit(np.zeros((3, 1, 4, 4)))


@pytest.mark.parametrize("X", [np.eye(3), pandas_frame()], ids=["array", "frame"])
def test_tables_are_refused_by_the_augmenter_for_images(X):
    with pytest.raises(ValueError, match=r"ShiftFlipCrop is for images.*NeighborSwap"):
        ShiftFlipCrop().fit(X)


@tabular_augmenters
def test_empty_tables_are_refused(kind):
    with pytest.raises(ValueError, match=r"at least one row and column.*\(0, 3\)"):
        kind().fit(np.empty((0, 3)))


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("neighbor_swap", {"prob": 0}),
        ("neighbor_swap", {"prob": 1.5}),
        ("neighbor_swap", {"n_neighbors": 0}),
        ("neighbor_swap", {"n_neighbors": 2.5}),
        ("random_swap", {"prob": -0.1}),
        ("gaussian_jitter", {"scale": 0}),
        ("mix_up", {"alpha": -1}),
        ("shift_flip_crop", {"shift": 1}),
        ("shift_flip_crop", {"crop": 1.0}),
        ("shift_flip_crop", {"flip": 2}),
        ("random_swap", {"n_new": 0}),
        ("random_swap", {"refresh": 0}),
        ("random_swap", {"loss_weight": 0}),
    ],
)
def test_wrong_parameters_are_named(name, params):
    kind = AUGMENTERS[name]
    with pytest.raises(ValueError, match=rf"'{next(iter(params))}' parameter of {kind.__name__}"):
        kind(**params).fit(rows_for(kind))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda rows: rows[:, :2], r"Copies made rows of shape \(4, 2\); expected \(4, 3\)"),
        (lambda rows: rows[:3], r"Copies made rows of shape \(3, 3\); expected \(4, 3\)"),
        (lambda rows: rows.astype("f8"), "Copies made rows of dtype float64; .* dtype float32"),
        (lambda rows: rows.tolist(), r"Copies made builtins.list from numpy.ndarray"),
        (pd.DataFrame, "Copies made pandas.DataFrame from numpy.ndarray"),
    ],
)
def test_an_augmenter_that_makes_something_else_is_told_what(spoil, message):
    with pytest.raises(ValueError, match=message):
        sampled(Copies(spoil), np.ones((5, 3), dtype=np.float32), n_rows=4)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda rows: rows.rename(columns={"a": "z"}), "made a column 'z' .*; expected .* 'a'"),
        (lambda rows: rows[["b", "a"]], "made a column 'b' .*; expected a column 'a'"),
        (lambda rows: rows.astype({"b": "int8"}), "a column 'b' of dtype .*int8.* 'b' .*int64"),
        (lambda rows: rows.to_numpy(), r"made numpy.ndarray from pandas.DataFrame"),
    ],
)
def test_an_augmenter_that_makes_another_frame_is_told_what(spoil, message):
    frame = pd.DataFrame({"a": [1.5, 2.5], "b": [1, 2]})
    with pytest.raises(ValueError, match=message):
        sampled(Copies(spoil), frame, n_rows=4)
