"""Pictures of one mesh from several sides, in several colours."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..pointcloud.cloud import PointCloud
from ..runtime.triangles import Triangles
from .render import Camera, Image, Sight

SIDE, BEHIND, ABOVE_ALL = (41.0, 22.0), (221.0, 22.0), (-90.0, 89.9)  # azimuth and elevation, degrees


class Portraits:
    """Each fills its frame. The tree of the faces is built once, and what a camera sees is found once for all colours.

    inside : without faces that look away, so that a room is seen into through its own walls
    """

    def __init__(self, cloud: PointCloud, up: str, inside: bool = False) -> None:
        self.cloud, self.up, self.inside = cloud, up, inside
        self._seen: dict[tuple[float, float, int], Sight] = {}

    def camera(self, direction: tuple[float, float]) -> Camera:
        """From an azimuth and an elevation, degrees."""
        return Camera.framing(self.cloud.points, *direction, self.up)

    def draw(self, direction: tuple[float, float], size: int, colours: NDArray[np.uint8] | None) -> Image:
        """The picture (size, size, 3), with colours (n, 3) of the vertices or as of clay."""
        key = (*direction, size)
        if key not in self._seen:
            self._seen[key] = Sight.of(self.cloud, self._scene, self.camera(direction), size, self.inside)
        return self._seen[key].painted(colours)

    def hidden(self, positions: NDArray[np.float64], camera: Camera) -> NDArray[np.bool_]:
        """(k,) whether places (k, 3) on the mesh are behind other parts of it."""
        at = camera.normalised(positions)
        towards = camera.eye - at
        towards /= np.linalg.norm(towards, axis=1, keepdims=True)
        return self._scene.blocked(at + 0.01 * towards, towards)

    @cached_property
    def _scene(self) -> Triangles:
        assert self.cloud.faces is not None
        return Triangles(self.camera(SIDE).normalised(self.cloud.points), self.cloud.faces)  # as for all directions
