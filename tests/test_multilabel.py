"""Several labels a row, by scikit-learn's wrapper: one student for each."""

import numpy as np
from sklearn.datasets import make_multilabel_classification
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier

from skkd import DistilledClassifier
from tests.helpers import quick_net


class Counted(LogisticRegression):
    """Counts fits and questions of all instances; its answers are those of its base."""

    n_fits = n_questions = 0

    def fit(self, X, y, sample_weight=None):
        Counted.n_fits += 1
        return super().fit(X, y, sample_weight)

    def predict_proba(self, X):
        Counted.n_questions += 1
        return super().predict_proba(X)


def counts():
    return Counted.n_fits, Counted.n_questions


def test_teacher_is_asked_nothing_twice(tmp_path):
    X, Y = make_multilabel_classification(120, 6, n_classes=3, random_state=0)
    before = counts()
    clf = DistilledClassifier(
        Counted(), quick_net(), cv=3, augmenter=None, memory=tmp_path / "cache", random_state=0
    )
    several = MultiOutputClassifier(clf).fit(X, Y)
    first = counts()
    # For each label three folds, each asked about its part, and one fit on all rows.
    assert first[0] - before[0] == 3 * (3 + 1)
    assert first[1] - before[1] == 3 * 3
    again = MultiOutputClassifier(clf.set_params(student__lr=0.01)).fit(X, Y)
    assert counts() == first
    assert np.array_equal(several.predict(X).shape, Y.shape)
    assert (several.predict(X) == Y).mean() > 0.75
    assert not np.array_equal(several.predict_proba(X)[0], again.predict_proba(X)[0])
    for label, one in enumerate(several.estimators_):
        alone = DistilledClassifier(Counted(), quick_net(), cv=3, augmenter=None, random_state=0)
        np.testing.assert_allclose(one.predict_proba(X), alone.fit(X, Y[:, label]).predict_proba(X))
