"""Calls that mypy must refuse, each in the line that ends with "wrong". Nothing here runs."""

from skkd import DistilledClassifier
from skkd.balancers import FixedBalance
from skkd.export import load, to_onnx


def classifiers(teacher: object) -> None:
    DistilledClassifier(teacher, balancer=0.5)  # wrong
    DistilledClassifier(teacher, balancer=FixedBalance)  # wrong
    DistilledClassifier(teacher, balancr="fixed")  # wrong
    DistilledClassifier(teacher, None, "fixed")  # wrong
    DistilledClassifier(teacher, augmenter=True)  # wrong
    DistilledClassifier(teacher, temperature="hot")  # wrong
    DistilledClassifier(teacher, distillation_loss=1.0)  # wrong
    DistilledClassifier(teacher, early_stopping="yes")  # wrong
    DistilledClassifier(teacher, random_state="zero")  # wrong
    DistilledClassifier(teacher, verbose="loud")  # wrong


def use(clf: DistilledClassifier) -> None:
    clf.fit([[0.0]])  # wrong
    clf.predict_probability([[0.0]])  # wrong
    to_onnx(clf)  # wrong
    to_onnx(clf, "student.onnx", tolerance="small")  # wrong
    load()  # wrong
