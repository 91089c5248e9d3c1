"""Errors of this library that are more than a wrong parameter."""

__all__ = ["TrainingDivergedError"]


class TrainingDivergedError(ArithmeticError):
    """A loss became NaN or infinite during training.

    Parameters
    ----------
    epoch, batch : int
        Where it happened, from 1.
    task_loss, distillation_loss, weight : float
        Both losses and the balancing parameter of that batch.

    Examples
    --------
    >>> raise TrainingDivergedError(1, 7, float("inf"), 0.3, 0.5)
    Traceback (most recent call last):
    skkd.exceptions.TrainingDivergedError: Training diverged in epoch 1, batch 7: task loss inf, ...
    """

    def __init__(
        self, epoch: int, batch: int, task_loss: float, distillation_loss: float, weight: float
    ):
        # All arguments go to the base class, so that the error can be pickled by worker processes.
        super().__init__(epoch, batch, task_loss, distillation_loss, weight)
        self.epoch = epoch
        self.batch = batch
        self.task_loss = task_loss
        self.distillation_loss = distillation_loss
        self.weight = weight

    def __str__(self) -> str:
        return (
            f"Training diverged in epoch {self.epoch}, batch {self.batch}: task loss "
            f"{self.task_loss:.4g}, distillation loss {self.distillation_loss:.4g}, balancing "
            f"parameter {self.weight:.4g}. Lower the student's learning rate (student__lr), or "
            "scale its input."
        )
