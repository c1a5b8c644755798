"""The spacing of a scan, place by place."""

import numpy as np
import pytest

from shapesiren.pointcloud.scan import local_spacing as module
from shapesiren.pointcloud.scan.local_spacing import local_spacing
from shapesiren.runtime.kdtree import KDTree


def flat(xy):
    return np.concatenate([xy, np.zeros((len(xy), 1))], 1)


def test_it_is_that_of_an_even_sample(rng):
    points = flat(rng.uniform(0, 1, (20_000, 2)))
    nearest = np.median(KDTree(points).query(points, 2)[0][:, 1])
    found = local_spacing(points)
    assert np.median(found) == pytest.approx(nearest, rel=0.05)
    assert np.quantile(found, 0.95) < 1.5 * nearest


def test_it_follows_the_density_and_sees_between_lines(rng):
    even = rng.uniform(0, 1, (40_000, 2))
    points = flat(even[rng.uniform(size=40_000) < 400.0 ** -even[:, 0]])
    found = local_spacing(points)
    dense, sparse = points[:, 0] < 0.1, points[:, 0] > 0.9
    assert 10 < np.median(found[sparse]) / np.median(found[dense]) < 25
    x, y = np.meshgrid(np.arange(0, 1, 0.05), np.arange(0, 1, 0.005))
    lines = local_spacing(flat(np.stack([x.ravel(), y.ravel()], 1)))
    assert np.median(lines) == pytest.approx(np.sqrt(np.log(2) / np.pi * 0.05 * 0.005), rel=0.25)


def test_a_wire_keeps_the_spacing_along_it():
    points = np.stack([np.arange(0, 1, 0.001), *np.zeros((2, 1000))], 1)
    assert np.median(local_spacing(points)) < 0.003


def test_many_and_few_points(rng, monkeypatch):
    points = flat(rng.uniform(0, 1, (5000, 2)))
    every = local_spacing(points)
    monkeypatch.setattr(module, "MOST_POINTS", 2000)
    assert np.median(np.abs(local_spacing(points) / every - 1)) < 0.1
    for count in (1, 2, 5):
        assert local_spacing(points[:count]).shape == (count,)
