"""Scans as they come, small settings: they run to a mesh in their own coordinates.

Made here are scans like the real ones; the real ones, which may not be shipped, are tried where they lie.
"""

import numpy as np
import pytest

import shapesiren
from shapesiren.pointcloud.io.read import read_cloud
from shapesiren.stages.store import Run
from shapesiren.surface.mesh import TriangleMesh
from tests.conftest import QUICK
from tests.scans import SCANS

pytestmark = pytest.mark.slow


@pytest.mark.extra(reason="scans and models of others, which may not be shipped")
@pytest.mark.parametrize(
    "name",
    ["scans/terrain_utm.pcd", "scans/room_scan1.pcd", "scans/kinect_capture.pcd", "shapes/spot.obj", "shapes/fandisk.obj"],
)
def test_real_scan(real_data, tmp_path, name):
    runs_to_a_mesh(real_data(name), tmp_path)


@pytest.mark.parametrize("name", list(SCANS))
def test_scan_like_a_real_one(tmp_path, name, rng):
    SCANS[name](tmp_path / name, rng)
    runs_to_a_mesh(tmp_path / name, tmp_path)


def runs_to_a_mesh(path, tmp_path):
    run = tmp_path / "run"
    shapesiren.fit(path, out=run, settings=QUICK, steps=150)
    facts = shapesiren.mesh(run)
    cloud, mesh = read_cloud(path), read_cloud(run / "mesh.ply")
    points = cloud.points[np.isfinite(cloud.points).all(1)]
    side = np.ptp(points, axis=0).max()
    low, high = points.min(0) - 0.1 * side, points.max(0) + 0.1 * side
    assert ((mesh.points >= low) & (mesh.points <= high)).all()
    assert np.ptp(mesh.points, axis=0).max() > 0.3 * side  # few steps do not reach the room's far single points
    assert facts["input_distance"]["mean"] < 0.03 * side
    if path.suffix == ".pcd":
        assert Run.open(run).facts("ingest")["normals"]["origin"] == "estimated"
    if path.name == "terrain_utm.pcd":
        # float32 would put these coordinates on steps of half a metre
        steps = np.unique(mesh.points[:, 1])
        assert len(steps) > 0.5 * len(mesh.points)


def test_a_terrain_300_times_as_wide_as_high(rng):
    """Nine metres of relief on three kilometres, in UTM coordinates, no normals: heights, one part, no scraps at its border."""

    def height(x, y):
        return 3 * np.sin(x / 350) * np.cos(y / 500) + 1.2 * np.sin((x + y) / 200)

    corner = np.array([500_000.0, 5_400_000.0, 212.0])
    x, y = rng.uniform(0, 3000, (2, 20_000))
    field = shapesiren.fit(np.stack([x, y, height(x, y)], 1) + corner, settings=QUICK, steps=1000)
    mesh = field.mesh()
    made = mesh.vertices - corner
    inside = ((made[:, :2] > 100) & (made[:, :2] < 2900)).all(1)
    error = np.abs(made[:, 2] - height(made[:, 0], made[:, 1]))[inside]
    assert error.mean() < 0.3
    assert error.max() < 3
    parts, _ = TriangleMesh(mesh.vertices, mesh.faces, mesh.normals).face_components(by_edge=True)
    assert parts == 1
    assert mesh.facts.trimmed.area_share > 0.02
