"""What a step does to held-out rows: the slopes that a hypergradient is made of."""

import torch
from skorch import NeuralNet
from torch import Tensor
from torch.nn.functional import one_hot

from .._student.net import as_logits, gives_probabilities, plain_forward
from .batches import RowBatches
from .gram import LastLayerInput


class LookAhead:
    """Gradients of the task loss of held-out rows, a batch after the other, in evaluation mode.

    Parameters
    ----------
    net : skorch.NeuralNet
    X : array or CSR matrix of shape (n_rows, ...)
        The held-out rows.
    labels : int ndarray of shape (n_rows,)
    sample_weight : ndarray of shape (n_rows,) or None
    layer_input : LastLayerInput or None
        None takes gradients in all parameters.
    parameters : list of Tensor
        All that the optimizer changes.
    seed : int
        Of the order of the rows.
    """

    def __init__(
        self,
        net: NeuralNet,
        X,
        labels,
        sample_weight,
        *,
        n_classes: int,
        layer_input: LastLayerInput | None,
        parameters: list[Tensor],
        batch_size: int,
        seed: int,
    ):
        # Set by hand: Module.train() for each look took a tenth of a step.
        self.modules = [vars(part) for part in net.module_.modules()]
        self.forward = plain_forward(net)
        self.are_probabilities = gives_probabilities(net)
        self.layer_input = layer_input
        self.parameters = parameters
        dtype = parameters[0].dtype
        self.targets = one_hot(torch.as_tensor(labels, dtype=torch.int64), n_classes)
        self.targets = self.targets.to(device=net.device, dtype=dtype)
        self.weight = None
        if sample_weight is not None:
            weight = torch.as_tensor(sample_weight / sample_weight.mean(), dtype=dtype)
            self.weight = weight.to(net.device).unsqueeze(-1)
        batches = RowBatches(
            X,
            batch_size=min(batch_size, X.shape[0]),
            shuffle=True,
            drop_last=False,
            device=net.device,
            seed=seed,
        )
        self.batches = batches.endless()

    def slopes(self, pair: Tensor) -> Tensor:
        """Inner products of the next batch's gradient with two others, of shape (2,).

        Parameters
        ----------
        pair : Tensor of shape (2, n)
            Gradients of task and distillation loss, as :mod:`skkd._training.gram` gives them.
        """
        X, rows = next(self.batches)
        in_training = [part["training"] for part in self.modules]
        for part in self.modules:
            part["training"] = False
        with torch.set_grad_enabled(self.layer_input is None):
            logits = as_logits(self.forward(X), self.are_probabilities)
        for part, flag in zip(self.modules, in_training, strict=True):
            part["training"] = flag
        in_logits = torch.softmax(logits.detach(), -1) - self.targets[rows]
        if self.weight is not None:
            in_logits *= self.weight[rows]
        if self.layer_input is not None:
            gradient = torch.mm(in_logits.t(), self.layer_input.value).view(-1)
        else:
            parts = torch.autograd.grad(logits, self.parameters, in_logits, materialize_grads=True)
            gradient = torch.cat([part.flatten() for part in parts])
        return torch.mv(pair, gradient) / len(logits)
