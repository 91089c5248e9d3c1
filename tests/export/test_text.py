"""Text in ONNX: the words of scikit-learn's vectorizers, counted by onnxruntime."""

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skkd.export import ExportError, to_onnx
from tests.export.frames import quick_student
from tests.helpers import quick_net

WORDS = ["The", "quick", "BROWN", "fox,", "over", "don't", "co-op", "x", "a", "3rd", "日本語"]


def documents(n_rows=60, words=WORDS):
    """Texts, some without any word."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(words, rng.integers(1, 9))) for _ in range(n_rows)]
    return np.array(["", "?!", "a\nquick\tfox", "unknown", *texts], dtype=object)


def student_of(X, *steps):
    student = make_pipeline(*steps, quick_net(max_epochs=2))
    return quick_student(X, np.arange(len(X)) % 2, student=student)


@pytest.mark.parametrize(
    "vectorizer",
    [
        TfidfVectorizer(),
        TfidfVectorizer(lowercase=False, ngram_range=(1, 2)),
        TfidfVectorizer(stop_words="english", norm="l1"),
        CountVectorizer(binary=True, min_df=3),
        CountVectorizer(analyzer="char", lowercase=False, ngram_range=(1, 2)),
    ],
    ids=["default", "pairs", "stop words", "binary", "characters"],
)
def test_vectorizers(tmp_path, vectorizer):
    X = documents()
    clf = student_of(X, vectorizer)
    exported = to_onnx(clf, tmp_path / "student.onnx", X)
    assert exported.max_difference < 1e-6
    session = onnxruntime.InferenceSession(exported.path)
    for text in ["", "THE Quick fox", "nothing known", "ünknown Ünknown"]:
        (proba,) = session.run(["probabilities"], {"X": np.array([[text]], dtype=object)})
        np.testing.assert_allclose(proba, clf.predict_proba(np.array([text], object)), atol=1e-6)


def test_text_beside_numbers(tmp_path):
    frame = pd.DataFrame({"text": documents(), "size": np.arange(64.0)})
    columns = make_column_transformer(
        (make_pipeline(TfidfVectorizer(), TruncatedSVD(3, random_state=0)), "text"),
        (StandardScaler(), ["size"]),
    )
    exported = to_onnx(student_of(frame, columns), tmp_path / "student.onnx", frame)
    assert exported.columns == {"numbers": ["size"], "texts": ["text"]}


def test_letters_that_need_a_locale(tmp_path):
    X = documents(words=["École", "über", "fox"])
    with pytest.raises(ExportError, match="step tfidfvectorizer .*lowercase=False"):
        to_onnx(student_of(X, TfidfVectorizer()), tmp_path / "student.onnx", X)
    to_onnx(student_of(X, TfidfVectorizer(lowercase=False)), tmp_path / "student.onnx", X)


def test_what_skl2onnx_counts_in_another_way(tmp_path):
    X = documents()
    with pytest.raises(ExportError, match="first step to differ is tfidfvectorizer"):
        to_onnx(student_of(X, TfidfVectorizer(sublinear_tf=True)), tmp_path / "student.onnx", X)
    with pytest.raises(ExportError, match="tfidfvectorizer .*strip_accents"):
        to_onnx(student_of(X, TfidfVectorizer(strip_accents="ascii")), tmp_path / "s.onnx", X)
    assert not list(tmp_path.iterdir())
