"""The squared norms of both losses' gradients and their inner product: A, C, C, B.

In this order they are the Gram matrix of the pair of gradients, flattened.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def over_logits(gradients: Tensor, row_weight: Tensor | None = None) -> Tensor:
    r"""The Gram matrix over the logits of the batch, taken as a function of the rows.

    With :math:`w_i e_i` the gradient in the logits of row i, the inner product is the mean over the
    weighted rows, :math:`\sum_i w_i \langle e_{t,i}, e_{d,i} \rangle`: a row of weight two is the
    same as two rows.

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


def in_last_layer(gradients: Tensor, layer_input: Tensor) -> Tensor:
    r"""Both gradients in the weights of the last linear layer, :math:`g_i = e_i^T h`.

    Parameters
    ----------
    gradients : Tensor of shape (2, n_rows, n_classes)
        e, in the logits.
    layer_input : Tensor of shape (n_rows, n_features)
        h, the layer's input.

    Returns
    -------
    pair : Tensor of shape (2, n_classes * n_features)
    """
    layer_input = layer_input.unsqueeze(0).expand(2, -1, -1)
    return torch.bmm(gradients.transpose(1, 2), layer_input).view(2, -1)


def in_parameters(task: Sequence[Tensor], distillation: Sequence[Tensor]) -> Tensor:
    """Both gradients in all parameters as vectors, from one tensor for every parameter.

    Returns
    -------
    pair : Tensor of shape (2, n_parameters)
    """
    return torch.stack([torch.cat([g.flatten() for g in of]) for of in (task, distillation)])


def gram(pair: Tensor) -> Tensor:
    """The Gram matrix of two gradients, of shape (2, n)."""
    return torch.mm(pair, pair.t()).view(4)


class LastLayerInput:
    """Keeps the input of a module's last linear layer as the forward pass runs through it.

    Parameters
    ----------
    layer : nn.Linear
    """

    def __init__(self, layer: nn.Linear):
        self.value = torch.empty(0)
        self._handle = layer.register_forward_pre_hook(self._keep)

    def _keep(self, layer, inputs) -> None:
        self.value = inputs[0].detach()

    def close(self) -> None:
        self._handle.remove()
        self.value = torch.empty(0)


def find_last_layer(module: nn.Module, probe, n_classes: int) -> nn.Linear | None:
    """The linear layer that ran last in a forward pass and gives one output a class, if any did."""
    seen: list[tuple[nn.Module, Tensor]] = []
    handles = [
        part.register_forward_hook(lambda part, inputs, output: seen.append((part, output)))
        for part in module.modules()
        if not list(part.children()) and list(part.parameters(recurse=False))
    ]
    try:
        probe()
    finally:
        for handle in handles:
            handle.remove()
    if not seen:
        return None
    last, output = seen[-1]
    usable = isinstance(last, nn.Linear) and last.out_features == n_classes and output.ndim == 2
    return last if usable else None  # type: ignore[return-value]
