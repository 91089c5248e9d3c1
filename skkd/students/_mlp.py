"""Classify rows of tables by a multilayer perceptron."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._numeric_input import NumericInput
from ._pruning import prune_layers

__all__ = ["TabularMLP"]

# What 16 random bits, read as a signed integer, can be.
_SMALLEST, _N_VALUES = -(2**15), 2**16


class Dropout(nn.Dropout):
    """Drop values at random, by a private generator, four at a time.

    On a CPU each value takes 16 random bits: ``p`` is rounded to a multiple of 2^-16. Without
    :meth:`seed` it draws from PyTorch's global generator.
    """

    _generator: torch.Generator | None = None
    _seed: int | None = None

    def __init__(self, p: float):
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"dropout={p!r} is not allowed; give a number from 0 to 1.")
        super().__init__(p)

    def seed(self, seed: int) -> None:
        """Draw from a private generator from now on, which no other thread uses."""
        self._seed, self._generator = seed, None

    def forward(self, input: Tensor) -> Tensor:
        """Drop values at random in training; return the input as it is otherwise."""
        n_dropped = round(self.p * _N_VALUES)
        if not self.training or not 0 < n_dropped < _N_VALUES:
            return super().forward(input)
        if self._seed is not None and self._generator is None:
            self._generator = torch.Generator(input.device).manual_seed(self._seed)
        if input.device.type != "cpu":
            kept = torch.empty_like(input).bernoulli_(1.0 - self.p, generator=self._generator)
            return input * kept.div_(1.0 - self.p)
        n_values = input.numel()
        words = torch.empty(-(-n_values // 4), dtype=torch.int64)
        words.random_(-(2**63), None, generator=self._generator)
        bits = words.view(torch.int16)[:n_values].view(input.shape)
        kept = bits.ge(_SMALLEST + n_dropped).to(input.dtype)
        return input * kept.mul_(_N_VALUES / (_N_VALUES - n_dropped))

    def __getstate__(self) -> dict:
        """Keep the generator's state in copies and pickles, which can't hold a generator."""
        state = self.__dict__.copy()
        if self._generator is not None:
            state["_generator"] = self._generator.device, self._generator.get_state()
        return state

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        if self._generator is not None:
            device, position = state["_generator"]
            self._generator = torch.Generator(device)
            self._generator.set_state(position)


def seed_dropout(module: nn.Module, seed: int) -> None:
    """Give each Dropout of a module a private generator with a seed of its own."""
    for i, part in enumerate(module.modules()):
        if isinstance(part, Dropout):
            part.seed(seed + i)


class HiddenLayer(nn.Linear):
    """Apply a linear layer, ReLU and dropout in one call: faster for a single row."""

    def __init__(self, n_in: int, n_out: int, dropout: float):
        super().__init__(n_in, n_out)
        self.dropout = Dropout(dropout)

    def forward(self, input: Tensor) -> Tensor:
        """Return hidden units of shape (n_rows, n_out) for input (n_rows, n_in)."""
        # In place: the gradient of a ReLU does not need its input.
        units = F.relu(F.linear(input, self.weight, self.bias), inplace=True)
        return self.dropout(units) if self.training else units


class Perceptron(nn.Module):
    """Join numbers, what a subclass makes of them, and the layers of a perceptron.

    Parameters
    ----------
    numeric_input : NumericInput
    widths : sequence of int
        Of the first layer's input, the hidden layers and the output.
    dropout, pruning : float
        See :class:`TabularMLP`.
    """

    def __init__(
        self, numeric_input: NumericInput, widths: list[int], dropout: float, pruning: float
    ):
        super().__init__()
        self.pruning = pruning
        self.numeric_input = numeric_input
        self.layers = nn.Sequential()
        for n_in, n_out in zip(widths[:-2], widths[1:-1], strict=True):
            self.layers.append(HiddenLayer(n_in, n_out, dropout))
        self.layers.append(nn.Linear(widths[-2], widths[-1]))

    @property
    def mean(self) -> Tensor:
        """Return the mean of each column of X, clipped where the column has bins."""
        return self.numeric_input.low[: self.numeric_input.n_features]

    @property
    def scale(self) -> Tensor:
        """Return one over each column's standard deviation."""
        return self.numeric_input.slope[: self.numeric_input.n_features]

    def features(self, X: Tensor) -> Tensor:
        """Return the inputs of the first layer.

        Parameters
        ----------
        X : Tensor of shape (n_rows, n_features)
            Rows as numbers.
        """
        return self.numeric_input(X)

    def forward(self, X: Tensor) -> Tensor:
        """Return logits of shape (n_rows, n_classes).

        Parameters
        ----------
        X : Tensor of shape (n_rows, n_features)
            Rows as numbers.
        """
        return self.layers(self.features(X))

    def adapt(
        self,
        X,
        sample_weight: np.ndarray | None = None,
        targets: np.ndarray | None = None,
    ) -> None:
        """Learn from the training rows how numbers enter the net.

        Parameters
        ----------
        X, sample_weight
            Rows, an array or CSR matrix, and weights or None.
        targets : ndarray of shape (n_rows, n_outputs), default=None
            Bins meet where targets change, and at quantiles. None: at quantiles only.
        """
        self.numeric_input.learn(X, sample_weight, targets)

    def prune(
        self, X, sample_weight: np.ndarray | None, seed: int, variance: float | None = None
    ) -> dict[str, tuple[int, ...]]:
        """Take out what is not needed; return the parameters that make a module like it.

        Weights are then rounded to what half precision holds, in the dtype that they have.

        Parameters
        ----------
        X : array or CSR matrix of shape (n_rows, ...)
            Training rows.
        sample_weight : ndarray of shape (n_rows,) or None
        seed : int
        variance : float or None
            Of numbers around the outputs. None: these are logits.
        """
        if self.pruning > 0:
            prune_layers(self, X, sample_weight, seed, variance)
        layers = [layer for layer in self.layers if isinstance(layer, HiddenLayer)]
        return {"hidden": tuple(layer.out_features for layer in layers)}

    def spare_inputs(self) -> tuple[Tensor, Tensor]:
        """Return inputs that pruning may take out, and those that may replace them."""
        return torch.arange(0), torch.arange(0)

    def keep_inputs(self, inputs: Tensor) -> None:
        """Drop all inputs of the first layer but these.

        Parameters
        ----------
        inputs : int Tensor of shape (n_kept,)
            Column numbers of the inputs to keep.
        """


class TabularMLP(Perceptron):
    r"""Classify by a perceptron on standardized, piecewise-linearly encoded numbers.

    A bin of a number x adds one input to the first layer,

    .. math:: \mathrm{clip}\left(\frac{x - b_{t-1}}{b_t - b_{t-1}}, 0, 1\right),

    as in [1]_, section 3.2, where the bins take the number's place and here stand beside it. Where
    two bins meet, there is a third one, as steep as the training rows allow. With these bins the
    net learns functions that jump, as those of trees do.

    Parameters
    ----------
    n_features, n_classes : int
        Widths of input and output. ``DistilledClassifier`` fills them in. In regression,
        ``n_classes`` is the number of outputs.
    hidden : sequence of int, default=(128, 128)
        Widths of the hidden layers.
    dropout : float, default=0.0
        Share of hidden units dropped in a training step. 0: no dropout.
    pruning : float, default=0.0
        How far pruning after training may change the probabilities. This is a mean
        Kullback-Leibler divergence in nats; in regression, between normal distributions around the
        outputs. 0: no pruning, and no rounding to half precision.
    bins : sequence of int, default=()
        The column of each bin. Bins of one column stand together.

    References
    ----------
    .. [1] Gorishniy, Rubachev, Babenko, "On Embeddings for Numerical Features in Tabular Deep
       Learning", arXiv 2203.05556.

    Examples
    --------
    >>> import torch
    >>> from skkd.students import TabularMLP
    >>> TabularMLP(n_features=4, n_classes=3)(torch.zeros(2, 4)).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        n_features: int,
        n_classes: int,
        hidden: tuple[int, ...] = (128, 128),
        dropout: float = 0.0,
        pruning: float = 0.0,
        bins: tuple[int, ...] = (),
    ):
        widths = [n_features + len(bins), *hidden, n_classes]
        super().__init__(NumericInput(n_features, bins), widths, dropout, pruning)

    def prune(
        self, X, sample_weight: np.ndarray | None, seed: int, variance: float | None = None
    ) -> dict[str, tuple[int, ...]]:
        """Take out what is not needed; return the parameters that make a module like it.

        Parameters
        ----------
        X : array or CSR matrix of shape (n_rows, ...)
            Training rows.
        sample_weight : ndarray of shape (n_rows,) or None
            Weights of the rows. None: all rows count equally.
        seed : int
            Seed of the random draws in pruning.
        variance : float or None
            Of numbers around the outputs. None: these are logits.
        """
        made_by = super().prune(X, sample_weight, seed, variance)
        return made_by | {"bins": self.numeric_input.bins}

    def spare_inputs(self) -> tuple[Tensor, Tensor]:
        """Return bins, which pruning may take out, and the numbers that have bins."""
        columns, n_features = self.numeric_input.columns.cpu(), self.numeric_input.n_features
        return torch.arange(n_features, len(columns)), columns[n_features:].unique()

    def keep_inputs(self, inputs: Tensor) -> None:
        """Drop all inputs of the first layer but these.

        Parameters
        ----------
        inputs : int Tensor of shape (n_kept,)
            Column numbers of the inputs to keep.
        """
        self.numeric_input.keep(inputs)
