"""Given normals come out on the right side where that is plain, and are left, and called unchecked, where it is not."""

import numpy as np
import pytest

from shapesiren.pointcloud.cloud import PointCloud
from shapesiren.pointcloud.io.read import read_cloud
from shapesiren.pointcloud.prepare import prepare
from shapesiren.pointcloud.settings import IngestSettings
from shapesiren.pointcloud.synthetic.scanner import Scanner, scan
from tests.scans import room as write_room


def prepared(points, normals, sensors=None, sensor=None, **settings):
    said = []
    cloud = PointCloud(points, normals, sensors=sensors, sensor=sensor)
    found = prepare(cloud, IngestSettings(outliers="keep", **settings), 0, said.append)
    return found.normals, found.facts.normals, said


def right(normals, truth):
    return ((normals * truth).sum(1) > 0).mean()


def sphere(rng, count, radius, centre=(0, 0, 0)):
    away = rng.normal(size=(count, 3))
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    return radius * away + np.array(centre), away


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """Points (n, 3) from the inside, with normals that look at the scanner, which stands at the origin."""
    path = tmp_path_factory.mktemp("room") / "room.pcd"
    write_room(path, np.random.default_rng(0))
    points = read_cloud(path).points
    said = []
    found = prepare(PointCloud(points).seen_from(np.zeros(3)), IngestSettings(outliers="keep"), 0, said.append)
    return points, found.normals


@pytest.mark.parametrize(("name", "noise"), [("torus", 0), ("box", 0), ("holed_plate", 0), ("torus", 0.005)])
def test_a_closed_surface_that_looks_inward_is_turned(name, noise):
    cloud = scan(name, Scanner(points=6000, noise=noise))
    normals, facts, said = prepared(cloud.points, -cloud.normals)
    assert right(normals, cloud.normals) == 1
    assert (facts.checked, facts.turned) == ("winding number", 1)
    assert facts.confidence > 0.99
    assert [line for line in said if "all of its normals" in line and "ingest.sides" in line]
    normals, facts, said = prepared(cloud.points, cloud.normals)
    assert right(normals, cloud.normals) == 1
    assert (facts.checked, facts.turned) == ("winding number", 0)
    assert not said


def test_a_room_is_left(room):
    """It looks into itself, rightly; and through what its scanner did not see a ball gets in."""
    normals, facts, said = prepared(*room)
    assert right(normals, room[1]) == 1
    assert facts.checked is None
    assert facts.confidence is None
    assert "as in a room scanned from inside: left" in said[-1]


def test_what_a_scanner_saw_faces_it(room):
    points, truth = room
    at, by = np.zeros((1, 3)), np.zeros(len(points), np.int32)
    normals, facts, said = prepared(points, -truth, at, by)
    assert right(normals, truth) == 1
    assert facts.checked == "scanner"
    assert "looked away from the scanner" in said[0]
    wall = points[:, :1] > 4
    mixed = np.where(wall, -truth, truth)
    normals, facts, _ = prepared(points, mixed, at, by)
    assert right(normals, truth) > 0.99
    assert facts.turned == pytest.approx(wall.mean(), abs=0.02)
    normals, facts, said = prepared(points, truth, at, by)
    np.testing.assert_allclose(normals, truth, atol=1e-12)
    assert (facts.checked, facts.turned) == ("scanner", 0)
    assert 0.9 < facts.confidence < 1
    assert not said


def test_a_position_that_cannot_have_seen_a_closed_surface_is_not_heeded():
    cloud = scan("torus", Scanner(points=6000))
    normals, facts, said = prepared(cloud.points, cloud.normals, viewpoint=(0, 0, 5))
    assert right(normals, cloud.normals) == 1
    assert facts.checked == "winding number"
    assert "not heeded" in said[-1]


def test_open_surfaces_are_turned_when_asked(rng):
    cloud = scan("torus", Scanner(points=6000, views=1))
    normals, facts, _ = prepared(cloud.points, cloud.normals)
    assert right(normals, cloud.normals) == 1
    assert facts.confidence is None
    normals, facts, said = prepared(cloud.points, cloud.normals, sides="turn")
    assert right(normals, cloud.normals) == 0
    assert facts.turned == 1
    assert "as asked" in said[-1]


def test_the_user_has_the_last_word():
    cloud = scan("torus", Scanner(points=6000))
    for settings in ({"sides": "keep"}, {"surface": "open"}):
        normals, facts, _ = prepared(cloud.points, -cloud.normals, **settings)
        assert right(normals, cloud.normals) == 0
        assert facts.checked is None
    seen = scan("torus", Scanner(points=6000, views=2))  # 10 % is missing
    assert right(prepared(seen.points, -seen.normals)[0], seen.normals) == 0
    assert right(prepared(seen.points, -seen.normals, surface="closed")[0], seen.normals) == 1


@pytest.mark.parametrize("case", ["one of two", "shell", "shell inside out", "one in the other", "half of one"])
def test_of_several_bodies_each_has_its_side(case, rng):
    """A cavity looks into itself; a solid in a solid does not, and is left."""
    apart = case == "one of two"
    a, out = sphere(rng, 6000, 0.5)
    b, core = sphere(rng, 3000, 0.25, (1.2, 0, 0) if apart else (0, 0, 0))
    points, truth = np.concatenate([a, b]), np.concatenate([out, core if apart or case == "one in the other" else -core])
    given = truth.copy()
    if apart:
        given[6000:] *= -1
    if case == "shell inside out":
        given *= -1
    if case == "half of one":
        points, truth = a, out
        given = np.where(a[:, :1] > 0.1, -out, out)
    normals, facts, said = prepared(points, given)
    assert right(normals, truth) > 0.999
    assert (facts.checked == "winding number") == (case != "one in the other")
    assert bool(said) == (case not in ("shell", "one in the other"))
