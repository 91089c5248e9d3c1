"""One optimizer step: both losses, the balancer's word, one weighted gradient."""

import inspect
from collections.abc import Callable

import numpy as np
import torch
from skorch import NeuralNet
from torch import Tensor

from .._random import PrivateTorchState
from .._student.net import as_logits, gives_probabilities, plain_forward
from ..balancers import Balancer, StepState
from . import gram as _gradients
from .objective import Autograd, ClosedForm
from .processes import Processes
from .synthetic import NewRows

#: Called as ``record(losses, weight, gram, new_loss)`` in every step. Where rows have weights of
#: their own, ``weight`` holds their mean, smallest and largest, and the weighted loss. ``new_loss``
#: is that of the new rows, if there are any.
Record = Callable[[Tensor, Tensor | float, Tensor | None, Tensor | None], None]


class Step:
    """How one batch changes the net.

    Parameters
    ----------
    net : skorch.NeuralNet
        Initialised; its parameters are changed in place.
    objective : ClosedForm or Autograd
        Gives both losses and their gradients in the logits.
    balancer : Balancer
        Reset.
    torch_state : PrivateTorchState
        Which random layers draw from.
    new_rows : NewRows or None
        Rows without labels that join each batch.
    processes : Processes or None
        Where each of several processes sees its part of a batch.
    """

    def __init__(
        self,
        net: NeuralNet,
        objective: ClosedForm | Autograd,
        balancer: Balancer,
        torch_state: PrivateTorchState,
        new_rows: NewRows | None = None,
        processes: Processes | None = None,
    ):
        self.net = net
        self.objective = objective
        self.balancer = balancer
        self.torch_state = torch_state
        self.new_rows = new_rows
        self.processes = processes
        self.new_loss: Tensor | None = None
        self.state = StepState()
        self.is_on_cpu = torch.device(net.device).type == "cpu"
        self.optimizer = net.optimizer_
        self.parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        self.forward = plain_forward(net)
        self.is_random: bool | None = None  # known after the first forward pass
        self.are_probabilities = gives_probabilities(net)
        needs = balancer.requirements()
        self.gives_losses = "losses" in needs
        self.looks_back = "losses_after" in needs
        self.gradients = balancer.gradients if "gradients" in needs else None
        self.gives_rows = objective.keeps_rows = "rows" in needs
        self.total: Tensor | None = None
        inner = getattr(self.optimizer, "optimizer", self.optimizer)  # that of an accelerator's
        closure = inspect.signature(inner.step).parameters.get("closure")
        self.takes_closure = closure is not None and closure.default is inspect.Parameter.empty

    def __call__(self, X, rows, record: Record, on_gradients: Callable[[], None] | None) -> tuple:
        """Change the net by one batch; return both losses before the step, and the logits.

        Parameters
        ----------
        X : batch of the net's input
        rows : int64 Tensor or slice
            Which rows they are.
        record : callable
            Takes losses, balancing parameter, A, B, C, and the loss of the new rows.
        on_gradients : callable or None
            Called between the backward pass and the optimizer's step.
        """

        losses = logits = None
        batch = X if self.new_rows is None else torch.cat([X, self.new_rows.take()])

        def backward() -> Tensor:
            nonlocal losses, logits
            losses, logits = self._backward(batch, rows, record)
            if self.processes is not None:
                self.processes.sum_gradients(self.parameters)
            if on_gradients is not None:
                on_gradients()
            return losses

        if self.takes_closure:  # such as LBFGS, which looks several times
            self.optimizer.step(lambda: self.weighted(backward()))
        else:
            backward()
            self.optimizer.step()
        if self.looks_back:
            self._look_back(X, rows)
            self.balancer.update(self.state)
        return losses, logits

    def weighted(self, losses: Tensor) -> Tensor:
        """The loss that the last step followed."""
        total = self.total
        if total is None:
            total = losses[0] + self.balancer.weight_ * (losses[1] - losses[0])
        if self.new_rows is None or self.new_loss is None:
            return total
        return total + self.new_rows.share * (self.new_loss - total)

    def _backward(self, batch, rows, record: Record) -> tuple[Tensor, Tensor]:
        gram: Tensor | None
        of_batch = self._logits(batch)
        logits, of_new = of_batch, None
        if self.new_rows is not None:
            n_new = self.new_rows.n_taken
            logits = of_batch[:-n_new]
            self.new_loss, of_new = self.new_rows(of_batch[-n_new:].detach())
        losses, gradients = self._of_batch(logits.detach(), rows)
        if self.gives_losses:
            self.state.task_loss, self.state.distillation_loss = self._scalars(losses)
        if self.gives_rows:
            self.state.rows = self.objective.batch_rows(logits.detach(), rows)
        if self.gradients == "all":
            gram = self._two_passes(of_batch, gradients, of_new)
        else:
            gram = self._one_pass(of_batch, gradients, of_new, rows)
        weight = self._spread(rows) if self.gives_rows else self.balancer.weight_
        record(losses, weight, gram, self.new_loss)
        return losses, logits.detach()

    def _one_pass(self, logits, gradients: Tensor, of_new: Tensor | None, rows) -> Tensor | None:
        """Weigh in the logits, then go back through the student once."""
        gram = None
        if self.gradients is not None:
            gram = _gradients.over_logits(gradients, self.objective.row_weight(rows))
            gram = gram if self.processes is None else self.processes.sum(gram)
            self._tell(gram)
        self._follow(logits, self.balancer.weights(self.state), gradients, of_new)
        return gram

    def _follow(self, logits, weights: tuple, gradients: Tensor, of_new: Tensor | None) -> None:
        """Go back through the student with the weighted gradients in the logits."""
        self.zero_gradients()
        gradient = combined(weights, gradients)
        if of_new is not None:
            share = self.new_rows.share  # type: ignore[union-attr]
            gradient = torch.cat([(1.0 - share) * gradient, share * of_new])
        logits.backward(gradient)

    def _two_passes(self, logits, gradients: Tensor, of_new: Tensor | None) -> Tensor:
        """Go back with each loss by itself, then weigh in the parameters: no third pass.

        Only where rows have weights of their own, or new rows a loss of their own, there is one,
        for then the step is not a combination of both gradients.
        """
        needs_third = self.gives_rows or of_new is not None
        of_fit_rows = logits[: gradients.shape[1]]
        g_task = self._parameter_gradients(of_fit_rows, gradients[0], retain_graph=True)
        g_distill = self._parameter_gradients(of_fit_rows, gradients[1], retain_graph=needs_third)
        gram = self._measure(_gradients.in_parameters(g_task, g_distill))
        self._tell(gram)
        task, distillation = self.balancer.weights(self.state)
        if needs_third:
            self._follow(logits, (task, distillation), gradients, of_new)
            return gram
        for parameter, of_task, of_distillation in zip(
            self.parameters, g_task, g_distill, strict=True
        ):
            parameter.grad = task * of_task + distillation * of_distillation
        return gram

    def _of_batch(self, logits: Tensor, rows) -> tuple[Tensor, Tensor]:
        """Both losses of the batch, in whatever processes its rows are, and their gradients."""
        losses, gradients = self.objective(logits, rows)
        if self.processes is None:
            return losses, gradients
        return self.processes.over_batch(losses, gradients)

    def _measure(self, pair: Tensor) -> Tensor:
        pair = pair if self.processes is None else self.processes.sum(pair)
        return _gradients.gram(pair)

    def _spread(self, rows) -> Tensor:
        """What is recorded of the rows' parameters; also keeps the weighted loss."""
        task, distillation = self.objective.row_losses.unbind()  # type: ignore[union-attr]
        weight = self.balancer.weight_
        if not isinstance(weight, Tensor):
            weight = task.new_tensor(weight)
        self.total = (task + weight * (distillation - task)).sum()
        row_weight = self.objective.row_weight(rows)
        mean = weight.mean()
        if row_weight is not None:
            mean = (row_weight * weight).sum() / row_weight.sum()
        return torch.stack([mean, weight.min(), weight.max(), self.total])

    def _tell(self, gram: Tensor) -> None:
        self.state.A, self.state.C, _, self.state.B = self._scalars(gram)

    def _scalars(self, values: Tensor):
        """Entries of a small tensor as a balancer takes them, without waiting for the device."""
        if self.is_on_cpu:
            return map(np.float64, values.tolist())  # a third of the time of double().numpy()
        return values.double().unbind()

    def _parameter_gradients(self, logits, gradient, *, retain_graph: bool) -> tuple[Tensor, ...]:
        return torch.autograd.grad(
            logits, self.parameters, gradient, retain_graph=retain_graph, materialize_grads=True
        )

    def _logits(self, X) -> Tensor:
        """Logits in training mode; random layers draw from this training's own state."""
        if self.is_random is None:
            output, self.is_random = self.torch_state.is_drawn_by(self.forward, X)
        elif self.is_random:
            with self.torch_state.active():
                output = self.forward(X)
        else:
            output = self.forward(X)
        return as_logits(output, self.are_probabilities)

    @torch.no_grad()
    def _look_back(self, X, rows) -> None:
        losses, _ = self._of_batch(self._logits(X), rows)
        task, distillation = self._scalars(losses)
        self.state.task_loss_after, self.state.distillation_loss_after = task, distillation

    def zero_gradients(self) -> None:
        """Drop all gradients."""
        for parameter in self.parameters:
            parameter.grad = None


def combined(weights: tuple, gradients: Tensor) -> Tensor:
    """Both losses' gradients in the logits, weighed as a whole or row by row."""
    task, distillation = weights
    if isinstance(task, Tensor) and task.ndim:
        task, distillation = task.unsqueeze(-1), distillation.unsqueeze(-1)
    of_task, of_distillation = gradients.unbind()
    return task * of_task + distillation * of_distillation
