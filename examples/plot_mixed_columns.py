"""
A table of mixed columns
========================

Real tables have categories, numbers and missing values. The teacher here is a Pipeline that takes
the raw data frame. The student can take the frame in two ways:

* The default student encodes the frame.

* A student of your own stands at the end of a Pipeline that encodes the frame.

``DistilledClassifier`` is the outermost estimator in both cases, so the teacher sees the raw frame.
"""

# %%
# A frame with categories, missing values and a rare level
# --------------------------------------------------------

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from skorch import NeuralNetClassifier
from torch import nn

from skkd import DistilledClassifier, FidelityDisplay

N_ROWS = 4000


def make_loans(n_rows, seed=0):
    """Make loans with an income that is sometimes unknown."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "income": rng.lognormal(10, 0.5, n_rows),
            "years": rng.integers(0, 40, n_rows),
            "purpose": rng.choice(
                ["car", "home", "study", "boat"], n_rows, p=[0.5, 0.3, 0.19, 0.01]
            ),
            "owner": rng.choice([True, False], n_rows),
        }
    )
    risk = (
        1.5 * (np.log(frame["income"]) < 9.8)
        + 0.8 * (frame["purpose"] == "car") * (frame["years"] < 10)
        - 0.7 * frame["owner"]
        + rng.logistic(0, 0.5, n_rows)
    )
    frame.loc[rng.random(n_rows) < 0.1, "income"] = np.nan
    return frame, np.where(risk > 0.5, "bad", "good")


X, y = make_loans(N_ROWS)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)

# %%
# A teacher on raw columns
# ------------------------

categories = make_column_selector(dtype_exclude="number")
teacher = make_pipeline(
    make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), categories),
        remainder="passthrough",
    ),
    HistGradientBoostingClassifier(max_iter=50, random_state=0),
)

# %%
# The default student encodes the frame
# -------------------------------------

clf = DistilledClassifier(teacher, random_state=0)
clf.fit(X_train, y_train)
print(f"teacher         {clf.teacher_.score(X_test, y_test):.3f}")
print(f"default student {clf.score(X_test, y_test):.3f}")
FidelityDisplay.from_estimator(clf, X_test, y_test)
plt.show()

# %%
# A student with preprocessing of its own
# ---------------------------------------
#
# ``student_`` is the fitted Pipeline. It predicts without the teacher and without skkd.


class Net(nn.Module):
    """A net whose two sizes ``fit`` fills in from the data."""

    def __init__(self, n_features, n_classes, hidden=32):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_features, hidden), nn.ReLU(), nn.Linear(hidden, n_classes)
        )

    def forward(self, X):
        return self.layers(X)


net = NeuralNetClassifier(Net, optimizer=torch.optim.AdamW, lr=0.01, max_epochs=30)
numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
encoder = make_column_transformer(
    (OneHotEncoder(handle_unknown="ignore", sparse_output=False), categories),
    (numbers, make_column_selector(dtype_include="number")),
)
student = Pipeline([("encode", encoder), ("net", net)])

clf = DistilledClassifier(teacher, student, random_state=0).fit(X_train, y_train)
print(f"own student     {clf.score(X_test, y_test):.3f}")
print(clf.student_.predict_proba(X_test.head(2)).round(3))
