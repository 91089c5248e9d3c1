"""Make students by name."""

from collections.abc import Callable

import torch
from skorch import NeuralNet, NeuralNetClassifier, NeuralNetRegressor
from torch import nn

from ._convnet import ResidualConvNet
from ._mlp import TabularMLP
from ._periodic import PeriodicMLP
from ._schedule import LearningRateSchedule


def default_student() -> NeuralNetClassifier:
    """Make the student of ``DistilledClassifier(teacher, student=None)``.

    It is ``make_student("mlp")``: a :class:`TabularMLP` trained by AdamW, with a learning rate that
    warms up and then falls along a cosine. ``fit`` sizes parameters of ``"auto"`` to the data. It
    encodes numbers piecewise linearly (``module__bins``; ``()`` turns it off). After training it
    prunes what is not needed (``module__pruning``; 0 turns it off).

    Returns
    -------
    net : skorch.NeuralNetClassifier

    Examples
    --------
    >>> from skkd.students import default_student
    >>> default_student().set_params(lr=0.01).lr
    0.01
    """
    net = _mlp("small")
    assert isinstance(net, NeuralNetClassifier)
    return net


def make_student(
    name: str, size: str = "small", task: str = "classification"
) -> NeuralNetClassifier | NeuralNetRegressor:
    """Make a student by its name, to be searched, changed or put into a Pipeline.

    ``DistilledClassifier(teacher, student="convnet")`` trains ``make_student("convnet")``. Its
    parameters can be set there as well: ``student__lr``, ``student__module__widths``.

    Parameters
    ----------
    name : str
        A name in :data:`STUDENTS`. "mlp": the default student, a :class:`TabularMLP`. "mlp_plr": a
        :class:`PeriodicMLP`, for tables of numbers; needs ``pip install 'skkd[embeddings]'``.
        "convnet": a :class:`ResidualConvNet`, for images.
    size : {"small", "medium"}, default="small"
        "medium" has three to four times the parameters.
    task : {"classification", "regression"}, default="classification"
        "regression" is for :class:`skkd.DistilledRegressor`.

    Returns
    -------
    net : skorch.NeuralNetClassifier or skorch.NeuralNetRegressor
        Not initialized. Parameters of ``"auto"`` are sized to the data in ``fit``.

    Raises
    ------
    ValueError
        If name, size or task is not known.

    Examples
    --------
    >>> from skkd.students import make_student
    >>> make_student("convnet", "medium").module__widths
    (32, 64, 128)
    """
    if name not in STUDENTS:
        raise ValueError(
            f"student={name!r} is not known; choose one of {', '.join(map(repr, STUDENTS))}, or "
            "give a net of skorch, a Pipeline that ends in one, or None for the default."
        )
    if size not in ("small", "medium"):
        raise ValueError(f"size={size!r} is not known; choose 'small' or 'medium'.")
    if task not in _NETS:
        raise ValueError(f"task={task!r} is not known; choose one of {', '.join(_NETS)}.")
    return STUDENTS[name](size, task)


def _mlp(size: str, task: str = "classification") -> NeuralNet:
    hidden = {"small": "auto", "medium": (512, 512, 256)}[size]
    return _net(
        task,
        TabularMLP,
        2e-3,
        optimizer__weight_decay=0.1,
        module__hidden=hidden,
        module__dropout="auto",
        module__pruning="auto",
        module__bins="auto",
    )


def _mlp_plr(size: str, task: str = "classification") -> NeuralNet:
    sizes = {
        "small": {"hidden": "auto", "n_frequencies": 16, "embedding_size": 8},
        "medium": {"hidden": (512, 256), "n_frequencies": 32, "embedding_size": 16},
    }[size]
    return _net(
        task,
        PeriodicMLP,
        2e-3,
        optimizer__weight_decay=0.1,
        module__dropout="auto",
        module__pruning="auto",
        module__embedded="auto",
        **{f"module__{name}": value for name, value in sizes.items()},
    )


def _convnet(size: str, task: str = "classification") -> NeuralNet:
    widths = {"small": (16, 32, 64), "medium": (32, 64, 128)}[size]
    lr = {"small": 5e-3, "medium": 3e-3}[size]
    return _net(
        task,
        ResidualConvNet,
        lr,
        optimizer__weight_decay=0.1,
        module__widths=widths,
        module__dropout="auto",
    )


_NETS: dict[str, tuple[type[NeuralNet], type[nn.Module]]] = {
    "classification": (NeuralNetClassifier, nn.CrossEntropyLoss),
    "regression": (NeuralNetRegressor, nn.MSELoss),
}


def _net(task: str, module: type[nn.Module], lr: float, **params) -> NeuralNet:
    kind, criterion = _NETS[task]
    return kind(
        module,
        criterion=criterion,
        optimizer=torch.optim.AdamW,
        optimizer__fused=True,
        lr=lr,
        max_epochs="auto",
        batch_size="auto",
        callbacks=[("lr_schedule", LearningRateSchedule())],
        train_split=None,
        verbose=0,
        **params,
    )


STUDENTS: dict[str, Callable[..., NeuralNet]] = {
    "mlp": _mlp,
    "mlp_plr": _mlp_plr,
    "convnet": _convnet,
}
