"""What a fitted student says of rows."""

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNetClassifier

from .._input import read as _inputs
from . import net as _student


class StudentPredictor:
    """The part of an estimator that predicts by its fitted student."""

    classes_: np.ndarray
    student_: NeuralNetClassifier | Pipeline

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "student_")

    def predict_proba(self, X):
        """The student's probabilities.

        Parameters
        ----------
        X : array, frame, CSR matrix or Dataset
            Rows like those of ``fit``.

        Returns
        -------
        proba : ndarray of shape (n_rows, n_classes), in the student's dtype
        """
        return self._logits(X, lambda logits: torch.softmax(logits, -1))

    def predict_log_proba(self, X):
        """Logarithms of the student's probabilities, exact where those underflow.

        Parameters
        ----------
        X : array, frame, CSR matrix or Dataset
            Rows like those of ``fit``.

        Returns
        -------
        log_proba : ndarray of shape (n_rows, n_classes)
        """
        return self._logits(X, lambda logits: torch.log_softmax(logits, -1))

    def decision_function(self, X):
        """The student's logits.

        Parameters
        ----------
        X : array, frame, CSR matrix or Dataset
            Rows like those of ``fit``.

        Returns
        -------
        logits : ndarray of shape (n_rows, n_classes), or (n_rows,) for two classes
            For two classes the second class's logit less the first's.
        """
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits

    def predict(self, X):
        """The most probable labels.

        Parameters
        ----------
        X : array, frame, CSR matrix or Dataset
            Rows like those of ``fit``.

        Returns
        -------
        labels : ndarray of shape (n_rows,)
        """
        columns = self._logits(X).argmax(axis=1)
        return self.classes_[columns]

    def _logits(self, X, transform=None) -> np.ndarray:
        if not self.__sklearn_is_fitted__():
            check_is_fitted(self)  # which raises, and would make a single row wait for its tags
        net = _student.net_of(self.student_)
        inputs = _inputs.read(self, X)
        if isinstance(self.student_, Pipeline):
            inputs = _inputs.as_net_input(_student.preprocess(self.student_, inputs), net)
        return _student.student_logits(net, inputs, transform)
