"""Real files, small settings: they run to a mesh in their own coordinates."""

import numpy as np
import pytest

import shapesiren
from shapesiren.signals.readers import read_cloud
from tests.conftest import QUICK


@pytest.mark.parametrize("name", ["scans/terrain_utm.pcd", "scans/room_scan1.pcd", "scans/kinect_capture.pcd",
                                  "shapes/spot.obj", "shapes/fandisk.obj"])  # fmt: skip
def test_real_scan(shared, tmp_path, name):
    path = shared / name
    said = []
    run = tmp_path / "run"
    shapesiren.fit(path, out=run, settings=QUICK, steps=150, say=said.append)
    facts = shapesiren.mesh(run)
    cloud, mesh = read_cloud(path), read_cloud(run / "mesh.ply")
    points = cloud.points[np.isfinite(cloud.points).all(1)]
    side = np.ptp(points, axis=0).max()
    low, high = points.min(0) - 0.1 * side, points.max(0) + 0.1 * side
    assert ((mesh.points >= low) & (mesh.points <= high)).all()
    assert np.ptp(mesh.points, axis=0).max() > 0.3 * side  # few steps do not reach the room's far single points
    assert facts["input_distance"]["mean"] < 0.03 * side
    if path.suffix == ".pcd":
        assert any("no normals" in s for s in said)
    if name.endswith("utm.pcd"):
        # float32 would put these coordinates on steps of half a metre
        steps = np.unique(mesh.points[:, 1])
        assert len(steps) > 0.5 * len(mesh.points)
