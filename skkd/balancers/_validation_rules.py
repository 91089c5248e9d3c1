"""Rules that look at held-out rows: is the teacher worth listening to?"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import clone
from torch import Tensor

from ._balancer import Balancer, check_real, clip
from ._gradient_rules import GradientBalancer
from ._learned_rules import ScalarAdam
from ._make_balancer import make_balancer
from ._step_state import HeldOutLosses, Scalar, StepState

__all__ = ["Competence", "Gated", "Hypergradient"]


@dataclass(eq=False, repr=False)
class Hypergradient(GradientBalancer):
    r"""The parameter descends on the loss of held-out rows, one step ahead.

    After a step :math:`\theta' = \theta - \eta [(1-\lambda) g_t + \lambda g_d]` the task loss
    :math:`L_v` of a batch of held-out rows has the slope

    .. math:: \frac{\partial L_v(\theta')}{\partial \lambda}
       = -\eta \langle \nabla L_v(\theta'), g_d - g_t \rangle,

    the one-step look-ahead of [1]_ and [2]_ for a single number. Costs a forward pass over held-out
    rows with ``gradients="last_layer"``, and two backward passes more with ``"all"``.

    Needs held-out rows, on which the student does not train. Known to be short-sighted: what lowers
    the loss in the next step is rarely the teacher, whose gain shows at the end, and so the
    parameter sinks on noisy labels, where distillation would help most.

    Parameters
    ----------
    lr : float, default=0.005
        Learning rate (Adam) of the balancing parameter.
    initial : float, default=0.5
        The balancing parameter at the start.
    gradients : {"last_layer", "all"}, default="last_layer"
        Where the gradients are taken.
    min_weight, max_weight, smoothing, conflict_clamp, admissible_step, fade
        As in :class:`Balancer`.

    References
    ----------
    .. [1] Liu, Simonyan, Yang, "DARTS: Differentiable Architecture Search", ICLR 2019.
    .. [2] Ren, Zeng, Yang, Urtasun, "Learning to Reweight Examples for Robust Deep Learning",
       ICML 2018.

    Examples
    --------
    >>> from skkd.balancers import Hypergradient, StepState
    >>> rule = Hypergradient(lr=0.01).reset()
    >>> rule.weights(StepState())[1]
    0.5
    >>> rule.update(StepState(held_out_slope_task=1.0, held_out_slope_distillation=3.0))
    >>> round(rule.weights(StepState())[1], 2)
    0.51
    """

    # NOTE: the step is taken to be one of plain gradient descent. The optimizer's own scaling of
    # it is left out, and Adam takes out the scale of what remains.

    needs: ClassVar[frozenset[str]] = frozenset({"held_out_slopes"})

    lr: float = 0.005
    initial: float = field(default=0.5, kw_only=True)
    gradients: str = field(default="last_layer", kw_only=True)

    def validate(self) -> None:
        super().validate()
        check_real("lr", self.lr, 0, float("inf"), self, closed="neither")
        check_real("initial", self.initial, 0, 1, self)

    def reset(self) -> "Hypergradient":
        super().reset()
        self._learned = ScalarAdam(self.lr, self.initial)
        return self

    def propose(self, state: StepState) -> Scalar:
        return self._learned.value

    def update(self, state: StepState) -> None:
        """Move against the slope of the held-out loss."""
        super().update(state)
        self._learned.step(state.held_out_slope_task - state.held_out_slope_distillation)
        self._learned.value = clip(self._learned.value, self.min_weight, self.max_weight)


class Competence(Balancer):
    r"""The teacher counts for as much as it honestly knows more than the student.

    .. math:: \lambda = \lambda_{max} \cdot \mathrm{clip}\left(\frac{l_s}{l_T}, 0, 1\right)^k

    with :math:`l_T` the log-loss of the teacher's probabilities on the labels of the fit rows,
    which are out-of-fold where ``cv`` says so, and :math:`l_s` the student's on held-out rows,
    after the epoch in which that was lowest. With ``per_class`` both are taken class by class where
    there are enough held-out rows. As long as the student knows less than its teacher, the teacher
    counts in full; once the student has overtaken it, less and less. Costs one pass over the
    held-out rows an epoch. The rule is ours.

    Fails where the teacher's probabilities are not honest: on rows that it was fitted on its
    log-loss is near zero, and nothing is held back. Where there are too few rows to hold any out,
    the parameter stays at :math:`\lambda_{max}`.

    Parameters
    ----------
    weight : float, default=0.7
        :math:`\lambda_{max}`, in [0, 1].
    power : float, default=4.0
        k > 0: how fast the teacher loses its say.
    per_class : bool, default=False
        Whether rows are weighed by the teacher's competence in their class. Off, for the few
        rows that are held out say little of a single class.
    min_rows : int, default=30
        Distinct held-out rows that a class needs for a competence of its own.

    Examples
    --------
    >>> import numpy as np
    >>> from skkd.balancers import Competence, HeldOutLosses, StepState
    >>> losses = HeldOutLosses(
    ...     student=np.array([0.4]), teacher=np.array([0.8]), share=np.ones(1), n_rows=np.ones(1)
    ... )
    >>> rule = Competence(weight=0.8, power=1.0, per_class=False).reset()
    >>> rule.weights(StepState(held_out=losses))[1]
    0.4
    """

    wants: ClassVar[frozenset[str]] = frozenset({"held_out_losses"})

    def __init__(
        self,
        weight: float = 0.7,
        *,
        power: float = 4.0,
        per_class: bool = False,
        min_rows: int = 30,
    ):
        super().__init__()
        self.weight = weight
        self.power = power
        self.per_class = per_class
        self.min_rows = min_rows

    def validate(self) -> None:
        check_real("weight", self.weight, 0, 1, self)
        check_real("power", self.power, 0, float("inf"), self, closed="neither")
        check_real("min_rows", self.min_rows, 1, float("inf"), self)

    def requirements(self) -> frozenset[str]:
        """Held-out losses, and rows where classes are weighed."""
        return super().requirements() | ({"rows"} if self.per_class else set())

    def reset(self) -> "Competence":
        super().reset()
        self._seen: HeldOutLosses | None = None
        self._lowest = np.inf
        self._gate: float | Tensor = 1.0
        return self

    def weights(self, state: StepState) -> tuple[Scalar, Scalar]:
        """Weights of both losses, for each row where classes differ."""
        self.weight_ = self.weight * self.gate(state)
        return 1.0 - self.weight_, self.weight_

    def gate(self, state: StepState) -> Scalar:
        """The factor in [0, 1] by which the teacher counts: one number, or one a row."""
        if state.held_out is not self._seen:
            self._seen = state.held_out
            self._look_at(state)
        if isinstance(self._gate, Tensor):
            return self._gate.index_select(0, state.rows.labels)  # type: ignore[union-attr]
        return self._gate

    def _look_at(self, state: StepState) -> None:
        losses = state.held_out
        if losses is None:
            return
        student = np.nan_to_num(losses.student)
        present = losses.n_rows > 0
        share = losses.share * present
        of_student = float((share * student).sum() / share.sum())
        if of_student >= self._lowest:
            return
        self._lowest = of_student
        of_teacher = float(np.nansum(losses.share * losses.teacher))  # NaN: a class of no weight
        overall = self._gate_of(of_student, of_teacher)
        counts = losses.n_rows >= self.min_rows
        if not (self.per_class and counts.any()):
            self._gate = float(overall)
            return
        gates = np.where(counts, self._gate_of(student, losses.teacher), overall)
        logits = state.rows.logits  # type: ignore[union-attr]
        self._gate = torch.as_tensor(gates, dtype=logits.dtype, device=logits.device)

    def _gate_of(self, student, teacher):
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.nan_to_num(np.divide(student, teacher), nan=1.0, posinf=1.0)
        return np.clip(ratio, 0.0, 1.0) ** self.power


class Gated(Balancer):
    r"""Any rule, held back where the teacher is not competent.

    .. math:: \lambda = \lambda_{rule} \cdot gate

    The gate is a number in [0, 1] or one a row, such as :class:`Competence` gives. The rule's own
    guards come before the gate. Costs what both cost.

    Parameters
    ----------
    balancer : str or Balancer, default="descent_share"
        The rule: a name in :data:`BALANCERS`, or an instance.
    by : Competence or None, default=None
        Any balancer with a method ``gate(state)``. None: ``Competence()``, whose own ``weight`` is
        not used here.

    Examples
    --------
    >>> from skkd.balancers import Competence, FixedBalance, Gated
    >>> sorted(Gated(FixedBalance(0.7), by=Competence(power=2.0)).requirements())
    ['held_out_losses']
    """

    def __init__(self, balancer: str | Balancer = "descent_share", *, by: Any = None):
        self.balancer = balancer
        self.by = by

    def validate(self) -> None:
        make_balancer(self.balancer)
        if self.by is not None:
            if not (isinstance(self.by, Balancer) and hasattr(self.by, "gate")):
                raise TypeError(
                    f"by={self.by!r} of Gated is no balancer with a method gate(state); give "
                    "Competence() or one of your own."
                )
            self.by.validate()

    def set_params(self, **params):
        """Set parameters, also those of the rule and of the gate.

        ``balancer__*`` turns the rule's name into an instance, ``by__*`` a gate of None into
        ``Competence()``.

        Parameters
        ----------
        **params

        Returns
        -------
        self
        """
        nested = {name.partition("__")[0] for name in params if "__" in name}
        balancer = params.get("balancer", self.balancer)
        if "balancer" in nested and isinstance(balancer, str):
            params["balancer"] = make_balancer(balancer)
        if "by" in nested and params.get("by", self.by) is None:
            params["by"] = Competence()
        return super().set_params(**params)

    def reset(self) -> "Gated":
        self.balancer_, by = self._parts()
        self.by_ = clone(by).reset()
        self.weight_ = None
        return self

    def _parts(self) -> tuple[Balancer, Any]:
        """A fresh rule, and the gate as it was given."""
        return make_balancer(self.balancer), Competence() if self.by is None else self.by

    def requirements(self) -> frozenset[str]:
        """What the rule and the gate need."""
        return frozenset().union(*(part.requirements() for part in self._parts()))

    @property
    def wants(self) -> frozenset[str]:  # type: ignore[override]
        """What rule and gate can do without."""
        parts = self._parts()
        needed = frozenset().union(*(part.requirements() - part.wants for part in parts))
        return frozenset().union(*(part.wants for part in parts)) - needed

    @property
    def gradients(self) -> str:  # type: ignore[override]
        """Where the rule measures gradients."""
        return make_balancer(self.balancer).gradients

    @property
    def target_share(self) -> float | None:
        """None: behind a gate no share is aimed at."""
        return None

    def weights(self, state: StepState) -> tuple[Scalar, Scalar]:
        """Weights of both losses, for each row where the gate gives such."""
        _, weight = self.balancer_.weights(state)
        self.weight_ = weight * self.by_.gate(state)
        return 1.0 - self.weight_, self.weight_

    def update(self, state: StepState) -> None:
        """Let the rule look at what there is after the step."""
        self.balancer_.update(state)

    def importance(self, trace: dict[str, np.ndarray]) -> np.ndarray:
        """Share of the distillation in the importance that the rule looks at.

        Parameters
        ----------
        trace : dict of arrays, one entry a step

        Returns
        -------
        share : ndarray
        """
        return self.balancer_.importance(trace)
