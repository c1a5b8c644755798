"""Steps in machine code: held to plain torch's, which the derivatives' tests hold to autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from shapesiren.errors import InputError
from shapesiren.nets.cpu import engine as cpu_engine
from shapesiren.nets.cpu import kernels
from shapesiren.nets.fused_step import fused_value_and_gradient
from shapesiren.nets.jets import jet
from shapesiren.nets.siren import Siren


def step(net, x, rows, dtype, engine):
    """Value, gradient and parameter gradients of a loss in which every one of them counts."""
    net.zero_grad()
    value, gradient = fused_value_and_gradient(net, x, rows, dtype, engine)
    loss = (value[:, 0] * torch.linspace(-1, 2, len(x))).sum() + (gradient.norm(dim=-1) - 1).square().sum()
    loss.backward()
    return value.detach(), gradient.detach(), [p.grad.clone() for p in net.parameters()]


def relative(a, b):
    return float((a - b).norm() / b.norm().clamp_min(1e-12))


@pytest.mark.parametrize(
    ("dimensions", "hidden", "n", "rows", "threads"),
    [(3, 3, 1500, 900, 2), (3, 3, 1500, 1500, 1), (3, 1, 800, 0, 2), (2, 2, 701, 3, 2), (1, 0, 64, 64, 3), (3, 2, 5, 2, 2)],
)
def test_it_agrees_with_plain_torch(dimensions, hidden, n, rows, threads):
    torch.manual_seed(0)
    net, x = Siren(dimensions, 1, 48, hidden), torch.rand(n, dimensions) * 2 - 1
    ours = step(net, x, rows, torch.float32, cpu_engine.Engine(threads))
    theirs = step(net, x, rows, torch.float32, None)
    assert torch.allclose(ours[0], theirs[0], atol=2e-6) and torch.allclose(ours[1], theirs[1], atol=1e-4)
    assert max(relative(a, b) for a, b in zip(ours[2], theirs[2], strict=True)) < 2e-5


def test_in_bfloat16_it_is_as_exact_as_plain_torch():
    torch.manual_seed(0)
    net, x = Siren(3, 1, 64, 3), torch.rand(1000, 3) * 2 - 1
    exact = step(net, x, 600, torch.float32, None)[2]
    ours = step(net, x, 600, torch.bfloat16, cpu_engine.Engine(2))[2]
    theirs = step(net, x, 600, torch.bfloat16, None)[2]
    for a, b, e in zip(ours, theirs, exact, strict=True):
        assert relative(a, e) < 1.5 * relative(b, e) + 2e-3
        assert relative(a, e) < 0.1


def test_two_steps_at_once_do_not_share_buffers():
    torch.manual_seed(0)
    net, engine = Siren(3, 1, 32, 2), cpu_engine.Engine(2)
    x, y = torch.rand(900, 3), -torch.rand(900, 3)
    first, second = (fused_value_and_gradient(net, p, 900, torch.float32, engine) for p in (x, y))
    (first[0].sum() + first[1].square().sum() + second[0].square().sum() + second[1].sum()).backward()
    ours = [p.grad.clone() for p in net.parameters()]
    net.zero_grad()
    first, second = (fused_value_and_gradient(net, p) for p in (x, y))
    (first[0].sum() + first[1].square().sum() + second[0].square().sum() + second[1].sum()).backward()
    assert max(relative(a, p.grad) for a, p in zip(ours, net.parameters(), strict=True)) < 2e-5


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 5e-7), (np.uint16, 4.2e-3)])
def test_sine_and_cosine(dtype, tolerance):
    z = np.linspace(-200, 200, 40_000, dtype=np.float32).reshape(-1, 100)
    s, c = np.zeros(z.shape, dtype), np.zeros(z.shape, dtype)
    kernels.hidden_layer(z, np.zeros(100, np.float32), s, c)
    if dtype == np.uint16:
        s, c = ((a.astype(np.uint32) << 16).view(np.float32) for a in (s, c))
    assert np.abs(s - np.sin(z.astype(float))).max() < tolerance and np.abs(c - np.cos(z.astype(float))).max() < tolerance


def test_shares_of_a_batch_are_nearly_equal():
    sizes = [cpu_engine.share_size(2801, i, 3) for i in range(3)]
    assert sum(sizes) == 2801 and max(sizes) - min(sizes) <= 1


def test_torch_keeps_its_threads():
    before = torch.get_num_threads()
    net = Siren(3, 1, 16, 1)
    engine = cpu_engine.Engine(2)
    with cpu_engine.threads_for(engine):
        assert torch.get_num_threads() == 1
        fused_value_and_gradient(net, torch.rand(2000, 3), 10, torch.float32, engine)
    assert torch.get_num_threads() == before


def test_without_numba_plain_torch_is_used(monkeypatch):
    monkeypatch.setattr(cpu_engine, "numba_works", lambda: False)
    assert cpu_engine.engine_for("auto", torch.device("cpu")) is None
    with pytest.raises(InputError, match="numba is not installed"):
        cpu_engine.engine_for("native", torch.device("cpu"))


def test_a_gpu_has_no_native_backend():
    assert cpu_engine.engine_for("auto", torch.device("cuda")) is None
    assert cpu_engine.engine_for("torch", torch.device("cpu")) is None
    with pytest.raises(InputError, match="CPU alone"):
        cpu_engine.engine_for("native", torch.device("cuda"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_several_outputs(dtype):
    """Values alone, three outputs: colours."""
    torch.manual_seed(0)
    net, x = Siren(2, 3, 48, 2), torch.rand(1501, 2) * 2 - 1
    target = torch.rand(1501, 3)

    def grads(precision, engine):
        net.zero_grad()
        value, gradient = fused_value_and_gradient(net, x, 0, precision, engine)
        assert gradient.shape == (0, 3, 2)
        (value - target).square().sum().backward()
        return value.detach(), [p.grad.clone() for p in net.parameters()]

    ours, theirs, exact = grads(dtype, cpu_engine.Engine(2)), grads(dtype, None), grads(torch.float32, None)
    plain = net(x)
    plain_loss = (plain - target).square().sum()
    twin = torch.autograd.grad(plain_loss, list(net.parameters()))
    bound = 2e-5 if dtype == torch.float32 else 0.05
    assert torch.allclose(ours[0], plain, atol=1e-5 if dtype == torch.float32 else 0.05)
    for a, b, e, t in zip(ours[1], theirs[1], exact[1], twin, strict=True):
        assert relative(e, t) < 2e-5
        assert relative(a, t) < bound and relative(b, t) < bound


@pytest.mark.parametrize(
    ("d", "m", "order", "hidden", "n", "weighted"),
    [(2, 1, 2, 3, 901, False), (2, 3, 1, 2, 400, False), (3, 2, 2, 1, 77, True), (1, 1, 2, 2, 64, False)],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_jets(d, m, order, hidden, n, weighted, dtype):
    """Value, gradient and Laplacian with the parameter gradients of a loss on all of them, against the closed forms."""
    torch.manual_seed(0)
    net, x = Siren(d, m, 48, hidden), torch.rand(n, d) * 2 - 1
    weights = torch.randn(n, d) if weighted else None

    def run(precision, engine):
        net.zero_grad()
        outputs = [o for o in jet(net, x, order, precision, engine, weights) if o is not None]
        assert len(outputs) == order + 1
        loss = sum((o / o.detach().abs().mean()).sin().sum() for o in outputs)
        loss.backward()
        return [o.detach() for o in outputs], [p.grad.clone() for p in net.parameters()]

    ours, exact = run(dtype, cpu_engine.Engine(2)), run(torch.float32, None)
    bound = 2e-5 if dtype == torch.float32 else 0.1
    for a, b in zip(ours[0] + ours[1], exact[0] + exact[1], strict=True):
        assert a.shape == b.shape
        assert relative(a, b) < bound
