"""Classify by a perceptron on periodic embeddings of numbers."""

import torch
from torch import Tensor, nn

from ._mlp import Perceptron
from ._numeric_input import NumericInput, check_columns

__all__ = ["PeriodicMLP"]


class PeriodicMLP(Perceptron):
    r"""Classify by a perceptron on periodic embeddings, "MLP-PLR" in [1]_.

    Each standardized number x becomes a vector of its own before the first layer,

    .. math:: \mathrm{ReLU}(W [\cos(2 \pi c x), \sin(2 \pi c x)] + b),

    with learned frequencies c, weights W and biases b. The embeddings are those of the package
    ``rtdl_num_embeddings`` by the paper's authors.

    Parameters
    ----------
    n_features, n_classes : int
        Widths of input and output. ``DistilledClassifier`` fills them in.
    hidden : sequence of int, default=(128, 128)
        Widths of the hidden layers.
    dropout : float, default=0.0
        Share of hidden units dropped in a training step.
    pruning : float, default=0.0
        As for :class:`TabularMLP`. Embeddings stay as they are.
    n_frequencies : int, default=16
        Frequencies a feature.
    embedding_size : int, default=8
        Length of each feature's vector.
    frequency_scale : float, default=0.1
        Standard deviation of the first frequencies. Larger values see finer differences, and fit
        more noise. Search this parameter first.
    embedded : sequence of int or None, default=None
        Columns to embed; others enter the first layer standardized. None: all columns. The student
        "mlp_plr" embeds columns of more than two values.

    Raises
    ------
    ImportError
        If the package is not installed: ``pip install 'skkd[embeddings]'``.

    References
    ----------
    .. [1] Gorishniy, Rubachev, Babenko, "On Embeddings for Numerical Features in Tabular Deep
       Learning", arXiv 2203.05556.

    Examples
    --------
    >>> import torch
    >>> from skkd.students import PeriodicMLP
    >>> PeriodicMLP(n_features=4, n_classes=3, embedded=(0, 2))(torch.zeros(2, 4)).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        n_features: int,
        n_classes: int,
        hidden: tuple[int, ...] = (128, 128),
        dropout: float = 0.0,
        pruning: float = 0.0,
        n_frequencies: int = 16,
        embedding_size: int = 8,
        frequency_scale: float = 0.1,
        embedded: tuple[int, ...] | None = None,
    ):
        columns = tuple(range(n_features)) if embedded is None else tuple(embedded)
        check_columns("embedded", columns, n_features)
        others = [column for column in range(n_features) if column not in set(columns)]
        widths = [len(columns) * embedding_size + len(others), *hidden, n_classes]
        super().__init__(NumericInput(n_features, clipped=columns), widths, dropout, pruning)
        self.embedded: Tensor
        self.others: Tensor
        # Not saved, for the constructor makes them again.
        self.register_buffer("embedded", torch.tensor(columns, dtype=torch.long), False)
        self.register_buffer("others", torch.tensor(others, dtype=torch.long), False)
        self.embedding = _periodic_embeddings(
            len(columns), embedding_size, n_frequencies, frequency_scale
        )

    def features(self, X: Tensor) -> Tensor:
        """Return the inputs of the first layer.

        Parameters
        ----------
        X : Tensor of shape (n_rows, n_features)
            Rows as numbers.
        """
        X = super().features(X)
        parts = []
        if len(self.embedded):
            parts.append(self.embedding(X[:, self.embedded]).flatten(1))
        if len(self.others):
            parts.append(X[:, self.others])
        return torch.cat(parts, 1)


def _periodic_embeddings(
    n_features: int, size: int, n_frequencies: int, frequency_scale: float
) -> nn.Module:
    try:
        from rtdl_num_embeddings import PeriodicEmbeddings
    except ImportError as error:
        raise ImportError(
            "The student 'mlp_plr' needs the package rtdl_num_embeddings: "
            "pip install 'skkd[embeddings]'."
        ) from error
    return PeriodicEmbeddings(
        n_features,
        size,
        n_frequencies=n_frequencies,
        frequency_init_scale=frequency_scale,
        lite=False,
    )
