"""``shapesiren picture``: meshes, scans and runs, drawn without a display."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import command
from .options import Plugin, Replace
from .screen import Screen


@command()
def picture(
    *,
    files: Annotated[list[Path], typer.Argument(help="Meshes and scans, drawn side by side; or a run.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture: .png .jpg.")],
    size: Annotated[int, typer.Option(help="Pixels along each side of a panel.", min=16, max=4096)] = 640,
    azimuth: Annotated[float, typer.Option(help="Degrees round the vertical.")] = 30.0,
    elevation: Annotated[float, typer.Option(help="Degrees above the horizon.")] = 20.0,
    up: Annotated[str, typer.Option(help="The vertical axis: x, y or z; auto: as the scan tells.")] = "auto",
    inside: Annotated[bool, typer.Option("--inside", help="See into rooms: leave out faces that look away.")] = False,
    plugin: Plugin,
    force: Replace,
) -> None:
    """Draw meshes and scans without a display (ray casting, no OpenGL).

    Of a run: a shape's mesh beside its field, sphere traced; a fitted image, sound or video beside its original.

    Example: shapesiren picture scan.ply runs/scan/mesh.ply -o both.png
    """
    from ..stages.copies import guarded
    from ..stages.store import Run

    if len(files) == 1 and files[0].is_dir():
        from ..stages.report import draw_run
        from ..tasks.base import View

        with guarded(output, force, Run.open(files[0])):
            draw_run(files[0], output, View(size, azimuth, elevation, up, inside))
    else:
        from ..reports.render import draw_files

        with guarded(output, force, inputs=files):
            draw_files(files, output, size, azimuth, elevation, up, inside)
    Screen(False, False).say(f"made {output}")
