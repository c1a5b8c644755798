"""``shapesiren mesh``: the mesh of a fitted shape."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import names
from .app import command
from .existing_run import open_for_stage
from .options import For, Layers, RunFolder, StageOptions, Strict, box_of
from .write_output import write_output


@command()
def mesh(
    *,
    run: RunFolder,
    resolution: Annotated[int | None, typer.Option(help="Cells along the longest side (default: 128 to 512).")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help=f"A copy: {' '.join(names.MESH_FILES)}.")] = None,
    sharp: Annotated[bool | None, typer.Option("--sharp", help="Keep sharp edges sharp (dual contouring).")] = None,
    faces: Annotated[int | None, typer.Option(help="Decimate to about so many faces.")] = None,
    max_error: Annotated[float | None, typer.Option(help="Decimate as far as this distance allows.")] = None,
    fill_holes: Annotated[float | None, typer.Option(help="Leave trimmed holes up to this size filled.")] = None,
    smooth: Annotated[int | None, typer.Option(help="Rounds of Taubin smoothing.")] = None,
    largest: Annotated[int | None, typer.Option(help="Keep only so many components.")] = None,
    box: Annotated[str | None, typer.Option("--box", metavar="X0,Y0,Z0,X1,Y1,Z1", help="Only the surface in it.")] = None,
    trim: Annotated[str | None, typer.Option(help="auto, on, or off: cut off what no point supports.")] = None,
    uncertainty: Annotated[bool | None, typer.Option("--uncertainty", help="Error bars of the vertices.")] = None,
    profile: For,
    strict: Strict,
    stage: StageOptions,
) -> None:
    """Take the mesh from a fitted field, in the scan's own coordinates, verify it and judge it by its points.

    Example: shapesiren mesh runs/scan --resolution 512 -o scan.glb
    """
    from ..stages.context import say_profile

    given = {
        "resolution": resolution,
        "sharp": sharp,
        "faces": faces,
        "max_error": max_error,
        "fill_holes": fill_holes,
        "smooth": smooth,
        "largest": largest,
        "trim": trim,
        "uncertainty": uncertainty,
        "box": None if box is None else box_of(box),
    }
    layers: Layers = [("--for", {"profile": profile})] if profile is not None else []
    layers += [("--" + k.replace("_", "-"), {"mesh": {k: v}}) for k, v in given.items() if v is not None]
    context = open_for_stage(run, layers, stage)
    if profile is not None:
        say_profile(context.config, context.say)
    write_output(context, "mesh", output, stage.printing.screen(), strict)
