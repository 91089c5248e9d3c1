"""One optimizer step: both losses, the balancer's weights, one weighted gradient."""

import inspect
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from skorch import NeuralNet
from torch import Tensor
from torch.nn import Parameter

from .._objective import Objective
from .._random import PrivateTorchState
from .._student import Forward
from ..balancers import Balancer, StepState
from . import gram
from .processes import Processes
from .synthetic import SyntheticRows


class Outcome(NamedTuple):
    """What a step saw, as it was before the step.

    Attributes
    ----------
    losses : Tensor of shape (2,)
        Of the task and of the distillation.
    weight : float or Tensor
        The teacher's weight λ. Where rows have weights of their own: their mean, smallest and
        largest, and the weighted loss.
    gram : Tensor of shape (4,) or None
        Inner products of both losses' gradients, where the balancer looks at them.
    synthetic_loss : Tensor or None
        The distillation loss of the rows without labels, where there are any.
    logits : Tensor of shape (n_rows, n_outputs)
    """

    losses: Tensor
    weight: float | Tensor
    gram: Tensor | None
    synthetic_loss: Tensor | None
    logits: Tensor


class Step:
    """How one batch changes the net.

    Parameters
    ----------
    net : skorch.NeuralNet
        Initialized; its parameters are changed in place.
    objective : Objective
        Gives both losses and their gradients in the logits.
    balancer : Balancer
        Reset.
    torch_state : PrivateTorchState
        What random layers draw from.
    synthetic : SyntheticRows or None
        Rows without labels that join each batch.
    processes : Processes or None
        Where each of several processes sees its part of a batch.
    """

    def __init__(
        self,
        net: NeuralNet,
        objective: Objective,
        balancer: Balancer,
        torch_state: PrivateTorchState,
        synthetic: SyntheticRows | None = None,
        processes: Processes | None = None,
    ):
        self.objective = objective
        self.balancer = balancer
        self.torch_state = torch_state
        self.synthetic = synthetic
        self.processes = processes
        self.state = StepState()
        self.is_on_cpu = torch.device(net.device).type == "cpu"
        self.optimizer = net.optimizer_
        self.parameters: list[Parameter] = []
        for group in self.optimizer.param_groups:
            self.parameters += group["params"]
        self.forward = Forward(net)
        self.is_random: bool | None = None  # known after the first forward pass
        needs = balancer.requirements()
        self.gives_losses = "losses" in needs
        self.looks_back = "losses_after" in needs
        self.gradients = balancer.gradients if "gradients" in needs else None
        self.gives_rows = objective.keeps_rows = "rows" in needs
        inner = getattr(self.optimizer, "optimizer", self.optimizer)  # that of an accelerator's
        closure = inspect.signature(inner.step).parameters.get("closure")
        self.takes_closure = closure is not None and closure.default is inspect.Parameter.empty

    def __call__(self, X, rows, on_gradients: Callable[[], None] | None) -> Outcome:
        """Change the net by one batch.

        Parameters
        ----------
        X : batch of the net's input
        rows : int64 Tensor or slice
            Which rows they are.
        on_gradients : callable or None
            Called between the backward pass and the optimizer's step.
        """
        batch = X if self.synthetic is None else torch.cat([X, self.synthetic.take()])
        if self.takes_closure:  # such as LBFGS, which looks several times
            outcome = self._step_with_closure(batch, rows, on_gradients)
        else:
            outcome = self._backward(batch, rows, on_gradients)
            self.optimizer.step()
        if self.looks_back:
            self._look_back(X, rows)
            self.balancer.update(self.state)
        return outcome

    def _step_with_closure(self, batch, rows, on_gradients) -> Outcome:
        outcomes = []

        def closure() -> Tensor:
            outcomes.append(self._backward(batch, rows, on_gradients))
            return self.followed_loss(outcomes[-1])

        self.optimizer.step(closure)
        return outcomes[-1]

    def followed_loss(self, outcome: Outcome) -> Tensor:
        """Return the loss that a step followed."""
        losses, weight = outcome.losses, outcome.weight
        if self.gives_rows:
            assert isinstance(weight, Tensor)
            total = weight[3]
        else:
            total = losses[0] + weight * (losses[1] - losses[0])
        if self.synthetic is None or outcome.synthetic_loss is None:
            return total
        return total + self.synthetic.share * (outcome.synthetic_loss - total)

    def _backward(self, batch, rows, on_gradients) -> Outcome:
        """Set the gradients of the net's parameters."""
        output = self._logits(batch)
        logits = output.detach()
        of_synthetic: Tensor | None = None
        synthetic_loss: Tensor | None = None
        if self.synthetic is not None:
            n_synthetic = self.synthetic.n_taken
            synthetic_loss, of_synthetic = self.synthetic(logits[-n_synthetic:])
            logits = logits[:-n_synthetic]
        losses, gradients = self.objective(logits, rows)
        if self.processes is not None:
            losses, gradients = self.processes.over_batch(losses, gradients)
        if self.gives_losses:
            self.state.task_loss, self.state.distillation_loss = self._scalars(losses)
        if self.gives_rows:
            self.state.rows = self.objective.batch_rows(logits, rows)
        products: Tensor | None
        if self.gradients == "all":
            products = self._two_passes(output, gradients, of_synthetic)
        else:
            products = self._one_pass(output, gradients, of_synthetic, rows)
        if self.processes is not None:
            self.processes.sum_gradients(self.parameters)
        if on_gradients is not None:
            on_gradients()
        weight = self._spread(rows) if self.gives_rows else self.balancer.weight_
        return Outcome(losses, weight, products, synthetic_loss, logits)

    def _one_pass(self, output, gradients: Tensor, of_synthetic, rows) -> Tensor | None:
        """Weigh in the logits, then go back through the student once."""
        products = None
        if self.gradients is not None:
            products = gram.over_logits(gradients, self.objective.row_weight(rows))
            products = products if self.processes is None else self.processes.sum(products)
            self._tell(products)
        self._follow(output, self.balancer.weights(self.state), gradients, of_synthetic)
        return products

    def _follow(self, output, weights: tuple, gradients: Tensor, of_synthetic) -> None:
        """Go back through the student with the weighted gradients in the logits."""
        for parameter in self.parameters:
            parameter.grad = None
        task, distillation = weights
        if isinstance(task, Tensor) and task.ndim:  # one a row
            task, distillation = task.unsqueeze(-1), distillation.unsqueeze(-1)
        gradient = task * gradients[0] + distillation * gradients[1]
        if self.synthetic is not None:
            share = self.synthetic.share
            gradient = torch.cat([(1.0 - share) * gradient, share * of_synthetic])
        output.backward(gradient)

    def _two_passes(self, output, gradients: Tensor, of_synthetic) -> Tensor:
        """Go back with each loss by itself, then weigh in the parameters: no third pass.

        There is one only where rows have weights of their own, or rows without labels a loss of
        their own: then the step is not a combination of both gradients.
        """
        needs_third = self.gives_rows or of_synthetic is not None
        of_rows = output[: gradients.shape[1]]
        of_task = self._in_parameters(of_rows, gradients[0], retain_graph=True)
        of_teacher = self._in_parameters(of_rows, gradients[1], retain_graph=needs_third)
        pair = gram.in_parameters(of_task, of_teacher)
        products = gram.gram(pair if self.processes is None else self.processes.sum(pair))
        self._tell(products)
        task, distillation = self.balancer.weights(self.state)
        if needs_third:
            self._follow(output, (task, distillation), gradients, of_synthetic)
            return products
        for parameter, g_task, g_teacher in zip(self.parameters, of_task, of_teacher, strict=True):
            parameter.grad = task * g_task + distillation * g_teacher
        return products

    def _spread(self, rows) -> Tensor:
        """Return mean, smallest and largest weight of the rows, and the weighted loss."""
        assert self.objective.row_losses is not None
        task, distillation = self.objective.row_losses.unbind()
        weight = self.balancer.weight_
        if not isinstance(weight, Tensor):
            weight = task.new_tensor(weight)
        total = (task + weight * (distillation - task)).sum()
        sample_weight = self.objective.row_weight(rows)
        mean = weight.mean()
        if sample_weight is not None:
            mean = (sample_weight * weight).sum() / sample_weight.sum()
        return torch.stack([mean, weight.min(), weight.max(), total])

    def _tell(self, products: Tensor) -> None:
        self.state.A, self.state.C, _, self.state.B = self._scalars(products)

    def _scalars(self, values: Tensor):
        """Return entries as a balancer takes them, without waiting for the device."""
        if self.is_on_cpu:
            return map(np.float64, values.tolist())  # a third of the time of double().numpy()
        return values.double().unbind()

    def _in_parameters(self, logits, gradient, *, retain_graph: bool) -> tuple[Tensor, ...]:
        return torch.autograd.grad(
            logits, self.parameters, gradient, retain_graph=retain_graph, materialize_grads=True
        )

    def _logits(self, X) -> Tensor:
        """Return logits in training mode; random layers draw from this training's own state."""
        if self.is_random is None:
            output, self.is_random = self.torch_state.is_drawn_by(self.forward, X)
            return output
        if not self.is_random:
            return self.forward(X)
        with self.torch_state.active():
            return self.forward(X)

    @torch.no_grad()
    def _look_back(self, X, rows) -> None:
        losses, gradients = self.objective(self._logits(X), rows)
        if self.processes is not None:
            losses, _ = self.processes.over_batch(losses, gradients)
        task, distillation = self._scalars(losses)
        self.state.task_loss_after, self.state.distillation_loss_after = task, distillation
