"""From a field to the triangles of its zero level set, in box coordinates: narrow band, triangles, vertices on the surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import RunError
from ..field import Field
from ..pointcloud.header import CloudHeader
from ..pointcloud.region import corners
from ..runtime.working import working_at
from .band_precision import BandValues, precision_of
from .dual_contouring import dual_contouring
from .fitted_faces import balance_vertices, flip_edges
from .grid import Band, Grid
from .marching_cubes import sparse_marching_cubes
from .mesh import TriangleMesh
from .narrow_band import narrow_band
from .refine import newton_refine
from .settings import MeshSettings

GRID_SLOPE_MARGIN = 1.25  # on the largest gradient seen anywhere in the grid
LARGEST_SLOPE = 4.0  # a distance field's slope is 1; far more means that the fit failed, and costs memory cubed
CHOSEN_RESOLUTIONS = (256, 512)  # least and most that is chosen unasked
BAND_SHARE = 0.55  # of the time of a mesh, for the narrow band
# Where two spacings are so wide that there are fewer cells than SPARSE, as of 3,000 points, half the least: 1,300 points of a
# trefoil give 96,848 faces in 2.0 s for 396,654 in 8.9 s, which are no nearer to them (.0080 for .0083, of the diagonal 2.5).
SPARSE, SPARSE_RESOLUTION = 64, 128
MIN_CELLS = 8  # of a part
MOST_LEAVES_PER_AREA = 20  # leaves per squared grid side: a fitted surface has 1 to 8


@dataclass(frozen=True)
class LevelSet:
    """Triangles of a zero level set, and how they were found. Lengths are in box units.

    evaluations, refinements : of the field on the grid; of the field with its gradient at vertices
    residual : mean distance of the vertices from the level set, as refined, before they are moved to fit the faces
    flipped_edges, moved_vertices : what fitting the faces did; None where it was not asked for
    at_boundary : whether any vertex lies on the outside of the grid
    """

    mesh: TriangleMesh
    cell: float
    evaluations: int
    dtype: torch.dtype
    refinements: int
    residual: float
    flipped_edges: int | None
    moved_vertices: float | None
    at_boundary: bool


def level_set(field: Field, resolution: int, settings: MeshSettings) -> LevelSet:
    """The zero level set of a field as triangles.

    Raises
    ------
    RunError : there is none inside the grid, or so much of it that the fit has failed
    """
    # where no Newton step follows a vertex is as good as the values at the ends of its edge
    dtype = precision_of(field, resolution, settings.precision if settings.refine and not settings.sharp else "float32")
    band = band_of(field, resolution, settings.margin, dtype, region=region_of(field, settings))
    if not band.crosses_zero():
        hint = "fit longer, or look at the loss" if settings.box is None else "a larger box"
        raise RunError("the field has no zero level set here", where="mesh", hint=hint)
    working_at("vertices onto the level set", BAND_SHARE)
    grid = band.grid
    flipped, moved = None, None
    if settings.sharp:
        vertices, faces, normals, refinements = dual_contouring(band, field.box_values_and_gradients)
        residual = np.abs(field.box_values(vertices))
    else:
        cubes, faces = sparse_marching_cubes(band)
        vertices, normals, residual, refinements = newton_refine(
            lambda x: field.box_values_and_gradients(x, dtype), grid.positions(cubes), grid.step, settings.refine
        )
        if settings.facets == "fitted":
            faces, flipped = flip_edges(vertices, faces, normals, grid.step)
            vertices, moved = balance_vertices(vertices, faces, normals, grid.step)
    return LevelSet(
        mesh=TriangleMesh(vertices, faces, normals),
        cell=grid.step,
        evaluations=band.evaluations,
        dtype=dtype,
        refinements=refinements,
        residual=float(residual.mean()),
        flipped_edges=flipped,
        moved_vertices=moved,
        at_boundary=grid.reached_by(vertices),
    )


def resolution_of(field: Field, settings: MeshSettings) -> int:
    """The resolution asked for, else cells of two point spacings: finer ones would show the fit, not the scan. Of a part of the
    scan they are as large as of the whole."""
    if settings.resolution is not None:
        return settings.resolution
    low, high = field.bounds()
    cells = float((high - low).max()) / (2 * max(CloudHeader.of(field.header).spacing, 1e-9))
    chosen = int(np.clip(32 * round(cells / 32), *CHOSEN_RESOLUTIONS)) if cells >= SPARSE else SPARSE_RESOLUTION
    if settings.box is None:
        return chosen
    (a, b), (low, high) = region_of(field, settings), field.bounds(settings.margin)
    return max(MIN_CELLS, round(chosen * float((b - a).max() / (high - low).max())))


def region_of(field: Field, settings: MeshSettings) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Corners (3,) and (3,) of what the grid covers, box coordinates: the scan with a margin, or what of it is in the box that
    the settings name.

    Raises
    ------
    RunError : nothing of it does
    """
    low, high = field.bounds(settings.margin)
    if settings.box is None:
        return low, high
    first, last = (field.frame.to_box(corner[None])[0] for corner in corners(settings.box))
    low, high = np.maximum(low, first), np.minimum(high, last)
    if not (low < high).all():
        raise RunError("the box lies beside the scan", where="mesh.box", hint="inspect tells where that is")
    return low, high


def band_of(
    field: Field,
    resolution: int,
    margin: float,
    dtype: torch.dtype = torch.float32,
    level: float = 0.0,
    slope_samples: int = 20_000,
    region: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
) -> Band:
    """The part of a grid round the scan that a level set of the field can reach.

    Parameters
    ----------
    resolution : cells along the longest side
    margin : of the grid round the scan's bounds, as a share of their longest side
    dtype : of the products that decide signs, see `BandValues`
    level : the value of f on the surface, box units
    slope_samples : gradients that the bound on the slope is measured by
    region : corners of the grid, if not those of the scan with its margin

    Raises
    ------
    RunError : the level set fills so much of the grid that the fit has failed
    """
    grid = Grid.covering(*(region or field.bounds(margin)), resolution)
    most = MOST_LEAVES_PER_AREA * (max(grid.cells) // 2) ** 2
    values = BandValues(field, grid.step, dtype, level)
    return narrow_band(values, grid, slope_bound(field, grid, samples=slope_samples), most, values.slope)


def slope_bound(field: Field, grid: Grid, seed: int = 0, samples: int = 20_000) -> float:
    """A bound on |grad f| over the grid: the largest of random samples, with a margin."""
    rng = np.random.default_rng(seed)
    x = grid.positions(rng.uniform(0, 1, (samples, 3)) * np.array(grid.cells))
    _, g = field.box_values_and_gradients(x)
    return float(min(LARGEST_SLOPE, max(1.0, np.linalg.norm(g, axis=1).max()) * GRID_SLOPE_MARGIN))
