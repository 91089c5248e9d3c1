"""scikit-learn's BaseEstimator, with types: without them, mypy accepts any argument of a rule."""

from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:

    class BaseEstimator:
        _parameter_constraints: ClassVar[dict[str, list[Any]]]

        def get_params(self, deep: bool = True) -> dict[str, Any]: ...
        def set_params(self, **params: Any) -> Self: ...
        def _validate_params(self) -> None: ...

else:
    from sklearn.base import BaseEstimator

__all__ = ["BaseEstimator"]
