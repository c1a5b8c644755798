"""``shapesiren diagnose``: what goes on inside a network while it is fitted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import command
from .existing_run import open_run
from .options import Json, Plugin, Replace, RunFolder, numbers
from .screen import Screen


@command()
def diagnose(
    *,
    run: RunFolder,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A picture: .png.")] = None,
    steps: Annotated[str, typer.Option(help="Steps at which the network is looked at.")] = "0,10,100,300",
    omega: Annotated[str | None, typer.Option(help="First omegas to compare, e.g. 10,30,90; else the run's own.")] = None,
    plugin: Plugin,
    force: Replace,
    as_json: Json,
) -> None:
    """Statistics of activations and gradients by layer, at initialisation and during a new fit of a run's signal.

    Example: shapesiren diagnose runs/photo --omega 10,30,90 -o layers.png
    """
    from dataclasses import asdict

    from ..fitting.diagnose import diagnose_omegas, draw, table
    from ..stages.copies import refuse_foreign, remember
    from ..stages.ingest import unpack
    from ..stages.stage import require

    screen = Screen(False, as_json)
    context = open_run(run, [], screen)
    if output is not None:
        refuse_foreign(output, force, context.run)
    require(context.run, "ingest", "fit")
    at = [int(n) for n in numbers(steps, None, "--steps", "list of steps", "0,10,100")]
    omegas = numbers(omega, None, "--omega", "list of omegas", "10,30,90") if omega else [context.config.net.omega_first]
    signal = unpack(context.run.folder / context.task.cache)
    found = diagnose_omegas(context.task, signal, context.config, omegas, at)
    if output is not None:
        draw(found, output)
        remember(context.run, output)
        screen.say(f"made {output}")
    lines = [line for name, rows in found.items() for line in (name, *table(rows))]
    screen.result({name: [asdict(s) for s in rows] for name, rows in found.items()}, lines)
