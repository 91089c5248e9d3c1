"""Students that accelerate trains in two processes are those of one process."""

import os
import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from filelock import FileLock
from sklearn.base import clone
from torch import nn

from skkd._training.processes import Processes, check_accelerator
from skkd.balancers import DescentShare, FixedBalance, SampleWise
from tests.accelerated import CASES, AcceleratedNet, X, Y, fit, result_of
from tests.helpers import Net, Noise, fitted_teacher, quick, quick_net

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def launched(tmp_path_factory) -> list[dict]:
    """What the fits gave in each of two processes, launched once for all of pytest's workers."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "accelerated"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            launch(folder)
    return [pickle.loads((folder / f"{number}.pickle").read_bytes()) for number in range(2)]


def launch(folder: Path) -> None:
    folder.mkdir()
    command = "-m torch.distributed.run --standalone --nproc-per-node 2 -m tests.accelerated"
    ended = subprocess.run(
        [sys.executable, *command.split(), str(folder)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_two_processes_give_the_student_of_one(launched, name):
    alone = result_of(fit(**CASES[name]))
    for result in launched:
        for part in ("state", "history"):
            assert result[name][part].keys() == alone[part].keys()
            for key, values in alone[part].items():
                np.testing.assert_allclose(result[name][part][key], values, 1e-9, 1e-12)


@pytest.mark.slow
def test_both_processes_end_with_the_same_student(launched):
    first, second = launched
    for name in [*CASES, "dropout", "shared teacher"]:
        np.testing.assert_array_equal(first[name]["proba"], second[name]["proba"])
        for key, values in first[name]["state"].items():
            np.testing.assert_array_equal(values, second[name]["state"][key])


@pytest.mark.slow
def test_processes_draw_dropout_masks_of_their_own(launched):
    first, second = (result["draws"] for result in launched)
    assert len(first) == len(second) == 15 * 2
    assert not set(first) & set(second)


@pytest.mark.slow
def test_a_student_of_several_processes_can_be_pickled(launched):
    np.testing.assert_array_equal(launched[0]["pickled"], launched[0]["shared teacher"]["proba"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, part",
    [("teacher", "memory="), ("seed", "random_state=0"), ("batch", "Raise batch_size")],
)
def test_what_would_differ_is_an_error_in_every_process(launched, name, part):
    assert all(part in result["errors"][name] for result in launched)


# In one process


@pytest.fixture
def net():
    given = {**quick_net().get_params(deep=False), "device": None}
    return AcceleratedNet(**given, accelerator=Accelerator(cpu=True))


def test_one_process_gives_the_same_as_no_accelerator(net):
    teacher = fitted_teacher(X, Y)
    clf = quick(teacher, student=net).fit(X, Y)
    np.testing.assert_array_equal(clf.predict_proba(X), quick(teacher).fit(X, Y).predict_proba(X))
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(clf)).predict_proba(X), clf.predict_proba(X)
    )
    assert net.device is None and not hasattr(net, "module_")
    clone(clf).fit(X, Y)
    clone(clf.student_).fit(X.astype(np.float32), Y)


def stand_in(**changes) -> SimpleNamespace:
    """What is asked of an Accelerator before a training, here of two processes."""
    usual = {
        "num_processes": 2,
        "distributed_type": "MULTI_CPU",
        "gradient_accumulation_steps": 1,
        "mixed_precision": "no",
        "scaler": None,
    }
    return SimpleNamespace(**usual | changes)


REFUSED = {
    "accumulation": ({"gradient_accumulation_steps": 4}, {}, "raise batch_size"),
    "scaled losses": ({"scaler": object(), "mixed_precision": "fp16"}, {}, "'bf16' or 'no'"),
    "sharded": ({"distributed_type": "FSDP"}, {}, "MULTI_CPU or MULTI_GPU"),
    "synthetic rows": ({}, {"has_unlabeled": True}, "augmenter=None"),
    "rows": ({}, {"balancer": SampleWise()}, "SampleWise weighs row by row"),
    "own loader": ({}, {"iterator_train__collate_fn": Noise()}, "iterator_train"),
    "batch norm": ({}, {"extra": nn.BatchNorm1d(8)}, "LayerNorm"),
}


@pytest.mark.parametrize("changes, params, part", REFUSED.values(), ids=REFUSED)
def test_what_can_not_be_done_right_is_refused(changes, params, part):
    params = dict(params)
    module = Net(5, 3, extra=params.pop("extra", None))
    of_net = {name: params.pop(name) for name in [*params] if name.startswith("iterator")}
    net = quick_net(module, **of_net).initialize()
    net.accelerator = stand_in(**changes)
    params = {"balancer": FixedBalance(), "has_unlabeled": False} | params
    with pytest.raises(ValueError, match=part):
        check_accelerator(net, params.pop("balancer"), **params)


@pytest.mark.parametrize("changes", [{}, {"distributed_type": "MULTI_GPU"}, {"num_processes": 1}])
def test_what_can_be_done_is_not_refused(changes):
    net = quick_net(module=Net(5, 3)).initialize()
    net.accelerator = stand_in(**changes)
    check_accelerator(net, DescentShare(gradients="all"), has_unlabeled=False)


def test_refused_before_the_teacher_works(net):
    net.accelerator.gradient_accumulation_steps = 2
    with pytest.raises(ValueError, match="gradient_accumulation_steps=2"):
        quick(AsksNothing(X, Y), student=net).fit(X, Y)


class AsksNothing:
    """A fitted teacher that must not be asked."""

    def __init__(self, X, y):
        self.classes_ = np.unique(y)

    def predict_proba(self, X):
        raise AssertionError("the teacher was asked")


@pytest.mark.parametrize("count", [2, 3])
def test_parts_make_up_each_batch(count):
    batches = [(torch.arange(7.0).reshape(7, 1), torch.tensor([3, 1, 4, 0, 5, 9, 2]))]
    batches.append((torch.arange(5.0).reshape(5, 1), slice(None)))
    numbers = range(count)
    sides = [Processes(SimpleNamespace(num_processes=count, process_index=n)) for n in numbers]
    shares = [0.0, 0.0]
    parts: list = [[], []]
    for side in sides:
        for i, part in enumerate(side.parts(batches)):
            shares[i] += side.share
            assert side.share == pytest.approx(len(part[0]) / len(batches[i][0]))
            parts[i].append(part)
    assert shares == pytest.approx([1.0, 1.0])
    for (X_whole, rows), of_batch in zip(batches, parts, strict=True):
        torch.testing.assert_close(torch.cat([X_part for X_part, _ in of_batch]), X_whole)
        rows = torch.arange(5) if isinstance(rows, slice) else rows
        torch.testing.assert_close(torch.cat([numbers for _, numbers in of_batch]), rows)
