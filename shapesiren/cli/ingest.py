"""``shapesiren ingest``: read a file into a run folder."""

from __future__ import annotations

from typing import Annotated

import typer

from . import names
from .app import command
from .options import Force, OutDir, ScanOptions, ScreenOptions, Seed, SettingsOptions, TaskName, seed_layers, task_layers
from .settings_as_options import setting_layers, split


@command(settings_are_options=True)
def ingest(
    *,
    arguments: Annotated[list[str], typer.Argument(metavar="SOURCE...", help=names.input_files())],
    out: OutDir,
    settings: SettingsOptions,
    scan: ScanOptions,
    task: TaskName,
    seed: Seed,
    force: Force,
    printing: ScreenOptions,
) -> None:
    """Only read a file into a run folder, to be fitted later or on another machine.

    Example: shapesiren ingest scan.ply, then: shapesiren fit runs/scan
    """
    from ..stages.context import context_for, default_folder, task_of_sources
    from ..stages.ingest import ingest as ingest_stage

    screen = printing.screen()
    sources, options = split(arguments)
    layers = settings.layers() + task_layers(task) + seed_layers(seed) + scan.layers()
    kind = task_of_sources(sources, layers)
    layers += setting_layers(kind, ("ingest",), options, ingest)
    context = context_for(kind, out or default_folder(sources), layers, "cpu", screen.say, force)
    with context.run.locked(), screen.working("ingest"):
        facts = ingest_stage(context, sources)
    screen.stage(context, "ingest", facts)
    screen.say(f"made {context.run.folder}; next: shapesiren fit {context.run.folder}")
    screen.result({"run": str(context.run.folder), "ingest": facts})
