"""The record of a training: what each step gave, an epoch at a time, read once in a while."""

import time
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import torch
from torch import Tensor

from ..balancers import Balancer
from ..exceptions import TrainingDivergedError

# Steps between two looks at the device. Each look waits for it; none is needed in between.
_FLUSH_EVERY = 256


class EpochRecord:
    """The steps of one epoch. Tensors stay where they are until many are read at once.

    Parameters
    ----------
    epoch : int
        From 0.
    share_of_new : float
        Share of the new rows in the loss, where there are any.
    """

    def __init__(self, epoch: int, share_of_new: float = 0.0):
        self.epoch = epoch
        self.share_of_new = share_of_new
        self.started = time.perf_counter()
        self._losses: list[Tensor] = []
        self._weights: list = []  # numbers, or tensors of one or four entries
        self._grams: list[Tensor] = []
        self._new_losses: list[Tensor] = []
        self._read: list[dict[str, np.ndarray]] = []
        self._n_read = 0

    def add(self, losses: Tensor, weight, gram, new_loss=None) -> None:
        """Keep one step, as :data:`skkd._training.step.Record` says."""
        self._losses.append(losses)
        self._weights.append(weight)
        if gram is not None:
            self._grams.append(gram)
        if new_loss is not None:
            self._new_losses.append(new_loss)
        if len(self._losses) == _FLUSH_EVERY:
            self._flush()

    @property
    def n_steps(self) -> int:
        return self._n_read + len(self._losses)

    def _flush(self) -> None:
        losses = torch.stack(self._losses).cpu().double().numpy()
        task, distillation = losses.T
        part = {"task_loss": task, "distillation_loss": distillation}
        if isinstance(self._weights[0], Tensor) and self._weights[0].ndim:
            spread = torch.stack(self._weights).cpu().double().numpy()
            names = ("weight", "weight_min", "weight_max", "loss")
            part.update(zip(names, spread.T, strict=True))
        else:
            weight = _as_array(self._weights)
            loss = (1 - weight) * task + weight * distillation
            part.update(weight=weight, weight_min=weight, weight_max=weight, loss=loss)
        if self._grams:
            gram = torch.stack(self._grams).cpu().double().numpy()
            part.update(A=gram[:, 0], C=gram[:, 1], B=gram[:, 3])
        if self._new_losses:
            new = torch.stack(self._new_losses).cpu().double().numpy()
            loss = part["loss"] + self.share_of_new * (new - part["loss"])
            part.update(new_rows_loss=new, loss=loss)
        self._raise_if_diverged(part)
        self._read.append(part)
        self._n_read += len(losses)
        self._losses, self._weights, self._grams, self._new_losses = [], [], [], []

    def _raise_if_diverged(self, part: dict[str, np.ndarray]) -> None:
        losses = [values for name, values in part.items() if name.endswith("loss")]
        finite = np.isfinite(losses).all(axis=0)
        if not finite.all():
            batch = int(np.argmin(finite))
            raise TrainingDivergedError(
                self.epoch + 1,
                self._n_read + batch + 1,
                *(
                    float(part[name][batch])
                    for name in ("task_loss", "distillation_loss", "weight")
                ),
            )

    def steps(self) -> dict[str, np.ndarray]:
        """All steps of the epoch as arrays of one entry a step; raise if a loss diverged."""
        if self._losses:
            self._flush()
        return {name: np.concatenate([part[name] for part in self._read]) for name in self._read[0]}

    def summary(self, balancer: Balancer, **more: float) -> dict[str, float]:
        """One row of ``history_``, with more columns."""
        steps = self.steps()
        share = balancer.importance(steps)
        return {
            "epoch": self.epoch + 1,
            **{
                name: steps[name].mean()
                for name in ("task_loss", "distillation_loss", "new_rows_loss", "loss", "weight")
                if name in steps
            },
            "weight_min": steps["weight_min"].min(),
            "weight_max": steps["weight_max"].max(),
            "distillation_share": np.nanmean(share) if np.isfinite(share).any() else np.nan,
            **more,
            "seconds": time.perf_counter() - self.started,
        }


def _as_array(weights: list) -> np.ndarray:
    if isinstance(weights[0], Tensor):
        return torch.stack(weights).cpu().double().numpy()
    return np.array(weights)


class History:
    """Rows of ``history_``, one an epoch, with what ``verbose`` shows of them.

    Parameters
    ----------
    verbose : int
        1 prints a line an epoch, 2 shows a progress bar (a line an epoch without tqdm).
    n_epochs : int
        Planned epochs.
    """

    def __init__(self, verbose: int, n_epochs: int):
        self._rows: list[dict[str, float]] = []
        self._verbose = verbose
        self._n_planned = n_epochs
        self._bar = None
        if verbose >= 2 and find_spec("tqdm"):
            self._bar = import_module("tqdm.auto").tqdm(total=n_epochs, unit="epoch")

    @property
    def n_epochs(self) -> int:
        return len(self._rows)

    def append(self, row: dict[str, float]) -> None:
        """Add an epoch and show it."""
        self._rows.append(row)
        if self._bar is not None:
            self._bar.set_postfix({name: f"{row[name]:.4g}" for name in ("loss", "weight")})
            self._bar.update()
        elif self._verbose:
            print(self._line(row))

    def _line(self, row: dict[str, float]) -> str:
        parts = [
            f"epoch {int(row['epoch']):>{len(str(self._n_planned))}}/{self._n_planned}",
            f"loss {row['loss']:.4f}",
            f"task {row['task_loss']:.4f}",
            f"distillation {row['distillation_loss']:.4f}",
            f"weight {row['weight']:.3f}",
        ]
        if "valid_score" in row:
            parts.append(f"valid {row['valid_score']:.4f}")
        return "  ".join([*parts, f"{row['seconds']:.2f} s"])

    def close(self) -> None:
        """Take the progress bar away."""
        if self._bar is not None:
            self._bar.close()

    def columns(self) -> dict[str, np.ndarray]:
        """``history_``: a dict of arrays of equal length, one entry an epoch."""
        names = self._rows[0]
        columns = {name: np.array([row.get(name, np.nan) for row in self._rows]) for name in names}
        columns["epoch"] = columns["epoch"].astype(np.int64)
        return columns
