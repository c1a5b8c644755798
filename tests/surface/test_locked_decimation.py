"""Parts of a mesh that are decimated apart fit each other again; nothing is torn, and the surface stays where it was."""

import numpy as np
import pytest

from shapesiren.pointcloud.synthetic.shapes import SHAPES, gradient, tessellate
from shapesiren.surface.locked_decimation import decimate_locked
from shapesiren.surface.mesh import TriangleMesh
from shapesiren.surface.verify import verify


def meshed(name, resolution=64):
    vertices, faces = tessellate(SHAPES[name], resolution)
    return TriangleMesh(vertices, faces, gradient(SHAPES[name], vertices).astype(np.float32))


@pytest.mark.parametrize("name", ["torus", "holed_plate", "two_spheres"])
def test_decimation_keeps_the_topology_and_the_surface(name):
    mesh = meshed(name)
    locked = np.abs(mesh.vertices[:, 0]) < 0.02
    made, number = decimate_locked(mesh, locked, len(mesh.faces) // 8)
    assert len(made.faces) <= len(mesh.faces) // 8
    before, after = verify(mesh), verify(made)
    assert after.watertight and not after.nonmanifold_vertices
    assert (after.components, after.genus) == (before.components, before.genus)
    assert np.array_equal(made.vertices[number[locked]], mesh.vertices[locked])
    assert np.array_equal(made.normals[number[locked]], mesh.normals[locked])
    exact = SHAPES[name]
    assert np.abs(exact(made.vertices)).max() < 0.01  # cells are .031
    assert np.abs(exact(made.vertices[made.faces].mean(1))).mean() < 0.003
    normals = gradient(exact, made.vertices)
    assert np.quantile((normals * made.normals).sum(1), 0.05) > 0.9


def test_halves_fit_after_they_were_decimated_apart():
    mesh = meshed("torus")
    left = mesh.vertices[mesh.faces].mean(1)[:, 0] < 0
    corners = [np.unique(mesh.faces[part]) for part in (left, ~left)]
    seam = np.intersect1d(*corners)
    pieces = []
    for part in (left, ~left):
        half = mesh.keep_faces(part)
        number = np.full(len(mesh.vertices), -1)
        number[np.unique(mesh.faces[part])] = np.arange(len(half.vertices))
        locked = np.zeros(len(half.vertices), bool)
        locked[number[seam]] = True
        made, kept = decimate_locked(half, locked, len(half.faces) // 6)
        pieces.append((made, kept[number[seam]]))
    (a, a_seam), (b, b_seam) = pieces
    to_b = np.arange(len(b.vertices)) + len(a.vertices)
    to_b[b_seam] = a_seam
    joined = TriangleMesh(
        np.concatenate([a.vertices, b.vertices]),
        np.concatenate([a.faces, to_b[b.faces]]),
        np.concatenate([a.normals, b.normals]),
    )
    assert len(joined.faces) < len(mesh.faces) / 4
    assert verify(joined).watertight


def test_where_the_surface_ends_its_rim_stays():
    mesh = meshed("sphere")
    half = mesh.keep_faces(mesh.vertices[mesh.faces].mean(1)[:, 2] > 0)
    made, _ = decimate_locked(half, np.zeros(len(half.vertices), bool), len(half.faces) // 10)
    checked = verify(made)
    assert checked.boundary_edges and not checked.nonmanifold_edges and checked.components == 1
    edges = np.sort(made.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), 1)
    single, uses = np.unique(edges, axis=0, return_counts=True)
    rim = made.vertices[single[uses == 1]].reshape(-1, 3)
    assert np.abs(rim[:, 2]).max() < 0.05  # cells are .031, and the rim is a stair of them
    assert made.face_areas().sum() == pytest.approx(2 * np.pi * 0.49, rel=0.02)
