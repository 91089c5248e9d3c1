"""A student that asks its teacher about the rows that it is unsure of."""

from .classifier import DeferringClassifier

__all__ = ["DeferringClassifier"]
