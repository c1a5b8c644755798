"""Polygons, classes, every Nth point: what is selected, with a box and without, and what is said where nothing is."""

import json

import numpy as np
import pytest

from shapesiren.errors import InputError
from shapesiren.pointcloud import classes, polygon
from shapesiren.pointcloud.cloud import PointCloud
from shapesiren.pointcloud.io.read import read_cloud
from shapesiren.pointcloud.prepare import prepare
from shapesiren.pointcloud.region import NothingSelected
from shapesiren.pointcloud.selection import Selection
from shapesiren.pointcloud.settings import IngestSettings
from tests.pointcloud.test_region import write_copc

SQUARE, HOLE = [[0, 0], [10, 0], [10, 10], [0, 10]], [[4, 4], [6, 4], [6, 6], [4, 6]]
FAR = [[20, 0], [22, 0], [21, 2]]
GEOJSON = {
    "type": "FeatureCollection",
    "features": [
        {"type": "Feature", "geometry": {"type": "MultiPolygon", "coordinates": [[SQUARE, HOLE], [FAR]]}},
        {"type": "Feature", "geometry": None},
    ],
}
WKT = "SRID=25832;MULTIPOLYGON Z (((0 0 1, 10. 0 1, 10 10 1, 0 1e1 1, 0 0 1),(4 4 1, 6 4 1, 6 6 1, 4 6 1)),"
WKT += "((20 0 1,22 0 1,21 2 1)))"
LIST = "x y\n0 0\n10 0\n10 10 # a corner\n0 10\n\n4,4\n6,4\n6,6\n4,6\n\n20;0\n22;0\n21;2\n"


@pytest.mark.parametrize("text", [json.dumps(GEOJSON), WKT, LIST], ids=["geojson", "wkt", "list"])
def test_polygons_of_each_kind(tmp_path, rng, text):
    (tmp_path / "a").write_text(text)
    points = rng.uniform(-2, 24, (5000, 3))
    x, y = points[:, 0], points[:, 1]
    square = (x > 0) & (x < 10) & (y > 0) & (y < 10) & ~((x > 4) & (x < 6) & (y > 4) & (y < 6))
    triangle = (y > 0) & (y < 2 * (x - 20)) & (y < 2 * (22 - x))
    np.testing.assert_array_equal(polygon.inside(points, polygon.read_polygons(tmp_path / "a")), square | triangle)


def test_against_matplotlib_at_utm(rng):
    """A star of many corners, in coordinates of millions."""
    path = pytest.importorskip("matplotlib.path")
    angle = np.linspace(0, 2 * np.pi, 301)[:-1]
    ring = np.stack([np.cos(angle), np.sin(angle)], 1) * rng.uniform(20, 100, (300, 1)) + [512_345, 5_403_210]
    points = rng.uniform(-100, 100, (20_000, 3)) + [512_345, 5_403_210, 300]
    points[::1000] = np.nan
    expected = path.Path(ring, closed=False).contains_points(points[:, :2])
    np.testing.assert_array_equal(polygon.inside(points, ((ring,),)), expected)


def test_polygons_that_overlap_are_united():
    points = np.array([[0.5, 0.5, 0], [1.5, 1.5, 9], [3, 3, 0]])
    shift = np.array([[0, 0], [2, 0], [2, 2], [0, 2]], float)
    assert polygon.inside(points, ((shift,), (shift - 0.5,))).tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "at least three corners|no polygon in it"),
        ("0 0\n1 1\n", "at least three corners"),
        ("POLYGON ((0 0, 1 0, 1 1", "this is no polygon"),
        ('{"type": "Point", "coordinates": [0, 0]}', "no polygon in it"),
        ('{"type": "Polygon"}', "this is no polygon"),
        ("0 0\n1 zero\n1 1", "this is no polygon"),
        ("0 0\nnan 1\n1 1\n2 2", "finite x and y"),
    ],
)
def test_files_without_a_polygon(tmp_path, text, what):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(InputError, match=what):
        polygon.read_polygons(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("ground,building", (2, 6)),
        ("2, 6", (2, 6)),
        ("Vegetation", (3, 4, 5)),
        ("high vegetation,5,64", (5, 64)),
        ("noise", (7, 18)),
    ],
)
def test_classes_by_name_and_number(text, numbers):
    assert classes.numbers_of(text) == numbers
    assert IngestSettings(classes=text).classes == text
    assert IngestSettings(classes=[2, "building"]).classes == "2,building"


@pytest.mark.parametrize("text", ["lava", "256", ",", "ground building"])
def test_what_is_no_class(text):
    with pytest.raises(ValueError, match=r"is no class of points; known: .*ground.*building|names no class"):
        IngestSettings(classes=text)


@pytest.fixture
def scan(tmp_path, rng):
    """A LAS file: points (600, 3), of three classes in turn, of two flight lines; every fiftieth is noise."""
    laspy = pytest.importorskip("laspy")
    points = np.round(rng.uniform(0, 50, (600, 3)), 3)
    header = laspy.LasHeader(point_format=6, version="1.4")
    header.scales = [0.001] * 3
    data = laspy.LasData(header)
    data.x, data.y, data.z = points.T
    number = np.array([2, 6, 1], np.uint8)[np.arange(600) % 3]
    number[::50] = 7
    data.classification, data.return_number = number, np.ones(600, np.uint8)
    data.point_source_id = (1 + np.arange(600) // 400).astype(np.uint16)
    data.write(str(tmp_path / "a.las"))
    data.write(str(tmp_path / "a.laz"))
    return tmp_path, points, number


RING = np.array([[10, 10], [40, 12], [25, 45]], float)


@pytest.mark.parametrize("name", ["a.las", "a.laz"])
def test_selections_combine(scan, name):
    folder, points, number = scan
    low, high = (0, 0, 10, 50, 50, 40)[:3], (0, 0, 10, 50, 50, 40)[3:]
    held = ((points >= low) & (points <= high)).all(1) & polygon.inside(points, ((RING,),)) & np.isin(number, (2, 6))
    found = read_cloud(folder / name, selection=Selection((*low, *high), ((RING,),), (2, 6), 3))
    np.testing.assert_allclose(found.points, points[held][::3], atol=1e-9)
    np.testing.assert_array_equal(found.classes, number[held][::3])
    ground, building = (int((number[held] == n).sum()) for n in (2, 6))
    assert found.tallies["classes"] == {"ground (2)": ground, "building (6)": building}
    line = "lie in the box and the polygon, are of class ground (2) or building (6), are one of every 3"
    assert f"{len(found.points):,} points {line} (ingest.box, ingest.polygon, ingest.classes, ingest.every)" in found.notes


def test_counts_are_of_the_whole_file(scan):
    folder, _, number = scan
    cloud = read_cloud(folder / "a.las", most=100)
    assert len(cloud.points) <= 100
    assert cloud.tallies["scans"] == {"flight line 1": 400, "flight line 2": 200}
    assert cloud.tallies["classes"]["low noise (7)"] == (number == 7).sum() and 7 not in cloud.classes
    assert "returns" not in cloud.tallies  # all are first ones
    assert len(read_cloud(folder / "a.las", selection=Selection(classes=(7,))).points) == 12  # noise, as asked


@pytest.mark.parametrize("name", ["a.las", "a.laz"])
def test_nothing_selected_says_what_there_is(scan, name):
    folder, _, _ = scan
    with pytest.raises(
        NothingSelected, match=r"no point of it is of class water \(9\); there are unclassified \(1\): 196, ground"
    ):
        read_cloud(folder / name, selection=Selection(classes=(9,)))
    with pytest.raises(NothingSelected, match="no point of it in the box is of class water"):
        read_cloud(folder / name, selection=Selection((0, 0, 0, 50, 50, 50), classes=(9,)))
    with pytest.raises(
        NothingSelected, match=r"lies in the polygon; its points span x .* the polygon x 110 to 140, y 110 to 145"
    ):
        read_cloud(folder / name, selection=Selection(polygons=((RING + 100,),)))


def test_a_polygon_in_degrees_is_suspected():
    cloud = PointCloud(np.random.default_rng(0).uniform(0, 9, (50, 3)) + [512_345, 5_403_210, 300])
    with pytest.raises(NothingSelected, match="degrees. Project it"):
        Selection(polygons=((np.array([[8.5, 47], [8.6, 47], [8.5, 47.1]]),),)).take(cloud, "a")


def test_classes_of_a_table_and_of_none(tmp_path):
    rows = np.column_stack([np.random.default_rng(0).uniform(0, 9, (60, 3)), np.arange(60) % 2 * 4 + 2])
    np.savetxt(tmp_path / "a.csv", rows, "%.6g", ",", header="x,y,z,Classification", comments="")
    assert len(read_cloud(tmp_path / "a.csv", selection=Selection(classes=(6,))).points) == 30
    np.save(tmp_path / "a.npy", rows[:, :3])
    with pytest.raises(InputError, match="its points have no classes; LAS and LAZ have them"):
        read_cloud(tmp_path / "a.npy", selection=Selection(classes=(6,)))


def test_an_octree_with_a_polygon(tmp_path, rng, monkeypatch):
    points = np.round(rng.uniform(0, 50, (2000, 3)), 3)
    write_copc(tmp_path / "a.laz", points)
    asked = []
    copc = pytest.importorskip("laspy.copc").CopcReader
    monkeypatch.setattr(copc, "query", lambda file, bounds, query=copc.query: asked.append(bounds) or query(file, bounds))
    from shapesiren.pointcloud.io.partial import all_rows
    from shapesiren.pointcloud.io.survey import read_las

    found = read_las(tmp_path / "a.laz", all_rows, Selection(polygons=((RING,),)))
    assert len(found.points) == polygon.inside(points, ((RING,),)).sum()
    np.testing.assert_allclose([asked[0].mins[:2], asked[0].maxs[:2]], [[10, 10], [40, 45]], atol=0.1)


def test_blocks_of_a_pts_file(tmp_path):
    block = "30\n" + "".join(f"{i} {i * i % 7} {i % 3} 1\n" for i in range(30))
    (tmp_path / "a.pts").write_text(block * 2)
    cloud = read_cloud(tmp_path / "a.pts")
    assert cloud.tallies["scans"] == {"block 0": 30, "block 1": 30} and (cloud.scan == np.repeat([0, 1], 30)).all()


@pytest.mark.parametrize("every", [None, 3])
def test_counts_of_scans_and_classes_are_of_what_is_selected(tmp_path, every):
    rows = [f"{i} {i * i % 7} {i % 3} 1" for i in range(30)]
    (tmp_path / "a.pts").write_text("30\n" + "\n".join(rows) + "\n12\n" + "\n".join(rows[:12]) + "\n")
    cloud = read_cloud(tmp_path / "a.pts", selection=Selection(box=(9.5, -1, -1, 99, 9, 9), every=every))
    assert cloud.tallies["scans"] == {"block 0": 20, "block 1": 2}  # as of LAS: before each Nth is taken
    assert len(cloud.points) == len(range(0, 22, every or 1))
    table = np.column_stack([np.random.default_rng(0).uniform(0, 9, (60, 3)), np.arange(60) % 2 * 4 + 2])
    np.savetxt(tmp_path / "a.csv", table, "%.6g", ",", header="x,y,z,Classification", comments="")
    chosen = read_cloud(tmp_path / "a.csv", selection=Selection(classes=(6,), every=every))
    assert chosen.tallies["classes"] == {"building (6)": 30}


def test_every_other_point_of_a_scan(torus_scan):
    whole = len(read_cloud(torus_scan).points)
    assert prepare(torus_scan, IngestSettings(every=2), 0, lambda _: None).facts.read == (whole + 1) // 2
