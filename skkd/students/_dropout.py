"""Dropout that costs a third of PyTorch's on a processor."""

import torch
from torch import Tensor, nn

# What 16 random bits, read as a signed integer, can be.
_SMALLEST, _N_VALUES = -(2**15), 2**16


class Dropout(nn.Dropout):
    """``torch.nn.Dropout``, whose random numbers are drawn four at a time.

    PyTorch draws one for each value, on one thread a third of the time of a training step of the
    default student. Here each value takes 16 bits: the share that is dropped is ``p`` rounded to
    2^-16, and what remains is divided by exactly the share that is kept, so that the mean stays.
    256 rows of 256 values take .24 ms instead of .63, forward and back.

    On other devices than a processor it is PyTorch's own.
    """

    def forward(self, input: Tensor) -> Tensor:
        """The input with values dropped at random in training, and as it is otherwise."""
        n_dropped = round(self.p * _N_VALUES)
        if not self.training or input.device.type != "cpu" or not 0 < n_dropped < _N_VALUES:
            return super().forward(input)
        n_values = input.numel()
        words = torch.empty(-(-n_values // 4), dtype=torch.int64).random_(-(2**63), None)
        bits = words.view(torch.int16)[:n_values].view(input.shape)
        factors = bits.ge(_SMALLEST + n_dropped).to(input.dtype)
        return input * factors.mul_(_N_VALUES / (_N_VALUES - n_dropped))
