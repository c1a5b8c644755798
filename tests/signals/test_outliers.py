"""What lies on no surface goes, what lies on one stays; scanner positions are believed when they should be."""

import numpy as np
import pytest

from shapesiren.signals.outliers import find_outliers
from shapesiren.signals.pointcloud import PointCloud, merge
from shapesiren.signals.scanner import Scanner, scan
from shapesiren.signals.sensors import believable, hidden_share, seen_from_above
from shapesiren.signals.shapes import SHAPES


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


def test_one_far_point():
    points = np.concatenate([scan("sphere", Scanner(points=2000)).points, [[30.0, 0, 0]]])
    assert list(np.flatnonzero(find_outliers(points))) == [2000]


def room(eye):
    """A laser scanner's view of a box-shaped room: equal angular steps."""
    azimuth, elevation = (a.ravel() for a in np.meshgrid(np.linspace(0, 2 * np.pi, 360, False), np.linspace(-1.3, 1.3, 150)))
    ray = np.stack([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], 1)
    half = np.array([5.0, 3.0, 1.3])
    ray[ray == 0] = 1e-12
    with np.errstate(divide="ignore"):
        reach = np.min(np.where(ray > 0, (half - eye) / ray, (-half - eye) / ray), axis=1)
    return eye + reach[:, None] * ray


def test_position_of_a_scanner_is_believed():
    eye = np.array([1.0, 0.5, 0.1])
    points = room(eye)
    assert believable(points, eye)
    assert hidden_share(points, eye) < 0.05
    assert not believable(points, np.array([100.0, 0, 0]))


def test_default_position_is_not_believed():
    """Even samples of closed shapes about the origin, where many programs say the scanner was."""
    for name in ("sphere", "box", "torus", "trefoil"):
        assert not believable(scan(name, Scanner(points=20_000)).points, np.zeros(3))


def test_terrain_is_seen_from_above(rng):
    xy = rng.uniform(0, 100, (30_000, 2))
    hills = np.concatenate([xy, 5 * np.sin(xy[:, :1] / 9) * np.cos(xy[:, 1:] / 7)], 1)
    assert seen_from_above(hills)
    for name in ("sphere", "trefoil", "box"):
        assert not seen_from_above(scan(name, Scanner(points=20_000)).points)
    rough = xy[:, :1] * 0 + 0.5 * rng.normal(size=(30_000, 1))
    assert seen_from_above(np.concatenate([xy, rough], 1))


def test_a_plate_that_lies_flat_is_no_terrain(rng):
    """Its sheets are a few spacings apart: too little to lie clearly below, but in every cell there are two layers."""
    sheets = np.concatenate([rng.uniform(0, 100, (30_000, 2)), rng.choice([0.0, 2.0], (30_000, 1))], 1)
    assert not seen_from_above(sheets)


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
