"""``shapesiren export``: a run's field for other programs."""

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
def export(
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help=f"The file: {' '.join(names.FIELD_FILES)}.")],
    run: RunFolder,
    resolution: Annotated[int, typer.Option(help="Samples along the longest side of a grid.")] = 128,
    gradient: Annotated[bool, typer.Option("--gradient", help="The ONNX file also gives the gradient.")] = False,
    card: Annotated[bool, typer.Option("--card", help="Write a model card, FILE.md, beside it.")] = False,
    plugin: Plugin,
    force: Replace,
    as_json: Json,
) -> None:
    """Write a run's field for other programs: an ONNX graph, or signed distances on a grid (NPZ, NRRD, VTK).

    Example: shapesiren export runs/scan -o scan.nrrd --resolution 256
    """
    from ..export import check_export, export_field
    from ..runtime.files import write_atomically
    from ..stages.copies import guarded
    from ..stages.evaluate import figures_of
    from ..stages.output import fitted_field

    check_export(output)
    screen = Screen(False, as_json)
    context = open_run(run, [], screen)
    beside = output.with_name(f"{output.name}.md") if card else None
    with guarded(output, force, context.run), guarded(beside, force, context.run):
        field = fitted_field(context.run)
        facts = export_field(field, output, resolution, gradient).tree()
        if beside is not None:
            write_atomically(beside, field.card(figures_of(context.run)).encode())
    screen.say(f"made {output}: " + ", ".join(f"{k} {v}" for k, v in facts.items()))
    if beside is not None:
        screen.say(f"made {beside}")
    screen.result({"file": str(output)} | facts | ({} if beside is None else {"card": str(beside)}))
