"""Gaussian splats of a known shape: their centres are its points, their shortest axes its normals; floaters are left out."""

import numpy as np
import pytest
from plyfile import PlyData, PlyElement
from scipy.spatial.transform import Rotation

from shapesiren.errors import InputError
from shapesiren.pointcloud.cloud import merge
from shapesiren.pointcloud.io.read import read_cloud
from shapesiren.pointcloud.prepare import prepare
from shapesiren.pointcloud.settings import IngestSettings
from shapesiren.pointcloud.synthetic.scanner import Scanner, scan

NAMES = ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity"]
NAMES += ["scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]
N = 6000


def write_splats(path, points, normals, opacity, scales, rng):
    """Splats (n) whose axes have the lengths ``scales`` (n, 3), the first of them along ``normals``; as 3DGS writes them, in
    whatever order of the axes, with quaternions of any sign and length, and normals that are all zero."""
    around = rng.normal(size=points.shape)
    second = np.cross(normals, around)
    second /= np.linalg.norm(second, axis=1, keepdims=True)
    axes = np.stack([normals, second, np.cross(normals, second)], 2)
    turn = rng.integers(0, 3, len(points))[:, None] + np.arange(3)  # a cyclic order keeps it a rotation
    axes = np.take_along_axis(axes, turn[:, None] % 3, 2)
    scales = np.take_along_axis(scales, turn % 3, 1)
    x, y, z, w = Rotation.from_matrix(axes).as_quat().T
    quaternions = np.stack([w, x, y, z], 1) * rng.uniform(-2, 2, (len(points), 1))
    zero = np.zeros_like(points)
    logit = np.log(opacity / (1 - opacity))
    values = np.column_stack([points, zero, zero, logit, np.log(scales), quaternions])
    table = np.empty(len(values), [(name, "f4") for name in NAMES])
    for name, column in zip(NAMES, values.T, strict=True):
        table[name] = column
    PlyData([PlyElement.describe(table, "vertex")]).write(str(path))


@pytest.fixture
def torus(tmp_path, rng):
    """A file of a torus' splats among floaters; and the clean cloud that its first ones were made of."""
    clean = scan("torus", Scanner(points=N))
    floaters = 900
    points = np.concatenate([clean.points, rng.uniform(-1, 1, (floaters, 3))])
    normals = np.concatenate([clean.normals, rng.normal(size=(floaters, 3))])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    opacity = np.concatenate([rng.uniform(0.7, 0.99, N), np.repeat([0.05, 0.9, 0.9], floaters // 3)])
    scales = np.concatenate([np.tile([0.002, 0.02, 0.03], (N, 1)), np.tile([0.002, 0.02, 0.03], (floaters // 3, 1))])
    scales = np.concatenate([scales, np.tile([0.1, 0.5, 0.6], (300, 1)), np.tile([0.001, 0.002, 0.1], (300, 1))])
    path = tmp_path / "torus.ply"
    write_splats(path, points, normals, opacity, scales, rng)
    return path, clean


def test_centres_and_axes(torus):
    path, clean = torus
    cloud = read_cloud(path)
    np.testing.assert_allclose(cloud.points, clean.points, atol=1e-6)
    assert np.abs((cloud.normals * clean.normals).sum(1)).min() > 0.99999
    np.testing.assert_allclose(cloud.deviation, 0.002, rtol=1e-5)
    assert (cloud.colours == 128).all()
    assert not cloud.sided
    assert cloud.notes == (
        "6,900 Gaussian splats: 6,000 taken as points, 300 fainter than 50% and 600 huge or needles left out",
    )


def test_sides_are_found(torus):
    path, clean = torus
    said = []
    found = prepare(path, IngestSettings(outliers="keep"), 0, said.append)
    assert (found.normals * clean.normals).sum(1).min() > 0.99999
    assert found.facts.normals.origin == "estimated"
    assert found.facts.normals.checked == "winding number"
    assert found.measured.noise * found.frame.scale < 0.0005  # thick ones, whose centres lie on the surface all the same
    assert [line for line in said if "normals taken from the axes in it, oriented" in line]


def test_round_ones_have_no_axis(tmp_path, rng):
    """Every third is a ball: its normal is estimated, with all the others' at hand."""
    clean = scan("torus", Scanner(points=N))
    scales = np.tile([0.002, 0.02, 0.03], (N, 1))
    scales[::3] = 0.02
    write_splats(tmp_path / "a.ply", clean.points, clean.normals, np.full(N, 0.9), scales, rng)
    cloud = read_cloud(tmp_path / "a.ply")
    assert np.isnan(cloud.normals[::3]).all() and np.isfinite(cloud.normals[1::3]).all()
    found = prepare(cloud, IngestSettings(outliers="keep"), 0, lambda _: None)
    assert (found.normals * clean.normals).sum(1).min() > 0.9
    assert found.measured.deviation.max() < 0.001 / found.frame.scale  # of the balls, too, the centres are where they should be


def test_centres_are_off_as_splats_are_thick(tmp_path, rng):
    clean = scan("torus", Scanner(points=N))
    scales = np.tile([0.0, 0.02, 0.03], (N, 1))
    scales[:, 0] = 0.006 * np.exp(0.7 * rng.normal(size=N))
    points = clean.points + clean.normals * (scales[:, :1] * rng.normal(size=(N, 1)))
    write_splats(tmp_path / "a.ply", points, clean.normals, np.full(N, 0.9), scales, rng)
    found = prepare(tmp_path / "a.ply", IngestSettings(outliers="keep"), 0, lambda _: None)
    told = np.sort(scales, 1)[:, 0]
    assert np.median(found.measured.deviation * found.frame.scale / told) == pytest.approx(1, abs=0.25)


def test_none_of_a_surface(tmp_path, rng):
    clean = scan("torus", Scanner(points=100))
    write_splats(tmp_path / "a.ply", clean.points, clean.normals, np.full(100, 0.1), np.full((100, 3), 0.01), rng)
    with pytest.raises(InputError, match="none of its 100 splats is of a surface"):
        read_cloud(tmp_path / "a.ply")


def test_with_a_scan_they_have_no_sides_together(torus):
    path, clean = torus
    both = merge([read_cloud(path), clean])
    assert not both.sided
    assert both.deviation is None
