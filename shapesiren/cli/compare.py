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
from .options import Json, Replace
from .screen import Screen


@command()
def compare(
    *,
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help=f"A page or a table: {' '.join(names.TABLE_FILES)}.")
    ] = None,
    force: Replace,
    as_json: Json,
) -> None:
    """Set runs beside each other: what differs in their settings, what they cost, how good they are.

    Example: shapesiren compare runs/scan runs/scan-fine -o both.html
    """
    from ..reports.compare import WRITERS, by_run, labels, rows_of, unequal_steps
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
    if noted := unequal_steps(finished):
        screen.say(noted)
    if output is not None:
        write_atomically(output, WRITERS[output.suffix.lower()](finished))
        remember(own, output)
        screen.say(f"made {output}")
    elif not as_json:
        _print_table(rows, columns)


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
