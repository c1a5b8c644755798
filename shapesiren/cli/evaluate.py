"""``shapesiren evaluate``: how good a run's output and field are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from .app import command
from .existing_run import open_for_stage
from .options import Layers, RunFolder, StageOptions
from .screen import stage_lines
from .write_output import fail_if_refused


@command()
def evaluate(
    *,
    run: RunFolder,
    reference: Annotated[Path | None, typer.Option(help="The true surface: a mesh or a cloud.")] = None,
    tolerance: Annotated[float | None, typer.Option(help="Accept the mesh by it or not; exit with 1 if not.")] = None,
    required: Annotated[str | None, typer.Option(metavar="SHARE", help="That has to be within it (default: 95%).")] = None,
    stage: StageOptions,
) -> None:
    """Measure a run's mesh and field against a reference, or against its own input; with a tolerance, PASS or FAIL.

    Example: shapesiren evaluate runs/scan --reference truth.ply --tolerance 0.05 --required 95%
    """
    given = {"tolerance": tolerance, "required": required}
    layers: Layers = [(f"--{name}", {"evaluate": {name: value}}) for name, value in given.items() if value is not None]
    context = open_for_stage(run, layers, stage)
    if required is not None and context.config.section("evaluate")["tolerance"] is None:
        raise InputError("a share is required within a tolerance", where="--required", hint="add --tolerance")

    from ..stages.evaluate import evaluate as evaluate_stage  # here, as torch comes with it

    screen = stage.printing.screen()
    with context.run.locked(), screen.working("evaluate"):
        facts = evaluate_stage(context, reference)
    lines = stage_lines(context, "evaluate", facts)
    screen.result({"run": str(context.run.folder), "evaluate": facts}, lines)
    fail_if_refused(facts)
