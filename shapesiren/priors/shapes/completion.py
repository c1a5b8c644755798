"""What a prior adds to a scan: points where it has none, each with how far it may be off, and samples off the surface.

The scan's own points stay as they are and decide wherever they lie; a fit weighs the added ones by their deviation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ...runtime.kdtree import KDTree
from .network import ShapePrior, Surroundings, farthest_points

Array = NDArray[np.float64]

REACH = 0.98  # how far the grid goes that the surface is looked for in, box units: a mesh ends at 1
LAPLACE = 2**0.5  # standard deviation of a Laplace distribution whose mean absolute error is 1
CELLS = 40  # of the grid, along each side
POINTS = 5000  # edges of the grid, at most, where it crosses the surface: two points of each
UNSURE, SMOOTHED = 0.4, 1.5  # cells: deviation from which the prior is unsure, and by how much it is smoothed there
STEPS = 2  # of Newton's method from there onto the surface
LEAST_PART = 0.02  # of the largest part of the inside, below which one is a crumb
ON_SURFACE = 0.004  # box units from the level set, beyond which a point has not arrived
LEAST_SLOPE = 0.3  # of the distance, below which it is none
BESIDE_SPACINGS, BESIDE = 0.2, 0.008  # from the scan's points, in local spacings and box units: nearer ones add nothing
DENSE, HOLE_SPACINGS = 0.006, 5.0  # spacing, box units, below which points tell all of a surface but what is a hole of theirs
LEAST_DEVIATION = 1e-3  # box units
LINKED = 2.5  # median distances between added points: farther away than that, a piece is one of its own
OFF_SURFACE = (0.01, 0.03, 0.1)  # deviations of the samples off it
JUDGED = 2000  # points of the scan by which its noise is
PART = 8192  # places at a time


@dataclass(frozen=True)
class Completion:
    """What is added, all in box units.

    points, normals : (n, 3) on the surface, unit normals; deviation : (n,) standard deviation across it
    places, distances, directions : (m, 3), (m,), (m, 3) samples off the surface, their signed distance and its unit gradient
    residual : standard deviation of the scan's points across the surface that the prior sees, beyond what it expects
    """

    points: Array
    normals: Array
    deviation: Array
    places: Array
    distances: Array
    directions: Array
    residual: float


class Completed:
    """A scan as its prior sees it.

    Parameters
    ----------
    points, normals : (k, 3) box coordinates, unit normals
    """

    def __init__(self, prior: ShapePrior, points: Array, normals: Array) -> None:
        self.prior, self.tree, self.device = prior, KDTree(points), prior.device
        self.points = torch.from_numpy(points.astype(np.float32)).to(self.device)
        self.normals = torch.from_numpy(normals.astype(np.float32)).to(self.device)
        some = farthest_points(self.points, prior.sizes.coarse)
        self.coarse, self.coarse_normals = self.points[some][None, None], self.normals[some][None, None]

    def surroundings(self, places: torch.Tensor) -> Surroundings:
        """Of places (q, 3): the twin of `training.surroundings` for clouds of any size."""
        near = min(self.prior.sizes.near, self.tree.n)
        _, index = self.tree.query(places.detach().cpu().numpy(), [*range(1, near + 1)])
        index = torch.from_numpy(index).to(self.device)
        points = self.points[index]
        scale = (places.detach()[:, None] - points).norm(dim=-1).mean(1).clamp_min(1e-3)
        return Surroundings(
            places[None], points[None], self.normals[index][None], self.coarse, self.coarse_normals, scale[None]
        )

    @torch.no_grad()
    def distances(self, places: Array) -> tuple[Array, Array]:
        """Signed distances (q,) of places (q, 3), and their standard deviations (q,)."""
        out = [(np.empty(0), np.empty(0))]
        for start in range(0, len(places), PART):
            at = self.surroundings(torch.from_numpy(places[start : start + PART].astype(np.float32)).to(self.device))
            distance, deviation = self.prior(at)
            off = LAPLACE * deviation.exp() * at.scale
            out.append((distance[0].cpu().numpy().astype(np.float64), off[0].cpu().numpy().astype(np.float64)))
        value, off = (np.concatenate(parts) for parts in zip(*out, strict=True))
        return value, off

    def look(self, places: Array) -> tuple[Array, Array, Array]:
        """Signed distance (q,), its gradient (q, 3), and its standard deviation (q,), of places (q, 3).

        The nearest points and their distance count as fixed: where they change the distance has small steps, and no slope.
        """
        found: list[tuple[Array, ...]] = [(np.empty(0), np.empty((0, 3)), np.empty(0))]
        for start in range(0, len(places), PART):
            x = torch.from_numpy(places[start : start + PART].astype(np.float32)).to(self.device).requires_grad_()
            at = self.surroundings(x)
            with torch.enable_grad():
                distance, deviation = self.prior(at)
                (gradient,) = torch.autograd.grad(distance.sum(), x)
            deviation = LAPLACE * deviation.detach().exp() * at.scale
            found.append(tuple(a.detach().cpu().numpy().astype(np.float64) for a in (distance[0], gradient, deviation[0])))
        value, slope, off = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return value, slope, off

    def crossings(self) -> tuple[Array, Array, Array]:
        """Where a grid's edges cross the zero level set: (n, 3), unit normals (n, 3), standard deviations (n,).

        The grid is smoothed where the prior is unsure, and of what it takes for the inside crumbs do not count, nor cavities:
        the points enclose a body, also where distances are so vague that they have no slope. At the border of the grid all is
        outside.
        """
        from scipy import ndimage

        axis = np.linspace(-REACH, REACH, CELLS + 1)
        cell = float(axis[1] - axis[0])
        places = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)
        value, deviation = (a.reshape((CELLS + 1,) * 3) for a in self.distances(places.reshape(-1, 3)))
        unsure = np.clip(ndimage.gaussian_filter(deviation, 1.0) / (UNSURE * cell), 0, 1)
        value = value * (1 - unsure) + ndimage.gaussian_filter(value, SMOOTHED) * unsure
        border = np.ones_like(value, bool)
        border[1:-1, 1:-1, 1:-1] = False
        value[border] = np.maximum(value[border], cell)
        inside = _large(value < 0, LEAST_PART)
        inside |= ~_large(~inside, 1.0)
        value = np.where(inside, -1, 1) * np.maximum(np.abs(value), 1e-3 * cell)
        slope = np.stack(np.gradient(value), -1)
        rows: list[tuple[Array, ...]] = []
        for k in range(3):
            first, second = (tuple(slice(a, b) if i == k else slice(None) for i in range(3)) for a, b in ((0, -1), (1, None)))
            crossed = inside[first] != inside[second]
            a, b = value[first][crossed], value[second][crossed]
            share = (a / (a - b))[:, None]
            both = [(array[first][crossed], array[second][crossed]) for array in (places, slope, deviation[..., None])]
            rows.append(tuple(f * (1 - share) + t * share for f, t in both))
        x, n, off = (np.concatenate(parts) for parts in zip(*rows, strict=True))
        return x, n / np.maximum(np.linalg.norm(n, axis=1, keepdims=True), 1e-12), off[:, 0]

    def surface(self, random: np.random.Generator) -> tuple[Array, Array, Array]:
        """Points on its zero level set, even and all round: (n, 3), unit normals (n, 3), standard deviations (n,)."""
        start, normals, deviation = self.crossings()
        cell, some = 2 * REACH / CELLS, random.permutation(len(start))[:POINTS]
        start, normals, deviation = start[some], normals[some], np.maximum(deviation[some], cell / 4)
        sure = np.flatnonzero(deviation < UNSURE * cell)  # these are taken to where the prior has the surface itself
        at = np.concatenate([start[sure], start[sure] + random.uniform(-cell / 2, cell / 2, (len(sure), 3))])
        x = at
        for _ in range(STEPS):
            value, gradient, _ = self.look(x)
            step = (value / np.maximum((gradient**2).sum(1), LEAST_SLOPE**2))[:, None] * gradient
            x = x - step * np.minimum(1, cell / np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-12))
        value, gradient, off = self.look(x)
        slope = np.linalg.norm(gradient, axis=1)
        good = (np.abs(value) < ON_SURFACE) & (slope > LEAST_SLOPE) & (np.linalg.norm(x - at, axis=1) < 2 * cell)
        left = np.ones(len(start), bool)
        left[sure[good[: len(sure)]]] = False
        return (
            np.concatenate([start[left], x[good]]),
            np.concatenate([normals[left], gradient[good] / slope[good, None]]),
            np.concatenate([deviation[left], np.maximum(off[good], LEAST_DEVIATION)]),
        )


def _large(inside: NDArray[np.bool_], share: float) -> NDArray[np.bool_]:
    """The connected parts of what is marked in a grid that have at least this ``share`` of the largest one's size."""
    from scipy import ndimage

    label, count = ndimage.label(inside)
    if count < 2:
        return inside
    sizes = np.bincount(label.reshape(-1))
    sizes[0] = 0
    large: NDArray[np.bool_] = (sizes >= share * sizes.max())[label] & inside
    return large


def complete(prior: ShapePrior, points: Array, normals: Array, spacing: Array, seed: int, samples: int = 0) -> Completion:
    """What is to be added to a scan.

    Parameters
    ----------
    points, normals : (k, 3) of the scan, box coordinates, unit normals; spacing : (k,) round each, see `local_spacing`
    samples : so many off the surface; 0 for a fit that has no use for them
    """
    random = np.random.default_rng(seed)
    seen = Completed(prior, points, normals)
    x, n, deviation = seen.surface(random)
    if len(x):
        kept = linked(x, points, spacing)
        x, n, deviation = x[kept], n[kept], deviation[kept]
    away = np.empty((0, 3))
    if samples and len(x):
        each = samples // 4  # of three distances; the rest lies anywhere
        pick = random.integers(len(x), size=3 * each)
        off = np.repeat(OFF_SURFACE, each)[:, None] * random.normal(size=(3 * each, 3))
        away = np.concatenate([x[pick] + off, random.uniform(-REACH, REACH, (samples - 3 * each, 3))])
    value, _, expected = seen.look(points[random.permutation(len(points))[:JUDGED]])
    residual = float(np.sqrt(max(0.0, (1.4826 * np.median(np.abs(value))) ** 2 - np.median(expected) ** 2)))
    distances, gradient, _ = seen.look(away)
    slope = np.linalg.norm(gradient, axis=1, keepdims=True)
    known = slope[:, 0] > LEAST_SLOPE
    if len(x):
        distance, near = seen.tree.query(x)
        apart = np.where(spacing[near] < DENSE, HOLE_SPACINGS, BESIDE_SPACINGS) * spacing[near]
        new = distance > np.maximum(apart, BESIDE)
        x, n, deviation = x[new], n[new], deviation[new]
    return Completion(x, n, deviation, away[known], distances[known], gradient[known] / slope[known], residual)


def linked(x: Array, points: Array, spacing: Array) -> NDArray[np.bool_]:
    """Which of points (n, 3) on a surface hang together with the scan's (k, 3); the others are phantoms."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    tree, scan = KDTree(x), KDTree(points)
    apart = float(np.median(tree.query(x, [2])[0])) if len(x) > 1 else 0.0
    pairs = tree.query_pairs(LINKED * max(apart, 1e-6), output_type="ndarray")
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (len(x), len(x)))
    _, label = connected_components(graph, directed=False)
    distance, near = scan.query(x)
    anchored = np.unique(label[distance < np.maximum(spacing[near], BESIDE)])
    kept: NDArray[np.bool_] = np.isin(label, anchored)
    return kept
