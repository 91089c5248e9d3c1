"""A net so small that its losses can be recomputed, and differentiated by finite differences."""

import numpy as np
import torch
from scipy.special import log_softmax, xlogy
from skorch import NeuralNetClassifier
from torch import nn
from torch.nn.utils import parameters_to_vector

from skkd._classification import Classification
from skkd._random import PrivateTorchState
from skkd._training.step import Step
from skkd.losses import kl


class TinyProblem:
    """Twelve rows, and a net with 43 float64 parameters under plain gradient descent.

    Parameters
    ----------
    balancer : Balancer
    lr : float
        Step size.
    conflict : bool
        Whether the teacher contradicts the labels.
    """

    def __init__(self, balancer, lr, *, seed=0, conflict=False):
        rng = np.random.default_rng(seed)
        self.X = rng.standard_normal((12, 4))
        self.labels = rng.permutation(np.arange(12) % 3)
        self.proba = rng.dirichlet(np.ones(3), 12)
        if conflict:
            self.proba = 0.02 * self.proba + 0.98 * np.eye(3)[(self.labels + 1) % 3]
        torch.manual_seed(seed)
        module = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
        net = NeuralNetClassifier(module, criterion=nn.CrossEntropyLoss, lr=lr).initialize()
        task = Classification(np.arange(3))
        objective = task.objective(self.labels, self.proba, None, kl, "cpu", torch.float64)
        objective.soften(1.0)
        self.module = net.module_
        self._step = Step(net, objective, balancer.reset(), PrivateTorchState(0))

    @property
    def theta(self):
        """All parameters of the net as one vector."""
        return parameters_to_vector(self.module.parameters()).detach().numpy().copy()

    @property
    def gradient(self):
        """The gradient that the last step left in the parameters, as one vector."""
        return torch.cat([p.grad.flatten() for p in self.module.parameters()]).numpy().copy()

    @property
    def state(self):
        """What the balancer was told."""
        return self._step.state

    def logits(self, theta=None):
        """The student's logits, by numpy."""
        theta = self.theta if theta is None else theta
        W, b, V, c = np.split(theta, [20, 25, 40])
        hidden = np.tanh(self.X @ W.reshape(5, 4).T + b)
        return hidden @ V.reshape(3, 5).T + c

    def row_losses(self, theta=None):
        """Task and distillation loss of each row, of shape (2, 12), by numpy."""
        log_p = log_softmax(self.logits(theta), axis=1)
        task = -log_p[np.arange(12), self.labels]
        distillation = (xlogy(self.proba, self.proba) - self.proba * log_p).sum(axis=1)
        return np.array([task, distillation])

    def losses(self, theta=None):
        """Task and distillation loss, by numpy."""
        return self.row_losses(theta).mean(axis=1)

    def slopes(self, theta, direction, h=1e-5):
        """Slopes of both losses along a direction, by finite differences."""
        return (self.losses(theta + h * direction) - self.losses(theta - h * direction)) / (2 * h)

    def curvatures(self, theta, direction, h=1e-3):
        """Second derivatives of both losses along a direction, by finite differences."""
        outer = self.losses(theta + h * direction) + self.losses(theta - h * direction)
        return (outer - 2 * self.losses(theta)) / h**2

    def step(self, progress=0.0):
        """Take one step; return the balancing parameter and the A, B, C that it used, if any."""
        self._step.state.progress = progress
        outcome = self._step(torch.as_tensor(self.X), slice(None), None)
        weight, gram = outcome.weight, outcome.gram
        weight = weight[0] if torch.is_tensor(weight) and weight.ndim else weight
        if gram is None:
            return float(weight), None
        A, C, _, B = gram.tolist()
        return float(weight), (A, B, C)
