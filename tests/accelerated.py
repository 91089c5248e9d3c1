"""What each process runs that tests/test_accelerate.py launches: fits by name, kept in a file.

torchrun --standalone --nproc-per-node 2 -m tests.accelerated FOLDER
"""

import pickle
import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from skorch import NeuralNetClassifier
from skorch.callbacks import GradientNormClipping
from skorch.hf import AccelerateMixin
from torch import nn

from skkd.balancers import DescentShare, Famo
from tests.helpers import DropoutNet, Net, make_data, quick, quick_net

# 121 rows make two batches of 61 and 60, so that the processes' parts differ in size.
X, Y = make_data(121)
WEIGHT = np.random.default_rng(0).uniform(0.1, 3.0, len(Y))
TEACHER = LogisticRegression().fit(*make_data(50))


class AcceleratedNet(AccelerateMixin, NeuralNetClassifier):
    """As skorch's documentation tells users to write it."""


class Draws(nn.Module):
    """Draws a number where dropout would draw a mask, and keeps it."""

    def __init__(self):
        super().__init__()
        self.drawn = []

    def forward(self, X):
        if self.training:
            self.drawn.append(torch.rand(()).item())
        return X


#: What a case changes: of the estimator, and under "fit" and "net" of these.
CASES: dict[str, dict] = {
    "fixed": {"balancer": "fixed"},
    "one batch": {"net": {"batch_size": -1}},
    "descent_share": {},
    "descent_share, all": {"balancer": DescentShare(gradients="all")},
    "loss_share": {"balancer": "loss_share"},
    "famo": {"balancer": Famo()},
    "equal_gradients": {"balancer": "equal_gradients"},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 2, "net": {"lr": 0.3}},
    "weights": {"fit": {"sample_weight": WEIGHT}},
    "weights, all": {
        "fit": {"sample_weight": WEIGHT},
        "balancer": DescentShare(gradients="all"),
    },
    "js": {"distillation_loss": "js"},
    "temperature of rows": {"temperature": "teacher_entropy"},
    "probabilities": {"net": {"module__end": nn.Softmax(-1)}},
    "clipping": {"net": {"callbacks": [GradientNormClipping(0.02)]}},
    "cross-fitted": {"teacher": RandomForestClassifier(3, random_state=0), "cv": 3},
    "lbfgs": {
        "net": {
            "optimizer": torch.optim.LBFGS,
            "optimizer__line_search_fn": "strong_wolfe",
            "lr": 1.0,
            "max_epochs": 1,  # of up to 20 steps, which then magnify rounding
            "batch_size": -1,
        },
        "balancer": "fixed",
    },
}


def fit(accelerator=None, *, fit=None, net=None, module=Net, teacher=TEACHER, **params):
    """A fit of a case; in this process alone without an accelerator."""
    student = quick_net(module, **net or {})
    if accelerator is not None:
        given = {**student.get_params(deep=False), "device": None}
        student = AcceleratedNet(**given, accelerator=accelerator)
    return quick(teacher, student=student, **params).fit(X, Y, **(fit or {}))


def result_of(clf) -> dict:
    state = {name: value.numpy() for name, value in clf.student_.module_.state_dict().items()}
    history = {name: clf.history_[name] for name in clf.history_ if name != "seconds"}
    return {"state": state, "history": history, "proba": clf.predict_proba(X)}


def error_of(*args, **params) -> str:
    try:
        fit(*args, **params)
    except ValueError as error:
        return str(error)
    return "no error"


def main(folder: Path) -> None:
    from accelerate import Accelerator

    torch.set_num_threads(1)
    accelerator = Accelerator(cpu=True)
    assert accelerator.num_processes == 2
    results: dict = {name: result_of(fit(accelerator, **case)) for name, case in CASES.items()}
    results["dropout"] = result_of(fit(accelerator, module=DropoutNet))
    draws = fit(accelerator, net={"module__extra": Draws()}).student_.module_.layers[2].drawn
    results["draws"] = draws
    chancy = {"teacher": RandomForestClassifier(3), "cv": 3}
    shared = fit(accelerator, **chancy, memory=folder / "memory")
    results["shared teacher"] = result_of(shared)
    results["pickled"] = pickle.loads(pickle.dumps(shared)).predict_proba(X)
    results["errors"] = {
        "teacher": error_of(accelerator, **chancy),
        "seed": error_of(accelerator, random_state=None),
        "batch": error_of(accelerator, net={"batch_size": 1}),
    }
    (folder / f"{accelerator.process_index}.pickle").write_bytes(pickle.dumps(results))
    # Threads of gloo that still run when the process ends would abort it.
    accelerator.end_training()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
