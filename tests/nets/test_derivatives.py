"""Closed forms against their autograd twins, in float64."""

import numpy as np
import pytest
import torch

from shapesiren.nets import derivatives as D
from shapesiren.nets.build import NETWORKS
from shapesiren.nets.evaluate import values, values_and_gradients
from shapesiren.nets.fused_step import fused_value_and_gradient
from shapesiren.nets.siren import Siren


def make(d=3, m=1, hidden=3, seed=0):
    net = Siren(d, m, width=32, hidden_layers=hidden, generator=torch.Generator().manual_seed(seed)).double()
    x = torch.rand((40, d), generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2 - 1
    return net, x


CASES = [(1, 1, 3), (2, 3, 2), (3, 1, 1), (3, 2, 3), (3, 1, 5)]


def close(a, b):
    assert a.shape == b.shape
    a, b = a.detach(), b.detach()
    assert (a - b).abs().max() <= 1e-10 * max(1.0, float(b.abs().max()))


@pytest.mark.parametrize(("d", "m", "hidden"), CASES)
def test_value_and_gradient(d, m, hidden):
    net, x = make(d, m, hidden)
    for a, b in zip(D.value_and_gradient(net, x), D.autograd_value_and_gradient(net, x), strict=True):
        close(a, b)


@pytest.mark.parametrize(("d", "m", "hidden"), CASES)
def test_laplacian(d, m, hidden):
    net, x = make(d, m, hidden)
    for a, b in zip(D.value_gradient_laplacian(net, x), D.autograd_value_gradient_laplacian(net, x), strict=True):
        close(a, b)


@pytest.mark.parametrize(("d", "m", "hidden"), CASES)
def test_hessian(d, m, hidden):
    net, x = make(d, m, hidden)
    value, gradient, hessian = D.value_gradient_hessian(net, x)
    for a, b in zip((value, gradient, hessian), D.autograd_value_gradient_hessian(net, x), strict=True):
        close(a, b)
    close(hessian, hessian.transpose(2, 3))


def a_loss(value, gradient):
    """Uses values and gradients nonlinearly, so that every path of the backward pass counts."""
    return value.sin().sum() + (gradient.norm(dim=-1) - 1).square().sum() + (gradient * gradient.roll(1, -1)).sum()


@pytest.mark.parametrize("form", ["closed", "laplacian", "hessian"])
def test_parameter_gradients_of_the_closed_forms(form):
    net, x = make()
    take = {"closed": D.value_and_gradient, "laplacian": D.value_gradient_laplacian, "hessian": D.value_gradient_hessian}
    twin = {
        "closed": D.autograd_value_and_gradient,
        "laplacian": D.autograd_value_gradient_laplacian,
        "hessian": D.autograd_value_gradient_hessian,
    }

    def total(out):
        return a_loss(out[0], out[1]) + (out[2].square().mean() if len(out) == 3 else 0)

    ours = torch.autograd.grad(total(take[form](net, x)), list(net.parameters()))
    theirs = torch.autograd.grad(total(twin[form](net, x)), list(net.parameters()), materialize_grads=True)
    for a, b in zip(ours, theirs, strict=True):
        close(a, b)


@pytest.mark.parametrize("rows", [0, 1, 25, 40])
@pytest.mark.parametrize(("d", "m", "hidden"), CASES)
def test_fused(d, m, hidden, rows):
    net, x = make(d, m, hidden)
    value, gradient = fused_value_and_gradient(net, x, rows)
    value_twin, gradient_twin = D.autograd_value_and_gradient(net, x)
    close(value, value_twin)
    assert gradient.shape == (rows, m, d)
    if rows:
        close(gradient, gradient_twin[:rows])
    ours = torch.autograd.grad(a_loss(value, gradient), list(net.parameters()))
    theirs = torch.autograd.grad(a_loss(value_twin, gradient_twin[:rows]), list(net.parameters()))
    for a, b in zip(ours, theirs, strict=True):
        close(a, b)


def test_fused_twice_before_backward():
    """Two calls share nothing."""
    net, x = make()
    first, second = fused_value_and_gradient(net, x[:20]), fused_value_and_gradient(net, x[20:])
    ours = torch.autograd.grad(a_loss(*first) + a_loss(*second), list(net.parameters()))
    whole = torch.autograd.grad(a_loss(*D.value_and_gradient(net, x)), list(net.parameters()))
    for a, b in zip(ours, whole, strict=True):
        close(a, b)


def test_fused_in_bfloat16_is_near():
    net, x = make()
    net, x = net.float(), x.float()
    value, gradient = fused_value_and_gradient(net, x, None, torch.bfloat16)
    value_twin, gradient_twin = D.value_and_gradient(net, x)
    assert (value - value_twin).norm() < 0.05 * value_twin.norm()
    assert (gradient - gradient_twin).norm() < 0.1 * gradient_twin.norm()


@pytest.mark.parametrize("m", [1, 2])
def test_evaluation_in_chunks(m):
    net, x = make(3, m)
    net = net.float()
    points = x.float().numpy()
    value, gradient = D.value_and_gradient(net, x.float())
    for chunk in (7, 40, 1000):
        torch.testing.assert_close(torch.from_numpy(values(net, points, chunk)), value.detach(), atol=1e-5, rtol=1e-4)
        v, g = values_and_gradients(net, points, chunk)
        torch.testing.assert_close(torch.from_numpy(v), value.detach(), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(torch.from_numpy(g), gradient.detach(), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("kind", ["relu", "tanh", "relu-pe", "rff", "finer", "wire", "gaussian"])
def test_other_networks(kind):
    """Value, gradient, Laplacian and Hessian of every activation against autograd, and evaluation in bulk."""
    net = NETWORKS[kind](2, 2, 24, 2, octaves=3, sigma=1.0, scale=2.0, generator=torch.Generator().manual_seed(0)).double()
    x = torch.rand((30, 2), generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2 - 1
    for ours, twin in (
        (D.value_and_gradient, D.autograd_value_and_gradient),
        (D.value_gradient_laplacian, D.autograd_value_gradient_laplacian),
        (D.value_gradient_hessian, D.autograd_value_gradient_hessian),
    ):
        if kind in ("relu", "relu-pe", "rff") and ours is not D.value_and_gradient:
            continue  # autograd has no graph through a ReLU's slope
        for a, b in zip(ours(net, x), twin(net, x), strict=True):
            close(a, b)
    if kind == "relu":
        assert not D.value_gradient_laplacian(net, x)[2].any()
    net = net.float()
    expected, slopes = (t.detach().numpy() for t in D.value_and_gradient(net, x.float()))
    value, gradient = values_and_gradients(net, x.numpy())
    np.testing.assert_allclose(values(net, x.numpy()), expected, atol=1e-5)
    np.testing.assert_allclose(value, expected, atol=1e-5)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-4, atol=1e-4)
