"""Train one student in several processes, which accelerate brings together.

Every process has all rows and trains on its part of each batch. A step needs
sums over the rows: losses, gradients, inner products of gradients. The processes add their sums up.
So all see the same numbers, choose the same weight of the teacher and take the same step. It is the
step of one process with the whole batch.

NOTE: not by DistributedDataParallel, which averages over processes. That is not the mean over rows
where parts differ in size, and it knows only the gradient of a single backward pass.
"""

from collections.abc import Iterator, Sequence

import torch
from skorch import NeuralNet
from torch import Tensor, nn

from .._input import Rows
from .._teacher import content_hash
from ..balancers import Balancer
from .batches import are_plain


class Processes:
    """Join the processes of a training.

    Parameters
    ----------
    accelerator : accelerate.Accelerator
        Of several processes.

    Attributes
    ----------
    number : int
        Which of them this is; 0 is the first.
    share : float
        This process's share of the rows of the current batch.
    """

    def __init__(self, accelerator):
        self._accelerator = accelerator
        self.count = accelerator.num_processes
        self.number = accelerator.process_index
        self.share = 1.0

    def parts(self, batches) -> "_Parts":
        """Return this process's part of every batch, and set ``share``."""
        return _Parts(batches, self)

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over all processes, the same to the last bit in each."""
        return self._accelerator.reduce(values, "sum")

    def over_batch(self, losses: Tensor, gradients: Tensor) -> tuple[Tensor, Tensor]:
        """Return the batch's mean losses, and their gradients in this part's logits."""
        return self.sum(self.share * losses), self.share * gradients

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Put the sum over all processes in the place of each gradient, in one message."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        total = self.sum(torch.cat([gradient.flatten() for gradient in gradients]))
        sizes = [gradient.numel() for gradient in gradients]
        for gradient, part in zip(gradients, total.split(sizes), strict=True):
            gradient.copy_(part.view_as(gradient))

    def check_alike(self, net: NeuralNet, rows: Rows, validation: Rows | None, seed: int) -> None:
        """Raise a ValueError in all processes unless they start from the same.

        Rows count by their labels, targets and weights, and by what the net has learnt of them.
        """
        from accelerate.utils import gather_object

        parts = [seed, *net.module_.state_dict().values()]
        for some in (rows, validation):
            if some is not None:
                parts += [some.labels, some.answers, some.sample_weight]
        if len(set(gather_object([content_hash(parts)]))) > 1:
            raise ValueError(
                "The processes differ in their rows, in what the teacher says of them, or in the "
                "seed, and can't train one student. Give all of them the same rows, "
                "random_state=0 (or another int) to DistilledClassifier and to the teacher, or "
                "memory=..., with which one process does the teacher's work for all."
            )


class _Parts:
    """Give each process its own part of the batches."""

    def __init__(self, batches, processes: Processes):
        self.batches, self.processes = batches, processes

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        count, number = self.processes.count, self.processes.number
        for X, rows in self.batches:
            n_rows = len(X)
            if n_rows < count:
                raise ValueError(
                    f"A batch of {n_rows} rows can't be parted among {count} processes. Raise "
                    "batch_size of the student, which is that of all processes together."
                )
            part = slice(n_rows * number // count, n_rows * (number + 1) // count)
            self.processes.share = (part.stop - part.start) / n_rows
            if isinstance(rows, slice):
                rows = torch.arange(n_rows, device=X.device)
            yield X[part], rows[part]


def check_accelerator(net: NeuralNet, balancer: Balancer, *, has_unlabeled: bool) -> None:
    """Raise a ValueError if an accelerator asks for what the training can't do.

    Parameters
    ----------
    net : skorch.NeuralNet
        Initialized.
    has_unlabeled : bool
        Whether there are rows without labels.
    """
    accelerator = getattr(net, "accelerator", None)
    if accelerator is None:
        return
    _refuse_if(
        accelerator.gradient_accumulation_steps > 1,
        f"gradient_accumulation_steps={accelerator.gradient_accumulation_steps} of the Accelerator "
        "would have no effect. Leave it at 1, and raise batch_size of the student.",
    )
    _refuse_if(
        accelerator.scaler is not None,
        f"mixed_precision={accelerator.mixed_precision!r} of the Accelerator needs scaled losses, "
        "and the gradients here start from the logits. Use mixed_precision='bf16' or 'no'.",
    )
    if accelerator.num_processes == 1:
        return
    kind = str(getattr(accelerator.distributed_type, "value", accelerator.distributed_type))
    _refuse_if(
        kind not in ("MULTI_CPU", "MULTI_GPU"),
        f"An Accelerator of distributed_type {kind} is not supported: every process holds the "
        "whole student. Use MULTI_CPU or MULTI_GPU.",
    )
    _refuse_if(
        has_unlabeled,
        "augmenter and X_unlabeled work in one process only. Set augmenter=None and give no "
        "X_unlabeled, or launch a single process.",
    )
    _refuse_if(
        not are_plain(net),
        "A student with a Dataset or DataLoader of its own may draw other batches in each process. "
        "Leave dataset and iterator_train at skorch's default, or launch a single process.",
    )
    _refuse_if(
        "rows" in balancer.requirements(),
        f"{type(balancer).__name__} weighs row by row, which works in one process only. Take "
        "another balancer, or launch a single process.",
    )
    _refuse_if(
        any(isinstance(part, _BATCH_NORMS) for part in net.module_.modules()),
        "Batch normalization would see each process's part of a batch by itself, and the students "
        "would differ. Use torch.nn.LayerNorm or GroupNorm, on GPUs torch.nn.SyncBatchNorm, or "
        "launch a single process.",
    )


_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def _refuse_if(is_so: bool, message: str) -> None:
    if is_so:
        raise ValueError(message)
