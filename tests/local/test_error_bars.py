"""Error bars against true distances."""

import numpy as np
import pytest

from shapesiren.local.error_bars import _rising, error_bars
from shapesiren.local.solve import solve_local
from shapesiren.nets.evaluate import values_and_gradients
from shapesiren.pointcloud.synthetic.shapes import SHAPES
from tests.local.test_solve import CPU, FEW, scan_of


def on_the_field(net, near):
    """Places on the zero level set, by steps of Newton's from those near it."""
    for _ in range(3):
        value, gradient = values_and_gradients(net, near)
        near = near - value * gradient[:, 0] / np.maximum((gradient[:, 0] ** 2).sum(1, keepdims=True), 0.25)
    return near


@pytest.mark.parametrize(("name", "noise"), [("torus", 0.003), ("torus", 0.006), ("box", 0.005)])
def test_ninety_percent_of_the_true_distances_are_within_the_ninety_percent_bars(name, noise):
    scan = scan_of(name, 16_000, noise)
    at = on_the_field(solve_local(scan, FEW, 0, CPU), scan_of(name, 3000).points)
    deviation = error_bars(scan, FEW, 0, CPU)(at)
    true = np.abs(SHAPES[name](at))
    assert 0.8 < (true < 1.645 * deviation).mean() < 0.98
    assert 0.6 < np.sqrt((true**2).mean()) / np.sqrt((deviation**2).mean()) < 1.5


def test_they_are_wider_where_the_surface_bends():
    scan = scan_of("box", 16_000, 0.004)
    x = scan_of("box", 3000).points
    flat = np.sort(np.abs(np.abs(x) - np.abs(x).max(0)), axis=1)[:, 1] > 0.1  # far from all edges
    deviation = error_bars(scan, FEW, 0, CPU)(x)
    assert deviation[~flat].mean() > 1.3 * deviation[flat].mean()


def test_they_are_those_of_the_seed():
    scan = scan_of("torus", 3000, 0.005)
    first, again = (error_bars(scan, FEW, 3, CPU)(scan.points) for _ in range(2))
    assert np.isfinite(first).all() and (first > 0).all()
    np.testing.assert_allclose(first, again, rtol=1e-3)


def test_the_nearest_sequence_that_does_not_fall():
    values, weights = np.array([1.0, 3.0, 2.0, 2.0, 5.0, -1.0]), np.array([1, 1, 1, 2, 1, 3])
    rising = _rising(values, weights)
    # 5 and -1, -1, -1 come to .5, below what is before them, so that all but the first are pooled
    assert np.allclose(rising, [1.0] + [(3 + 2 + 2 * 2 + 5 - 3) / 8] * 5)
    assert np.array_equal(_rising(np.arange(5.0), np.ones(5, np.int64)), np.arange(5.0))
