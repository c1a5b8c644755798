"""Evaluation by compiled passes against torch alone."""

import numpy as np
import pytest
import torch

from shapesiren.nets.cpu.evaluate import evaluate
from shapesiren.nets.evaluate import rough_values, values, values_and_gradients
from shapesiren.nets.siren import Siren

pytest.importorskip("numba")


def net_of(**settings):
    return Siren(**{"in_features": 3, "width": 24, "generator": torch.Generator().manual_seed(0), **settings})


@pytest.mark.parametrize(
    "settings", [{}, {"last_width": 40}, {"in_features": 2, "hidden_layers": 1}, {"hidden_layers": 0}, {"out_features": 3}]
)
def test_as_torch(settings):
    net = net_of(**settings)
    x = np.random.default_rng(0).uniform(-1, 1, (40_007, net.in_features))  # whole blocks, whole passes and a rest
    done = evaluate(net, x, False)
    assert done is not None
    np.testing.assert_array_equal(values(net, x), done[0])  # it is what `values` takes
    np.testing.assert_allclose(done[0], values(net, x, chunk=500), atol=2e-6)
    if net.out_features == 1:
        value, gradient = values_and_gradients(net, x)
        expected = values_and_gradients(net, x, chunk=500)
        np.testing.assert_allclose(value, expected[0], atol=2e-6)
        np.testing.assert_allclose(gradient, expected[1], atol=2e-5 * np.abs(expected[1]).max())


def test_left_to_torch():
    """Few points, several outputs with gradients, phases beyond the range reduction."""
    x = np.zeros((100_000, 3))
    assert evaluate(net_of(), x, True) is not None
    assert evaluate(net_of(), x[:100], True) is None
    assert evaluate(net_of(), x[:100], True, min_points=100) is not None
    assert evaluate(net_of(out_features=2), x, True) is None
    assert evaluate(net_of(omega_first=1e5), x + 1, False) is None
    assert np.isfinite(values(net_of(omega_first=1e5), x + 1)).all()


@pytest.mark.parametrize("settings", [{"width": 64}, {"width": 64, "out_features": 2}, {"width": 64, "last_width": 40}])
def test_bfloat16(settings):
    """To some three digits, however few points; not of other networks. With gradients in bfloat16 values keep all digits."""
    net = net_of(**settings)
    x = np.random.default_rng(0).uniform(-1, 1, (1283, 3))
    exact = values(net, x)
    error = np.abs(rough_values(net, x) - exact)
    assert 0 < error.max() < 0.05 * exact.std()
    assert error.mean() < 0.01 * exact.std()
    assert rough_values(net_of(omega_first=1e5), x + 1) is None
    if net.out_features == 1:
        expected = evaluate(net, x, True, min_points=1)
        value, gradient = evaluate(net, x, True, torch.bfloat16, min_points=1)
        np.testing.assert_array_equal(value, expected[0])
        error = np.linalg.norm(gradient - expected[1], axis=1) / np.linalg.norm(expected[1], axis=1).mean()
        assert 0 < error.mean() < 0.01
