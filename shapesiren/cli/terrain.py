"""``shapesiren terrain``: a run's surface as a grid of heights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import names
from .app import command
from .existing_run import open_run
from .options import Json, Plugin, Replace, RunFolder
from .screen import Screen


@command()
def terrain(
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help=f"The GeoTIFF: {' '.join(names.TERRAIN_FILES)}.")],
    run: RunFolder,
    cell: Annotated[str, typer.Option(metavar="LENGTH", help="Side of a cell: 0.5 of the scan's units, 50cm.")] = "0.5",
    crs: Annotated[str | None, typer.Option("--crs", metavar="EPSG:CODE", help="The projected reference system.")] = None,
    plugin: Plugin,
    force: Replace,
    as_json: Json,
) -> None:
    """Write a run's surface as a GeoTIFF of heights (z up), without data where no point supports it.

    Example: shapesiren terrain runs/scan --cell 0.5 --crs EPSG:32632 -o dem.tif
    """
    import numpy as np

    from ..export.drawing import check_file
    from ..export.terrain import MapSystem, epsg_of, height_grid, system_of_scan, write_geotiff
    from ..pointcloud.units import in_scan_units, suffix
    from ..stages.copies import guarded, refuse_foreign
    from ..stages.output import finished_mesh, points_and_support, units_of

    check_file(output, names.TERRAIN_FILES)
    given = epsg_of(crs)
    screen = Screen(False, as_json)
    context = open_run(run, [], screen)
    refuse_foreign(output, force, context.run)
    mesh = finished_mesh(context)
    points, support, own = points_and_support(context.run)
    system, units = MapSystem(given) if given else system_of_scan(own), units_of(context.run)
    side = in_scan_units(cell, units, "--cell")
    grid = height_grid(mesh, side, points, max(support, side))
    with guarded(output, force, context.run):
        write_geotiff(output, grid, system)
    rows, columns = grid.heights.shape
    share = float(np.isfinite(grid.heights).mean())
    unknown = "" if system else "; no reference system: --crs EPSG:32632 says one"
    screen.say(f"made {output}: {columns} x {rows} cells of {side:g}{suffix(units)}, {share:.0%} with a height{unknown}")
    screen.result({"file": str(output), "columns": columns, "rows": rows, "cell": side, "share": share, "epsg": system.epsg})
