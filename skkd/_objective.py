"""What the objectives of all tasks share: both losses over some rows, weighted."""

import numpy as np
import torch
from torch import Tensor

from .balancers import BatchRows

#: The numbers of a batch's rows, or a slice of all rows.
Numbers = Tensor | slice


class Objective:
    """Both losses over some rows, as functions of a batch's outputs.

    Parameters
    ----------
    labels : Tensor of shape (n_rows,) or (n_rows, n_outputs)
        As the net is to give them.
    sample_weight : ndarray of shape (n_rows,) or (2, n_rows), or None
        It is divided by its mean. A batch's loss is then an unbiased estimate of
        ``sum(w * loss) / sum(w)``. For a batch of all rows, the two are equal.
    device, dtype
        Of the student's outputs.
    """

    def __init__(self, labels: Tensor, sample_weight: np.ndarray | None, device, dtype):
        self.labels = labels
        self.device, self.dtype = device, dtype
        self.weight: Tensor | None = None
        if sample_weight is not None:
            weight = np.atleast_2d(sample_weight)
            weight = weight / weight.mean(axis=1, keepdims=True)
            self.weight = torch.as_tensor(weight, dtype=dtype, device=device)
        #: Set by who needs ``row_losses`` after each call.
        self.keeps_rows = False
        self.row_losses: Tensor | None = None

    def __call__(self, outputs: Tensor, rows: Numbers) -> tuple[Tensor, Tensor]:
        """Return mean losses of shape (2,) and gradients of shape (2, n_rows, n_outputs)."""
        raise NotImplementedError

    def soften(self, temperature: float | str) -> None:
        """Make soft targets of this temperature, where there are any."""

    @property
    def settings(self) -> dict[str, float]:
        """What an epoch ran with, for the record."""
        return {}

    def row_weight(self, rows: Numbers) -> Tensor | None:
        """Return weights of shape (1, n_rows) with a mean of one over all rows; None if equal.

        They are those of the task loss.
        """
        return None if self.weight is None else self.weight[:1, rows]

    def batch_rows(self, outputs: Tensor, rows: Numbers) -> BatchRows:
        """Return a batch row by row, with the teacher's answers."""
        raise NotImplementedError
