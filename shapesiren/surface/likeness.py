"""Whether a mesh is the surface of its points: how near they are, what of it no point supports, and the likely cause."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..field import Field
from .facts import Likeness
from .mesh import TriangleMesh
from .support import Support
from .verify import point_distances

Array = NDArray[np.float64]

FAR_SPACINGS = 5.0  # spacings from the mesh, beyond which a point is far
MOST_MEAN, MOST_FAR = 1.25, 0.01  # spacings, and share of far points: noise alone makes .8 and none
MOST_LOST, MOST_AGAINST, MOST_UNSUPPORTED = 0.02, 0.1, 0.1  # shares
LEAST_CAUSE = MOST_FAR / 2  # share of lost points that is a cause, where too many are far
LOST_SPACINGS, KNOWN_SHARE = 1.0, 0.25  # off the mesh by that, of which the field, or the mesh before, is off by that share
AREA_SAMPLES, FIELD_POINTS = 50_000, 10_000


def judge(
    mesh: TriangleMesh,
    whole: TriangleMesh,
    support: Support,
    points: Array,
    normals: Array,
    distance: Array,
    field: Field,
    cell: float,
    closed: bool = False,
) -> tuple[Likeness, list[str]]:
    """How like its points a mesh is, and a line on whatever is wrong with it. All in box coordinates.

    Parameters
    ----------
    whole : the level set, before anything was cut off, dropped or smoothed
    points, normals : (k, 3) of the scan, where the mesh should be, and their ``distance`` (k,) from it
    cell : side of a grid cell
    closed : a closed surface was asked for: that parts of it have no point near is told there, and no fault
    """
    header = support.header
    unit = max(header.spacing, header.noise, 1e-9)
    some = np.random.default_rng(0).permutation(len(distance))[:FIELD_POINTS]
    points, off = points[some], distance[some]
    value, gradient = field.box_values_and_gradients(points)
    slope = np.linalg.norm(gradient, axis=1)
    fit = np.abs(value) / np.maximum(slope, 1e-3)  # of a distance field, how far the point is from its surface
    found = Likeness(
        spacing=unit * header.frame.scale,
        mean=float(distance.mean()) / unit,
        p95=float(np.quantile(distance, 0.95)) / unit,
        p99=float(np.quantile(distance, 0.99)) / unit,
        far_share=float((distance > FAR_SPACINGS * unit).mean()),
        unsupported_share=float(support.unsupported(on_surface(mesh, AREA_SAMPLES)).mean()),
        field_mean=float(fit.mean()) / unit,
        field_far_share=float((fit > FAR_SPACINGS * unit).mean()),
        against_share=float(((gradient * normals[some]).sum(1) < 0).mean()) if header.signed else None,
    )
    lost = (off > LOST_SPACINGS * unit) & (fit < KNOWN_SHARE * off)
    taken = np.zeros(len(some), bool)
    if lost.mean() > LEAST_CAUSE:
        taken[lost] = point_distances(whole.vertices, whole.faces, points[lost]) < KNOWN_SHARE * off[lost]
    return found, causes(found, float((lost & ~taken).mean()), float(taken.mean()), cell * header.frame.scale, closed)


def causes(found: Likeness, thin: float, taken: float, cell: float, closed: bool = False) -> list[str]:
    """A line on each thing that is wrong: what, and what to try.

    Parameters
    ----------
    thin, taken : shares of the points through which the field passes, and the mesh does not: from the beginning; since
        something was taken away
    cell : of the grid, in the user's units
    """
    said = []
    off = found.mean > MOST_MEAN or found.far_share > MOST_FAR
    most_lost = LEAST_CAUSE if off else MOST_LOST
    if found.field_mean > MOST_MEAN or found.field_far_share > MOST_FAR:
        said.append(
            f"the fit is not the scan: its surface is {found.field_mean:.2g} spacings from the points on average, and farther "
            f"than {FAR_SPACINGS:g} from {found.field_far_share:.1%} of them; fit longer or with another preset (`shapesiren "
            "inspect` shows the input)"
        )
    if found.against_share is not None and found.against_share > MOST_AGAINST:
        said.append(
            f"{found.against_share:.0%} of the points' normals look against the surface: their sides are uncertain; fit with "
            "--viewpoint X,Y,Z, or with --set ingest.normals=unsigned"
        )
    if thin > most_lost:
        said.append(
            f"the field passes through its points and the mesh misses {thin:.0%} of them: something is too thin for the grid "
            f"(cells of {cell:.3g}); cut the scan or raise --resolution"
        )
    if taken > most_lost:
        said.append(
            f"{taken:.0%} of the points lie where the surface was cut off, dropped, smoothed or decimated; "
            "mesh.trim=off, mesh.min_component=0 or less of the rest keeps it"
        )
    if found.unsupported_share > MOST_UNSUPPORTED and not closed:
        said.append(
            f"{found.unsupported_share:.0%} of the surface has no point near, so the scan does not say that it is there; "
            "--trim on cuts it off"
        )
    if off and not said:
        said.append(f"the mesh is not near its points: {found.beside()}; raise --resolution, or fit longer")
    return said


def on_surface(mesh: TriangleMesh, count: int, seed: int = 0) -> Array:
    """``count`` random points of a mesh, even by area. (count, 3)"""
    rng = np.random.default_rng(seed)
    total = np.cumsum(mesh.face_areas())
    face = mesh.faces[np.minimum(np.searchsorted(total, rng.uniform(0, total[-1], count)), len(total) - 1)]
    u, v = rng.uniform(size=(2, count, 1))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    a, b, c = mesh.vertices[face].transpose(1, 0, 2)
    points: Array = a + u * (b - a) + v * (c - a)
    return points
