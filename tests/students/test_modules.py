"""The modules: the convolutional net against its definition, the embeddings against the formula."""

import builtins

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional as F

from skkd import DistilledClassifier
from skkd._student.sizes import sized
from skkd.students import PeriodicMLP, ResidualConvNet, make_student
from skkd.students._convnet import _quarters
from skkd.students._mlp import Dropout, HiddenLayer

RNG = np.random.default_rng(0)


def stirred(module):
    """With weights everywhere, also where they start at zero."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, dtype=parameter.dtype))
    return module


# The convolutional net


@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("size", [(8, 8), (9, 11), (28, 28), (33, 17)])
def test_any_size_and_both_numbers_of_channels(n_channels, size):
    net = stirred(ResidualConvNet(4, n_channels))
    X = torch.randn(3, n_channels, *size)
    logits = net(X)
    assert logits.shape == (3, 4)
    # Rows don't know of each other.
    torch.testing.assert_close(logits[:1], net(X[:1]), rtol=1e-4, atol=1e-5)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in net.parameters())


def test_blocks_of_equal_width():
    net, X = stirred(ResidualConvNet(2, widths=(4, 4))), torch.randn(3, 1, 8, 8)
    assert net(X).shape == (3, 2)


def test_one_channel_may_be_left_out():
    net, X = stirred(ResidualConvNet(2)), torch.randn(2, 10, 8)
    torch.testing.assert_close(net(X), net(X[:, None]), rtol=0, atol=0)


def test_blocks_start_as_the_identity():
    net = ResidualConvNet(2, widths=(4,))
    X = torch.rand(2, 4, 8, 8)
    torch.testing.assert_close(net.blocks(X), X)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (4, 4), (5, 7), (8, 3)])
def test_quarters_are_adaptive_pooling(size):
    X = torch.randn(2, 3, *size, dtype=torch.float64)
    pooled = F.adaptive_avg_pool2d(X, 2).permute(0, 2, 3, 1).flatten(1)
    torch.testing.assert_close(_quarters(X), pooled)


@pytest.mark.parametrize("weighted", [False, True])
def test_channels_are_standardised(weighted):
    X = RNG.normal([[[[5.0]], [[-300.0]], [[0.0]]]], [[[[2.0]], [[40.0]], [[1.0]]]], (30, 3, 8, 9))
    X[:, :, 2] += 7  # a mean that differs from pixel to pixel
    weight = RNG.integers(0, 3, 30) if weighted else np.ones(30, dtype=int)
    net = ResidualConvNet(2, 3).double()
    net.adapt(X, weight.astype(float) if weighted else None)
    pixels = np.repeat(X, weight, axis=0).transpose(0, 2, 3, 1).reshape(-1, 3)
    scaler = StandardScaler().fit(pixels)
    np.testing.assert_allclose(net.mean.flatten(), scaler.mean_)
    np.testing.assert_allclose(1 / net.scale.flatten(), scaler.scale_)


def test_black_images_don_t_divide_by_zero():
    net = ResidualConvNet(2)
    net.adapt(np.zeros((4, 8, 8)), None)
    assert torch.isfinite(net(torch.zeros(1, 8, 8))).all()


@pytest.mark.parametrize(
    "shape, match",
    [
        ((20, 64), r"got \(20, 64\).*Reshape X.*student='mlp'"),
        ((20, 1, 4, 16), r"at least 8 x 8 pixels.*4 x 16"),
        ((20, 28, 28, 3), r"28 x 3.*channels are last.*np.moveaxis\(X, -1, 1\)"),
        ((20, 2, 1, 8, 8), "takes images"),
    ],
)
def test_what_is_no_image_is_refused(shape, match):
    X, y = RNG.normal(size=shape), np.arange(20) % 2
    clf = DistilledClassifier(None, "convnet")
    with pytest.raises(ValueError, match=match):
        clf.fit(X, y, teacher_proba=np.eye(2)[y])


def test_another_number_of_channels_than_the_user_s_is_refused():
    X, y = RNG.normal(size=(20, 3, 8, 8)), np.arange(20) % 2
    clf = DistilledClassifier(None, make_student("convnet").set_params(module__n_channels=1))
    with pytest.raises(ValueError, match="3 channels.*n_channels=1"):
        clf.fit(X, y, teacher_proba=np.eye(2)[y])


# The perceptrons


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_hidden_layer_is_a_linear_one_then_relu_then_dropout(dropout):
    layer = HiddenLayer(5, 7, dropout)
    plain = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), Dropout(dropout))
    plain[0].load_state_dict(layer.state_dict())
    outputs, gradients = [], []
    for net in (layer, plain):
        X = torch.linspace(-1, 1, 20).reshape(4, 5).requires_grad_()
        torch.manual_seed(0)
        outputs += [net(X), net.eval()(X)]
        (outputs[-2] ** 2 + outputs[-1]).sum().backward()
        gradients.append([X.grad, *(parameter.grad for parameter in net.parameters())])
    assert all(map(torch.equal, outputs[:2], outputs[2:]))
    assert all(map(torch.equal, *gradients))


# The periodic embeddings


def test_periodic_embeddings_are_the_paper_s_formula():
    module = stirred(PeriodicMLP(3, 2, hidden=(5,), embedded=(2, 0)).double())
    rows = RNG.normal(3, 2, size=(50, 3))
    module.adapt(rows)
    X = rows[:6]
    x = (X - rows.mean(0)) / rows.std(0)
    state = {name: one.numpy() for name, one in module.state_dict().items()}
    angles = 2 * np.pi * state["embedding.periodic.weight"] * x[:, [2, 0], None]
    waves = np.concatenate([np.cos(angles), np.sin(angles)], -1)
    vectors = np.einsum("nfk,fkd->nfd", waves, state["embedding.linear.weight"])
    vectors = np.maximum(vectors + state["embedding.linear.bias"], 0)
    hidden = np.hstack([vectors.reshape(6, -1), x[:, [1]]])
    hidden = np.maximum(hidden @ state["layers.0.weight"].T + state["layers.0.bias"], 0)
    expected = hidden @ state["layers.1.weight"].T + state["layers.1.bias"]
    np.testing.assert_allclose(module(torch.from_numpy(X)).detach().numpy(), expected)


@pytest.mark.parametrize("embedded", [(), (1,), (0, 1), None])
def test_gradients_reach_all_parameters(embedded):
    module = PeriodicMLP(2, 3, embedded=embedded)
    module(torch.randn(40, 2)).square().sum().backward()
    used = [one for one in module.parameters() if one.numel()]
    assert all(one.grad is not None and one.grad.any() for one in used)


def test_columns_of_two_values_are_not_embedded():
    table = np.c_[RNG.normal(size=9), np.arange(9) % 2, np.zeros(9), np.arange(9) % 3]
    assert sized(make_student("mlp_plr"), table)["module__embedded"] == (0, 3)
    frame = pd.DataFrame(
        {"x": RNG.normal(size=60), "kind": pd.Categorical(np.tile(["a", "b", "c"], 20))}
    )
    frame.loc[3, "x"] = np.nan
    y = np.tile([0, 1, 1], 20)
    clf = DistilledClassifier(None, "mlp_plr", random_state=0).set_params(student__max_epochs=80)
    clf.fit(frame, y, teacher_proba=np.eye(2)[y] * 0.8 + 0.1)
    # Encoded as for the default student: the number, whether it is missing, and three categories.
    assert clf.student_[-1].module__n_features == 5
    assert clf.student_[-1].module__embedded == (0,)
    assert clf.score(frame, y) == 1.0


def test_missing_package_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "rtdl_num_embeddings":
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    y = np.arange(20) % 2
    clf = DistilledClassifier(None, "mlp_plr")
    with pytest.raises(ImportError, match=r"skkd\[embeddings\]"):
        clf.fit(RNG.normal(size=(20, 3)), y, teacher_proba=np.eye(2)[y])


@pytest.mark.parametrize(
    ("name", "params"),
    [("mlp", {"bins": (0, 2)}), ("mlp", {"bins": [-1]}), ("mlp_plr", {"embedded": (1, 7)})],
)
def test_columns_that_are_not_there(name, params):
    [parameter] = params
    with pytest.raises(ValueError, match=f"{parameter} has .*columns of X are 0 to 1"):
        make_student(name).module(2, 2, **params)
