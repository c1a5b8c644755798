"""``shapesiren report``: one HTML file of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from .app import command
from .existing_run import open_for_stage
from .options import RunFolder, StageOptions


@command()
def report(
    *,
    run: RunFolder,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A copy: .html.")] = None,
    reference: Annotated[Path | None, typer.Option(help="Colour the distance to this surface, not to the input.")] = None,
    stage: StageOptions,
) -> None:
    """Write a run's report: one HTML file that opens offline, with the surface to turn, pictures, curves and settings.

    Example: shapesiren report runs/scan -o scan.html
    """
    from ..runtime.files import write_atomically
    from ..stages.copies import refuse_foreign, remember

    if output is not None and output.suffix.lower() not in (".html", ".htm"):
        raise InputError(
            f"a report is an HTML file, not {output.suffix or 'without extension'!r}", where=output, hint="-o NAME.html"
        )
    context = open_for_stage(run, [], stage)
    if output is not None:
        refuse_foreign(output, stage.force, context.run)

    from ..stages.report import REPORT  # here, as torch comes with it
    from ..stages.report import report as report_stage

    screen = stage.printing.screen()
    with context.run.locked(), screen.working("report"):
        facts = report_stage(context, reference)
    made = [context.run.folder / REPORT]
    if output is not None:
        write_atomically(output, made[0].read_bytes())
        remember(context.run, output)
        made.append(output)
    screen.say(f"made {' and '.join(map(str, made))} ({facts['bytes'] / 1e6:.1f} MB); open it in a browser")
    screen.result({"run": str(context.run.folder), "files": [str(f) for f in made], "report": facts})
