"""A fitted shape and its mesh, as the Python API returns them."""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..config import Tree
from ..errors import InputError
from ..export import export_field
from ..export.grids import distance_grid
from ..pointcloud.header import CloudHeader
from ..pointcloud.units import suffix
from ..reports.slices import slices_figure
from ..reports.turnable import MOST_FACES, turnable_frame
from ..similarity import Similarity
from ..surface import query
from ..surface.extract import extract
from ..surface.facts import MeshFacts
from ..surface.io import write_mesh
from ..surface.mesh import TriangleMesh
from ..surface.settings import MeshSettings
from ..surface.texture import check_texture, textured
from ..surface.written_units import written_units
from .fitted import FittedField

VIEW_RESOLUTION = 64  # of the surface that a notebook shows of a field: some 15,000 faces
ERROR_POINTS = 1000  # at which `repr` looks


@dataclass(frozen=True, kw_only=True, repr=False)
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

    def __repr__(self) -> str:
        return f"<Mesh: {self}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: a view to turn, or one line where it would weigh too much."""
        if not 0 < len(self.faces) <= MOST_FACES:
            return f"<p>{html.escape(str(self))}</p>"
        return turnable_frame(self, self.facts.surface_lines()[0])

    def __str__(self) -> str:
        return "; ".join(self.facts.surface_lines())


class DistancesOnGrid(NamedTuple):
    """distance : (nx, ny, nz), negative inside; x, y, z : (nx,), (ny,), (nz,), all in the user's coordinates and units"""

    distance: NDArray[np.float32]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    z: NDArray[np.float64]


class ShapeField(FittedField):
    """A fitted shape, which can be meshed."""

    @cached_property
    def error_at_points(self) -> float:
        """Mean absolute distance at some of the points it was fitted to, in the user's units."""
        every = max(1, len(self.arrays["points"]) // ERROR_POINTS)
        return float(np.abs(self(self.frame.to_user(self.arrays["points"][::every]))).mean())

    def described(self) -> list[str]:
        header = CloudHeader.of(self.header)
        units = suffix(header.units)
        return [
            *super().described(),
            f"{len(self.arrays['points']):,} points, {'open' if header.open else 'closed'}",
            f"noise {header.noise * self.frame.scale:.3g}{units}",
            f"mean distance at the points {self.error_at_points:.3g}{units}",
        ]

    def _repr_html_(self) -> str:
        """What a notebook shows: a coarse surface to turn. The line alone of a field without a surface."""
        line = "; ".join(self.described())
        try:
            coarse = self.mesh(resolution=VIEW_RESOLUTION)
        except InputError:
            return f"<p>{html.escape(line)}</p>"
        return f"{turnable_frame(coarse, f'a coarse look, {VIEW_RESOLUTION} cells')}<p>{html.escape(line)}</p>"

    def grid(self, resolution: int = 64) -> DistancesOnGrid:
        """Its distances on a regular grid round the scan, ``resolution`` samples along the longest side (8 to 2048)."""
        made = distance_grid(self, resolution)
        x, y, z = (made.origin[k] + made.step * np.arange(n) for k, n in enumerate(made.distance.shape))
        return DistancesOnGrid(made.distance, x, y, z)

    def plot(self, resolution: int = 96) -> Any:
        """Its distance in three slices through the middle, with the zero line and the points near: a matplotlib Figure."""
        units = CloudHeader.of(self.header).units
        return slices_figure(self.grid(resolution), self.frame.to_user(self.arrays["points"]), units)

    def mesh(self, resolution: int | None = None, **settings: Any) -> Mesh:
        """Its zero level set; keywords are settings of ``[mesh]``."""
        config = self.with_settings("mesh()", "mesh", {"resolution": resolution, **settings})
        check_texture(config.mesh, self.arrays)
        made, facts = extract(self, self.arrays, config.mesh)
        told: dict[str, Any] = {"facts": facts, "frame": self.frame, "settings": config.mesh}
        told["header"] = CloudHeader.of(self.header)
        if config.mesh.texture:
            made = textured(made, self, self.arrays, config.mesh.texture)
        told |= {"texture": made.texture, "invented": made.invented}
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
