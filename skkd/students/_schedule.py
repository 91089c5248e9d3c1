"""Schedule the learning rate of the students."""

import math

from skorch.callbacks import Callback


class LearningRateSchedule(Callback):
    """Warm the learning rate up linearly, then let it fall along a cosine.

    Parameters
    ----------
    warmup : float, default=0.05
        Share of the training over which the rate rises to the net's ``lr``.
    final : float, default=0.01
        The last rate as a share of ``lr``.

    Examples
    --------
    >>> LearningRateSchedule(warmup=0.1).factor(0.05)
    0.5
    """

    def __init__(self, warmup: float = 0.05, final: float = 0.01):
        self.warmup = warmup
        self.final = final

    def factor(self, progress: float) -> float:
        """Return the learning rate at a progress in [0, 1], as a share of ``lr``.

        Parameters
        ----------
        progress : float
            Finished share of the training.
        """
        if progress < self.warmup:
            return progress / self.warmup
        fallen = (progress - self.warmup) / (1.0 - self.warmup)
        return self.final + (1.0 - self.final) * (0.5 + 0.5 * math.cos(math.pi * fallen))

    def on_batch_begin(self, net, batch=None, training=None, progress=None, **kwargs) -> None:
        """Set the rate of every parameter group, or keep ``lr`` without a progress.

        Parameters
        ----------
        net : skorch.NeuralNet
            The net in training.
        batch, training : default=None
            Not used.
        progress : float or None, default=None
            Finished share of the training.
        **kwargs : dict
            Not used.
        """
        if progress is None:
            return
        lr = net.lr * max(self.factor(progress), 1e-3)
        for group in net.optimizer_.param_groups:
            group["lr"] = lr
