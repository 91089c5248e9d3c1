"""Classify images by a convolutional net."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._mlp import Dropout
from ._numeric_input import standard_deviation, weighted_moments

__all__ = ["ResidualConvNet"]

# Smaller images don't survive two halvings; larger ones are halved once more.
_SMALLEST, _LARGE = 8, 16
# Standard deviations.
_LARGEST_PIXEL = 1e4


class ResidualConvNet(nn.Module):
    """Classify images by a small residual net that standardizes each channel.

    Each of the ``widths`` is a block of two convolutions around a shortcut [1]_. Each block but the
    first halves height and width. Images of 16 pixels or more are also halved at the start. The
    means over the four quarters of the last block's output enter a linear layer.

    There is no batch normalization: blocks start as the identity instead, with zeros in their last
    convolution [2]_. So a row's output never depends on the rest of its batch.

    Give float32 images: float64 takes about four times as long on a CPU. A net of float64 images
    exports by ``to_onnx(..., dtype="float32")``, for onnxruntime has no float64 convolution.

    Parameters
    ----------
    n_classes : int
        Number of classes. ``DistilledClassifier`` fills it in.
    n_channels : int, default=1
        Colors of an image. ``DistilledClassifier`` fills them in.
    widths : sequence of int, default=(16, 32, 64)
        Channels of the blocks, at least one.
    dropout : float, default=0.0
        Share of the linear layer's input dropped in a training step.

    References
    ----------
    .. [1] He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", arXiv 1512.03385.
    .. [2] Zhang, Dauphin, Ma, "Fixup Initialization", arXiv 1901.09321; of its rules only the zero.

    Examples
    --------
    >>> import torch
    >>> from skkd.students import ResidualConvNet
    >>> ResidualConvNet(n_classes=10, n_channels=3)(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    >>> ResidualConvNet(n_classes=10)(torch.zeros(2, 8, 8)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        n_classes: int,
        n_channels: int = 1,
        widths: tuple[int, ...] = (16, 32, 64),
        dropout: float = 0.0,
    ):
        super().__init__()
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(n_channels, 1, 1))
        self.register_buffer("scale", torch.ones(n_channels, 1, 1))
        self.stem = _convolution(n_channels, widths[0])
        blocks = [_Block(widths[0], widths[0], stride=1)]
        for n_in, n_out in zip(widths, widths[1:], strict=False):
            blocks.append(_Block(n_in, n_out, stride=2))
        self.blocks = nn.Sequential(*blocks)
        self.dropout = Dropout(dropout)
        self.head = nn.Linear(4 * widths[-1], n_classes)
        # Convolutions on a CPU are fastest with this order of values in memory.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, X: Tensor) -> Tensor:
        """Return logits of shape (n_rows, n_classes).

        Parameters
        ----------
        X : Tensor of shape (n_rows, c, h, w) or (n_rows, h, w)
            Images.
        """
        if X.ndim == 3:
            X = X.unsqueeze(1)
        # Clipped, so that the largest float gives a finite answer.
        X = ((X - self.mean) * self.scale).clamp(-_LARGEST_PIXEL, _LARGEST_PIXEL)
        X = X.contiguous(memory_format=torch.channels_last)
        stride = 2 if min(X.shape[2:]) >= _LARGE else 1
        X = F.relu(F.conv2d(X, self.stem.weight, self.stem.bias, stride, 1))
        return self.head(self.dropout(_quarters(self.blocks(X))))

    def adapt(
        self,
        X,
        sample_weight: np.ndarray | None = None,
        targets: np.ndarray | None = None,
    ) -> None:
        """Learn mean and scale of each channel from the training images.

        Parameters
        ----------
        X : array of shape (n_rows, c, h, w) or (n_rows, h, w)
        sample_weight : ndarray of shape (n_rows,), default=None
        targets : ndarray of shape (n_rows, n_outputs), default=None
            Not used.

        Raises
        ------
        ValueError
            If X is no array of images.
        """
        n_channels = len(self.mean)
        _check_images(X.shape, n_channels)
        mean, variance = weighted_moments(X, sample_weight)
        mean, variance = mean.reshape(n_channels, -1), variance.reshape(n_channels, -1)
        # The variance over all pixels is that within them and that of their means.
        deviation = standard_deviation(mean.mean(1), variance.mean(1) + mean.var(1))
        self.mean.copy_(torch.as_tensor(mean.mean(1)).reshape(-1, 1, 1))
        self.scale.copy_(torch.as_tensor(1.0 / deviation).reshape(-1, 1, 1))


class _Block(nn.Module):
    def __init__(self, n_in: int, n_out: int, stride: int):
        super().__init__()
        self.first = _convolution(n_in, n_out, stride)
        self.second = _convolution(n_out, n_out)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]
        fits = n_in == n_out and stride == 1
        self.shortcut = nn.Identity() if fits else nn.Conv2d(n_in, n_out, 1, stride)

    def forward(self, X: Tensor) -> Tensor:
        return F.relu(self.shortcut(X) + self.second(F.relu(self.first(X))))


def _convolution(n_in: int, n_out: int, stride: int = 1) -> nn.Conv2d:
    layer = nn.Conv2d(n_in, n_out, 3, stride, padding=1)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return layer


def _quarters(X: Tensor) -> Tensor:
    """Return the means of the quarters, by slices: these export for any size.

    Where height or width is odd they overlap, as in adaptive pooling.
    """
    height, width = X.shape[2:]
    rows = (slice(0, (height + 1) // 2), slice(height // 2, height))
    columns = (slice(0, (width + 1) // 2), slice(width // 2, width))
    return torch.cat([X[:, :, row, column].mean((2, 3)) for row in rows for column in columns], 1)


def _check_images(shape: tuple[int, ...], n_channels: int) -> None:
    form = "(n_rows, channels, height, width), or (n_rows, height, width) for one channel"
    if len(shape) not in (3, 4):
        raise ValueError(
            f"The convolutional student takes images, an X of shape {form}; got {tuple(shape)}. "
            "Reshape X, or give a Pipeline that does so before the net; for tables there is "
            "student='mlp'."
        )
    given = shape[1] if len(shape) == 4 else 1
    if given != n_channels:
        raise ValueError(
            f"X has {given} channels, and the student's module n_channels={n_channels}. Leave "
            "module__n_channels out, and it is filled in."
        )
    if min(shape[-2:]) < _SMALLEST:
        hint = ""
        if len(shape) == 4 and shape[-1] <= 4:
            hint = " If channels are last, put them second: np.moveaxis(X, -1, 1)."
        raise ValueError(
            f"The convolutional student needs at least {_SMALLEST} x {_SMALLEST} pixels; the "
            f"images in X of shape {tuple(shape)} have {shape[-2]} x {shape[-1]}.{hint}"
        )
