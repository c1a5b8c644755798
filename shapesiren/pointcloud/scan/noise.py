"""How noisy a scan is, how dense, and how far apart its points lie."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...runtime.kdtree import KDTree, Points, points_of, tree_of

Array = NDArray[np.float64]

MAX_NEIGHBOURS = 400
NEIGHBOURHOODS = (12, 24, 48, 96, 192)  # of the neighbourhoods that noise is estimated from
# Smallest first, whose noise is less than this share of their reach: of 12, whose quadrics follow noise, much less.
NARROW_SHARE, WIDE_SHARE = 0.1, 0.2
MAX_GROWTH = 1.8  # growth of the estimate, from one size to the next, that noise has not (1.35 at most): another sheet is near
# Tenth percentile of the residuals over their median, of even noise: .65 to .67 in 12 neighbours, in more .77 to .93; of
# airborne terrain .12 to .16.
TENTH_OF_EVEN_NOISE = (0.66, 0.8)


class Scatter(NamedTuple):
    """noise : estimated standard deviation across the surface: the median residual of quadric fits to neighbourhoods (a plane
        would take curvature for noise)
    spacing : median distance to the nearest other point
    floor : the noise where there is least: what the scanner adds everywhere. In trees and among things smaller than the
        spacing, where residuals are large, the points may be exact
    """

    noise: float
    spacing: float
    floor: float


ACROSS_POINTS, ACROSS_ALIKE = 2000, 0.7  # points looked at; cosine of the normals of one sheet


def scatter(points: Points, sample: int = 5000) -> Scatter:
    """How a cloud, (n, 3) in any unit, scatters about its surface, from the neighbourhoods of up to ``sample`` points.

    They grow until they are much wider than the noise, which else fills them and is underestimated; but not beyond what
    still looks clean: of a thin sheet, or of few points, a wider neighbourhood is more than one piece of surface.
    """
    rng = np.random.default_rng(0)
    tree, points = tree_of(points), points_of(points)
    index = rng.choice(len(points), min(sample, len(points)), replace=False)
    spacing = float(np.median(tree.query(points[index], 2)[0][:, 1]))
    sigma = floor = 0.0
    for neighbours in NEIGHBOURHOODS:
        if neighbours >= len(points):
            break
        distance, near = tree.query(points[index], neighbours + 1)
        residual = quadric_residuals(points[near], distance[:, -1:])
        found, first = float(np.median(residual)), neighbours == NEIGHBOURHOODS[0]
        if not first and found > MAX_GROWTH * sigma:
            break
        sigma, floor = found, float(np.quantile(residual, 0.1)) / TENTH_OF_EVEN_NOISE[not first]
        if sigma < (NARROW_SHARE if first else WIDE_SHARE) * np.median(distance[:, -1]):
            break
    return Scatter(sigma, spacing, min(sigma, floor))


def quadric_residuals(neighbourhoods: Array, size: Array) -> Array:
    """Standard deviations (n,) of (n, k, 3) neighbourhoods from their best quadrics."""
    local = neighbourhoods - neighbourhoods.mean(1, keepdims=True)
    _, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", local, local))
    w, v, u = np.moveaxis(np.einsum("nki,nij->nkj", local, axes), -1, 0)  # ascending: w is across the surface
    size = np.maximum(size, 1e-300)
    u, v = u / size, v / size
    design = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], -1)
    # the normal equations, damped by a hair for collinear neighbourhoods
    normal = np.einsum("nki,nkj->nij", design, design) + 1e-9 * np.eye(6)
    fit = np.linalg.solve(normal, np.einsum("nki,nk->ni", design, w)[..., None])[..., 0]
    residual = w - np.einsum("nki,ni->nk", design, fit)
    deviation: Array = np.sqrt((residual**2).sum(1) / (residual.shape[1] - 6))
    return deviation


def step_noise(values: Array) -> Array:
    """Standard deviation that the steps of a sensor leave in its ``values``. (n,) -> (n,), same unit

    A structured-light camera measures depth in steps that grow with its square: millimetres near by, centimetres at the end
    of a room, and the terraces that they make look like surface to `scatter`. A value is known to a step, of
    uniform error: step / sqrt(12). Nothing is said (zeros) of values that hardly repeat.
    """
    levels, index = np.unique(values, return_inverse=True)
    if len(levels) < 8 or len(levels) > len(values) / 20:
        return np.zeros(len(values))
    gaps = np.diff(levels)
    # a level that a frame happens not to have doubles a gap: the median of a few says what a step is
    padded = np.pad(gaps, 4, mode="edge")
    step = np.median(np.lib.stride_tricks.sliding_window_view(padded, 9), axis=1)
    sigma: Array = np.append(step, step[-1])[index.reshape(-1)] / np.sqrt(12)
    return sigma


def smooth_steps(points: Points, axis: int, sigma: Array, neighbours: int = 32) -> Array:
    """Points (n, 3) of a depth frame, moved along ``axis`` within their step (``sigma`` from `step_noise`), onto local planes.

    Each plane is fitted over six times ``sigma``, from ``neighbours`` points of the cloud or of a thinned one, those across
    a depth edge left out. No point leaves the step that it was measured in, so nothing is smoothed that the sensor saw.
    """
    rng = np.random.default_rng(0)
    step = sigma * np.sqrt(12)
    tree_of_all, points = tree_of(points), points_of(points)
    reach = tree_of_all.query(points, [min(17, len(points))])[0][:, 0]
    wanted = 16 * (6 * sigma / np.maximum(reach, 1e-300)) ** 2
    level = np.ceil(np.log(np.maximum(wanted / neighbours, 1)) / np.log(4)).astype(int).clip(0, 6)
    u, v = (a for a in range(3) if a != axis)
    out = points.copy()
    for thin in np.unique(level[step > 0]):
        pool = points[rng.random(len(points)) < 4.0**-thin] if thin else points
        if len(pool) < 4 * neighbours:
            continue
        tree = KDTree(pool) if thin else tree_of_all
        chosen = np.flatnonzero((level == thin) & (step > 0))
        for part in np.array_split(chosen, max(1, len(chosen) // 50_000)):
            near = pool[tree.query(points[part], neighbours)[1]] - points[part][:, None]
            same = np.abs(near[..., axis]) < 3 * step[part][:, None]
            design = np.stack([np.ones_like(near[..., 0]), near[..., u], near[..., v]], -1) * same[..., None]
            matrix = np.einsum("nki,nkj->nij", design, design)
            size = np.trace(matrix, axis1=1, axis2=2)[:, None, None]
            right = np.einsum("nki,nk->ni", design, near[..., axis])
            shift = np.linalg.solve(matrix + 1e-9 * size * np.eye(3), right[..., None])[:, 0, 0]
            out[part, axis] += np.clip(shift, -step[part] / 2, step[part] / 2)
    return out


def neighbours_for(points: Points, noise: float, least: int, reach: float = 6.0, sample: int = 1000) -> int:
    """Neighbours that a local plane needs: as many as reach ``reach`` times the noise, and at least ``least``.

    Fewer lie in a ball of noise, whose best plane may face anywhere. Measured, share of normals on the right side with 16
    and with the number given here, armadillo and fandisk with noise 1 % of the longest side: .49 -> .98, .65 -> .999.
    """
    tree, count = tree_of(points), float(least)
    while count < min(MAX_NEIGHBOURS, tree.n // 4):
        if reach_of(tree, round(count), sample) >= reach * noise:
            break
        count *= 1.5
    return max(least, min(round(count), MAX_NEIGHBOURS))


def reach_of(tree: KDTree, neighbours: int, sample: int = 1000) -> float:
    """Median distance of a cloud's points to the farthest of so many neighbours, from up to ``sample`` of them."""
    some = np.random.default_rng(0).choice(tree.n, min(sample, tree.n), replace=False)
    return float(np.median(tree.query(tree.data[some], [min(neighbours + 1, tree.n)])[0]))


def support_distance(points: Points, spacing: float, sample: int = 4000) -> float:
    """How far from the points a surface may lie and still be supported by them. Same unit as ``points`` (n, 3).

    Five times the median spacing, or the spacing that an even random sample of the same density would have: a
    scanner that measures in lines leaves gaps between them, which the distance to the nearest neighbour does not see.
    The density is counted over neighbourhoods that are wide enough to have no long side.
    """
    tree, points = tree_of(points), points_of(points)
    some = np.random.default_rng(0).choice(len(points), min(sample, len(points)), replace=False)
    even = 0.0
    for count in (8, 16, 32, 64, 128, 256):
        if count >= len(points):
            break
        distance, near = tree.query(points[some], count + 1)
        local = points[near] - points[some][:, None]
        variance = np.linalg.eigvalsh(np.einsum("nki,nkj->nij", local, local))
        density = count / (np.pi * float(np.median(distance[:, -1])) ** 2)
        even = np.sqrt(np.log(2) / (np.pi * density))  # median nearest distance of a Poisson process in the plane
        if np.median(variance[:, 1] / np.maximum(variance[:, 2], 1e-300)) > 0.0625:
            break
    return float(5 * max(spacing, even))


def noise_across(points: Points, normals: Array, noise: float, seed: int = 0) -> float:
    """Standard deviation of positions across the surface, by normals that are known: of two sheets of a thin wall, which
    `scatter` takes for one noisy one, each counts for itself.

    Between two points of a surface of second order the chord is at right angles to the mean of their normals; what it is off by
    has the variance of both.

    Parameters
    ----------
    points, normals : (n, 3) and (n, 3) unit
    noise : as `scatter` has it; of neighbours nearer than that the nearest would be those that are off by the same
    """
    tree, every = tree_of(points), points_of(points)
    some = np.random.default_rng(seed).permutation(len(every))[:ACROSS_POINTS]
    count = neighbours_for(tree, noise, 16)
    near = tree.query(every[some], min(count + 1, len(every)))[1][:, count // 2 :]
    mean = normals[near] + normals[some, None]
    alike = (normals[near] * normals[some, None]).sum(-1) > ACROSS_ALIKE
    off = ((every[near] - every[some, None]) * mean).sum(-1) / np.maximum(np.linalg.norm(mean, axis=-1), 1e-12)
    return float(1.4826 * np.median(np.abs(off[alike])) / 2**0.5) if alike.any() else 0.0
