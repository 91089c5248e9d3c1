"""The methods of the study: what can be compared, by name.

A method is written ``RULE@TARGETS+AUGMENTER/OPTION=VALUE``, of which the rule alone is required:

- the rule: ``labels``, ``default``, ``search``, one of ``RULES``, or a name in
  ``skkd.balancers.BALANCERS``; with parameters as in a call, ``fixed(0.3)``,
  ``descent_share(ratio=0.5)``;
- the targets: ``insample``, ``oof`` or ``calibrated`` (the default);
- an augmenter of ``skkd.augmenters.AUGMENTERS``, or ``auto``: new rows that the teacher labels;
- parameters of DistilledClassifier, ``descent_share@oof/temperature=2,student__lr=0.001``.

A name in ``GROUPS`` stands for several rules: ``schedules@oof`` are all schedules. ``default`` is
``DistilledClassifier(teacher, cv=5)`` and nothing else: it cross-fits the teacher and looks for new
rows by itself. ``search`` is a GridSearchCV over the fixed weights of the same, without new rows.
All other rules have none but those of an augmenter.
"""

import ast
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass

from sklearn.model_selection import GridSearchCV

from skkd import DistilledClassifier
from skkd._student.sizes import sized
from skkd.augmenters import AUGMENTERS, Augmenter
from skkd.balancers import BALANCERS, Balancer, FixedBalance, ScheduledBalance
from skkd.students import default_student

from .teachers import Signals, make_teacher

TARGETS = ("insample", "oof", "calibrated")

#: Rules that look at no targets, or make their own.
WITHOUT_TARGETS = ("labels", "default", "search")

#: The fixed weights that are tried, and that a search chooses from; 0 is labels only.
WEIGHTS = (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)

#: Rules that are not a balancer of their own.
RULES: dict[str, Callable[..., Balancer]] = {
    "labels": lambda: FixedBalance(0.0),
    "linear_down": lambda: ScheduledBalance("linear", start=1.0, end=0.0),
    "linear_up": lambda: ScheduledBalance("linear", start=0.0, end=1.0),
    "hold_then_decay": lambda: ScheduledBalance("linear", start=1.0, end=0.0, hold=0.5),
    "early_stopped": lambda: ScheduledBalance(start=0.9, end=0.9, stop=0.5),
}

GROUPS: dict[str, Callable[[], list[str]]] = {
    "fixed_weights": lambda: [f"fixed({weight:g})" for weight in WEIGHTS],
    "schedules": lambda: [name for name in RULES if name != "labels"],
    "dynamic": lambda: [name for name in BALANCERS if name not in ("fixed", "scheduled")],
}

_SPELLING = re.compile(
    r"(?P<rule>\w+)(?P<params>\(.*?\))?(@(?P<targets>\w+))?"
    r"(\+(?P<augmenter>\w+)(?P<augmenter_params>\(.*?\))?)?(/(?P<options>.+))?"
)


@dataclass(frozen=True)
class Method:
    """A method in its parts."""

    rule: str
    params: str = ""
    targets: str = "calibrated"
    augmenter: str = ""
    options: str = ""

    @property
    def name(self) -> str:
        """The method's spelling: the same for all spellings of one method."""
        name = self.rule + self.params
        name += "" if self.rule in WITHOUT_TARGETS else f"@{self.targets}"
        name += f"+{self.augmenter}" if self.augmenter else ""
        return name + (f"/{self.options}" if self.options else "")


def expand(spellings: list[str]) -> list[Method]:
    """The methods that spellings and groups stand for, each once, in their order."""
    methods: dict[str, Method] = {}
    for spelling in spellings:
        group, end = re.match(r"(\w+)(.*)", spelling).groups()
        for name in [rule + end for rule in GROUPS[group]()] if group in GROUPS else [spelling]:
            method = parse(name)
            methods.setdefault(method.name, method)
    return list(methods.values())


def parse(spelling: str) -> Method:
    """The method that a name stands for; a ValueError says what is wrong with it."""
    method = parts_of(spelling)
    known = ("default", "search", *RULES, *BALANCERS)
    if method.rule not in known:
        raise ValueError(
            f"Rule {method.rule!r} of method {spelling!r} is not known; choose one of "
            f"{', '.join(known)}, or a group: {', '.join(GROUPS)}."
        )
    return method


def parts_of(spelling: str) -> Method:
    """Split a name into its parts; the rule may be one that skkd no longer has."""
    match = _SPELLING.fullmatch(spelling.replace(" ", ""))
    if match is None:
        raise ValueError(f"Method {spelling!r} is not of the form RULE@TARGETS+AUGMENTER/OPTIONS.")
    part = match.groupdict("")
    targets = part["targets"] or "calibrated"
    if targets not in TARGETS:
        raise ValueError(
            f"Targets {targets!r} of method {spelling!r} are not known; choose one of "
            f"{', '.join(TARGETS)}."
        )
    if part["rule"] in WITHOUT_TARGETS:
        targets = "calibrated"
    augmenter = part["augmenter"] + part["augmenter_params"]
    return Method(part["rule"], part["params"], targets, augmenter, part["options"])


@dataclass
class Fitted:
    """A trained student, the seconds of process time it took, and how many were trained for it."""

    clf: DistilledClassifier
    seconds: float
    n_fits: int = 1


def fit(
    method: Method,
    X,
    y,
    signals: Signals,
    teacher,
    *,
    kind: str,
    seed: int,
    epochs_scale: float = 1.0,
    student: dict | None = None,
) -> Fitted:
    """Train the student by a method.

    Parameters
    ----------
    X, y
        Training rows.
    signals : Signals
        Of the teacher for these rows.
    teacher : callable
        Gives the fitted teacher, which is asked for only where new rows need it.
    kind : str
        Of the teacher, for the method that fits one by itself.
    epochs_scale : float
        The student's epochs as a multiple of what they are by default.
    student : dict or None
        Parameters of the student by name; those of the method come first.
    """
    shared = {f"student__{name}": value for name, value in (student or {}).items()}
    options = shared | _call(f"({method.options})")[1]
    if epochs_scale != 1:
        epochs = max(1, round(epochs_scale * sized(default_student(), X)["max_epochs"]))
        options = {"student__max_epochs": epochs} | options
    if method.rule in ("default", "search"):
        clf = DistilledClassifier(make_teacher(kind, X, seed), cv=5, random_state=seed)
        if method.augmenter:
            clf.set_params(augmenter=_augmenter(method.augmenter))
        clf.set_params(**options)
        return _search(clf, X, y) if method.rule == "search" else _timed(clf, X, y)
    # The targets are what the method says, calibrated or not.
    clf = DistilledClassifier(None, calibrate=None, random_state=seed)
    if method.augmenter:
        # New rows get targets of the same kind as the real ones.
        asked = signals.asked_for(method.targets, teacher())
        clf.set_params(teacher=asked, augmenter=_augmenter(method.augmenter))
    proba = signals.targets[method.targets]
    clf.set_params(balancer=_balancer(method)).set_params(**options)
    return _timed(clf, X, y, teacher_proba=proba)


def student_params(text: str) -> dict:
    """Parameters out of text such as ``lr=0.001,max_epochs=20``; a ValueError for anything else."""
    try:
        unnamed, params = _call(f"({text})")
    except SyntaxError:
        unnamed, params = (text,), {}
    if unnamed:
        raise ValueError(f"--student {text!r} is not of the form NAME=VALUE,NAME=VALUE.")
    return params


def _timed(clf, X, y, **arguments) -> Fitted:
    start = time.process_time()
    clf.fit(X, y, **arguments)
    return Fitted(clf, time.process_time() - start)


def _search(clf, X, y) -> Fitted:
    """The fixed weight of the best accuracy in five folds, labels only among them.

    The teacher is cross-fitted in each fold: out-of-fold targets of all rows know the labels of the
    rows that a fold scores.
    """
    grid = {"balancer": [FixedBalance(weight) for weight in (0.0, *WEIGHTS)]}
    with tempfile.TemporaryDirectory() as folder:
        clf.set_params(memory=folder, augmenter=None)
        search = GridSearchCV(clf, grid, cv=5, scoring="accuracy", error_score="raise")
        done = _timed(search, X, y)
    return Fitted(done.clf.best_estimator_, done.seconds, 5 * len(grid["balancer"]) + 1)


def _balancer(method: Method) -> Balancer:
    args, kwargs = _call(method.params)
    return {**BALANCERS, **RULES}[method.rule](*args, **kwargs)


def _augmenter(spelling: str) -> str | Augmenter:
    name, params = re.fullmatch(r"(\w+)(.*)", spelling).groups()
    if not params:
        return name
    args, kwargs = _call(params)
    return AUGMENTERS[name](*args, **kwargs)


def _call(params: str) -> tuple[tuple, dict]:
    """Arguments out of text such as ``(0.3, smoothing=0.5)``; only literals are allowed."""
    if not params:
        return (), {}
    call = ast.parse(f"f{params}", mode="eval").body
    arguments = tuple(ast.literal_eval(value) for value in call.args)
    return arguments, {word.arg: ast.literal_eval(word.value) for word in call.keywords}
