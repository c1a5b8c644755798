"""``shapesiren run``: all stages in one go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import command
from .fit import ingest_and_fit
from .options import FitOptions, Strict
from .settings_as_options import setting_layers, split
from .write_output import fail_if_refused, fail_if_warned


@command(settings_are_options=True, without=("config",))
def run(
    *,
    pipeline: Annotated[Path, typer.Argument(help="Settings of all stages, as TOML.")],
    arguments: Annotated[list[str], typer.Argument(metavar="SOURCE...", help="The input; several registered scans are one.")],
    reference: Annotated[Path | None, typer.Option(help="The true surface, to evaluate against.")] = None,
    strict: Strict,
    how: FitOptions,
) -> None:
    """All stages in one go; what has not changed since the last time is skipped.

    Example: shapesiren run pipelines/scan.toml scan.ply
    """
    from ..stages.context import context_for, default_folder, task_of_sources

    screen = how.printing.screen()
    sources, options = split(arguments)
    layers = how.layers(pipeline)
    task = task_of_sources(sources, layers)
    layers += setting_layers(task, ("ingest", "fit", task.output, "evaluate"), options, run)
    context = context_for(task, how.out or default_folder(sources), layers, how.device, screen.say, how.force)
    with context.run.locked():
        results = {"fit": ingest_and_fit(context, sources, screen, how.watch)}

        from ..stages.evaluate import evaluate  # here, as torch comes with them
        from ..stages.output import output
        from ..stages.report import report

        with screen.working(task.output):
            results[task.output] = output(context)
        screen.stage(context, task.output, results[task.output])
        with screen.working("evaluate"):
            results["evaluate"] = evaluate(context, reference)
        screen.stage(context, "evaluate", results["evaluate"])
        with screen.working("report"):
            results["report"] = report(context, reference)
    files = sorted(p.name for p in context.run.folder.iterdir() if not p.name.startswith("."))
    screen.say(f"made {context.run.folder}: {' '.join(files)}")
    screen.result({"run": str(context.run.folder), **results})
    fail_if_warned(results[task.output], strict)
    fail_if_refused(results["evaluate"])
