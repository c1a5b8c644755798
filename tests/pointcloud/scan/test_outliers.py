"""What lies on no surface goes, what lies on one stays; scanner positions are believed when they should be."""

import numpy as np
import pytest

from shapesiren.pointcloud.cloud import PointCloud, merge
from shapesiren.pointcloud.scan.outliers import find_outliers
from shapesiren.pointcloud.synthetic.scanner import Scanner, scan
from shapesiren.pointcloud.synthetic.shapes import SHAPES


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.05, 0.2])
def test_uniform_outliers(share):
    cloud = scan("trefoil", Scanner(points=50_000, outliers=share, noise=0.002))
    far = np.abs(SHAPES["trefoil"](cloud.points)) > 0.05
    bad = find_outliers(cloud.points)
    assert bad[far].mean() > 0.95
    assert bad[~far & (np.abs(SHAPES["trefoil"](cloud.points)) < 0.01)].mean() < 0.005


@pytest.mark.parametrize(("name", "noise", "points"), [("box", 0, 50_000), ("plate", 0, 3000), ("torus", 0.005, 20_000)])
def test_nothing_is_taken_from_a_good_scan(name, noise, points):
    cloud = scan(name, Scanner(points=points, noise=noise))
    assert find_outliers(cloud.points).mean() <= (0.005 if noise else 0)


def test_two_bodies_of_different_density(rng):
    """One that is sparse beside its own size, and another that makes the median spacing: neither loses a point."""
    large, small = rng.normal(size=(300, 3)), rng.normal(size=(20_000, 3))
    large, small = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (large, small))
    assert not find_outliers(np.concatenate([large, 0.05 * small + [1.5, 0, 0]])).any()


def test_one_far_point():
    points = np.concatenate([scan("sphere", Scanner(points=2000)).points, [[30.0, 0, 0]]])
    assert list(np.flatnonzero(find_outliers(points))) == [2000]


def test_merge():
    a = PointCloud(np.zeros((3, 3)), np.ones((3, 3)), colours=np.zeros((3, 3), np.uint8)).seen_from(np.array([1.0, 0, 0]))
    b = PointCloud(np.ones((2, 3)), intensity=np.ones(2, np.float32)).seen_from(np.array([2.0, 0, 0]))
    c = PointCloud(np.ones((1, 3))).seen_from(np.zeros(3), sure=False)
    both = merge([a, b, c])
    assert both.points.shape == (6, 3)
    assert np.isnan(both.normals[3:]).all()
    assert both.colours is None
    assert both.intensity is None
    assert both.notes == ("only some of the scans have colours: left out", "only some of the scans have intensity: left out")
    assert both.sensors[:, 0].tolist() == [1, 2]
    assert both.sensor.tolist() == [0, 0, 0, 1, 1, -1]
