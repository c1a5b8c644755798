"""Depth images: back-projected, seen from the camera, their steps smoothed; and a wall that is thin."""

import numpy as np
import pytest
import tifffile
from PIL import Image

import shapesiren
from shapesiren.errors import InputError
from shapesiren.pointcloud.io.depth import read_depth
from shapesiren.pointcloud.prepare import prepare
from shapesiren.pointcloud.settings import IngestSettings
from tests.conftest import QUICK_ARGS
from tests.test_cli import cli

CAMERA = (150.0, 150.0, 79.5, 59.5)


@pytest.fixture
def frame(tmp_path):
    """A tilted wall two metres away with a hole, in millimetres, as a 16-bit PNG."""
    v, u = np.mgrid[0:120, 0:160]
    depth = 2 / (1 - 0.2 * (u - CAMERA[2]) / CAMERA[0])  # the plane z = 2 + .2 x
    depth[40:60, 40:60] = 0
    path = tmp_path / "depth.png"
    Image.fromarray(np.rint(1000 * depth).astype(np.uint16)).save(path)
    return path


def test_back_projection(frame):
    cloud = read_depth(frame, CAMERA, 1000.0)
    assert len(cloud.points) == 120 * 160 - 400
    assert np.abs(cloud.points[:, 2] - (2 + 0.2 * cloud.points[:, 0])).max() < 0.001
    assert cloud.sensors.tolist() == [[0, 0, 0]]
    made = prepare(frame, IngestSettings(intrinsics=CAMERA), 0, lambda _: None)
    assert (made.normals[:, 2] < -0.9).all()  # towards the camera
    assert made.facts.sensors.origin == "in the file"


HOLE = (slice(40, 60), slice(40, 60))


@pytest.mark.parametrize(
    ("dtype", "suffix", "number", "tag"),
    [
        ("uint16", ".png", 65535, None),
        ("uint8", ".png", 255, None),
        ("int32", ".tif", 65535, None),
        ("uint16", ".tif", 65535, None),
        ("uint16", ".tif", 5000, "5000"),
        ("int16", ".tif", -1, None),
        ("int16", ".tif", 32767, None),
        ("float32", ".tif", np.nan, None),
        ("float32", ".tif", np.inf, None),
        ("float32", ".tif", -np.inf, None),
        ("float32", ".tif", 3.4028234663852886e38, None),
        ("float32", ".tif", 1e10, None),
        ("float16", ".tif", 65504, None),
        ("float64", ".tif", -9999, "-9999"),
        ("float32", ".tif", 2500.5, "2500.5"),
        ("uint32", ".tif", 2**32 - 1, None),
    ],
)
def test_no_return_is_no_wall(tmp_path, dtype, suffix, number, tag):
    depth = np.tile(np.linspace(100, 240, 160), (120, 1)).round()
    kept = np.ones((120, 160), bool)
    kept[HOLE] = False
    values = depth.astype(dtype)
    values[HOLE] = number
    values[:5] = 0
    kept[:5] = False
    path = tmp_path / f"a{suffix}"
    if suffix == ".png":
        Image.fromarray(values).save(path)
    else:
        tags = [] if tag is None else [(42113, "s", 0, tag, True)]
        tifffile.imwrite(path, values, extratags=tags, metadata=None, photometric="minisblack")
    cloud = read_depth(path, CAMERA, 100.0)
    np.testing.assert_allclose(cloud.points[:, 2], depth[kept] / 100)
    assert "no return where they hold" in cloud.notes[0]


def test_a_far_wall_of_one_depth_stays(tmp_path):
    values = np.full((120, 160), 9000, np.uint16)
    values[HOLE] = 700  # something before it
    Image.fromarray(values).save(tmp_path / "a.png")
    cloud = read_depth(tmp_path / "a.png", CAMERA, 1000.0)
    assert len(cloud.points) == values.size and "no return" not in cloud.notes[0]


def test_a_depth_image_without_any_return(tmp_path):
    Image.fromarray(np.full((120, 160), 65535, np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"no pixel has a return; no return where they hold 65,535, the largest"):
        read_depth(tmp_path / "a.png", CAMERA, 1000.0)


@pytest.mark.slow
def test_a_depth_image_is_fitted_and_trimmed(frame, tmp_path):
    run, camera = tmp_path / "run", ",".join(map(str, CAMERA))
    done = cli("fit", frame, "--intrinsics", camera, "--out", run, *QUICK_ARGS)
    assert done.returncode == 0, done.stderr
    assert "a depth image of 160 x 120" in done.stderr
    facts = shapesiren.mesh(run)
    assert facts["trimmed"]["area_share"] > 0
    assert facts["input_distance"]["mean"] < 0.02


def test_what_is_no_depth_image(frame, tmp_path):
    with pytest.raises(InputError, match="needs the camera's intrinsics; --intrinsics FX,FY,CX,CY"):
        read_depth(frame, None, 1000.0)
    Image.new("RGB", (20, 20)).save(tmp_path / "rgb.png")
    with pytest.raises(InputError, match="holds no depth"):
        read_depth(tmp_path / "rgb.png", CAMERA, 1000.0)
    Image.new("I;16", (20, 20)).save(tmp_path / "black.png")
    with pytest.raises(InputError, match="every pixel is 0"):
        read_depth(tmp_path / "black.png", CAMERA, 1000.0)
    (tmp_path / "bad.png").write_bytes(frame.read_bytes()[:200])
    with pytest.raises(InputError, match="not an image"):
        read_depth(tmp_path / "bad.png", CAMERA, 1000.0)


@pytest.mark.slow
def test_a_thin_wall_is_two_sheets(rng):
    """A bent wall, 1 % of its length thick: outside both sides positive, inside negative, and a closed mesh of one part."""
    thickness, n = 0.02, 40_000

    def surface(u):
        z = 0.1 * np.sin(2 * u[:, 0])
        normal = np.stack([-0.2 * np.cos(2 * u[:, 0]), 0 * z, 1 + 0 * z], 1)
        return np.column_stack([u, z]), normal / np.linalg.norm(normal, axis=1, keepdims=True)

    middle, normal = surface(rng.uniform(-1, 1, (n, 2)) * [1, 0.8])
    side = np.where(rng.random(n) < 0.5, -1.0, 1.0)[:, None]
    settings = {"net": {"width": 128, "hidden_layers": 3}, "ingest": {"guide_samples": 100_000}, "mesh": {"resolution": 160}}
    field = shapesiren.fit(middle + side * normal * thickness / 2, normals=side * normal, preset="fast", settings=settings)
    x, d = surface(rng.uniform(-0.9, 0.9, (2000, 2)) * [1, 0.8])
    assert (field(x) < 0).mean() > 0.98
    for s in (-1, 1):
        outside = field(x + s * d * thickness)
        assert (outside > 0).mean() > 0.98
        assert np.abs(outside - thickness / 2).mean() < 0.2 * thickness
    facts = field.mesh().facts
    assert facts.verification.components == 1
    assert facts.input_distance.mean < 0.05 * thickness


def test_depth_in_python(frame):
    assert shapesiren.inspect(frame, settings={"ingest": {"intrinsics": CAMERA}})["sensors"]["positions"] == 1
    assert "width" in shapesiren.inspect(frame)  # without a camera it is an image
