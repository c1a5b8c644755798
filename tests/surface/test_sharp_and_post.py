"""Dual contouring keeps edges and topology; trimming, hole filling, decimation and smoothing do what they say."""

import numpy as np
import pytest
import trimesh

from shapesiren.pointcloud.synthetic.shapes import SHAPES, gradient
from shapesiren.runtime.kdtree import KDTree
from shapesiren.surface.dual_contouring import EDGES, dual_contouring, sheets
from shapesiren.surface.grid import Grid
from shapesiren.surface.marching_cubes import sparse_marching_cubes
from shapesiren.surface.mesh import TriangleMesh
from shapesiren.surface.narrow_band import narrow_band
from shapesiren.surface.postprocess import decimate, decimate_to_error, farthest_distance, smooth
from shapesiren.surface.refine import newton_refine
from shapesiren.surface.trim import cut, fill_holes, trim
from shapesiren.surface.verify import verify
from tests.scans import support_of

TURN = np.array([[0.8, 0.6, 0], [-0.6, 0.8, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, 0.8, 0.6], [0, -0.6, 0.8]])


def turned(name):
    """An analytic shape off the grid's axes: values, and values with gradients."""
    distance = SHAPES[name]

    def values(x):
        return distance(x @ TURN).astype(np.float32)

    def both(x):
        return values(x), (gradient(distance, x @ TURN) @ TURN.T).astype(np.float32)

    return values, both


def consistency(vertices, faces, both):
    """Mean cosine between the faces' normals and the field's, over random points of the mesh."""
    points, index = trimesh.sample.sample_surface(trimesh.Trimesh(vertices, faces, process=False), 20_000, seed=0)
    a, b, c = vertices[faces[index]].transpose(1, 0, 2)
    normal = np.cross(b - a, c - a)
    return float(((normal / np.linalg.norm(normal, axis=1, keepdims=True)) * both(points)[1]).sum(1).mean())


@pytest.mark.parametrize(
    ("name", "genus", "parts"), [("box", 0, 1), ("holed_plate", 6, 1), ("trefoil", 1, 1), ("two_spheres", 0, 2)]
)
def test_dual_contouring(name, genus, parts):
    values, both = turned(name)
    grid = Grid.covering(np.full(3, -1.0), np.full(3, 1.0), 64)
    band = narrow_band(values, grid, 1.0)
    vertices, faces, normals, evaluations = dual_contouring(band, both)
    checked = verify(TriangleMesh(vertices, faces, normals))
    assert checked.watertight
    assert checked.nonmanifold_vertices == 0
    assert (checked.genus, checked.components) == (genus, parts)
    assert checked.volume > 0
    assert evaluations < 4 * len(vertices)
    assert np.abs(np.linalg.norm(normals, axis=1) - 1).max() < 1e-3
    cubes, cube_faces = sparse_marching_cubes(band)
    cubes = newton_refine(both, grid.positions(cubes), grid.step)[0]
    assert consistency(vertices, faces, both) > (0.992 if name in ("box", "holed_plate") else 0.996)
    assert consistency(vertices, faces, both) > consistency(cubes, cube_faces, both) - 1e-4


def test_every_crossing_belongs_to_a_sheet():
    table = sheets()
    for config in range(256):
        negative = [bool(config >> c & 1) for c in range(8)]
        crossed = np.array([negative[a] != negative[b] for a, b, _ in EDGES])
        assert ((table[config] >= 0) == crossed).all()
        for sheet in range(table[config].max() + 1):
            assert (table[config] == sheet).sum() >= 3
    assert table[0b10000001].max() == 1  # opposite corners: two sheets
    assert table[0b00001111].max() == 0  # a plane: one


def test_sheets_closer_than_a_cell_stay_apart():
    grid = Grid.covering(np.full(3, -1.0), np.full(3, 1.0), 40)

    def both(x):
        near = np.linalg.norm(x - [0.42, 0.01, 0.02], axis=1) - 0.4
        far = np.linalg.norm(x + [0.42, -0.01, 0.03], axis=1) - 0.4
        g = np.where((near < far)[:, None], x - [0.42, 0.01, 0.02], x + [0.42, -0.01, 0.03])
        return np.minimum(near, far).astype(np.float32), (g / np.linalg.norm(g, axis=1, keepdims=True)).astype(np.float32)

    made = dual_contouring(narrow_band(lambda x: both(x)[0], grid, 1.0), both)
    checked = verify(TriangleMesh(*made[:3]))
    assert checked.watertight
    assert checked.components == 2


def plane(n=61, side=1.0):
    """A flat square of triangles in the plane z = 0."""
    u = np.linspace(0, side, n)
    vertices = np.stack([*(a.ravel() for a in np.meshgrid(u, u, indexing="ij")), np.zeros(n * n)], 1)
    i, j = (a.ravel() for a in np.meshgrid(np.arange(n - 1), np.arange(n - 1), indexing="ij"))
    a, b, c, d = i * n + j, (i + 1) * n + j, (i + 1) * n + j + 1, i * n + j + 1
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return TriangleMesh(vertices, faces, np.tile(np.array([[0, 0, 1]], np.float32), (n * n, 1)))


def test_trim_and_holes(rng):
    mesh = plane()
    points = np.concatenate([rng.uniform(0, 1, (4000, 2)), np.zeros((4000, 1))], 1)
    hole = np.linalg.norm(points[:, :2] - 0.35, axis=1) < 0.1
    points = points[~hole & (points[:, 0] < 0.8)]
    tree = KDTree(points)
    spacing = float(np.median(tree.query(points, 2)[0][:, 1]))
    support = support_of(points, spacing, 5 * spacing)
    keep, _, reach = trim(mesh, support)
    kept = mesh.vertices[mesh.faces[keep]].mean(1)
    assert np.median(reach) == pytest.approx(5 * spacing, rel=0.1)
    assert kept[:, 0].max() < 0.8 + 6 * spacing
    assert np.quantile(tree.query(kept)[0], 0.98) < 5 * spacing  # a hundredth may lie farther, in the holes of chance
    assert tree.query(kept)[0].max() < 9 * spacing
    inside = np.linalg.norm(mesh.vertices[mesh.faces].mean(1)[:, :2] - 0.35, axis=1) < 0.02
    assert not keep[inside].any()
    filled = fill_holes(mesh, keep, 0.2)
    assert filled[inside].all()
    np.testing.assert_array_equal(fill_holes(mesh, keep, 0.02), keep)
    assert mesh.vertices[mesh.faces[filled]].mean(1)[:, 0].max() == kept[:, 0].max()  # the border is no hole
    fixed = trim(mesh, support, 0.01)
    assert fixed[2] == [0.01]
    assert fixed[0].sum() < keep.sum()


def test_sparse_lines_are_joined():
    """Lines far apart beside an even part: joined."""
    mesh = plane(81)
    x, y = np.meshgrid(np.arange(0, 0.85, 0.005), np.arange(0, 1, 0.005))
    lines_x, lines_y = np.meshgrid(np.arange(0.87, 1, 0.03), np.arange(0, 1, 0.01))
    xy = np.concatenate([np.stack([x.ravel(), y.ravel()], 1), np.stack([lines_x.ravel(), lines_y.ravel()], 1)])
    points = np.concatenate([xy, np.zeros((len(xy), 1))], 1)
    keep, _, _ = trim(mesh, support_of(points, 0.005, 0.02))
    assert keep.all()


def test_rings_are_joined_and_single_points_have_no_discs(rng):
    """A scanner over a floor: rings that are ever farther apart, where the points along them are not. And density 1:400."""
    mesh = plane(161)
    radii = 0.04 * 1.13 ** np.arange(24)
    angle = np.linspace(0, np.pi / 2, 60)[:, None]
    rings = np.stack([radii * np.cos(angle), radii * np.sin(angle), 0 * radii * angle], -1).reshape(-1, 3)
    middle, within = mesh.vertices[mesh.faces].mean(1), np.linalg.norm(mesh.vertices[mesh.faces].mean(1), axis=1)
    keep, _, _ = trim(mesh, support_of(rings, 0.006, 0.03))
    assert keep[(within > radii[1]) & (within < radii[-1])].all()
    assert not keep[within > 1.3 * radii[-1]].any()
    even = rng.uniform(0, 1, (40_000, 2))
    thinned = even[rng.uniform(size=40_000) < 400.0 ** -even[:, 0]]
    points = np.concatenate([thinned, np.zeros((len(thinned), 1))], 1)
    keep, _, _ = trim(mesh, support_of(points, 0.004, 0.02))
    assert keep[middle[:, 0] < 0.95].mean() > 0.99
    count, _ = mesh.keep_faces(keep).face_components()
    assert count == 1


def test_a_trimmed_border_runs_through_faces():
    """Along a slanted edge of the points: straight, where whole faces make a staircase."""
    mesh = plane()
    u, v = np.meshgrid(np.arange(-1, 0, 0.01), np.arange(-1, 1, 0.01))
    along, across = np.array([np.cos(0.4), np.sin(0.4), 0]), np.array([-np.sin(0.4), np.cos(0.4), 0])
    points = np.array([0.5, 0.5, 0]) + u.reshape(-1, 1) * along + v.reshape(-1, 1) * across
    keep, level, _ = trim(mesh, support_of(points, 0.01, 0.05))
    made = cut(mesh, keep, level)

    def border(mesh):
        """How far its inner border vertices lie beyond the last points."""
        ends = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        edges, uses = np.unique(ends, axis=0, return_counts=True)
        x = mesh.vertices[np.unique(edges[uses == 1])]
        return ((x - 0.5) @ along)[(x[:, :2] > 0.03).all(1) & (x[:, :2] < 0.97).all(1)]

    stairs, smooth = border(mesh.keep_faces(keep)), border(made)
    assert len(smooth) > 40
    assert smooth.std() < 0.25 * stairs.std()
    assert smooth.mean() == pytest.approx(0.025 - 0.01, abs=0.003)  # 2.5 spacings from the last points, at -.01
    checked = verify(made)
    assert (checked.nonmanifold_edges, checked.misoriented_edges, checked.nonmanifold_vertices) == (0, 0, 0)
    np.testing.assert_allclose(made.normals, np.tile([[0, 0, 1]], (len(made.vertices), 1)))
    assert (made.face_areas() > 0).all()


def test_scraps_on_a_single_vertex_are_components_by_edge():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [2, 1, 0], [2, 2, 0]], float)
    mesh = TriangleMesh(vertices, np.array([[0, 1, 2], [1, 3, 2], [3, 4, 5]]), np.zeros((6, 3), np.float32))
    assert mesh.face_components()[0] == 1
    count, label = mesh.face_components(by_edge=True)
    assert count == 2
    assert label[0] == label[1] != label[2]


def test_decimation_and_smoothing(rng):
    ball = trimesh.creation.icosphere(5)
    vertices, faces = np.asarray(ball.vertices), np.asarray(ball.faces)
    fewer = decimate(vertices, faces, 2000)
    assert 1800 < len(fewer[1]) <= 2000
    assert verify(TriangleMesh(*fewer, np.zeros(fewer[0].shape, np.float32))).watertight
    bounded = decimate_to_error(vertices, faces, 0.004)
    assert len(bounded[1]) < 0.3 * len(faces)
    assert farthest_distance(vertices, *bounded) <= 0.004
    tight = decimate_to_error(vertices, faces, 1e-9)
    assert len(tight[1]) == len(faces)
    rough = vertices * (1 + 0.01 * rng.normal(size=(len(vertices), 1)))
    smoother = np.linalg.norm(smooth(rough, faces, 10), axis=1)
    assert smoother.std() < 0.4 * np.linalg.norm(rough, axis=1).std()
    assert smoother.mean() == pytest.approx(1, abs=0.005)
