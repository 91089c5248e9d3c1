"""Files that run no code when they are loaded."""

import hashlib
import io
import json
import os
import pickle
import shutil
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier
from skorch.callbacks import LRScheduler
from torch import nn

from skkd import DistilledClassifier
from skkd.balancers import BALANCERS, DescentShare, FixedBalance
from skkd.export import ExportError, LoadError, StudentOnly, load, save
from skkd.export._archive import zipped
from skkd.export._objects import current, dumped, loaded, types_in
from skkd.export._saved_types import trusted_by_default
from skkd.schedules import TemperatureSchedule
from skkd.students import TabularMLP
from tests.export.frames import people, quick_student
from tests.helpers import Net, fitted_teacher, make_data, quick, quick_net, same_state

TRUSTED = [Net]
CSR = "scipy.sparse._csr.csr_matrix"


def saved(clf, folder, trusted=TRUSTED, **options):
    """A classifier that was saved and loaded again."""
    save(clf, folder / "saved.skkd", **options)
    with zipfile.ZipFile(folder / "saved.skkd") as archive:
        objects = io.BytesIO(archive.read("classifier.skops"))
    named = json.loads(zipfile.ZipFile(objects).read("schema.json"))["types"]
    assert not [name for _, name in named if name.startswith("skkd.") and "._" in name]
    return load(folder / "saved.skkd", trusted=trusted)


def assert_same(clf, again, X):
    """Assert that both predict the same, bit by bit."""
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        one, other = getattr(clf, method)(X), getattr(again, method)(X)
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)
    assert again.classes_.dtype == clf.classes_.dtype


# What comes back


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "student",
    [
        None,
        quick_net(max_epochs=1),
        quick_net(max_epochs=1, module__end=None, optimizer=torch.optim.SGD),
        make_pipeline(StandardScaler(), quick_net(max_epochs=1)),
    ],
    ids=["default", "net", "sgd", "pipeline"],
)
def test_predictions_are_the_same(tmp_path, student, dtype):
    X, y = make_data(dtype=dtype)
    clf = quick_student(X, np.array(["a", "b", "c"])[y], student=student)
    again = saved(clf, tmp_path)
    assert_same(clf, again, X)
    assert type(again) is DistilledClassifier
    assert again.n_features_in_ == 5
    assert again.random_state == clf.random_state


@pytest.mark.parametrize("labels", [[0, 1], [False, True], ["no", "yes"]])
def test_frame_of_mixed_columns(tmp_path, labels):
    frame, y = people(300)
    clf = quick_student(frame, np.asarray(labels)[(y == ">50K").astype(int)])
    again = saved(clf, tmp_path, trusted=())
    unseen = people(100, seed=1)[0]
    unseen.loc[:9, ["work", "age"]] = None
    assert_same(clf, again, unseen)
    assert again.feature_names_in_.tolist() == list(frame.columns)
    with pytest.raises(ValueError, match="feature names"):
        again.predict(frame[frame.columns[::-1]])


def test_what_was_learned_and_given(tmp_path):
    X, y = make_data(200)
    clf = DistilledClassifier(
        LogisticRegression(),
        balancer=DescentShare(ratio=0.2),
        temperature=TemperatureSchedule(4.0, 1.0),
        cv=StratifiedKFold(3),
        calibrate="vector",
        augmenter="gaussian_jitter",
        class_weight={0: 1.0, 1: 2.0, 2: 1.0},
        memory=tmp_path / "cache",
        random_state=np.random.RandomState(0),
    ).set_params(student__max_epochs=2)
    clf.fit(X, y)
    again = saved(clf, tmp_path)
    assert again.memory is None
    assert again.n_iter_ == clf.n_iter_
    assert again.balancer.ratio == 0.2
    assert again.temperature.start == 4.0
    assert again.cv.n_splits == 3
    assert again.class_weight == clf.class_weight
    assert again.student.max_epochs == 2
    assert np.array_equal(again.calibration_.scale, clf.calibration_.scale)
    pd.testing.assert_frame_equal(pd.DataFrame(again.history_), pd.DataFrame(clf.history_))


@pytest.mark.parametrize("balancer", BALANCERS)
def test_training_goes_on_as_it_would_have(tmp_path, balancer):
    X, y = make_data()
    proba = LogisticRegression().fit(X, y).predict_proba(X)
    clf = quick(None, student=quick_net(max_epochs=2), balancer=balancer)
    clf.fit(X, y, teacher_proba=proba)
    again = saved(clf, tmp_path)
    assert_same(clf, again, X)
    if "held_out_slopes" in clf.balancer_.requirements():
        return  # partial_fit has no held-out rows
    for one in (clf, again):
        one.partial_fit(X, y, teacher_proba=proba)
    assert_same(clf, again, X)
    assert clf.history_["weight"].tolist() == again.history_["weight"].tolist()


def test_a_tensor_of_a_balancer_comes_back(tmp_path):
    X, y = make_data()
    clf = quick(fitted_teacher(X, y), balancer="sample_wise").fit(X, y)
    assert isinstance(clf.balancer_.weight_, torch.Tensor)
    again = saved(clf, tmp_path)
    assert torch.equal(again.balancer_.weight_, clf.balancer_.weight_)
    assert isinstance(clf.balancer_.weight_, torch.Tensor)


def test_student_only(tmp_path):
    frame, y = people(300)
    clf = quick_student(frame, y)
    again = saved(clf.student_only(), tmp_path, trusted=())
    assert type(again) is StudentOnly
    assert_same(clf, again, frame)
    assert "optimizer_" not in vars(again.student_.steps[-1][1])
    size = (tmp_path / "saved.skkd").stat().st_size
    save(clf, tmp_path / "all.skkd")
    assert size < (tmp_path / "all.skkd").stat().st_size


def test_the_same_bytes_again(tmp_path):
    frame, y = people(100)
    clf = quick_student(frame, y, augmenter=None)
    save(clf, tmp_path / "a.skkd")
    save(clf, tmp_path / "b.skkd")
    assert (tmp_path / "a.skkd").read_bytes() == (tmp_path / "b.skkd").read_bytes()


def test_parts_and_manifest(tmp_path):
    X, y = make_data()
    save(quick_student(X, y), tmp_path / "a.skkd")
    with zipfile.ZipFile(tmp_path / "a.skkd") as archive:
        assert archive.namelist() == ["manifest.json", "classifier.skops", "student.safetensors"]
        manifest = json.loads(archive.read("manifest.json"))
        weights = archive.read("student.safetensors")
    assert manifest["written_with"]["torch"] == torch.__version__
    assert manifest["sha256"]["student.safetensors"] == hashlib.sha256(weights).hexdigest()


def test_global_random_state_is_left_alone(tmp_path):
    X, y = make_data()
    clf = quick_student(X, y)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    saved(clf, tmp_path)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])


def test_weights_that_are_tied(tmp_path):
    X, y = make_data()
    clf = quick_student(X, y, student=quick_net(Tied, max_epochs=1))
    again = saved(clf, tmp_path, [Tied])
    assert_same(clf, again, X)
    assert again.student_.module_.back.weight is again.student_.module_.there.weight


class Tied(nn.Module):
    def __init__(self, n_features, n_classes):
        super().__init__()
        self.there, self.back = nn.Linear(n_features, n_features), nn.Linear(n_features, n_features)
        self.back.weight = self.there.weight
        self.head = nn.Linear(n_features, n_classes)

    def forward(self, X):
        return self.head(self.back(torch.relu(self.there(X))))


def test_module_may_move(tmp_path, monkeypatch):
    X, y = make_data()
    clf = quick_student(X, y)
    save(clf, tmp_path / "saved.skkd")
    for kind in (TabularMLP, DescentShare):
        moved = types.ModuleType(f"skkd._moved_{kind.__name__}")
        setattr(moved, kind.__name__, kind)
        monkeypatch.setitem(sys.modules, moved.__name__, moved)
        monkeypatch.setattr(kind, "__module__", moved.__name__)
    assert_same(clf, load(tmp_path / "saved.skkd"), X)


# Files of earlier versions. No test and nobody writes them again: what users saved must still load.
@pytest.mark.parametrize("name", ["iris_2", "people_2"])
def test_file_that_an_earlier_version_saved(name):
    folder = Path(__file__).parent / "saved"
    again = load(folder / f"{name}.skkd")
    expected = json.loads((folder / f"{name}.json").read_text())
    X = expected["X"] if isinstance(expected["X"], list) else pd.DataFrame(expected["X"])
    np.testing.assert_allclose(again.predict_proba(X), expected["proba"], atol=1e-9)
    assert again.predict(X).tolist() == expected["labels"]


# Teachers


def test_without_its_teacher(tmp_path):
    X, y = make_data()
    teacher = FrozenEstimator(RandomForestClassifier(5, random_state=0).fit(X, y))
    clf = quick(teacher).fit(X, y)
    again = saved(clf, tmp_path)
    assert b"_tree" not in (tmp_path / "saved.skkd").read_bytes()
    missing = "saved without its teacher, a RandomForestClassifier.*teacher=True"
    with pytest.raises(RuntimeError, match=missing):
        again.partial_fit(X, y)
    with pytest.raises(RuntimeError, match=missing):
        again.fit(X, y)
    with pytest.raises(RuntimeError, match=missing):
        again.teacher_.predict_proba(X)
    assert_same(clf, again, X)
    proba = teacher.predict_proba(X)
    assert_same(
        clf.partial_fit(X, y, teacher_proba=proba), again.partial_fit(X, y, teacher_proba=proba), X
    )
    clone(again)
    assert_same(again, pickle.loads(pickle.dumps(again)), X)
    saved(again, tmp_path)


def test_without_a_teacher_that_it_fitted_itself(tmp_path):
    X, y = make_data()
    again = saved(quick(LogisticRegression(), cv=3).fit(X, y), tmp_path)
    with pytest.raises(RuntimeError, match="saved without its teacher, a LogisticRegression"):
        again.fit(X, y)
    again.set_params(teacher=LogisticRegression()).fit(X, y)
    assert not hasattr(again, "partial_fit")


def test_teacher_in_a_cache_is_not_read(tmp_path):
    X, y = make_data()
    clf = quick(LogisticRegression(), cv=2, memory=tmp_path / "cache").fit(X, y)
    clf.fit(X, y)
    shutil.rmtree(tmp_path / "cache")
    again = saved(clf, tmp_path)
    assert_same(clf, again, X)
    with pytest.raises(RuntimeError, match="without its teacher, a LogisticRegression"):
        again.teacher_.predict_proba(X)
    assert_same(clf, saved(clf.student_only(), tmp_path), X)


def test_with_its_teacher(tmp_path):
    X, y = make_data()
    teacher = LogisticRegression().fit(X, y)
    clf = quick(teacher).fit(X, y)
    again = saved(clf, tmp_path, teacher=True)
    assert again.teacher is again.teacher_
    assert np.array_equal(again.teacher_.predict_proba(X), teacher.predict_proba(X))
    assert_same(clf.partial_fit(X, y), again.partial_fit(X, y), X)


def test_teacher_of_trees_must_be_trusted(tmp_path):
    X, y = make_data()
    forest = RandomForestClassifier(3, random_state=0).fit(X, y)
    save(quick(forest).fit(X, y), tmp_path / "saved.skkd", teacher=True)
    with pytest.raises(LoadError, match=r"\['sklearn.tree._tree.Tree', 'tests.helpers.Net'\]"):
        load(tmp_path / "saved.skkd")
    again = load(tmp_path / "saved.skkd", trusted=[Net, "sklearn.tree._tree.Tree"])
    assert np.array_equal(again.teacher_.predict_proba(X), forest.predict_proba(X))


def test_teacher_that_pickles_itself(tmp_path):
    X, y = make_data(dtype=np.float32)
    teacher = NeuralNetClassifier(
        Net, module__n_features=5, module__n_classes=3, module__end=nn.Softmax(-1), verbose=0
    ).fit(X, y)
    clf = quick(teacher).fit(X, y)
    with pytest.raises(ExportError, match="a net of skorch pickles itself"):
        save(clf, tmp_path / "saved.skkd", teacher=True)
    assert not list(tmp_path.iterdir())
    assert_same(clf, saved(clf, tmp_path), X)


# What can't be saved


def triple(X):
    return 3 * X


class Counting(Net):
    """Has a number that no state dict knows."""

    def __init__(self, n_features, n_classes):
        super().__init__(n_features, n_classes)
        self.factor = 1.0

    def adapt(self, X, sample_weight=None):
        self.factor = float(X.std())

    def forward(self, X):
        return super().forward(X / self.factor)


class WithNotes(Net):
    def get_extra_state(self):
        return {"note": 1}

    def set_extra_state(self, state):
        pass


def test_module_with_a_state_that_would_be_lost(tmp_path):
    X, y = make_data()
    clf = quick_student(X, y, student=quick_net(Counting, max_epochs=1))
    with pytest.raises(ExportError, match=r"factor of .* Counting .*Register it as a buffer"):
        save(clf, tmp_path / "saved.skkd")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (quick_net(Net(5, 3), max_epochs=1), "module is an instance, Net"),
        (quick_net(WithNotes, max_epochs=1), "_extra_state of .* is a dict"),
        (quick_net(max_epochs=1, module__extra=nn.Linear(8, 8)), "student cannot be saved without"),
        (quick_net(type("Local", (Net,), {}), max_epochs=1), "a name at the top of a module"),
    ],
    ids=["instance", "extra_state", "module_in_module", "local"],
)
def test_net_that_can_not_be_saved(tmp_path, net, message):
    X, y = make_data()
    with pytest.raises(ExportError, match=message):
        save(quick_student(X, y, student=net), tmp_path / "saved.skkd")
    assert not list(tmp_path.iterdir())


def test_parameter_that_can_not_be_saved(tmp_path):
    X, y = make_data()
    clf = quick_student(X, y, cv=None)
    clf.cv = (split for split in [])
    with pytest.raises(ExportError, match="cv cannot be saved without a pickle"):
        save(clf, tmp_path / "saved.skkd")


def test_what_is_no_classifier(tmp_path):
    X, y = make_data()
    with pytest.raises(TypeError, match="got a LogisticRegression"):
        save(LogisticRegression().fit(X, y), tmp_path / "saved.skkd")


# Trust


class Tripled(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return triple(X)


class MyNet(NeuralNetClassifier):
    pass


class MyBalance(FixedBalance):
    pass


def test_classes_of_the_user_must_be_trusted(tmp_path):
    X, y = make_data()
    student = Pipeline(
        [("triple", Tripled()), ("net", MyNet(Net, max_epochs=1, callbacks=[LRScheduler()]))]
    )
    clf = quick_student(X, y, student=student, balancer=MyBalance(weight=0.25))
    save(clf, tmp_path / "saved.skkd")
    own = [Tripled, Net, MyNet, MyBalance, LRScheduler]
    for missing in own:
        with pytest.raises(LoadError, match=rf"\['{missing.__module__}.{missing.__name__}'\]"):
            load(tmp_path / "saved.skkd", trusted=[one for one in own if one is not missing])
    again = load(tmp_path / "saved.skkd", trusted=own)
    assert_same(clf, again, X)
    assert type(again.student_.steps[-1][1]) is MyNet
    load(tmp_path / "saved.skkd", trusted=[f"{one.__module__}.{one.__name__}" for one in own])


@pytest.mark.parametrize("trusted", ["numpy", True])
def test_trusted_is_a_list(tmp_path, trusted):
    with pytest.raises(TypeError, match="must be a list of types"):
        load(tmp_path / "saved.skkd", trusted=trusted)


class Exploit:
    """What a pickle would run."""

    def __reduce__(self):
        return os.system, ("touch exploited",)


def rewritten(path, **parts):
    """The bytes of a saved file with other parts, and the right hashes of them."""
    with zipfile.ZipFile(path) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(found.pop("manifest.json"))
    for name, part in parts.items():
        found[name.replace("_", ".")] = part
    manifest["sha256"] = {name: hashlib.sha256(part).hexdigest() for name, part in found.items()}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        for name, part in found.items():
            archive.writestr(name, part)
    return file.getvalue()


def crafted(path, change):
    """The bytes of a saved file with something else in it, and the right hashes."""
    with zipfile.ZipFile(path) as archive:
        objects = current(archive.read("classifier.skops"))
    content = loaded(objects, [*types_in(objects), *trusted_by_default()])
    change(content)
    return rewritten(path, classifier_skops=dumped(content))


def assert_refused(folder, change, match):
    """Assert that a file of a small student is not loaded after a change of its content."""
    save(quick_student(*make_data()), folder / "saved.skkd")
    (folder / "crafted.skkd").write_bytes(crafted(folder / "saved.skkd", change))
    with pytest.raises(LoadError, match=match):
        load(folder / "crafted.skkd", trusted=TRUSTED)


@pytest.mark.parametrize("name", ["memory", "predict", "teacher", "cv", "_fitted_teacher", 7])
def test_only_what_a_fit_learns_is_set(tmp_path, name):
    assert_refused(tmp_path, lambda content: content["learned"].update({name: "x"}), str(name))


@pytest.mark.parametrize("name", ["classes_", "n_features_in_"])
def test_what_every_fit_learns_is_needed(tmp_path, name):
    assert_refused(tmp_path, lambda content: content["learned"].pop(name), name)
    assert_refused(tmp_path, lambda content: content["learned"].update({name: "text"}), name)


def test_all_that_a_fit_learns_is_known(tmp_path):
    frame, y = people(200)
    clf = DistilledClassifier(LogisticRegression(), make_pipeline(Tripled(), quick_net()), cv=2)
    clf = clf.fit(frame[["age", "gain"]], y)
    again = saved(clf, tmp_path, trusted=[Tripled, Net])
    assert vars(again).keys() == vars(clf).keys()


def test_memory_of_a_teacher_is_left_behind_and_refused(tmp_path):
    X, y = make_data()
    teacher = Pipeline([("end", LogisticRegression())], memory=str(tmp_path / "cache"))
    clf = quick_student(X, y).set_params(teacher=teacher)
    assert saved(clf, tmp_path, teacher=True).teacher.memory is None
    save(clf, tmp_path / "saved.skkd", teacher=True)
    with zipfile.ZipFile(tmp_path / "saved.skkd") as archive:
        objects = archive.read("classifier.skops")
    with zipfile.ZipFile(io.BytesIO(objects)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    planted = json.dumps(str(tmp_path / "planted"))
    for message, change in [
        ("sets memory", {"content": planted}),
        ("sets memory", {"is": "NdArrayNode", "type": "numpy", "file": "1.npy", "__id__": 999}),
        ("two of its objects have one number", {"__id__": 2}),  # of another text
    ]:
        schema = json.loads(parts["schema.json"])
        places = [one for one in nodes(schema["schema"]) if "memory" in one and "steps" in one]
        assert places
        loaders = [loader for loader, _ in schema["types"]]
        for one in places:
            one["memory"].update(change)
            if isinstance(one["memory"]["is"], str):
                one["memory"]["is"] = loaders.index(one["memory"]["is"])
        written = zipped(parts | {"schema.json": json.dumps(schema).encode()})
        path = tmp_path / "crafted.skkd"
        path.write_bytes(rewritten(tmp_path / "saved.skkd", classifier_skops=written))
        with pytest.raises(LoadError, match=message):
            load(path)


def nodes(value):
    """All dicts in JSON data."""
    if isinstance(value, dict):
        yield value
    for one in value.values() if isinstance(value, dict) else value:
        if isinstance(one, (dict, list)):
            yield from nodes(one)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hidden", (12_000, 12_000)),
        ("hidden", (1,) * 10_000),
        ("n_features", 10**12),
        ("n_features", 6),
        ("n_classes", 4),
    ],
)
def test_module_larger_than_its_weights_is_never_made(tmp_path, monkeypatch, name, value):
    def change(content):
        content["student_"]["params"][f"module__{name}"] = value

    save(quick_student(*make_data()), tmp_path / "saved.skkd")
    path = tmp_path / "crafted.skkd"
    path.write_bytes(crafted(tmp_path / "saved.skkd", change))
    monkeypatch.setattr(NeuralNetClassifier, "initialize_module", None)
    with pytest.raises(LoadError, match="does not fit its weights|is not the one that was saved"):
        load(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(tmp_path, value):
    X, y = make_data()
    save(quick_student(X, y), tmp_path / "saved.skkd")
    with zipfile.ZipFile(tmp_path / "saved.skkd") as archive:
        weights = safetensors.torch.load(archive.read("student.safetensors"))
    weights["layers.0.weight"][0, 0] = value
    data = rewritten(tmp_path / "saved.skkd", student_safetensors=safetensors.torch.save(weights))
    (tmp_path / "saved.skkd").write_bytes(data)
    with pytest.raises(LoadError, match="NaN or infinite weights"):
        load(tmp_path / "saved.skkd")


def test_compressed_parts_are_not_unpacked(tmp_path):
    X, y = make_data()
    save(quick_student(X, y), tmp_path / "saved.skkd")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", bytes(10**7))
    data = rewritten(tmp_path / "saved.skkd", classifier_skops=file.getvalue())
    (tmp_path / "saved.skkd").write_bytes(data)
    with pytest.raises(LoadError, match="compressed parts"):
        load(tmp_path / "saved.skkd")


def test_sparse_matrices_are_not_compressed(tmp_path):
    X, y = make_data()
    teacher = LogisticRegression().fit(X, y).sparsify()
    clf = quick(teacher).fit(X, y)
    again = saved(clf, tmp_path, [Net, CSR], teacher=True)
    assert (again.teacher.coef_ != teacher.coef_).nnz == 0
    squeezed = io.BytesIO()
    sparse.save_npz(squeezed, sparse.csr_matrix((10**6, 10)))
    with zipfile.ZipFile(tmp_path / "saved.skkd") as archive:
        objects = archive.read("classifier.skops")
    with zipfile.ZipFile(io.BytesIO(objects)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    (name,) = (name for name in parts if name.endswith(".npz"))
    objects = zipped(parts | {name: squeezed.getvalue()})
    (tmp_path / "crafted.skkd").write_bytes(
        rewritten(tmp_path / "saved.skkd", classifier_skops=objects)
    )
    with pytest.raises(LoadError, match="compressed parts"):
        load(tmp_path / "crafted.skkd", trusted=TRUSTED)


@pytest.mark.parametrize(
    "content",
    [
        {"learned": os.system},
        {"learned": [Exploit]},
        {"params": {"balancer": Exploit()}},
        {"student_": Pipeline([("net", NeuralNetClassifier(Net))])},
    ],
    ids=["function", "type", "object", "net"],
)
def test_crafted_file_is_refused(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    X, y = make_data()
    save(quick_student(X, y), "saved.skkd")
    if "params" in content:  # skops would refuse to write it: an object with a state
        monkeypatch.delattr(Exploit, "__reduce__")
    Path("crafted.skkd").write_bytes(rewritten("saved.skkd", classifier_skops=dumped(content)))
    with pytest.raises(LoadError, match="does not trust by default"):
        load("crafted.skkd")
    assert not Path("exploited").exists()


def test_net_of_skorch_is_never_made_by_skops(tmp_path):
    X, y = make_data(dtype=np.float32)
    clf = quick_student(X, y)
    save(clf, tmp_path / "saved.skkd")
    crafted = dumped({"student_": clf.student_})
    (tmp_path / "crafted.skkd").write_bytes(
        rewritten(tmp_path / "saved.skkd", classifier_skops=crafted)
    )
    trusted = types_in(current(crafted))
    assert "skorch.classifier.NeuralNetClassifier" in trusted
    with watched() as events, pytest.raises(LoadError, match="NeuralNetClassifier"):
        load(tmp_path / "crafted.skkd", trusted=trusted)
    assert not events


# Damage


def test_wrong_versions_and_formats(tmp_path):
    X, y = make_data()
    path = tmp_path / "saved.skkd"
    save(quick_student(X, y), path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}

    def write(compression=zipfile.ZIP_STORED, **manifest):
        changed = json.loads(parts["manifest.json"]) | manifest
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, part in (parts | {"manifest.json": json.dumps(changed)}).items():
                archive.writestr(name, part)

    write(format_version=3)
    with pytest.raises(LoadError, match=r"version 3 of the format.*reads version 2.*'skkd'"):
        load(path)
    write(format="another")
    with pytest.raises(LoadError, match="'another' file"):
        load(path)
    write(zipfile.ZIP_DEFLATED)
    with pytest.raises(LoadError, match="compressed parts"):
        load(path)
    write()
    load(path)
    parts["more"] = b""
    write()
    with pytest.raises(LoadError, match="has the parts"):
        load(path)


@pytest.mark.parametrize(
    "manifest",
    [
        None,
        [],
        "text",
        {},
        {"sha256": None},
        {"sha256": ["classifier.skops"]},
        {"sha256": "text"},
        {"sha256": {"classifier.skops": 7}},
        {"written_with": None},
        {"format": []},
        {"format_version": {}},
        {"format_version": "2"},
    ],
)
def test_strange_manifests(tmp_path, manifest):
    X, y = make_data()
    path = tmp_path / "saved.skkd"
    save(quick_student(X, y), path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    if manifest and isinstance(manifest, dict):
        manifest = json.loads(parts["manifest.json"]) | manifest
    path.write_bytes(zipped(parts | {"manifest.json": json.dumps(manifest).encode()}))
    with pytest.raises(LoadError, match="damaged|file; expected|version|was changed"):
        load(path)


def test_changed_part(tmp_path):
    X, y = make_data()
    path = tmp_path / "saved.skkd"
    save(quick_student(X, y), path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    weights = bytearray(parts["student.safetensors"])
    weights[-1] ^= 1
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in (parts | {"student.safetensors": bytes(weights)}).items():
            archive.writestr(name, part)
    with pytest.raises(LoadError, match="student.safetensors in .* was changed"):
        load(path)


@pytest.mark.parametrize("data", [b"", b"PK", b"not a zip", pickle.dumps({"a": 1})])
def test_other_files(tmp_path, data):
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(LoadError, match=r"not a file that skkd.export.save wrote"):
        load(tmp_path / "file")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nowhere")


def test_weights_of_another_module(tmp_path):
    X, y = make_data()
    save(quick_student(X, y), tmp_path / "a.skkd")
    save(quick_student(X, y, student__module__hidden=(17,)), tmp_path / "b.skkd")
    with zipfile.ZipFile(tmp_path / "b.skkd") as archive:
        weights = archive.read("student.safetensors")
    data = rewritten(tmp_path / "a.skkd", student_safetensors=weights)
    (tmp_path / "a.skkd").write_bytes(data)
    with pytest.raises(LoadError, match="TabularMLP is not the one that was saved"):
        load(tmp_path / "a.skkd")


def test_message_without_skops(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "skops.io", None)
    X, y = make_data()
    with pytest.raises(ImportError, match=r"pip install 'skkd\[save\]'"):
        save(quick_student(X, y), tmp_path / "saved.skkd")


# Fuzz

SUSPICIOUS = ("pickle.find_class", "os.system", "os.exec", "subprocess.Popen", "exec", "socket")


class watched:
    """Collects what the interpreter reports of code that is run, while it is entered."""

    def __init__(self):
        self.events, self.is_on = [], False
        sys.addaudithook(self._hook)  # it stays for ever, but does nothing then

    def _hook(self, event, arguments):
        if self.is_on and event.startswith(SUSPICIOUS):
            self.events.append((event, str(arguments)[:200]))

    def __enter__(self):
        self.is_on = True
        return self.events

    def __exit__(self, *error):
        self.is_on = False


def mutated(data, rng):
    """A file with one or more bytes changed, cut off, put in, moved or doubled."""
    data, size = bytearray(data), len(data)
    at, length = int(rng.integers(size)), int(rng.integers(1, 200))
    kind = rng.integers(7)
    if kind == 0:
        for place in rng.integers(size, size=rng.integers(1, 9)):
            data[place] ^= 1 << int(rng.integers(8))
    elif kind == 6:  # in the directory of the zip, not all of which is read
        data[-int(rng.integers(1, min(size, 300)))] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        data[at : at + length] = rng.bytes(length)
    elif kind == 2:
        del data[at : at + length]
    elif kind == 3:
        data[at:at] = rng.bytes(length)
    elif kind == 4:
        other = int(rng.integers(size))
        data[at : at + length] = data[other : other + length]
    else:
        del data[at:]
    return bytes(data)


@pytest.mark.slow
def test_mutated_files_give_an_error_or_the_same_classifier(tmp_path):
    X, y = make_data()
    clf = quick_student(X, y)
    save(clf, tmp_path / "saved.skkd")
    whole, rng = (tmp_path / "saved.skkd").read_bytes(), np.random.default_rng(0)
    load(tmp_path / "saved.skkd")
    n_loaded = 0
    with watched() as events:
        for _ in range(1000):
            (tmp_path / "mutated.skkd").write_bytes(mutated(whole, rng))
            try:
                again = load(tmp_path / "mutated.skkd")
            except LoadError:
                continue
            n_loaded += 1
            assert_same(clf, again, X)
            weights = (one.student_.module_.state_dict() for one in (clf, again))
            assert same_state(*weights)
    assert not events
    assert 0 < n_loaded < 500


@pytest.mark.slow
def test_mutated_parts_with_the_right_hashes_run_no_code(tmp_path):
    X, y = make_data()
    save(quick_student(X, y), tmp_path / "saved.skkd")
    with zipfile.ZipFile(tmp_path / "saved.skkd") as archive:
        content = archive.read("classifier.skops")
        weights = archive.read("student.safetensors")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        inner = {name: archive.read(name) for name in archive.namelist()}
    rng = np.random.default_rng(0)
    load(tmp_path / "saved.skkd")
    n_refused = 0
    with watched() as events:
        for round in range(300):
            parts = {"student_safetensors": mutated(weights, rng)}
            if round % 3:
                file, schema = io.BytesIO(), inner["schema.json"]
                with zipfile.ZipFile(file, "w") as archive:
                    for name, part in (inner | {"schema.json": mutated(schema, rng)}).items():
                        archive.writestr(name, part)
                parts = {"classifier_skops": file.getvalue()}
            (tmp_path / "mutated.skkd").write_bytes(rewritten(tmp_path / "saved.skkd", **parts))
            try:
                load(tmp_path / "mutated.skkd")
            except LoadError:
                n_refused += 1
    assert not events
    assert n_refused > 150
