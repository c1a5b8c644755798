"""How far a local field may be from the surface: error bars that are measured, on points that were held out.

A field is solved from half of the points; it is off at the others by its own error plus their noise. Of two that are neighbours
the error is the same and the noise is not, so the mean product of their residuals is the mean square of the error, whatever the
noise. Where the surface bends it is larger: the mean is taken in classes of how far neighbouring normals part.

The deviation of the heads' posterior does not do: it knows nothing of what the sines cannot show (on the fandisk it is half of
the error), and is all but uncorrelated with the error from place to place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from ..nets.cpu.local_evaluate import evaluate
from ..runtime.kdtree import KDTree
from .problem import Scan
from .settings import LocalSettings
from .solve import solve_local

Array = NDArray[np.float64]

CLASSES = 8  # of bends, with as many points in each
BEND_NEIGHBOURS = 16
PARTNERS = 4  # nearest held-out points that each is paired with
ONE_SHEET = 0.8  # cosine of the normals of a pair
LEAST_SLOPE = 0.3  # of the field where a residual is taken for a distance
# mean square of the error of a field that has seen all points, of that of one that has seen half: .71 in the mean of nine scans
# (armadillo, fandisk, rocker arm; noise of .1, .25 and .5 %), .59 to .96
OF_ALL = 0.76
LEAST = 0.04  # of the mean square that a class has at least


def error_bars(scan: Scan, settings: LocalSettings, seed: int, device: torch.device) -> Callable[[Array], Array]:
    """What gives the standard deviation (n,) of the surface at places (n, 3) on it, box units.

    90 % of the true distances lie within 1.645 of it; what share does is measured by ``pipelines/bench/uncertainty.py``.
    """
    rng = np.random.default_rng(seed)
    seen = np.zeros(len(scan.points), bool)
    seen[rng.permutation(len(seen))[: len(seen) // 2]] = True
    shown = replace(scan, points=scan.points[seen], normals=scan.normals[seen], deviation=scan.deviation[seen])
    net = solve_local(replace(shown, spacing=scan.spacing * 2**0.5), settings, seed, device)
    points, normals = scan.points[~seen], scan.normals[~seen]
    value, gradient = (array.astype(np.float64) for array in evaluate(net, points, True))
    slope = np.maximum(np.linalg.norm(gradient, axis=1), LEAST_SLOPE)
    residual = value / slope
    # neighbours on the surface: neighbours in space are off to the same side
    feet = KDTree(points - (residual / slope)[:, None] * gradient)
    beside = feet.query(np.asarray(feet.data), PARTNERS + 1)[1][:, 1:]
    paired = (normals[beside] * normals[:, None]).sum(-1) > ONE_SHEET
    product = (residual[:, None] * residual[beside] * paired).sum(1) / np.maximum(paired.sum(1), 1)
    product, bend = product[paired.any(1)], _bends(feet, normals, np.asarray(feet.data)[paired.any(1)])

    limits = np.unique(np.quantile(bend, np.linspace(0, 1, CLASSES + 1)[1:-1]))
    of = np.digitize(bend, limits)
    count = np.bincount(of, minlength=len(limits) + 1)
    mean = np.bincount(of, product, len(limits) + 1) / np.maximum(count, 1)
    rising = np.maximum(_rising(mean, count), LEAST * max(float(product.mean()), 0.0))
    deviation = np.sqrt(OF_ALL * rising)
    return lambda x: deviation[np.digitize(_bends(feet, normals, x), limits)]


def _bends(tree: KDTree, normals: Array, x: Array) -> Array:
    """(n,) how far the normals of the points nearest to x (n, 3) part: 0 where all are the same, 1 where they cancel."""
    return 1 - np.linalg.norm(normals[tree.query(x, min(BEND_NEIGHBOURS, tree.n))[1]].mean(1), axis=1)


def _rising(values: Array, weights: NDArray[np.int64]) -> Array:
    """The nearest sequence to ``values`` (n,) that does not fall: isotonic regression by pooling neighbours."""
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        pools.append((value, weight, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, u, m), (b, v, n) = pools[-2:]
            pools[-2:] = [((a * u + b * v) / max(u + v, 1), u + v, m + n)]
    return np.concatenate([np.full(count, mean) for mean, _, count in pools])
