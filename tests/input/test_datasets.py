"""A torch Dataset as X gives the student that an array of its images gives."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skorch.helper import SliceDataset
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from skkd import FidelityDisplay
from skkd._input.datasets import DatasetRows
from skkd.report import distillation_report
from tests.helpers import ConvNet, quick, quick_net

IMAGES, LABELS = load_digits(n_class=4, return_X_y=True)
IMAGES = (IMAGES[:300] / 16).astype(np.float32).reshape(-1, 1, 8, 8)
LABELS = LABELS[:300]
PAIRS = TensorDataset(torch.from_numpy(IMAGES), torch.from_numpy(LABELS))


def flatten(X):
    return X.reshape(len(X), -1)


TEACHER = make_pipeline(FunctionTransformer(flatten), LogisticRegression()).fit(IMAGES, LABELS)
SEEN_ONCE = 1e-2 + 0.1 * np.eye(4)[LABELS]  # a teacher's probabilities, unlike TEACHER's
SEEN_ONCE /= SEEN_ONCE.sum(axis=1, keepdims=True)


class Images(Dataset):
    """Images as users have them: arrays, without labels, made when they are asked for."""

    def __init__(self, images=IMAGES, change=None):
        self.images, self.change = images, change
        self.read = []

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        self.read.append(i)
        return self.images[i] if self.change is None else self.change(self.images[i])


class Labelled(Images):
    """The same with labels as Python numbers."""

    def __getitem__(self, i):
        return super().__getitem__(i), int(LABELS[i])


def image_clf(teacher=TEACHER, net=None, **params):
    net = {} if net is None else net
    student = quick_net(ConvNet, **{"max_epochs": 3} | net)
    return quick(teacher, student=student, **params)


def assert_same(of_dataset, of_array):
    np.testing.assert_array_equal(of_dataset.predict_proba(IMAGES), of_array.predict_proba(IMAGES))
    assert of_dataset.history_["loss"].tolist() == of_array.history_["loss"].tolist()


DATASETS = {
    "tensors": (PAIRS, None),
    "arrays": (Labelled(), None),
    "labels given": (Images(), LABELS),
    "subset": (Subset(PAIRS, range(300)), None),
    "slices": (SliceDataset(PAIRS), LABELS),
}


@pytest.mark.parametrize(("X", "y"), DATASETS.values(), ids=DATASETS)
def test_dataset_gives_the_student_of_an_array(X, y):
    clf = image_clf().fit(X, y)
    assert_same(clf, image_clf().fit(IMAGES, LABELS))
    np.testing.assert_array_equal(clf.predict_proba(X), clf.predict_proba(IMAGES))
    assert clf.score(X, LABELS) == clf.score(IMAGES, LABELS) > 0.8
    assert clf.n_features_in_ == 1


@pytest.mark.parametrize(
    "params",
    [
        {"early_stopping": True},
        {"balancer": "sample_wise"},
        {"class_weight": {0: 0, 1: 1, 2: 2, 3: 1}},
        {"net": {"batch_size": -1}},
        {"net": {"iterator_train__drop_last": True}},
        {"net": {"iterator_train__shuffle": False}},
        {"net": {"iterator_train": type("MyLoader", (DataLoader,), {})}},
    ],
    ids=str,
)
def test_options_do_what_they_do_with_an_array(params):
    of_dataset, of_array = (
        image_clf(**params).fit(PAIRS, None),
        image_clf(**params).fit(IMAGES, LABELS),
    )
    difference = of_dataset.predict_proba(IMAGES) - of_array.predict_proba(IMAGES)
    assert np.abs(difference).max() < 1e-5


def test_rows_of_weight_zero_are_left_out():
    weight = np.tile([0.0, 1.0, 2.0], 100)
    of_dataset = image_clf().fit(PAIRS, None, sample_weight=weight)
    assert_same(of_dataset, image_clf().fit(IMAGES, LABELS, sample_weight=weight))


def test_probabilities_instead_of_a_teacher():
    of_dataset = image_clf(None).fit(PAIRS, None, teacher_proba=SEEN_ONCE)
    assert_same(of_dataset, image_clf(None).fit(IMAGES, LABELS, teacher_proba=SEEN_ONCE))


def test_workers_load_the_images():
    clf = image_clf(net={"iterator_train__num_workers": 2}).fit(PAIRS, None)
    assert_same(clf, image_clf().fit(IMAGES, LABELS))


class Watched:
    """A teacher that notes what it sees."""

    classes_ = [0, 1, 2, 3]
    seen: list = []

    def predict_proba(self, X):
        self.seen.append(X)
        return TEACHER.predict_proba(X)


@pytest.fixture
def seen(monkeypatch):
    monkeypatch.setattr(Watched, "seen", [])
    return Watched.seen


def test_teacher_sees_each_image_once_as_the_dataset_has_it(seen):
    bytes_ = (255 * IMAGES).astype(np.uint8)
    clf = image_clf(Watched()).fit(Images(bytes_), LABELS)
    np.testing.assert_array_equal(np.concatenate(seen), bytes_)
    assert seen[0].dtype == np.uint8
    assert_same(clf, image_clf(Watched()).fit(bytes_, LABELS))


def test_cache_knows_images_by_their_content(seen, tmp_path):
    def n_asked(images):
        seen.clear()
        image_clf(Watched(), memory=tmp_path).fit(Images(images), LABELS)
        return sum(map(len, seen))

    assert [n_asked(IMAGES), n_asked(IMAGES.copy()), n_asked(IMAGES[::-1])] == [300, 0, 300]


def test_random_changes_are_drawn_anew_by_seed_alone():
    def fitted(global_seed, **params):
        views = []

        def change(image):
            views.append(image + 0.1 * torch.randn(1, 8, 8).numpy())
            return views[-1]

        torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        clf = image_clf(**params).fit(Images(change=change), LABELS)
        clf.predict_proba(Images(change=change))
        assert torch.equal(torch.get_rng_state(), before)
        return clf, [view.tobytes() for view in views]

    clf, views = fitted(0)
    # One pass for the teacher, one for each of three epochs, and one to predict.
    assert len(views) >= 300 * 5 and len(set(views)) > 300 * 4
    assert_same(fitted(1)[0], clf)
    other, _ = fitted(0, random_state=1)
    assert not np.array_equal(other.predict_proba(IMAGES), clf.predict_proba(IMAGES))


def test_partial_fit_by_datasets():
    of_datasets, of_arrays = image_clf(), image_clf()
    for start in range(0, 300, 100):
        part = slice(start, start + 100)
        of_datasets.partial_fit(Subset(PAIRS, range(300)[part]), None, classes=[0, 1, 2, 3])
        of_arrays.partial_fit(IMAGES[part], LABELS[part], classes=[0, 1, 2, 3])
    assert_same(of_datasets, of_arrays)


def test_scikit_learn_takes_slices():
    X = SliceDataset(PAIRS)
    scores = cross_val_score(image_clf(), X, LABELS, cv=2, error_score="raise")
    expected = cross_val_score(image_clf(), IMAGES, LABELS, cv=2, error_score="raise")
    np.testing.assert_array_equal(scores, expected)
    search = GridSearchCV(image_clf(), {"temperature": [1.0, 2.0]}, cv=2, error_score="raise")
    assert search.fit(X, LABELS).predict(X).shape == (300,)


def test_fitted_classifier_holds_no_dataset():
    clf = image_clf().fit(Images(change=lambda image: image), LABELS)  # which can't be pickled
    loaded = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(loaded.predict(PAIRS), clf.predict(IMAGES))


def test_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image_clf().fit(PAIRS, None).predict(PAIRS)


def test_images_are_read_for_labels_only_where_there_are_none():
    images = Labelled()
    assert DatasetRows(images).labels().tolist() == LABELS.tolist() and len(images.read) >= 300
    images.read.clear()
    image_clf(None, net={"max_epochs": 1}).fit(images, LABELS, teacher_proba=SEEN_ONCE)
    assert 300 <= len(images.read) < 330  # one epoch, and a few to look at


def test_rows_of_a_dataset():
    rows = DatasetRows(PAIRS)
    assert rows.shape == IMAGES.shape and len(rows) == 300 and rows.dtype == np.float32
    np.testing.assert_array_equal(rows[5:8], IMAGES[5:8])
    np.testing.assert_array_equal(rows.take(np.array([2, 7, 9]))[1:], IMAGES[[7, 9]])
    assert DatasetRows(PAIRS, np.float64)[:2].dtype == np.float64


class Endless(IterableDataset):
    def __iter__(self):
        return iter([])


def holding(value):
    images = IMAGES.copy()
    images[7, 0, 2, 3] = value
    return Images(images)


BAD = {
    "cv": (
        {"teacher": LogisticRegression(), "cv": 3},
        PAIRS,
        None,
        ValueError,
        "unfitted teacher.*need the rows in an array",
    ),
    "augmenter": (
        {"augmenter": "shift_flip_crop"},
        PAIRS,
        None,
        ValueError,
        "an augmenter need the rows in an array.*augmenter=None",
    ),
    "pipeline": (
        {"student": make_pipeline(FunctionTransformer(), quick_net(ConvNet))},
        PAIRS,
        None,
        ValueError,
        "Pipeline would need its rows in an array",
    ),
    "no length": ({}, Endless(), LABELS, TypeError, "Endless has no length.*partial_fit"),
    "no labels": ({}, Images(), None, ValueError, "y is None.*Give y"),
    "no arrays": ({}, Images(["a", "b"]), [0, 1], TypeError, "gives str.*ToTensor"),
    "other length": (
        {},
        PAIRS,
        LABELS[:7],
        ValueError,
        r"inconsistent numbers of samples: \[300, 7\]",
    ),
    "no images": ({}, Images(IMAGES[:0]), [], ValueError, "0 images"),
    "nan": ({}, holding(np.nan), LABELS, ValueError, "contain NaN or infinity"),
    "infinity": ({}, holding(np.inf), LABELS, ValueError, "contain NaN or infinity"),
}


@pytest.mark.parametrize(("params", "X", "y", "kind", "match"), BAD.values(), ids=BAD)
def test_bad_input(params, X, y, kind, match):
    with pytest.raises(kind, match=match):
        image_clf().set_params(**params).fit(X, y)


@pytest.mark.parametrize(("X", "more"), [(PAIRS, IMAGES[:9]), (IMAGES, PAIRS), (PAIRS, PAIRS)])
def test_unlabeled_rows_are_no_dataset(X, more):
    with pytest.raises(ValueError, match="X_unlabeled and X can't be torch Datasets"):
        image_clf().fit(X, LABELS, X_unlabeled=more)


def test_other_images_at_prediction_time():
    clf = image_clf().fit(PAIRS, None)
    with pytest.raises(ValueError, match=r"shape \(1, 4, 4\).*fitted on rows of shape \(1, 8, 8\)"):
        clf.predict(Images(IMAGES[:, :, :4, :4]))
    with pytest.raises(ValueError, match="3 features.*expecting 1"):
        clf.predict(Images(IMAGES.repeat(3, axis=1)))


def test_reports_and_displays_of_a_dataset():
    clf = quick(TEACHER, student=quick_net(ConvNet, max_epochs=2)).fit(IMAGES, LABELS)
    options = {"baseline": None, "latency": False, "random_state": 0}
    of_dataset, of_array = (
        distillation_report(clf, X, LABELS, **options) for X in (Images(), IMAGES)
    )
    assert str(of_dataset) == str(of_array)
    display = FidelityDisplay.from_estimator(clf, Images(), LABELS)
    np.testing.assert_array_equal(
        display.counts, FidelityDisplay.from_estimator(clf, IMAGES, LABELS).counts
    )
