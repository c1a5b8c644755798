"""A shape whose scan is in tiles: its stages, by way of `large`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Config
from ..errors import InputError, Interrupted
from ..local.settings import LocalSettings
from ..pointcloud.cloud import PointCloud
from ..pointcloud.header import CloudHeader
from ..pointcloud.settings import IngestSettings
from ..surface.settings import MeshSettings
from .base import Arrays, Say, Signal

if TYPE_CHECKING:
    import torch

    from ..field import Field
    from ..local.problem import Scan
    from ..metrics.shape import EvaluateSettings, ShapeMetrics
    from ..nets.local import Local
    from ..surface.facts import MeshFacts
    from .fitted import Kind
    from .shape_field import ShapeField

LARGE_UNITS = 128  # sines of a cell of a tile
COARSE_SHARE = 0.03  # of the time of a fit, for the field of the thinned cloud
TILES, FILES = "tiles", {"ingest": "index.json", "fit": "field.json"}  # as `large.tiles` and `large.fit` name them


def tile_files(stage: str, folder: Path) -> list[str]:
    """The file by which a stage's tiles are known to be as it left them."""
    name = FILES.get(stage)
    return [f"{TILES}/{name}"] if name and (folder / TILES / FILES["ingest"]).is_file() else []


def ingest_tiles(
    folder: Path, source: Any, key: str, settings: IngestSettings, prior: str | None, seed: int, say: Say
) -> Signal | None:
    """The thinned cloud of a large scan, whose tiles are in the run folder then; None of any other, which leaves none there.

    Raises InputError where a prior is to complete it, besides what `ingest_large` raises.
    """
    from ..large.ingest import ingest_large, is_large

    if not isinstance(source, PointCloud):
        paths = [source] if isinstance(source, Path) else list(source)
        if is_large(paths, settings):
            if prior is not None:
                raise InputError("no prior completes a scan in tiles", where="fit.prior", hint="leave it out, or --large false")
            return Signal(*ingest_large(folder, paths, settings, seed, say, key))
    shutil.rmtree(folder / TILES, ignore_errors=True)
    return None


def solve_large(
    folder: Path,
    scan: Scan,
    header: CloudHeader,
    local: LocalSettings,
    tiles: LocalSettings,
    ingest: IngestSettings,
    noisy: bool,
    seed: int,
    device: torch.device,
    progress: Callable[[float], bool],
) -> tuple[Local, str]:
    """The field of the thinned cloud, ``scan``, once all tiles are solved, and a line on these.

    Raises Stopped as `solve_local` does; what is solved stays.

    Parameters
    ----------
    local, tiles : how the thinned cloud is solved, and how the tiles are
    noisy : False ignores the noise of the points
    """
    from ..large.engines import fit_each
    from ..large.fit import fit_tiles, make_plan
    from ..local.solve import solve_local

    make_plan(folder, header, tiles, ingest, seed, scan.points, scan.normals, noisy)
    solved = fit_tiles(folder, lambda share: progress((1 - COARSE_SHARE) * share), fit_each(folder))
    net = solve_local(scan, local, seed, device, lambda share: progress(1 - COARSE_SHARE + COARSE_SHARE * share))
    return net, f"of all points: {solved.line()}"


def tile_settings(local: LocalSettings, of_preset: int) -> LocalSettings:
    """Those of the tiles' cells: with `LARGE_UNITS` sines at most, unless the user says another number than the preset."""
    return local if local.units != of_preset else local.model_copy(update={"units": min(of_preset, LARGE_UNITS)})


def write_tiles_mesh(path: Path, fitted: Field, settings: MeshSettings, say: Say) -> MeshFacts:
    """The mesh of a large run. Raises Interrupted where it is stopped between two tiles."""
    from ..large.mesh import mesh_large

    try:
        return mesh_large(path.parent, settings, CloudHeader.of(fitted.header), path, say)
    except KeyboardInterrupt:
        raise Interrupted("the tiles that are meshed are kept", where=path.parent, hint="the same command goes on") from None


def large_field(field: Field, kind: Kind, arrays: Arrays, config: Config, run: Path) -> ShapeField:
    """The field of a large run as the Python interface returns it."""
    from ..large.field import LargeField
    from .shape_field import ShapeField

    class LargeShapeField(LargeField, ShapeField):
        """That of all points; its arrays are those of the thinned cloud."""

        def __init__(self) -> None:
            ShapeField.__init__(self, field, kind, arrays, config, run)
            self.open_tiles(run, field)

    return LargeShapeField()


def evaluate_tiles(output: Path, fitted: Field, settings: EvaluateSettings, say: Say) -> ShapeMetrics:
    """The points of a large run against its mesh, tile by tile."""
    from ..large.evaluate import evaluate_large

    return evaluate_large(output.parent, fitted, settings, say)


def convert_tiles(written: Path, path: Path, fitted: Field, settings: MeshSettings) -> bool:
    """Write the mesh of a large run, or a level of it, in another format; whether the run is one.

    Raises InputError if it is none, and its mesh is wanted in tiles or coarser.
    """
    from ..surface.io import IN_TILES

    header = CloudHeader.of(fitted.header)
    if not header.tiles:
        if path.name.lower() in IN_TILES or settings.level is not None:
            hint = "fit it with --large true, or mesh it with --faces N for a coarser one"
            raise InputError("the run is not in tiles, its mesh has no levels", where=path, hint=hint)
        return False
    from ..large.copies import write_copy

    write_copy(written.parent, path, header, settings)
    return True
