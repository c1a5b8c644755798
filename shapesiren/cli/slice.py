"""``shapesiren slice``: contour lines and cross-sections of a run's surface."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from . import names
from .app import command
from .existing_run import open_run
from .options import Json, Plugin, Replace, RunFolder, numbers
from .screen import Screen


@command(name="slice")
def slice_(
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help=f"The drawing: {' '.join(names.DRAWING_FILES)}.")],
    run: RunFolder,
    every: Annotated[
        str | None, typer.Option(metavar="LENGTH", help="A plane at each multiple of it: 1 of the scan's units, 50cm.")
    ] = None,
    at: Annotated[str | None, typer.Option("--at", metavar="P,P,...", help="Planes at these positions.")] = None,
    axis: Annotated[str, typer.Option(help="What the planes are across: x, y or z (contour lines).")] = "z",
    plugin: Plugin,
    force: Replace,
    as_json: Json,
) -> None:
    """Draw contour lines and cross-sections of a run's mesh, in the scan's own coordinates, a layer for each plane.

    Example: shapesiren slice runs/scan --every 1 -o contours.dxf
    """
    from ..export.drawing import DRAWINGS, check_file, write_drawing
    from ..export.sections import AXES, positions_every, sections
    from ..pointcloud.units import in_scan_units
    from ..stages.copies import guarded, refuse_foreign
    from ..stages.output import finished_mesh, units_of

    check_file(output, tuple(DRAWINGS))
    if axis not in tuple(AXES):
        raise InputError(f"{axis!r} is no axis", where="--axis", hint="x, y or z")
    if (every is None) == (at is None):
        raise InputError("where to cut?", where="slice", hint="either --every LENGTH or --at POSITION,POSITION")
    screen = Screen(False, as_json)
    context = open_run(run, [], screen)
    refuse_foreign(output, force, context.run)
    mesh, number, units = finished_mesh(context), AXES.index(axis), units_of(context.run)
    if every is None:
        assert at is not None
        positions = numbers(at, None, "--at", "list of positions", "431.5,432")
    else:
        along = mesh.vertices[:, number]
        positions = positions_every(float(along.min()), float(along.max()), in_scan_units(every, units, "--every"))
    cut = sections(mesh, number, positions)
    with guarded(output, force, context.run):
        write_drawing(output, cut, units)
    lines, missed = sum(len(s.lines) for s in cut), sum(not s.lines for s in cut)
    screen.say(f"made {output}: {lines} lines in {len(cut)} planes" + (f", {missed} of which miss the surface" * bool(missed)))
    screen.result({"file": str(output), "planes": positions, "lines": lines, "missed": missed})
