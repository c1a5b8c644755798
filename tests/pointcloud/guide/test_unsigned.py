"""Fits of points whose normals have no side: what is known to be outside, and a field that finds the rest."""

import numpy as np
import pytest

import shapesiren
from shapesiren.pointcloud.guide.unsigned import make_unsigned_guide
from shapesiren.pointcloud.normals.alpha_ball import from_outside
from shapesiren.pointcloud.scan.noise import scatter
from shapesiren.pointcloud.synthetic.scanner import Scanner, scan
from shapesiren.pointcloud.synthetic.shapes import SHAPES
from tests.conftest import QUICK

UNSIGNED = QUICK | {"ingest": QUICK["ingest"] | {"normals": "unsigned"}}


def test_the_ball_tells_outside_from_inside(rng):
    """Right wherever it says anything; and it says so but for a shell of two cells on either side."""
    cloud = scan("torus", Scanner(points=20_000))
    outside, _, _ = from_outside(cloud.points, cloud.normals, scatter(cloud.points).spacing, 0.0)
    samples = rng.uniform(-3, 3, (50_000, 3))
    exact, said = SHAPES["torus"](samples), outside.swept(samples)
    assert (exact[said > 0] > 0).all()
    assert (exact[said < 0] < 0).all()
    # a ball of this radius does not reach as near to a surface that curves towards it
    assert (said[exact > 2 * outside.radius] == 1).all()
    assert (said[exact < -2 * outside.cell] == -1).all()


def test_guide_samples_without_sides(rng):
    cloud = scan("torus", Scanner(points=20_000))
    side = rng.choice([-1.0, 1.0], (20_000, 1))
    guide, facts = make_unsigned_guide(cloud.points, side * cloud.normals, 5000, scatter(cloud.points).spacing, 0.0, 0)
    exact = SHAPES["torus"](guide["guide_points"].astype(float))
    np.testing.assert_allclose(guide["guide_distances"], np.abs(exact), atol=0.02)
    assert (guide["guide_sides"] * exact >= 0).all()
    np.testing.assert_allclose(np.linalg.norm(guide["guide_directions"], axis=1), 1, atol=1e-5)
    assert not facts.open
    upper = cloud.points[:, 2] > 0  # a gutter: the ball is on both sides of it
    guide, facts = make_unsigned_guide(cloud.points[upper], cloud.normals[upper], 500, 0.01, 0.0, 0)
    assert facts.open
    assert not guide["guide_sides"].any()


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0, 0.005])
def test_the_fit_finds_the_sides(rng, noise):
    """Of bare points: a closed surface, its field positive outside, though no normal was ever turned."""
    cloud = scan("torus", Scanner(points=20_000, noise=noise))
    said = []
    field = shapesiren.fit(cloud.points, settings=UNSIGNED, steps=700, say=said.append)
    assert any("the fit finds their sides" in s for s in said)
    samples = rng.uniform(-1, 1, (20_000, 3))
    exact = SHAPES["torus"](samples)
    clear = np.abs(exact) > 0.03
    assert ((field(samples) > 0) == (exact > 0))[clear].mean() > 0.995
    mesh = field.mesh()
    assert mesh.facts.verification.watertight
    assert np.abs(SHAPES["torus"](mesh.vertices)).mean() < 0.006
    assert ((mesh.normals * cloud_normals(mesh.vertices)).sum(1) > 0).mean() > 0.99


def cloud_normals(vertices):
    ring = vertices * [1, 1, 0]
    centre = ring / np.linalg.norm(ring, axis=1, keepdims=True) * np.linalg.norm(ring, axis=1).mean()
    return vertices - centre


def test_an_open_scan_says_that_nothing_tells_its_sides(rng, tmp_path):
    xy = rng.uniform(-1, 1, (5000, 2))
    np.save(tmp_path / "sheet.npy", np.column_stack([xy, 0.1 * np.sin(3 * xy[:, 0])]))
    said = []
    facts = shapesiren.inspect(tmp_path / "sheet.npy", settings=UNSIGNED, say=said.append)
    assert facts["open"]
    assert facts["normals"]["oriented"] == "left to the fit"
    assert not any("taken as seen" in s for s in said)  # nobody needs to know from where
