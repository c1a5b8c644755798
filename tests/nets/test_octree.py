"""The leaves of an octree: their order, which one a point is in, and whose support reaches where."""

import numpy as np
import pytest

from shapesiren.nets.octree import DEEPEST, Octree, morton

SUPPORT = 1.6


@pytest.fixture(scope="module")
def octree():
    """The cube, cut again and again near one corner, and here and there."""
    rng = np.random.default_rng(0)
    cells, at = [], [(0, 0, 0, 0)]
    while at:
        level, i, j, k = at.pop()
        if level < 4 and ((i, j, k) == (0, 0, 0) or rng.random() < 0.35):
            at += [(level + 1, 2 * i + a, 2 * j + b, 2 * k + c) for a in (0, 1) for b in (0, 1) for c in (0, 1)]
        else:
            cells.append((level, i, j, k))
    return Octree.of(rng.permutation(np.array(cells)), 1.1)


def test_codes_interleave_the_bits_of_the_coordinates():
    x = np.random.default_rng(0).integers(0, 1 << DEEPEST, (50, 3))
    bits = [sum(((int(v[a]) >> b) & 1) << (3 * b + 2 - a) for a in range(3) for b in range(DEEPEST)) for v in x]
    assert morton(x).tolist() == bits


def test_the_leaves_fill_the_cube(octree):
    assert np.isclose(((2 * octree.halves) ** 3).sum(), (2 * octree.half) ** 3)
    assert (np.diff(octree.codes) > 0).all()


def test_a_point_is_in_the_leaf_that_is_found_for_it(octree):
    x = np.random.default_rng(1).uniform(-1.1, 1.1, (2000, 3))
    leaf = octree.leaf_of(x)
    assert (np.abs(x - octree.centres[leaf]) <= octree.halves[leaf, None] * (1 + 1e-9)).all()
    outside = octree.leaf_of(np.array([[5.0, 0.01, 0.01]]))
    assert outside == octree.leaf_of(np.array([[1.0999, 0.01, 0.01]]))


def test_who_reaches_into_a_leaf_is_found_by_looking_at_all(octree):
    starts, members = octree.reaching_into(SUPPORT)
    apart = np.abs(octree.centres[:, None] - octree.centres[None]).max(2)
    expected = apart < SUPPORT * octree.halves[None] + octree.halves[:, None] - 1e-12
    for leaf in range(len(octree.cells)):
        assert sorted(members[starts[leaf] : starts[leaf + 1]]) == np.flatnonzero(expected[leaf]).tolist()
