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

REACH = 1.05  # how far the grid goes that the surface is looked for in, box units
CELLS = 40  # of the grid, along each side
POINTS = 8000  # that are put on the surface; a twentieth of the box's side apart where there are few
STEPS, LONGEST = 4, 0.05  # of Newton's method onto the surface; and the longest of them, box units
ON_SURFACE = 0.004  # box units from the level set, beyond which a point has not arrived
LEAST_SLOPE = 0.3  # of the distance, below which it is none
BESIDE_SPACINGS, BESIDE = 0.35, 0.01  # from the scan's points, in local spacings and box units: nearer ones add nothing
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
    residual : standard deviation of the scan's points across the surface that the prior sees
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
    def distances(self, places: Array) -> Array:
        """Signed distances (q,) of places (q, 3)."""
        out = [np.empty(0)]
        for start in range(0, len(places), PART):
            x = torch.from_numpy(places[start : start + PART].astype(np.float32)).to(self.device)
            out.append(self.prior(self.surroundings(x))[0][0].cpu().numpy().astype(np.float64))
        return np.concatenate(out)

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
            # a Laplace distribution of mean absolute error b has the standard deviation sqrt(2) b
            deviation = 2**0.5 * deviation.detach().exp() * at.scale
            found.append(tuple(a.detach().cpu().numpy().astype(np.float64) for a in (distance[0], gradient, deviation[0])))
        value, slope, off = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return value, slope, off

    def surface(self, count: int, random: np.random.Generator) -> tuple[Array, Array, Array]:
        """About ``count`` points on its zero level set: (n, 3), unit normals (n, 3), standard deviations (n,)."""
        axis = (np.arange(CELLS) + 0.5) / CELLS * 2 * REACH - REACH
        centres = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
        half = REACH / CELLS
        crossed = centres[np.abs(self.distances(centres)) < 1.2 * half]
        if not len(crossed):
            return np.empty((0, 3)), np.empty((0, 3)), np.empty(0)
        each = -(-count // len(crossed))
        x = np.repeat(crossed, each, 0) + random.uniform(-half, half, (each * len(crossed), 3))
        x = x[random.permutation(len(x))[:count]]
        for _ in range(STEPS):
            value, gradient, _ = self.look(x)
            step = (value / np.maximum((gradient**2).sum(1), LEAST_SLOPE**2))[:, None] * gradient
            x = x - step * np.minimum(1, LONGEST / np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-12))
        value, gradient, deviation = self.look(x)
        slope = np.linalg.norm(gradient, axis=1)
        good = (np.abs(value) < ON_SURFACE) & (slope > LEAST_SLOPE) & (np.abs(x).max(1) < REACH)
        return x[good], gradient[good] / slope[good, None], np.maximum(deviation[good], LEAST_DEVIATION)


def complete(prior: ShapePrior, points: Array, normals: Array, spacing: Array, seed: int, samples: int = 0) -> Completion:
    """What is to be added to a scan.

    Parameters
    ----------
    points, normals : (k, 3) of the scan, box coordinates, unit normals; spacing : (k,) round each, see `local_spacing`
    samples : so many off the surface; 0 for a fit that has no use for them
    """
    random = np.random.default_rng(seed)
    seen = Completed(prior, points, normals)
    x, n, deviation = seen.surface(POINTS, random)
    if len(x):
        kept = linked(x, points, spacing)
        x, n, deviation = x[kept], n[kept], deviation[kept]
    away = np.empty((0, 3))
    if samples and len(x):
        third = samples // 4
        pick = random.integers(len(x), size=3 * third)
        off = np.repeat(OFF_SURFACE, third)[:, None] * random.normal(size=(3 * third, 3))
        away = np.concatenate([x[pick] + off, random.uniform(-REACH, REACH, (samples - 3 * third, 3))])
    residual = 1.4826 * float(np.median(np.abs(seen.distances(points[random.permutation(len(points))[:JUDGED]]))))
    distances, gradient, _ = seen.look(away)
    slope = np.linalg.norm(gradient, axis=1, keepdims=True)
    known = slope[:, 0] > LEAST_SLOPE
    if len(x):
        distance, near = seen.tree.query(x)
        new = distance > np.maximum(BESIDE_SPACINGS * spacing[near], BESIDE)
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
