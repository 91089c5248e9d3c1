"""Rows without labels: an augmenter's, and ``X_unlabeled``."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, OneHotEncoder, StandardScaler
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback
from torch import nn
from torch.nn import functional as F

from skkd import DistilledClassifier
from skkd._training import synthetic as _synthetic
from skkd.augmenters import Augmenter, GaussianJitter, NeighborSwap, RandomSwap, ShiftFlipCrop
from skkd.balancers import Balancer
from skkd.losses import DISTILLATION_LOSSES
from tests.helpers import ConvNet, Noise, Says, fitted_teacher, make_data, quick, quick_net

X, Y = make_data(n_rows=90)
X_UNLABELED = make_data(n_rows=40, seed=1)[0]
TEACHER = fitted_teacher(X, Y)


class Constant(Balancer):
    """A fixed balancing parameter that asks the loop for whatever it is told to; keeps A, B, C."""

    def __init__(self, needs=(), gradients="logits"):
        super().__init__(gradients=gradients)
        self.needs = needs

    def reset(self):
        self.seen = []
        return super().reset()

    def propose(self, state):
        self.seen.append((state.A, state.B, state.C))
        return 0.3


class Recorder(Augmenter):
    """Gives its fit rows back, and keeps what it was fitted on and how many rows were drawn."""

    kept: list = []
    drawn: list = []

    def learn(self, X):
        self.kept.append(X)

    def make(self, X, index, rng):
        self.drawn.append(len(index))
        return X[index]


@pytest.fixture
def recorder():
    Recorder.kept, Recorder.drawn = [], []
    return Recorder


def asked_rows(teacher) -> int:
    return sum(len(rows) for rows in teacher.asked)


# The loss


def by_hand(module, optimizer, sources, temperature, n_epochs=5):
    """Train a module as the documentation says; ``sources`` are (weight, X, proba)."""
    inputs, labels, teacher = map(torch.from_numpy, (X, Y, TEACHER.predict_proba(X)))

    def divergence(logits, proba):
        soft = torch.softmax(torch.as_tensor(proba).log() / temperature, 1)
        log_p = F.log_softmax(logits / temperature, 1)
        return temperature**2 * F.kl_div(log_p, soft, reduction="batchmean")

    total = sum(weight for weight, _, _ in sources)
    for _ in range(n_epochs):
        optimizer.zero_grad()
        logits = module(inputs)
        fit = 0.7 * F.cross_entropy(logits, labels) + 0.3 * divergence(logits, teacher)
        new = sum(
            weight / total * divergence(module(torch.from_numpy(rows)), proba)
            for weight, rows, proba in sources
        )
        loss = (fit + total * new) / (1 + total)
        loss.backward()
        optimizer.step()
    return loss.item(), new.item()


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize(
    "balancer",
    [
        Constant(),
        Constant({"gradients"}),
        Constant({"gradients"}, "all"),
        Constant({"losses_after"}),
        Constant({"rows"}),
        Constant({"rows", "gradients"}, "all"),
    ],
    ids=lambda balancer: "-".join([*sorted(balancer.needs), balancer.gradients]),
)
def test_synthetic_rows_have_a_loss_of_their_own_beside_the_balance(balancer, temperature):
    module = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    optimizer = torch.optim.SGD
    net = NeuralNetClassifier(module, optimizer=optimizer, lr=0.5, max_epochs=5, batch_size=-1)
    clf = DistilledClassifier(TEACHER, net, balancer=balancer, temperature=temperature)
    clf.fit(X, Y, X_unlabeled=X_UNLABELED)

    sources = [(40 / 90, X_UNLABELED, TEACHER.predict_proba(X_UNLABELED))]
    loss, new = by_hand(module, optimizer(module.parameters(), lr=0.5), sources, temperature)
    expected = torch.softmax(module(torch.from_numpy(X)), 1).detach().numpy()
    np.testing.assert_allclose(clf.predict_proba(X), expected, rtol=1e-9)
    assert clf.history_["loss"][-1] == pytest.approx(loss, rel=1e-9)
    assert clf.history_["synthetic_loss"][-1] == pytest.approx(new, rel=1e-9)


def test_both_kinds_of_synthetic_rows_count_by_their_weights(recorder):
    module = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    net = NeuralNetClassifier(module, lr=0.5, max_epochs=1, batch_size=-1)
    augmenter = recorder(n_new=0.5, loss_weight=2.0)
    clf = DistilledClassifier(TEACHER, net, balancer=Constant(), augmenter=augmenter)
    clf.fit(X, Y, X_unlabeled=X_UNLABELED)
    (drawn,) = recorder.drawn
    assert drawn == 45

    with torch.no_grad():
        proba, log_p = TEACHER.predict_proba(X_UNLABELED), module(torch.from_numpy(X_UNLABELED))
        of_unlabeled = F.kl_div(
            log_p.log_softmax(1), torch.from_numpy(proba), reduction="batchmean"
        )
    new, total = clf.history_["synthetic_loss"][0], 2.0 + 40 / 90
    of_augmenter = (new - 40 / 90 / total * of_unlabeled.item()) / (2.0 / total)
    fit = 0.7 * clf.history_["task_loss"][0] + 0.3 * clf.history_["distillation_loss"][0]
    assert 0 < of_augmenter < 10 * new
    assert clf.history_["loss"][0] == pytest.approx((fit + total * new) / (1 + total), rel=1e-9)


@pytest.mark.parametrize("gradients", ["logits", "all"])
def test_balancer_sees_the_gradients_of_the_fit_rows_alone(gradients):
    balancer = Constant({"gradients"}, gradients)
    seen = []
    for unlabeled in (None, X_UNLABELED):
        clf = quick(TEACHER, balancer=balancer, student=quick_net(max_epochs=1, batch_size=-1))
        seen += clf.fit(X, Y, X_unlabeled=unlabeled).balancer_.seen
    np.testing.assert_allclose(seen[0], seen[1], rtol=1e-5)


@pytest.mark.parametrize("loss", DISTILLATION_LOSSES)
def test_every_distillation_loss_takes_synthetic_rows(loss):
    clf = quick(TEACHER, distillation_loss=loss, augmenter="neighbor_swap").fit(X, Y)
    assert clf.history_["synthetic_loss"][-1] < clf.history_["synthetic_loss"][0]


def test_weights_of_fit_rows_do_not_weigh_synthetic_rows():
    weight = np.where(Y == 0, 5.0, 1.0)
    clf = quick(TEACHER, student=quick_net(max_epochs=1, batch_size=-1))
    losses = [
        clf.fit(X, Y, sample_weight=w, X_unlabeled=X_UNLABELED).history_["synthetic_loss"][0]
        for w in (None, weight)
    ]
    assert losses[0] == losses[1]


def test_without_synthetic_rows_nothing_is_recorded_of_them():
    assert "synthetic_loss" not in quick(TEACHER).fit(X, Y).history_


# What the teacher is asked


@pytest.mark.parametrize(("n_epochs", "refresh"), [(1, 10), (7, 3), (6, 1), (5, 5)])
def test_synthetic_rows_are_drawn_every_few_epochs(n_epochs, refresh, recorder):
    teacher = Says([0, 1, 2], [0.2, 0.3, 0.5])
    augmenter = recorder(n_new=1.5, refresh=refresh)
    quick(teacher, student=quick_net(max_epochs=n_epochs), augmenter=augmenter).fit(X, Y)
    n_draws = -(-n_epochs // refresh)
    assert recorder.drawn == [135] * n_draws
    assert asked_rows(teacher) == 90 + 135 * n_draws


@pytest.mark.parametrize("n_rows", [1, 40, 90, 200])
def test_teacher_is_asked_about_an_unlabeled_row_once(n_rows):
    X_unlabeled = make_data(n_rows=max(n_rows, 20), seed=2)[0][:n_rows]
    teacher = Says([0, 1, 2], [0.2, 0.3, 0.5])
    quick(teacher, student=quick_net(max_epochs=8)).fit(X, Y, X_unlabeled=[X_unlabeled])
    asked = np.concatenate(teacher.asked[1:])
    np.testing.assert_array_equal(np.unique(asked, axis=0), np.unique(X_unlabeled, axis=0))
    assert len(asked) == n_rows


def test_of_many_unlabeled_rows_no_more_are_labelled_than_are_seen():
    teacher = Says([0, 1, 2], [0.2, 0.3, 0.5])
    X_unlabeled = make_data(n_rows=1000)[0]
    quick(teacher, student=quick_net(max_epochs=2)).fit(X, Y, X_unlabeled=X_unlabeled)
    assert asked_rows(teacher) == 90 + 2 * 90


def test_synthetic_rows_come_in_chunks(monkeypatch, recorder):
    monkeypatch.setattr(_synthetic, "_CHUNK", 32)
    teacher = Says([0, 1, 2], [0.2, 0.3, 0.5])
    clf = quick(teacher, student=quick_net(max_epochs=1), augmenter=recorder())
    clf.fit(X, Y, X_unlabeled=X_UNLABELED)
    assert recorder.drawn == [32, 32, 26]
    assert max(map(len, teacher.asked[1:])) <= 32


@pytest.mark.parametrize(("n_new", "n_known"), [(0.1, 40), (0.5, 45), (1, 90)])
def test_of_many_rows_an_augmenter_learns_no_more_than_it_makes(
    monkeypatch, recorder, n_new, n_known
):
    monkeypatch.setattr(_synthetic, "MOST_ROWS", 40)
    weight = np.linspace(1, 2, 90)
    clf = quick(TEACHER, student=quick_net(max_epochs=1), augmenter=recorder(n_new=n_new))
    clf.fit(X, Y, sample_weight=weight)
    (kept,) = recorder.kept
    assert len(kept) == n_known
    places = [np.flatnonzero((row == X).all(axis=1)).item() for row in kept]
    assert places == sorted(set(places))  # each once, in the order of the rows


class TrainedOn(Callback):
    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self.rows_ = X


def test_synthetic_rows_are_made_of_rows_to_train_on_and_never_of_held_out_ones(recorder):
    net = quick_net(callbacks=[("seen", TrainedOn())])
    clf = quick(TEACHER, student=net, augmenter=recorder(), early_stopping=True)
    weight = np.arange(90) % 4  # rows of weight zero are left out as well
    clf.fit(X, Y, sample_weight=weight)
    (kept,) = recorder.kept
    trained_on = dict(clf.student_.callbacks_)["seen"].rows_
    np.testing.assert_array_equal(kept, trained_on)
    assert len(kept) < (weight > 0).sum()


def frame_of(library):
    rng = np.random.default_rng(0)
    city = np.array(["Rome", "Oslo", "Lima"])[Y]
    columns = {"a": X[:, 0], "b": X[:, 1].round().astype(int), "city": city}
    columns["city"][rng.random(90) < 0.5] = "Rome"
    return library.DataFrame({name: values.tolist() for name, values in columns.items()})


class SeesFrames(LogisticRegression):
    """A teacher on raw columns that keeps the frames it is asked about."""

    def fit(self, frame, y):
        # Not "passthrough", which fails for polars with scikit-learn 1.6.
        encode = make_column_transformer((OneHotEncoder(), ["city"]), (MaxAbsScaler(), ["a", "b"]))
        self.model_ = make_pipeline(encode, LogisticRegression()).fit(frame, y)
        self.classes_, self.asked = self.model_.classes_, []
        return self

    def predict_proba(self, frame):
        self.asked.append(frame)
        return self.model_.predict_proba(frame)


@pytest.mark.parametrize("library", [pd, pl])
@pytest.mark.parametrize("augmenter", [NeighborSwap(), RandomSwap(), GaussianJitter(), "mix_up"])
def test_teacher_of_raw_columns_labels_frames(library, augmenter):
    frame = frame_of(library)
    teacher = SeesFrames().fit(frame, Y)
    clf = DistilledClassifier(teacher, augmenter=augmenter, random_state=0)
    clf.set_params(student__max_epochs=3).fit(frame, Y, X_unlabeled=frame[:20])
    for asked in teacher.asked:
        assert type(asked) is type(frame)
        assert dict(zip(asked.columns, asked.dtypes, strict=True)) == dict(
            zip(frame.columns, frame.dtypes, strict=True)
        )
    assert clf.score(frame, Y) > 0.5


def test_images_are_shifted():
    rng = np.random.default_rng(0)
    images = rng.normal(size=(60, 1, 8, 8)).astype(np.float32)
    labels = rng.integers(3, size=60)
    teacher = Says([0, 1, 2], [0.2, 0.3, 0.5])
    clf = quick(teacher, student=quick_net(ConvNet), augmenter=ShiftFlipCrop(), balancer="fixed")
    clf.fit(images, labels)
    assert teacher.asked[1].shape == images.shape
    assert clf.history_["synthetic_loss"][-1] < clf.history_["synthetic_loss"][0]


@pytest.mark.parametrize(
    "student",
    [
        None,
        quick_net(max_epochs=3),
        Pipeline([("scale", StandardScaler()), ("net", quick_net(max_epochs=3))]),
    ],
    ids=["default", "net", "pipeline"],
)
def test_sparse_rows_without_labels(student):
    clf = quick(TEACHER, student=student)
    if student is None:
        clf.set_params(student__max_epochs=3)
    if isinstance(student, Pipeline):
        clf.set_params(student__scale__with_mean=False)
    sparse_rows = clone(clf).fit(sparse.csr_array(X), Y, X_unlabeled=sparse.coo_array(X_UNLABELED))
    dense_rows = clone(clf).fit(X, Y, X_unlabeled=X_UNLABELED)
    np.testing.assert_allclose(
        sparse_rows.predict_proba(sparse.csr_array(X)), dense_rows.predict_proba(X), rtol=1e-3
    )


def test_tensors_without_labels():
    clf = quick(TEACHER, student=quick_net(max_epochs=2))
    tensors = clone(clf).fit(torch.tensor(X), Y, X_unlabeled=[torch.tensor(X_UNLABELED)])
    arrays = clone(clf).fit(X, Y, X_unlabeled=X_UNLABELED)
    np.testing.assert_array_equal(tensors.predict_proba(X), arrays.predict_proba(X))


def test_preprocessing_of_the_student_acts_on_synthetic_rows():
    scaled = Pipeline([("scale", StandardScaler()), ("net", quick_net())])
    clf = quick(TEACHER, student=scaled).fit(X, Y, X_unlabeled=X_UNLABELED)
    scaler = StandardScaler().fit(X)

    class OnScaled(Says):
        def predict_proba(self, rows):
            return TEACHER.predict_proba(scaler.inverse_transform(rows))

    teacher = OnScaled([0, 1, 2], None)
    by_hand = quick(teacher).fit(scaler.transform(X), Y, X_unlabeled=scaler.transform(X_UNLABELED))
    np.testing.assert_allclose(
        clf.predict_proba(X), by_hand.predict_proba(scaler.transform(X)), rtol=1e-4
    )


# Help, and repeatability


def test_synthetic_rows_help_where_labels_are_few():
    X_all, y_all = make_data(n_rows=1500, n_classes=2)
    teacher = LogisticRegression(C=100).fit(X_all[500:], y_all[500:])
    few = slice(0, 24)
    scores = {}
    for name, params, fit_params in [
        ("none", {}, {}),
        ("augmenter", {"augmenter": RandomSwap(refresh=1)}, {}),
        ("unlabeled", {}, {"X_unlabeled": X_all[24:300]}),
    ]:
        clf = quick(teacher, student=quick_net(max_epochs=60), balancer="fixed", **params)
        clf.fit(X_all[few], y_all[few], **fit_params)
        scores[name] = (clf.predict(X_all[300:]) == teacher.predict(X_all[300:])).mean()
    assert scores["augmenter"] > scores["none"] + 0.02
    assert scores["unlabeled"] > scores["none"] + 0.02


def test_same_random_state_same_result():
    first, second = (
        quick(TEACHER, augmenter="neighbor_swap").fit(X, Y, X_unlabeled=X_UNLABELED) for _ in "ab"
    )
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    other = quick(TEACHER, augmenter="neighbor_swap", random_state=1).fit(X, Y)
    assert not np.array_equal(first.predict_proba(X), other.predict_proba(X))


def test_arguments_stay_as_they_were():
    augmenter, unlabeled = NeighborSwap(prob=0.2), X_UNLABELED.copy()
    clf = quick(TEACHER, augmenter=augmenter).fit(X, Y, X_unlabeled=unlabeled)
    assert clf.augmenter is augmenter
    assert vars(augmenter) == vars(NeighborSwap(prob=0.2))
    np.testing.assert_array_equal(unlabeled, X_UNLABELED)


def test_fitted_estimator_keeps_no_rows():
    clf = quick(TEACHER, augmenter="neighbor_swap").fit(X, Y)
    assert repr(clf.augmenter_) == "NeighborSwap()"
    assert vars(clf.augmenter_) == vars(NeighborSwap())
    assert X.tobytes()[:400] not in pickle.dumps(clf)
    assert quick(TEACHER).fit(X, Y).augmenter_ is None


def test_augmenter_can_be_searched():
    clf = quick(TEACHER, student=quick_net(max_epochs=1), augmenter="random_swap")
    grid = {"augmenter__prob": [0.1, 0.5], "augmenter__loss_weight": [0.5]}
    search = GridSearchCV(clf, grid, cv=2).fit(X, Y)
    assert search.best_estimator_.augmenter_.prob in (0.1, 0.5)
    assert search.best_estimator_.augmenter_.loss_weight == 0.5


def test_partial_fit_makes_synthetic_rows_of_each_chunk(recorder):
    clf = quick(TEACHER, augmenter=recorder(n_new=2))
    for rows in (slice(0, 30), slice(30, 90)):
        clf.partial_fit(X[rows], Y[rows], classes=[0, 1, 2])
    assert recorder.drawn == [60, 120]
    for kept, rows in zip(recorder.kept, (slice(0, 30), slice(30, 90)), strict=True):
        np.testing.assert_array_equal(kept, X[rows])
    assert len(clf.history_["synthetic_loss"]) == 2


def test_cross_fitted_teacher_labels_synthetic_rows_after_its_fit_on_all():
    clf = quick(LogisticRegression(), cv=3, augmenter="random_swap").fit(X, Y)
    assert clf.teacher_.n_features_in_ == 5
    assert "synthetic_loss" in clf.history_


# Bad input

FRAME = pd.DataFrame({"a": X[:, 0], "b": np.array(["x", "y", "z"])[Y]})


@pytest.mark.parametrize(
    ("rows", "unlabeled", "message"),
    [
        (X, X[:, :3], r"X_unlabeled has rows of shape \(3,\), and X of \(5,\)"),
        (X, X[:0], "X_unlabeled has no rows"),
        (X, X.astype(str), "X_unlabeled has dtype <U.*, but float64 in X"),
        (X, sparse.csr_array(X), "X_unlabeled is sparse and X is an array"),
        (sparse.csr_array(X), X, "X_unlabeled is an array and X is sparse"),
        (X, FRAME, "X_unlabeled is a frame and X is an array"),
        (FRAME, FRAME.drop(columns="b"), r"missing are \['b'\], and unknown \[\]"),
        (FRAME, FRAME.assign(c=1), r"missing are \[\], and unknown \['c'\]"),
        (FRAME, FRAME[["b", "a"]], "the columns of X in their order"),
        (
            FRAME,
            FRAME.assign(b=1),
            "Column 'b' of X_unlabeled has dtype int64, but .*(str|object).* in X",
        ),
    ],
)
def test_unlabeled_rows_must_be_like_the_fit_rows(rows, unlabeled, message):
    teacher = Says([0, 1, 2], [0.2, 0.3, 0.5])
    with pytest.raises(ValueError, match=message):
        DistilledClassifier(teacher).fit(rows, Y, X_unlabeled=[unlabeled])
    assert not teacher.asked


def test_numbers_of_any_dtype_are_alike():
    clf = quick(TEACHER, student=quick_net(max_epochs=1))
    clf.fit(X, Y, X_unlabeled=X_UNLABELED.round().astype(int))
    clf.fit(X.astype(np.float32), Y, X_unlabeled=X_UNLABELED.tolist())


PROBA = TEACHER.predict_proba(X)


@pytest.mark.parametrize(
    ("params", "fit_params", "error", "message"),
    [
        ({"augmenter": "nothing"}, {}, ValueError, "augmenter='nothing' is not known.*'auto'"),
        ({"augmenter": 3}, {}, TypeError, "augmenter must be None, a name or an instance"),
        ({"augmenter": NeighborSwap}, {}, TypeError, "augmenter must be None, a name or an inst"),
        ({"augmenter": NeighborSwap(prob=2)}, {}, ValueError, "'prob' parameter of NeighborSwap"),
        (
            {"augmenter": RandomSwap(loss_weight=0)},
            {},
            ValueError,
            "'loss_weight' parameter of RandomSwap",
        ),
        ({"augmenter": RandomSwap(refresh=0)}, {}, ValueError, "'refresh' parameter of Random"),
        ({"augmenter": ShiftFlipCrop()}, {}, ValueError, "ShiftFlipCrop is for images"),
        (
            {"augmenter": "random_swap", "student": quick_net(iterator_train__collate_fn=Noise())},
            {},
            ValueError,
            "augmenter and X_unlabeled need a student with skorch's own Dataset",
        ),
    ],
)
def test_bad_augmenter(params, fit_params, error, message):
    teacher = Says([0, 1, 2], [0.2, 0.3, 0.5])
    with pytest.raises(error, match=message):
        quick(teacher, **params).fit(X, Y, **fit_params)
    assert not teacher.asked


def test_sparse_rows_are_refused_before_the_teacher_works():
    teacher = Says([0, 1, 2], [0.2, 0.3, 0.5])
    with pytest.raises(ValueError, match="NeighborSwap makes no sparse rows"):
        quick(teacher, augmenter="neighbor_swap").fit(sparse.csr_array(X), Y)
    assert not teacher.asked


@pytest.mark.parametrize("teacher", [None, LogisticRegression()], ids=["none", "unfitted"])
@pytest.mark.parametrize("augmenter", ["random_swap", None])
def test_probabilities_alone_can_not_label_synthetic_rows(teacher, augmenter):
    unlabeled = X_UNLABELED if augmenter is None else None
    name = "X_unlabeled" if augmenter is None else "augmenter"
    with pytest.raises(ValueError, match=f"{name} needs a teacher to label rows"):
        quick(teacher, augmenter=augmenter).fit(X, Y, teacher_proba=PROBA, X_unlabeled=unlabeled)


def test_fitted_teacher_beside_its_probabilities_labels_synthetic_rows():
    teacher = Says([0, 1, 2], [0.2, 0.3, 0.5])
    clf = quick(teacher, student=quick_net(max_epochs=1), augmenter="random_swap")
    clf.fit(X, Y, teacher_proba=PROBA)
    assert asked_rows(teacher) == 90


@pytest.mark.parametrize("augmenter", [None, "auto"])
def test_no_parameters_of_no_augmenter(augmenter):
    with pytest.raises(ValueError, match=f"augmenter={augmenter!r} has no parameters to set"):
        quick(TEACHER, augmenter=augmenter).set_params(augmenter__prob=0.1)


def test_an_augmenter_that_makes_other_rows_is_named(recorder):
    class Wider(recorder):
        def make(self, rows, index, rng):
            return np.hstack([rows[index], rows[index]])

    with pytest.raises(ValueError, match=r"Wider made rows of shape \(90, 10\)"):
        quick(TEACHER, augmenter=Wider()).fit(X, Y)


# As many unlabeled rows as rows


def test_as_many_unlabeled_rows_as_rows_must_be_in_a_list():
    teacher = Says([0, 1, 2], [0.2, 0.3, 0.5])
    with pytest.raises(ValueError, match=r"90 rows, as many as X.*X_unlabeled=\[rows\]"):
        quick(teacher).fit(X, Y, X_unlabeled=X)
    assert not teacher.asked


@pytest.mark.parametrize(
    "convert",
    [
        np.asarray,
        lambda rows: pd.DataFrame(rows, columns=list("abcde")),
        lambda rows: pl.DataFrame(rows, schema=list("abcde")),
        sparse.csr_array,
    ],
    ids=["array", "pandas", "polars", "sparse"],
)
def test_a_list_of_one_table_is_that_table(convert):
    rows, unlabeled = convert(X), convert(X_UNLABELED)
    clf = quick(LogisticRegression().fit(X, Y), student=quick_net(max_epochs=2))
    bare = clone(clf).fit(rows, Y, X_unlabeled=unlabeled).predict_proba(rows)
    in_a_list = clone(clf).fit(rows, Y, X_unlabeled=[unlabeled]).predict_proba(rows)
    np.testing.assert_array_equal(bare, in_a_list)


class CountsUnlabeled(Says):
    """Keeps how many rows with a mark in their first column it was asked about in each call."""

    n_marked: list = []

    def predict_proba(self, rows):
        if n_marked := int((rows[:, 0] > 1e5).sum()):
            self.n_marked.append(n_marked)
        return super().predict_proba(rows)


@pytest.mark.parametrize("n_rows", [30, 45, 90, 200])
@pytest.mark.parametrize("tool", ["search", "cross_validate"])
def test_no_cross_validation_cuts_unlabeled_rows(n_rows, tool, monkeypatch):
    monkeypatch.setattr(CountsUnlabeled, "n_marked", [])
    unlabeled = np.vstack([X, X, X])[:n_rows].copy()
    unlabeled[:, 0] = 1e6
    # Each epoch takes as many of them as there are rows to train on, so two epochs take all.
    net = quick_net(max_epochs=8, batch_size=-1)
    clf = quick(CountsUnlabeled([0, 1, 2], [0.2, 0.3, 0.5]), student=net)
    if tool == "search":
        GridSearchCV(clf, {"temperature": [1.0]}, cv=2, refit=False, error_score="raise").fit(
            X, Y, X_unlabeled=[unlabeled]
        )
    else:
        with sklearn.config_context(enable_metadata_routing=True):
            routed = clf.set_fit_request(X_unlabeled=True)
            cross_validate(
                routed, X, Y, cv=2, params={"X_unlabeled": [unlabeled]}, error_score="raise"
            )
    assert sum(CountsUnlabeled.n_marked) == 2 * n_rows
