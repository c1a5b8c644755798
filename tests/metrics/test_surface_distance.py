"""Distances between surfaces that are known, and open3d's own figures as an oracle."""

import numpy as np
import pytest
import trimesh

from shapesiren.metrics.surface_distance import Surface, compare_surfaces
from shapesiren.runtime.open3d_loader import open3d


def ball(radius, offset=(0, 0, 0), subdivisions=5):
    mesh = trimesh.creation.icosphere(subdivisions, radius=radius)
    return Surface(np.asarray(mesh.vertices) + offset, np.asarray(mesh.faces))


def test_concentric_spheres():
    out = compare_surfaces(ball(1.0), ball(1.1), 20_000, 0.05, 0)
    for name in ("accuracy", "completeness", "chamfer", "hausdorff", "hausdorff95"):
        assert getattr(out, name) == pytest.approx(0.1, abs=2e-3)
    assert out.normal_consistency > 0.999
    assert out.f_score == 0
    assert compare_surfaces(ball(1.0), ball(1.1), 20_000, 0.2, 0).f_score == 1


def test_a_surface_matches_itself():
    out = compare_surfaces(ball(1.0), ball(1.0), 20_000, 1e-4, 0)
    assert out.chamfer < 1e-6
    assert out.f_score == 1
    assert out.normal_consistency == pytest.approx(1)


def test_what_is_missing_and_what_is_too_much():
    both = trimesh.util.concatenate([trimesh.creation.icosphere(4), trimesh.creation.icosphere(4).apply_translation([4, 0, 0])])
    two = Surface(np.asarray(both.vertices), np.asarray(both.faces))
    missing = compare_surfaces(ball(1.0), two, 20_000, 0.05, 0)
    assert missing.accuracy < 2e-3
    assert missing.completeness == pytest.approx(3.15 / 2, rel=0.15)
    assert missing.recall == pytest.approx(0.5, abs=0.02)
    extra = compare_surfaces(two, ball(1.0), 20_000, 0.05, 0)
    assert extra.precision == pytest.approx(0.5, abs=0.02)
    assert extra.hausdorff == pytest.approx(4.0, abs=0.05)


def test_a_cloud_as_reference():
    cloud, _ = ball(1.0).sample(5000, 3)
    out = compare_surfaces(ball(1.0), Surface(cloud), 20_000, 0.05, 0)
    assert out.completeness < 1e-3
    assert 0.005 < out.accuracy < 0.03  # the cloud's sampling
    assert out.normal_consistency is None
    oriented = compare_surfaces(ball(1.0), Surface(cloud, None, cloud), 20_000, 0.05, 0)
    assert oriented.accuracy < 1e-3  # its tangent planes
    assert oriented.normal_consistency > 0.999
    half = cloud[cloud[:, 2] > 0]
    assert compare_surfaces(ball(1.0), Surface(half, None, half), 20_000, 0.05, 0).hausdorff > 0.9  # no plane reaches the rest


def test_signed_distance():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (2000, 3))
    s = ball(0.7)
    assert s.closed
    np.testing.assert_allclose(s.signed_distance(x), np.linalg.norm(x, axis=1) - 0.7, atol=2e-3)


def test_against_open3d():
    """open3d measures from sample to sample; with dense samples and surfaces far apart the two come close."""
    o3d = open3d()
    a, b = ball(1.0), ball(0.8, (0.3, 0, 0))
    ours = compare_surfaces(a, b, 50_000, 0.2, 0)
    clouds = []
    for i, s in enumerate((a, b)):
        clouds.append(o3d.geometry.PointCloud(o3d.utility.Vector3dVector(s.sample(50_000, 10 + i)[0])))
    there = np.asarray(clouds[0].compute_point_cloud_distance(clouds[1]))
    back = np.asarray(clouds[1].compute_point_cloud_distance(clouds[0]))
    assert ours.accuracy == pytest.approx(there.mean(), rel=0.01)
    assert ours.completeness == pytest.approx(back.mean(), rel=0.01)
    assert ours.hausdorff == pytest.approx(max(there.max(), back.max()), rel=0.01)
    assert ours.precision == pytest.approx((there <= 0.2).mean(), abs=0.01)
