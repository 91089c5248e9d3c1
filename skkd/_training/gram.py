"""The squared norms of both losses' gradients and their inner product: A, C, C, B.

In this order they are the Gram matrix of the pair of gradients, flattened.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def over_logits(gradients: Tensor, row_weight: Tensor | None = None) -> Tensor:
    r"""Return the Gram matrix over the logits of the batch, taken as a function of the rows.

    Let :math:`w_i e_i` be the gradient in the logits of row i. The inner product is
    :math:`\sum_i w_i \langle e_{t,i}, e_{d,i} \rangle`, the mean over the weighted rows. A row of
    weight two is the same as two rows.

    Parameters
    ----------
    gradients : Tensor of shape (2, n_rows, n_classes)
        :math:`w_i e_i`.
    row_weight : Tensor of shape (1, n_rows) or None
        :math:`w_i`, up to a factor; None: all equal.
    """
    pair = gradients.reshape(2, -1)
    if row_weight is None:
        return gram(pair)
    unweighted = (gradients / row_weight.unsqueeze(-1)).reshape(2, -1)
    return torch.mm(pair, unweighted.t()).view(4)


def in_parameters(task: Sequence[Tensor], distillation: Sequence[Tensor]) -> Tensor:
    """Return both gradients as vectors, of shape (2, n), from a tensor for every parameter."""
    return torch.stack([torch.cat([g.flatten() for g in of]) for of in (task, distillation)])


def gram(pair: Tensor) -> Tensor:
    """Return the Gram matrix of two gradients, of shape (2, n)."""
    return torch.mm(pair, pair.t()).view(4)
