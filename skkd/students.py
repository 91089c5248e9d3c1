"""The default student and its parts, to be used as they are or built upon."""

import math

import numpy as np
import torch
from scipy import sparse
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback
from torch import Tensor, nn

from ._chunks import row_slices

__all__ = ["LearningRateSchedule", "TabularMLP", "default_student"]


def default_student() -> NeuralNetClassifier:
    """The student that ``DistilledClassifier(teacher, student=None)`` trains.

    A :class:`TabularMLP` under AdamW with a warmed-up cosine learning rate. Parameters of
    ``"auto"`` are sized to the data in ``fit``.

    Returns
    -------
    net : skorch.NeuralNetClassifier

    Examples
    --------
    >>> from skkd.students import default_student
    >>> default_student().set_params(lr=0.01).lr
    0.01
    """
    return NeuralNetClassifier(
        TabularMLP,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=0.1,
        optimizer__fused=True,
        lr=2e-3,
        max_epochs="auto",
        batch_size="auto",
        module__hidden="auto",
        module__dropout="auto",
        callbacks=[("lr_schedule", LearningRateSchedule())],
        train_split=None,
        verbose=0,
    )


class TabularMLP(nn.Module):
    """A multilayer perceptron that standardises its input.

    Parameters
    ----------
    n_features, n_classes : int
        Width of input and output; filled in by ``DistilledClassifier``.
    hidden : sequence of int, default=(128, 128)
        Widths of the hidden layers.
    dropout : float, default=0.0
        Share of hidden units dropped in a training step.

    Examples
    --------
    >>> import torch
    >>> TabularMLP(n_features=4, n_classes=3)(torch.zeros(2, 4)).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        n_features: int,
        n_classes: int,
        hidden: tuple[int, ...] = (128, 128),
        dropout: float = 0.0,
    ):
        super().__init__()
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("scale", torch.ones(n_features))
        widths = [n_features, *hidden]
        layers: list[nn.Module] = []
        for n_in, n_out in zip(widths, widths[1:], strict=False):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
            if dropout:
                layers.append(nn.Dropout(dropout))
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], n_classes))

    def forward(self, X: Tensor) -> Tensor:
        """Logits of shape (n_rows, n_classes) for X of shape (n_rows, n_features)."""
        return self.layers((X.flatten(1) - self.mean) * self.scale)

    def adapt(self, X, sample_weight: np.ndarray | None = None) -> None:
        """Learn mean and scale from the training rows; constant features keep their scale.

        Parameters
        ----------
        X : array or CSR matrix of shape (n_rows, ...)
        sample_weight : ndarray of shape (n_rows,), default=None
        """
        mean, variance = _weighted_moments(X, sample_weight)
        scale = np.sqrt(variance)
        scale[scale <= 10 * np.finfo(scale.dtype).eps * np.abs(mean)] = 1.0
        self.mean.copy_(torch.as_tensor(mean))
        self.scale.copy_(torch.as_tensor(1.0 / scale))


def _weighted_moments(X, sample_weight: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of every feature in float64, in two passes over chunks of rows."""
    n_rows = X.shape[0]
    total = n_rows if sample_weight is None else sample_weight.sum(dtype=np.float64)

    def weighted_sum(of) -> np.ndarray:
        summed = np.zeros(math.prod(X.shape[1:]))
        for rows in row_slices(X):
            part = of(_dense(X[rows]))
            weight = np.ones(len(part)) if sample_weight is None else sample_weight[rows]
            summed = summed + (weight / total) @ part
        return summed

    mean = weighted_sum(lambda rows: rows)
    variance = weighted_sum(lambda rows: (rows - mean) ** 2)
    return mean, variance


def _dense(rows) -> np.ndarray:
    rows = rows.toarray() if sparse.issparse(rows) else np.asarray(rows)
    return rows.reshape(len(rows), -1).astype(np.float64, copy=False)


class LearningRateSchedule(Callback):
    """Warm the learning rate up linearly, then let it fall along a cosine, step by step.

    Parameters
    ----------
    warmup : float, default=0.05
        Share of the training over which the rate rises to the net's ``lr``.
    final : float, default=0.01
        The last rate as a share of ``lr``.

    Examples
    --------
    >>> LearningRateSchedule(warmup=0.1).factor(0.05)
    0.5
    """

    def __init__(self, warmup: float = 0.05, final: float = 0.01):
        self.warmup = warmup
        self.final = final

    def factor(self, progress: float) -> float:
        """The learning rate as a share of the net's ``lr`` at a progress in [0, 1]."""
        if progress < self.warmup:
            return progress / self.warmup
        fallen = (progress - self.warmup) / (1.0 - self.warmup)
        return self.final + (1.0 - self.final) * (0.5 + 0.5 * math.cos(math.pi * fallen))

    def on_batch_begin(self, net, batch=None, training=None, progress=None, **kwargs) -> None:
        """Set the rate of every parameter group; without a known progress it stays ``lr``."""
        if progress is None:
            return
        lr = net.lr * max(self.factor(progress), 1e-3)
        for group in net.optimizer_.param_groups:
            group["lr"] = lr
