"""A closed surface of any scan: the whole zero level set, and where it runs on to the edge of the grid, flat sides there.

A field has a value everywhere, so its level set has no border inside the grid; what trimming cuts off is how the field goes on
where nothing was measured. At the edge of the grid the field is cut with a box, as solids are: max(f, box).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import RunError
from ...field import Field
from ..facts import Verification
from ..level_set import LevelSet, level_set, region_of
from ..mesh import TriangleMesh
from ..settings import MeshSettings
from ..support import Support
from ..trim import trim
from .facts import Invented

Array = NDArray[np.float64]

INSET_CELLS = 2.0  # how far inside the grid the flat sides are


@dataclass
class _Side:
    low: Array
    high: Array

    def values(self, x: Array) -> tuple[Array, Array]:
        """Largest signed distance from the six planes, (n,), negative inside, and its gradient (n, 3)."""
        beyond = np.concatenate([self.low - x, x - self.high], 1)
        worst = beyond.argmax(1)
        gradient = np.zeros((len(x), 3))
        gradient[np.arange(len(x)), worst % 3] = np.where(worst < 3, -1.0, 1.0)
        return beyond[np.arange(len(x)), worst], gradient


class Enclosed(Field):
    """A field whose inside ends at a box from ``low`` to ``high``, box coordinates."""

    def __init__(self, field: Field, low: Array, high: Array) -> None:
        super().__init__(field.net, field.task, field.header)
        self.inner, self.side = field, _Side(low, high)

    def box_values(self, x: NDArray[np.floating]) -> NDArray[np.float32]:
        return np.maximum(self.inner.box_values(x), self.side.values(np.asarray(x, np.float64))[0]).astype(np.float32)

    def box_rough_values(self, x: NDArray[np.floating]) -> NDArray[np.float32] | None:
        return None

    def box_values_and_gradients(self, x: NDArray[np.floating], dtype: Any = None) -> tuple[Any, Any]:
        f, g = self.inner.box_values_and_gradients(x) if dtype is None else self.inner.box_values_and_gradients(x, dtype)
        at, direction = self.side.values(np.asarray(x, np.float64))
        out = at > f
        return np.where(out, at, f).astype(np.float32), np.where(out[:, None], direction, g).astype(np.float32)


def closed_level_set(field: Field, resolution: int, settings: MeshSettings) -> tuple[LevelSet, bool]:
    """The zero level set, closed; and whether flat sides at the edge of the grid had to close it."""
    surface = level_set(field, resolution, settings)
    if not surface.at_boundary:
        return surface, False
    low, high = region_of(field, settings)
    inset = INSET_CELLS * surface.cell
    return level_set(Enclosed(field, low + inset, high - inset), resolution, settings), True


def invented(mesh: TriangleMesh, support: Support, block: bool) -> Invented:
    """What of a closed mesh, in box coordinates, the points do not support; in the user's units."""
    areas, scale = mesh.face_areas(), support.header.frame.scale
    area = float(areas[~trim(mesh, support)[0]].sum())
    return Invented(area=area * scale**2, area_share=area / float(areas.sum()), block=block)


def require_closed(checked: Verification, decimated: bool) -> None:
    """Raise RunError unless a mesh that was to be closed is."""
    if checked.watertight:
        return
    if decimated:
        hint = "decimation broke it: more --faces, or none"
    else:
        hint = "a field without sides has no inside: fit again with --viewpoint X,Y,Z, or mesh it open"
    wrong = {
        "open": checked.boundary_edges,
        "shared by more than two faces": checked.nonmanifold_edges,
        "with faces that disagree": checked.misoriented_edges,
    }
    told = ", ".join(f"{count:,} {name}" for name, count in wrong.items() if count)
    raise RunError(f"the surface could not be closed: edges {told}", where="mesh.watertight", hint=hint)
