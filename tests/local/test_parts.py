"""What a local field is made of: cells, sines, heads, sides."""

import numpy as np
import pytest
import torch

from shapesiren.local.cells import cut
from shapesiren.local.heads import LEAST_SEEN, Rows, damping, normal_equations, solution_of_samples, solve
from shapesiren.local.settings import LocalSettings, Prior
from shapesiren.local.sides import spread
from shapesiren.local.sines import draw
from shapesiren.nets.octree import Octree
from shapesiren.pointcloud.winding_number import WindingNumber
from shapesiren.runtime.kdtree import KDTree

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def ball():
    """Points of a sphere of radius .6, with their normals."""
    n = np.random.default_rng(0).normal(size=(4000, 3))
    n /= np.linalg.norm(n, axis=1, keepdims=True)
    return 0.6 * n, n


# ---- Cells --------------------------------------------------------------------------------------
def test_a_leaf_has_the_points_of_its_support_and_not_too_many(ball):
    points = ball[0]
    cells = cut(points, 1.1, 1.6, 200, 0.3, 0.01, 50)
    octree = cells.octree
    assert np.isclose(((2 * octree.halves) ** 3).sum(), 2.2**3)
    for leaf in range(len(octree.cells)):
        expected = np.flatnonzero((np.abs(points - octree.centres[leaf]) <= 1.6 * octree.halves[leaf]).all(1))
        assert sorted(cells.points[cells.starts[leaf] : cells.starts[leaf + 1]]) == expected.tolist()
        own = (np.abs(points[expected] - octree.centres[leaf]) <= octree.halves[leaf]).all(1).any()
        assert len(expected) <= (200 if own else 50)
    assert octree.halves.max() <= 0.3


def test_points_that_coincide_do_not_cut_forever():
    octree = cut(np.full((500, 3), 0.123), 1.1, 1.6, 100, 0.3, 0.02).octree
    assert octree.halves.min() >= 0.02


# ---- Sines --------------------------------------------------------------------------------------
def test_the_sines_have_the_covariance_of_the_prior():
    """Of Matern 3/2: (1 + sqrt(3) r / l) exp(-sqrt(3) r / l)."""
    sines = draw(8192, 0.5, 1.5, 0, CPU)
    r = torch.linspace(0, 1.5, 7)
    x = torch.stack([r, 0 * r, 0 * r], 1)
    units = torch.sin(x @ sines.frequencies + sines.phases) * sines.amplitude
    found = units @ units[0]
    expected = (1 + 3**0.5 * r / 0.5) * torch.exp(-(3**0.5) * r / 0.5)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.03)


def test_a_seed_fixes_the_sines():
    first, same, other = (draw(64, 0.2, 1.5, seed, CPU).frequencies for seed in (1, 1, 2))
    assert torch.equal(first, same) and not torch.equal(first, other)


# ---- Heads --------------------------------------------------------------------------------------
def rows_of(batch: int, points: int, samples: int) -> Rows:
    g = torch.Generator().manual_seed(0)

    def draws(*shape):
        return torch.rand(shape, generator=g) * 2 - 1

    return Rows(
        draws(batch, points, 3),
        draws(batch, points, 3),
        draws(batch, points).abs() * 10,
        draws(batch, points).abs() * 5,
        draws(samples, 3),
        draws(batch, samples),
        draws(batch, samples).abs() * 3,
        draws(batch, samples, 3),
        draws(batch, samples).abs() * 2,
        0.5 + 0.5 * draws(batch, 32).abs(),
    )


def test_heads_are_the_least_squares_of_all_rows_written_out():
    sines = draw(32, 0.4, 1.5, 0, CPU)
    rows = rows_of(3, 40, 20)
    heads = solve(*normal_equations(rows, sines), sines)
    w = sines.frequencies.double().numpy()
    for k in range(3):
        lines, targets = [], []
        for at, (x, value, weight, gradient, slope_weight) in enumerate(
            [
                *zip(
                    rows.points[k], torch.zeros(40), rows.value_weight[k], rows.normals[k], rows.normal_weight[k], strict=True
                ),
                *zip(
                    rows.samples,
                    rows.distances[k],
                    rows.sample_weight[k],
                    rows.directions[k],
                    rows.direction_weight[k],
                    strict=True,
                ),
            ]
        ):
            a = sines.amplitude * (rows.seen[k].double().numpy() if at < 40 else 1)  # of points, as they are seen
            x = x.double().numpy()
            phase = x @ w + sines.phases.double().numpy()
            lines.append(float(weight) * np.concatenate([a * np.sin(phase), [1], x]))
            targets.append(float(weight * value))
            for axis in range(3):
                lines.append(float(slope_weight) * np.concatenate([a * np.cos(phase) * w[axis], [0], np.eye(3)[axis]]))
                targets.append(float(slope_weight * gradient[axis]))
        ridge = np.diag(np.sqrt(np.r_[np.ones(32), np.full(4, 1e-4)]))
        expected = np.linalg.lstsq(np.r_[np.array(lines), ridge], np.r_[targets, np.zeros(36)], rcond=None)[0]
        expected[:32] *= sines.amplitude
        np.testing.assert_allclose(heads[k].numpy(), expected, rtol=1e-3, atol=1e-3)


def test_a_sine_is_damped_as_it_is_seen_through_noise():
    sines, rng = draw(8, 0.4, 1.5, 0, CPU), np.random.default_rng(0)
    blur = 0.15
    damped = damping(sines, torch.tensor([blur]))[0].numpy()
    noise = (blur * rng.normal(size=(400_000, 3))) @ sines.frequencies.numpy()
    np.testing.assert_allclose(np.maximum(np.cos(noise).mean(0), LEAST_SEEN), damped, atol=5e-3)


def test_cells_that_trust_their_samples_alike_share_one_solution():
    sines = draw(32, 0.4, 1.5, 0, CPU)
    rows = rows_of(3, 1, 20)
    nothing, alike = torch.zeros(3, 1), torch.ones(3, 20)
    rows = rows._replace(value_weight=nothing, normal_weight=nothing, sample_weight=4 * alike, direction_weight=2 * alike)
    one_by_one = solve(*normal_equations(rows, sines), sines)
    operator = solution_of_samples(rows.samples, 4.0, 2.0, sines)
    together = torch.cat([rows.distances, rows.directions.flatten(1)], 1).double() @ operator.T
    torch.testing.assert_close(together, one_by_one, rtol=1e-3, atol=1e-4)


# ---- Sides --------------------------------------------------------------------------------------
def test_the_winding_number_is_one_inside_and_none_outside(ball):
    winding = WindingNumber(KDTree(ball[0]), ball[1])
    x = np.random.default_rng(1).uniform(-1, 1, (3000, 3))
    r = np.linalg.norm(x, axis=1)
    found = winding(x)
    assert np.abs(found[r < 0.5] - 1).max() < 0.1
    assert np.abs(found[r > 0.7]).max() < 0.1


def test_the_winding_number_is_the_same_where_nothing_is_compiled(ball, monkeypatch):
    winding, x = WindingNumber(KDTree(ball[0]), ball[1]), np.random.default_rng(3).uniform(-1, 1, (500, 3))
    compiled = winding(x)
    monkeypatch.setattr("shapesiren.pointcloud.winding_number.numba_works", lambda: False)
    np.testing.assert_allclose(winding(x), compiled, atol=1e-9)
    few = WindingNumber(KDTree(ball[0][:3]), ball[1][:3])  # fewer points than a leaf has
    assert np.isfinite(few(x)).all()


def test_clusters_far_away_count_as_their_points_do(ball):
    winding = WindingNumber(KDTree(ball[0]), ball[1])
    x = np.random.default_rng(2).uniform(-1, 1, (50, 3))
    apart = winding.points[None] - x[:, None]
    d2 = np.maximum((apart**2).sum(-1), winding.width**2)
    exact = ((apart * winding.weighted).sum(-1) / d2**1.5).sum(1) / (4 * np.pi)
    np.testing.assert_allclose(winding(x), exact, atol=0.02)  # of what decides at 0.5


def test_votes_spread_to_where_none_are_cast():
    """Between a plane that is + and one that is -, they go from one to the other evenly."""
    level = 3
    i, j, k = np.meshgrid(*[np.arange(8)] * 3, indexing="ij")
    octree = Octree.of(np.stack([np.full(512, level), i.ravel(), j.ravel(), k.ravel()], 1), 1.0)
    x = octree.centres[:, 0]
    sure = np.abs(x) > 0.8
    found = spread(octree, np.arange(512), np.sign(x), sure)
    np.testing.assert_allclose(found[sure], np.sign(x)[sure], atol=0.01)
    for value in np.unique(x):
        here = x == value
        np.testing.assert_allclose(found[here], value / 0.875, atol=0.02)


# ---- Settings -----------------------------------------------------------------------------------
def test_noise_asks_for_more_points_and_wider_supports():
    clean, noisy = Prior.of(LocalSettings(), 0.0, 1.0), Prior.of(LocalSettings(), 2.0, 1.0)
    assert noisy.points > 2 * clean.points and noisy.support > clean.support and noisy.smoothness > clean.smoothness
    assert Prior.of(LocalSettings(points=77, support=2.5), 2.0, 1.0).points == 77


def test_cells_of_noisy_points_have_no_more_sines_than_they_can_use():
    many = LocalSettings(units=384, noisy_units=192)
    clean, noisy = Prior.of(many, 0.0, 1.0), Prior.of(many, 2.0, 1.0)
    assert (clean.units, clean.far_units, clean.beside_units) == (384, 256, 128)
    assert (noisy.units, noisy.far_units, noisy.beside_units) == (192, 192, 128)
    assert Prior.of(LocalSettings(units=64), 2.0, 1.0).units == 64
