"""Guide samples: off-surface points with a signed distance, and its direction, to aim at.

The paper only pushes off-surface values away from zero, which leaves phantom sheets and a field that is no
distance. Here a coarse Poisson surface (`poisson`; a second or two) is made of the same
points, and its signed distance and gradient supervise the field away from the scan; near it, the scan itself decides.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...runtime.kdtree import KDTree
from ...runtime.triangles import Triangles
from ..facts import GuideFacts
from .closed import closed
from .poisson import poisson_surface

Array = NDArray[np.float64]

NEAR_DEVIATIONS = (0.01, 0.03, 0.1)  # standard deviations of the samples round the points, in box units
# How far the uniform samples reach, in box units: at the border of its samples a network has its largest errors. To 1 / 1.05 /
# 1.1, mean error of the field in percent of the half side, and Chamfer distance x 1000: armadillo .225 / .182 / .177,
# .194 / .197 / .197; rocker arm .183 / .133 / .120, .121 / .121 / .124.
UNIFORM_REACH = 1.05
POISSON_POINTS = 300_000  # more do not change a surface this coarse
DEPTH = 8  # the grid has 2^DEPTH cells a side
OPEN_UNSUPPORTED_SHARE = 0.03  # a guide with a larger share of its area far from any point belongs to an open scan


class Guide(NamedTuple):
    """arrays : "guide_points" (n, 3), "guide_distances" (n,) and "guide_directions" (n, 3), the unit gradient of the distance,
        all float32 and in box units; of an unsigned guide "guide_sides" (n,) too, see `unsigned.make_unsigned_guide`
    facts : how it was made, and whether much of its surface lies far from any point
    """

    arrays: dict[str, NDArray[np.float32]]
    facts: GuideFacts


def make_guide(
    points: Array,
    normals: Array,
    count: int,
    depth: int | None,
    support: float,
    seed: int,
    noise: float = 0.0,
    needed: bool = True,
) -> Guide:
    """Guide samples of a cloud in box coordinates.

    Parameters
    ----------
    points, normals : (n, 3) box coordinates and unit normals
    count : samples; see `draw_samples`. For none a surface is made only if it is not plain without whether it is open
    needed : whether samples are, also if the points plainly lie on a closed surface
    depth : of the Poisson grid; None: `DEPTH`. Measured, mean error of the distance near the surface at depths 7 / 8, in box
        units: armadillo, 100,000 points, clean .00070 / .00030, noise .0045 .00128 / .00108
    support : see `support_distance`
    """
    if not (count and needed) and not is_flat(points):
        known = closed(points, normals, noise, seed)
        if known or (known is False and not count):
            return Guide({}, GuideFacts(surface="none", open=not known))
    rng = np.random.default_rng(seed)
    some = np.arange(len(points))
    if len(points) > POISSON_POINTS:
        some = np.sort(rng.choice(len(points), POISSON_POINTS, replace=False))
    depth = depth or DEPTH
    if is_flat(points):  # screened Poisson of coplanar points never returns
        vertices, faces = np.empty((0, 3)), np.empty((0, 3), np.int64)
    else:
        vertices, faces = poisson_surface(points[some], normals[some], depth, noise)

    samples = draw_samples(points, count, rng)
    if not len(faces):
        signed, away = _tangent_plane_distance(samples, points, normals)
        facts = GuideFacts(samples=len(samples), surface="tangent planes", open=True)
    else:
        signed, away, watertight = _signed_distance(samples, vertices, faces)
        centres = vertices[faces].mean(1)
        corner = vertices[faces]
        area = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
        # the surface is coarse: its cells add to what counts as near
        far = KDTree(points).query(centres)[0] > support + 2 * 2.2 / 2**depth
        share = float(area[far].sum() / max(area.sum(), 1e-300))
        facts = GuideFacts(
            samples=len(samples),
            surface=f"Poisson, depth {depth}",
            watertight=watertight,
            unsupported=share,
            open=share > OPEN_UNSUPPORTED_SHARE,
        )
    directions = away / np.where(np.abs(signed) < 1e-9, np.inf, signed)[:, None]
    arrays: dict[str, NDArray[Any]] = {"guide_points": samples, "guide_distances": signed, "guide_directions": directions}
    return Guide({name: a.astype(np.float32) for name, a in arrays.items()}, facts)


def draw_samples(points: Array, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """(count, 3) points: half of them uniform in the box and a little beyond, half normally distributed round the cloud's."""
    half = count // 2
    near = points[rng.integers(0, len(points), count - half)]
    near = near + rng.normal(size=near.shape) * rng.choice(NEAR_DEVIATIONS, len(near))[:, None]
    return np.concatenate([rng.uniform(-UNIFORM_REACH, UNIFORM_REACH, (half, 3)), np.clip(near, -1, 1)]).astype(np.float32)


def is_flat(points: Array) -> bool:
    """Whether the points lie in one plane, to a millionth of their extent."""
    low, high = points.min(0), points.max(0)
    centred = (points - (low + high) / 2) / (high - low).max()
    centred = centred - centred.mean(0)
    return bool(np.sqrt(max(np.linalg.eigvalsh(centred.T @ centred / len(points))[0], 0)) < 1e-6)


def _signed_distance(samples: NDArray[np.float32], vertices: Array, faces: NDArray[np.int64]) -> tuple[Array, Array, bool]:
    """Signed distance to a mesh, negative inside; by ray parity where it is closed, else by the nearest face's side.

    Returns distances (n,), vectors from the nearest point of the surface (n, 3), and whether the mesh is closed.
    """
    surface = Triangles(vertices, faces)
    hit = surface.closest(samples)
    away = samples - hit.points
    distance = np.linalg.norm(away, axis=1)
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), 1) @ [len(vertices), 1]
    if (np.unique(edges, return_counts=True)[1] == 2).all():
        inside = surface.inside(samples)
        return np.where(inside, -distance, distance), away, True
    # Vertex normals, interpolated: at edges and corners the sign of one face's normal is not enough
    # (Baerentzen and Aanaes 2005).
    import trimesh  # here: half a second that closed surfaces need not wait

    normals = np.asarray(trimesh.Trimesh(vertices, faces, process=False).vertex_normals)
    uv, face = hit.uvs, faces[hit.faces]
    weights = np.stack([1 - uv.sum(1), uv[:, 0], uv[:, 1]], 1)
    side = ((normals[face] * weights[..., None]).sum(1) * away).sum(1)
    return distance * np.where(side < 0, -1, 1), away, False


def _tangent_plane_distance(samples: NDArray[np.float32], points: Array, normals: Array) -> tuple[Array, Array]:
    """Distance to the nearest point, with the side of its tangent plane (Hoppe et al. 1992), and the vector from it."""
    distance, nearest = KDTree(points).query(samples)
    away = samples - points[nearest]
    side = (away * normals[nearest]).sum(1)
    return distance * np.where(side < 0, -1, 1), away
