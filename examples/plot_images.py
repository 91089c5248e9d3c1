"""
Images: from a forest to a small convolutional net
==================================================

A forest takes pixels as columns, a convolutional net takes them as a picture. The student's
Pipeline turns the one into the other, so teacher and student share the same X. Arrays of shape
``(n, channels, height, width)`` work as X as well, where the teacher takes them.
"""

# %%

import os

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from skorch import NeuralNetClassifier
from torch import nn

from skkd import DistilledClassifier

SMALL = "SKKD_SMALL" in os.environ


class ConvNet(nn.Module):
    """Two convolutions and a linear layer; the number of classes is filled in."""

    def __init__(self, n_classes, channels=16):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(channels, 2 * channels, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(8 * channels, n_classes),
        )

    def forward(self, X):
        return self.layers(X)


def as_images(X):
    """Rows of 64 grey levels, 0 to 16, as pictures of one channel."""
    return (X / 16).reshape(-1, 1, 8, 8).astype(np.float32)


# %%

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)

net = NeuralNetClassifier(
    ConvNet, optimizer=torch.optim.AdamW, lr=5e-3, max_epochs=3 if SMALL else 40, batch_size=64
)
student = Pipeline([("images", FunctionTransformer(as_images)), ("net", net)])
teacher = RandomForestClassifier(20 if SMALL else 300, random_state=0)
clf = DistilledClassifier(teacher, student, cv=5, random_state=0)
clf.fit(X_train, y_train)

print(f"forest on pixels   {clf.teacher_.score(X_test, y_test):.3f}")
print(f"convolutional net  {clf.score(X_test, y_test):.3f}")

# %%
# The student alone, on pictures it has not seen:

print(clf.student_.predict_proba(X_test[:3]).argmax(axis=1), y_test[:3])
