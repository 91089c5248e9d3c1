"""The record of a training: what each step saw, an epoch at a time, read once in a while."""

import time
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from .._progress import Phase
from ..balancers import Balancer
from ..exceptions import TrainingDivergedError
from .step import Outcome

# Steps between two looks at the device. Each look waits for it; none is needed in between.
_FLUSH_EVERY = 256


@dataclass
class EpochRecord:
    """The steps of one epoch. Tensors stay where they are until many are read at once.

    Attributes
    ----------
    epoch : int
        From 0.
    synthetic_share : float
        Share of the rows without labels in the loss, where there are any.
    """

    epoch: int
    synthetic_share: float = 0.0
    started: float = field(default_factory=time.perf_counter)
    n_steps: int = 0
    _waiting: list[tuple] = field(default_factory=list)
    _read: list[dict[str, np.ndarray]] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Keep what one step saw."""
        self._waiting.append(outcome[:-1])
        self.n_steps += 1
        if len(self._waiting) == _FLUSH_EVERY:
            self._flush()

    def _flush(self) -> None:
        """Read the steps that wait from the device; raise if a loss diverged."""
        losses, weights, grams, synthetic = zip(*self._waiting, strict=True)
        task, distillation = _as_array(losses).T
        part = {"task_loss": task, "distillation_loss": distillation}
        weight = _as_array(weights)
        if weight.ndim == 2:  # rows had weights of their own
            names = ("weight", "weight_min", "weight_max", "loss")
            part.update(zip(names, weight.T, strict=True))
        else:
            loss = (1 - weight) * task + weight * distillation
            part.update(weight=weight, weight_min=weight, weight_max=weight, loss=loss)
        if grams[0] is not None:
            gram = _as_array(grams)
            part.update(A=gram[:, 0], C=gram[:, 1], B=gram[:, 3])
        if synthetic[0] is not None:
            new = _as_array(synthetic)
            loss = part["loss"] + self.synthetic_share * (new - part["loss"])
            part.update(synthetic_loss=new, loss=loss)
        self._raise_if_diverged(part)
        self._read.append(part)
        self._waiting.clear()

    def _raise_if_diverged(self, part: dict[str, np.ndarray]) -> None:
        losses = [values for name, values in part.items() if name.endswith("loss")]
        finite = np.isfinite(losses).all(axis=0)
        if not finite.all():
            batch = int(np.argmin(finite))
            names = ("task_loss", "distillation_loss", "weight")
            raise TrainingDivergedError(
                self.epoch + 1,
                self.n_steps - len(self._waiting) + batch + 1,
                *(float(part[name][batch]) for name in names),
            )

    def steps(self) -> dict[str, np.ndarray]:
        """Return all steps of the epoch as arrays of one entry a step."""
        if self._waiting:
            self._flush()
        return {name: np.concatenate([part[name] for part in self._read]) for name in self._read[0]}

    def summary(self, balancer: Balancer, **more: float) -> dict[str, float]:
        """Return one row of ``history_``, with more columns."""
        steps = self.steps()
        share = balancer.importance(steps)
        means = ("task_loss", "distillation_loss", "synthetic_loss", "loss", "weight")
        return {
            "epoch": self.epoch + 1,
            **{name: steps[name].mean() for name in means if name in steps},
            "weight_min": steps["weight_min"].min(),
            "weight_max": steps["weight_max"].max(),
            "distillation_share": np.nanmean(share) if np.isfinite(share).any() else np.nan,
            **more,
            "seconds": time.perf_counter() - self.started,
        }


def _as_array(values) -> np.ndarray:
    if isinstance(values[0], Tensor):
        return torch.stack(values).cpu().double().numpy()
    return np.array(values, dtype=np.float64)


def as_columns(rows: list[dict[str, float]]) -> dict[str, np.ndarray]:
    """Return ``history_``: a dict of arrays of equal length, one entry an epoch."""
    columns = {name: np.array([row.get(name, np.nan) for row in rows]) for name in rows[0]}
    columns["epoch"] = columns["epoch"].astype(np.int64)
    return columns


def joined(earlier: dict[str, np.ndarray], later: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return a history that goes on; a column that one of both lacks is NaN there."""
    names = dict.fromkeys([*earlier, *later])
    n_earlier, n_later = len(earlier["epoch"]), len(later["epoch"])
    return {
        name: np.concatenate(
            [
                earlier.get(name, np.full(n_earlier, np.nan)),
                later.get(name, np.full(n_later, np.nan)),
            ]
        )
        for name in names
    }


def show_epoch(phase: Phase, row: dict[str, float]) -> None:
    """Show an epoch of a training: by a line, or by loss and weight beside the bar."""
    parts = [
        f"epoch {int(row['epoch']):>{len(str(phase.total))}}/{phase.total}",
        f"loss {row['loss']:.4f}",
        f"task {row['task_loss']:.4f}",
        f"distillation {row['distillation_loss']:.4f}",
        f"weight {row['weight']:.3f}",
    ]
    if "valid_score" in row:
        parts.append(f"valid {row['valid_score']:.4f}")
    line = "  ".join([*parts, f"{row['seconds']:.2f} s"])
    values = {name: f"{row[name]:.4g}" for name in ("loss", "weight")}
    phase.reach(int(row["epoch"]), line, **values)
