"""``shapesiren compare``: runs beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from . import names
from .app import command
from .options import Json, Plugin, Replace
from .screen import Screen, print_table


@command()
def compare(
    *,
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help=f"A page or a table: {' '.join(names.TABLE_FILES)}.")
    ] = None,
    volume: Annotated[
        bool, typer.Option("--volume", help="Cut and fill from one terrain to the next (z up); volumes of closed bodies.")
    ] = False,
    cell: Annotated[
        str, typer.Option(metavar="LENGTH", help="Side of a cell of --volume: 0.5 of the scan's units, 50cm.")
    ] = "0.5",
    plugin: Plugin,
    force: Replace,
    as_json: Json,
) -> None:
    """Set runs beside each other: what differs in their settings, what they cost, how good they are.

    Example: shapesiren compare runs/scan runs/scan-fine -o both.html
    """
    if volume:
        _volume(runs, output, cell, Screen(False, as_json))
        return
    from ..reports.compare import WRITERS, by_run, labels, rows_of, shown_rows, unequal_steps
    from ..reports.page import show
    from ..runtime.files import write_atomically
    from ..stages.copies import refuse_foreign, remember
    from ..stages.report import open_finished
    from ..stages.store import Run

    if output is not None and output.suffix.lower() not in WRITERS:
        raise InputError(f"unknown format {output.suffix!r}", where=output, hint=f"known: {' '.join(WRITERS)}")
    screen = Screen(False, as_json)
    finished = [open_finished(folder, screen.say) for folder in runs]
    own = Run.open(runs[0])
    if output is not None:
        refuse_foreign(output, force, own)
    rows, columns = rows_of(finished), labels(finished)
    screen.result(by_run(rows, columns))
    if noted := unequal_steps(finished):
        screen.say(noted)
    if output is not None:
        write_atomically(output, WRITERS[output.suffix.lower()](finished))
        remember(own, output)
        screen.say(f"made {output}")
    elif not as_json:
        table = [[str(row[0]), *(show(value) for value in row[1:])] for row in shown_rows(finished)]
        print_table(["", *columns], table, right=range(1, len(columns) + 1))


def _volume(runs: Sequence[Path], output: Path | None, cell: str, screen: Screen) -> None:
    from ..export.volume import Terrain, volume_between, volume_of_bodies
    from ..pointcloud.units import in_scan_units, suffix
    from ..stages.output import finished_mesh, fitted_field, points_and_support, units_of
    from .existing_run import open_run

    if len(runs) != 2 or output is not None:
        raise InputError("a volume is between two runs, and is printed", where="--volume", hint="compare --volume BEFORE AFTER")
    terrains, closed, units = [], [], []
    for folder in runs:
        context = open_run(folder, [], screen)
        mesh = finished_mesh(context)
        closed.append(not getattr(fitted_field(context.run).header, "open", False))
        units.append(units_of(context.run))
        points, support, _ = points_and_support(context.run)
        terrains.append(Terrain(mesh, points, support))
    if closed[0] != closed[1]:
        which = runs[closed.index(True)]
        raise InputError("a closed body, and the other a terrain", where=which, hint="fit the terrain with --surface open")
    if None not in units and units[0] != units[1]:
        raise InputError(f"one in {units[0]}, the other in {units[1]}", where="--volume", hint="fit both in the same --units")
    square, cube = suffix(units[0], 2), suffix(units[0], 3)
    if closed[0]:
        b = volume_of_bodies(terrains[0], terrains[1])
        both = f"before {b.before:.6g}{cube}, after {b.after:.6g}{cube}"
        screen.say(f"{both}, net {b.net:.6g} +- {b.error:.2g}{cube}")
        screen.result(b.tree())
        return
    v = volume_between(terrains[0], terrains[1], in_scan_units(cell, units[0], "--cell"))
    moved = f"cut {v.cut:.6g}{cube}, fill {v.fill:.6g}{cube}, net {v.net:.6g} +- {v.error:.2g}{cube}"
    screen.say(f"{moved} over an area of {v.area:.6g}{square}")
    screen.result(v.tree())
