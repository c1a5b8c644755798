"""The initialisation gives the distributions that the paper derives."""

import math

import pytest
import torch
from scipy import stats

from shapesiren.nets.siren import Siren


def activations(net, x):
    """(pre-activation, activation) of each sine layer."""
    out = []
    for layer, omega in zip(net.layers[:-1], net.omegas(), strict=True):
        z = omega * layer(x)
        x = torch.sin(z)
        out.append((z, x))
    return out


@pytest.fixture(scope="module")
def layers():
    net = Siren(1, 1, width=512, hidden_layers=7, generator=torch.Generator().manual_seed(0)).double()
    x = torch.rand((4096, 1), generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2 - 1
    with torch.no_grad():
        return activations(net, x)


@pytest.mark.parametrize("depth", range(1, 8))
def test_preactivations_have_unit_variance(layers, depth):
    # N(0, 1) plus the bias's omega^2/(3 n) = .59 at width 512, which the paper's theorem leaves out
    bias = 30**2 / (3 * 512)
    z = layers[depth][0]
    assert abs(z.mean()) < 0.1
    assert z.var() == pytest.approx(1 + bias, rel=0.15)


@pytest.mark.parametrize("depth", range(8))
def test_activations_are_arcsine_distributed(layers, depth):
    h = layers[depth][1].flatten().numpy()
    assert stats.kstest(h[::37], stats.arcsine(loc=-1, scale=2).cdf).statistic < 0.05
    assert h.var() == pytest.approx(0.5, abs=0.03)


def test_the_bounds_are_the_papers():
    net = Siren(3, 1, width=256, hidden_layers=3, generator=torch.Generator().manual_seed(0)).requires_grad_(False)
    assert net.layers[0].weight.abs().max() == pytest.approx(1 / 3, rel=0.01)
    for layer in net.layers[1:]:
        assert layer.weight.abs().max() <= math.sqrt(6 / 256) / 30
    assert net.layers[2].weight.abs().max() == pytest.approx(math.sqrt(6 / 256) / 30, rel=0.01)
    assert net.layers[2].bias.abs().max() <= 1 / math.sqrt(256)
    assert len(net.layers) == 5  # first, three hidden, linear head


def test_forward_is_the_formula():
    net = Siren(2, 1, width=8, hidden_layers=1, omega_first=20, omega_hidden=10).double()
    x = torch.rand((5, 2), dtype=torch.float64)
    a, b, c = net.layers
    expected = c(torch.sin(10 * b(torch.sin(20 * a(x)))))
    torch.testing.assert_close(net(x), expected)


def test_a_seed_fixes_the_weights():
    a, b = (Siren(3, 1, generator=torch.Generator().manual_seed(5)) for _ in range(2))
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_torchs_own_randomness_is_left_alone():
    before = torch.get_rng_state()
    Siren(3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(before, torch.get_rng_state())
