"""Sides of surface patches from the winding number: what nests, what is thin, what lies apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree

from ...runtime.kdtree import KDTree, Points, points_of, tree_of

Array = NDArray[np.float64]
Index = NDArray[np.int64]

NEIGHBOURS = 8
PARALLEL, TILT, FAR = 0.8, 0.4, 6.0  # neighbours of one patch: |cosine| of normals, sine of the step to the planes, spacings
UNCLEAR = 2.0, 0.01  # a normal is clear if the flatness of its neighbourhood is below so many medians, plus this
MOST_PATCHES = 400  # the largest; those of fewer points than MIN_PATCH_POINTS follow their neighbours
MIN_PATCH_POINTS = 3
WRONG_DIFFERENCE = 0.75  # difference from 1/2, of a winding number: halfway between what noise does (1/2) and a wrong sign (1)
SURE_SHARE, MIN_GAIN = (
    0.01,
    4,
)  # share of wrong ones that is none, of closed surfaces; by how much signs that are taken lessen it
SAMPLES = 1000  # points that the winding number is taken at
RANDOM_STARTS = 20  # of the search for the signs, besides the given ones and the relaxed ones


def flatness(points: Array, near: Index) -> Array:
    """(n,) least of the three variances of each neighbourhood, as a share of their sum (Pauly et al. 2002). near : (n, k)"""
    out = np.empty(len(points))
    for part in np.array_split(np.arange(len(points)), max(1, len(points) // 20_000)):
        local = points[near[part]]
        local = local - local.mean(1, keepdims=True)
        size = np.linalg.eigvalsh(np.einsum("nki,nkj->nij", local, local))
        out[part] = size[:, 0] / np.maximum(size.sum(1), 1e-300)
    return out


def patches(points: Array, normals: Array, spacing: float, distance: Array, near: Index) -> tuple[Index, Array]:
    """Connected pieces of smooth surface, and normals (n, 3) that are consistent within each. Piece (n,), from 0, the largest.

    Only neighbours whose planes nearly coincide are joined, and only where planes are clear: not across edges, nor from
    one sheet to the other. Along a minimum spanning tree (Hoppe et al. 1992).

    Parameters
    ----------
    points, normals : (n, 3) and (n, 3) unit, of any sign
    distance, near : (n, k) of the nearest points, and which they are, each point itself first
    """
    n = len(points)
    flat = flatness(points, near)
    clear = flat < UNCLEAR[0] * np.median(flat) + UNCLEAR[1]
    distance, near = distance[:, 1 : NEIGHBOURS + 1], near[:, 1 : NEIGHBOURS + 1]
    rows, cols, step = np.repeat(np.arange(n), near.shape[1]), near.reshape(-1), distance.reshape(-1)
    cosine = np.abs((normals[rows] * normals[cols]).sum(1))
    chord = points[cols] - points[rows]
    rise = np.maximum(np.abs((chord * normals[rows]).sum(1)), np.abs((chord * normals[cols]).sum(1)))
    joined = (cosine > PARALLEL) & (rise < TILT * step) & (step < FAR * spacing) & clear[rows] & clear[cols]
    graph = coo_matrix((1.001 - cosine[joined], (rows[joined], cols[joined])), (n, n)).tocsr()
    tree = minimum_spanning_tree(graph)
    _, label = connected_components(tree, directed=False)
    sizes = np.bincount(label)
    rank = np.empty(len(sizes), np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    label = rank[label]
    # every tree is walked from a root of its own, all at once: from one more node that is joined to all roots
    roots = np.unique(label, return_index=True)[1]
    t = tree.tocoo()
    ends = np.concatenate([t.row, np.full(len(roots), n)]), np.concatenate([t.col, roots])
    order, before = breadth_first_order(coo_matrix((np.ones(len(ends[0])), ends), (n + 1, n + 1)).tocsr(), n, directed=False)
    order, before = order[1:], before[order[1:]]
    own = np.append(normals, np.zeros((1, 3)), 0)
    turn = np.where((own[order] * own[before]).sum(1) < 0, -1.0, 1.0).tolist()
    sign = [1.0] * (n + 1)
    for node, parent, turned in zip(order.tolist(), before.tolist(), turn, strict=True):
        sign[node] = turned * sign[parent]
    return label, normals * np.array(sign[:n])[:, None]


def winding_numbers(at: Array, points: Array, weighted: Array, width: float, label: Index, count: int) -> Array:
    """(m, count) winding number round each of ``at`` (m, 3) of each piece of a cloud; 1 inside a closed one, 1/2 on it.

    Parameters
    ----------
    points, weighted : (n, 3) and unit normals times the area that they stand for (Barill et al. 2018)
    width : within which the kernel is flattened: at a point itself it has no value
    label : (n,) the piece of each point, below ``count``; none is empty
    """
    order = np.argsort(label, kind="stable")
    p, a = points[order].astype(np.float32), weighted[order].astype(np.float32)
    starts = np.searchsorted(label[order], np.arange(count))
    own, square = (p * a).sum(1), (p * p).sum(1)
    out = np.empty((len(at), count))
    for i in range(0, len(at), 128):
        y = at[i : i + 128].astype(np.float32)
        distance2 = np.maximum((y * y).sum(1)[:, None] + square - 2 * (y @ p.T), width**2)
        out[i : i + 128] = np.add.reduceat((own - y @ a.T) / (distance2 * np.sqrt(distance2)), starts, axis=1)
    return out / (4 * np.pi)


def by_winding_number(points: Points, normals: Array, spacing: float, noise: float) -> tuple[Array | None, float]:
    """Better signs for normals of which those of whole pieces of surface may be wrong.

    On a closed surface the winding number is 1/2 (Gauss; Lin et al. 2022), whatever it encloses and is enclosed by: inside a
    shell the inner sheet has to look inward. It is linear in the signs, so their best is a binary least-squares problem,
    which is small (a sign for each piece, from `patches`) and is searched from many starts. Of an open surface the
    number is anything, and no signs bring it near enough to 1/2 to be taken.

    Parameters
    ----------
    points, normals : (n, 3) and (n, 3) unit, with the signs to start from
    spacing, noise : median distance to the nearest point, and standard deviation of the positions, in the same unit

    Returns
    -------
    normals : (n, 3); None if there are no better ones
    confidence : share of points where the winding number, with the best signs, is within 3/4 of 1/2: with the wrong sign it
        is -1/2. Of an open surface it says nothing
    """
    tree, points = tree_of(points), points_of(points)
    looks = np.random.default_rng(0).choice(len(points), min(len(points), SAMPLES), replace=False)
    at, width = points[looks], max(spacing, 2 * noise)
    distance, near = tree.query(points, min(2 * NEIGHBOURS, len(points)))
    # the surface that a point stands for, from the distance of its eighth neighbour
    area = np.pi * distance[:, [min(NEIGHBOURS, len(points) - 1)]] ** 2 / NEIGHBOURS

    def wrong(signed: Array) -> float:
        one = winding_numbers(at, points, signed * area, width, np.zeros(len(points), np.int64), 1)
        return float((np.abs(one - 0.5) > WRONG_DIFFERENCE).mean())

    before = wrong(normals)
    if before <= SURE_SHARE:
        return None, 1 - before
    label, inner = patches(points, normals, spacing, distance, near)
    count = int(min(MOST_PATCHES, (np.bincount(label) >= MIN_PATCH_POINTS).sum()))
    if not count:
        return None, 1 - before
    taken = label < count
    given = np.bincount(label[taken], (inner * normals).sum(1)[taken], count)
    numbers = winding_numbers(at, points[taken], (inner * area)[taken], width, label[taken], count)
    sign = _best_signs(numbers, np.where(given < 0, -1.0, 1.0))
    out = inner * np.append(sign, 0)[np.minimum(label, count)][:, None]
    nearest = KDTree(points[taken]).query(points[~taken])[1]
    side = (normals[~taken] * out[taken][nearest]).sum(1, keepdims=True)
    out[~taken] = np.where(side < 0, -normals[~taken], normals[~taken])
    after = wrong(out)
    return (None, 1 - before) if after > min(SURE_SHARE, before / MIN_GAIN) else (out, 1 - after)


def _best_signs(numbers: Array, given: Array) -> Array:
    """Signs (k,) of least mean (numbers s - 1/2)^2, of ``numbers`` (m, k): from several starts, one flip after another."""
    matrix = numbers.T @ numbers / len(numbers)
    aim = numbers.sum(0) / len(numbers) / 2
    own = np.diag(matrix)
    relaxed = np.linalg.solve(matrix + 1e-3 * own.mean() * np.eye(len(aim)), aim)
    rng = np.random.default_rng(0)
    starts = [given, np.where(relaxed < 0, -1.0, 1.0), *rng.choice([-1.0, 1.0], (RANDOM_STARTS, len(aim)))]
    best, least = given, np.inf
    for start in starts:
        sign = start.copy()
        pull = matrix @ sign - aim
        while True:
            change = own - sign * pull
            k = int(np.argmin(change))
            if change[k] >= -1e-12:
                break
            pull -= 2 * matrix[:, k] * sign[k]
            sign[k] = -sign[k]
        value = float(sign @ (pull - aim))
        if value < least - 1e-12:
            best, least = sign, value
    return best
