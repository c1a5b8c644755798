"""Field -> mesh: narrow band, marching cubes, Newton refinement, clean-up, verification."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import RunError
from ..field import Field
from ..runtime.kdtree import KDTree
from .band_precision import BandValues, precision_of
from .components import carry, clean_up
from .dual_contouring import dual_contouring
from .fitted_faces import balance, flip_edges
from .marching_cubes import sparse_marching_cubes
from .mesh import TriangleMesh
from .narrow_band import Band, Grid, narrow_band
from .postprocess import decimate, decimate_to_error, farthest, smooth
from .refine import newton_refine
from .settings import MeshSettings
from .verify import verify

SLOPE_MARGIN = 1.25  # on the largest gradient seen
SLOPE_CAP = 4.0  # a distance field's slope is 1; far more means that the fit failed, and costs memory cubed
RESOLUTIONS = (256, 512)  # least and most that is chosen unasked
MAX_LEAVES_PER_AREA = 20  # leaves per squared grid side: a fitted surface has 1 to 8


def slope_bound(field: Field, grid: Grid, seed: int = 0, samples: int = 20_000) -> float:
    """A bound on |grad f| over the grid: the largest of random samples, with a margin."""
    rng = np.random.default_rng(seed)
    x = grid.positions(rng.uniform(0, 1, (samples, 3)) * np.array(grid.cells))
    _, g = field.box_values_and_gradients(x)
    return float(min(SLOPE_CAP, max(1.0, np.linalg.norm(g, axis=1).max()) * SLOPE_MARGIN))


def resolution_of(field: Field, settings: MeshSettings) -> int:
    """The resolution asked for, else cells of two point spacings: finer ones would show the fit, not the scan."""
    if settings.resolution is not None:
        return int(settings.resolution)
    low, high = field.bounds()
    cells = float((high - low).max()) / (2 * max(field.header["spacing"], 1e-9))
    return int(np.clip(32 * round(cells / 32), *RESOLUTIONS))


def grid_of(field: Field, resolution: int, margin: float) -> Grid:
    """The grid round the scan's bounds, with a margin (share of its longest side), inside the box."""
    return Grid.covering(*field.bounds(margin), resolution)


def band_of(field: Field, resolution: int, margin: float, dtype: torch.dtype = torch.float32) -> Band:
    """The part of the grid round the scan that the field's zero level set can reach. Raises RunError.

    ``dtype`` : of the products that decide signs, see `quick.BandValues`
    """
    grid = grid_of(field, resolution, margin)
    most = MAX_LEAVES_PER_AREA * (max(grid.cells) // 2) ** 2
    values = BandValues(field, grid.step, dtype)
    return narrow_band(values, grid, slope_bound(field, grid), most, values.slope)


def extract(
    field: Field, arrays: dict[str, NDArray[Any]], settings: MeshSettings, say: Callable[[str], None] = lambda _: None
) -> tuple[TriangleMesh, dict[str, Any]]:
    """The zero level set of a field as a mesh in the user's coordinates, and what was found about it.

    Parameters
    ----------
    arrays : of the ingested cloud; its points (box coordinates) trim and verify, its colours are carried over

    Returns
    -------
    mesh : vertices in the user's units
    facts : resolution, times, evaluations, trimming, verification, distances of the input points

    Raises
    ------
    RunError : the field has no zero level set inside the grid, or so much of it that the fit has failed
    """
    begun = time.perf_counter()
    scale = field.frame.scale
    resolution = resolution_of(field, settings)
    # where no Newton step follows a vertex is as good as the values at the ends of its edge
    dtype = precision_of(field, resolution, settings.precision if settings.refine and not settings.sharp else "float32")
    band = band_of(field, resolution, settings.margin, dtype)
    grid = band.grid
    if not _crosses_zero(band):
        raise RunError("the field has no zero level set here", where="mesh", hint="fit longer, or look at the loss")
    fitted: dict[str, Any] = {}
    if settings.sharp:
        box, faces, normals, refinements = dual_contouring(band, field.box_values_and_gradients)
        residual = np.abs(field.box_values(box))
    else:
        vertices, faces = sparse_marching_cubes(band)
        box, normals, residual, refinements = newton_refine(
            lambda x: field.box_values_and_gradients(x, dtype), grid.positions(vertices), grid.step, settings.refine
        )
        if settings.facets == "fitted":
            faces, flips = flip_edges(box, faces, normals, grid.step)
            box, moved = balance(box, faces, normals, grid.step)
            fitted = {"flipped_edges": flips, "moved_vertices": moved * scale}
    at_boundary = _at_boundary(box, grid)
    facts: dict[str, Any] = {
        "resolution": resolution,
        "method": "dual contouring" if settings.sharp else "marching cubes",
        "cell": grid.step * scale,
        "evaluations": band.evaluations,
        "precision": str(dtype).removeprefix("torch."),
        "refinements": refinements,
        "residual": float(residual.mean()) * scale,  # of the vertices as refined, before they are moved
        **fitted,
    }
    del band, residual
    points = arrays["points"].astype(np.float64)
    tree = KDTree(points)
    mesh = clean_up(TriangleMesh(box, faces, normals), field, points, tree, settings, facts, say)
    mesh = _after(mesh, field, settings, facts, say)
    if settings.colours and ("colours" in arrays or "intensity" in arrays):
        mesh = carry(mesh, tree, arrays.get("colours"), arrays.get("intensity"))

    # ---- Verify ------------------------------------------------------------------------------------
    mesh = replace(mesh, vertices=field.frame.to_user(mesh.vertices))
    checked = verify(mesh)
    facts["verification"] = checked.facts()
    facts["input_distance"] = input_distances(field.frame.to_box(mesh.vertices), mesh.faces, points, scale)
    facts["touches_boundary"] = bool(checked.boundary_edges) and at_boundary
    facts["seconds"] = time.perf_counter() - begun
    return mesh, facts


def _after(
    mesh: TriangleMesh, field: Field, settings: MeshSettings, facts: dict[str, Any], say: Callable[[str], None]
) -> TriangleMesh:
    """Smoothing and decimation, where asked for; how far the result is from the mesh before goes into ``facts``."""
    if not (settings.smooth or settings.faces or settings.max_error):
        return mesh
    vertices, faces = mesh.vertices, mesh.faces
    scale = field.frame.scale
    if settings.smooth:
        vertices = smooth(vertices, faces, settings.smooth)
    if settings.max_error:
        vertices, faces = decimate_to_error(vertices, faces, settings.max_error / scale)
    if settings.faces:
        vertices, faces = decimate(vertices, faces, settings.faces)
    moved = farthest(mesh.vertices, vertices, faces) * scale
    facts["post"] = {"faces_before": len(mesh.faces), "farthest": moved}
    say(f"{len(mesh.faces):,} -> {len(faces):,} faces; no vertex of the full mesh is farther than {moved:.3g} from this one")
    _, gradient = field.box_values_and_gradients(vertices)
    length = np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 1e-12)
    return TriangleMesh(vertices, faces, (gradient / length).astype(np.float32))


def _crosses_zero(band: Band) -> bool:
    f = band.values[~np.isnan(band.values)]
    return bool(len(f) and f.min() < 0 < f.max())


def _at_boundary(vertices: NDArray[np.float64], grid: Grid) -> bool:
    low, high = grid.positions(np.zeros(3)), grid.positions(np.array(grid.cells))
    hair = 0.01 * grid.step
    return bool(((vertices < low + hair) | (vertices > high - hair)).any())


def input_distances(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], points: NDArray[np.float64], scale: float
) -> dict[str, float]:
    """Distances from the input points to the mesh (all in box coordinates), in the user's units."""
    from ..runtime.open3d_loader import ray_scene

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
        parts = [
            (v["boundary_edges"], "boundary edges"),
            (v["nonmanifold_edges"], "non-manifold edges"),
            (v["misoriented_edges"], "misoriented edges"),
        ]
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
