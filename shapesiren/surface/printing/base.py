"""The flat base: a cut a little above the lowest point, as low as the part then stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from manifold3d import Manifold

CUTS = (0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1)  # of the height, tried in order
LEAST_FOOTPRINT = 0.1  # of the outline seen from above that the base's hull covers, at least


def cut_base(solid: Manifold) -> tuple[Manifold, float, bool]:
    """A solid with z up that stands on a plane, how far above its lowest point that was cut, and whether it stands.

    It stands if its centre of mass is above the hull of its base. The lowest cut with which it does is taken, and the highest
    where none does.
    """
    low, high = solid.bounding_box()[2], solid.bounding_box()[5]
    outline = solid.project().hull().area()
    made, cut, stands = solid, 0.0, False
    for share in CUTS:
        cut = share * (high - low)
        made = solid.trim_by_plane([0.0, 0.0, 1.0], low + cut)
        base = made.slice(low + cut + 1e-6 * (high - low)).hull()
        stands = base.area() >= LEAST_FOOTPRINT * outline and _covers(base.to_polygons(), centre_of_mass(made)[:2])
        if stands:
            break
    return made, cut, stands


def centre_of_mass(solid: Manifold) -> NDArray[np.float64]:
    """(3,) of a solid of even density."""
    from .solids import to_mesh

    vertices, faces = to_mesh(solid)
    origin = vertices.mean(0)
    a, b, c = (vertices - origin)[faces.T]
    volume = (a * np.cross(b, c)).sum(1)
    return origin + ((a + b + c) * volume[:, None]).sum(0) / (4 * volume.sum())


def _covers(polygons: list[NDArray[np.float64]], at: NDArray[np.float64]) -> bool:
    """Whether ``at`` (2,) is inside a convex, counter-clockwise polygon."""
    if not polygons:
        return False
    corner = np.asarray(polygons[0])
    side, to = np.roll(corner, -1, axis=0) - corner, at - corner
    return bool((side[:, 0] * to[:, 1] - side[:, 1] * to[:, 0] >= 0).all())
