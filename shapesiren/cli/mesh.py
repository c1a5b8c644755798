"""``shapesiren mesh``: the mesh of a fitted shape."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..lengths import millimetres
from ..runtime.workers import with_workers
from . import names
from .app import command
from .existing_run import open_for_stage
from .options import For, Layers, RunFolder, StageOptions, Strict, WorkerOptions, box_of
from .write_output import write_output


@command()
def mesh(
    *,
    run: RunFolder,
    resolution: Annotated[int | None, typer.Option(help="Cells along the longest side (default: 128 to 512).")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help=f"A copy: {' '.join(names.MESH_FILES)}, tileset.json.")
    ] = None,
    sharp: Annotated[bool | None, typer.Option("--sharp", help="Keep sharp edges sharp (dual contouring).")] = None,
    faces: Annotated[int | None, typer.Option(help="Decimate to about so many faces.")] = None,
    max_error: Annotated[float | None, typer.Option(help="Decimate as far as this distance allows.")] = None,
    fill_holes: Annotated[float | None, typer.Option(help="Leave trimmed holes up to this size filled.")] = None,
    smooth: Annotated[int | None, typer.Option(help="Rounds of Taubin smoothing.")] = None,
    largest: Annotated[int | None, typer.Option(help="Keep only so many components.")] = None,
    box: Annotated[str | None, typer.Option("--box", metavar="X0,Y0,Z0,X1,Y1,Z1", help="Only the surface in it.")] = None,
    units: Annotated[str | None, typer.Option("--units", help=f"Write a copy in {names.choice(names.UNITS)}.")] = None,
    scale: Annotated[float | None, typer.Option("--scale", help="Write a copy with coordinates times this.")] = None,
    texture: Annotated[
        int | None,
        typer.Option(metavar="SIZE", help=f"Colours as a picture of 4096 texels a side, in {names.choice(names.TEXTURED)}."),
    ] = None,
    tiles: Annotated[bool | None, typer.Option("--tiles", help="Of a large run: keep the mesh in tiles, join none.")] = None,
    level: Annotated[
        int | None, typer.Option(help="Of a large run: write a coarser level, each with a quarter of the faces.")
    ] = None,
    trim: Annotated[str | None, typer.Option(help="auto, on, or off: cut off what no point supports.")] = None,
    watertight: Annotated[bool | None, typer.Option("--watertight", help="Close it; says what is invented.")] = None,
    height: Annotated[str | None, typer.Option(metavar="LENGTH", help="A part to print, so high: 120mm, 4.7in.")] = None,
    up: Annotated[str | None, typer.Option(help="Axis of the scan that is vertical in the part: x, y, z.")] = None,
    flat_base: Annotated[bool | None, typer.Option("--flat-base", help="Cut the part flat below, so that it stands.")] = None,
    hollow: Annotated[str | None, typer.Option(metavar="LENGTH", help="Hollow the part, with walls of 2mm.")] = None,
    drain: Annotated[str | None, typer.Option(metavar="LENGTH", help="A hole through its bottom, 4mm wide.")] = None,
    nozzle: Annotated[str | None, typer.Option(metavar="LENGTH", help="Of the printer, by which walls are thin.")] = None,
    uncertainty: Annotated[bool | None, typer.Option("--uncertainty", help="Error bars of the vertices.")] = None,
    profile: For,
    strict: Strict,
    by: WorkerOptions,
    stage: StageOptions,
) -> None:
    """Take the mesh from a fitted field, in the scan's own coordinates, verify it and judge it by its points.

    A large run's mesh is also written as tiles (-o FOLDER/tiles.json) and as 3D Tiles for a browser (-o FOLDER/tileset.json).
    With --height, --flat-base or --hollow it is closed, and a part to print made of it, upright, in mm: -o part.3mf.

    Example: shapesiren mesh runs/scan --resolution 512 -o scan.glb
    """
    from ..stages.context import say_profile

    lengths = {"height": height, "hollow": hollow, "drain": drain, "nozzle": nozzle}
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
        "units": units,
        "scale": scale,
        "texture": texture,
        "tiles": tiles,
        "level": level,
        "watertight": watertight,
        "up": up,
        "flat_base": flat_base,
        **{name: None if text is None else millimetres(text, f"--{name}") for name, text in lengths.items()},
        "box": None if box is None else box_of(box),
    }
    layers: Layers = [("--for", {"profile": profile})] if profile is not None else []
    layers += [("--" + k.replace("_", "-"), {"mesh": {k: v}}) for k, v in given.items() if v is not None]
    if texture is not None and output is not None:
        from ..surface.texture import check_textured

        check_textured(output)
    context = open_for_stage(run, layers, stage)
    if profile is not None:
        say_profile(context.config, context.say)
    if output is None and texture is not None:
        output = context.run.folder / "mesh.textured.glb"
    if output is None and level is not None:
        output = context.run.folder / f"mesh.level{level}.ply"
    if output is None and (units is not None or scale is not None):
        output = context.run.folder / f"mesh.{units or 'scaled'}.ply"
    screen = stage.printing.screen()
    if by.shard is not None:
        from ..stages.shards import mesh_part

        with screen.working("mesh"):
            done = mesh_part(context, by.shard, by.chosen())
        screen.say(done.line("meshed", context.run.folder))
        screen.result({"run": str(context.run.folder), "tiles": done.tree()})
        return
    with with_workers(by.chosen()):
        write_output(context, "mesh", output, screen, strict)
