"""Normals come out on the right side, whatever the file had; noise, spacing and steps are what they are."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from shapesiren.pointcloud.normals.adaptive import adaptive_normals, cells, planes
from shapesiren.pointcloud.normals.alpha_ball import from_outside
from shapesiren.pointcloud.normals.estimate import check_sides, make_normals, plane_normals, unit_normals
from shapesiren.pointcloud.normals.orient import flipped
from shapesiren.pointcloud.scan.noise import neighbours_for, scatter, smooth_steps, step_noise, support_distance
from shapesiren.pointcloud.scan.viewpoint import is_site
from shapesiren.pointcloud.synthetic.scanner import Scanner, scan
from shapesiren.pointcloud.synthetic.stream import Noise, scan_chunks, surface_of

MODEL = pytest.mark.extra(reason="models of others, which may not be shipped")


def normals_of(points, given=None, sensors=None, sensor=None):
    said = []
    noise, spacing, _ = scatter(points)
    normals, facts = make_normals(points, given, sensors, sensor, noise, spacing, None, said.append)
    return normals, facts, said


@pytest.mark.slow
@pytest.mark.parametrize(("name", "noise"), [("torus", 0), ("trefoil", 0), ("box", 0), ("two_spheres", 0), ("torus", 0.01)])
def test_estimated(name, noise):
    cloud = scan(name, Scanner(points=40_000, noise=noise))  # above the subsample that orientation is propagated on
    normals, facts, said = normals_of(cloud.points)
    cosine = (normals * cloud.normals).sum(1)
    assert (cosine > 0).mean() > 0.995
    assert (cosine > 0.9).mean() > 0.94
    assert facts.origin == "estimated"
    assert facts.confidence > 0.97
    assert "oriented by propagation" in said[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param("fandisk.obj", marks=MODEL), "holed_plate", "trefoil"])
def test_parts_seen_from_one_side_look_to_that_side(real_data, name):
    """What is hidden leaves gaps; a part beyond one has no outside of its own (fandisk: .958 of the signs right)."""
    cloud = scan(str(real_data(f"shapes/{name}")) if "." in name else name, Scanner(points=20_000, views=1))
    normals, _, _ = normals_of(cloud.points)
    assert ((normals * cloud.normals).sum(1) > 0).mean() > 0.995


def sphere(rng, count, radius, centre=(0, 0, 0)):
    away = rng.normal(size=(count, 3))
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    return radius * away + np.array(centre), away


def slab(rng, count, half):
    """Of a box, all six sides."""
    half = np.array(half)
    side = rng.choice(6, count, p=np.repeat(half.prod() / half, 2) / (2 * (half.prod() / half).sum()))
    normals = np.zeros((count, 3))
    normals[np.arange(count), side // 2] = np.where(side % 2, 1, -1)
    flat = rng.uniform(-1, 1, (count, 3)) * half
    return np.where(normals != 0, normals * half, flat), normals


@pytest.mark.slow
@pytest.mark.parametrize(("name", "noise"), [("hollow", 0.005), ("hollow with a core", 0), ("bubbles", 0), ("sheet", 0.0005)])
def test_sides_of_what_nests_and_of_what_is_thin(name, noise, rng):
    """Nothing joins the inside of a shell to its outside, and in a thin sheet everything joins them."""
    if name == "sheet":
        points, truth = slab(rng, 40_000, (0.9, 0.6, 0.011))  # 3 % of it is rim, a few points wide
    else:
        inner, away = sphere(rng, 10_000, 0.5 if name != "bubbles" else 0.25, (0, 0, 0 if name != "bubbles" else 0.4))
        parts = [sphere(rng, 25_000, 0.9), (inner, -away)]
        if name == "hollow with a core":
            parts.append(sphere(rng, 4_000, 0.2))
        if name == "bubbles":
            second, away = sphere(rng, 6_000, 0.2, (0.1, 0.2, -0.4))
            parts.append((second, -away))
        points, truth = (np.concatenate(part) for part in zip(*parts, strict=True))
    points = points + noise * rng.normal(size=points.shape)
    normals, facts, said = normals_of(points)
    assert ((normals * truth).sum(1) > 0).mean() > 0.98
    assert facts.confidence > 0.99
    assert "oriented by winding number" in said[0]


@pytest.mark.slow
def test_sides_from_outside(rng):
    """Sheets 3.3 spacings apart: no winding number is right between them, and the outside is on one side of each."""
    points, truth = slab(rng, 8_000, (0.4, 0.3, 0.009))
    normals, facts, said = normals_of(points)
    assert ((normals * truth).sum(1) > 0).mean() > 0.9
    assert "oriented from outside" in said[0]
    assert 0.7 < facts.confidence < 0.97
    assert "--viewpoint" in said[1]


def test_the_outside_is_on_one_side_of_a_closed_surface(rng):
    """Of a torus; of nothing that is inside a shell; and a ball that gets in through a hole says nothing at all."""
    cloud = scan("torus", Scanner(points=20_000))
    _, side, share = from_outside(cloud.points, cloud.normals, scatter(cloud.points).spacing, 0.0)
    assert (side == 1).mean() > 0.95
    assert (side == -1).sum() == 0
    assert share > 0.99
    outer, away = sphere(rng, 20_000, 0.9)
    inner, within = sphere(rng, 10_000, 0.5)
    points, normals = np.concatenate([outer, inner]), np.concatenate([-away, within])
    _, side, _ = from_outside(points, normals, scatter(points).spacing, 0.0)
    assert (side[:20_000] == -1).mean() > 0.999
    assert (side[20_000:] == 0).all()
    open_ball = outer[:, 2] < 0.7
    assert from_outside(outer[open_ball], away[open_ball], scatter(outer).spacing, 0.0) is None


@pytest.mark.slow
def test_wrong_sides_are_not_confident(rng):
    """Sheets closer than three spacings come out wrong: a closed scan says so, and an open one has no such check."""
    points, truth = slab(rng, 20_000, (0.9, 0.6, 0.007))
    normals, facts, said = normals_of(points)
    assert ((normals * truth).sum(1) > 0).mean() < 0.9
    assert check_sides(facts, True, said.append) == facts
    assert check_sides(facts, False, said.append).confidence < 0.9
    assert "--viewpoint" in said[-1]


@pytest.mark.slow
def test_an_open_surface_has_no_winding_number(rng):
    """Its signs stay as propagation left them: on one side, of a wavy sheet with a step."""
    x = rng.uniform(-1, 1, (20_000, 2))
    points = np.concatenate([x, 0.1 * np.sin(5 * x[:, :1]) + 0.3 * (x[:, 1:] > 0)], 1)
    normals, _, said = normals_of(points)
    assert (normals[:, 2] > 0).mean() > 0.995
    assert "by propagation" in said[0]


def test_all_in_one_plane():
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.uniform(-1, 1, (500, 2)), np.zeros((500, 1))], 1)
    assert np.abs(normals_of(points)[0][:, 2] - 1).max() < 1e-6


@pytest.mark.slow
def test_flipped_are_turned():
    cloud = scan("trefoil", Scanner(points=20_000))
    turned = np.random.default_rng(0).random(20_000) < 0.1
    normals, facts, said = normals_of(cloud.points, np.where(turned[:, None], -cloud.normals, cloud.normals))
    assert (normals * cloud.normals).sum(1).min() > 0.99
    assert facts.flipped == pytest.approx(0.1, abs=0.02)
    assert "looked the other way" in said[0]
    assert not flipped(cloud.points, cloud.normals).any()


def test_thin_wall_is_not_flipped():
    """Two sheets closer together than their points: the neighbours across look the other way, and rightly."""
    x = np.random.default_rng(0).uniform(-1, 1, (10_000, 2))
    top = np.arange(10_000) % 2 == 0
    points = np.concatenate([x, np.where(top, 0.004, -0.004)[:, None]], 1)
    normals = np.where(top[:, None], [[0, 0, 1.0]], [[0, 0, -1.0]])
    assert flipped(points, normals).mean() < 0.002


@pytest.mark.slow
def test_random_signs_are_oriented_anew():
    cloud = scan("torus", Scanner(points=20_000))
    sign = np.where(np.random.default_rng(0).random(20_000) < 0.5, -1, 1)
    normals, _, said = normals_of(cloud.points, cloud.normals * sign[:, None])
    assert ((normals * cloud.normals).sum(1) > 0).mean() > 0.995
    assert "are mixed" in said[0]


@pytest.mark.slow
def test_missing_are_filled_in():
    cloud = scan("torus", Scanner(points=20_000))
    given = 3 * cloud.normals
    given[::3] = 0
    given[1::7] = np.nan
    normals, facts, said = normals_of(cloud.points, given)
    assert (normals * cloud.normals).sum(1).min() > 0.9
    assert facts.missing == pytest.approx(1 / 3 + 2 / 21, abs=0.01)
    assert "on their neighbours' side" in said[0]
    _, facts, said = normals_of(cloud.points, np.zeros_like(given))
    assert facts.origin == "estimated"
    assert "ignored" in said[0]


@pytest.mark.slow
def test_normals_that_do_not_fit_are_ignored():
    cloud = scan("torus", Scanner(points=10_000))
    other = np.roll(cloud.normals, 1, axis=1) * [1, -1, 1]
    normals, _, said = normals_of(cloud.points, other)
    assert ((normals * cloud.normals).sum(1) > 0).mean() > 0.995
    assert "do not fit" in said[0]


def test_towards_the_scanner():
    cloud = scan("sphere", Scanner(points=5000))
    inside = normals_of(cloud.points, None, np.zeros((1, 3)), np.zeros(5000, np.int32))[0]
    assert ((inside * cloud.normals).sum(1) < 0).all()


def test_unit_normals():
    n = np.tile([0.0, 0, 2], (100, 1))
    n[:5], n[5:9] = 0, np.nan
    unit, valid = unit_normals(n)
    assert valid.sum() == 91
    assert np.abs(np.linalg.norm(unit[valid], axis=1) - 1).max() < 1e-12
    assert np.isfinite(unit).all()


@pytest.mark.parametrize("noise", [0.0, 0.005, 0.01])
def test_noise_is_estimated(noise):
    cloud = scan("torus", Scanner(points=50_000, noise=noise))
    side = 2 * (0.6 + 0.22)
    estimate, spacing, floor = scatter(cloud.points)
    assert abs(estimate - noise * side) < 0.3 * noise * side + 2e-4
    assert spacing == pytest.approx(np.median(cKDTree(cloud.points).query(cloud.points, 2)[0][:, 1]), rel=0.1)
    count = neighbours_for(cloud.points, estimate, 16)
    assert count == 16 if not noise else count > 50
    assert 0.85 * estimate < floor <= estimate if noise else floor < 2e-4


def test_the_floor_of_the_noise_is_what_is_everywhere(rng):
    """Half of a plain is road, half is shrubs: the shrubs are no noise of the scanner."""
    x, y = rng.uniform(-1, 1, (2, 20_000))
    z = np.where(x > 0.2, 0, rng.uniform(0, 0.03, len(x)))
    found = scatter(np.stack([x, y, z], 1))
    assert found.noise > 0.004
    assert found.floor < 1e-3


@pytest.mark.parametrize(("thickness", "count", "noise"), [(0.022, 40_000, 0), (0.022, 40_000, 0.001), (0.1, 3_000, 0)])
def test_another_sheet_is_no_noise(thickness, count, noise, rng):
    """Neither of a thin sheet, nor of few points: the noise is that of the narrowest neighbourhood."""
    points, _ = slab(rng, count, (0.9, 0.6, thickness / 2))
    found = scatter(points + noise * rng.normal(size=points.shape))
    assert abs(found.noise - noise) < 0.2 * noise + 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "noise", "share"),
    [
        ("torus", 0.005, 0.85),
        ("box", 0.0025, 0.7),
        ("cylinder", 0.0025, 0.75),
        pytest.param("spot.obj", 0.0025, 1.0, marks=MODEL),
    ],
)
def test_neighbourhoods_are_as_wide_as_the_surface_is_flat(name, noise, share, real_data):
    """Against the best of one width for all points: better on what is smooth, and where sharp edges are few."""
    name = str(real_data(f"shapes/{name}")) if "." in name else name
    cloud, clean = scan(name, Scanner(points=40_000, noise=noise)), scan(name, Scanner(points=100_000, seed=3))
    truth = clean.normals[cKDTree(clean.points).query(cloud.points)[1]]
    sigma = scatter(cloud.points).noise

    def error(normals):
        return np.sqrt(2 - 2 * np.abs((normals * truth).sum(1)).clip(max=1)).mean()

    found, count = adaptive_normals(cloud.points, sigma, 4.3 * sigma)
    found = np.where(np.isnan(found), plane_normals(cloud.points, 16), found)
    assert np.abs(np.linalg.norm(found, axis=1) - 1).max() < 1e-9
    best = min(error(plane_normals(cloud.points, k)) for k in (16, 32, 64, 128))
    assert error(found) < share * best
    assert count > 32


@pytest.mark.slow
def test_sparse_points_have_noise_too():
    """Sixteen neighbours reach farther than six times it, but their planes are off by 8 degrees."""
    cloud = scan("two_spheres", Scanner(points=10_000, noise=0.0025))
    noise, spacing, floor = scatter(cloud.points)

    def found(floor):
        normals, facts = make_normals(cloud.points, None, None, None, noise, spacing, None, lambda _: None, True, floor)
        return (normals * cloud.normals).sum(1).mean(), facts.neighbours

    (cosine, neighbours), (plain, few) = found(floor), found(0)
    assert few == 16 < neighbours
    assert 1 - cosine < 0.4 * (1 - plain)


def test_a_point_alone_has_no_plane_of_its_own(rng):
    points, _ = sphere(rng, 5000, 0.5)
    points = np.concatenate([points + 0.01 * rng.normal(size=points.shape), [[3.0, 0, 0]]])
    found, _ = adaptive_normals(points, 0.01, 0.04)
    assert np.isnan(found[-1]).all()
    assert (np.abs(np.linalg.norm(found[:-1], axis=1) - 1) < 1e-9).mean() > 0.999
    normals, _, _ = normals_of(points)
    assert np.abs(np.linalg.norm(normals, axis=1) - 1).max() < 1e-9


def test_planes_of_cells_are_those_of_points(rng):
    """Beside what the cells do to the weights; and their variance is what noise does."""
    flat = np.c_[rng.uniform(-1, 1, (40_000, 2)), np.zeros(40_000)] @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    across = np.linalg.svd(flat[:100])[2][2]
    points, at = flat + 0.01 * rng.normal(size=flat.shape), flat[np.linalg.norm(flat, axis=1) < 0.7][:500]
    found = planes(points, at, 0.1)
    squared = 2 - 2 * np.abs(found.normals @ across)
    assert squared.mean() == pytest.approx((0.01**2 * found.variance).mean(), rel=0.3)
    assert np.median(found.number) == pytest.approx(40_000 / 4 * np.pi * 0.1**2, rel=0.15)
    assert np.isinf(planes(points[:50], at, 0.1).variance).all()


def test_cells_of_points_that_are_far_apart(rng):
    points = np.concatenate([rng.uniform(0, 1, (100, 3)), [[1e12, -1e12, 1e12], [1e12, -1e12, 1e12]]])
    found = cells(points, 1e-6)
    assert sorted(np.bincount(found)) == [1] * 100 + [2]
    assert found[-1] == found[-2]


@pytest.mark.slow
def test_wide_neighbourhoods_for_noise():
    cloud = scan("torus", Scanner(points=50_000, noise=0.01))
    few, many = (np.abs((plane_normals(cloud.points, k) * cloud.normals).sum(1)).mean() for k in (16, 300))
    assert many > 0.97 > 0.8 > few


def depth_frame(step):
    """A tilted plane as a depth camera sees it: rows and columns, and depth in steps."""
    x, y = (a.ravel() for a in np.meshgrid(np.linspace(-1, 1, 200), np.linspace(-1, 1, 150)))
    z = 3 + 0.31 * x + 0.12 * y
    return np.stack([x, y, np.rint(z / step) * step], 1), z


def test_steps_of_a_depth_camera():
    points, z = depth_frame(0.03)
    sigma = step_noise(points[:, 2])
    assert np.median(sigma) == pytest.approx(0.03 / np.sqrt(12), rel=0.05)
    smooth = smooth_steps(points, 2, sigma)
    before, after = np.abs(points[:, 2] - z), np.abs(smooth[:, 2] - z)
    assert after.mean() < 0.35 * before.mean()
    assert np.abs(smooth - points).max() <= 0.0151
    assert not step_noise(np.random.default_rng(0).normal(size=1000)).any()
    fine = smooth_steps(points, 2, np.zeros(len(points)))
    np.testing.assert_array_equal(fine, points)


def test_support_reaches_over_the_gaps():
    u = np.random.default_rng(0).uniform(size=(20_000, 3)) * [1, 1, 0]
    spacing = scatter(u).spacing
    assert support_distance(u, spacing) == pytest.approx(5 * spacing, rel=0.1)
    x, y = np.meshgrid(np.arange(0, 1000.0), np.arange(0, 500.0, 10))  # lines ten spacings apart
    lines = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], 1)
    assert 5 < support_distance(lines, 1.0) < 10


@pytest.mark.parametrize("points", [15_000, 40_000])
def test_a_site_looks_up(points):
    """Its ground lies below its middle, and the buildings on it alone enclose something: .06 of a city's ground looked up."""
    city = surface_of("city", points, 0.3, 0)
    samples = np.concatenate([chunk.points for chunk in scan_chunks(city, points, Noise(), 0)])
    normals, _, said = normals_of(samples)
    level = np.abs(normals[:, 2]) > 0.9
    assert level.mean() > 0.4
    assert (normals[level, 2] > 0).mean() > 0.97
    assert "oriented by propagation" in said[0]


@pytest.mark.parametrize("name", ["torus", "plate", "holed_plate", "trefoil"])
def test_a_shape_is_no_site(name):
    """Neither whole nor seen from one side, however flat it lies."""
    for views in (0, 1):
        assert not is_site(scan(name, Scanner(points=20_000, views=views)).points)
