"""What the viewer shows: the newest field of a run, finished or being fitted, and surfaces and slices made from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, ShapesirenError
from ..field import Field
from ..pointcloud.header import CloudHeader
from ..pointcloud.upright import vertical_of_run
from ..reports.maps import Map, error_bars_map, support_map
from ..runtime.kdtree import KDTree
from ..stages.fit import FIELD, LOG, SNAPSHOT
from ..stages.ingest import unpack
from ..stages.stage import stored_config
from ..stages.store import Run
from ..surface.io import error_bars_of, read_mesh
from ..surface.level_set import band_of
from ..surface.marching_cubes import sparse_marching_cubes
from ..surface.mesh import TriangleMesh
from ..surface.postprocess import decimate
from ..surface.query import plane
from ..surface.settings import MeshSettings
from ..surface.support import Support

Array = NDArray[Any]
MESH = "mesh.ply"
MOST_FACES = 1_000_000  # of a mesh that is shown
MARGIN, SLICE_MARGIN = 0.05, 0.15  # of the grid and of slices, round the scan


class RunWatcher:
    """A run folder that is looked at again and again. Nothing in it is written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.field: Field | None = None
        self.seen: tuple[str, int, int] | None = None
        self.seen_mesh: tuple[int, int] | None = None

    def cloud(self) -> dict[str, Array] | None:
        """The ingested arrays, as soon as they are there. Raises InputError if the run is no shape's."""
        try:
            run = Run.open(self.folder)
        except InputError:
            return None
        if run.record("ingest") is None:
            return None
        task, _ = stored_config(run, [])
        if not task.has_surface:
            raise InputError(
                f"a run of task {task.name} has no surface to view", where=self.folder, hint=f"shapesiren report {self.folder}"
            )
        return unpack(self.folder / task.cache).arrays

    def vertical(self) -> str | None:
        """The axis that points up, as the report has it. None before there is a scan."""
        if self.cloud() is None:
            return None
        run = Run.open(self.folder)
        task, config = stored_config(run, [])
        return vertical_of_run(config.report.up, CloudHeader.of(unpack(self.folder / task.cache).header), run.manifest)

    def refresh(self) -> bool:
        """Read the field anew if there is a newer one; whether there was, or a newer mesh."""
        read = self._refresh_field()
        mesh = self._mesh_version()
        read, self.seen_mesh = read or (mesh != self.seen_mesh and self.field is not None), mesh
        return read

    def _mesh_version(self) -> tuple[int, int] | None:
        """Tells the run's mesh from any other; None if it has none, or one of an earlier field."""
        try:
            mesh, field = (self.folder / MESH).stat(), (self.folder / FIELD).stat()
        except OSError:
            return None
        return (mesh.st_mtime_ns, mesh.st_ino) if mesh.st_mtime_ns >= field.st_mtime_ns and not self.fitting else None

    def mesh(self) -> tuple[Array, Array] | None:
        """Vertices (n, 3) in box coordinates and faces (m, 3) of the run's mesh: trimmed, filled and thinned out as it was
        written. None where there is none of this field; what is too large for a browser is decimated."""
        if self.field is None or self._mesh_version() is None:
            return None
        made = self._level() or read_mesh(self.folder / MESH)
        return decimate(self.field.frame.to_box(made.vertices), made.faces, MOST_FACES)

    def _level(self) -> TriangleMesh | None:
        """A coarse level of a large run's mesh, if a report or a copy has made one; None if the mesh itself is to be read."""
        assert self.field is not None
        if not CloudHeader.of(self.field.header).tiles:
            return None
        from ..large.copies import built_level

        settings = MeshSettings.model_validate(stored_config(Run.open(self.folder), [])[1].section("mesh"))
        return built_level(self.folder, settings, self.field.frame, MOST_FACES)

    def _refresh_field(self) -> bool:
        for name in (SNAPSHOT, FIELD):
            path = self.folder / name
            try:
                status = path.stat()
                version = (name, status.st_mtime_ns, status.st_ino)
                if version == self.seen:
                    return False
                self.field = Field.load(path)
            except (OSError, ShapesirenError):
                continue
            self.seen = version
            return True
        return False

    @property
    def fitting(self) -> bool:
        """Whether what is shown is the snapshot of a fit."""
        return self.seen is not None and self.seen[0] == SNAPSHOT

    def progress(self) -> str:
        """The last line of the fit's log, in words."""
        try:
            with open(self.folder / LOG, "rb") as file:
                file.seek(0, 2)
                file.seek(max(0, file.tell() - 2000))
                row = json.loads(file.read().splitlines()[-1])
            return f"step {row['step']:,}, {row['seconds']:.0f} s, loss {sum(row['losses'].values()):.3g}"
        except (OSError, ValueError, KeyError, IndexError):
            return ""

    def surface(self, resolution: int, level: float = 0.0) -> tuple[Array, Array] | None:
        """Vertices (n, 3) in box coordinates and faces (m, 3) of a level set; ``level`` in the user's units. None if there
        is none, or so much of it that the fit has hardly begun."""
        if self.field is None:
            return None
        try:
            band = band_of(self.field, resolution, MARGIN, level=level / self.field.frame.scale, slope_samples=2000)
            vertices, faces = sparse_marching_cubes(band)
        except (ShapesirenError, ValueError):
            return None
        return (band.grid.positions(vertices), faces) if len(faces) else None

    def measured(self, vertices: Array) -> Map | None:
        """Of vertices (n, 3), in box coordinates: where the surface is measured, and where no point is near and it is invented.
        None before there is a scan."""
        support = self.support()
        return None if support is None else support_map(support, vertices)

    def completed(self) -> bool:
        """Whether a prior made a part of the surface, which is shown from the beginning."""
        return self.field is not None and CloudHeader.of(self.field.header).prior is not None

    def support(self) -> Support | None:
        """The scan's points and how far each of them reaches. None before there are points and a field."""
        cloud = self.cloud()
        if self.field is None or cloud is None:
            return None
        return Support(KDTree(cloud["points"].astype(np.float64)), CloudHeader.of(self.field.header))

    def error_bars(self, vertices: Array) -> Map | None:
        """Of vertices (n, 3), in box coordinates: the error bars of the run's mesh nearby; None where it has none."""
        path = self.folder / MESH
        if self.field is None or self.fitting or not path.is_file() or (bars := error_bars_of(path)) is None:
            return None
        tree = KDTree(self.field.frame.to_box(read_mesh(path).vertices))
        support = self.support()
        assert support is not None  # as there is a mesh
        return error_bars_map(bars.astype(np.float64)[tree.query(vertices)[1]], support, vertices)

    def slice(self, axis: int, at: float, samples: int = 128) -> tuple[Array, Array, Array] | None:
        """A plane of the field as a picture.

        Parameters
        ----------
        axis : 0, 1 or 2, the normal of the plane; at : its place on that axis, box coordinates

        Returns
        -------
        picture (h, w, 3) uint8, rows along the next axis but one downwards; centre (3,) and size (2,) in box coordinates
        """
        if self.field is None:
            return None
        values, u, v = plane(self.field, axis, at, samples, SLICE_MARGIN)
        size = np.array([u[-1] - u[0], v[-1] - v[0]])
        centre = np.empty(3)
        centre[axis], centre[(axis + 1) % 3], centre[(axis + 2) % 3] = at, (u[0] + u[-1]) / 2, (v[0] + v[-1]) / 2
        return paint(values[::-1], float(size.max()) * self.field.frame.scale / 24), centre, size


def paint(values: Array, step: float) -> NDArray[np.uint8]:
    """Distances (h, w) as a picture: blue inside, red outside, a line every ``step`` and a thick one at zero."""
    from matplotlib import colormaps

    reach = float(np.abs(values).max()) or 1.0
    picture = colormaps["RdBu_r"](0.5 + 0.5 * values / reach)[..., :3]
    slope = np.maximum(np.hypot(*np.gradient(values)), 1e-12)  # per pixel, so that lines are as wide everywhere
    off = np.abs(values / step - np.round(values / step)) * step / slope
    picture *= np.clip(off - 0.1, 0.55, 1)[..., None]
    picture *= np.clip(np.abs(values) / slope - 0.6, 0, 1)[..., None]
    return (picture * 255).round().astype(np.uint8)
