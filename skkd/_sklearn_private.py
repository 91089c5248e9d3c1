"""scikit-learn's private names, all in one place: what may move when it is upgraded."""

from sklearn.utils import _safe_indexing
from sklearn.utils._missing import is_pandas_na
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import (
    _check_feature_names,
    _check_method_params,
    _check_n_features,
    _check_sample_weight,
    _num_samples,
)

try:  # scikit-learn >= 1.7
    from sklearn.utils._repr_html.estimator import _VisualBlock
except ImportError:
    from sklearn.utils._estimator_html_repr import _VisualBlock

__all__ = [
    "Interval",
    "StrOptions",
    "_VisualBlock",
    "_check_method_params",
    "_check_sample_weight",
    "_num_samples",
    "_safe_indexing",
    "check_columns",
    "is_pandas_na",
]


def check_columns(estimator, X, *, reset: bool) -> None:
    """Record number and names of the columns of X on an estimator, or compare them with it.

    What ``validate_data`` does beside a conversion of X.
    """
    _check_feature_names(estimator, X, reset=reset)
    _check_n_features(estimator, X, reset=reset)
