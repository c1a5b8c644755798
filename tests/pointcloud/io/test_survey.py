"""LAS, LAZ and E57: coordinates, colours, intensity, scanner positions; and files that are damaged."""

import importlib
import sys

import numpy as np
import pytest

from shapesiren.errors import InputError
from shapesiren.pointcloud.io.read import read_cloud
from shapesiren.pointcloud.prepare import load, prepare
from shapesiren.pointcloud.settings import IngestSettings

UTM = np.array([512_345.678, 5_403_210.123, 300.25])


@pytest.fixture
def points(rng):
    return np.round(rng.uniform(0, 50, (500, 3)) + UTM, 3)


def write_las(path, points, colours=None, intensity=None, classes=None):
    laspy = pytest.importorskip("laspy")
    header = laspy.LasHeader(point_format=3 if colours is not None else 1, version="1.2")
    header.offsets, header.scales = np.floor(points.min(0)), [0.001] * 3
    las = laspy.LasData(header)
    las.x, las.y, las.z = points.T
    if colours is not None:
        las.red, las.green, las.blue = (colours.astype(np.uint16) * 257).T
    if intensity is not None:
        las.intensity = intensity
    if classes is not None:
        las.classification = classes
    las.write(str(path))


@pytest.mark.parametrize("suffix", [".las", ".laz"])
def test_las(tmp_path, points, rng, suffix):
    colours = rng.integers(0, 256, (500, 3)).astype(np.uint8)
    intensity = rng.integers(1, 60_000, 500).astype(np.uint16)
    classes = np.where(np.arange(500) < 20, 7, 2).astype(np.uint8)
    path = tmp_path / f"a{suffix}"
    write_las(path, points, colours, intensity, classes)
    back = read_cloud(path)
    np.testing.assert_allclose(back.points, points[20:], atol=1e-6)  # noise by its class is left out
    assert "left out 20 points" in back.notes[0]
    np.testing.assert_array_equal(back.colours, colours[20:])
    np.testing.assert_array_equal(back.intensity, intensity[20:])
    part = read_cloud(path, most=100)
    assert 80 <= len(part.points) <= 100
    assert {tuple(p) for p in part.points.round(3)} <= {tuple(p) for p in points.round(3)}


def write_e57(path, scans):
    """scans : (points in the scanner's frame, its position, intensity) each"""
    pye57 = pytest.importorskip("pye57")
    file = pye57.E57(str(path), mode="w")
    for points, position, intensity in scans:
        data = {f"cartesian{a}": np.ascontiguousarray(points[:, i]) for i, a in enumerate("XYZ")}
        data["intensity"] = intensity.astype(np.float32)
        file.write_scan_raw(data, rotation=np.array([1.0, 0, 0, 0]), translation=np.asarray(position, np.float64))
    file.close()


def test_e57(tmp_path, rng):
    path = tmp_path / "a.e57"
    parts = [(rng.normal(size=(200, 3)), UTM, rng.random(200)), (rng.normal(size=(300, 3)), UTM + [5, 0, 0], rng.random(300))]
    write_e57(path, parts)
    cloud, is_mesh, sensors = load(path, IngestSettings(), 0, lambda _: None)
    assert not is_mesh
    assert sensors == "in the file"
    np.testing.assert_allclose(cloud.points[:200], parts[0][0] + UTM, atol=1e-6)
    np.testing.assert_allclose(cloud.points[200:], parts[1][0] + UTM + [5, 0, 0], atol=1e-6)
    np.testing.assert_allclose(cloud.sensors, [UTM, UTM + [5, 0, 0]])
    assert (cloud.sensor == np.repeat([0, 1], [200, 300])).all()
    assert cloud.intensity.shape == (500,)
    assert len(read_cloud(path, most=100).points) == 100


UTM_TEXT = 'PROJCS["WGS 84 / UTM zone 32N",GEOGCS["WGS 84"]]'
DEGREES = 'GEOGCS["WGS 84",UNIT["degree",0.0174532925199433]]'


@pytest.mark.parametrize(
    ("points", "text", "refused"),
    [
        ([8.54, 47.37, 400.0], DEGREES, True),
        ([8.54, 47.37, 400.0], f'COMPD_CS["with heights",{DEGREES},VERT_CS["EGM96"]]', True),
        ([8.54, 47.37, 400.0], UTM_TEXT, False),
        ([8.54, 47.37, 400.0], "", False),  # small and near the origin, as any scan may be
        (UTM, DEGREES, False),  # many writers name the wrong one
    ],
)
def test_degrees_are_no_lengths(tmp_path, rng, monkeypatch, points, text, refused):
    laspy, pye57 = pytest.importorskip("laspy"), pytest.importorskip("pye57")
    from laspy.vlrs.known import GeoKeyDirectoryVlr, WktCoordinateSystemVlr

    cloud = rng.uniform(0, 0.01, (60, 3)) + points
    paths = [tmp_path / name for name in ("wkt.las", "keys.las", "a.e57")]
    for path, record in zip(paths, (WktCoordinateSystemVlr(text), GeoKeyDirectoryVlr()), strict=False):
        write_las(path, cloud)
        las = laspy.read(path)
        if path.name == "keys.las":
            key = record.geo_keys[0]
            key.id, key.count, key.value_offset = 1024, 1, 2 if "GEOGCS" in text and "PROJ" not in text else 1
            record.geo_keys_header.number_of_keys = 1
        las.header.vlrs.append(record)
        las.write(str(path))
    real = pye57.libe57.StringNode
    monkeypatch.setattr(pye57.libe57, "StringNode", lambda file, value="": real(file, value or text))
    write_e57(paths[2], [(cloud, [0, 0, 0], np.ones(60))])
    for path in paths:
        if refused:
            with pytest.raises(InputError, match="longitude and latitude, in degrees; project them to metres first"):
                read_cloud(path)
        else:
            assert len(read_cloud(path).points) == 60


def test_a_header_that_promises_too_many_records(tmp_path, points):
    path = tmp_path / "a.las"
    write_las(path, points)
    data = bytearray(path.read_bytes())
    data[100:104] = b"\xff\xff\xff\x7f"
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged: its header promises 2,147,483,647 records"):
        read_cloud(path)


def test_normals_look_at_each_scanner(tmp_path, rng):
    """A sphere seen from its centre by one scanner, and a second one seen from outside by another."""
    ball = rng.normal(size=(3000, 3))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    eye = np.array([10.0, 0, 0])
    facing = ball[(ball * (eye - ball)).sum(1) > 0.2]
    path = tmp_path / "a.e57"
    write_e57(path, [(ball, [0, 0, 0], np.ones(len(ball))), (facing - eye, eye + [20, 0, 0], np.ones(len(facing)))])
    made = prepare(path, IngestSettings(), 0, lambda _: None)
    centre = np.where((made.cloud.points[:, :1] > 10), [[20.0, 0, 0]], [[0.0, 0, 0]])
    outward = ((made.cloud.points - centre) * made.normals).sum(1) > 0
    assert not outward[made.cloud.points[:, 0] < 10].any()
    assert outward[made.cloud.points[:, 0] > 10].all()
    assert made.facts.sensors.tree() == {"origin": "in the file", "positions": 2}


@pytest.mark.parametrize(("suffix", "package"), [(".las", "laspy"), (".laz", "lazrs"), (".e57", "pye57")])
def test_a_missing_package_names_its_install(tmp_path, monkeypatch, suffix, package):
    if package == "lazrs":
        pytest.importorskip("laspy")  # which is asked for before
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"x" * 400)
    real = importlib.import_module
    monkeypatch.delitem(sys.modules, package, raising=False)

    def absent(name, *args):
        if name == package:
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(InputError, match=rf"needs the package {package}; pip install 'shapesiren\[survey\]'"):
        read_cloud(path)


def test_utm_intensity_goes_to_the_mesh_file(tmp_path, rng):
    from shapesiren.similarity import Similarity
    from shapesiren.surface.io import read_mesh, write_mesh
    from shapesiren.surface.mesh import TriangleMesh

    vertices = rng.uniform(0, 100, (30, 3)) + UTM
    mesh = TriangleMesh(
        vertices, np.arange(30).reshape(10, 3), np.zeros((30, 3), np.float32), None, np.arange(30.0, dtype="f4")
    )
    write_mesh(tmp_path / "m.ply", mesh, Similarity(tuple(UTM), 55.0), 512)
    back = read_mesh(tmp_path / "m.ply")
    np.testing.assert_array_equal(back.vertices, vertices)
    np.testing.assert_array_equal(back.intensity, mesh.intensity)
