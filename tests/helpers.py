"""Small data, teachers and students that the tests share, also with their worker processes."""

import sys

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from skorch import NeuralNetClassifier
from torch import nn
from torch.utils.data import default_collate

from skkd import DistilledClassifier
from skkd.losses import kl


def make_data(n_rows=60, n_classes=3, seed=0, dtype=np.float64):
    """Rows of 5 features that overlap, so that no teacher of them is sure of itself."""
    X, y = make_classification(
        n_rows,
        5,
        n_informative=4,
        n_redundant=0,
        n_classes=n_classes,
        flip_y=0.1,
        random_state=seed,
    )
    return X.astype(dtype), y


# Teachers


class FitForbidden(LogisticRegression):
    """A teacher that nobody may fit."""

    def fit(self, X, y, sample_weight=None):
        raise AssertionError("a fitted teacher was fitted again")


def fitted_teacher(X, y):
    """A fitted teacher that fails the test if it is ever fitted again."""
    teacher = FitForbidden()
    vars(teacher).update(vars(LogisticRegression().fit(X, y)))
    return teacher


class Memory(ClassifierMixin, BaseEstimator):
    """Knows the label of each row that it was fitted on; of all others it knows nothing."""

    def fit(self, X, y, sample_weight=None):
        self.classes_, columns = np.unique(y, return_inverse=True)
        self.known_ = {tuple(row): column for row, column in zip(X, columns, strict=True)}
        return self

    def predict_proba(self, X):
        proba = np.full((len(X), len(self.classes_)), 1 / len(self.classes_))
        for row, values in zip(proba, X, strict=True):
            if tuple(values) in self.known_:
                row[:] = 0.0
                row[self.known_[tuple(values)]] = 1.0
        return proba


class Says(ClassifierMixin, BaseEstimator):
    """A fitted teacher that gives the same answer whatever the question; keeps the questions."""

    def __init__(self, classes, proba):
        self.classes = classes
        self.proba = proba
        self.classes_ = np.asarray(classes)
        self.asked = []

    def fit(self, X, y):
        raise AssertionError("a fitted teacher was fitted again")

    def predict_proba(self, X):
        self.asked.append(X)
        proba = np.asarray(self.proba)
        return np.tile(proba, (len(X), 1)) if proba.ndim == 1 else proba


class SoftTargets:
    """A distillation loss that keeps the soft targets it is given."""

    def __call__(self, student_logits, soft_targets, temperature):
        self.seen = soft_targets.numpy().copy()
        return kl(student_logits, soft_targets, temperature)


def targets_seen(teacher, X, y, *, fit_params=None, **params):
    """The teacher's signal as it reaches the loss, and the fitted estimator.

    Not calibrated, unless that is asked for.
    """
    loss = SoftTargets()
    params = {"calibrate": None, "augmenter": None, "distillation_loss": loss} | params
    clf = DistilledClassifier(teacher, quick_net(max_epochs=1), **params)
    clf.fit(X, y, **(fit_params or {}))
    return loss.seen, clf


# Students


class Net(nn.Module):
    """One hidden layer; ``end`` is a module after the logits, ``extra`` one before them."""

    def __init__(self, n_features, n_classes, hidden=8, extra=None, end=None):
        super().__init__()
        parts = [nn.Linear(n_features, hidden), nn.Tanh()]
        parts += [] if extra is None else [extra]
        parts += [nn.Linear(hidden, n_classes)]
        parts += [] if end is None else [end]
        self.layers = nn.Sequential(*parts)

    def forward(self, X):
        return self.layers(X)


class DropoutNet(Net):
    def __init__(self, n_features, n_classes):
        super().__init__(n_features, n_classes, extra=nn.Dropout(0.5))


class FailingNet(Net):
    """Misbehaves from a given training step on."""

    def __init__(self, n_features, n_classes, good_steps, failure):
        super().__init__(n_features, n_classes)
        self.steps_left = good_steps
        self.failure = failure

    def forward(self, X):
        logits = super().forward(X)
        if self.training:
            self.steps_left -= 1
            if self.steps_left < 0:
                if isinstance(self.failure, float):
                    return logits * self.failure
                raise self.failure
        return logits


class ConvNet(nn.Module):
    """A small convolutional net for images of shape (1, 8, 8)."""

    def __init__(self, n_classes):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, n_classes)
        )

    def forward(self, X):
        return self.layers(X)


class Noise:
    """A collate function that adds noise: an augmentation as users write it."""

    def __call__(self, batch):
        rows, labels = default_collate(batch)
        return rows + 0.1 * torch.randn_like(rows), labels


def quick_net(module=Net, **params):
    """A skorch net as a user would write it, that learns in few epochs."""
    defaults = {"max_epochs": 15, "lr": 0.05, "batch_size": 64, "optimizer": torch.optim.Adam}
    return NeuralNetClassifier(module, **defaults | params)


def quick(teacher, **params):
    """A classifier that trains in milliseconds; makes synthetic rows only where it is told to."""
    defaults = {"student": quick_net(), "augmenter": None, "random_state": 0}
    return DistilledClassifier(teacher, **defaults | params)


def same_state(a: dict, b: dict) -> bool:
    """Whether two state dicts hold the same tensors."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def patch_everywhere(monkeypatch, name, value):
    """Set a constant of the package in each of its modules that knows it by this name."""
    found = [
        module
        for path, module in sys.modules.items()
        if path.partition(".")[0] == "skkd" and name in vars(module)
    ]
    assert found
    for module in found:
        monkeypatch.setattr(module, name, value)
