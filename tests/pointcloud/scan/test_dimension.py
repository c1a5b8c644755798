"""Whether points lie on surfaces: volumes and curves are refused, noisy, thin and striped surfaces are not."""

import numpy as np
import pytest
import trimesh

from shapesiren.errors import InputError
from shapesiren.pointcloud.cloud import PointCloud
from shapesiren.pointcloud.ingest import ingest_shape
from shapesiren.pointcloud.normals.estimate import plane_normals
from shapesiren.pointcloud.normals.spanning import spanning_normals
from shapesiren.pointcloud.prepare import prepare
from shapesiren.pointcloud.scan.dimension import require_surface
from shapesiren.pointcloud.settings import IngestSettings
from shapesiren.runtime.kdtree import KDTree

RNG = np.random.default_rng(0)


def judged(points):
    """ "surface", "volume" or "curves", the same in any unit, place and attitude."""
    said = set()
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    for cloud in (points, 1e-3 * points @ turn + [5e5, 4e6, 300]):
        try:
            require_surface(cloud, True, "a")
            said.add("surface")
        except InputError as e:
            said.add("volume" if "fill a volume" in str(e) else "curves")
    assert len(said) == 1
    return said.pop()


def ball(n):
    x = RNG.normal(size=(n, 3))
    return x / np.linalg.norm(x, axis=1)[:, None] * RNG.random((n, 1)) ** (1 / 3)


def sphere(n, noise=0.0):
    x = RNG.normal(size=(n, 3))
    return x / np.linalg.norm(x, axis=1)[:, None] + RNG.normal(size=(n, 3)) * 2 * noise


def box_surface(size, n, noise=0.0):
    points = trimesh.sample.sample_surface(trimesh.creation.box(size), n, seed=0)[0]
    return np.asarray(points) + RNG.normal(size=(n, 3)) * noise


def gyroid(n):
    x = RNG.uniform(-np.pi, np.pi, (40 * n, 3))
    value = (np.sin(x) * np.cos(np.roll(x, -1, 1))).sum(1)
    return x[np.abs(value) < 0.02][:n]


def edges_of(mesh, each):
    ends = mesh.vertices[mesh.face_adjacency_edges[mesh.face_adjacency_angles > 0.1]]
    t = np.linspace(0, 1, each)[:, None, None]
    return (ends[None, :, 0] * (1 - t) + ends[None, :, 1] * t).reshape(-1, 3)


def stripes(lines, each, noise=0.0):
    """Profiles of a wavy surface side by side, with its normals."""
    x, y = np.repeat(np.linspace(0, 1, lines), each), np.tile(np.linspace(0, 1, each), lines)
    normals = np.stack([-0.5 * np.cos(5 * x) * np.cos(4 * y), 0.4 * np.sin(5 * x) * np.sin(4 * y), 1 + 0 * x], 1)
    points = np.stack([x, y, 0.1 * np.sin(5 * x) * np.cos(4 * y)], 1) + RNG.normal(size=(lines * each, 3)) * noise
    return points, normals / np.linalg.norm(normals, axis=1)[:, None]


def spinning(rings, each, low, high, half=(30, 20)):
    """A scanner of several beams in a hall: x, y and z of where they end."""
    turn, rise = np.linspace(0, 2 * np.pi, each, endpoint=False), np.radians(np.linspace(low, high, rings))[:, None]
    rise, turn = np.broadcast_arrays(rise, turn)
    ray = np.stack([np.cos(rise) * np.cos(turn), np.cos(rise) * np.sin(turn), np.sin(rise)], -1).reshape(-1, 3)
    with np.errstate(divide="ignore"):
        ways = [s * wall / ray[:, a] for a, wall in enumerate(half) for s in (-1, 1)] + [-1.8 / ray[:, 2], 8 / ray[:, 2]]
    way = np.min([np.where(w > 0, w, np.inf) for w in ways], 0)
    return ray * (way + RNG.normal(size=len(way)) * 0.005)[:, None]


VOLUMES = {
    "ball": lambda: ball(16_000),
    "few": lambda: ball(500),
    "cube": lambda: RNG.uniform(-1, 1, (20_000, 3)),
    "voxels": lambda: np.stack(np.meshgrid(*[np.arange(22.0)] * 3), -1).reshape(-1, 3),
    "a cloud of particles": lambda: RNG.normal(size=(20_000, 3)),
    "with far points": lambda: np.concatenate([ball(20_000), RNG.uniform(-90, 90, (100, 3))]),
    "many": lambda: ball(300_000),
}
CURVES = {
    "edges of a box": lambda: edges_of(trimesh.creation.box((2, 1.6, 1)), 100),
    "rims of a cylinder": lambda: np.asarray(trimesh.creation.cylinder(1, 1, sections=256).vertices),
    "a helix": lambda: np.stack([np.cos(t := np.linspace(0, 6 * np.pi, 3000)), np.sin(t), t / 5], 1),
    "a plane of a scanner": lambda: spinning(1, 1800, 0, 0) + RNG.normal(size=(1800, 3)) * 0.01,
    "a few profiles": lambda: stripes(5, 500)[0],
}
SURFACES = {
    "sphere": lambda: sphere(20_000),
    "few": lambda: sphere(250, 0.01),
    "noise of 1 %": lambda: sphere(100_000, 0.01),
    "noise of 3 %": lambda: sphere(100_000, 0.03),
    "a noisy torus": lambda: (
        np.asarray(trimesh.creation.torus(1, 0.25).sample(100_000, seed=0)) + RNG.normal(size=(100_000, 3)) * 0.025
    ),
    "a thin plate": lambda: box_surface((2, 1.6, 0.02), 50_000),
    "a noisy thin plate": lambda: box_surface((2, 1.6, 0.04), 100_000, 0.02),
    "a cube": lambda: box_surface((1, 1, 1), 20_000, 0.01),
    "a flat plane": lambda: np.column_stack([RNG.uniform(-1, 1, (5000, 2)), np.zeros(5000)]),
    "a long pipe": lambda: np.column_stack([0.5 * (s := sphere(16_000))[:, :2], 200 * RNG.random(16_000)]) + 0 * s,
    "a gyroid": lambda: gyroid(20_000),
    "outliers": lambda: np.concatenate([sphere(20_000), RNG.uniform(-1.5, 1.5, (4000, 3))]),
    "a bush on a lawn": lambda: np.concatenate(
        [np.column_stack([RNG.uniform(-2, 2, (9000, 2)), 0.01 * RNG.normal(size=9000)]), ball(5000) * 0.6 + [0, 0, 0.6]]
    ),
    "profiles": lambda: stripes(20, 1000)[0],
    "a spinning scanner": lambda: spinning(16, 1800, -15, 15),
    "64 rings": lambda: spinning(64, 236, -24.8, 2),
    "density of 1 to 400": lambda: (s := sphere(60_000))[RNG.random(60_000) < 20.0 ** -(1 + s[:, 0])],
}


@pytest.mark.parametrize("name", VOLUMES)
def test_volumes(name):
    assert judged(VOLUMES[name]()) == "volume"


@pytest.mark.parametrize("name", CURVES)
def test_curves(name):
    assert judged(CURVES[name]()) == "curves"


@pytest.mark.parametrize("name", SURFACES)
def test_surfaces(name):
    assert judged(SURFACES[name]()) == "surface"


def test_ingest_refuses_and_can_be_told_not_to():
    for points, what in ((ball(3000), "fill a volume"), (CURVES["edges of a box"](), "lie on curves")):
        with pytest.raises(InputError, match=f"points: its points {what}.*ingest.dimension=any"):
            prepare(PointCloud(points), IngestSettings(), 0, lambda _: None)
        settings = IngestSettings(dimension="any", guide_samples=0)
        assert prepare(PointCloud(points), settings, 0, lambda _: None).facts.points > 1000


def test_curves_with_normals_are_taken():
    points, normals = stripes(5, 500)
    found = prepare(PointCloud(points, normals), IngestSettings(), 0, lambda _: None)
    assert found.facts.normals.origin == "given"


@pytest.mark.parametrize(("lines", "noise"), [(40, 0.0), (40, 1e-4), (20, 0.0), (100, 0.0)])
def test_normals_of_lines_span_them(lines, noise):
    points, truth = stripes(lines, 1000, noise)
    narrow = plane_normals(points, 16)
    wide = spanning_normals(KDTree(points), narrow, 16)
    off = [np.degrees(np.arccos(np.clip(np.abs((n * truth).sum(1)), 0, 1))) for n in (narrow, wide.normals)]
    assert np.median(off[0]) > 30 and np.quantile(off[1], 0.95) < 3
    assert wide.share > 0.9 and 16 < wide.most <= 256


def test_normals_of_surfaces_stay():
    points = sphere(3000)
    assert spanning_normals(KDTree(points), plane_normals(points, 16), 16) is None


def test_lines_are_said_and_rings_that_part():
    said = []
    ingest_shape(PointCloud(stripes(40, 500)[0]), IngestSettings(guide_samples=0), 0, said.append)
    assert any("measured in lines" in line for line in said)
    said.clear()
    ingest_shape(PointCloud(spinning(64, 236, -24.8, 2, (60, 60))), IngestSettings(guide_samples=0), 0, said.append)
    assert any("the mesh will be in pieces there (--set mesh.trim_distance=" in line for line in said)
    said.clear()
    wavy = np.column_stack([(x := RNG.uniform(-1, 1, (6000, 2))), 0.1 * np.sin(3 * x[:, 0])])
    ingest_shape(PointCloud(wavy), IngestSettings(guide_samples=0), 0, said.append)
    assert not any("pieces" in line or "lines" in line for line in said)
