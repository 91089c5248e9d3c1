"""
Text: a student of words
========================

The teacher is a logistic regression on TF-IDF of words and pairs of words. Its students are small
nets. The documents are docstrings of NumPy and SciPy, and the task is to tell which module a
function is of.
"""

# %%
# Documents and classes
# ---------------------

import importlib
import inspect
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay, log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skkd import DistilledClassifier
from skkd.export import OnnxStudent, to_onnx
from skkd.students import TableEncoder, make_student

MODULES = "numpy numpy.ma scipy.special scipy.stats scipy.signal scipy.linalg scipy.ndimage".split()

texts, modules = [], []
for name in MODULES:
    module = importlib.import_module(name)
    for member in sorted(set(module.__all__)):
        text = inspect.getdoc(getattr(module, member, None)) or ""
        if len(text.split()) > 20:
            # The name and the examples give the module away.
            texts.append(text.partition("Examples\n")[0].replace(member, ""))
            modules.append(name)
texts, modules = np.array(texts, dtype=object), np.array(modules)
split = train_test_split(texts, modules, test_size=0.4, random_state=0, stratify=modules)
texts_train, texts_test, y_train, y_test = split
print(f"{len(texts_train)} documents to train on, {len(texts_test)} to test")

# %%
# Wide sparse rows
# ----------------
#
# The vectorizer stands in front, so teacher and student share it. The student projects its
# thousands of sparse columns to 256 numbers.

vectorizer = TfidfVectorizer(ngram_range=(1, 2), lowercase=False, min_df=2)
clf = make_pipeline(
    vectorizer, DistilledClassifier(LogisticRegression(max_iter=1000), random_state=0)
)
clf.fit(texts_train, y_train)
student = clf[-1]
X_test = clf[0].transform(texts_test)
for name, model in (("teacher", student.teacher_), ("student", student)):
    loss = log_loss(y_test, model.predict_proba(X_test))
    print(f"{name}  accuracy {model.score(X_test, y_test):.3f}, log-loss {loss:.3f}")
print(student.student_[0])

# %%
# Text in a frame, and one file from text to labels
# -------------------------------------------------
#
# Here the student's Pipeline starts with the raw frame: words for the texts, ``TableEncoder`` for
# all other columns. The teacher looks at the words alone.


def frame_of(texts):
    """Make a frame of texts and their lengths."""
    return pd.DataFrame({"text": texts, "length": [len(text) for text in texts]})


words = make_column_transformer((vectorizer, "text"))
teacher = make_pipeline(words, LogisticRegression(max_iter=1000))
columns = make_column_transformer((vectorizer, "text"), (TableEncoder(), ["length"]))
of_frame = DistilledClassifier(
    teacher, make_pipeline(columns, make_student("mlp")), augmenter=None, random_state=0
)
of_frame.fit(frame_of(texts_train), y_train)

with tempfile.TemporaryDirectory() as folder:
    exported = to_onnx(of_frame, Path(folder) / "student.onnx", frame_of(texts_test))
    served = OnnxStudent(exported.path)
accuracy = np.mean(served.predict(frame_of(texts_test)) == y_test)
print(f"one file of {exported.n_bytes / 1e6:.1f} MB, accuracy {accuracy:.3f}")
print(served.predict({"text": "Return the poles of a band-pass filter.", "length": 39}))

# %%
# Which modules it confuses
# -------------------------

fig, ax = plt.subplots(figsize=(6, 5), layout="constrained")
predicted = served.predict(frame_of(texts_test))
ConfusionMatrixDisplay.from_predictions(
    y_test, predicted, ax=ax, cmap="Blues", colorbar=False, xticks_rotation=45
)
plt.show()
