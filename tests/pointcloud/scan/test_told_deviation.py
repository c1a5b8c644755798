"""How far off points are, where a file says so: right by the points, whatever its measure."""

import numpy as np
import pytest

from shapesiren.pointcloud.scan.noise import scatter
from shapesiren.pointcloud.scan.told_deviation import told_deviation
from shapesiren.pointcloud.synthetic.scanner import Scanner, scan
from shapesiren.runtime.kdtree import KDTree


def noisy(rng, deviation):
    """A sphere's points, each off by its own deviation."""
    cloud = scan("sphere", Scanner(points=20_000))
    return cloud.points + cloud.normals * (deviation * rng.normal(size=len(cloud.points)))[:, None]


@pytest.mark.parametrize("measure", [0.2, 1.0, 7.0])
def test_deviations_in_any_measure(rng, measure):
    true = 0.006 * np.exp(0.7 * rng.normal(size=20_000))
    tree = KDTree(noisy(rng, true))
    found = told_deviation(tree, measure * true, scatter(tree).noise)
    middle = (true > np.quantile(true, 0.2)) & (true < np.quantile(true, 0.9))
    assert np.median(found / true) == pytest.approx(1, abs=0.15)
    assert np.quantile(found[middle] / true[middle], [0.05, 0.95]) == pytest.approx([1, 1], abs=0.3)


def test_what_says_nothing_of_the_points(rng):
    tree = KDTree(noisy(rng, np.full(20_000, 0.01)))
    found = told_deviation(tree, 0.01 * np.exp(0.7 * rng.normal(size=20_000)), scatter(tree).noise)
    assert np.median(found) == pytest.approx(0.01, rel=0.15)
    assert np.quantile(found, 0.95) < 1.5 * np.quantile(found, 0.05)


def test_few_points(rng):
    tree = KDTree(rng.normal(size=(30, 3)))
    assert (told_deviation(tree, np.full(30, 0.1), 0.2) == 0.2).all()
