"""Meshes of several bodies: their union, their cavities, the way they face; and whether they are closed."""

import numpy as np
import pytest
import trimesh

from shapesiren.pointcloud.bodies import MeshWinding, bodies_of
from shapesiren.pointcloud.cloud import PointCloud, sample_mesh
from shapesiren.pointcloud.ingest import ingest_shape
from shapesiren.pointcloud.inspect import preflight
from shapesiren.pointcloud.settings import IngestSettings

COUNT = 4000


def box(size=(2, 2, 2), at=(0, 0, 0), inward=False):
    mesh = trimesh.creation.box(size)
    mesh.apply_translation(at)
    if inward:
        mesh.invert()
    return mesh


def ball(radius=1.0, at=(0, 0, 0), inward=False):
    mesh = trimesh.creation.icosphere(3, radius)
    mesh.apply_translation(at)
    if inward:
        mesh.invert()
    return mesh


def cloud_of(*meshes):
    starts = np.cumsum([0, *(len(m.vertices) for m in meshes)])
    faces = np.concatenate([np.asarray(m.faces) + s for m, s in zip(meshes, starts[:-1], strict=True)])
    return PointCloud(np.concatenate([np.asarray(m.vertices, float) for m in meshes]), faces=faces)


def sampled(*meshes, count=COUNT):
    return sample_mesh(cloud_of(*meshes), count, 0, "a")


def radial(cloud):
    """Cosine between normals and the direction from the origin."""
    return (cloud.normals * cloud.points).sum(1) / np.linalg.norm(cloud.points, axis=1)


def test_winding_numbers_are_exact(rng):
    a, b, hole = box(), box((2, 2, 2), (0.5, 0.3, 0.2)), trimesh.creation.icosphere(1, 0.5)
    hole.invert()
    cloud = cloud_of(a, b, hole)
    at = rng.uniform(-2, 2, (20_000, 3))
    expected = (np.abs(at) < 1).all(1).astype(int) + (np.abs(at - [0.5, 0.3, 0.2]) < 1).all(1)
    expected -= (((at[:, None] - hole.triangles_center) * hole.face_normals).sum(2) > 0).all(1)
    assert set(np.unique(expected)) >= {0, 1, 2}
    np.testing.assert_array_equal(MeshWinding(cloud.points, cloud.faces)(at), expected)
    moved = cloud.points * 1e-3 + 1e6  # far from the origin, as surveys are
    assert (MeshWinding(moved, cloud.faces)(at * 1e-3 + 1e6) == expected).mean() > 0.9999


def test_bodies_that_intersect_are_united():
    parts = [((2, 2, 2), (0, 0, 0)), ((0.8, 0.8, 4), (0, 0, 0)), ((3, 0.5, 0.5), (0.3, 0, 0.2))]
    cloud = sampled(*(box(*p) for p in parts), count=20_000)
    inside = [(np.abs(cloud.points - at) < np.array(size) / 2 - 1e-9).all(1) for size, at in parts]
    assert not np.any(inside)
    assert len(cloud.points) == 20_000 and cloud.closed
    assert "their union" not in cloud.notes[0] and any("the union of its bodies is meant" in n for n in cloud.notes)
    for size, at in parts:  # each has points on itself, but none inside another one
        assert (np.abs(np.abs(cloud.points - at) - np.array(size) / 2) < 1e-9).any(1).sum() > 500
    area = 24 + 4 * 0.8 * 2 + 4 * 0.5 * 1  # the ends of the two others replace what they cover
    on_large = (np.abs(np.abs(cloud.points) - 1) < 1e-9).any(1) & (np.abs(cloud.points) < 1 + 1e-9).all(1)
    assert on_large.mean() == pytest.approx((24 - 2 * 0.64 - 2 * 0.25) / area, abs=0.02)


@pytest.mark.parametrize("inverted", [False, True])
def test_a_cavity_stays(inverted):
    cloud = sampled(ball(2.0, inward=inverted), ball(1.0, inward=not inverted))
    inner = np.linalg.norm(cloud.points, axis=1) < 1.5
    assert inner.mean() == pytest.approx(0.2, abs=0.03) and cloud.closed
    assert (radial(cloud)[inner] < -0.9).all() and (radial(cloud)[~inner] > 0.9).all()
    assert any("looked inward: turned" in n for n in cloud.notes) == inverted


def test_a_body_in_a_cavity_and_one_in_a_body():
    cloud = sampled(ball(3.0), ball(2.0, inward=True), ball(1.0), ball(0.5))
    reach = np.linalg.norm(cloud.points, axis=1)
    assert (reach > 0.9).all()  # the smallest lies in what is solid
    for radius, side in ((3, 1), (2, -1), (1, 1)):
        some = np.abs(reach - radius) < 0.05
        assert some.sum() > 100 and (side * radial(cloud)[some] > 0.9).all()


def test_one_of_several_is_inside_out():
    cloud = sampled(box(), box(at=(5, 0, 0), inward=True), box(at=(0, 5, 0)))
    assert any("1 of its 3 bodies looked inward: turned" in n for n in cloud.notes)
    second = cloud.points[:, 0] > 3
    assert (((cloud.points - [5, 0, 0]) * cloud.normals).sum(1)[second] > 0).all()
    assert second.mean() == pytest.approx(1 / 3, abs=0.03)


def test_one_that_reaches_into_another_and_is_inside_out():
    cloud = sampled(box(), box(at=(1.2, 0.1, 0.3), inward=True))
    assert not (np.abs(cloud.points) < 1 - 1e-9).all(1).any()
    assert not (np.abs(cloud.points - [1.2, 0.1, 0.3]) < 1 - 1e-9).all(1).any()


def test_bodies_that_touch_have_no_wall_between_them():
    cloud = sampled(box(), box(at=(2, 0, 0)))
    assert cloud.closed
    assert not ((np.abs(cloud.points[:, 0] - 1) < 1e-9) & (np.abs(cloud.points[:, 1:]) < 0.999).all(1)).any()


def test_a_body_that_is_there_twice():
    cloud = sampled(box(), box())
    assert cloud.closed and len(cloud.points) == COUNT
    assert any("12 of its faces that are there twice: left out" in n for n in cloud.notes)


def test_sheets_with_two_sides_are_open():
    plane = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]], process=False)
    other = plane.copy()
    other.invert()
    cloud = sampled(plane, other)
    assert cloud.closed is False
    assert np.abs(cloud.normals.sum(0)).max() == pytest.approx(len(cloud.points))  # one side


def test_faces_in_any_order_of_their_corners(rng):
    mesh = ball(2.0)
    flipped = rng.random(len(mesh.faces)) < 0.4
    faces = np.where(flipped[:, None], mesh.faces[:, ::-1], mesh.faces)
    hole = ball(1.0)
    cloud = sampled(trimesh.Trimesh(mesh.vertices, faces, process=False), hole)
    assert cloud.closed and any("turned to agree" in n for n in cloud.notes)
    inner = np.linalg.norm(cloud.points, axis=1) < 1.5
    assert inner.any()  # nothing says that it is not a cavity
    assert (radial(cloud)[~inner] > 0.9).all() and (radial(cloud)[inner] < -0.9).all()


def test_open_parts_beside_closed_ones():
    half = ball(1.0, at=(4, 0, 0))
    half.update_faces(half.triangles_center[:, 2] > 0)
    cloud = sampled(box(), box(at=(1, 0.2, 0.3)), half)
    assert cloud.closed is False
    assert not (np.abs(cloud.points) < 1 - 1e-9).all(1).any()
    assert (cloud.points[:, 0] > 2.9).mean() > 0.1


def test_useless_vertices_and_faces():
    mesh = box()
    vertices = np.concatenate([mesh.vertices, [[50, 50, 50], [np.nan, 0, 0], [1, 1, 1]]])
    faces = np.concatenate([mesh.faces, [[0, 0, 1], [2, 2, 2], [0, 9, 1]]])
    cloud = sample_mesh(PointCloud(vertices, faces=faces), COUNT, 0, "a")
    assert cloud.closed and np.abs(cloud.points).max() < 1 + 1e-9
    assert any("3 of its faces without area: left out" in n for n in cloud.notes)


def test_many_bodies_in_a_row():
    balls = [trimesh.creation.icosphere(1, 0.6, center=(i, 0, 0)) for i in range(300)]
    cloud = sampled(*balls, count=20_000)
    assert cloud.closed
    axis = np.abs(np.round(cloud.points[:, 0]) - cloud.points[:, 0])
    assert (np.linalg.norm(cloud.points[:, 1:], axis=1)[axis > 0.45] < 0.45).all()
    bodies = bodies_of(cloud_of(*balls).faces)
    assert len(bodies.closed) == 300 and bodies.closed.all()


def test_what_folds_into_itself():
    rod = trimesh.creation.icosphere(4)  # bent to a ring, so far that its ends reach into each other
    x, y, z = (rod.vertices * [3.6, 0.4, 0.4]).T
    rod.vertices = np.stack([(1.2 + y) * np.cos(x), (1.2 + y) * np.sin(x), z], 1)
    cloud = sampled(rod, count=40_000)
    assert cloud.closed and any("lies inside the rest of it" in n for n in cloud.notes)
    angle = np.arctan2(cloud.points[:, 1], cloud.points[:, 0])
    y = np.linalg.norm(cloud.points[:, :2], axis=1) - 1.2
    across = (y**2 + cloud.points[:, 2] ** 2) / 0.4**2
    ends = [((angle + turn) / 3.6) ** 2 + across for turn in (-2 * np.pi, 0, 2 * np.pi)]
    assert np.min(ends, 0).min() > 0.88  # its ends reach to 0.56; facets lie a little within what they stand for


@pytest.mark.parametrize("thickness", [0.5, 0.004])
def test_a_closed_mesh_decides(thickness):
    settings = IngestSettings(samples=3000, guide_samples=1000)
    plate = cloud_of(box((2, 2, thickness)))
    assert not ingest_shape(plate, settings, 0, lambda _: None).header.open
    found = preflight(plate, settings, 0, lambda _: None)
    assert not found.open
    assert ("ingest.surface", "closed", "the mesh is closed") in [(c.setting, c.value, c.why) for c in found.choices]


def test_an_open_mesh_does_not():
    mesh = ball()
    mesh.update_faces(mesh.triangles_center[:, 2] > 0)
    settings = IngestSettings(samples=3000, guide_samples=1000)
    assert ingest_shape(cloud_of(mesh), settings, 0, lambda _: None).header.open
    shut = settings.model_copy(update={"surface": "open"})
    assert ingest_shape(cloud_of(box()), shut, 0, lambda _: None).header.open  # as asked
