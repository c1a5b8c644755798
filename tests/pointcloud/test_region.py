"""A box: of a file of any format the points in it are read, and of a field the surface in it is meshed."""

import struct

import numpy as np
import pytest

import shapesiren
from shapesiren.errors import InputError
from shapesiren.pointcloud.cloud import PointCloud
from shapesiren.pointcloud.io.partial import all_rows
from shapesiren.pointcloud.io.read import read_cloud
from shapesiren.pointcloud.io.survey import read_las
from shapesiren.pointcloud.prepare import load
from shapesiren.pointcloud.region import NothingSelected, inside
from shapesiren.pointcloud.selection import Selection
from shapesiren.pointcloud.settings import IngestSettings
from shapesiren.surface.level_set import resolution_of
from shapesiren.surface.settings import MeshSettings
from tests.conftest import QUICK

BOX = (10.0, 10.0, 0.0, 20.0, 30.0, 25.0)


@pytest.fixture
def points(rng):
    return np.round(rng.uniform(0, 50, (2000, 3)), 3)


def write(path, points):
    if path.suffix == ".npy":
        np.save(path, points)
    elif path.suffix == ".xyz":
        np.savetxt(path, points)
    else:
        laspy = pytest.importorskip("laspy")
        header = laspy.LasHeader(point_format=6, version="1.4")
        header.scales = [0.001] * 3
        las = laspy.LasData(header)
        las.x, las.y, las.z = points.T
        las.write(str(path))


def write_copc(path, points):
    """A COPC file of one node: a LAZ file of one chunk with the octree's first record, and the page that it points to."""
    laspy = pytest.importorskip("laspy")
    header = laspy.LasHeader(point_format=6, version="1.4")
    header.scales = [0.001] * 3
    header.vlrs.append(laspy.VLR("copc", 1, "", bytes(160)))
    las = laspy.LasData(header)
    las.x, las.y, las.z = points.T
    las.write(str(path))
    data = bytearray(path.read_bytes())
    (first,) = struct.unpack_from("<I", data, 96)  # of the point data, which begin with where their table of chunks is
    (table,) = struct.unpack_from("<q", data, first)
    page = struct.pack("<iiii", 0, 0, 0, 0) + struct.pack("<Qii", first + 8, table - first - 8, len(points))
    info = struct.pack("<5d2Q2d", 25, 25, 25, 25, 1, len(data), len(page), 0, 1)
    at = data.index(b"copc\0") - 2 + 54
    data[at : at + len(info)] = info
    path.write_bytes(bytes(data + page))


@pytest.mark.parametrize("name", ["a.npy", "a.xyz", "a.las", "a.laz", "a.copc.laz"])
def test_points_in_a_box(tmp_path, points, name):
    path = tmp_path / name
    (write_copc if "copc" in name else write)(path, points)
    expected = points[inside(points, BOX)]
    found = read_cloud(path, selection=Selection(box=BOX))
    order = np.lexsort(found.points.T), np.lexsort(expected.T)
    np.testing.assert_allclose(found.points[order[0]], expected[order[1]], atol=1e-9)
    assert f"{len(expected):,} points lie in the box" in found.notes[-1]
    assert len(read_cloud(path, most=20, selection=Selection(box=BOX)).points) == 20  # of those in it, not of all
    with pytest.raises(NothingSelected, match=r"no point of it lies in the box; its points span x 0\.\d+ to 49\.\d+, y"):
        read_cloud(path, selection=Selection(box=(60, 60, 60, 70, 70, 1e12)))


def test_of_several_files_those_in_the_box(tmp_path, points):
    near, far = tmp_path / "near.npy", tmp_path / "far.npy"
    write(near, points)
    write(far, points + 100)
    cloud, _, _ = load([far, near], IngestSettings(box=BOX), 0, lambda _: None)
    assert len(cloud.points) == inside(points, BOX).sum()
    with pytest.raises(NothingSelected, match="far.npy"):
        load([far, far], IngestSettings(box=BOX), 0, lambda _: None)


def test_of_a_mesh_and_of_arrays(points):
    flat = PointCloud(np.array([[0.0, 0, 1], [50, 0, 1], [0, 50, 1]]), faces=np.array([[0, 1, 2]]))
    cloud, is_mesh, _ = load(flat, IngestSettings(box=BOX), 0, lambda _: None)
    assert is_mesh and len(cloud.points) > 1000 and inside(cloud.points, BOX).all()
    cloud, _, _ = load(PointCloud(points), IngestSettings(box=BOX), 0, lambda _: None)
    assert inside(cloud.points, BOX).all()


def test_an_octree_is_asked_for_the_box_alone(tmp_path, points, monkeypatch):
    write_copc(tmp_path / "a.laz", points)
    asked = []
    copc = pytest.importorskip("laspy.copc").CopcReader
    monkeypatch.setattr(copc, "query", lambda file, bounds, query=copc.query: asked.append(bounds) or query(file, bounds))
    found = read_las(tmp_path / "a.laz", all_rows, Selection(box=BOX))
    np.testing.assert_allclose([asked[0].mins, asked[0].maxs], [BOX[:3], BOX[3:]], atol=0.1)
    assert len(found.points) == inside(points, BOX).sum()


@pytest.mark.parametrize("box", [(0, 5, 0, 1, 4, 1), (0, 0, 0, 0, 1, 1)])
def test_corners_in_the_wrong_order(box):
    with pytest.raises(ValueError, match="the first corner is not below the second"):
        IngestSettings(box=box)


@pytest.mark.slow
def test_the_surface_in_a_box(torus_scan):
    field = shapesiren.fit(torus_scan, settings=QUICK, steps=300)
    whole = field.mesh()
    low, high = whole.vertices.min(0), whole.vertices.max(0)
    box = (*low.tolist(), *((low + high) / 2).tolist())
    part = field.mesh(box=box)
    cell = part.facts.cell
    assert (part.vertices >= low - 2 * cell).all() and (part.vertices <= (low + high) / 2 + 2 * cell).all()
    assert cell < 0.5 * whole.facts.cell  # a resolution that is asked for is that of the box; else cells are as of the whole
    assert resolution_of(field, MeshSettings(box=box)) == pytest.approx(resolution_of(field, MeshSettings()) / 2.2, rel=0.1)
    assert part.facts.input_distance.mean < 2 * whole.facts.input_distance.mean + cell
    assert "of the box" in " ".join(part.facts.lines())
    with pytest.raises(InputError, match="no point of it lies in the box; its points span"):
        field.mesh(box=(*(high + 1).tolist(), *(high + 2).tolist()))
