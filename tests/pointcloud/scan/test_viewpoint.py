"""Where a scanner stood: said by a file, found from the points, or above them."""

import numpy as np
import pytest

from shapesiren.pointcloud.cloud import PointCloud
from shapesiren.pointcloud.facts import SensorsFacts
from shapesiren.pointcloud.prepare import prepare
from shapesiren.pointcloud.scan.viewpoint import believable, hidden_share, seen_from_above
from shapesiren.pointcloud.scan.viewpoint_search import find_position
from shapesiren.pointcloud.settings import IngestSettings
from shapesiren.pointcloud.synthetic.scanner import Scanner, scan

FAR_OFF = np.array([420.0, -310.0, 75.0])  # so that the origin is of no help


def room(eye):
    """A laser scanner's view of a box-shaped room: equal angular steps."""
    azimuth, elevation = (a.ravel() for a in np.meshgrid(np.linspace(0, 2 * np.pi, 360, False), np.linspace(-1.3, 1.3, 150)))
    ray = np.stack([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], 1)
    half = np.array([5.0, 3.0, 1.3])
    ray[ray == 0] = 1e-12
    with np.errstate(divide="ignore"):
        reach = np.min(np.where(ray > 0, (half - eye) / ray, (-half - eye) / ray), axis=1)
    return eye + reach[:, None] * ray


def test_position_of_a_scanner_is_believed():
    eye = np.array([1.0, 0.5, 0.1])
    points = room(eye)
    assert believable(points, eye)
    assert hidden_share(points, eye) < 0.05
    assert not believable(points, np.array([100.0, 0, 0]))


@pytest.mark.slow
def test_default_position_is_not_believed():
    """Even samples of closed shapes about the origin, where many programs say the scanner was."""
    for name in ("sphere", "box", "torus", "trefoil"):
        assert not believable(scan(name, Scanner(points=20_000)).points, np.zeros(3))


@pytest.mark.parametrize("size", [0, 1e300, 1e-300])
def test_what_cannot_be_measured_believes_nothing(rng, size):
    """A header's position beside no points, or beside such as no square can be taken of: that is refused later, in a line."""
    points = size * rng.normal(size=(500 if size else 0, 3))
    assert not believable(points, np.ones(3))
    assert find_position(points) is None


@pytest.mark.slow
def test_terrain_is_seen_from_above(rng):
    xy = rng.uniform(0, 100, (30_000, 2))
    hills = np.concatenate([xy, 5 * np.sin(xy[:, :1] / 9) * np.cos(xy[:, 1:] / 7)], 1)
    assert seen_from_above(hills)
    for name in ("sphere", "trefoil", "box"):
        assert not seen_from_above(scan(name, Scanner(points=20_000)).points)
    rough = xy[:, :1] * 0 + 0.5 * rng.normal(size=(30_000, 1))
    assert seen_from_above(np.concatenate([xy, rough], 1))


def test_a_plate_that_lies_flat_is_no_terrain(rng):
    """Its sheets are a few spacings apart: too little to lie clearly below, but in every cell there are two layers."""
    sheets = np.concatenate([rng.uniform(0, 100, (30_000, 2)), rng.choice([0.0, 2.0], (30_000, 1))], 1)
    assert not seen_from_above(sheets)


@pytest.mark.parametrize("count", [54_000, 5000])
def test_a_position_is_found(rng, count):
    """To some hundredths of the room, from all of its points and from few of them."""
    eye = np.array([1.0, 0.5, 0.1])
    points = room(eye) + FAR_OFF
    found = find_position(points[rng.choice(len(points), count, replace=False)])
    assert found is not None
    assert np.linalg.norm(found - eye - FAR_OFF) < 0.03 * np.linalg.norm(np.ptp(points, 0))
    np.testing.assert_array_equal(find_position(points - eye - FAR_OFF), 0)  # the scanner's own coordinates


@pytest.mark.slow
@pytest.mark.parametrize("views", [0, 1, 3])
@pytest.mark.parametrize("name", ["sphere", "box", "plate", "torus", "trefoil", "holed_plate"])
def test_no_position_is_found_for_samples_of_a_shape(name, views):
    assert find_position(scan(name, Scanner(points=20_000, views=views)).points) is None


def test_no_position_is_found_for_evenly_thinned_or_too_few_points(rng):
    points = room(np.array([1.0, 0.5, 0.1])) + FAR_OFF
    _, even = np.unique(np.floor(points / 0.15), axis=0, return_index=True)
    assert find_position(points[even]) is None
    assert find_position(points[:50]) is None
    assert find_position(np.zeros((500, 3))) is None


@pytest.mark.slow
def test_bare_points_look_at_the_scanner_that_is_found(rng):
    """With outliers that stand between it and the walls; and with normals that are all zero."""
    eye = np.array([1.0, 0.5, 0.1])
    points = room(eye) + FAR_OFF
    noise = FAR_OFF + rng.uniform(-1, 1, (len(points) // 10, 3)) * [5, 3, 1.3]
    said = []
    made = prepare(
        PointCloud(np.concatenate([points, noise]), np.zeros((len(points) + len(noise), 3))), IngestSettings(), 0, said.append
    )
    assert made.facts.sensors == SensorsFacts(origin="found", positions=1)
    assert made.facts.normals.oriented == "towards the scanner"
    assert ((eye + FAR_OFF - made.cloud.points) * made.normals).sum(1).mean() > 0
    assert (((eye + FAR_OFF - made.cloud.points) * made.normals).sum(1) > 0).mean() > 0.99
    (line,) = [s for s in said if "had stood" in s]
    assert "--viewpoint" in line
    given = prepare(PointCloud(points), IngestSettings(viewpoint=tuple(FAR_OFF)), 0, said.append)
    assert given.facts.sensors.origin == "given"


@pytest.mark.slow
def test_each_of_several_scans_has_its_own_scanner(tmp_path):
    """Two rooms side by side, a file each, a scanner in each: merged, no single position could be believed."""
    paths, eyes = [], []
    for i, eye in enumerate((np.array([1.0, 0.5, 0.1]), np.array([-2.0, 1.0, -0.3]))):
        at = FAR_OFF + [40.0 * i, 0, 0]
        paths.append(tmp_path / f"{i}.npy")
        np.save(paths[-1], room(eye) + at)
        eyes.append(eye + at)
    made = prepare(paths, IngestSettings(), 0, lambda _: None)
    assert made.facts.sensors == SensorsFacts(origin="found", positions=2)
    of_point = (made.cloud.points[:, 0] > FAR_OFF[0] + 20).astype(int)
    assert (((np.array(eyes)[of_point] - made.cloud.points) * made.normals).sum(1) > 0).mean() > 0.99
