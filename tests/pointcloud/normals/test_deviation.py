"""How far normals are off, by how they differ from their neighbours'."""

import numpy as np
import pytest

from shapesiren.pointcloud.normals.deviation import normals_deviation
from shapesiren.pointcloud.synthetic.scanner import Scanner, scan


@pytest.mark.parametrize("tilt", [0.0, 0.05, 0.15, 0.3])
@pytest.mark.parametrize(("shape", "points"), [("trefoil", 30_000), ("holed_plate", 30_000), ("trefoil", 4_000)])
def test_tilts_are_told_from_bends(shape, points, tilt):
    cloud = scan(shape, Scanner(points=points, normal_noise=tilt))
    assert normals_deviation(cloud.points, cloud.normals) == pytest.approx(tilt, rel=0.15, abs=0.02)


def test_a_few():
    assert normals_deviation(np.eye(3), np.eye(3)) == 0
