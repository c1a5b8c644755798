"""``shapesiren evaluate``: how good a run's output and field are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import command
from .existing_run import open_for_stage
from .options import RunFolder, StageOptions
from .screen import stage_lines


@command()
def evaluate(
    *,
    run: RunFolder,
    reference: Annotated[Path | None, typer.Option(help="The true surface: a mesh or a cloud.")] = None,
    tolerance: Annotated[float | None, typer.Option(help="Say how many vertices are within it.")] = None,
    stage: StageOptions,
) -> None:
    """Measure a run's mesh and field against a reference, or against its own input.

    Example: shapesiren evaluate runs/scan --reference truth.ply --json
    """
    context = open_for_stage(run, [] if tolerance is None else [("--tolerance", {"evaluate": {"tolerance": tolerance}})], stage)

    from ..stages.evaluate import evaluate as evaluate_stage  # here, as torch comes with it

    with context.run.locked():
        facts = evaluate_stage(context, reference)
    lines = stage_lines(context, "evaluate", facts)
    stage.printing.screen().result({"run": str(context.run.folder), "evaluate": facts}, lines)
