"""Signed deviations on shapes that are known, their statistics, the worst places, and the verdict."""

import numpy as np
import pytest
import trimesh

from shapesiren.metrics.acceptance import judged, percent, required_share, verdict_line
from shapesiren.metrics.deviations import Histogram, Sided, statistics, worst
from shapesiren.metrics.surface_distance import Surface


def plane(cells=10):
    """A flat sheet over the unit square, looking up."""
    at = np.stack(np.meshgrid(np.linspace(0, 1, cells + 1), np.linspace(0, 1, cells + 1)), -1).reshape(-1, 2)
    corner = (np.arange(cells)[:, None] * (cells + 1) + np.arange(cells)).reshape(-1, 1)
    faces = np.concatenate([corner + [0, 1, cells + 1], corner + [1, cells + 2, cells + 1]])
    return Surface(np.c_[at, np.zeros(len(at))], faces)


def found(deviation, positions=None, tolerance=None, radius=0.1, scale=1.0, counts=None):
    deviation = np.asarray(deviation, float)
    positions = np.c_[np.arange(len(deviation)), np.zeros((len(deviation), 2))] if positions is None else positions
    counts = np.ones(len(deviation), bool) if counts is None else counts
    words = ("points", "the mesh", "outside")
    return statistics(
        deviation, counts, positions, scale, lambda x: x * scale + 1000, lambda x: np.full(len(x), radius), tolerance, words
    )


@pytest.mark.parametrize("welded", [True, False])
def test_the_side_is_known_beside_sharp_edges_and_corners(welded):
    box = trimesh.creation.box((1, 1, 1))
    vertices, faces = np.asarray(box.vertices), np.asarray(box.faces)
    if not welded:  # as STL has them
        vertices, faces = vertices[faces].reshape(-1, 3), np.arange(faces.size).reshape(-1, 3)
    x = np.random.default_rng(0).uniform(-1, 1, (20_000, 3))
    q = np.abs(x) - 0.5
    true = np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(1), 0)
    deviation, over = Sided(Surface(vertices, faces), welded).deviation(x)
    assert np.abs(deviation - true).max() < 1e-6
    assert over.all()  # a closed surface has no edge to lie beyond


def test_what_lies_beyond_an_open_edge_is_told():
    x = np.random.default_rng(0).uniform(-0.5, 1.5, (5000, 3)) * [1, 1, 0.1]
    deviation, over = Sided(plane(), welded=True).deviation(x)
    above = ((x[:, :2] > 0) & (x[:, :2] < 1)).all(1)
    assert (over == above).mean() > 0.999
    assert np.abs(deviation[above] - x[above, 2]).max() < 1e-6


def test_statistics_are_signed_and_in_the_users_units():
    d = np.random.default_rng(0).normal(0.5, 2.0, 100_000)
    told = found(d, tolerance=6.0, scale=3.0)
    assert told.mean == pytest.approx(1.5, abs=0.05) and told.standard_deviation == pytest.approx(6.0, rel=0.01)
    assert told.rms == pytest.approx(np.hypot(1.5, 6.0), rel=0.01)
    assert told.within == pytest.approx(float((np.abs(3 * d) <= 6).mean()))
    assert told.p50 < told.p68_3 < told.p95 < told.p99 <= max(-told.lowest, told.highest)
    assert told.p95 == pytest.approx(float(np.quantile(np.abs(3 * d), 0.95)))


def test_what_does_not_count_is_in_no_figure():
    counts = np.array([True, True, False])
    told = found([1.0, -1.0, 50.0], counts=counts, tolerance=2.0)
    assert (told.count, told.outside, told.within, told.highest) == (3, 1, 1.0, 1.0)
    assert all(abs(place.deviation) == 1.0 for place in told.places)


def test_one_spot_is_one_place():
    rng = np.random.default_rng(0)
    positions = rng.uniform(0, 1, (50_000, 3))
    centres = np.array([[0.2, 0.2, 0.2], [0.8, 0.8, 0.8], [0.2, 0.8, 0.5]])
    away = np.linalg.norm(positions[:, None] - centres, axis=2)
    deviation = (np.exp(-((away / 0.05) ** 2)) * [3.0, -2.0, 1.0]).sum(1)
    told = found(deviation, positions, tolerance=0.3, radius=0.15)
    first = np.array([place.position for place in told.places[:3]]) - 1000
    assert np.linalg.norm(first - centres, axis=1).max() < 0.04
    assert [np.sign(place.deviation) for place in told.places[:3]] == [1, -1, 1]
    assert all(place.beyond > 5 for place in told.places[:3])
    assert all(abs(place.deviation) < 0.3 for place in told.places[3:])  # no vertex of a spot is told twice
    assert len(worst(np.abs(deviation), positions, lambda x: np.full(len(x), 10.0))) == 1


def test_coordinates_of_a_place_have_the_digits_to_find_it():
    in_metres = found([0.0, 5.0], np.array([[0.0, 0, 0], [4321.56789, 0.25, 0]]), radius=0.8).places[0]
    assert in_metres.coordinates == ["5321.5679", "1000.2500", "1000.0000"]
    assert in_metres.line().startswith("+5 at 5321.5679, ")


def test_a_histogram_loses_nothing_and_ends_its_bins_at_the_tolerance():
    d = np.r_[np.random.default_rng(0).normal(0, 1, 10_000), 50.0, -60.0, 0.5, -0.5, 0.0]
    bins = Histogram.counted(d, 0.5)
    assert sum(bins.counts) + bins.below + bins.above == len(d)
    assert bins.above >= 1 and bins.below >= 1
    edges, counts = bins.edges, np.array(bins.counts)
    assert np.abs(edges - 0.5).min() < 1e-9 and np.abs(edges + 0.5).min() < 1e-9
    middle = (edges[1:] + edges[:-1]) / 2
    assert counts[np.abs(middle) < 0.5].sum() == (np.abs(d) <= 0.5).sum()
    assert len(Histogram.counted(np.zeros(5), None).counts) > 0  # all the same
    assert len(Histogram.counted(d, 1e-9).counts) < 200  # a tolerance far below what there is


def test_a_share_is_rounded_down_so_that_a_fail_never_looks_like_enough():
    told = found(np.r_[np.zeros(94_999), np.ones(5001)], tolerance=0.5)
    verdict = judged([told], 0.5, 0.95)
    assert not verdict.passed and verdict.verdict == "FAIL"
    assert "94.99 %" in verdict_line(verdict, told, None)
    assert judged([told], 0.5, 0.949).passed
    assert percent(1.0) == "100.00 %"


def test_both_directions_have_to_pass():
    good, bad = found(np.zeros(10), tolerance=1.0), found(np.full(10, 2.0), tolerance=1.0)
    assert judged([good, good], 1.0, 0.95).passed
    assert not judged([good, bad], 1.0, 0.95).passed and judged([good, bad], 1.0, 0.95).share == 0


def test_a_share_is_written_as_people_write_it():
    assert [required_share(text) for text in ("95%", " 99.5 % ", "95", "0.95", 0.9, 90)] == pytest.approx(
        [0.95, 0.995, 0.95, 0.95, 0.9, 0.9]
    )
    with pytest.raises(ValueError, match="no share"):
        required_share("most")
