"""A local network: its derivatives against autograd and finite differences, its compiled twin, its description."""

import json

import numpy as np
import pytest
import torch

from shapesiren.config import NetSettings
from shapesiren.errors import InputError
from shapesiren.nets import evaluate
from shapesiren.nets.build import build, from_spec
from shapesiren.nets.cpu import local_evaluate
from shapesiren.nets.derivatives import value_and_gradient, value_gradient_hessian, value_gradient_laplacian
from shapesiren.nets.local import Local
from shapesiren.runtime.compiled import numba_works

CELLS = [(1, a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1) if (a, b, c) != (0, 0, 0)]
CELLS += [(2, a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)]  # sorted by their codes below


@pytest.fixture
def net():
    """Cells of two sizes, with random heads."""
    from shapesiren.nets.octree import Octree

    generator = torch.Generator().manual_seed(0)
    cells = Octree.of(np.array(CELLS), 1.1).cells
    net = Local(24, len(cells), 1.1, 1.6)
    net.cells.copy_(torch.from_numpy(cells))
    for parameter, size in ((net.frequencies, 4.0), (net.phases, 2.0), (net.heads, 1.0)):
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * size)
    net.zoom.copy_(torch.rand(len(cells), generator=generator) + 0.3)
    return net


@pytest.fixture
def x():
    return torch.rand((300, 3), generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2 - 1


def test_the_gradient_is_autograds(net, x):
    net.double()
    x.requires_grad_()
    value, gradient = value_and_gradient(net, x)
    torch.testing.assert_close(gradient[:, 0], torch.autograd.grad(value.sum(), x)[0], rtol=0, atol=1e-10)
    torch.testing.assert_close(net(x), value)


def test_the_hessian_is_that_of_the_gradient(net, x):
    net.double()
    value, gradient, hessian = value_gradient_hessian(net, x)
    step = 1e-6
    for k in range(3):
        ahead, behind = (value_and_gradient(net, x + sign * step * torch.eye(3)[k])[1] for sign in (1, -1))
        torch.testing.assert_close(hessian[:, 0, :, k], ((ahead - behind) / (2 * step))[:, 0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(hessian, hessian.transpose(2, 3))
    laplacian = value_gradient_laplacian(net, x)[2]
    torch.testing.assert_close(laplacian[:, 0], hessian[:, 0].diagonal(dim1=1, dim2=2).sum(1))


def test_it_is_smooth_from_cell_to_cell(net):
    """Value, gradient and Hessian on both sides of a face between cells of two sizes."""
    net.double()
    y = torch.rand((100, 3), dtype=torch.float64, generator=torch.Generator().manual_seed(2)) - 1
    y[:, 0] = 0
    left, right = (value_gradient_hessian(net, y + torch.tensor([d, 0, 0])) for d in (-1e-9, 1e-9))
    for a, b in zip(left, right, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-4)


def test_beyond_its_cube_the_distance_to_the_cube_is_added(net):
    inside, outside = torch.tensor([[1.1, 0.2, 0.3]]), torch.tensor([[1.6, 0.2, 0.3]])
    value, gradient = value_and_gradient(net, outside)
    torch.testing.assert_close(value, net(inside) + 0.5)
    torch.testing.assert_close(gradient[0, 0, 0], torch.tensor(1.0))
    torch.testing.assert_close(gradient[0, 0, 1:], value_and_gradient(net, inside)[1][0, 0, 1:], rtol=1e-3, atol=1e-3)


@pytest.mark.skipif(not numba_works(), reason="numba is not installed")
def test_the_compiled_pass_gives_the_same(net):
    x = np.random.default_rng(0).uniform(-1.2, 1.2, (3000, 3))
    value, gradient = local_evaluate.evaluate(net, x, True)
    net.double()
    expected, slope = net.derivatives(torch.from_numpy(x), 1)
    assert np.abs(value - expected[:, 0].numpy()).max() < 5e-5
    assert np.abs(gradient - slope[:, 0].numpy()).max() < 2e-3
    net.float()
    assert np.array_equal(evaluate.values(net, x)[:, 0], value)
    assert np.array_equal(evaluate.values_and_gradients(net, x)[1][:, 0], gradient)


def test_without_numba_torch_gives_the_same(net, monkeypatch):
    x = np.random.default_rng(0).uniform(-1, 1, (1000, 3))
    compiled = local_evaluate.evaluate(net, x, True)
    monkeypatch.setattr(local_evaluate, "numba_works", lambda: False)
    plain = local_evaluate.evaluate(net, x, True)
    for a, b in zip(compiled, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3)


def test_many_pairs_are_taken_in_parts(net, x, monkeypatch):
    whole = value_gradient_hessian(net.double(), x)
    monkeypatch.setattr("shapesiren.nets.local.PAIRS", 50)
    for a, b in zip(whole, value_gradient_hessian(net, x), strict=True):
        torch.testing.assert_close(a, b)


def test_a_description_rebuilds_it(net):
    again = from_spec(json.loads(json.dumps(net.spec())))
    again.load_state_dict(net.state_dict())
    x = torch.rand((50, 3)) * 2 - 1
    assert torch.equal(again(x), net(x))


def test_it_is_not_drawn_but_solved():
    with pytest.raises(InputError, match="solved for a shape"):
        build(NetSettings(kind="local"), 3, 1, 0)
