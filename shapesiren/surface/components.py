"""Which components of a mesh stay: those that no point supports go, small ones, and all but the largest where asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .mesh import TriangleMesh
from .settings import MeshSettings
from .support import Support

# Share of the area below which a component is small; the sparse parts of an open scan are islands, and surface all the same
SMALL_AREA_SHARE, OPEN_SMALL_AREA_SHARE = 1e-3, 2e-4
ENOUGH_POINTS = 30  # of which a component is the nearest surface, and stays however small it is
LEAST_DENSITY = 0.1  # of the whole mesh's points by area; a component with fewer, and few points, hangs on left outliers
LEAST_SUPPORTED_SHARE = 0.1  # of the corners of a component that are near a point; with fewer it is none of the scan's


@dataclass(frozen=True)
class Dropped:
    """How many components were left out.

    phantoms : because no point supports them
    small : because hardly any point is nearest to them, and their area is below ``least`` of the whole, or far too large for
        so few points
    others : because larger ones were asked for; None if they were not
    """

    phantoms: int
    small: int
    least: float
    others: int | None = None

    def lines(self) -> list[str]:
        """For people; nothing where nothing was dropped unasked."""
        said = [f"dropped {self.phantoms} components that no point supports"] if self.phantoms else []
        if self.small:
            said.append(f"dropped {self.small} components below {self.least:.2%} of the area, or of hardly a point")
        return said


def drop_components(
    mesh: TriangleMesh, support: Support, settings: MeshSettings, by_edge: bool
) -> tuple[TriangleMesh, Dropped]:
    """The mesh without what is none of the scan's surface, in box coordinates, and what was left out.

    ``by_edge`` : see `drop_small_components`
    """
    mesh, phantoms = drop_phantoms(mesh, support)
    if settings.min_component is not None:
        least, enough = settings.min_component, None
    else:
        least, enough = OPEN_SMALL_AREA_SHARE if support.header.open else SMALL_AREA_SHARE, support
    mesh, small = drop_small_components(mesh, least, by_edge, enough)
    others = None
    if settings.largest is not None:
        mesh, others = keep_largest(mesh, settings.largest)
    return mesh, Dropped(phantoms, small, least, others)


def drop_phantoms(mesh: TriangleMesh, support: Support) -> tuple[TriangleMesh, int]:
    """Without the components that lie away from all points, unless that is all of them; and how many those were."""
    count, label = mesh.face_components()
    if count < 2:
        return mesh, 0
    near = ~support.unsupported(mesh.vertices)
    share = np.bincount(label, near[mesh.faces].mean(1), count) / np.bincount(label, minlength=count)
    phantom = share < LEAST_SUPPORTED_SHARE
    if phantom.all() or not phantom.any():
        return mesh, 0
    return mesh.keep_faces(~phantom[label]), int(phantom.sum())


def drop_small_components(
    mesh: TriangleMesh, share: float, by_edge: bool = False, support: Support | None = None
) -> tuple[TriangleMesh, int]:
    """Without the components whose area is below ``share`` of the whole; and how many those were.

    Parameters
    ----------
    by_edge : scraps that hang on the rest by a single vertex count as components too; trimming leaves some
    support : keeps what is the nearest surface of `ENOUGH_POINTS` points, however small beside other bodies, and drops what
        is larger, but of hardly a point: what a few outliers held up; None decides by the area alone
    """
    count, label = mesh.face_components(by_edge)
    if count < 2 or share <= 0:
        return mesh, 0
    areas = np.bincount(label, mesh.face_areas(), count)
    small = areas < share * areas.sum()
    if support is not None:
        points = points_of_components(mesh, label, count, support)
        thin = points * areas.sum() < LEAST_DENSITY * points.sum() * areas
        small = (small | thin) & (points < ENOUGH_POINTS)
    return (mesh.keep_faces(~small[label]), int(small.sum())) if small.any() else (mesh, 0)


def points_of_components(mesh: TriangleMesh, label: NDArray[np.int64], count: int, support: Support) -> NDArray[np.int64]:
    """Of how many points each component, (m,) ``label`` of faces, is the nearest surface: (count,), by the vertices alone."""
    of_vertex = np.zeros(len(mesh.vertices), np.int64)
    of_vertex[mesh.faces] = label[:, None]
    distance, nearest = support.nearest(mesh.vertices)
    order = np.lexsort((distance, nearest))
    point, first = np.unique(nearest[order], return_index=True)
    vertex = order[first]
    known = distance[vertex] <= support.local[point]
    return np.bincount(of_vertex[vertex[known]], minlength=count)


def keep_largest(mesh: TriangleMesh, most: int) -> tuple[TriangleMesh, int]:
    """The ``most`` components with the largest areas; and how many were dropped."""
    count, label = mesh.face_components()
    if count <= most:
        return mesh, 0
    areas = np.bincount(label, mesh.face_areas(), count)
    kept = np.isin(label, np.argsort(areas)[-most:])
    return mesh.keep_faces(kept), count - most
