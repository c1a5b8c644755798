"""Flips and balance: faces that fit the surface better, on the same vertices and of the same topology."""

import numpy as np
import pytest

from shapesiren.pointcloud.synthetic.shapes import SHAPES, gradient
from shapesiren.surface import fitted_faces
from shapesiren.surface.fitted_faces import LARGEST_MOVE, balance_vertices, flip_edges
from shapesiren.surface.grid import Grid
from shapesiren.surface.marching_cubes import sparse_marching_cubes
from shapesiren.surface.mesh import TriangleMesh
from shapesiren.surface.narrow_band import narrow_band
from shapesiren.surface.refine import newton_refine
from shapesiren.surface.verify import verify

COMPILED = pytest.mark.skipif(not fitted_faces.numba_works(), reason="numba is not installed: no edge is flipped")
LOW, HIGH = np.array([-0.99, -0.98, -0.97]), np.array([0.98, 0.99, 0.96])


def marched(name, resolution):
    """Vertices, faces, normals and the cell of a shape's marching cubes, refined."""
    distance = SHAPES[name]
    grid = Grid.covering(LOW, HIGH, resolution)
    v, f = sparse_marching_cubes(narrow_band(lambda x: distance(x).astype(np.float32), grid, 1.1))
    v, n, _, _ = newton_refine(
        lambda x: (distance(x).astype(np.float32), gradient(distance, x).astype(np.float32)), grid.positions(v), grid.step
    )
    return v, f, n, grid.step


def error(name, vertices, faces):
    """Mean distance of the faces from the shape, and the same with its sign, both over the area."""
    at = np.einsum("fk,fkc->fc", np.random.default_rng(0).dirichlet((1, 1, 1), len(faces)), vertices[faces])
    area = TriangleMesh(vertices, faces, vertices.astype(np.float32)).face_areas()
    off = SHAPES[name](at)
    return (np.abs(off) * area).sum() / area.sum(), (off * area).sum() / area.sum()


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_faces_fit_better_and_topology_stays(name):
    vertices, faces, normals, step = marched(name, 48)
    before = verify(TriangleMesh(vertices, faces, normals))
    flipped, count = flip_edges(vertices, faces, normals, step)
    moved, mean = balance_vertices(vertices, flipped, normals, step)
    after = verify(TriangleMesh(moved, flipped, normals))
    assert after.watertight
    assert (after.components, after.genus, after.nonmanifold_vertices) == (before.components, before.genus, 0)
    assert (after.vertices, after.faces) == (before.vertices, before.faces)
    assert count == 0 if (flipped == faces).all() else count > 0
    move = np.linalg.norm(moved - vertices, axis=1)
    assert move.max() <= LARGEST_MOVE * step * (1 + 1e-6)
    assert mean == pytest.approx(move.mean(), rel=1e-3, abs=1e-9)
    plain, flat, fitted = (error(name, *m)[0] for m in ((vertices, faces), (vertices, flipped), (moved, flipped)))
    assert flat <= plain * (1 + 1e-3)
    assert fitted <= flat * (1 + 1e-3)


@COMPILED
@pytest.mark.parametrize(("name", "share"), [("sphere", 0.4), ("torus", 0.45), ("trefoil", 0.35), ("two_spheres", 0.4)])
def test_curved_surfaces_gain_and_keep_their_volume(name, share):
    """Chords lie inside of what is convex: the error falls to a third, and nearly nothing is left of its sign."""
    vertices, faces, normals, step = marched(name, 48)
    flipped, _ = flip_edges(vertices, faces, normals, step)
    moved, _ = balance_vertices(vertices, flipped, normals, step)
    plain, fitted = error(name, vertices, faces), error(name, moved, flipped)
    assert plain[1] < -0.9 * plain[0]
    assert fitted[0] < share * plain[0]
    assert abs(fitted[1]) < 0.05 * plain[0]


def test_flat_faces_keep_their_edges():
    vertices, faces, normals, step = marched("box", 32)
    flipped, count = flip_edges(vertices, faces, normals, step)
    assert count < 0.01 * len(faces)
    assert (flipped == faces).all(1).mean() > 0.99


@COMPILED
def test_a_ridge_takes_the_edge_along_it():
    """Two faces over a saddle-free ridge: the diagonal across it goes, the one along it comes, and it stays."""
    vertices = np.array([[-1.0, 0, 0], [0, -1, 0.3], [1, 0, 0], [0, 1, 0.3]])  # a roof along y
    normals = np.array([[-0.6, 0, 0.8], [0, 0, 1], [0.6, 0, 0.8], [0, 0, 1]])
    across = np.array([[0, 1, 2], [0, 2, 3]])
    along, count = flip_edges(vertices, across, normals, 0.1)
    assert count == 1
    assert {1, 3} <= set(along[0]) & set(along[1])
    assert flip_edges(vertices, along, normals, 0.1)[1] == 0
    corners = vertices[along]
    assert (np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2] > 0).all()


def test_no_edge_is_made_twice():
    """A tetrahedron has all its six edges; a flip would make one of them again."""
    vertices = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    faces = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])
    rng = np.random.default_rng(0)
    for _ in range(20):
        normals = rng.normal(size=(4, 3))
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        assert flip_edges(vertices, faces, normals, 1e-6)[1] == 0


def test_without_numba_edges_stay(monkeypatch):
    vertices, faces, normals, step = marched("trefoil", 32)
    monkeypatch.setattr(fitted_faces, "numba_works", lambda: False)
    flipped, count = flip_edges(vertices, faces, normals, step)
    assert count == 0
    assert flipped is faces


@COMPILED
def test_open_and_faulty_surfaces():
    """Edges of one face, of three, and faces that run the wrong way are left alone; nothing at all is nothing at all."""
    vertices, faces, normals, step = marched("trefoil", 32)
    half = faces[vertices[faces][:, :, 0].mean(1) > 0]
    flipped, count = flip_edges(vertices, half, normals, step)
    assert count > 0
    one, other = (verify(TriangleMesh(vertices, f, normals)) for f in (half, flipped))
    assert (one.boundary_edges, one.components) == (other.boundary_edges, other.components)
    assert other.nonmanifold_edges == other.misoriented_edges == 0
    faulty = np.concatenate([faces, faces[:50], faces[50:100, ::-1]])
    out, _ = flip_edges(vertices, faulty, normals, step)
    assert (
        verify(TriangleMesh(vertices, out, normals)).nonmanifold_edges
        == verify(TriangleMesh(vertices, faulty, normals)).nonmanifold_edges
    )
    none = np.zeros((0, 3), np.int64)
    assert flip_edges(vertices, none, normals, step)[1] == 0
    assert balance_vertices(np.zeros((0, 3)), none, np.zeros((0, 3), np.float32), step)[1] == 0.0
