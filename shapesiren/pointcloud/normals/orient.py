"""Signs for normals that have none: propagated, checked by the surface they imply, by the winding number, and from outside."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree
from scipy.spatial import Delaunay, QhullError

from ...runtime.kdtree import KDTree, Points, points_of, some_of, tree_of
from ...runtime.triangles import Triangles
from ..guide.poisson import poisson_surface
from ..guide.samples import is_flat
from ..scan.viewpoint import is_site
from .alpha_ball import from_outside
from .winding import SURE_SHARE, by_winding_number

Array = NDArray[np.float64]

ORIENT_POINTS = 30_000  # signs are propagated over this many; the others take their neighbour's side
NEIGHBOURS = 12  # whose sides a point may take, at least
JITTER = 1e-3  # of the spacing: exactly coplanar points make the triangulation a hundred times slower
MAX_SWEEPS, SETTLED_SHARE = 6, 2e-4  # looks at the implied surface; share of changed signs that ends them
STIRRED_SHARE, STALLED_RATIO = (
    1e-3,
    0.7,
)  # below this share, of that of the look before, more looks only turn the same few to and fro
COARSE_DEPTH = 6  # of the octree of that surface
FINE_POINTS, FINE_SWEEPS, FINE_DEPTH = 150_000, 3, 7  # the same once more, for what the subsample is too coarse for
MAX_POINTS, MIN_POINTS = 100_000, 2000  # that the winding number is taken of, and the outside is looked for at
NOISES_APART = 1.5  # of the noise, that they are apart
CLOSED_MEAN_NORMAL = 0.2  # length of the mean normal of a component below which it is taken as closed
ONE_SIDED_MEAN_NORMAL = 0.5  # the same of what was seen from one side
TELLING_FLUX = 0.05  # flux of what is open from which it tells its sides
NEARBY_SPACINGS = 6.0  # spacings within which a point takes the side of one that the outside was found on one side of
GAP_SPACINGS = 8.0  # spacings between parts that are connected components of their own


class Oriented(NamedTuple):
    """normals : (n, 3)
    confidence : share of the signs that the check agreed with
    how : "by propagation", "by winding number" or "from outside"
    winding : share of points at which the winding number is that of a closed surface; None if it was not looked at
    """

    normals: Array
    confidence: float
    how: str
    winding: float | None = None


def orient(points: Points, normals: Array, spacing: float, noise: float) -> Oriented:
    """Consistent signs for unit normals (n, 3) of points (n, 3): propagated; corrected by the winding number or from outside.

    Propagation leaves whole pieces wrong that nothing else touches or that touch the wrong one: the inside of a shell, the
    other sheet of a thin plate. Measured, share of right signs before and after: sphere in a sphere .67, 1; plate 1 % thick
    .50, .99; three such plates .51, .99; thirty spheres .967, 1. Where sheets are so close to each other, for their spacing,
    that no winding number is right, the outside tells them apart: plate 1 % thick, 3.7 spacings, .50, .94.
    """
    tree, points = tree_of(points), points_of(points)
    # on a wide sheet the winding number is near 0, which neither side is far from: bodies on it would decide for it
    site = is_site(points)
    out, confidence = propagate(tree, normals, spacing, site)
    if site or is_flat(points):
        return Oriented(out, confidence, "by propagation")
    # so few that they lie farther apart than they are off: a layer of noise has a winding number of its own
    sparse = len(points) * (spacing / max(NOISES_APART * noise, spacing)) ** 2
    some = _some(len(points), int(min(MAX_POINTS, max(sparse, MIN_POINTS))), np.random.default_rng(0))
    apart = spacing * (len(points) / len(some)) ** 0.5
    part = some_of(tree, some)
    found, winding = by_winding_number(part, out[some], apart, noise)
    if found is None and winding < 1 - SURE_SHARE:
        turned, share = turned_outward(points, out, spacing, noise)
        if ((turned * out).sum(1) < 0).mean() > SURE_SHARE:
            return Oriented(turned, min(confidence, share), "from outside")
    if found is None:
        return Oriented(out, confidence, "by propagation", winding)
    return Oriented(side_of_nearest(points, out, part, found), winding, "by winding number", winding)


def turned_outward(points: Array, normals: Array, spacing: float, noise: float) -> tuple[Array, float]:
    """Normals (n, 3) turned as `from_outside` says, and its share; points of which it says nothing go with those near them."""
    some = _some(len(points), MAX_POINTS, np.random.default_rng(0))
    apart = spacing * (len(points) / len(some)) ** 0.5
    p, n = points[some], normals[some]
    found = from_outside(p, n, apart, noise)
    if found is None:
        return normals, 0.0
    _, side, share = found
    told = side != 0
    distance, nearest = KDTree(p[told]).query(points)
    out = (side[:, None] * n)[told][nearest]
    wrong = ((normals * out).sum(1) < 0) & (distance < NEARBY_SPACINGS * apart)
    return np.where(wrong[:, None], -normals, normals), share


def propagate(points: Points, normals: Array, spacing: float, site: bool = False) -> tuple[Array, float]:
    """Consistent signs for unit normals (n, 3) of points (n, 3); and the share of them that the check agreed with.

    Along a minimum spanning tree (Hoppe et al. 1992) of a subsample; each connected component outward where it encloses
    something, else upward; then, in sweeps, each sign is compared with the Poisson surface of all of them
    (after Hou et al. 2022, who also let the directions follow). Every other point takes the sign that agrees with its
    nearest one in the subsample.

    site : what is open looks up, see `is_site`
    """
    rng = np.random.default_rng(0)
    tree, points = tree_of(points), points_of(points)
    some = _some(len(points), ORIENT_POINTS, rng)
    part = some_of(tree, some)
    p, n = points_of(part), normals[some].copy()
    apart = spacing * (len(points) / len(some)) ** 0.5
    n = _spanning_tree(p, n, JITTER * apart * rng.normal(size=p.shape))
    label = components(part, GAP_SPACINGS * apart)
    n = _outward(p, n, label, site)
    first = n
    if not is_flat(p):
        n = _outward(p, _swept(p, n, COARSE_DEPTH, MAX_SWEEPS), label, site)
    confidence = float(((first * n).sum(1) > 0).mean())
    out = side_of_nearest(points, normals, part, n)
    if is_flat(p):
        return out, confidence
    index = _some(len(points), FINE_POINTS, rng)
    swept = _swept(points[index], out[index], FINE_DEPTH, FINE_SWEEPS)
    return side_of_nearest(points, out, some_of(tree, index), swept), confidence


def _swept(points: Array, normals: Array, depth: int, sweeps: int) -> Array:
    """Normals turned to the sides of the surface that they imply, until it disagrees with few, or with as many as before."""
    before = 1.0
    for _ in range(sweeps):
        wrong = _against_surface(points, normals, depth)
        normals = np.where(wrong[:, None], -normals, normals)
        share = float(wrong.mean())
        if share < SETTLED_SHARE or STALLED_RATIO * before < share < STIRRED_SHARE:
            break
        before = share
    return normals


def _some(count: int, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices of at most ``most`` of ``count`` points, ascending."""
    return np.arange(count) if count <= most else np.sort(rng.choice(count, most, replace=False))


def side_of_nearest(points: Array, normals: Array, known: KDTree, signed: Array) -> Array:
    """Normals (n, 3) turned to agree with that of the nearest ``known`` point, of m, ``signed`` (m, 3)."""
    nearest = known.query(points)[1]
    return np.where((normals * signed[nearest]).sum(1, keepdims=True) < 0, -normals, normals)


def _spanning_tree(points: Array, normals: Array, jitter: Array) -> Array:
    """Signs along the minimum spanning tree, by how little normals turn, of the nearest neighbours and of the Euclidean minimum
    spanning tree, which keeps them together (Hoppe et al. 1992). The highest point's normal looks up."""
    shaken = points + jitter
    try:
        cells = Delaunay(shaken).simplices
    except QhullError:  # no tetrahedra: the points lie in one plane, and any common side will do
        return normals * np.sign(normals @ normals[0] + 1e-30)[:, None]
    n = len(points)
    edges = np.unique(np.sort(np.concatenate([cells[:, pair] for pair in combinations(range(4), 2)]), 1), axis=0)
    length = np.linalg.norm(shaken[edges[:, 0]] - shaken[edges[:, 1]], axis=1)
    short = minimum_spanning_tree(coo_matrix((length, (edges[:, 0], edges[:, 1])), (n, n))).tocoo()
    count = min(NEIGHBOURS, n - 1)
    near = KDTree(shaken).query(shaken, count + 1)[1][:, 1:]
    rows = np.concatenate([short.row, np.repeat(np.arange(n), count)])
    cols = np.concatenate([short.col, near.reshape(-1)])
    pairs = np.unique(np.sort(np.stack([rows, cols], 1), 1), axis=0)
    turn = 1.001 - np.abs((normals[pairs[:, 0]] * normals[pairs[:, 1]]).sum(1))  # sparse matrices have no entries of 0
    tree = minimum_spanning_tree(coo_matrix((turn, (pairs[:, 0], pairs[:, 1])), (n, n)))
    top = int(shaken[:, 2].argmax())
    order, before = breadth_first_order(tree, top, directed=False)
    sign = np.ones(n)
    sign[top] = -1.0 if normals[top, 2] < 0 else 1.0
    turned = np.where((normals[order[1:]] * normals[before[order[1:]]]).sum(1) < 0, -1.0, 1.0)
    for node, parent, factor in zip(order[1:].tolist(), before[order[1:]].tolist(), turned.tolist(), strict=True):
        sign[node] = factor * sign[parent]
    return normals * sign[:, None]


def components(tree: KDTree, gap: float) -> NDArray[np.int64]:
    """(n,) the connected component of each point, when those closer than ``gap`` are joined."""
    points = points_of(tree)
    count = min(13, len(points))
    distance, near = tree.query(points, count)
    joined = distance < gap
    rows = np.repeat(np.arange(len(points)), count)[joined.reshape(-1)]
    graph = coo_matrix((np.ones(len(rows), np.int8), (rows, near.reshape(-1)[joined.reshape(-1)])), (len(points),) * 2)
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _outward(points: Array, normals: Array, label: NDArray[np.int64], site: bool) -> Array:
    """Components turned as wholes. Closed ones outward, each by itself. Of open ones none has an outside of its own: where the
    largest looks one way, as what was seen from one side does, the others look there too; else they keep the sides that the
    tree gave them. Then all of them outward together, or up.
    """
    sizes = np.bincount(label)
    mean = np.stack([np.bincount(label, normals[:, k]) for k in range(3)], 1) / sizes[:, None]  # 0 over a closed surface
    is_open = np.linalg.norm(mean, axis=1) > CLOSED_MEAN_NORMAL
    turned = np.zeros(len(sizes), bool)
    for part in np.flatnonzero(~is_open & (sizes >= max(50, len(points) // 200))):
        turned[part] = _flux(points[label == part], normals[label == part]) < 0
    if is_open.any():
        largest = mean[np.argmax(np.where(is_open, sizes, 0))]
        if np.linalg.norm(largest) > ONE_SIDED_MEAN_NORMAL:
            turned |= is_open & (mean @ largest < 0)
        rest = is_open[label]
        if _up_or_out(points[rest], np.where(turned[label], -1, 1)[rest, None] * normals[rest], site) < 0:
            turned ^= is_open
    return np.where(turned[label][:, None], -normals, normals)


def _flux(points: Array, normals: Array) -> float:
    """Of unit normals out of the middle of their points, as a share of what it would be if they all looked straight away."""
    away = points - (points.min(0) + points.max(0)) / 2
    return float((away * normals).sum() / max(np.linalg.norm(away, axis=1).sum(), 1e-300))


def _up_or_out(points: Array, normals: Array, site: bool) -> float:
    flux = 0.0 if site else _flux(points, normals)  # the ground of a site lies below its middle
    top = np.argsort(points[:, 2])[-max(10, len(points) // 1000) :]  # Hoppe's rule, over more points than one
    return flux if abs(flux) > TELLING_FLUX else float(normals[top, 2].sum())


def _against_surface(points: Array, normals: Array, depth: int) -> NDArray[np.bool_]:
    """Which normals disagree with the nearest face of the Poisson surface of them all."""
    vertices, faces = poisson_surface(points, normals, depth, fitted=False)
    if not len(faces):
        return np.zeros(len(points), bool)
    surface = Triangles(vertices, faces)
    wrong: NDArray[np.bool_] = (surface.normals[surface.closest(points).faces] * normals).sum(1) < 0
    return wrong


def flipped(points: Points, normals: Array, neighbours: int = 12) -> NDArray[np.bool_]:
    """Which of some given normals look the other way than most of the points beside them. (n,)

    The other sheet of a thin wall has no vote: two points that look away from each other, and each lies behind the other.
    """
    tree, points = tree_of(points), points_of(points)
    distance, near = tree.query(points, min(neighbours + 1, len(points)))
    votes = np.zeros(len(points))
    for j in range(1, near.shape[1]):
        other = near[:, j]
        between, behind = points[other] - points, -0.02 * distance[:, j]
        wall = ((between * normals).sum(1) < behind) & (-(between * normals[other]).sum(1) < behind)
        dot = (normals * normals[other]).sum(1)
        votes += np.where((dot < -0.5) & ~wall | (dot > 0.5), dot, 0)
    return votes < 0
