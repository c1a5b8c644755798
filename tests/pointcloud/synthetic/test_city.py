"""The distance to a city is exact; its scans lie on it, have what was asked for and are the same again in every format."""

import json

import numpy as np
import pytest

from shapesiren.errors import InputError
from shapesiren.pointcloud.io.read import read_cloud
from shapesiren.pointcloud.synthetic import stream
from shapesiren.pointcloud.synthetic.city.distance import signed_distance
from shapesiren.pointcloud.synthetic.city.layout import blocks_for, build_city
from shapesiren.pointcloud.synthetic.city.scan import chunks, stations
from shapesiren.runtime.kdtree import KDTree


@pytest.fixture(scope="module")
def scanned():
    city = build_city(2, 2, seed=3)
    parts = list(chunks(city, 120_000, 50_000, np.random.default_rng(0)))
    return city, parts


def test_the_ground_has_the_derivatives_it_says(rng):
    city = build_city(3, 3, seed=2)
    assert city.ground.hill.any()
    u, h = rng.uniform(0, 120, (2000, 2)), 1e-5
    found = city.ground.derivatives(u)
    for axis, (first, second) in enumerate([(1, 3), (2, 5)]):
        step = h * np.eye(2)[axis]
        ahead, behind = city.ground.derivatives(u + step), city.ground.derivatives(u - step)
        np.testing.assert_allclose((ahead[0] - behind[0]) / (2 * h), found[first], atol=1e-6)
        np.testing.assert_allclose((ahead[first] - behind[first]) / (2 * h), found[second], atol=1e-4)
        np.testing.assert_allclose((ahead[1 if axis else 2] - behind[1 if axis else 2]) / (2 * h), found[4], atol=1e-4)


def test_the_distance_to_a_city_is_exact(scanned, rng):
    """Samples of all kinds of pieces lie on it; nothing lies nearer to any point than it says, and something lies so near."""
    city, parts = scanned
    p, n = (np.concatenate([getattr(part, name) for part in parts]) for name in ("points", "normals"))
    assert np.abs(signed_distance(city, p)).max() < 1e-12
    for step in (0.004, -0.004):  # but for edges, a step along the normal is the distance, of its sign
        away = signed_distance(city, p + step * n)
        assert (np.sign(away) == np.sign(step)).all()
        assert (np.abs(away - step) < 1e-9).mean() > 0.995
    near = p[::20] + rng.normal(scale=0.4, size=p[::20].shape)
    exact, sampled = np.abs(signed_distance(city, near)), KDTree(p).query(near)[0]
    assert (exact <= sampled + 1e-12).all()  # a sample is on the surface, so the surface is no farther than it
    assert np.quantile(sampled - exact, 0.9) < 0.2  # samples are about .3 apart


def test_a_scan_of_a_city_gets_thinner_away_from_its_stations(scanned):
    city, parts = scanned
    assert sum(len(part.points) for part in parts) == 120_000
    assert max(len(part.points) for part in parts) <= 50_000
    eyes = stations(city)
    assert {int(s) for part in parts for s in np.unique(part.scan)} == set(range(len(eyes) + 1))
    flown = np.concatenate([part.points[part.scan == 0] for part in parts])
    seen = np.concatenate([part.points[part.scan == 5] for part in parts])
    eye = eyes[4]
    share = []
    for points in (seen, flown):  # which are spread evenly
        d = np.linalg.norm(points - eye, axis=1)
        share.append(((d < 8).sum()) / ((d > 25) & (d < 40)).sum())
    assert share[0] > 5 * share[1]


def test_a_city_grows_with_its_points():
    assert blocks_for(1000, 0.05) == (1, 1)
    few, many = blocks_for(10_000_000, 0.05), blocks_for(100_000_000, 0.05)
    assert many[0] * many[1] == pytest.approx(10 * few[0] * few[1], rel=0.2)
    with pytest.raises(InputError, match="blocks"):
        blocks_for(10**9, 5.0)
    small, large = build_city(1, 2, seed=1), build_city(3, 4, seed=1)
    inside = (large.buildings.x < 40) & (large.buildings.y < 80)
    assert np.array_equal(large.buildings.eaves[inside], small.buildings.eaves)


@pytest.mark.parametrize("name", ["a.las", "a.laz", "a.ply", "a.npy", "a.xyz"])
@pytest.mark.parametrize("surface", ["city", "torus"])
def test_scans_are_written_in_chunks(name, surface, tmp_path):
    what = stream.surface_of(surface, 3000, 0.5, 0)
    noise = stream.Noise(outliers=0.1)
    for n, at_once in enumerate((700, 700, 900)):
        made = stream.scan_chunks(what, 3000, noise, seed=4, at_once=at_once)
        stream.write_chunks(tmp_path / f"{n}{name}", made, 3000, what)
    cloud = read_cloud(tmp_path / f"0{name}")
    assert len(cloud.points) == 3000
    off = np.abs(what.distance(cloud.points))
    on_it = off < 2 * max(what.step, 1e-5)
    assert 270 <= (~on_it).sum() <= 300  # an outlier may fall onto the surface
    assert (tmp_path / f"0{name}").read_bytes()[400:] == (tmp_path / f"1{name}").read_bytes()[400:]
    assert not list(tmp_path.glob(".*"))
    if name.endswith(("las", "laz")):
        assert (cloud.classes is not None and set(cloud.classes) >= {1, 2, 6}) == (surface == "city")
    else:
        assert cloud.normals is not None and np.allclose(np.linalg.norm(cloud.normals, axis=1), 1, atol=1e-6)


def test_the_command_makes_a_city_and_measures_by_it(here, tmp_path):
    out = tmp_path / "city.ply"
    assert here("simulate", "city", "--points", 20_000, "--spacing", "40cm", "--noise", "5mm", "-o", out).returncode == 0
    told = here("simulate", "city", "--points", 20_000, "--spacing", "40cm", "--truth", out, "--json")
    truth = json.loads(told.stdout)["truth"]
    assert truth["rms"] == pytest.approx(0.005, rel=0.05)  # one coordinate of the noise is across the surface
    assert truth["points"] == 20_000
    other = json.loads(
        here("simulate", "city", "--points", 20_000, "--spacing", "40cm", "--seed", 1, "--truth", out, "--json").stdout
    )
    assert other["truth"]["rms"] > 0.05  # another city
