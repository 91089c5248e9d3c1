"""From what a user gives as a student to a skorch net of the task."""

from sklearn.pipeline import Pipeline
from skorch import NeuralNet, NeuralNetClassifier, NeuralNetRegressor
from torch import nn

from ..students import STUDENTS, PeriodicMLP, TabularMLP, make_student

# By task: the kind of net, its criterion, and others that say the same.
NETS: dict[str, tuple[type[NeuralNet], type[nn.Module], tuple[type[nn.Module], ...]]] = {
    "classification": (NeuralNetClassifier, nn.CrossEntropyLoss, (nn.NLLLoss,)),
    "regression": (NeuralNetRegressor, nn.MSELoss, ()),
}
# By task: the task loss, and what weighs it.
_TASK_LOSSES = {
    "classification": ("cross-entropy", "Weigh classes by class_weight of DistilledClassifier."),
    "regression": ("loss=... of DistilledRegressor", "Weigh rows by sample_weight."),
}


def as_net(student, task: str = "classification"):
    """Return the net that a name or None stands for; any other student as it is."""
    if student is None or isinstance(student, str):
        return make_student("mlp" if student is None else student, task=task)
    return student


def is_known(student) -> bool:
    """Whether a student is a name that stands for a net, or None."""
    return student is None or (isinstance(student, str) and student in STUDENTS)


def is_default(net: NeuralNet) -> bool:
    """Whether a net is a student of skkd for tables, whose input skkd encodes."""
    return net.module in (TabularMLP, PeriodicMLP)


def split_student(student, task: str = "classification") -> tuple[list, NeuralNet]:
    """Return the preprocessing steps of a student and its net; raise a TypeError for others.

    Returns
    -------
    steps : list of (name, transformer)
        Empty unless the student is a Pipeline.
    net : skorch.NeuralNet
        Of the task.
    """
    student = as_net(student, task)
    steps, net = [], student
    if isinstance(student, Pipeline):
        steps, (_, net) = student.steps[:-1], student.steps[-1]
    kind, criterion, others = NETS[task]
    if not isinstance(net, kind):
        raise TypeError(
            f"student must be a skorch {kind.__name__}, a Pipeline that ends in one, a name of "
            f"skkd.students.STUDENTS, or None for the default; got {student!r}."
        )
    loss, weights = _TASK_LOSSES[task]
    given = net.criterion if isinstance(net.criterion, type) else type(net.criterion)
    if given not in (criterion, *others):
        raise ValueError(
            f"criterion={net.criterion!r} of the student would not be used: the task loss is "
            f"{loss}. Leave the criterion at skorch's default."
        )
    for name in vars(net):
        if name.startswith("criterion__"):
            raise ValueError(
                f"{name} of the student would not be used: the task loss is {loss}. {weights}"
            )
    return steps, net
