"""Field -> mesh: narrow band, marching cubes, Newton refinement, clean-up, verification."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ..errors import RunError
from ..field import Field
from .band import Band, Grid, narrow_band
from .marching import sparse_marching_cubes
from .mesh import TriangleMesh
from .refine import newton_refine
from .verify import verify

SLOPE_MARGIN = 1.25  # on the largest gradient seen
LOCAL_MARGIN = 1.05
SLOPE_CAP = 4.0  # a distance field's slope is 1; far more means that the fit failed, and costs memory cubed
MAX_LEAVES_PER_AREA = 40  # leaves per squared grid side: a fitted surface has 1 to 8


def slope_bound(field: Field, grid: Grid, seed: int = 0, samples: int = 20_000) -> float:
    """A bound on |grad f| over the grid: the largest of random samples, with a margin."""
    rng = np.random.default_rng(seed)
    x = grid.positions(rng.uniform(0, 1, (samples, 3)) * np.array(grid.cells))
    _, g = field.box_values_and_gradients(x)
    return float(min(SLOPE_CAP, max(1.0, np.linalg.norm(g, axis=1).max()) * SLOPE_MARGIN))


def local_slope(field: Field, points: NDArray[np.float64], seed: int = 0, samples: int = 4000) -> float:
    """A bound on |grad f| near the surface: what 999 of 1000 of ``points`` keep, with a margin.

    The largest would let a single cusp triple the cost; where the bound fails the band follows the level set anyway.
    """
    some = points[np.random.default_rng(seed).integers(0, len(points), samples)]
    _, g = field.box_values_and_gradients(some)
    return float(max(1.0, np.quantile(np.linalg.norm(g, axis=1), 0.999)) * LOCAL_MARGIN)


def grid_of(field: Field, resolution: int, margin: float) -> Grid:
    """The grid round the scan's bounds, with a margin (share of its longest side), inside the box."""
    low, high = (np.array(field.header["bounds"][k]) for k in ("low", "high"))
    pad = margin * float((high - low).max())
    return Grid.covering(np.maximum(low - pad, -1.0), np.minimum(high + pad, 1.0), resolution)


def band_of(field: Field, resolution: int, margin: float) -> Band:
    """The part of the grid round the scan that the field's zero level set can reach. Raises RunError."""
    grid = grid_of(field, resolution, margin)
    most = MAX_LEAVES_PER_AREA * (max(grid.cells) // 2) ** 2
    return narrow_band(field.box_values, grid, slope_bound(field, grid), most, lambda x: local_slope(field, x))


def extract(
    field: Field, arrays: dict[str, NDArray[Any]], settings: Any, say: Callable[[str], None] = lambda _: None
) -> tuple[TriangleMesh, dict[str, Any]]:
    """The zero level set of a field as a mesh in the user's coordinates, and what was found about it.

    Parameters
    ----------
    arrays : of the ingested cloud; its points (box coordinates) trim and verify, its colours are carried over
    settings : `tasks.shape.MeshSettings`

    Returns
    -------
    mesh : vertices in the user's units
    facts : resolution, times, evaluations, trimming, verification, distances of the input points

    Raises
    ------
    RunError : the field has no zero level set inside the grid, or so much of it that the fit has failed
    """
    begun = time.perf_counter()
    band = band_of(field, settings.resolution, settings.margin)
    grid = band.grid
    vertices, faces = sparse_marching_cubes(band)
    if not len(faces):
        raise RunError("the field has no zero level set here", where="mesh", hint="fit longer, or look at the loss")
    box, normals, residual, refinements = newton_refine(
        field.box_values_and_gradients, grid.positions(vertices), grid.step, settings.refine
    )
    mesh = TriangleMesh(box, faces, normals)
    facts: dict[str, Any] = {
        "resolution": settings.resolution,
        "cell": grid.step * field.frame.scale,
        "evaluations": band.evaluations,
        "refinements": refinements,
        "residual": float(residual.mean()) * field.frame.scale,
    }

    # ---- Clean up ----------------------------------------------------------------------------------
    points = arrays["points"].astype(np.float64)
    tree = cKDTree(points)
    trim = settings.trim == "on" or (settings.trim == "auto" and bool(field.header["open"]))
    if trim:
        reach = settings.trim_distance * field.header["spacing"] if settings.trim_distance else field.header["support"]
        near = tree.query(mesh.vertices, distance_upper_bound=reach)[0] <= reach
        keep = near[mesh.faces].all(1)
        if not keep.any():
            raise RunError("trimming leaves nothing of the surface", where="mesh", hint="--set mesh.trim=off")
        areas = mesh.face_areas()
        facts["trimmed"] = {"distance": reach * field.frame.scale, "area_share": float(areas[~keep].sum() / areas.sum())}
        mesh = mesh.keep_faces(keep)
        say(f"open scan: trimmed what lies farther than {reach * field.frame.scale:.4g} from any point "
            f"({facts['trimmed']['area_share']:.1%} of the area; --set mesh.trim=off keeps it)")  # fmt: skip
    mesh, dropped = drop_small_components(mesh, settings.min_component)
    facts["dropped_components"] = dropped
    if dropped:
        say(f"dropped {dropped} components below {settings.min_component:.2%} of the area")
    if settings.colours and "colours" in arrays:
        mesh = TriangleMesh(mesh.vertices, mesh.faces, mesh.normals, blend_colours(mesh.vertices, tree, arrays["colours"]))

    # ---- Verify ------------------------------------------------------------------------------------
    mesh = TriangleMesh(field.frame.to_user(mesh.vertices), mesh.faces, mesh.normals, mesh.colours)
    checked = verify(mesh)
    facts["verification"] = checked.facts()
    facts["input_distance"] = input_distances(field.frame.to_box(mesh.vertices), mesh.faces, points, field.frame.scale)
    facts["touches_boundary"] = bool(checked.boundary_edges) and _at_boundary(vertices, grid)
    facts["seconds"] = time.perf_counter() - begun
    return mesh, facts


def _at_boundary(vertices: NDArray[np.float64], grid: Grid) -> bool:
    return bool(((vertices < 0.01) | (vertices > np.array(grid.cells) - 0.01)).any())


def drop_small_components(mesh: TriangleMesh, share: float) -> tuple[TriangleMesh, int]:
    """Without the components whose area is below ``share`` of the whole; and how many those were."""
    count, label = mesh.face_components()
    if count < 2 or share <= 0:
        return mesh, 0
    areas = np.bincount(label, mesh.face_areas(), count)
    small = areas < share * areas.sum()
    return (mesh.keep_faces(~small[label]), int(small.sum())) if small.any() else (mesh, 0)


def blend_colours(
    vertices: NDArray[np.float64], tree: cKDTree, colours: NDArray[np.uint8], neighbours: int = 4
) -> NDArray[np.uint8]:
    """Colour of each vertex: the nearest points', weighted by inverse squared distance. (n, 3) uint8"""
    distance, near = tree.query(vertices, min(neighbours, tree.n))
    weight = 1 / np.maximum(distance, 1e-12) ** 2
    blended = (colours[near] * weight[..., None]).sum(1) / weight.sum(1, keepdims=True)
    return np.clip(np.rint(blended), 0, 255).astype(np.uint8)


def input_distances(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], points: NDArray[np.float64], scale: float
) -> dict[str, float]:
    """Distances from the input points to the mesh (all in box coordinates), in the user's units."""
    from ..signals.open3d_loader import ray_scene

    distance = ray_scene(vertices, faces).compute_distance(points.astype(np.float32)).numpy() * scale
    return {
        "mean": float(distance.mean()),
        "p95": float(np.quantile(distance, 0.95)),
        "max": float(distance.max()),
    }


def summary(facts: dict[str, Any]) -> list[str]:
    """What a mesh is, in a few lines for the screen."""
    v = facts["verification"]
    if v["watertight"]:
        genus = f", genus {v['genus']}" if v["genus"] is not None else ""
        state = f"watertight (closed, edge-manifold, oriented){genus}"
    else:
        parts = [(v["boundary_edges"], "boundary edges"), (v["nonmanifold_edges"], "non-manifold edges"),
                 (v["misoriented_edges"], "misoriented edges")]  # fmt: skip
        state = "not watertight: " + ", ".join(f"{n:,} {name}" for n, name in parts if n)
    d = facts["input_distance"]
    plural = "" if v["components"] == 1 else "s"
    lines = [
        f"{v['vertices']:,} vertices, {v['faces']:,} faces, {v['components']} component{plural}",
        state,
        f"input points to mesh: mean {d['mean']:.4g}, 95 % {d['p95']:.4g}, max {d['max']:.4g}",
    ]
    if facts["touches_boundary"]:
        lines.append("the surface reaches the edge of the grid and ends there (mesh.margin widens it)")
    return lines
