"""Analytic shapes are exact, the frame is exact, normals come out right, the virtual scanner does what it says."""

import numpy as np
import pytest

from shapesiren.errors import InputError
from shapesiren.pointcloud.synthetic.scanner import Scanner, scan, viewpoints
from shapesiren.pointcloud.synthetic.shapes import SHAPES, gradient, tessellate
from shapesiren.runtime.triangles import Triangles
from shapesiren.similarity import Similarity


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_signed_distance_is_exact(name, rng):
    distance = SHAPES[name]
    x = rng.uniform(-1, 1, (4000, 3))
    d = distance(x)
    # the closest surface point lies |d| away along the gradient, and nothing lies nearer
    closest = x - d[:, None] * gradient(distance, x)
    smooth = np.abs(distance(closest)) < 1e-5  # all but the medial axis and the corners' shadows
    assert smooth.mean() > 0.98
    vertices, faces = tessellate(distance, 96)
    assert np.abs(distance(vertices)).max() < 0.02
    measured = Triangles(vertices, faces).distance(x)
    # marching cubes cuts sharp edges off, by up to a cell (2 / 96)
    tolerance = 0.02 if name in ("box", "plate", "cylinder", "holed_plate") else 0.002
    assert np.quantile(np.abs(measured - np.abs(d)), 0.99) < tolerance
    inside = Triangles(vertices, faces).inside(x)
    assert (inside == (d < 0)).mean() > 0.99


def test_frame_is_exact_at_utm():
    low, high = np.array([5e5, 5.4e6, 295.0]), np.array([5e5 + 133, 5.4e6 + 302, 404.0])
    frame = Similarity.of_bounds(low, high, 1.8)
    assert np.abs(frame.to_box(np.stack([low, high]))).max() == pytest.approx(0.9)
    np.testing.assert_allclose(frame.to_user(frame.to_box(np.stack([low, high]))), np.stack([low, high]), atol=2e-9)
    assert frame.needs_float64(0.5)
    assert not Similarity((0.0, 0.0, 0.0), 1.0).needs_float64(2 / 256)


def test_scanner():
    exact = SHAPES["sphere"]
    clean = scan("sphere", Scanner(points=5000))
    assert np.abs(exact(clean.points)).max() < 1e-9
    assert len(clean.points) == 5000
    noisy = scan("sphere", Scanner(points=5000, noise=0.01))
    assert exact(noisy.points).std() == pytest.approx(0.014, rel=0.1)
    dirty = scan("sphere", Scanner(points=5000, outliers=0.2))
    assert (np.abs(exact(dirty.points)) > 1e-6).sum() == 1000
    one = scan("sphere", Scanner(points=3000, views=1))
    eye = viewpoints(1, np.zeros(3), 1.0)[0]
    assert (one.points @ eye > 0).all()
    again = scan("sphere", Scanner(points=3000, views=1))
    np.testing.assert_array_equal(one.points, again.points)
    assert scan("sphere", Scanner(points=100, normals=False)).normals is None
    with pytest.raises(InputError, match="shapes: sphere"):
        scan("spere", Scanner())
