"""One optimizer step: both losses, the balancer's word, one weighted gradient."""

import inspect
from collections.abc import Callable

import torch
from skorch import NeuralNet
from torch import Tensor

from . import _gradients
from ._look_ahead import LookAhead
from ._objective import Autograd, ClosedForm
from ._seeds import PrivateTorchState
from ._student import as_logits, gives_probabilities, plain_forward
from .balancers import Balancer, StepState

#: Called as ``record(losses, weight, gram)`` in every step. Where rows have weights of their own,
#: ``weight`` holds their mean, smallest and largest, and the weighted loss.
Record = Callable[[Tensor, Tensor | float, Tensor | None], None]


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
    layer_input : LastLayerInput or None
        Where the gradients over the last layer are measured.
    torch_state : PrivateTorchState
        Which random layers draw from.
    look_ahead : LookAhead or None
        For a balancer that asks what a step does to held-out rows.
    """

    def __init__(
        self,
        net: NeuralNet,
        objective: ClosedForm | Autograd,
        balancer: Balancer,
        layer_input: "_gradients.LastLayerInput | None",
        torch_state: PrivateTorchState,
        look_ahead: LookAhead | None = None,
    ):
        self.net = net
        self.objective = objective
        self.balancer = balancer
        self.layer_input = layer_input
        self.torch_state = torch_state
        self.look_ahead = look_ahead
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
        self.pair: Tensor | None = None  # both gradients, where the balancer looks ahead
        self.total: Tensor | None = None
        closure = inspect.signature(self.optimizer.step).parameters.get("closure")
        self.takes_closure = closure is not None and closure.default is inspect.Parameter.empty

    def __call__(self, X, rows, record: Record, on_gradients: Callable[[], None] | None) -> tuple:
        """Change the net by one batch; return both losses before the step, and the logits.

        Parameters
        ----------
        X : batch of the net's input
        rows : int64 Tensor or slice
            Which rows they are.
        record : callable
            Takes losses, balancing parameter and A, B, C.
        on_gradients : callable or None
            Called between the backward pass and the optimizer's step.
        """

        losses = logits = None

        def backward() -> Tensor:
            nonlocal losses, logits
            losses, logits = self._backward(X, rows, record)
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
        if self.pair is not None:
            slopes = self._scalars(self.look_ahead.slopes(self.pair))  # type: ignore[union-attr]
            self.state.held_out_slope_task, self.state.held_out_slope_distillation = slopes
        if self.looks_back or self.pair is not None:
            self.balancer.update(self.state)
        return losses, logits

    def weighted(self, losses: Tensor) -> Tensor:
        """The loss that the last step followed."""
        if self.total is not None:
            return self.total
        return losses[0] + self.balancer.weight_ * (losses[1] - losses[0])

    def _backward(self, X, rows, record: Record) -> tuple[Tensor, Tensor]:
        gram: Tensor | None
        logits = self._logits(X)
        losses, gradients = self.objective(logits.detach(), rows)
        if self.gives_losses:
            self.state.task_loss, self.state.distillation_loss = self._scalars(losses)
        if self.gives_rows:
            self.state.rows = self.objective.batch_rows(logits.detach(), rows)
        if self.gradients == "all":
            gram = self._two_passes(logits, gradients)
        else:
            gram = self._one_pass(logits, gradients, rows)
        record(losses, self._spread() if self.gives_rows else self.balancer.weight_, gram)
        return losses, logits.detach()

    def _one_pass(self, logits: Tensor, gradients: Tensor, rows) -> Tensor | None:
        """Weigh in the logits, then go back through the student once."""
        gram = None
        if self.gradients is not None:
            if self.layer_input is not None:
                pair = _gradients.in_last_layer(gradients, self.layer_input.value)
                gram = self._measure(pair)
            else:
                gram = _gradients.over_logits(gradients, self.objective.row_weight(rows))
            self._tell(gram)
        weights = self.balancer.weights(self.state)
        self.zero_gradients()
        logits.backward(combined(weights, gradients))
        return gram

    def _two_passes(self, logits: Tensor, gradients: Tensor) -> Tensor:
        """Go back with each loss by itself, then weigh in the parameters: no third pass.

        Only where rows have weights of their own there is one, for then the step is not a
        combination of both gradients.
        """
        g_task = self._parameter_gradients(logits, gradients[0], retain_graph=True)
        g_distill = self._parameter_gradients(logits, gradients[1], retain_graph=self.gives_rows)
        gram = self._measure(_gradients.in_parameters(g_task, g_distill))
        self._tell(gram)
        task, distillation = self.balancer.weights(self.state)
        if self.gives_rows:
            self.zero_gradients()
            logits.backward(combined((task, distillation), gradients))
            return gram
        for parameter, of_task, of_distillation in zip(
            self.parameters, g_task, g_distill, strict=True
        ):
            parameter.grad = task * of_task + distillation * of_distillation
        return gram

    def _measure(self, pair: Tensor) -> Tensor:
        if self.look_ahead is not None:
            self.pair = pair
        return _gradients.gram(pair)

    def _spread(self) -> Tensor:
        """What is recorded of the rows' parameters; also keeps the weighted loss."""
        task, distillation = self.objective.row_losses.unbind()  # type: ignore[union-attr]
        weight = self.balancer.weight_
        if not isinstance(weight, Tensor):
            weight = task.new_tensor(weight)
        self.total = (task + weight * (distillation - task)).sum()
        return torch.stack([weight.mean(), weight.min(), weight.max(), self.total])

    def _tell(self, gram: Tensor) -> None:
        self.state.A, self.state.C, _, self.state.B = self._scalars(gram)

    def _scalars(self, values: Tensor):
        """Entries of a small tensor as a balancer takes them, without waiting for the device."""
        return values.double().numpy() if self.is_on_cpu else values.unbind()

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
        losses, _ = self.objective(self._logits(X), rows)
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
