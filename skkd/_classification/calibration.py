"""Calibrate the teacher's probabilities on rows that it was not fitted on."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_softmax

from .knowledge import of_labels

METHODS = ("temperature", "vector")

# "auto" wants this many rows for one temperature, and this many a class for one scale a class.
# With fewer, what is best on them is too often worse on others.
_MIN_ROWS = 50
_MIN_ROWS_A_CLASS = 100
_MAX_FOLDS = 5

# Strength of the pull towards "no calibration", in nats. It keeps all parameters finite where the
# teacher is always right, and does not depend on the number of rows or on the scale of weights.
_RIDGE = 1e-3
_FLOOR_PRIOR = 1e-4

# Rows whose derivatives are computed at a time.
_CHUNK = 8192


@dataclass(frozen=True)
class Calibration:
    r"""Calibrate probabilities p over K classes.

    .. math:: q = (1 - \epsilon)\, \text{softmax}(w \log p + b) + \epsilon / K.

    Attributes
    ----------
    method : {"temperature", "vector"}
        "temperature": one scale w for all classes; 1 / w is the temperature, and b = 0.
        "vector": w and b for each class [1]_.
    scale : float, or ndarray of shape (n_classes,) for "vector"
        The scale w, positive. Above 1 for a teacher less sure than it could be, such as a forest.
    bias : ndarray of shape (n_classes,)
        The offset b. Zeros for "temperature".
    floor : float
        The share :math:`\epsilon` of the uniform distribution. No class has a probability of 0,
        however sure the teacher is.
    log_loss_before, log_loss_after : float
        Mean log-loss of the teacher on the fitted rows. "After" is by cross-validation: each fold
        is calibrated by the others.
    kept : bool
        Whether the calibration is applied. False if the gain in log-loss was at most one standard
        error: then :meth:`apply` returns its input.

    Notes
    -----
    NOTE: Guo et al. have no floor. Without it a single row whose label got probability 0 decides on
    the temperature of all; a forest has many of these.

    References
    ----------
    .. [1] Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017,
       arXiv 1706.04599.

    Examples
    --------
    >>> import numpy as np
    >>> from skkd._classification.calibration import Calibration
    >>> calibration = Calibration("temperature", 2.0, np.zeros(2), 0.0, 0.6, 0.5, kept=True)
    >>> calibration.apply(np.array([[0.75, 0.25]]))
    array([[0.9, 0.1]])
    """

    method: str
    scale: float | np.ndarray
    bias: np.ndarray
    floor: float
    log_loss_before: float
    log_loss_after: float
    kept: bool

    @property
    def temperature(self) -> float | np.ndarray:
        """Return 1 / ``scale``."""
        return 1 / self.scale

    def summary(self) -> str:
        """Say in one line what was fitted, and how the log-loss changes."""
        fitted = "vector scaling"
        if self.method == "temperature":
            fitted = f"temperature {self.temperature:.3g}"
        return (
            f"{fitted}, log-loss {self.log_loss_before:.4f} -> {self.log_loss_after:.4f} by "
            f"cross-validation, {'kept' if self.kept else 'not kept'}"
        )

    def apply(self, proba: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities.

        Parameters
        ----------
        proba : ndarray of shape (n_rows, n_classes)

        Returns
        -------
        proba : ndarray of shape (n_rows, n_classes), float64
        """
        if not self.kept:
            return proba
        return np.exp(_log_proba(_log(proba), self.scale, self.bias, self.floor))


def calibrate(
    method: str, proba: np.ndarray, labels: np.ndarray, weight=None, folds=None
) -> Calibration | None:
    """Fit a calibration on probabilities of a teacher that did not see these rows.

    Parameters
    ----------
    method : {"auto", "temperature", "vector"}
        "auto" takes the method of lowest cross-validated log-loss. A method is kept only if it
        lowers the log-loss by more than one standard error.
    proba : ndarray of shape (n_rows, n_classes)
    labels, weight : ndarray of shape (n_rows,)
        Columns of the right classes, and positive weights or None.
        Whole numbers are the same as repeated rows.
    folds : int ndarray of shape (n_rows,), default=None
        The fold in which each row was tested. Calibrations are judged on the same folds, so that
        rows which belong together stay together. None: every fifth row.

    Returns
    -------
    calibration : Calibration or None
        None where "auto" has too few rows.
    """
    n_rows, n_classes = proba.shape
    weight = np.ones(n_rows) if weight is None else weight
    n_counted = _count(weight)
    if method == "auto" and n_counted < _MIN_ROWS:
        return None
    methods = [method] if method != "auto" else ["temperature"]
    if method == "auto" and n_counted >= _MIN_ROWS_A_CLASS * n_classes:
        methods.append("vector")
    folds = (np.arange(n_rows) if folds is None else folds) % _MAX_FOLDS

    log_proba, share = _log(proba), weight / weight.sum()
    before = -np.log(np.maximum(of_labels(proba, labels), np.finfo(np.float64).eps))
    best, chosen, theta = before, "", None
    for name in methods:
        theta = _fit(name, log_proba, labels, share, theta)
        after = _cross_validated(name, log_proba, labels, share, folds, theta)
        is_better = _is_better(after, best, share, n_counted)
        # The first one is shown if none is kept.
        if not chosen or is_better:
            mean_after, kept = float(share @ after), is_better or method != "auto"
            chosen, fitted = name, theta
        if is_better:
            best = after
    scale, bias, floor = _read(fitted, n_classes)
    return Calibration(
        method=chosen,
        scale=float(scale[0]) if chosen == "temperature" else scale,
        bias=bias,
        floor=floor,
        log_loss_before=float(share @ before),
        log_loss_after=mean_after,
        kept=kept,
    )


def _count(weight: np.ndarray) -> float:
    """Count the rows: whole weights are repeated rows, others only relative."""
    return float(weight.sum()) if np.array_equal(weight, np.rint(weight)) else len(weight)


def _is_better(after, before, share, n_counted: float) -> bool:
    """Whether the mean loss is lower by more than its standard error."""
    gain = before - after
    mean = share @ gain
    return bool(mean > np.sqrt(share @ (gain - mean) ** 2 / n_counted))


def _cross_validated(method, log_proba, labels, share, folds, start) -> np.ndarray:
    """Return each row's log-loss under a calibration fitted on the other folds."""
    loss = np.empty(len(labels))
    for fold in np.unique(folds):
        test, train = folds == fold, folds != fold
        theta = _fit(
            method, log_proba[train], labels[train], share[train] / share[train].sum(), start
        )
        log_q = _log_proba(log_proba[test], *_read(theta, log_proba.shape[1]))
        loss[test] = -of_labels(log_q, labels[test])
    return loss


def _log(proba: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(proba.astype(np.float64), np.finfo(np.float64).tiny))


def _log_proba(log_proba, scale, bias, floor) -> np.ndarray:
    calibrated = log_softmax(scale * log_proba + bias, axis=1)
    if floor == 0:
        return calibrated
    return np.logaddexp(np.log1p(-floor) + calibrated, np.log(floor / log_proba.shape[1]))


# The fit. Its parameters theta are the logarithms of the scales, the biases, and the log-odds of
# the floor; for "temperature" one scale and no bias.

# Of the floor, where a teacher knows nothing: a logarithm of what is left must exist.
_LARGEST_LOG_ODDS = 30.0


def _read(theta: np.ndarray, n_classes: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the scale (one, or one a class), the bias and the floor."""
    floor = float(expit(min(theta[-1], _LARGEST_LOG_ODDS)))
    if len(theta) == 2:
        return np.exp(theta[:1]), np.zeros(n_classes), floor
    return np.exp(theta[:n_classes]), theta[n_classes:-1], floor


def _fit(method: str, log_proba, labels, share, start=None) -> np.ndarray:
    """Return the parameters of least mean log-loss, near ``start`` if given."""
    n_classes = log_proba.shape[1]
    if start is None:
        # With a floor the loss is not convex: it is looked at from afar first.
        start = min(
            (
                np.array([np.log(scale), np.log(floor / (1 - floor))])
                for scale in (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8)
                for floor in (1e-3, 5e-2)
            ),
            key=lambda theta: _objective(theta, log_proba, labels, share)[0],
        )
        if method == "vector":
            start = _fit("temperature", log_proba, labels, share, start)
    if method == "vector" and len(start) == 2:
        start = np.concatenate([np.full(n_classes, start[0]), np.zeros(n_classes), start[1:]])
    return _minimize(lambda theta: _objective(theta, log_proba, labels, share), start)


def _minimize(objective, start: np.ndarray) -> np.ndarray:
    """Return a minimum near ``start``, the same for repeated rows and weights."""
    last: dict[bytes, tuple] = {}

    def evaluated(theta):
        key = theta.tobytes()
        if key not in last:
            last.clear()
            last[key] = objective(theta)
        return last[key]

    theta = minimize(
        lambda theta: evaluated(theta)[:2],
        start,
        jac=True,
        hess=lambda theta: evaluated(theta)[2],
        method="trust-exact",
        options={"gtol": 1e-6},
    ).x
    for _ in range(10):
        _, gradient, hessian = evaluated(theta)
        step = np.linalg.lstsq(hessian, gradient, rcond=None)[0]
        if np.abs(step).max() > 1:
            break  # flat: of a teacher that knows nothing all is floor, and there is no one minimum
        theta = theta - step
        if np.abs(step).max() < 1e-12:
            break
    return theta


def _objective(theta, log_proba, labels, share) -> tuple[float, np.ndarray, np.ndarray]:
    """Return value, gradient and Hessian of the penalized mean log-loss."""
    loss = _temperature_loss if len(theta) == 2 else _vector_loss
    value, gradient, hessian = 0.0, np.zeros(len(theta)), np.zeros((len(theta), len(theta)))
    for start in range(0, len(labels), _CHUNK):
        rows = slice(start, start + _CHUNK)
        parts = loss(theta, log_proba[rows], labels[rows], share[rows])
        value, gradient, hessian = value + parts[0], gradient + parts[1], hessian + parts[2]
    floor = expit(theta[-1])
    value += _RIDGE * (theta[:-1] ** 2).sum() / 2 - _FLOOR_PRIOR * np.log(floor)
    gradient[:-1] += _RIDGE * theta[:-1]
    gradient[-1] -= _FLOOR_PRIOR * (1 - floor)
    hessian += np.diag(np.full(len(theta), _RIDGE))
    hessian[-1, -1] += _FLOOR_PRIOR * floor * (1 - floor) - _RIDGE
    return float(value), gradient, hessian


class _Mixture:
    """Mix softmax and floor, and keep the terms of the log-loss's derivatives.

    Let s = softmax(z) for the logits z, and e = onehot(label) - s. ``known`` is the share of the
    label's probability that does not come from the floor. A row's gradient in z is - known e.
    Its Hessian is known (diag s - s s') - known (1 - known) e e'.
    """

    def __init__(self, logits, labels, share, odds):
        n_classes = logits.shape[1]
        self.share = share
        self.floor = floor = float(expit(odds))
        # Numbers too small for full precision are slow, and these have no effect.
        self.soft = np.exp(log_softmax(logits, axis=1).clip(-200))
        right = of_labels(self.soft, labels)
        self.mixed = (1 - floor) * right + floor / n_classes
        self.known = (1 - floor) * right / self.mixed
        self.by_odds = (1 / n_classes - right) * floor * (1 - floor) / self.mixed

    def value(self) -> float:
        return float(-self.share @ np.log(self.mixed))

    def in_odds(self) -> tuple[float, float]:
        """Return first and second derivative in the log-odds of the floor."""
        second = self.by_odds**2 - self.by_odds * (1 - 2 * self.floor)
        return float(-self.share @ self.by_odds), float(self.share @ second)


def _temperature_loss(theta, log_proba, labels, share) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the log-loss of some rows, its gradient and its Hessian."""
    scaled = np.exp(theta[0]) * log_proba
    mix = _Mixture(scaled, labels, share, theta[1])
    centred = scaled - (mix.soft * scaled).sum(axis=1, keepdims=True)
    error = of_labels(centred, labels)
    weight = share * mix.known
    in_odds, twice_in_odds = mix.in_odds()
    in_scale = -weight @ error
    curvature = weight @ ((mix.soft * centred**2).sum(axis=1) - (1 - mix.known) * error**2)
    cross = weight @ ((mix.floor + mix.by_odds) * error)
    return (
        mix.value(),
        np.array([in_scale, in_odds]),
        np.array([[curvature + in_scale, cross], [cross, twice_in_odds]]),
    )


def _vector_loss(theta, log_proba, labels, share) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the log-loss of some rows, its gradient and its Hessian."""
    n = log_proba.shape[1]
    scaled = np.exp(theta[:n]) * log_proba
    mix = _Mixture(scaled + theta[n:-1], labels, share, theta[-1])
    error = -mix.soft
    error[np.arange(len(labels)), labels] += 1
    weight = (share * mix.known)[:, np.newaxis]
    in_odds, twice_in_odds = mix.in_odds()

    weighted = weight * error
    gradient = np.concatenate([-(weighted * scaled).sum(axis=0), -weighted.sum(axis=0), [in_odds]])
    hessian = np.zeros((2 * n + 1, 2 * n + 1))
    # Along the scales a logit moves by ``scaled``, along the biases by one.
    error_in = np.hstack([scaled * error, error])
    soft_in = np.hstack([scaled * mix.soft, mix.soft])
    known = (1 - mix.known)[:, np.newaxis]
    hessian[:-1, :-1] = -(weight * soft_in).T @ soft_in - (weight * known * error_in).T @ error_in
    weighted_soft = weight * mix.soft
    scales, biases = np.arange(n), np.arange(n, 2 * n)
    hessian[scales, scales] += (weighted_soft * scaled**2).sum(axis=0) + gradient[:n]
    hessian[biases, biases] += weighted_soft.sum(axis=0)
    of_both = (weighted_soft * scaled).sum(axis=0)
    hessian[scales, biases] += of_both
    hessian[biases, scales] += of_both
    hessian[-1, :-1] = (share * mix.known * (mix.floor + mix.by_odds)) @ error_in
    hessian[:-1, -1] = hessian[-1, :-1]
    hessian[-1, -1] = twice_in_odds
    return mix.value(), gradient, hessian
