"""``shapesiren view``: the viewer in the browser."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import InputError
from .app import command
from .existing_run import chosen_run
from .options import Plugin, Port, RunFolder
from .screen import Screen


@command()
def view(
    *,
    run: RunFolder,
    port: Port,
    host: Annotated[str, typer.Option(help="Address to serve on; 0.0.0.0 lets other machines look.")] = "127.0.0.1",
    up: Annotated[str, typer.Option(help="The vertical axis: x, y or z; auto: as the scan tells.")] = "auto",
    plugin: Plugin,
    beside: Annotated[bool, typer.Option("--beside", hidden=True)] = False,
) -> None:
    """Open the live viewer: points, surface, level sets, slices of the field, and what it is at a point.

    It follows a run that is being fitted (fit --live), too. Ctrl-C ends it.

    Example: shapesiren view runs/scan
    """
    from ..stages.store import Run
    from ..view.serve import serve, serve_beside_a_fit

    if up not in ("auto", "x", "y", "z"):
        raise InputError(f"{up!r} is no axis", where="--up", hint="one of x, y, z, or auto")
    screen = Screen(False, False)
    if beside and run is not None:  # how fit --live starts it: before there is a run in the folder
        serve_beside_a_fit(run, host, port, up, screen.say)
    else:
        folder = chosen_run(run, screen)
        Run.open(folder)
        serve(folder, host, port, up, screen.say)
