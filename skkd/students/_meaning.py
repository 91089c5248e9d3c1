"""What pruning keeps of outputs: probabilities, or numbers with a variance around them."""

import torch
from torch import Tensor


def answers_of(outputs: Tensor, variance: float | None) -> Tensor:
    """Return what pruning is to keep: log-probabilities of logits, or numbers."""
    return torch.log_softmax(outputs, 1) if variance is None else outputs


def divergence(before: Tensor, outputs: Tensor, variance: float | None) -> Tensor:
    """Return the Kullback-Leibler divergence of each row from earlier answers, in nats."""
    difference = before - answers_of(outputs, variance)
    if variance is None:
        return (before.exp() * difference).sum(1)
    return difference.square().sum(1) / (2.0 * variance)


def importance_of(before: Tensor, variance: float | None) -> Tensor:
    """Return how much the answers of each row move with its outputs."""
    if variance is not None:
        return torch.ones_like(before[:, 0])
    proba = before.exp()
    return (proba * (1.0 - proba)).sum(1)
