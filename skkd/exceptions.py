"""Errors and warnings of skkd. All of them can be imported from here."""

__all__ = ["DistillationWarning", "ExportError", "LoadError", "TrainingDivergedError"]


class DistillationWarning(UserWarning):
    """Something in a fit or a report needs the user's attention.

    All warnings of skkd have this category, so one filter silences them or makes them errors.

    Examples
    --------
    >>> import warnings
    >>> from skkd.exceptions import DistillationWarning
    >>> warnings.simplefilter("default", DistillationWarning)
    """


class ExportError(ValueError):
    """A student cannot be exported or saved. The message says which part, and what to do."""


class LoadError(ValueError):
    """A file cannot be loaded: it is damaged, too new, or needs a type that is not trusted."""


class TrainingDivergedError(ArithmeticError):
    """A loss or a weight of the student became NaN or infinite during training.

    Parameters
    ----------
    epoch, batch : int
        Where it happened, counted from 1.
    task_loss, distillation_loss, weight : float
        Both losses and the teacher's weight λ of that batch.

    Examples
    --------
    >>> raise TrainingDivergedError(1, 7, float("inf"), 0.3, 0.5)
    Traceback (most recent call last):
    skkd.exceptions.TrainingDivergedError: Training diverged in epoch 1, batch 7: task loss inf, ...
    """

    def __init__(
        self, epoch: int, batch: int, task_loss: float, distillation_loss: float, weight: float
    ):
        # All arguments go to the base class, so that worker processes can pickle the error.
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
