"""Normals: checked when the file has them, estimated and oriented when it has not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ..errors import InputError
from .open3d_loader import open3d

Normals = NDArray[np.float64]

MAX_INVALID = 0.1  # share of points without a valid normal that are dropped; more is an error
ORIENT_POINTS = 30_000  # orientation is propagated over this many; the others take their neighbour's side


def unit_normals(normals: Normals, where: object) -> tuple[Normals, NDArray[np.bool_]]:
    """Normals scaled to length 1, and which of them are valid (finite, not zero).

    Raises
    ------
    InputError : more than a tenth are not
    """
    with np.errstate(invalid="ignore", over="ignore"):
        length = np.linalg.norm(normals, axis=1)
    valid = np.isfinite(length) & (length > 1e-12)
    share = 1 - valid.mean()
    if share > MAX_INVALID:
        which = "all normals are" if share == 1 else f"{share:.0%} of the normals are"
        raise InputError(f"{which} zero or not finite", where=where, hint="try --set ingest.normals=estimate")
    return np.where(valid[:, None], normals / np.where(valid, length, 1)[:, None], 0), valid


def estimate_normals(points: NDArray[np.float64], neighbours: int) -> Normals:
    """Normals from local planes (Hoppe et al. 1992), oriented consistently, outward at the top.

    Planes are fitted to the ``neighbours`` nearest points. Signs are propagated along a minimum spanning
    tree of a subsample; every other point takes the sign that agrees with its nearest one there. The whole
    is then turned so that the normals at the highest points look up, which is outward for a closed shape
    and towards the sky for terrain.

    points : (n, 3) -> (n, 3) unit
    """
    o3d = open3d()
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points))
    cloud.estimate_normals(o3d.geometry.KDTreeSearchParamKNN(min(neighbours, len(points))))
    normals = np.array(cloud.normals)
    some = np.arange(len(points))
    if len(points) > ORIENT_POINTS:
        some = np.sort(np.random.default_rng(0).choice(len(points), ORIENT_POINTS, replace=False))
    part = cloud.select_by_index(some.tolist())
    try:
        part.orient_normals_consistent_tangent_plane(min(12, len(some) - 1))
        oriented = np.array(part.normals)
    except RuntimeError:  # no tetrahedra: the points lie in one plane, and any common side will do
        oriented = normals[some] * np.sign(normals[some] @ normals[some[0]] + 1e-30)[:, None]
    _, nearest = cKDTree(points[some]).query(points)
    agree = (normals * oriented[nearest]).sum(1)
    normals *= np.where(agree < 0, -1, 1)[:, None]
    # Hoppe's rule, over the highest thousandth rather than one point
    top = np.argsort(points[:, 2])[-max(10, len(points) // 1000) :]
    if normals[top, 2].sum() < 0:
        normals = -normals
    return normals


def noise_and_spacing(points: NDArray[np.float64], sample: int = 5000) -> tuple[float, float]:
    """Noise and spacing of a cloud, (n, 3) in any unit.

    Returns
    -------
    noise : estimated standard deviation across the surface: the median residual of quadric fits to the
        neighbourhoods of up to ``sample`` points (a plane would take curvature for noise). Neighbourhoods
        grow until they are much wider than the noise, which else fills them and is underestimated
    spacing : median distance to the nearest other point
    """
    rng = np.random.default_rng(0)
    tree = cKDTree(points)
    index = rng.choice(len(points), min(sample, len(points)), replace=False)
    spacing = float(np.median(tree.query(points[index], 2)[0][:, 1]))
    sigma = 0.0
    for neighbours in (24, 48, 96, 192):
        if neighbours >= len(points):
            break
        distance, near = tree.query(points[index], neighbours + 1)
        sigma = _quadric_residual(points[near], distance[:, -1:])
        if sigma < 0.2 * np.median(distance[:, -1]):
            break
    return sigma, spacing


def _quadric_residual(neighbourhoods: NDArray[np.float64], size: NDArray[np.float64]) -> float:
    """Median over (n, k, 3) neighbourhoods of the standard deviation from their best quadric."""
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
    return float(np.median(np.sqrt((residual**2).sum(1) / (residual.shape[1] - 6))))
