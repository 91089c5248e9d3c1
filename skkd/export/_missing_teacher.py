"""What a classifier has in place of a teacher that was not saved with it."""

from sklearn.base import BaseEstimator, ClassifierMixin


class MissingTeacher(ClassifierMixin, BaseEstimator):
    """Stands for a teacher, and says that it is not there to whoever asks it.

    Parameters
    ----------
    kind : str
        Class of the teacher.
    fitted : bool
        Whether it was fitted when the classifier was.
    """

    def __init__(self, kind: str, fitted: bool):
        self.kind = kind
        self.fitted = fitted

    @property
    def classes_(self):
        """Raise a RuntimeError: nobody knows."""
        raise self._error()

    def fit(self, X, y):
        """Raise a RuntimeError: there is nothing to fit."""
        raise self._error()

    def predict_proba(self, X):
        """Raise a RuntimeError: there is nobody to ask."""
        raise self._error()

    def __sklearn_is_fitted__(self) -> bool:
        return self.fitted

    def _error(self) -> RuntimeError:
        return RuntimeError(
            f"This classifier was saved without its teacher, a {self.kind}, and is asked for what "
            "needs it. Save it by save(clf, path, teacher=True), set another one by "
            "set_params(teacher=...), or give teacher_proba=... to fit and partial_fit."
        )
