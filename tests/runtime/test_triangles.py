"""What is asked of triangles: by hand, by brute force, the two ways beside each other, and open3d's (Embree's) answers."""

import numpy as np
import pytest

from shapesiren.pointcloud.synthetic.shapes import SHAPES, tessellate
from shapesiren.runtime import triangles
from shapesiren.runtime.open3d_loader import open3d
from shapesiren.runtime.triangles import Triangles, z_order


@pytest.fixture(scope="module")
def torus():
    return tessellate(SHAPES["torus"], 24)


@pytest.fixture(params=["compiled", "numpy"])
def way(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(triangles, "numba_works", lambda: False)
    elif not triangles.numba_works():
        pytest.skip("numba is not installed")
    return request.param


def soup(rng, count):
    corners = rng.uniform(-1, 1, (count, 1, 3)) + rng.normal(scale=0.2, size=(count, 3, 3))
    return corners.reshape(-1, 3), np.arange(3 * count).reshape(-1, 3)


def by_sampling(corners, points, steps=25):
    """Least distances (n,) to points all over the triangles: an upper bound, and near."""
    u, v = np.meshgrid(np.linspace(0, 1, steps), np.linspace(0, 1, steps))
    u, v = u[u + v <= 1], v[u + v <= 1]
    a, b, c = corners.transpose(1, 0, 2)[:, :, None]
    on = (a + u[:, None] * (b - a) + v[:, None] * (c - a)).reshape(-1, 3)
    return np.array([np.linalg.norm(on - p, axis=1).min() for p in points])


def test_by_hand(way):
    one = Triangles([[0, 0, 0], [2, 0, 0], [0, 2, 0]], [[0, 1, 2]])
    at = np.array([[0.5, 0.5, 3], [-1, -1, 0], [1, -2, 0], [2, 2, 1], [3, 0, 0]], float)
    found = one.closest(at)
    np.testing.assert_allclose(found.points, [[0.5, 0.5, 0], [0, 0, 0], [1, 0, 0], [1, 1, 0], [2, 0, 0]], atol=1e-15)
    np.testing.assert_allclose(found.uvs, [[0.25, 0.25], [0, 0], [0.5, 0], [0.5, 0.5], [1, 0]], atol=1e-15)
    np.testing.assert_allclose(one.distance(at), [3, 2**0.5, 2, 3**0.5, 1])
    hits = one.cast([[0.5, 0.5, 3], [0.5, 0.5, 3], [5, 5, 3]], [[0, 0, -2], [0, 0, 1], [0, 0, -1]])
    assert hits.distance.tolist() == [1.5, np.inf, np.inf] and hits.faces.tolist() == [0, -1, -1]
    np.testing.assert_allclose(hits.uvs[0], [0.25, 0.25])
    assert one.blocked([[0.5, 0.5, 3]] * 2, [[0, 0, -1]] * 2).all()
    assert (
        not one.blocked([[0.5, 0.5, 3]], [[0, 0, -1]], far=2.9)[0]
        and not one.blocked([[0.5, 0.5, 3]], [[0, 0, -1]], near=3.1)[0]
    )
    assert len(one.closest(np.empty((0, 3))).points) == 0
    with pytest.raises(ValueError, match="no triangles"):
        Triangles(np.empty((0, 3)), np.empty((0, 3)))


def test_triangles_without_area_are_edges_and_points(way):
    degenerate = Triangles([[0, 0, 0], [1, 0, 0], [0, 0, 5]], [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 1, 1], [2, 2, 2]])
    at = np.array([[0.5, 1, 0], [2, 0, 0], [0, 0, 4], [-3, 0, 0]], float)
    np.testing.assert_allclose(degenerate.distance(at), [1, 1, 1, 3])
    assert not degenerate.blocked(at, np.tile([0.0, -1.0, 0.1], (4, 1))).any()


def test_a_soup_of_triangles_by_brute_force(way, rng):
    vertices, faces = soup(rng, 300)
    asked = Triangles(vertices, faces)
    at = np.concatenate([rng.uniform(-2, 2, (150, 3)), vertices[:50]])
    found = asked.closest(at)
    distance = np.linalg.norm(found.points - at, axis=1)
    brute = by_sampling(vertices[faces], at)
    assert (distance <= brute + 1e-12).all() and (distance > brute - 0.06).all() and distance[150:].max() < 1e-12
    # the weights are those of the point, on the face that is named
    a, b, c = vertices[faces[found.faces]].transpose(1, 0, 2)
    np.testing.assert_allclose(a + found.uvs[:, :1] * (b - a) + found.uvs[:, 1:] * (c - a), found.points, atol=1e-12)
    assert (found.uvs >= 0).all() and (found.uvs.sum(1) <= 1 + 1e-12).all()
    # rays at places on triangles are stopped there, or before
    face = rng.integers(0, 300, 200)
    aim = vertices[faces[face]].mean(1)
    start = rng.uniform(-3, 3, (200, 3))
    hits = asked.cast(start, aim - start)
    assert (hits.distance <= 1 + 1e-12).all() and (hits.faces == face).sum() > 20
    np.testing.assert_allclose(hits.distance[hits.faces == face], 1)
    a, b, c = vertices[faces[hits.faces]].transpose(1, 0, 2)
    on = a + hits.uvs[:, :1] * (b - a) + hits.uvs[:, 1:] * (c - a)
    np.testing.assert_allclose(start + hits.distance[:, None] * (aim - start), on, atol=1e-9)
    assert asked.blocked(start, aim - start, far=1.000001).all()


def test_inside_and_signed_distance_of_a_shape(way, torus, rng):
    asked = Triangles(*torus)
    at = rng.uniform(-1, 1, (3000, 3))
    exact = SHAPES["torus"](at)
    clear = np.abs(exact) > 0.01
    np.testing.assert_array_equal(asked.inside(at)[clear], exact[clear] < 0)
    np.testing.assert_allclose(asked.signed_distance(at), exact, atol=0.01)
    assert set(np.unique(asked.crossings(at, [0.1, 0.2, 1.0]))) <= {0, 1, 2, 3, 4}
    np.testing.assert_allclose(np.linalg.norm(asked.normals, axis=1), 1)
    # through vertices and edges, along the axes: nothing slips between two faces
    vertices, _ = torus
    top = vertices[np.abs(vertices[:, 2]) > 0.05]
    down = np.where(top[:, 2:] > 0, -1.0, 1.0) * [[0, 0, 1.0]]
    assert asked.blocked(top - 3 * down, down).all()


def test_both_ways_say_the_same(torus, rng, monkeypatch):
    if not triangles.numba_works():
        pytest.skip("numba is not installed")
    asked = Triangles(*torus)
    at = np.concatenate([rng.uniform(-1, 1, (9000, 3)), torus[0][:200]])
    ways = rng.normal(size=at.shape)
    ways[:300, rng.integers(0, 3)] = 0.0

    def answers():
        return asked.closest(at), asked.cast(at, ways), asked.blocked(at, ways, 0.1, 0.4), asked.inside(at)

    (a, hits, shut, within) = answers()
    monkeypatch.setattr(triangles, "numba_works", lambda: False)
    (b, hits_, shut_, within_) = answers()
    np.testing.assert_allclose(a.points, b.points, atol=1e-12)
    np.testing.assert_allclose(hits.distance, hits_.distance, rtol=1e-9)
    np.testing.assert_array_equal(shut, shut_)
    np.testing.assert_array_equal(within, within_)
    assert hits.found.mean() > 0.2 and 0.05 < shut.mean() < 0.9


def test_as_open3d(torus, rng):
    o3d = open3d()
    vertices, faces = torus
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(o3d.core.Tensor(vertices.astype(np.float32)), o3d.core.Tensor(faces.astype(np.uint32)))
    asked = Triangles(vertices.astype(np.float32), faces)
    at = rng.uniform(-1, 1, (5000, 3)).astype(np.float32)
    np.testing.assert_allclose(asked.distance(at), scene.compute_distance(at).numpy(), atol=1e-6)
    np.testing.assert_allclose(asked.signed_distance(at), scene.compute_signed_distance(at, nsamples=3).numpy(), atol=1e-6)
    rays = np.concatenate([at, rng.normal(size=at.shape)], 1).astype(np.float32)
    theirs, ours = scene.cast_rays(rays), asked.cast(rays[:, :3], rays[:, 3:])
    np.testing.assert_allclose(ours.distance, theirs["t_hit"].numpy(), rtol=1e-4, atol=1e-6)
    same = ours.found & (ours.faces == theirs["primitive_ids"].numpy())  # on an edge either of two
    assert same.sum() > 0.999 * ours.found.sum() > 1000
    np.testing.assert_allclose(ours.uvs[same], theirs["primitive_uvs"].numpy()[same], atol=1e-3)


def test_z_order_keeps_neighbours_together(rng):
    x = rng.uniform(size=(4096, 3))
    order = z_order(x)
    assert sorted(order.tolist()) == list(range(4096)) and len(z_order(x[:0])) == 0
    assert np.linalg.norm(np.diff(x[order], axis=0), axis=1).mean() < 0.2 * np.linalg.norm(np.diff(x, axis=0), axis=1).mean()
    grid = np.stack(np.meshgrid(*[np.arange(2)] * 3, indexing="ij"), -1).reshape(-1, 3).astype(float)
    np.testing.assert_array_equal(grid[z_order(grid)] @ [1, 2, 4], np.arange(8))
