"""``shapesiren compare``: runs beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from . import names
from .app import command
from .options import Json, Replace
from .screen import Screen, print_table


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
    from ..reports.compare import WRITERS, by_run, labels, rows_of, shown_rows
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
    if output is not None:
        write_atomically(output, WRITERS[output.suffix.lower()](finished))
        remember(own, output)
        screen.say(f"made {output}")
    elif not as_json:
        table = [[str(row[0]), *(show(value) for value in row[1:])] for row in shown_rows(finished)]
        print_table(["", *columns], table, right=range(1, len(columns) + 1))
