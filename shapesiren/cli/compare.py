"""``shapesiren compare``: runs beside each other."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from . import names
from .app import command
from .options import Json, Plugin, Replace
from .screen import Screen


@command()
def compare(
    *,
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help=f"A page or a table: {' '.join(names.TABLE_FILES)}.")
    ] = None,
    volume: Annotated[bool, typer.Option("--volume", help="Cut and fill from the first terrain to the second (z up).")] = False,
    cell: Annotated[float, typer.Option(help="Side of a cell of --volume, in the scan's units.")] = 0.5,
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
    from ..reports.compare import WRITERS, by_run, labels, rows_of, shown_rows
    from ..runtime.files import write_atomically
    from ..stages.copies import refuse_foreign, remember
    from ..stages.report import open_finished
    from ..stages.store import Run

    if output is not None and output.suffix.lower() not in WRITERS:
        raise InputError(f"unknown format {output.suffix!r}", where=output, hint=f"known: {' '.join(WRITERS)}")
    finished = [open_finished(folder) for folder in runs]
    own = Run.open(runs[0])
    if output is not None:
        refuse_foreign(output, force, own)
    rows, columns = rows_of(finished), labels(finished)
    screen = Screen(False, as_json)
    screen.result(by_run(rows, columns))
    if output is not None:
        write_atomically(output, WRITERS[output.suffix.lower()](finished))
        remember(own, output)
        screen.say(f"made {output}")
    elif not as_json:
        _print_table(shown_rows(finished), columns)


def _volume(runs: Sequence[Path], output: Path | None, cell: float, screen: Screen) -> None:
    from ..export.volume import Terrain, volume_between
    from ..stages.output import finished_mesh, fitted_field, points_and_support
    from .existing_run import open_run

    if len(runs) != 2 or output is not None:
        raise InputError("a volume is between two runs, and is printed", where="--volume", hint="compare --volume BEFORE AFTER")
    terrains = []
    for folder in runs:
        context = open_run(folder, [], screen)
        mesh = finished_mesh(context)
        if not getattr(fitted_field(context.run).header, "open", False):
            raise InputError("a closed body, not a terrain", where=folder, hint="fit the terrain with --surface open")
        points, support, _ = points_and_support(context.run)
        terrains.append(Terrain(mesh, points, support))
    v = volume_between(terrains[0], terrains[1], cell)
    screen.say(f"cut {v.cut:.6g}, fill {v.fill:.6g}, net {v.net:.6g} +- {v.error:.2g} over an area of {v.area:.6g}")
    screen.result(v.tree())


def _print_table(rows: Sequence[Sequence[object]], columns: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    from ..reports.page import show

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right", overflow="fold")
    for row in rows:
        table.add_row(str(row[0]), *(show(v) for v in row[1:]))
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 60 + 24 * len(columns)).print(table)
