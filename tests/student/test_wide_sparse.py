"""Wide sparse rows, such as words, for the default student."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline

from skkd import DistilledClassifier
from skkd.export import load, save, to_onnx
from skkd.students import make_student

N_WORDS = 5000


def documents(n_rows, seed):
    """TF-IDF of random texts: each is a mixture of topics, and each class has topics of its own."""
    topics = np.random.default_rng(0).dirichlet(np.full(N_WORDS, 0.02), size=12)
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, n_rows)
    share = rng.dirichlet(np.full(12, 0.3), size=n_rows)
    share[np.arange(n_rows), 3 * y + rng.integers(0, 3, n_rows)] += 0.4
    share /= share.sum(axis=1, keepdims=True)
    counts = np.stack([rng.multinomial(80, row / row.sum()) for row in share @ topics])
    return TfidfTransformer().fit_transform(sparse.csr_matrix(counts)), y


X, Y = documents(800, 1)
X_TEST, Y_TEST = documents(4000, 2)


@pytest.fixture(scope="module")
def fitted():
    return DistilledClassifier(LogisticRegression(), random_state=0).fit(X, Y)


def test_no_worse_than_a_linear_teacher(fitted):
    teacher = fitted.teacher_
    assert fitted.score(X_TEST, Y_TEST) >= teacher.score(X_TEST, Y_TEST) - 0.005
    loss = log_loss(Y_TEST, fitted.predict_proba(X_TEST))
    assert loss < log_loss(Y_TEST, teacher.predict_proba(X_TEST))


def test_the_net_gets_few_numbers_and_the_teacher_all_columns(fitted):
    projection, net = fitted.student_[0], fitted.student_[-1]
    assert net.module_.numeric_input.n_features == len(projection.components_) == 256
    assert fitted.teacher_.n_features_in_ == fitted.n_features_in_ == N_WORDS
    components = projection.components_
    np.testing.assert_array_equal(components, components.astype(np.float16))
    dense = fitted.predict_proba(X_TEST[:20].toarray())
    np.testing.assert_allclose(dense, fitted.predict_proba(X_TEST[:20]), rtol=1e-5)


def test_files(fitted, tmp_path):
    save(fitted.student_only(), tmp_path / "student.skkd")
    expected = fitted.predict_proba(X_TEST)
    np.testing.assert_array_equal(load(tmp_path / "student.skkd").predict_proba(X_TEST), expected)
    exported = to_onnx(fitted, tmp_path / "student.onnx", X_TEST)
    assert exported.n_bytes < 2.5 * N_WORDS * 256


def test_behind_a_vectorizer_of_the_student():
    texts = np.array([" ".join(f"w{word}" for word in row.indices) for row in X[:200]], object)
    student = make_pipeline(TfidfVectorizer(), make_student("mlp").set_params(max_epochs=2))
    clf = DistilledClassifier(None, student, random_state=0)
    clf.fit(texts, Y[:200], teacher_proba=np.full((200, 4), 0.25))
    assert [name for name, _ in clf.student_.steps] == ["tfidfvectorizer", "project", "net"]
    assert clf.predict_proba(texts).shape == (200, 4)


def test_chunks():
    clf = DistilledClassifier(fitted_teacher := LogisticRegression().fit(X, Y), random_state=0)
    for rows in (slice(0, 400), slice(400, 800)):
        clf.partial_fit(X[rows], Y[rows], classes=range(4))
    assert clf.student_[0].components_.shape == (256, N_WORDS) and fitted_teacher is clf.teacher_


def test_narrow_sparse_rows_are_read_as_before():
    clf = DistilledClassifier(None, make_student("mlp").set_params(max_epochs=1), random_state=0)
    clf.fit(X[:, :2000], Y, teacher_proba=np.full((800, 4), 0.25))
    assert clf.student_.module_.numeric_input.n_features == 2000
