"""How fast the training loop is: process time as ratios within one run.

Compared on the same net, losses, data and number of steps, at batches of 128 and 1,024:

- a bare PyTorch loop, as one would write it by hand (fixed weight 0.5, soft targets made once);
- plain skorch with its default loader;
- skkd with a fixed weight, and with DescentShare;
- scikit-learn's MLPClassifier of the same shape, for an order of magnitude (labels only).

Then every balancing rule against a fixed weight. Then prediction: 100,000 rows against the module's
own forward pass, and a single row against MLPClassifier. Every figure is the median over
interleaved repetitions, so that a busy machine slows all of them alike. Run by ``make speed``;
``--json FILE`` keeps the numbers.
"""

import argparse
import json
import os
import platform
import time
import warnings
from functools import partial

import numpy as np
import sklearn
import skorch
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from skorch import NeuralNet, NeuralNetClassifier
from torch import nn
from torch.nn import functional as F

import skkd
from skkd import DistilledClassifier
from skkd.balancers import BALANCERS, DescentShare, FixedBalance

N_ROWS, N_FEATURES, N_CLASSES = 20_000, 50, 10
HIDDEN = (128, 64)
TEMPERATURE = 2.0
EPOCHS = 3


class Net(nn.Module):
    """The net that all loops train."""

    def __init__(self):
        super().__init__()
        widths = (N_FEATURES, *HIDDEN)
        layers = []
        for n_in, n_out in zip(widths, widths[1:], strict=False):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(HIDDEN[-1], N_CLASSES))

    def forward(self, X):
        return self.layers(X)


def make_data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, N_FEATURES)).astype(np.float32)
    logits = X @ rng.normal(size=(N_FEATURES, N_CLASSES)) + rng.gumbel(size=(N_ROWS, N_CLASSES))
    proba = np.exp(logits - logits.max(axis=1, keepdims=True))
    return X, logits.argmax(axis=1), proba / proba.sum(axis=1, keepdims=True)


def bare_loop(X, y, proba, *, batch_size: int, fused: bool) -> nn.Module:
    """What one writes by hand."""
    inputs, labels = torch.from_numpy(X), torch.from_numpy(y)
    soft = torch.softmax(torch.from_numpy(proba).log() / TEMPERATURE, 1).float()
    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=fused)
    for _ in range(EPOCHS):
        order = torch.randperm(len(inputs))
        total = torch.zeros(())
        for start in range(0, len(inputs), batch_size):
            rows = order[start : start + batch_size]
            optimizer.zero_grad()
            logits = net(inputs[rows])
            task = F.cross_entropy(logits, labels[rows])
            log_p = F.log_softmax(logits / TEMPERATURE, 1)
            distillation = TEMPERATURE**2 * F.kl_div(log_p, soft[rows], reduction="batchmean")
            loss = 0.5 * task + 0.5 * distillation
            loss.backward()
            optimizer.step()
            total += loss.detach()
    return net


class BothLosses(nn.Module):
    """The same objective for plain skorch; a row of y holds the label, then the soft targets."""

    def forward(self, logits, y):
        task = F.cross_entropy(logits, y[:, 0].long())
        log_p = F.log_softmax(logits / TEMPERATURE, 1)
        distillation = TEMPERATURE**2 * F.kl_div(log_p, y[:, 1:], reduction="batchmean")
        return 0.5 * task + 0.5 * distillation


def make_net(batch_size: int, fused: bool) -> NeuralNetClassifier:
    return NeuralNetClassifier(
        Net,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        optimizer__fused=fused,
        lr=1e-3,
        max_epochs=EPOCHS,
        batch_size=batch_size,
        verbose=0,
    )


def plain_skorch(X, y, proba, *, batch_size: int, fused: bool):
    # All rows, as the others: skorch's default would hold a fifth of them out.
    net = NeuralNet(
        Net,
        criterion=BothLosses,
        optimizer=torch.optim.Adam,
        optimizer__fused=fused,
        lr=1e-3,
        max_epochs=EPOCHS,
        batch_size=batch_size,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
    )
    soft = torch.softmax(torch.from_numpy(proba).log() / TEMPERATURE, 1).float().numpy()
    return net.fit(X, np.column_stack([y.astype(np.float32), soft]))


def distilled(X, y, proba, *, batch_size: int, fused: bool, balancer) -> DistilledClassifier:
    clf = DistilledClassifier(
        None,
        make_net(batch_size, fused),
        balancer=balancer,
        temperature=TEMPERATURE,
        random_state=0,
    )
    return clf.fit(X, y, teacher_proba=proba)


def sklearn_mlp(X, y, proba, *, batch_size: int, fused: bool) -> MLPClassifier:
    mlp = MLPClassifier(HIDDEN, batch_size=batch_size, max_iter=EPOCHS, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mlp.fit(X, y)


CONTENDERS = {
    "bare PyTorch loop": bare_loop,
    "skkd, FixedBalance": partial(distilled, balancer=FixedBalance(0.5)),
    "skkd, DescentShare": partial(distilled, balancer=DescentShare()),
    "plain skorch": plain_skorch,
    "MLPClassifier": sklearn_mlp,
}


def medians(functions: dict, repetitions: int) -> dict[str, float]:
    """Median process seconds of each function, called in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for repetition in range(repetitions + 1):
        for name, function in functions.items():
            start = time.process_time()
            function()
            if repetition:  # the first round warms up
                seconds[name].append(time.process_time() - start)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def measure_training(data, repetitions: int) -> list[dict]:
    table = []
    for batch_size in (128, 1024):
        for fused in (False, True):
            functions = {
                name: partial(function, *data, batch_size=batch_size, fused=fused)
                for name, function in CONTENDERS.items()
            }
            table.append(
                {"batch_size": batch_size, "fused": fused, **medians(functions, repetitions)}
            )
    return table


#: Rules that look at gradients, which can be those of all parameters.
GRADIENT_RULES = (
    "descent_share",
    "equal_gradients",
    "min_norm",
    "gradient_surgery",
    "conflict_averse",
)


def rules_to_measure() -> dict:
    """Every rule with its defaults, and those that look at gradients over all parameters."""
    rules = {name: rule() for name, rule in BALANCERS.items()}
    return rules | {f"{name}, all": BALANCERS[name](gradients="all") for name in GRADIENT_RULES}


def measure_rules(data, repetitions: int) -> list[dict]:
    """Seconds of each rule as a ratio to those of a fixed weight."""
    table = []
    for batch_size in (128, 1024):
        functions = {
            name: partial(distilled, *data, batch_size=batch_size, fused=False, balancer=rule)
            for name, rule in rules_to_measure().items()
        }
        seconds = medians(functions, repetitions)
        ratios = {name: value / seconds["fixed"] for name, value in seconds.items()}
        table.append({"batch_size": batch_size, "fused": False, **ratios})
    return table


def measure_prediction(data, repetitions: int) -> dict[str, float]:
    X, y, proba = data
    clf = distilled(X, y, proba, batch_size=128, fused=True, balancer=FixedBalance(0.5))
    default = DistilledClassifier(None, random_state=0).fit(
        X[:2000], y[:2000], teacher_proba=proba[:2000]
    )
    mlp = sklearn_mlp(X, y, proba, batch_size=128, fused=False)
    many = np.tile(X, (5, 1))
    tensor, module = torch.from_numpy(many), clf.student_.module_

    @torch.inference_mode()
    def forward():
        return module(tensor)

    def repeated(method):
        return lambda: [method(X[:1]) for _ in range(500)]

    batch = medians({"forward": forward, "skkd": lambda: clf.predict_proba(many)}, 5 * repetitions)
    row = medians(
        {
            "MLPClassifier": repeated(mlp.predict_proba),
            "skkd": repeated(clf.predict_proba),
            "default": repeated(default.predict_proba),
        },
        repetitions,
    )
    return {
        "100,000 rows, against the module's forward": batch["skkd"] / batch["forward"],
        "one row, against MLPClassifier": row["skkd"] / row["MLPClassifier"],
        "one row, default student, against MLPClassifier": row["default"] / row["MLPClassifier"],
        "one row, milliseconds": row["skkd"] / 500 * 1e3,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--json", help="also write the results to this file")
    args = parser.parse_args()
    threads = os.environ.get("OMP_NUM_THREADS")
    if threads is None:
        # torch.set_num_threads does not reach the thread that goes backwards through the net.
        parser.error("set the environment variable OMP_NUM_THREADS=1, as make speed does")
    data = make_data()

    training = measure_training(data, args.repetitions)
    print(f"Training, {N_ROWS:,} x {N_FEATURES}, {threads} thread(s): ratio to the bare loop\n")
    print(f"{'batch':>5} {'fused':>6}  " + "  ".join(f"{name:>18}" for name in CONTENDERS))
    for row in training:
        ratios = [row[name] / row["bare PyTorch loop"] for name in CONTENDERS]
        cells = "  ".join(f"{ratio:18.2f}" for ratio in ratios)
        print(f"{row['batch_size']:>5} {row['fused']!s:>6}  {cells}")
    print("\nDescentShare against FixedBalance, plain skorch against FixedBalance:")
    for row in training:
        fixed = row["skkd, FixedBalance"]
        print(
            f"{row['batch_size']:>5} {row['fused']!s:>6}  "
            f"{row['skkd, DescentShare'] / fixed:.2f}  {row['plain skorch'] / fixed:.2f}"
        )
    rules = measure_rules(data, args.repetitions)
    print("\nEvery rule against FixedBalance, at batches of 128 and 1,024")
    for name in rules_to_measure():
        print(f"  {name:28}" + "".join(f"{row[name]:8.3f}" for row in rules))
    prediction = measure_prediction(data, args.repetitions)
    print("\nPrediction")
    for name, value in prediction.items():
        print(f"  {name}: {value:.3f}")
    if args.json:
        versions = {m.__name__: m.__version__ for m in (skkd, sklearn, skorch, torch, np)}
        with open(args.json, "w") as file:
            about = {"versions": versions, "machine": platform.processor() or platform.machine()}
            results = {"training": training, "rules": rules, "prediction": prediction}
            json.dump({**results, **about}, file, indent=1)


if __name__ == "__main__":
    main()
