"""What people would deploy instead of a student: trees, a linear model and scikit-learn's MLP.

Each alternative becomes one ONNX file, from raw rows to probabilities. All alternatives read raw
rows in the same way, see :class:`LevelCodes`. One table turns the levels of all categories into
whole numbers. Trees split these codes as numbers. The linear model and the MLP one-hot encode them.

LightGBM's own categorical splits make larger and slower files, and had no better log-loss on five
data sets with 4,000 rows.
"""

import json
import re

import lightgbm
import numpy as np
import onnx
import onnxmltools
import skl2onnx
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

#: Number of trees (for each class) and their learning rate.
TREES = {10: 0.4, 40: 0.2, 100: 0.1, 400: 0.05}

N_LEAVES = 15

# Without reg_lambda, ten trees with this learning rate diverge on rare classes.
_SHARED = {"reg_lambda": 1.0, "n_jobs": 1, "verbose": -1, "deterministic": True}

_OPSET, _ML_OPSET = 15, 2


class LevelCodes(TransformerMixin, BaseEstimator):
    """Turn raw rows into float32: first the codes of categories, then the numbers.

    An array passes unchanged. All columns share one table from levels to codes, in alphabetical
    order. A missing or unknown level gets the code -1.

    Attributes
    ----------
    levels_ : list of str
    categories_ : list of str
        Names of the columns that hold categories.
    numbers_ : list of str
    """

    def fit(self, X, y=None):
        self.levels_, self.categories_, self.numbers_ = [], [], []
        if not isinstance(X, np.ndarray):
            is_category = X.dtypes == "category"
            self.categories_ = list(X.columns[is_category])
            self.numbers_ = list(X.columns[~is_category])
            self.levels_ = sorted(
                {level for name in self.categories_ for level in X[name].dropna()}
            )
        return self

    def transform(self, X):
        if isinstance(X, np.ndarray):
            return X
        codes = {level: code for code, level in enumerate(self.levels_)}
        columns = [X[name].astype(object).map(codes).fillna(-1) for name in self.categories_]
        columns += [X[name] for name in self.numbers_]
        return np.column_stack([column.to_numpy(np.float32) for column in columns])

    def before(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """Return the model that reads raw columns instead of coded rows.

        Its inputs are ``texts`` and ``numbers``, as in the student's file.
        """
        if not self.levels_:
            return model
        coded = model.graph.input[0].name
        nodes = [
            onnx.helper.make_node(
                "LabelEncoder",
                ["texts"],
                ["codes" if self.numbers_ else coded],
                domain="ai.onnx.ml",
                keys_strings=self.levels_,
                values_floats=[float(code) for code in range(len(self.levels_))],
                default_float=-1.0,
            )
        ]
        inputs = [_matrix("texts", onnx.TensorProto.STRING, self.categories_)]
        if self.numbers_:
            nodes.append(onnx.helper.make_node("Concat", ["codes", "numbers"], [coded], axis=1))
            inputs.append(_matrix("numbers", onnx.TensorProto.FLOAT, self.numbers_))
        nodes += model.graph.node
        del model.graph.node[:], model.graph.input[:]
        model.graph.node.extend(nodes)
        model.graph.input.extend(inputs)
        columns = {"texts": self.categories_, "numbers": self.numbers_}
        onnx.helper.set_model_props(model, {"columns": json.dumps(columns)})
        onnx.checker.check_model(model)
        return model


def _matrix(name: str, kind: int, columns: list[str]):
    return onnx.helper.make_tensor_value_info(name, kind, [None, len(columns)])


def trees(n_trees: int, seed: int, **options) -> lightgbm.LGBMClassifier:
    """Make an unfitted LightGBM for coded rows."""
    defaults = {"learning_rate": TREES.get(n_trees), "num_leaves": N_LEAVES} | _SHARED
    return lightgbm.LGBMClassifier(n_estimators=n_trees, random_state=seed, **defaults | options)


def fit_soft_trees(X: np.ndarray, proba: np.ndarray, n_trees: int, seed: int) -> lightgbm.Booster:
    """Boost trees on probabilities; the loss is the cross-entropy of soft labels.

    LightGBM has this loss for two classes only, so this function gives the gradients. They are
    q - p, with the second derivatives that LightGBM uses for labels. Boosting starts from the mean
    probabilities, which the leaves of the first trees then include. On labels (probabilities of 0
    and 1) the result is the same as LightGBM's own.

    Parameters
    ----------
    X : float32 ndarray of shape (n_rows, n_features)
    proba : ndarray of shape (n_rows, n_classes)
        The teacher's out-of-fold probabilities.
    n_trees : int
        For each class; with two classes, in total.
    seed : int
    """
    n_classes = proba.shape[1]
    is_binary = n_classes == 2
    targets = proba[:, 1] if is_binary else proba
    start = np.log(proba.mean(axis=0))
    start = start[1:] - start[0] if is_binary else start - start.mean()
    factor = 1.0 if is_binary else n_classes / (n_classes - 1)

    def gradients(raw: np.ndarray, _):
        guess = expit(raw) if is_binary else softmax(raw, axis=1)
        return guess - targets, factor * guess * (1 - guess)

    settings = {"objective": gradients, "seed": seed, "num_leaves": N_LEAVES, **_SHARED}
    settings |= {"learning_rate": TREES[n_trees], "num_class": 1 if is_binary else n_classes}
    scores = np.tile(start, (len(X), 1))
    rows = lightgbm.Dataset(X, proba.argmax(axis=1), init_score=scores.squeeze())
    booster = lightgbm.train(settings, rows, num_boost_round=n_trees)
    for tree, offset in enumerate(start):
        for leaf in range(_n_leaves(booster, tree)):
            value = booster.get_leaf_output(tree, leaf)
            booster.set_leaf_output(tree, leaf, value + offset)
    return _named(booster, "binary" if is_binary else "multiclass")


def _named(booster: lightgbm.Booster, objective: str) -> lightgbm.Booster:
    """Give the booster the name of LightGBM's own loss, so that it predicts probabilities."""
    options = "sigmoid:1" if objective == "binary" else f"num_class:{booster.params['num_class']}"
    text = booster.model_to_string().replace("[objective: custom]", f"[objective: {objective}]")
    line = f"\nobjective={objective} {options}\nfeature_names="
    return lightgbm.Booster(model_str=text.replace("\nfeature_names=", line, 1))


def _n_leaves(booster: lightgbm.Booster, tree: int) -> int:
    text = booster.model_to_string(start_iteration=0, num_iteration=1)
    return int(re.findall(r"num_leaves=(\d+)", text)[tree])


def linear(codes: LevelCodes, seed: int):
    """Make an unfitted logistic regression for coded rows."""
    return make_pipeline(_encoded(codes), LogisticRegression(max_iter=1000))


def mlp(codes: LevelCodes, seed: int):
    """Make an unfitted MLPClassifier, as wide as the default student, for coded rows."""
    net = MLPClassifier((256, 256), early_stopping=True, random_state=seed)
    return make_pipeline(_encoded(codes), net)


def _encoded(codes: LevelCodes):
    numeric = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    n_categories = len(codes.categories_)
    if not n_categories:
        return numeric
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32)
    parts = [(one_hot, list(range(n_categories)))]
    if codes.numbers_:
        parts.append((numeric, [n_categories + i for i in range(len(codes.numbers_))]))
    return make_column_transformer(*parts)


def onnx_of(codes: LevelCodes, model, n_features: int) -> bytes:
    """Convert a model to one ONNX file, from raw rows to ``probabilities`` or numbers.

    Parameters
    ----------
    codes : LevelCodes
        Fitted.
    model : lightgbm.LGBMModel, lightgbm.Booster or sklearn.pipeline.Pipeline
        Fitted on coded rows.
    n_features : int
        Columns of coded rows.
    """
    if isinstance(model, lightgbm.LGBMModel):
        model = model.booster_
    if isinstance(model, lightgbm.Booster):
        rows = [("X", onnxmltools.convert.common.data_types.FloatTensorType([None, n_features]))]
        file = onnxmltools.convert_lightgbm(
            _in_float32(model), initial_types=rows, zipmap=False, target_opset=_OPSET
        )
    else:
        rows = [("X", skl2onnx.common.data_types.FloatTensorType([None, n_features]))]
        file = skl2onnx.to_onnx(
            model,
            initial_types=rows,
            options={"zipmap": False},
            target_opset={"": _OPSET, "ai.onnx.ml": _ML_OPSET},
        )
    versions = {imported.domain: imported for imported in file.opset_import}
    if "ai.onnx.ml" in versions:
        versions["ai.onnx.ml"].version = max(_ML_OPSET, versions["ai.onnx.ml"].version)
    else:
        file.opset_import.append(onnx.helper.make_opsetid("ai.onnx.ml", _ML_OPSET))
    return codes.before(file).SerializeToString()


def _in_float32(booster: lightgbm.Booster) -> lightgbm.Booster:
    """Round thresholds down to float32, so that float32 numbers take the same way as before.

    The converter rounds to the nearest float32. A threshold between two neighbors may then become
    the larger one, which sends it to the other side.
    """

    def rounded(line: re.Match) -> str:
        exact = np.array(line[1].split(), dtype=float)
        nearest = exact.astype(np.float32)
        below = np.nextafter(nearest, np.float32(-np.inf))
        return "threshold=" + " ".join(
            map(repr, np.where(nearest > exact, below, nearest).tolist())
        )

    text = re.sub(r"(?m)^threshold=(.*)$", rounded, booster.model_to_string())
    # LightGBM reads the trees by the sizes of their texts, unless the sizes are missing.
    return lightgbm.Booster(model_str=re.sub(r"(?m)^tree_sizes=.*\n", "", text))
