"""A fitted shape and its mesh, as the Python API returns them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..config import Tree
from ..export import export_field
from ..pointcloud.header import CloudHeader
from ..similarity import Similarity
from ..surface import query
from ..surface.extract import extract
from ..surface.facts import MeshFacts
from ..surface.io import write_mesh
from ..surface.mesh import TriangleMesh
from ..surface.settings import MeshSettings
from ..surface.written_units import written_units
from .fitted import FittedField


@dataclass(frozen=True, kw_only=True)
class Mesh(TriangleMesh):
    """A mesh in the user's coordinates. facts : its verification, distances, and how it was made; frame : of its field
    header : of the scan, which says what its lengths are in; settings : of ``[mesh]``, which say what a file is to be in
    """

    facts: MeshFacts
    frame: Similarity
    header: CloudHeader
    settings: MeshSettings

    def save(self, path: str | Path) -> None:
        """Write as PLY, OBJ, STL, GLB, 3MF or OFF, by extension; GLB and 3MF in metres and millimetres, if it is known what the
        scan is in."""
        units = written_units(self.header, self.settings, Path(path).suffix.lower())
        write_mesh(Path(path), self, self.frame, self.facts.resolution, units)

    @property
    def colors(self) -> NDArray[np.uint8] | None:
        """The same as ``colours``."""
        return self.colours

    @property
    def watertight(self) -> bool:
        """Closed, edge-manifold and oriented: checked, not assumed."""
        return self.facts.verification.watertight

    def __str__(self) -> str:
        return "; ".join(self.facts.surface_lines())


class ShapeField(FittedField):
    """A fitted shape, which can be meshed."""

    def mesh(self, resolution: int | None = None, **settings: Any) -> Mesh:
        """Its zero level set; keywords are settings of ``[mesh]``."""
        config = self.with_settings("mesh()", "mesh", {"resolution": resolution, **settings})
        made, facts = extract(self, self.arrays, config.mesh)
        told: dict[str, Any] = {"facts": facts, "frame": self.frame, "settings": config.mesh}
        told["header"] = CloudHeader.of(self.header)
        return Mesh(made.vertices, made.faces, made.normals, made.colours, made.intensity, **told)

    def curvature(self, points: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and Gaussian curvature, each (n,), of the level sets through (n, 3) points. See `surface.query`."""
        return query.curvatures(self, points)

    def closest_point(self, points: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The surface's nearest point (n, 3) to each of (n, 3) points, and the distances (n,). See `surface.query`."""
        return query.closest_points(self, points)

    def intersect(
        self, origins: ArrayLike, directions: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Where rays meet the surface: distances (n,), inf for none; points and normals (n, 3). See `surface.query`."""
        return query.intersect_rays(self, origins, directions)

    def export(self, path: str | Path, resolution: int = 128, gradient: bool = False) -> Tree:
        """Write it as .onnx, or its distances on a grid as .npz, .nrrd, .vti. Returns facts. See `export`."""
        return export_field(self, Path(path), resolution, gradient).tree()
