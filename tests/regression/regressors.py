"""Rows, a linear student and a quick regressor that the tests of regression share."""

import numpy as np
import torch
from sklearn.datasets import make_friedman1
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetRegressor
from torch import nn

from skkd import DistilledRegressor

X, Y = make_friedman1(240, 5, noise=0.5, random_state=0)
X = StandardScaler().fit_transform(X)
BOTH = np.stack([Y, -3 * Y + X[:, 0]], axis=1)


class Linear(nn.Linear):
    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)


def linear_net(**params):
    """A linear student whose training ends at the least squares solution."""
    params = {"lr": 0.2, "max_epochs": 100, "batch_size": -1} | params
    return NeuralNetRegressor(Linear, optimizer=torch.optim.SGD, **params)


def quick(teacher=None, student=None, **params):
    student = linear_net(max_epochs=20, lr=0.1) if student is None else student
    params = {"augmenter": None, "cv": 3, "random_state": 0} | params
    return DistilledRegressor(Ridge() if teacher is None else teacher, student, **params)
